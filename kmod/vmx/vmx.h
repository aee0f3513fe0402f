/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of vmx/ share: the vCPU's VT-x half and who offers what. */
#ifndef MKVM_VMX_H
#define MKVM_VMX_H

#include "host/state.h"
#include "pure/vmx_controls.h"
#include "vmx/vmcs.h"
#include "x86/x86.h"

/* Set by vmx_hardware_setup, the same on every CPU, constant afterwards. */
struct vmx_host {
	struct mkvm_vmx_caps caps;
	u32 word[MKVM_NR_CTLS];	/* the controls that a new VMCS starts with */
	u32 slice;		/* VMX-preemption timer of an entry; control clear: no timer */
};

extern struct vmx_host vmx_host;

/* MSRs that neither VM entry nor VM exit switches: msr.c does. */
#define VMX_SWITCHED_KERNEL_GS	0
#define VMX_NR_SWITCHED_MSRS	5

/* All members: vcpu->lock, and preemption off where the VMCS must agree. */
struct vmx_vcpu {
	struct vmx_vmcs vmcs;
	u16 vpid;			/* constant; 0 is the host's */
	u32 exit_reason;		/* of the last VM exit, all 32 bits */
	bool flush_vpid;		/* INVVPID before the next entry */

	/* What the VMCS holds, so that a VMWRITE happens when a value changed. */
	u32 procbased;
	u64 eoi_exits[4];
	unsigned long host_rsp;		/* enter.S */
	unsigned long host_cr3;
	unsigned long host_cr4;
	unsigned long host_fs_base;
	int host_cpu;			/* whose TR, GDT, GS base ... are in the host-state area */

	u64 host_msr[VMX_NR_SWITCHED_MSRS];	/* of host_cpu: what host_leave puts back */
	u64 guest_msr[VMX_NR_SWITCHED_MSRS];	/* current outside of the loop */
	u64 cstar;

	struct mkvm_host_state host;	/* of the thread, from host_enter to host_leave */
};

/* The ops of vendor_ops.h. */
#define OP(type, name, args)	type vmx_##name args;
#include "vendor_ops.h"

static inline struct vmx_vcpu *to_vmx(const struct mkvm_vcpu *v)
{
	return v->vendor;
}

/* enter.S: 0 after a VM exit, 1 after VMfail, 2 where the instruction faulted. */
unsigned long mkvm_vmx_enter(unsigned long *regs, unsigned long launched, unsigned long *host_rsp);
extern const char mkvm_vmx_exit_label[];	/* HOST_RIP */

/* controls.c: the areas of a new VMCS, and the control bits that change. */
int vmx_controls_setup(void);
void vmx_controls_unsetup(void);
extern struct page *vmx_apic_access_page;
void vmx_vmcs_init(struct mkvm_vcpu *v);
void vmx_set_procbased(struct vmx_vcpu *vmx, u32 set, u32 clear);
bool vmx_virtualize_apic(struct mkvm_vcpu *v, u32 mode);
void vmx_host_area_load(struct vmx_vcpu *vmx, int cpu);

/* state.c */
void vmx_get_pdptrs(struct mkvm_vcpu *v, u64 pdpte[4]);

/* msr.c; the switches with interrupts off */
void vmx_read_host_msrs(struct vmx_vcpu *vmx);
void vmx_switch_msrs_to_guest(struct vmx_vcpu *vmx);
void vmx_switch_msrs_to_host(struct vmx_vcpu *vmx);

/* inject.c */
void vmx_set_apic_status(struct mkvm_vcpu *v, u16 status, const u64 eoi_exits[4]);
void vmx_requeue(struct mkvm_vcpu *v);

/* exit.c: interrupts off; enum mkvm_next or an errno */
int vmx_handle_exit(struct mkvm_vcpu *v);

/* dump.c: deferred step after a failed VM entry */
int vmx_report_entry_failure(struct mkvm_vcpu *v);
int vmx_dump(struct mkvm_vcpu *v, struct mkvm_vmx_caps *caps,
	     struct mkvm_vmcs_field *fields, u32 max);

#endif /* MKVM_VMX_H */
