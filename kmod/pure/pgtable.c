// SPDX-License-Identifier: GPL-2.0-only
/* Second-stage page-table entries. */
#include "pgtable.h"

#define EPT_READ	BIT_ULL(0)
#define EPT_WRITE	BIT_ULL(1)
#define EPT_EXEC	BIT_ULL(2)
#define EPT_TYPE_WB	(6ull << 3)
#define EPT_IGNORE_PAT	BIT_ULL(6)
#define EPT_LARGE	BIT_ULL(7)
#define EPT_ACCESSED	BIT_ULL(8)
#define EPT_DIRTY	BIT_ULL(9)

/*
 * Guest memory is RAM of the host, which maps it write-back: with another type
 * for the same page the two would see each other's writes late or never, so the
 * guest's PAT does not count. Accessed and dirty are set from the start: the
 * host was told when the page was mapped, and the CPU need not write them.
 */
const struct mkvm_pgtable_format mkvm_pgtable_ept = {
	.levels		= 4,
	.max_leaf	= 2,
	.present	= EPT_READ | EPT_WRITE | EPT_EXEC,
	.read		= EPT_READ,
	.write		= EPT_WRITE,
	.exec		= EPT_EXEC,
	.large		= EPT_LARGE,
	.leaf		= EPT_TYPE_WB | EPT_IGNORE_PAT | EPT_ACCESSED | EPT_DIRTY,
	.table		= EPT_READ | EPT_WRITE | EPT_EXEC | EPT_ACCESSED,
};

#define NPT_PRESENT	BIT_ULL(0)
#define NPT_WRITE	BIT_ULL(1)
#define NPT_USER	BIT_ULL(2)
#define NPT_ACCESSED	BIT_ULL(5)
#define NPT_DIRTY	BIT_ULL(6)
#define NPT_LARGE	BIT_ULL(7)
#define NPT_NO_EXEC	BIT_ULL(63)

/*
 * APM vol. 2, section "Nested Paging": the format of long mode's own tables;
 * every access of the guest counts as a user's. PAT index 0 is write-back in
 * Linux's PAT, and the guest's types cannot make that cached memory incoherent.
 */
const struct mkvm_pgtable_format mkvm_pgtable_npt = {
	.levels		= 4,
	.max_leaf	= 2,
	.present	= NPT_PRESENT,
	.read		= NPT_PRESENT,
	.write		= NPT_WRITE,
	.no_exec	= NPT_NO_EXEC,
	.large		= NPT_LARGE,
	.leaf		= NPT_USER | NPT_ACCESSED | NPT_DIRTY,
	.table		= NPT_PRESENT | NPT_WRITE | NPT_USER | NPT_ACCESSED,
};

u64 mkvm_pgtable_make_leaf(const struct mkvm_pgtable_format *f, u64 pa,
			   unsigned int level, u32 access)
{
	u64 entry = (pa & MKVM_PGTABLE_ADDRESS & ~((mkvm_pgtable_span(level) << 12) - 1)) |
		    f->leaf | f->read;

	if (level > 1)
		entry |= f->large;
	if (access & MKVM_ACCESS_WRITE)
		entry |= f->write;
	entry |= access & MKVM_ACCESS_EXEC ? f->exec : f->no_exec;
	return entry;
}

bool mkvm_pgtable_allows(const struct mkvm_pgtable_format *f, u64 entry, u32 access)
{
	u64 needed = f->read;

	if (access & MKVM_ACCESS_WRITE)
		needed |= f->write;
	if (access & MKVM_ACCESS_EXEC) {
		if (entry & f->no_exec)
			return false;
		needed |= f->exec;
	}
	return (entry & needed) == needed;
}
