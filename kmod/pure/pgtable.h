/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The second-stage page table's format as data: the walk, the fault path and
 * the zap in mmu.c are written once, over this. Four tables of 512 entries of
 * 8 bytes; level 1 maps 4 KiB, level 2 2 MiB, level 3 1 GiB, level 4 is the
 * root. SDM vol. 3, section "EPT Translation Mechanism"; APM vol. 2, section
 * "Nested Paging".
 */
#ifndef MKVM_PURE_PGTABLE_H
#define MKVM_PURE_PGTABLE_H

#include "access.h"
#include "pure.h"

#define MKVM_PGTABLE_ENTRIES	512
#define MKVM_PGTABLE_LEVELS	4
#define MKVM_PGTABLE_MAX_LEAF	2	/* the highest level that may hold a leaf */

struct mkvm_pgtable_format {
	u64 present;		/* any of these: the entry is used */
	u64 read, write, exec;	/* set to allow */
	u64 no_exec;		/* set to forbid; a format has this or exec */
	u64 large;		/* a leaf above level 1 */
	u64 leaf;		/* in every leaf: memory type, accessed, dirty */
	u64 table;		/* in every entry that points to a table */
};

/* The output address of every format that x86 has. */
#define MKVM_PGTABLE_ADDRESS	GENMASK_ULL(51, 12)
/* In a leaf, ignored by the CPU: the host lets the guest write, even where the leaf does not. */
#define MKVM_PGTABLE_HOST_WRITES	BIT_ULL(11)

MKVM_PURE_BEGIN

extern const struct mkvm_pgtable_format mkvm_pgtable_ept;	/* VT-x */
extern const struct mkvm_pgtable_format mkvm_pgtable_npt;	/* AMD-V */

/* A leaf at @level for @access; MKVM_ACCESS_READ is always granted. */
u64 mkvm_pgtable_make_leaf(const struct mkvm_pgtable_format *f, u64 pa,
			   unsigned int level, u32 access);

/* Does the leaf allow all of @access? */
bool mkvm_pgtable_allows(const struct mkvm_pgtable_format *f, u64 entry, u32 access);

static inline u64 mkvm_pgtable_make_table(const struct mkvm_pgtable_format *f, u64 pa)
{
	return (pa & MKVM_PGTABLE_ADDRESS) | f->table;
}

static inline bool mkvm_pgtable_is_present(const struct mkvm_pgtable_format *f, u64 entry)
{
	return entry & f->present;
}

/* Of a present entry. */
static inline bool mkvm_pgtable_is_leaf(const struct mkvm_pgtable_format *f, u64 entry,
					unsigned int level)
{
	return level == 1 || (entry & f->large);
}

static inline u64 mkvm_pgtable_pa(u64 entry)
{
	return entry & MKVM_PGTABLE_ADDRESS;
}

/* How many gfns one entry at @level covers. */
static inline u64 mkvm_pgtable_span(unsigned int level)
{
	return 1ull << (9 * (level - 1));
}

static inline unsigned int mkvm_pgtable_index(u64 gfn, unsigned int level)
{
	return (unsigned int)(gfn >> (9 * (level - 1))) & (MKVM_PGTABLE_ENTRIES - 1);
}

/* The first gfn that the table cannot name. */
#define MKVM_PGTABLE_GFN_LIMIT	BIT_ULL(9 * MKVM_PGTABLE_LEVELS)

MKVM_PURE_END

#endif /* MKVM_PURE_PGTABLE_H */
