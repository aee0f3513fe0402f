// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events on their way into the guest: which one goes next, and what becomes of
 * one whose delivery a VM exit interrupted. SDM vol. 3, sections "Prioritization
 * of Concurrent Events" and "Information for VM Exits That Occur During Event
 * Delivery"; APM vol. 2, section "Event Injection". Loaded throughout.
 */
#include "x86/x86.h"

static void inject_event(struct mkvm_vcpu *v, const struct mkvm_event *e, enum mkvm_injected what)
{
	struct mkvm_event now = *e;

	/* A guest in real mode gets no error code pushed, so none may be given. */
	now.has_error = e->has_error && (mkvm_vendor->get_cr0(v) & X86_CR0_PE);
	mkvm_vendor->inject(v, &now);
	v->injected = what;
}

static void inject_nmi(struct mkvm_vcpu *v)
{
	const struct mkvm_event nmi = { .vector = X86_TRAP_NMI, .type = MKVM_EVENT_NMI };

	v->nmi_injected = true;
	inject_event(v, &nmi, MKVM_INJECTED_NMI);
}

static void inject_apic_irq(struct mkvm_vcpu *v)
{
	int vector = mkvm_apic_take_irq(v);

	if (vector < 0)
		return;
	v->irq = (struct mkvm_event){ .valid = true, .vector = vector, .type = MKVM_EVENT_IRQ };
	inject_event(v, &v->irq, MKVM_INJECTED_IRQ);
}

/* One event per entry: what was interrupted first, then by priority. */
static void inject_one(struct mkvm_vcpu *v)
{
	if (v->exception.valid) {
		inject_event(v, &v->exception, MKVM_INJECTED_EXCEPTION);
	} else if (v->nmi_injected) {
		inject_nmi(v);
	} else if (v->irq.valid && v->irq.type != MKVM_EVENT_IRQ) {
		inject_event(v, &v->irq, MKVM_INJECTED_IRQ);	/* INT n, interrupted */
	} else if (v->nmi_pending && mkvm_nmi_allowed(v)) {
		v->nmi_pending--;
		inject_nmi(v);
	} else if (v->irq.valid && mkvm_vendor->irq_allowed(v)) {
		inject_event(v, &v->irq, MKVM_INJECTED_IRQ);
	} else if (mkvm_apic_has_irq(v) && mkvm_vendor->irq_allowed(v)) {
		inject_apic_irq(v);
	}
}

/*
 * What cannot go in now asks for its window, and so does a userspace that waits
 * to give an interrupt.
 */
void mkvm_inject(struct mkvm_vcpu *v)
{
	bool irq_window = mkvm_window_requested(v);	/* once: it may change */

	v->injected = MKVM_INJECTED_NOTHING;
	mkvm_apic_sync(v);
	inject_one(v);
	irq_window |= (v->irq.valid && v->injected != MKVM_INJECTED_IRQ) || mkvm_apic_has_irq(v);
	mkvm_apic_let_cr8(v);
	v->windows = irq_window || v->nmi_pending;
	mkvm_vendor->set_windows(v, irq_window, v->nmi_pending);
}

/* After a VM exit: VM entry took the event. What was interrupted comes back by mkvm_requeue. */
void mkvm_event_delivered(struct mkvm_vcpu *v)
{
	if (v->injected == MKVM_INJECTED_EXCEPTION)
		v->exception.valid = false;
	else if (v->injected == MKVM_INJECTED_NMI)
		v->nmi_injected = false;
	else if (v->injected == MKVM_INJECTED_IRQ)
		v->irq.valid = false;
	v->injected = MKVM_INJECTED_NOTHING;
	if (v->pv_eoi_offered)
		mkvm_apic_end_pv_eoi(v);
}

/* Nothing may be lost: the event goes in again at the next entry. */
void mkvm_requeue(struct mkvm_vcpu *v, struct mkvm_event e)
{
	e.valid = true;
	e.interrupted = true;
	switch (e.type) {
	case MKVM_EVENT_NMI:
		v->nmi_injected = true;
		mkvm_vendor->set_nmi_blocked(v, false);
		break;
	case MKVM_EVENT_IRQ:
	case MKVM_EVENT_SOFT_IRQ:
		v->irq = e;
		break;
	default:
		v->exception = e;
	}
}
