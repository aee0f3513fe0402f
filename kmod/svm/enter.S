/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one VMRUN. APM vol. 2, sections "VMRUN Instruction", "#VMEXIT" and
 * "VMSAVE and VMLOAD Instructions".
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/unwind_hints.h>

#include "../host/mitigate.h"
#include "../x86/enter.h"

.section .noinstr.text, "ax"

/*
 * void mkvm_svm_enter(unsigned long *regs, u64 vmcb_pa, u64 host_pa)
 *
 * RAX, RSP and RIP are not in regs[]: VMRUN switches them. VMLOAD takes from the
 * VMCB what VMRUN does not: FS, GS, TR, LDTR, KernelGsBase, the SYSCALL and
 * SYSENTER registers; host_pa has the host's, as VMSAVE put them there. Between
 * the two VMLOADs GS is the guest's: nothing may fault or be interrupted. GIF is
 * 0, so nothing is; IF decides whether the host's interrupts end the guest's stay.
 */
SYM_FUNC_START(mkvm_svm_enter)
	push	%rbp
	push_callee_saved
	push	%rdx
	push	%rdi

	/* Not right before VMRUN: the shadow of STI would become the guest's. */
	sti
	mov	%rsi, %rax
	vmload	%rax

	load_guest_regs
#ifdef X86_FEATURE_CLEAR_CPU_BUF_VM	/* TSA */
	clear_cpu_buffers X86_FEATURE_CLEAR_CPU_BUF_VM
#endif
	vmrun	%rax
	cli

	/* RAX is the VMCB again, RSP the host's; the others are the guest's. */
	vmsave	%rax
	mov	(%rsp), %rax
	mov	%rdi, REG(7)(%rax)
	store_guest_regs %rax
	mov	8(%rsp), %rax
	vmload	%rax

	clear_guest_regs
	xor	%eax, %eax
	xor	%edi, %edi
	leave_svm_predictors

	add	$16, %rsp
	pop_callee_saved
	pop	%rbp
	RET
SYM_FUNC_END(mkvm_svm_enter)
