/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one VM entry and the one place that a VM exit arrives at.
 * SDM vol. 3, chapters "VM Entries" and "VM Exits".
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/unwind_hints.h>

#include "../host/mitigate.h"
#include "../x86/enter.h"

#define HOST_RSP_FIELD	0x6c14		/* VMCS_HOST_RSP; controls.c asserts it */

.section .noinstr.text, "ax"

/*
 * unsigned long mkvm_vmx_enter(unsigned long *regs, unsigned long launched,
 *				unsigned long *host_rsp)
 *
 * RSP is not in regs[]: the VMCS switches it. Until the VM exit the stack keeps
 * regs, which is all that survives: everything else is the guest's then.
 */
SYM_FUNC_START(mkvm_vmx_enter)
	push	%rbp
	mov	%rsp, %rbp
	push_callee_saved
	push	%rdi

	/* A KVM_RUN mostly comes with the same stack depth: no VMWRITE then. */
	cmp	%rsp, (%rdx)
	je	.Lhost_rsp_ok
	mov	%rsp, (%rdx)
	mov	$HOST_RSP_FIELD, %eax
.Lvmwrite:
	vmwrite	%rsp, %rax
.Lhost_rsp_ok:
	/* CF decides below: MOV leaves it, VERW changes ZF only. */
	bt	$0, %rsi

	mov	REG(0)(%rdi), %rax
	UNWIND_HINT_SAVE
	load_guest_regs

#ifdef X86_FEATURE_CLEAR_CPU_BUF	/* MDS, TAA, RFDS */
	clear_cpu_buffers X86_FEATURE_CLEAR_CPU_BUF
#endif
	jnc	.Llaunch
.Lvmresume:
	vmresume
	jmp	.Lvmfail
.Llaunch:
	vmlaunch
	jmp	.Lvmfail

/* RSP is HOST_RSP again, the other registers are the guest's. */
SYM_INNER_LABEL(mkvm_vmx_exit_label, SYM_L_GLOBAL)
	UNWIND_HINT_RESTORE
	ENDBR
	push	%rdi
	mov	8(%rsp), %rdi
	mov	%rax, REG(0)(%rdi)
	pop	REG(7)(%rdi)
	store_guest_regs %rdi
	xor	%ebx, %ebx

.Lout:
	clear_guest_regs
	leave_vmx_predictors
	mov	%ebx, %eax

	add	$8, %rsp
	pop_callee_saved
	pop	%rbp
	RET

.Lvmfail:
	mov	$1, %ebx
	jmp	.Lout
.Lfault:
	mov	$2, %ebx
	jmp	.Lout

	_ASM_EXTABLE(.Lvmwrite, .Lfault)
	_ASM_EXTABLE(.Lvmresume, .Lfault)
	_ASM_EXTABLE(.Llaunch, .Lfault)
SYM_FUNC_END(mkvm_vmx_enter)
