/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one VMRUN. APM vol. 2, sections "VMRUN Instruction", "#VMEXIT" and
 * "VMSAVE and VMLOAD Instructions".
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>

#define REG(n)		((n) * 8)	/* enum mkvm_reg */

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
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rdx
	push	%rdi

	/* Not right before VMRUN: the shadow of STI would become the guest's. */
	sti
	mov	%rsi, %rax
	vmload	%rax

	mov	REG(1)(%rdi), %rcx
	mov	REG(2)(%rdi), %rdx
	mov	REG(3)(%rdi), %rbx
	mov	REG(5)(%rdi), %rbp
	mov	REG(6)(%rdi), %rsi
	mov	REG(8)(%rdi), %r8
	mov	REG(9)(%rdi), %r9
	mov	REG(10)(%rdi), %r10
	mov	REG(11)(%rdi), %r11
	mov	REG(12)(%rdi), %r12
	mov	REG(13)(%rdi), %r13
	mov	REG(14)(%rdi), %r14
	mov	REG(15)(%rdi), %r15
	mov	REG(7)(%rdi), %rdi

	vmrun	%rax
	cli

	/* RAX is the VMCB again, RSP the host's; the others are the guest's. */
	vmsave	%rax
	mov	(%rsp), %rax
	mov	%rcx, REG(1)(%rax)
	mov	%rdx, REG(2)(%rax)
	mov	%rbx, REG(3)(%rax)
	mov	%rbp, REG(5)(%rax)
	mov	%rsi, REG(6)(%rax)
	mov	%rdi, REG(7)(%rax)
	mov	%r8,  REG(8)(%rax)
	mov	%r9,  REG(9)(%rax)
	mov	%r10, REG(10)(%rax)
	mov	%r11, REG(11)(%rax)
	mov	%r12, REG(12)(%rax)
	mov	%r13, REG(13)(%rax)
	mov	%r14, REG(14)(%rax)
	mov	%r15, REG(15)(%rax)
	mov	8(%rsp), %rax
	vmload	%rax

	/* The guest chose these values: none may steer the host's speculation. */
	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	FILL_RETURN_BUFFER %_ASM_AX, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT

	add	$16, %rsp
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET
SYM_FUNC_END(mkvm_svm_enter)
