// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event injection by the VM-entry interruption information, and the windows
 * that wait for it. SDM vol. 3, sections "Event Injection" and "Information for
 * VM Exits That Occur During Event Delivery". Which event it is: x86/inject.c.
 */
#include "vmx/vmx.h"
#include "x86/x86.h"

static bool type_is_software(u32 type)
{
	return type == MKVM_INTR_TYPE_SOFTWARE_INTERRUPT ||
	       type == MKVM_INTR_TYPE_PRIVILEGED_SW_EXCEPTION ||
	       type == MKVM_INTR_TYPE_SOFTWARE_EXCEPTION;
}

/* Injecting an NMI sets the blocking itself and wants it clear before. */
void vmx_inject(struct mkvm_vcpu *v, const struct mkvm_event *e)
{
	u32 type = (u32)e->type << 8;
	u32 info = e->vector | type | MKVM_INTR_VALID;

	if (e->has_error) {
		vmcs_write(VMCS_ENTRY_EXCEPTION_ERROR_CODE, e->error);
		info |= MKVM_INTR_ERROR_CODE;
	}
	if (type_is_software(type))
		vmcs_write(VMCS_ENTRY_INSTRUCTION_LENGTH, e->insn_len);
	vmcs_write(VMCS_ENTRY_INTR_INFO, info);
}

bool vmx_irq_allowed(struct mkvm_vcpu *v)
{
	return (vmcs_read(VMCS_GUEST_RFLAGS) & X86_EFLAGS_IF) &&
	       !(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) &
		 (MKVM_BLOCKING_BY_STI | MKVM_BLOCKING_BY_MOV_SS));
}

bool vmx_nmi_allowed(struct mkvm_vcpu *v)
{
	return !(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) &
		 (MKVM_BLOCKING_BY_STI | MKVM_BLOCKING_BY_MOV_SS | MKVM_BLOCKING_BY_NMI));
}

void vmx_set_windows(struct mkvm_vcpu *v, bool irq, bool nmi)
{
	u32 windows = (irq ? VMX_PROCBASED_INTERRUPT_WINDOW_EXITING : 0) |
		      (nmi ? VMX_PROCBASED_NMI_WINDOW_EXITING : 0);

	vmx_set_procbased(to_vmx(v), windows,
			  (VMX_PROCBASED_INTERRUPT_WINDOW_EXITING |
			   VMX_PROCBASED_NMI_WINDOW_EXITING) & ~windows);
}

/* After an exit that can interrupt event delivery. */
void vmx_requeue(struct mkvm_vcpu *v)
{
	u32 info = vmcs_read(VMCS_IDT_VECTORING_INFO);
	u32 type = info & MKVM_INTR_TYPE;
	struct mkvm_event e = {
		.vector = info & MKVM_INTR_VECTOR, .type = type >> 8,
		.has_error = info & MKVM_INTR_ERROR_CODE,
	};

	v->fault.in_delivery = info & MKVM_INTR_VALID;
	if (!v->fault.in_delivery)
		return;
	if (e.has_error)
		e.error = vmcs_read(VMCS_IDT_VECTORING_ERROR_CODE);
	if (type_is_software(type))
		e.insn_len = vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH);
	mkvm_requeue(v, e);
}
