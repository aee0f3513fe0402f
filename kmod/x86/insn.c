// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions that exit on every vendor: what they do, but for the end of the
 * instruction, which is the vendor's. Loaded; true is #GP(0).
 */
#include "x86/x86.h"

bool mkvm_xsetbv(struct mkvm_vcpu *v)
{
	return mkvm_vendor->get_cpl(v) || mkvm_set_xcr(v, v->regs[MKVM_RCX], mkvm_edx_eax(v));
}

bool mkvm_mwait_undefined(struct mkvm_vcpu *v)
{
	return READ_ONCE(v->vm->disabled_quirks) & KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS &&
	       !mkvm_has_mwait(v);
}

/* A lower priority may let an interrupt in that userspace holds back: it is told. */
bool mkvm_write_cr8(struct mkvm_vcpu *v, u64 value, int *next)
{
	*next = MKVM_RESUME;
	if (value > 15)
		return true;
	if (value < mkvm_get_cr8(v) && !v->apic)
		*next = mkvm_exit_to_user(v, KVM_EXIT_SET_TPR);
	mkvm_set_cr8(v, value);
	return false;
}

int mkvm_irq_window(struct mkvm_vcpu *v)
{
	if (!mkvm_window_requested(v) || v->irq.valid ||
	    (v->apic && (v->extint >= 0 || !mkvm_apic_takes_extint(v))))
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
