// SPDX-License-Identifier: GPL-2.0-only
/*
 * The inner loop of KVM_RUN on VT-x, and the vendor ops table. Everything here
 * but vCPU creation runs with preemption off, the loop with interrupts off.
 */
#include <linux/idr.h>

#include "vmx/vmx.h"
#include "host/guest_mode.h"
#include "host/mitigate.h"

/* VM entries that VMfail'ed or faulted look like no exit reason of the SDM. */
#define EXIT_REASON_VMFAIL	(VMX_EXIT_REASONS_FAILED_VMENTRY | 0xffff)

/*
 * From here to the VM exit and until the host has its NMI nothing may trace or
 * fault: RCU does not watch, and an IRET would let the next NMI in.
 */
static noinstr void vmx_enter_guest(struct mkvm_vcpu *v, struct vmx_vcpu *vmx)
{
	unsigned long failed;

	mkvm_host_guest_enter();
	if (v->cr2 != native_read_cr2())
		native_write_cr2(v->cr2);
	failed = mkvm_vmx_enter(v->regs, vmx->vmcs.launched, &vmx->host_rsp);
	mkvm_host_retake_ibrs();
	v->cr2 = native_read_cr2();
	if (unlikely(failed)) {
		vmx->exit_reason = EXIT_REASON_VMFAIL;
	} else {
		vmx->exit_reason = vmcs_read(VM_EXIT_REASON);
		/* A VMLAUNCH that failed on the guest's state leaves the VMCS clear. */
		if (likely(!(vmx->exit_reason & VMX_EXIT_REASONS_FAILED_VMENTRY)))
			vmx->vmcs.launched = true;
		if (vmx->exit_reason == EXIT_REASON_EXCEPTION_NMI &&
		    (vmcs_read(VM_EXIT_INTR_INFO) & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR)
			mkvm_host_nmi();
	}
	mkvm_host_guest_exit();
}

/*
 * What the hardware must hold for this entry: VMWRITEs only where a value changed. The
 * host's CR3 and CR4 may change until interrupts are off: by a flush of the TLB, or by
 * what else runs on this CPU.
 */
static void prepare_entry(struct mkvm_vcpu *v, struct vmx_vcpu *vmx)
{
	unsigned long cr3 = __read_cr3(), cr4 = native_read_cr4();

	if (v->regs_dirty)
		vmx_flush_regs(v);
	v->regs_avail = 0;
	if (vmx->host_cr3 != cr3) {
		vmcs_write(HOST_CR3, cr3);
		vmx->host_cr3 = cr3;
	}
	if (vmx->host_cr4 != cr4) {
		vmcs_write(HOST_CR4, cr4);
		vmx->host_cr4 = cr4;
	}
	if (unlikely(vmx->flush_vpid)) {
		vmx->flush_vpid = false;
		vmx_invvpid(VMX_INVALIDATE_SINGLE, vmx->vpid);
	}
	if (unlikely(mkvm_has_events(v)))
		mkvm_inject(v);
}

/*
 * Exits handled in one stay: each VM entry starts the preemption timer anew, so it
 * alone does not bound a guest that exits all the time with interrupts off, and
 * Bochs takes no VM exit for the host's interrupts meanwhile.
 */
#define EXITS_IN_A_ROW	1024

int vmx_run(struct mkvm_vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	unsigned int exits = 0;
	int next;

	mkvm_host_flush_l1d();
	do {
		if (!mkvm_guest_mode_enter(v))
			return MKVM_BREAK;
		prepare_entry(v, vmx);
		vmx_enter_guest(v, vmx);
		mkvm_guest_mode_exit(v);
		next = vmx_handle_exit(v);
	} while (next == MKVM_RESUME && ++exits < EXITS_IN_A_ROW);
	return next;
}

void vmx_host_enter(struct mkvm_vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	vmcs_counts_take(NULL);
	mkvm_host_state_save(&vmx->host);
	if (vmx->host_fs_base != vmx->host.fs_base) {
		vmx->host_fs_base = vmx->host.fs_base;
		vmcs_write(HOST_FS_BASE, vmx->host_fs_base);
	}
	vmx_switch_msrs_to_guest(vmx);
	mkvm_load_guest_drs(v);
}

void vmx_host_leave(struct mkvm_vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	vmx_switch_msrs_to_host(vmx);
	mkvm_host_state_restore(&vmx->host);
	vmcs_counts_take(&v->stats);
}

void vmx_vcpu_load(struct mkvm_vcpu *v, int cpu)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	if (unlikely(__this_cpu_read(vmcs_current) != &vmx->vmcs))
		vmcs_load(&vmx->vmcs);
	if (unlikely(vmx->host_cpu != cpu))
		vmx_host_area_load(vmx, cpu);
}

/* ---- life ---- */

/* VPID 0 is the host's. */
static DEFINE_IDA(vpids);
#define VPID_MAX	0xffff

/*
 * No accessed and dirty flags: with them the walk of the guest's own tables counts
 * as a write, which a read-only host page would refuse.
 */
static u64 ept_pointer(const struct mkvm_vcpu *v)
{
	return __pa(mkvm_root(v)) | VMX_EPTP_MT_WB | VMX_EPTP_PWL_4;
}

void vmx_flush_tlb(struct mkvm_vcpu *v)
{
	vmcs_write(EPT_POINTER, ept_pointer(v));
	vmx_invept(VMX_INVALIDATE_SINGLE, ept_pointer(v));
}

int vmx_vcpu_init(struct mkvm_vcpu *v)
{
	struct vmx_vcpu *vmx = kzalloc(sizeof(*vmx), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!vmx)
		return -ENOMEM;
	v->vendor = vmx;
	vmx->flush_vpid = true;
	ret = ida_alloc_range(&vpids, 1, VPID_MAX, GFP_KERNEL_ACCOUNT);
	if (ret > 0) {
		vmx->vpid = ret;
		ret = vmcs_alloc(&vmx->vmcs);
	}
	if (ret) {
		vmx_vcpu_free(v);
		return ret;
	}
	mkvm_vcpu_load(v);
	vmx_vmcs_init(v);
	vmcs_write(EPT_POINTER, ept_pointer(v));
	mkvm_vcpu_put(v);
	return 0;
}

void vmx_vcpu_free(struct mkvm_vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	vmcs_free(&vmx->vmcs);
	if (vmx->vpid)
		ida_free(&vpids, vmx->vpid);
	kfree(vmx);
}

const struct mkvm_vendor mkvm_vmx = {
	.name			= "VT-x",
	.pgtable		= &mkvm_pgtable_ept,
	.hypercall		= { 0x0f, 0x01, 0xc1 },
#define OP(type, op, args)	.op = vmx_##op,
#include "vendor_ops.h"
	.virtualize_apic	= vmx_virtualize_apic,
	.set_apic_status	= vmx_set_apic_status,
	.get_pdptrs		= vmx_get_pdptrs,
	.dump_vmcs		= vmx_dump,
};
