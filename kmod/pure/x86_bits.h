/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Architectural bits that <asm/processor-flags.h> (uapi: X86_CR0_*, X86_CR4_*,
 * X86_EFLAGS_*) lacks, and MSR numbers. SDM vol. 4 for the MSRs.
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

/* XCR0 and IA32_XSS components */
#define MKVM_XCR0_X87			BIT_ULL(0)
#define MKVM_XCR0_SSE			BIT_ULL(1)
#define MKVM_XCR0_AVX			BIT_ULL(2)
#define MKVM_XCR0_AVX512		(7ull << 5)	/* opmask, ZMM_Hi256, Hi16_ZMM */

/* CR4 bits newer than the headers of Linux 6.1 */
#define MKVM_CR4_CET			BIT_ULL(23)

#define MKVM_IA32_TSC			0x00000010u
/* KVM's clock: not Intel's, but at addresses that look so, and at newer ones. */
#define MKVM_IA32_KVM_WALL_CLOCK	0x00000011u
#define MKVM_IA32_KVM_SYSTEM_TIME	0x00000012u
#define MKVM_IA32_KVM_WALL_CLOCK_NEW	0x4b564d00u
#define MKVM_IA32_KVM_SYSTEM_TIME_NEW	0x4b564d01u
#define MKVM_IA32_KVM_STEAL_TIME	0x4b564d03u
#define MKVM_IA32_PLATFORM_ID		0x00000017u
#define MKVM_IA32_APIC_BASE		0x0000001bu
#define MKVM_IA32_FEATURE_CONTROL	0x0000003au
#define MKVM_IA32_TSC_ADJUST		0x0000003bu
#define MKVM_IA32_SPEC_CTRL		0x00000048u
#define MKVM_IA32_PRED_CMD		0x00000049u
#define MKVM_IA32_BIOS_UPDT_TRIG	0x00000079u
#define MKVM_IA32_BIOS_SIGN_ID		0x0000008bu
#define MKVM_IA32_PLATFORM_INFO		0x000000ceu
#define MKVM_IA32_MTRRCAP		0x000000feu
#define MKVM_IA32_ARCH_CAPABILITIES	0x0000010au
#define MKVM_IA32_MISC_FEATURE_ENABLES	0x00000140u
#define MKVM_IA32_SYSENTER_CS		0x00000174u
#define MKVM_IA32_SYSENTER_ESP		0x00000175u
#define MKVM_IA32_SYSENTER_EIP		0x00000176u
#define MKVM_IA32_MCG_CAP		0x00000179u
#define MKVM_IA32_MCG_STATUS		0x0000017au
#define MKVM_IA32_MCG_CTL		0x0000017bu
#define MKVM_IA32_MISC_ENABLE		0x000001a0u
#define MKVM_IA32_DEBUGCTL		0x000001d9u
#define MKVM_IA32_MTRR_PHYSBASE0	0x00000200u
#define MKVM_IA32_MTRR_FIX64K_00000	0x00000250u
#define MKVM_IA32_MTRR_FIX16K_80000	0x00000258u
#define MKVM_IA32_MTRR_FIX16K_A0000	0x00000259u
#define MKVM_IA32_MTRR_FIX4K_C0000	0x00000268u
#define MKVM_IA32_POWER_CTL		0x000001fcu
#define MKVM_IA32_PAT			0x00000277u
#define MKVM_IA32_MTRR_DEF_TYPE		0x000002ffu
#define MKVM_IA32_MC0_CTL		0x00000400u
#define MKVM_IA32_TSC_DEADLINE		0x000006e0u
#define MKVM_IA32_XSS			0x00000da0u
#define MKVM_IA32_EFER			0xc0000080u
#define MKVM_IA32_STAR			0xc0000081u
#define MKVM_IA32_LSTAR			0xc0000082u
#define MKVM_IA32_CSTAR			0xc0000083u
#define MKVM_IA32_SFMASK		0xc0000084u
#define MKVM_IA32_FS_BASE		0xc0000100u
#define MKVM_IA32_GS_BASE		0xc0000101u
#define MKVM_IA32_KERNEL_GS_BASE	0xc0000102u
#define MKVM_IA32_TSC_AUX		0xc0000103u

/* APM vol. 2, appendix "MSR Cross-Reference"; DE_CFG and the like: the BKDGs and PPRs. */
#define MKVM_AMD_SYSCFG			0xc0010010u
#define MKVM_AMD_HWCR			0xc0010015u
#define MKVM_AMD_NB_CFG			0xc001001fu
#define MKVM_AMD_FIDVID_STATUS		0xc0010042u
#define MKVM_AMD_INT_PENDING		0xc0010055u
#define MKVM_AMD_VM_CR			0xc0010114u
#define MKVM_AMD_DC_CFG			0xc0011022u
#define MKVM_AMD_DE_CFG			0xc0011029u
#define MKVM_AMD_BU_CFG2		0xc001102au

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
