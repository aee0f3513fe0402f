/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt and exception handlers of the 64-bit guests: copied to
 * GUEST_STUBS, they note each event in the struct trap_log at GUEST_TRAPS.
 * Interrupts, NMI, #DB and #BP return to where they came from; any other
 * exception resumes at the address in R15, which the guest (or the host, see
 * guest_try()) set to just behind the instruction under test.
 */
#include "layout.h"

	.section .rodata
	.code64
	.globl	guest_stubs, guest_stubs_end
	.balign	16
guest_stubs:
	.set	vector, 0
	.rept	256
	.balign	16
	/* SDM vol. 3, "Error Code": these vectors push one themselves. */
	.if	(vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21)
	.else
	push	$0
	.endif
	push	$vector
	jmp	handler
	.set	vector, vector + 1
	.endr

	/* 0(%rsp): vector, error code, RIP, CS, RFLAGS, RSP, SS */
handler:
	push	%rax
	push	%rbx
	mov	16(%rsp), %rax
	incl	GUEST_TRAPS + TRAP_HITS(,%rax,4)
	mov	%eax, GUEST_TRAPS + TRAP_VECTOR
	mov	GUEST_TRAPS + TRAP_COUNT, %ebx
	and	$0xff, %ebx
	mov	%al, GUEST_TRAPS + TRAP_ORDER(%rbx)
	incl	GUEST_TRAPS + TRAP_COUNT
	mov	24(%rsp), %rbx
	mov	%rbx, GUEST_TRAPS + TRAP_ERROR
	mov	32(%rsp), %rbx
	mov	%rbx, GUEST_TRAPS + TRAP_RIP
	mov	%cr2, %rbx
	mov	%rbx, GUEST_TRAPS + TRAP_CR2
	cmp	$3, %eax
	jbe	1f
	cmp	$32, %eax
	jae	2f
resume_at_r15:
	test	%r15, %r15
	jz	unexpected
	mov	%r15, 32(%rsp)
	jmp	2f
1:	test	%eax, %eax		/* #DE is a fault like most */
	jz	resume_at_r15
2:	pop	%rbx
	pop	%rax
	add	$16, %rsp
	iretq
unexpected:
	out	%al, $PORT_UNEXPECTED
	hlt
	jmp	unexpected
guest_stubs_end:

	.section .note.GNU-stack,"",@progbits
