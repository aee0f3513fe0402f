// SPDX-License-Identifier: GPL-2.0-only
/*
 * What instructions do that exit on every vendor, as handlers for its exit table:
 * all but the end of the instruction, which the rule's flag SKIPS stands for.
 */
#include "x86/x86.h"

/* A whole VM's devices are emulated: no cache to write back for it, nothing to wait for. */
int mkvm_insn_nothing(struct mkvm_vcpu *v)
{
	return MKVM_RESUME;
}

/* MONITOR and MWAIT: old guests use them unasked. */
int mkvm_insn_mwait(struct mkvm_vcpu *v)
{
	if (READ_ONCE(v->vm->disabled_quirks) & KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS &&
	    !mkvm_has_mwait(v))
		return mkvm_insn_undefined(v);
	return MKVM_RESUME;
}

int mkvm_insn_undefined(struct mkvm_vcpu *v)
{
	mkvm_queue_exception(v, X86_TRAP_UD);
	return MKVM_FAULT;
}

int mkvm_insn_gp(struct mkvm_vcpu *v)
{
	mkvm_queue_exception_error(v, X86_TRAP_GP, 0);
	return MKVM_FAULT;
}

int mkvm_insn_xsetbv(struct mkvm_vcpu *v)
{
	if (mkvm_vendor->get_cpl(v) || mkvm_set_xcr(v, v->regs[MKVM_RCX], mkvm_edx_eax(v)))
		return mkvm_insn_gp(v);
	return MKVM_RESUME;
}

/* A lower priority may let an interrupt in that userspace holds back: it is told. */
static int write_cr8(struct mkvm_vcpu *v, u64 value)
{
	bool tell = value < mkvm_get_cr8(v) && !v->apic;

	if (value > 15)
		return mkvm_insn_gp(v);
	mkvm_set_cr8(v, value);
	return tell ? mkvm_exit_to_user(v, KVM_EXIT_SET_TPR) : MKVM_RESUME;
}

/* CR0 and CR4 may need the PDPTEs from guest memory: the write is deferred. */
int mkvm_insn_write_cr(struct mkvm_vcpu *v, unsigned int cr, u64 value)
{
	if (cr == 8)
		return write_cr8(v, value);
	v->cr.number = cr;
	v->cr.value = value;
	return mkvm_defer(v, mkvm_write_cr);
}

/* ---- other exits ---- */

/* Its interrupt, or its turn: the host has them when interrupts are on. */
int mkvm_exit_to_host(struct mkvm_vcpu *v)
{
	return MKVM_BREAK;
}

int mkvm_exit_shutdown(struct mkvm_vcpu *v)
{
	return mkvm_exit_to_user(v, KVM_EXIT_SHUTDOWN);
}

int mkvm_irq_window(struct mkvm_vcpu *v)
{
	if (!mkvm_window_requested(v) || v->irq.valid)
		return MKVM_RESUME;
	return mkvm_exit_to_user(v, KVM_EXIT_IRQ_WINDOW_OPEN);
}

int mkvm_exit_to_user(struct mkvm_vcpu *v, u32 reason)
{
	v->run->exit_reason = reason;
	return MKVM_TO_USER;
}

int mkvm_unexpected_exit(struct mkvm_vcpu *v, u64 code)
{
	struct kvm_run *run = v->run;

	run->internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
	run->internal.ndata = 2;
	run->internal.data[0] = code;
	run->internal.data[1] = v->cpu;
	return mkvm_exit_to_user(v, KVM_EXIT_INTERNAL_ERROR);
}
