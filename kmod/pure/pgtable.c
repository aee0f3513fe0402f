// SPDX-License-Identifier: GPL-2.0-only
/* Second-stage page-table entries. */
#include "pgtable.h"

/*
 * SDM vol. 3, section "EPT Translation Mechanism".
 * Guest memory is RAM of the host, which maps it write-back: with another type
 * for the same page the two would see each other's writes late or never, so the
 * guest's PAT does not count. Accessed and dirty are set from the start: the
 * host was told when the page was mapped, and the CPU need not write them.
 */
const struct mkvm_pgtable_format mkvm_pgtable_ept = {
	.present	= 7,
	.read		= BIT_ULL(0),
	.write		= BIT_ULL(1),
	.exec		= BIT_ULL(2),
	.large		= BIT_ULL(7),
	.leaf		= 6 << 3 | BIT_ULL(6) | BIT_ULL(8) | BIT_ULL(9), /* WB, ignore PAT, A, D */
	.table		= 7 | BIT_ULL(8),	/* read, write, execute, accessed */
};

/*
 * APM vol. 2, section "Nested Paging": the format of long mode's own tables;
 * every access of the guest counts as a user's. PAT index 0 is write-back in
 * Linux's PAT, and the guest's types cannot make that cached memory incoherent.
 */
const struct mkvm_pgtable_format mkvm_pgtable_npt = {
	.present	= BIT_ULL(0),
	.read		= BIT_ULL(0),
	.write		= BIT_ULL(1),
	.no_exec	= BIT_ULL(63),
	.large		= BIT_ULL(7),
	.leaf		= BIT_ULL(2) | BIT_ULL(5) | BIT_ULL(6),	/* user, accessed, dirty */
	.table		= 7 | BIT_ULL(5),	/* present, write, user, accessed */
};

u64 mkvm_pgtable_make_leaf(const struct mkvm_pgtable_format *f, u64 pa,
			   unsigned int level, u32 access)
{
	u64 entry = (pa & MKVM_PGTABLE_ADDRESS & ~((mkvm_pgtable_span(level) << 12) - 1)) |
		    f->leaf | f->read;

	if (level > 1)
		entry |= f->large;
	if (access & MKVM_ACCESS_WRITE)
		entry |= f->write | MKVM_PGTABLE_HOST_WRITES;
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
