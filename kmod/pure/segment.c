// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segment checks. SDM vol. 3, sections "Limit Checking", "Type Checking" and
 * "Segment Loading Instructions in IA-32e Mode".
 */
#include "segment.h"

/* Bits of a segment's type, when it is one of code or data. */
#define TYPE_CODE	MKVM_BIT(3)
#define TYPE_EXPAND	MKVM_BIT(2)	/* data: expand-down */
#define TYPE_RW		MKVM_BIT(1)	/* data: writable, code: readable */

static bool type_allows(const struct kvm_segment *s, u32 access)
{
	if (s->unusable || !s->present || !s->s)
		return false;
	if (access & MKVM_ACCESS_WRITE)
		return (s->type & (TYPE_CODE | TYPE_RW)) == TYPE_RW;
	if (access & MKVM_ACCESS_READ)
		return !(s->type & TYPE_CODE) || (s->type & TYPE_RW);
	return true;
}

static bool within_limit(const struct kvm_segment *s, u64 offset, u32 size)
{
	u64 last = offset + size - 1;

	if ((s->type & (TYPE_CODE | TYPE_EXPAND)) == TYPE_EXPAND)
		return offset > s->limit && last <= (s->db ? 0xffffffffull : 0xffff);
	return last <= s->limit;
}

static bool canonical(u64 linear, u32 size, unsigned int bits)
{
	return mkvm_canonical(linear, bits) && mkvm_canonical(linear + size - 1, bits) &&
	       linear + size - 1 >= linear;
}

bool mkvm_segment_linear(const struct kvm_segment *s, enum mkvm_segment_rules rules, bool flat,
			 u64 offset, u32 size, u32 access, u64 *linear)
{
	if (rules >= MKVM_SEGMENT_LONG) {
		*linear = flat ? offset : s->base + offset;
		return canonical(*linear, size, rules == MKVM_SEGMENT_LONG57 ? 57 : 48);
	}
	offset = (u32)offset;
	*linear = (u32)(s->base + offset);
	if (rules == MKVM_SEGMENT_PROTECTED && !type_allows(s, access))
		return false;
	return within_limit(s, offset, size);
}
