// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event injection by the VM-entry interruption information, and the windows
 * that wait for it. SDM vol. 3, sections "Event Injection" and "Information for
 * VM Exits That Occur During Event Delivery". Which event it is: x86/inject.c.
 */
#include "vmx/vmx.h"

static bool type_is_software(u32 type)
{
	return type >= INTR_TYPE_SOFT_INTR && type <= INTR_TYPE_SOFT_EXCEPTION;
}

/* Injecting an NMI sets the blocking itself and wants it clear before. */
void vmx_inject(struct mkvm_vcpu *v, const struct mkvm_event *e)
{
	u32 type = (u32)e->type << 8;
	u32 info = e->vector | type | INTR_INFO_VALID_MASK;

	if (e->has_error) {
		vmcs_write(VM_ENTRY_EXCEPTION_ERROR_CODE, e->error);
		info |= INTR_INFO_DELIVER_CODE_MASK;
	}
	if (type_is_software(type))
		vmcs_write(VM_ENTRY_INSTRUCTION_LEN, e->insn_len);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, info);
}

bool vmx_irq_allowed(struct mkvm_vcpu *v)
{
	return (vmcs_read(GUEST_RFLAGS) & X86_EFLAGS_IF) &&
	       !(vmcs_read(GUEST_INTERRUPTIBILITY_INFO) &
		 (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS));
}

void vmx_set_windows(struct mkvm_vcpu *v, bool irq, bool nmi)
{
	const u32 irqs = CPU_BASED_INTR_WINDOW_EXITING, nmis = CPU_BASED_NMI_WINDOW_EXITING;
	u32 windows = (irq ? irqs : 0) | (nmi ? nmis : 0);

	vmx_set_procbased(to_vmx(v), windows, (irqs | nmis) & ~windows);
}

void vmx_set_apic_status(struct mkvm_vcpu *v, u16 status, const u64 eoi_exits[4])
{
	struct vmx_vcpu *vmx = to_vmx(v);
	u32 i;

	if (vmcs_read(GUEST_INTR_STATUS) != status)
		vmcs_write(GUEST_INTR_STATUS, status);
	for (i = 0; i < 4; i++)
		if (vmx->eoi_exits[i] != eoi_exits[i]) {
			vmx->eoi_exits[i] = eoi_exits[i];
			vmcs_write_raw(EOI_EXIT_BITMAP0 + 2 * i, eoi_exits[i]);
		}
}

/* After an exit that can interrupt event delivery. */
void vmx_requeue(struct mkvm_vcpu *v)
{
	u32 info = vmcs_read(IDT_VECTORING_INFO_FIELD);
	u32 type = info & INTR_INFO_INTR_TYPE_MASK;
	struct mkvm_event e = {
		.vector = info & INTR_INFO_VECTOR_MASK, .type = type >> 8,
		.has_error = info & INTR_INFO_DELIVER_CODE_MASK,
	};

	v->fault.in_delivery = info & INTR_INFO_VALID_MASK;
	if (!v->fault.in_delivery)
		return;
	if (e.has_error)
		e.error = vmcs_read(IDT_VECTORING_ERROR_CODE);
	if (type_is_software(type))
		e.insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	mkvm_requeue(v, e);
}
