/* SPDX-License-Identifier: GPL-2.0-only */
/* From segment and offset to a linear address, with the checks on the way. */
#ifndef MKVM_PURE_SEGMENT_H
#define MKVM_PURE_SEGMENT_H

#include "access.h"
#include "pure.h"
#include <linux/kvm.h>

enum mkvm_segment_rules {
	MKVM_SEGMENT_REAL,	/* real-address and virtual-8086 mode: only the limit counts */
	MKVM_SEGMENT_PROTECTED,	/* protected and compatibility mode */
	MKVM_SEGMENT_LONG,	/* 64-bit mode, 48-bit linear addresses */
	MKVM_SEGMENT_LONG57,	/* 64-bit mode, 57-bit linear addresses */
};

MKVM_PURE_BEGIN

/*
 * The linear address of [offset, offset + size), size > 0. False: the access is
 * #GP(0), or #SS(0) through SS. In 64-bit mode only a base counts, and that of
 * FS and GS alone: @flat says that the segment is none of the two.
 */
bool mkvm_segment_linear(const struct kvm_segment *s, enum mkvm_segment_rules rules, bool flat,
			 u64 offset, u32 size, u32 access, u64 *linear);

MKVM_PURE_END

#endif /* MKVM_PURE_SEGMENT_H */
