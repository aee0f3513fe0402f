// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where VT-x has a guest's MSRs: in the guest-state area, or in the CPU's own
 * registers, which neither VM entry nor VM exit switches while the host depends
 * on them. Which MSRs exist and what they may hold is pure/msr.c.
 */
#include "vmx/vmx.h"

static const u32 switched_index[VMX_NR_SWITCHED_MSRS] = {
	[VMX_SWITCHED_KERNEL_GS] = MSR_KERNEL_GS_BASE,
	MSR_STAR, MSR_LSTAR, MSR_SYSCALL_MASK, MSR_TSC_AUX,
};

/* The kernel never changes these on a CPU, but KERNEL_GS_BASE is the thread's. No TSC_AUX: 0. */
void vmx_read_host_msrs(struct vmx_vcpu *vmx)
{
	unsigned int i;

	for (i = 0; i < VMX_NR_SWITCHED_MSRS; i++)
		rdmsrq_safe(switched_index[i], &vmx->host_msr[i]);
}

/* WRMSR is dear on hardware: only what differs is written. */
static __always_inline void switch_msrs(const u64 *from, const u64 *to)
{
	unsigned int i;

#pragma GCC unroll 5
	for (i = 0; i < VMX_NR_SWITCHED_MSRS; i++)
		if (from[i] != to[i])
			wrmsrq(switched_index[i], to[i]);
}

void vmx_switch_msrs_to_guest(struct vmx_vcpu *vmx)
{
	rdmsrq(MSR_KERNEL_GS_BASE, vmx->host_msr[VMX_SWITCHED_KERNEL_GS]);
	switch_msrs(vmx->host_msr, vmx->guest_msr);
}

void vmx_switch_msrs_to_host(struct vmx_vcpu *vmx)
{
	/* The guest writes this one without a VM exit. */
	rdmsrq(MSR_KERNEL_GS_BASE, vmx->guest_msr[VMX_SWITCHED_KERNEL_GS]);
	switch_msrs(vmx->guest_msr, vmx->host_msr);
}

/* The guest's value, or NULL for what is not switched. */
static u64 *find_switched(struct vmx_vcpu *vmx, u32 index)
{
	unsigned int i;

	for (i = 0; i < VMX_NR_SWITCHED_MSRS; i++)
		if (switched_index[i] == index)
			return &vmx->guest_msr[i];
	/* SYSCALL in 32-bit code is AMD's: a value only. */
	return index == MSR_CSTAR ? &vmx->cstar : NULL;
}

/* 0: not in the VMCS. */
static u32 msr_field(u32 index)
{
	switch (index) {
	case MSR_FS_BASE:		return GUEST_FS_BASE;
	case MSR_GS_BASE:		return GUEST_GS_BASE;
	case MSR_IA32_SYSENTER_CS:	return GUEST_SYSENTER_CS;
	case MSR_IA32_SYSENTER_ESP:	return GUEST_SYSENTER_ESP;
	case MSR_IA32_SYSENTER_EIP:	return GUEST_SYSENTER_EIP;
	case MSR_IA32_CR_PAT:		return GUEST_IA32_PAT;
	case MSR_IA32_DEBUGCTLMSR:	return GUEST_IA32_DEBUGCTL;
	default:			return 0;
	}
}

u64 vmx_get_msr(struct mkvm_vcpu *v, u32 index)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	u32 field = msr_field(index);
	u64 *switched;

	if (field)
		return vmcs_read_raw(field);
	switched = find_switched(vmx, index);
	if (WARN_ON_ONCE(!switched))
		return 0;
	if (v->in_loop && index == MSR_KERNEL_GS_BASE)
		rdmsrq(MSR_KERNEL_GS_BASE, *switched);
	return *switched;
}

void vmx_set_msr(struct mkvm_vcpu *v, u32 index, u64 value)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	u32 field = msr_field(index);
	u64 *switched;

	if (field) {
		vmcs_write_raw(field, value);
		return;
	}
	switched = find_switched(vmx, index);
	if (WARN_ON_ONCE(!switched))
		return;
	*switched = value;
	if (v->in_loop && switched != &vmx->cstar)
		wrmsrq(index, value);
}
