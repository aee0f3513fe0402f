// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cpu.h>
#include <asm/segment.h>

#include "host/mitigate.h"

#ifndef X86_FEATURE_USE_IBPB	/* until 6.16: the command line has a say */
#define X86_FEATURE_USE_IBPB	X86_FEATURE_IBPB
#endif

const u16 mkvm_host_verw_selector = __KERNEL_DS;
bool mkvm_host_l1tf __read_mostly;

DEFINE_PER_CPU(u64, mkvm_host_last_vcpu);

void mkvm_host_other_vcpu(u64 serial)
{
	__this_cpu_write(mkvm_host_last_vcpu, serial);
	if (static_cpu_has(X86_FEATURE_USE_IBPB) && !cpu_mitigations_off())
		wrmsrq(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
}

static u64 read_arch_capabilities(void)
{
	u64 caps = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrq(MSR_IA32_ARCH_CAPABILITIES, caps);
	return caps;
}

/*
 * What a guest may know of its CPU: RDCL_NO, RSBA, SSB_NO, MDS_NO, TAA_NO, SBDR_SSDP_NO,
 * FBSDP_NO, PSDP_NO, FB_CLEAR, RRSBA, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO, RFDS_CLEAR, ITS_NO.
 * Not what speaks of MSRs that the guest lacks, IBRS_ALL and the like, and of VM entries.
 * SDM vol. 4.
 */
#define GUEST_CAPS	0x400000001d1ae135ull
#define PSCHANGE_MC_NO	BIT_ULL(6)

/* Bugs that Linux knows this CPU is free of, though it may be older than the bit that says so. */
static const struct {
	u16 bug;
	u8 bit;
} known[] = {
	{ X86_BUG_CPU_MELTDOWN, 0 }, { X86_BUG_SPEC_STORE_BYPASS, 4 }, { X86_BUG_MDS, 5 },
#ifdef X86_BUG_GDS
	{ X86_BUG_GDS, 26 },
#endif
#ifdef X86_BUG_RFDS
	{ X86_BUG_RFDS, 27 },
#endif
#ifdef X86_BUG_ITS
	{ X86_BUG_ITS, 62 },
#endif
};

u64 mkvm_host_arch_capabilities(void)
{
	u64 caps = read_arch_capabilities() & GUEST_CAPS;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (!boot_cpu_has_bug(known[i].bug))
			caps |= BIT_ULL(known[i].bit);
	return caps | PSCHANGE_MC_NO;	/* mmu.c sees to that */
}

/* Does VM entry have to leave an L1 data cache without secrets? */
static bool leaks_l1d(void)
{
	return boot_cpu_has_bug(X86_BUG_L1TF) && !cpu_mitigations_off() &&
	       !(read_arch_capabilities() & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH);
}

void mkvm_host_mitigate_setup(void)
{
	bool leaks = leaks_l1d();

	mkvm_host_l1tf = leaks && boot_cpu_has(X86_FEATURE_FLUSH_L1D);
	if (leaks && !mkvm_host_l1tf)
		pr_warn("L1TF: guests may read the host's memory, as this CPU's microcode cannot flush the L1 data cache: update it\n");
}
