// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events on their way into the guest. SDM vol. 3, sections "Event Injection",
 * "Information for VM Exits That Occur During Event Delivery" and, for the
 * order, "Prioritization of Concurrent Events".
 */
#include <asm/trapnr.h>

#include "vmx/vmx.h"

static bool type_is_software(u32 type)
{
	return type == MKVM_INTR_TYPE_SOFTWARE_INTERRUPT ||
	       type == MKVM_INTR_TYPE_PRIVILEGED_SW_EXCEPTION ||
	       type == MKVM_INTR_TYPE_SOFTWARE_EXCEPTION;
}

static void inject(struct vmx_vcpu *vmx, u32 vector, u32 type, bool has_error, u32 error,
		   u32 insn_len, enum vmx_injected what)
{
	u32 info = vector | type | MKVM_INTR_VALID;

	if (has_error) {
		vmcs_write(VMCS_ENTRY_EXCEPTION_ERROR_CODE, error);
		info |= MKVM_INTR_ERROR_CODE;
	}
	if (type_is_software(type))
		vmcs_write(VMCS_ENTRY_INSTRUCTION_LENGTH, insn_len);
	vmcs_write(VMCS_ENTRY_INTR_INFO, info);
	vmx->injected = what;
}

static void inject_event(struct mkvm_vcpu *v, const struct mkvm_event *e, enum vmx_injected what)
{
	/* A guest in real mode gets no error code pushed, so none may be given. */
	bool has_error = e->has_error && (vmcs_read(VMCS_GUEST_CR0) & X86_CR0_PE);

	inject(to_vmx(v), e->vector, (u32)e->type << 8, has_error, e->error, e->insn_len, what);
}

bool vmx_irq_allowed(struct mkvm_vcpu *v)
{
	return (vmcs_read(VMCS_GUEST_RFLAGS) & X86_EFLAGS_IF) &&
	       !(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) &
		 (MKVM_BLOCKING_BY_STI | MKVM_BLOCKING_BY_MOV_SS));
}

static bool nmi_allowed(void)
{
	return !(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) &
		 (MKVM_BLOCKING_BY_STI | MKVM_BLOCKING_BY_MOV_SS | MKVM_BLOCKING_BY_NMI));
}

static void inject_nmi(struct mkvm_vcpu *v)
{
	/* Injecting an NMI sets the blocking itself and wants it clear before. */
	v->nmi_injected = true;
	inject(to_vmx(v), X86_TRAP_NMI, MKVM_INTR_TYPE_NMI, false, 0, 0, VMX_INJECTED_NMI);
}

/* One event per entry: what was interrupted first, then by priority. */
static void inject_one(struct mkvm_vcpu *v)
{
	if (v->exception.valid) {
		inject_event(v, &v->exception, VMX_INJECTED_EXCEPTION);
	} else if (v->nmi_injected) {
		inject_nmi(v);
	} else if (v->irq.valid && v->irq.type != MKVM_INTR_TYPE_EXTERNAL >> 8) {
		inject_event(v, &v->irq, VMX_INJECTED_IRQ);	/* INT n, interrupted */
	} else if (v->nmi_pending && nmi_allowed()) {
		v->nmi_pending--;
		inject_nmi(v);
	} else if (v->irq.valid && vmx_irq_allowed(v)) {
		inject_event(v, &v->irq, VMX_INJECTED_IRQ);
	}
}

/*
 * Loaded, before each entry that has_events. What cannot go in now asks for its window, and so
 * does a userspace that waits to give an interrupt.
 */
void vmx_inject(struct mkvm_vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	u32 windows = 0;

	vmx->injected = VMX_INJECTED_NOTHING;
	if (v->exception.valid || v->irq.valid || v->nmi_injected || v->nmi_pending)
		inject_one(v);

	if ((v->irq.valid && vmx->injected != VMX_INJECTED_IRQ) ||
	    READ_ONCE(v->run->request_interrupt_window))
		windows |= VMX_PROCBASED_INTERRUPT_WINDOW_EXITING;
	if (v->nmi_pending)
		windows |= VMX_PROCBASED_NMI_WINDOW_EXITING;
	vmx_set_procbased(vmx, windows, VMX_WINDOW_CONTROLS & ~windows);
}

/* After a VM exit: VM entry took the event. What was interrupted comes back by vmx_requeue. */
void vmx_event_delivered(struct mkvm_vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	if (vmx->injected == VMX_INJECTED_EXCEPTION)
		v->exception.valid = false;
	else if (vmx->injected == VMX_INJECTED_NMI)
		v->nmi_injected = false;
	else if (vmx->injected == VMX_INJECTED_IRQ)
		v->irq.valid = false;
	vmx->injected = VMX_INJECTED_NOTHING;
}

static void requeue_event(struct mkvm_event *e, u32 info)
{
	e->valid = true;
	e->interrupted = true;
	e->vector = info & MKVM_INTR_VECTOR;
	e->type = (info & MKVM_INTR_TYPE) >> 8;
	e->has_error = info & MKVM_INTR_ERROR_CODE;
	e->error = e->has_error ? vmcs_read(VMCS_IDT_VECTORING_ERROR_CODE) : 0;
	e->insn_len = type_is_software(info & MKVM_INTR_TYPE) ?
		      vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH) : 0;
}

/* Loaded, after an exit that can interrupt event delivery: nothing may be lost. */
void vmx_requeue(struct mkvm_vcpu *v)
{
	u32 info = vmcs_read(VMCS_IDT_VECTORING_INFO);
	u32 state;

	v->fault.in_delivery = info & MKVM_INTR_VALID;
	if (!v->fault.in_delivery)
		return;
	switch (info & MKVM_INTR_TYPE) {
	case MKVM_INTR_TYPE_NMI:
		v->nmi_injected = true;
		state = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
		vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, state & ~MKVM_BLOCKING_BY_NMI);
		break;
	case MKVM_INTR_TYPE_EXTERNAL:
	case MKVM_INTR_TYPE_SOFTWARE_INTERRUPT:
		requeue_event(&v->irq, info);
		break;
	default:
		requeue_event(&v->exception, info);
	}
}
