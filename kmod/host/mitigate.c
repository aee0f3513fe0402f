// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cpu.h>

#include "host/mitigate.h"

#ifndef X86_FEATURE_USE_IBPB	/* until 6.16: the command line has a say */
#define X86_FEATURE_USE_IBPB	X86_FEATURE_IBPB
#endif

bool mkvm_host_l1tf __read_mostly;

static DEFINE_PER_CPU(u64, last_vcpu);

bool mkvm_host_switch_vcpu(u64 serial)
{
	if (likely(__this_cpu_read(last_vcpu) == serial))
		return false;
	__this_cpu_write(last_vcpu, serial);
	if (static_cpu_has(X86_FEATURE_USE_IBPB) && !cpu_mitigations_off())
		wrmsrq(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	return true;
}

/* Does VM entry have to leave an L1 data cache without secrets? SDM vol. 4, IA32_ARCH_CAPABILITIES. */
static bool leaks_l1d(void)
{
	u64 caps = 0;

	if (!boot_cpu_has_bug(X86_BUG_L1TF) || cpu_mitigations_off())
		return false;
	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrq(MSR_IA32_ARCH_CAPABILITIES, caps);
	return !(caps & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH);
}

void mkvm_host_mitigate_setup(void)
{
	bool leaks = leaks_l1d();

	mkvm_host_l1tf = leaks && boot_cpu_has(X86_FEATURE_FLUSH_L1D);
	if (leaks && !mkvm_host_l1tf)
		pr_warn("L1TF: guests may read the host's memory, as this CPU's microcode cannot flush the L1 data cache: update it\n");
}
