// SPDX-License-Identifier: GPL-2.0-only
/* The walk of the guest's page tables. */
#include "pagewalk.h"
#include "x86_bits.h"
#include <linux/errno.h>

/* Bits of a paging-structure entry, the same in all modes. */
#define PTE_PRESENT	BIT_ULL(0)
#define PTE_WRITE	BIT_ULL(1)
#define PTE_USER	BIT_ULL(2)
#define PTE_ACCESSED	BIT_ULL(5)
#define PTE_DIRTY	BIT_ULL(6)
#define PTE_PS		BIT_ULL(7)
#define PTE_XD		BIT_ULL(63)
#define PTE_ADDRESS	GENMASK_ULL(51, 12)

#define MAX_LEVELS	5

struct paging_mode {
	u8 levels;
	u8 index_bits;
	u8 entry_size;
	u64 cr3_address;
};

static const struct paging_mode mode_32bit = { 2, 10, 4, GENMASK_ULL(31, 12) };
static const struct paging_mode mode_pae = { 3, 9, 8, GENMASK_ULL(31, 5) };
static const struct paging_mode mode_4level = { 4, 9, 8, PTE_ADDRESS };
static const struct paging_mode mode_5level = { 5, 9, 8, PTE_ADDRESS };

/* The entries used, from the root's (depth 0) to the leaf, and what they allow. */
struct walk {
	const struct mkvm_paging *p;
	const struct mkvm_pagewalk_memory *memory;
	const struct paging_mode *mode;
	u64 linear;
	u32 access;
	u64 at[MAX_LEVELS], entry[MAX_LEVELS];
	unsigned int depth, level;
	bool user, write, exec;
};

static const struct paging_mode *paging_mode(const struct mkvm_paging *p)
{
	if (p->efer & MKVM_EFER_LMA)
		return p->cr4 & X86_CR4_LA57 ? &mode_5level : &mode_4level;
	return p->cr4 & X86_CR4_PAE ? &mode_pae : &mode_32bit;
}

/* PDPTEs of PAE paging hold neither rights nor an accessed flag. */
static bool is_pae_pdpte(const struct walk *w)
{
	return w->mode == &mode_pae && w->level == 3;
}

static bool is_leaf(const struct walk *w, u64 entry)
{
	if (w->level == 1)
		return true;
	if (w->level > 3 || is_pae_pdpte(w) || !(entry & PTE_PS))
		return false;
	return w->mode != &mode_32bit || (w->p->cr4 & X86_CR4_PSE);
}

static unsigned int shift_of(const struct walk *w)
{
	return 12 + (w->level - 1) * w->mode->index_bits;
}

/* SDM, table "Format of a 32-Bit Page-Directory Entry that Maps a 4-MByte Page". */
static u64 reserved_32bit(const struct walk *w, u64 entry)
{
	unsigned int width = w->p->maxphyaddr;

	if (w->level == 1 || !is_leaf(w, entry))
		return 0;
	width = width > 40 ? 40 : width < 32 ? 32 : width;
	return GENMASK_ULL(21, width - 19);
}

static u64 reserved_bits(const struct walk *w, u64 entry)
{
	u64 bits = 0;

	if (w->mode == &mode_32bit)
		return reserved_32bit(w, entry);
	if (w->p->maxphyaddr < 52)
		bits |= GENMASK_ULL(51, w->p->maxphyaddr);
	if (is_pae_pdpte(w))
		return bits | GENMASK_ULL(63, 52) | GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1);
	if (w->mode == &mode_pae)
		bits |= GENMASK_ULL(62, 52);
	if (!(w->p->efer & MKVM_EFER_NXE))
		bits |= PTE_XD;
	if (w->level > 3)
		bits |= PTE_PS;
	else if (w->level > 1 && is_leaf(w, entry))
		bits |= GENMASK_ULL(shift_of(w) - 1, 13);
	return bits;
}

static void restrict_rights(struct walk *w, u64 entry)
{
	if (is_pae_pdpte(w))
		return;
	w->user = w->user && (entry & PTE_USER);
	w->write = w->write && (entry & PTE_WRITE);
	w->exec = w->exec && !(w->mode != &mode_32bit && (entry & PTE_XD));
}

/* SDM, section "Determination of Access Rights"; protection keys are not offered. */
static bool allowed(const struct walk *w)
{
	const struct mkvm_paging *p = w->p;
	bool writes = w->access & MKVM_ACCESS_WRITE;

	if (w->access & MKVM_ACCESS_EXEC) {
		if (!w->exec)
			return false;
		return p->user ? w->user : !(w->user && (p->cr4 & X86_CR4_SMEP));
	}
	if (p->user)
		return w->user && (!writes || w->write);
	if (w->user && (p->cr4 & X86_CR4_SMAP) && !p->ac)
		return false;
	return !writes || w->write || !(p->cr0 & X86_CR0_WP);
}

