/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's own page tables, walked as its CPU does: no paging, 32-bit, PAE,
 * 4-level and 5-level paging. SDM vol. 3, chapter "Paging".
 */
#ifndef MKVM_PURE_PAGEWALK_H
#define MKVM_PURE_PAGEWALK_H

#include "access.h"
#include "pure.h"

/* Page-fault error code. SDM, section "Page-Fault Exceptions". */
#define MKVM_PF_PRESENT		MKVM_BIT(0)
#define MKVM_PF_WRITE		MKVM_BIT(1)
#define MKVM_PF_USER		MKVM_BIT(2)
#define MKVM_PF_RESERVED	MKVM_BIT(3)
#define MKVM_PF_FETCH		MKVM_BIT(4)

struct mkvm_paging {
	u64 cr0, cr3, cr4, efer;
	bool user;		/* the access is made at CPL 3 */
	bool ac;		/* RFLAGS.AC: suspends SMAP */
	u8 maxphyaddr;
};

/* How the walk reaches guest physical memory; entries are 4 or 8 bytes. */
struct mkvm_pagewalk_memory {
	void *opaque;
	/* One access. -EAGAIN: not now; else nonzero: there is no memory. */
	int (*read)(void *opaque, u64 gpa, u64 *entry, u32 size);
	/* 0; -EAGAIN: the entry is not @old any more; else there is no memory. */
	int (*replace)(void *opaque, u64 gpa, u64 old, u64 next, u32 size);
};

MKVM_PURE_BEGIN

/*
 * Translate @linear for @access and set accessed and dirty flags. 0 and *gpa;
 * -EFAULT and the page fault's error code in *error; or -EAGAIN: another CPU
 * changed an entry meanwhile or memory said so, walk again. A table outside of memory counts as
 * an entry that is not present.
 */
int mkvm_pagewalk(const struct mkvm_paging *p, const struct mkvm_pagewalk_memory *memory,
		  u64 linear, u32 access, u64 *gpa, u32 *error);

MKVM_PURE_END

#endif /* MKVM_PURE_PAGEWALK_H */
