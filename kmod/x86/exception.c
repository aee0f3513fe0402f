// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions on their way to the guest, and what happens when one meets
 * another. SDM vol. 3, section "Interrupt 8-Double Fault Exception (#DF)".
 */
#include "x86/x86.h"

enum severity { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

static enum severity severity(u8 vector)
{
	switch (vector) {
	case X86_TRAP_DE:
	case X86_TRAP_TS:
	case X86_TRAP_NP:
	case X86_TRAP_SS:
	case X86_TRAP_GP:
		return CONTRIBUTORY;
	case X86_TRAP_PF:
		return PAGE_FAULT;
	case X86_TRAP_DF:
		return DOUBLE_FAULT;
	default:
		return BENIGN;
	}
}

/* The second exception may be raised while the first is delivered. */
static void queue(struct mkvm_vcpu *v, u8 vector, bool has_error, u32 error)
{
	struct mkvm_event *e = &v->exception;
	enum severity first = e->valid ? severity(e->vector) : BENIGN, second = severity(vector);

	if (first == DOUBLE_FAULT && second != BENIGN) {
		e->valid = false;
		mkvm_leave(v, KVM_EXIT_SHUTDOWN);	/* a triple fault */
		return;
	}
	if ((first == CONTRIBUTORY && second == CONTRIBUTORY) ||
	    (first == PAGE_FAULT && second != BENIGN)) {
		vector = X86_TRAP_DF;
		has_error = true;
		error = 0;
	}
	*e = (struct mkvm_event){
		.valid = true, .vector = vector, .has_error = has_error, .error = error,
		.type = MKVM_EVENT_EXCEPTION,
	};
}

void mkvm_queue_exception(struct mkvm_vcpu *v, u8 vector)
{
	queue(v, vector, false, 0);
}

void mkvm_queue_exception_error(struct mkvm_vcpu *v, u8 vector, u32 error)
{
	queue(v, vector, true, error);
}

void mkvm_queue_page_fault(struct mkvm_vcpu *v, u64 linear, u32 error)
{
	v->cr2 = linear;
	queue(v, X86_TRAP_PF, true, error);
}

/* B0-B3 tell only the newest #DB; BS, BD and BT stay until software clears them. */
void mkvm_queue_debug_exception(struct mkvm_vcpu *v, u64 causes)
{
	if (unlikely(mkvm_takes_debug_exceptions(v))) {
		mkvm_debug_exit(v, X86_TRAP_DB, causes);
		return;
	}
	v->dr6 &= ~(u64)DR_TRAP_BITS;
	v->dr6 |= causes & (DR_TRAP_BITS | DR_STEP | DR_SWITCH | MKVM_DR6_BD);
	v->dr7 &= ~(u64)MKVM_DR7_GD;
	mkvm_update_dr7(v);
	queue(v, X86_TRAP_DB, false, 0);
}

/* KVM_GET_VCPU_EVENTS. Loaded. */
int mkvm_get_vcpu_events(struct mkvm_vcpu *v, void *arg)
{
	struct kvm_vcpu_events *e = arg;

	memset(e, 0, sizeof(*e));
	if (v->exception.valid) {
		e->exception.injected = true;
		e->exception.nr = v->exception.vector;
		e->exception.has_error_code = v->exception.has_error;
		e->exception.error_code = v->exception.error;
	}
	if (v->irq.valid) {
		e->interrupt.nr = v->irq.vector;
		e->interrupt.soft = v->irq.type != MKVM_EVENT_IRQ;
		e->interrupt.injected = !e->interrupt.soft;
	}
	e->interrupt.shadow = mkvm_vendor->get_shadow(v);
	e->nmi.injected = v->nmi_injected;
	e->nmi.pending = v->nmi_pending != 0;
	e->nmi.masked = mkvm_vendor->nmi_blocked(v);
	e->smi.smm = v->smm.active;
	e->smi.pending = v->smm.pending;
	e->smi.smm_inside_nmi = v->smm.inside_nmi;
	e->smi.latched_init = v->smm.latched_init || test_bit(MKVM_REQ_INIT, &v->requests);
	e->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
		   KVM_VCPUEVENT_VALID_SMM;
	return 0;
}

#define KNOWN_FLAGS	(KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR | \
			 KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM)

static bool events_valid(const struct mkvm_vcpu *v, const struct kvm_vcpu_events *e)
{
	if (e->flags & ~KNOWN_FLAGS)
		return false;
	if (e->flags & KVM_VCPUEVENT_VALID_SMM && (e->smi.smm || e->smi.pending) &&
	    v->mp_state == KVM_MP_STATE_INIT_RECEIVED)
		return false;
	return !e->exception.injected || (e->exception.nr < 32 && e->exception.nr != X86_TRAP_NMI);
}

static void set_smi_events(struct mkvm_vcpu *v, const struct kvm_vcpu_events *e)
{
	mkvm_set_smm(v, e->smi.smm);
	v->smm.pending = e->smi.pending;
	v->smm.inside_nmi = e->smi.smm && e->smi.smm_inside_nmi;
	if (!v->apic)
		return;
	v->smm.latched_init = e->smi.smm && e->smi.latched_init;
	assign_bit(MKVM_REQ_INIT, &v->requests, !e->smi.smm && e->smi.latched_init);
}

/* KVM_SET_VCPU_EVENTS. Loaded. */
int mkvm_set_vcpu_events(struct mkvm_vcpu *v, void *arg)
{
	const struct kvm_vcpu_events *e = arg;

	if (!events_valid(v, e))
		return -EINVAL;
	v->exception = (struct mkvm_event){
		.valid = e->exception.injected, .interrupted = true, .vector = e->exception.nr,
		.has_error = e->exception.has_error_code, .error = e->exception.error_code,
		.type = MKVM_EVENT_EXCEPTION,
	};
	v->irq = (struct mkvm_event){
		.valid = e->interrupt.injected, .vector = e->interrupt.nr,
		.type = e->interrupt.soft ? MKVM_EVENT_SOFT_IRQ : MKVM_EVENT_IRQ,
	};
	if (e->flags & KVM_VCPUEVENT_VALID_SHADOW)
		mkvm_vendor->set_shadow(v, e->interrupt.shadow);
	if (e->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR)
		WRITE_ONCE(v->sipi_vector, e->sipi_vector);
	v->nmi_injected = e->nmi.injected;
	if (e->flags & KVM_VCPUEVENT_VALID_NMI_PENDING)
		v->nmi_pending = e->nmi.pending;
	mkvm_vendor->set_nmi_blocked(v, e->nmi.masked);
	if (e->flags & KVM_VCPUEVENT_VALID_SMM)
		set_smi_events(v, e);
	return 0;
}
