/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Architectural bits that <asm/processor-flags.h> (uapi: X86_CR0_*, X86_CR4_*,
 * X86_EFLAGS_*) lacks.
 */
#ifndef MKVM_PURE_X86_BITS_H
#define MKVM_PURE_X86_BITS_H

#include "pure.h"
#include <asm/processor-flags.h>

/* IA32_EFER */
#define MKVM_EFER_SCE			BIT_ULL(0)
#define MKVM_EFER_LME			BIT_ULL(8)
#define MKVM_EFER_LMA			BIT_ULL(10)
#define MKVM_EFER_NXE			BIT_ULL(11)

/* XCR0 components */
#define MKVM_XCR0_X87			BIT_ULL(0)
#define MKVM_XCR0_SSE			BIT_ULL(1)
#define MKVM_XCR0_AVX			BIT_ULL(2)
#define MKVM_XCR0_AVX512		(7ull << 5)	/* opmask, ZMM_Hi256, Hi16_ZMM */

/* CR4 bits newer than the headers of Linux 6.1 */
#define MKVM_CR4_CET			BIT_ULL(23)

/* IA32_APIC_BASE */
#define MKVM_APIC_BASE_DEFAULT		0xfee00000ull
#define MKVM_APIC_BASE_BSP		BIT_ULL(8)
#define MKVM_APIC_BASE_X2APIC		BIT_ULL(10)
#define MKVM_APIC_BASE_ENABLE		BIT_ULL(11)

#define MKVM_PAT_RESET			0x0007040600070406ull
#define MKVM_DR6_RESET			0xffff0ff0ull
#define MKVM_DR7_RESET			0x00000400ull

/* SDM vol. 3, section "IA32_PAT MSR": UC, WC, WT, WP, WB and UC- in all eight bytes. */
static inline bool mkvm_pat_valid(u64 pat)
{
	unsigned int i;

	for (i = 0; i < 8; i++, pat >>= 8)
		if ((pat & 0xff) > 7 || !(MKVM_BIT(pat & 7) & 0xf3))
			return false;
	return true;
}

#endif /* MKVM_PURE_X86_BITS_H */