static int page_fault(const struct walk *w, u32 cause, u32 *error)
{
	const struct mkvm_paging *p = w->p;
	bool has_xd = w->mode != &mode_32bit && (p->efer & MKVM_EFER_NXE);

	*error = cause;
	if (w->access & MKVM_ACCESS_WRITE)
		*error |= MKVM_PF_WRITE;
	if (p->user)
		*error |= MKVM_PF_USER;
	if ((w->access & MKVM_ACCESS_EXEC) && (has_xd || (p->cr4 & X86_CR4_SMEP)))
		*error |= MKVM_PF_FETCH;
	return -EFAULT;
}

/* One entry of the table at @table. 1: go on, to the next level; 0: it is the leaf. */
static int step(struct walk *w, u64 table, u32 *error)
{
	u64 index = w->linear >> shift_of(w) & ((1u << w->mode->index_bits) - 1);
	u64 entry;
	int ret;

	/* The four PDPTEs: 32 bits of linear address are all that PAE paging has. */
	if (is_pae_pdpte(w))
		index &= 3;
	w->at[w->depth] = table + index * w->mode->entry_size;
	ret = w->memory->read(w->memory->opaque, w->at[w->depth], &entry, w->mode->entry_size);
	if (ret == -EAGAIN)
		return ret;
	if (ret)
		return page_fault(w, 0, error);
	w->entry[w->depth++] = entry;
	if (!(entry & PTE_PRESENT))
		return page_fault(w, 0, error);
	if (entry & reserved_bits(w, entry))
		return page_fault(w, MKVM_PF_PRESENT | MKVM_PF_RESERVED, error);
	restrict_rights(w, entry);
	return !is_leaf(w, entry);
}

/*
 * Accessed in every entry, dirty in the leaf of a write. The entry that was
 * checked is the one that is marked, or the walk starts again.
 */
static int mark_used(const struct walk *w)
{
	unsigned int i;

	for (i = 0; i < w->depth; i++) {
		u64 next = w->entry[i] | PTE_ACCESSED;
		int ret;

		if (w->mode == &mode_pae && i == 0)
			continue;
		if (i == w->depth - 1 && (w->access & MKVM_ACCESS_WRITE))
			next |= PTE_DIRTY;
		if (next == w->entry[i])
			continue;
		ret = w->memory->replace(w->memory->opaque, w->at[i], w->entry[i], next,
					 w->mode->entry_size);
		if (ret)
			return ret;
	}
	return 0;
}

static u64 leaf_address(const struct walk *w)
{
	u64 entry = w->entry[w->depth - 1];
	u64 offset_mask = (1ull << shift_of(w)) - 1;
	u64 pa = entry & PTE_ADDRESS & ~offset_mask;

	/* PSE-36: bits 20:13 of a 4-MiB page's entry are bits 39:32 of its address. */
	if (w->mode == &mode_32bit && w->level == 2)
		pa |= (entry >> 13 & 0xff) << 32;
	return pa | (w->linear & offset_mask);
}

static int walk(struct walk *w, u64 *gpa, u32 *error)
{
	u64 table = w->p->cr3 & w->mode->cr3_address;
	int ret;

	for (w->level = w->mode->levels;; w->level--) {
		ret = step(w, table, error);
		if (ret <= 0)
			break;
		table = w->entry[w->depth - 1] & PTE_ADDRESS;
	}
	if (ret < 0)
		return ret;
	if (!allowed(w))
		return page_fault(w, MKVM_PF_PRESENT, error);
	ret = mark_used(w);
	if (ret == -EAGAIN)
		return ret;
	if (ret)
		return page_fault(w, 0, error);
	*gpa = leaf_address(w);
	return 0;
}

int mkvm_pagewalk(const struct mkvm_paging *p, const struct mkvm_pagewalk_memory *memory,
		  u64 linear, u32 access, u64 *gpa, u32 *error)
{
	struct walk w = {
		.p = p, .memory = memory, .mode = paging_mode(p),
		.linear = p->efer & MKVM_EFER_LMA ? linear : (u32)linear,
		.access = access,
		.user = true, .write = true, .exec = true,
	};

	if (!(p->cr0 & X86_CR0_PG)) {
		*gpa = (u32)linear;
		return 0;
	}
	return walk(&w, gpa, error);
}
