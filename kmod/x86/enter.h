/* SPDX-License-Identifier: GPL-2.0-only */
/* For assembler: the guest's general registers, in regs[] while the guest does not run. */
#ifndef MKVM_X86_ENTER_H
#define MKVM_X86_ENTER_H

#define REG(n)		((n) * 8)	/* enum mkvm_reg */

/* From regs[] at RDI: all but RAX and RSP. No flag changes. */
.macro load_guest_regs
	mov	REG(1)(%rdi), %rcx
	mov	REG(2)(%rdi), %rdx
	mov	REG(3)(%rdi), %rbx
	mov	REG(5)(%rdi), %rbp
	mov	REG(6)(%rdi), %rsi
	.irp n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	REG(\n)(%rdi), %r\n
	.endr
	mov	REG(7)(%rdi), %rdi
.endm

/* To regs[] at \regs, RAX or RDI: all but these two and RSP. */
.macro store_guest_regs regs:req
	mov	%rcx, REG(1)(\regs)
	mov	%rdx, REG(2)(\regs)
	mov	%rbx, REG(3)(\regs)
	mov	%rbp, REG(5)(\regs)
	mov	%rsi, REG(6)(\regs)
	.irp n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	%r\n, REG(\n)(\regs)
	.endr
.endm

/* The guest chose these values: none may steer the host's speculation. Not RAX, RDI. */
.macro clear_guest_regs
	.irp reg, ecx, edx, esi, r8d, r9d, r10d, r11d
	xor	%\reg, %\reg
	.endr
.endm

/* What a C function has to keep but RBP, which comes before and after. */
.macro push_callee_saved
	.irp reg, r15, r14, r13, r12, rbx
	push	%\reg
	.endr
.endm

.macro pop_callee_saved
	.irp reg, rbx, r12, r13, r14, r15
	pop	%\reg
	.endr
.endm

#endif /* MKVM_X86_ENTER_H */
