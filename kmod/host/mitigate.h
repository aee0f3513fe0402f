/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What keeps a guest from reading of the host and of other guests in the CPU's buffers
 * and caches, and from steering their speculation by its predictors. Which of it a CPU
 * needs is Linux's decision, told by its feature bits.
 * Documentation/admin-guide/hw-vuln, Documentation/admin-guide/kernel-parameters.txt.
 */
#ifndef MKVM_HOST_MITIGATE_H
#define MKVM_HOST_MITIGATE_H

#ifdef __ASSEMBLY__

#include <asm/alternative.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>

/* The last access to memory before VM entry. Changes ZF. */
.macro clear_cpu_buffers feature:req
	ALTERNATIVE "jmp 9f", "", \feature
	verw	mkvm_host_verw_selector(%rip)
9:
.endm

.macro fill_return_stack reg:req features:vararg
	FILL_RETURN_BUFFER \reg, RSB_CLEAR_LOOPS, \features
.endm

/* After VM exit, before a RET takes the guest's predictions. Changes RAX, RCX, RDX. */
.macro leave_vmx_predictors
	fill_return_stack %rcx, X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE
#ifdef X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT	/* Linux 7 has its loop for KVM only */
	CLEAR_BRANCH_HISTORY_VMEXIT
#endif
.endm

.macro leave_svm_predictors
	fill_return_stack %rax, X86_FEATURE_RSB_VMEXIT
	CALL_UNTRAIN_RET
	ALTERNATIVE "jmp 9f", "", X86_FEATURE_IBPB_ON_VMEXIT
	mov	$MSR_IA32_PRED_CMD, %ecx
	mov	$PRED_CMD_IBPB, %eax
	xor	%edx, %edx
	wrmsr
9:
.endm

#else /* __ASSEMBLY__ */

#include <asm/cpufeature.h>
#include <asm/nospec-branch.h>

#include "host/compat.h"

/* VERW wants a selector in memory; any writable data segment does. */
extern const u16 mkvm_host_verw_selector;

/* Once, at load. */
void mkvm_host_mitigate_setup(void);

DECLARE_PER_CPU(u64, mkvm_host_last_vcpu);
void mkvm_host_other_vcpu(u64 serial);

/*
 * Before VM entries of the vCPU with this number, which no other ever had. True where
 * another ran last on this CPU: its branches no longer train those of this one. Preemption off.
 */
static __always_inline bool mkvm_host_switch_vcpu(u64 serial)
{
	if (likely(__this_cpu_read(mkvm_host_last_vcpu) == serial))
		return false;
	mkvm_host_other_vcpu(serial);
	return true;
}

extern bool mkvm_host_l1tf;

/* L1TF: what the host had in its L1 data cache. Before the first VM entry of a stay. */
static __always_inline void mkvm_host_flush_l1d(void)
{
	if (unlikely(mkvm_host_l1tf))
		wrmsrq(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
}

/* After VM exit, before any indirect branch: IBRS of old CPUs counts from its last write on. */
static __always_inline void mkvm_host_retake_ibrs(void)
{
	if (cpu_feature_enabled(X86_FEATURE_KERNEL_IBRS))
		native_wrmsrq(MSR_IA32_SPEC_CTRL, this_cpu_read(x86_spec_ctrl_current));
}

/* VMSCAPE: the program around the guest does not run by the guest's predictions. */
static __always_inline void mkvm_host_note_for_user(void)
{
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}

/* IA32_ARCH_CAPABILITIES of a new vCPU: what it need not be protected from on this CPU. */
u64 mkvm_host_arch_capabilities(void);

#endif /* __ASSEMBLY__ */

#endif /* MKVM_HOST_MITIGATE_H */
