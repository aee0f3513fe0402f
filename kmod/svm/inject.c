// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event injection by EVENTINJ, the windows that wait for it, and NMI blocking,
 * which this AMD-V does not keep for the guest: the IRET that ends an NMI handler
 * is intercepted. APM vol. 2, sections "Event Injection", "Virtual Interrupts"
 * and "Interrupt and Exception Interception". Which event it is: x86/inject.c.
 */
#include "svm/svm.h"

/* The types up to INT n have the numbers that VT-x gives them; INT3 and INTO are exceptions. */
void svm_inject(struct mkvm_vcpu *v, const struct mkvm_event *e)
{
	struct svm_vcpu *svm = to_svm(v);
	u32 type = (u32)e->type << 8;
	u64 event;

	if (type > MKVM_SVM_EVENT_SOFTWARE)
		type = MKVM_SVM_EVENT_EXCEPTION;
	event = e->vector | type | MKVM_SVM_EVENT_VALID;
	if (e->has_error)
		event |= MKVM_SVM_EVENT_ERROR_CODE | (u64)e->error << 32;
	svm->vmcb->event_inj = event;
	if (type == MKVM_SVM_EVENT_NMI)
		svm_set_nmi_blocked(v, true);
}

/*
 * What the exit interrupted in its delivery. INT n, INT3 and INTO are executed
 * again instead: RIP is still at the instruction, and a CPU without next-RIP
 * could not be told where it ends.
 */
void svm_requeue(struct mkvm_vcpu *v)
{
	u64 info = to_svm(v)->vmcb->exit_int_info;
	u32 type = info & MKVM_SVM_EVENT_TYPE;
	struct mkvm_event e = {
		.vector = info & 0xff, .type = type >> 8,
		.has_error = info & MKVM_SVM_EVENT_ERROR_CODE, .error = info >> 32,
	};

	v->fault.in_delivery = true;
	if (type == MKVM_SVM_EVENT_SOFTWARE ||
	    (type == MKVM_SVM_EVENT_EXCEPTION &&
	     (e.vector == X86_TRAP_BP || e.vector == X86_TRAP_OF)))
		return;
	mkvm_requeue(v, e);
}

/* ---- interrupts ---- */

u8 svm_get_shadow(struct mkvm_vcpu *v)
{
	/* One bit for both; KVM tells it as both, too. */
	return to_svm(v)->vmcb->interrupt_state & MKVM_SVM_SHADOW ?
	       KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS : 0;
}

void svm_set_shadow(struct mkvm_vcpu *v, u8 shadow)
{
	to_svm(v)->vmcb->interrupt_state = shadow ? MKVM_SVM_SHADOW : 0;
}

bool svm_irq_allowed(struct mkvm_vcpu *v)
{
	const struct mkvm_vmcb *vmcb = to_svm(v)->vmcb;

	return (vmcb->rflags & X86_EFLAGS_IF) && !(vmcb->interrupt_state & MKVM_SVM_SHADOW);
}

/* A virtual interrupt that is never delivered: its intercept comes first. */
static void set_interrupt_window(struct svm_vcpu *svm, bool on)
{
	const u32 pending = MKVM_SVM_INT_V_IRQ | MKVM_SVM_INT_V_IGN_TPR | MKVM_SVM_INT_V_PRIO(15);
	u32 *control = &svm->vmcb->interrupt_control;

	*control = on ? *control | pending : *control & ~pending;
	svm_intercept(svm, SVM_EXIT_VINTR, on);
	svm_changed(svm, MKVM_SVM_CLEAN_INTERRUPT);
}

/* ---- NMIs ---- */

bool svm_nmi_blocked(struct mkvm_vcpu *v)
{
	return to_svm(v)->nmi_blocked;
}

void svm_set_nmi_blocked(struct mkvm_vcpu *v, bool blocked)
{
	struct svm_vcpu *svm = to_svm(v);

	svm->nmi_blocked = blocked;
	svm->iret_ahead = false;
	svm_intercept(svm, SVM_EXIT_IRET, blocked);
}

/* The exit comes before the IRET: NMIs are blocked until it is done. */
int svm_exit_iret(struct mkvm_vcpu *v)
{
	struct svm_vcpu *svm = to_svm(v);

	svm_intercept(svm, SVM_EXIT_IRET, false);
	svm->iret_ahead = true;
	svm->iret_rip = v->regs[MKVM_RIP];
	return MKVM_RESUME;
}

/* At each VM exit with an IRET ahead: is it behind us? */
void svm_note_iret(struct mkvm_vcpu *v)
{
	struct svm_vcpu *svm = to_svm(v);

	if (v->regs[MKVM_RIP] != svm->iret_rip && svm->iret_ahead)
		svm_set_nmi_blocked(v, false);
}

/*
 * An NMI waits for one instruction, the IRET or the one in the shadow of an STI
 * or MOV SS: a trap after it gives us the CPU. The IRET loads other flags, so the
 * guest's TF needs no undoing there. A guest that steps itself traps anyway.
 */
static void step_over_insn(struct svm_vcpu *svm)
{
	if (svm->vmcb->rflags & X86_EFLAGS_TF)
		return;
	svm->vmcb->rflags |= X86_EFLAGS_TF;
	svm->stepping = true;
}

/* A #DB exit. True: it was only our step, and the guest does not hear of it. */
bool svm_was_our_step(struct mkvm_vcpu *v)
{
	struct svm_vcpu *svm = to_svm(v);

	if (!svm->stepping)
		return false;
	svm->stepping = false;
	if (svm->iret_ahead)
		svm_set_nmi_blocked(v, false);
	else
		svm->vmcb->rflags &= ~(u64)X86_EFLAGS_TF;
	return true;
}

void svm_set_windows(struct mkvm_vcpu *v, bool irq, bool nmi)
{
	struct svm_vcpu *svm = to_svm(v);

	set_interrupt_window(svm, irq);
	/* Behind a whole NMI handler the intercepted IRET is the window. */
	if (nmi && !svm->stepping && (!svm->nmi_blocked || svm->iret_ahead))
		step_over_insn(svm);
}
