/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of vmx/ share: the vCPU's VT-x half and who offers what. */
#ifndef MKVM_VMX_H
#define MKVM_VMX_H

#include "mkvm.h"
#include "vendor.h"
#include "host/state.h"
#include "pure/vmx_controls.h"
#include "vmx/cpu.h"
#include "vmx/vmcs.h"

/* MSRs that neither VM entry nor VM exit switches: msr.c does. */
enum vmx_switched_msr { VMX_SWITCHED_STAR, VMX_SWITCHED_LSTAR, VMX_SWITCHED_SFMASK,
			VMX_SWITCHED_TSC_AUX, VMX_SWITCHED_KERNEL_GS, VMX_NR_SWITCHED_MSRS };

/* All members: vcpu->lock, and preemption off where the VMCS must agree. */
struct vmx_vcpu {
	struct vmx_vmcs vmcs;
	u16 vpid;			/* constant; 0 is the host's */
	u32 exit_reason;		/* of the last VM exit, all 32 bits */
	bool flush_vpid;		/* INVVPID before the next entry */

	/* What the VMCS holds, so that a VMWRITE happens when a value changed. */
	u32 procbased;
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

static inline struct vmx_vcpu *to_vmx(const struct mkvm_vcpu *v)
{
	return v->vendor;
}

/* enter.S: 0 after a VM exit, 1 after VMfail, 2 where the instruction faulted. */
unsigned long mkvm_vmx_enter(unsigned long *regs, unsigned long launched,
			     unsigned long *host_rsp);
extern const char mkvm_vmx_exit_label[];	/* HOST_RIP */

/* controls.c: the areas of a new VMCS, and the control bits that change. */
int vmx_controls_setup(void);
void vmx_controls_unsetup(void);
void vmx_cpuid_policy(struct mkvm_cpuid_policy *p);
void vmx_vmcs_init(struct mkvm_vcpu *v);
void vmx_set_procbased(struct vmx_vcpu *vmx, u32 set, u32 clear);
void vmx_intercept_msrs(struct mkvm_vcpu *v, bool all);
void vmx_intercept_exception(struct mkvm_vcpu *v, u8 vector, bool on);
void vmx_host_area_load(struct vmx_vcpu *vmx, int cpu);

/* state.c: the ops of the same names in vendor.h, and the state after RESET */
void vmx_reset_guest_area(struct mkvm_vcpu *v);
void vmx_cache_regs(struct mkvm_vcpu *v);
void vmx_flush_regs(struct mkvm_vcpu *v);
unsigned long vmx_get_rflags(struct mkvm_vcpu *v);
void vmx_set_rflags(struct mkvm_vcpu *v, unsigned long rflags);
u64 vmx_get_cr0(struct mkvm_vcpu *v);
u64 vmx_get_cr3(struct mkvm_vcpu *v);
u64 vmx_get_cr4(struct mkvm_vcpu *v);
u64 vmx_get_efer(struct mkvm_vcpu *v);
void vmx_set_cr0(struct mkvm_vcpu *v, u64 cr0);
void vmx_set_cr3(struct mkvm_vcpu *v, u64 cr3);
void vmx_set_cr4(struct mkvm_vcpu *v, u64 cr4);
void vmx_set_efer(struct mkvm_vcpu *v, u64 efer);
void vmx_set_dr7(struct mkvm_vcpu *v, u64 dr7);
u8 vmx_get_cpl(struct mkvm_vcpu *v);
bool vmx_is_64bit(struct mkvm_vcpu *v);
void vmx_get_segment(struct mkvm_vcpu *v, enum mkvm_seg seg, struct kvm_segment *s);
void vmx_set_segment(struct mkvm_vcpu *v, enum mkvm_seg seg, const struct kvm_segment *s);
void vmx_get_dtable(struct mkvm_vcpu *v, bool idt, struct kvm_dtable *t);
void vmx_set_dtable(struct mkvm_vcpu *v, bool idt, const struct kvm_dtable *t);
void vmx_set_tsc_offset(struct mkvm_vcpu *v, u64 offset);
u8 vmx_get_shadow(struct mkvm_vcpu *v);
void vmx_set_shadow(struct mkvm_vcpu *v, u8 shadow);
bool vmx_nmi_blocked(struct mkvm_vcpu *v);
void vmx_set_nmi_blocked(struct mkvm_vcpu *v, bool blocked);
void vmx_load_pdptrs(struct mkvm_vcpu *v, const u64 pdpte[4]);
void vmx_get_pdptrs(struct mkvm_vcpu *v, u64 pdpte[4]);

/* msr.c; the switches with interrupts off */
u64 vmx_get_msr(struct mkvm_vcpu *v, u32 index);
void vmx_set_msr(struct mkvm_vcpu *v, u32 index, u64 value);
void vmx_read_host_msrs(struct vmx_vcpu *vmx);
void vmx_switch_msrs_to_guest(struct vmx_vcpu *vmx);
void vmx_switch_msrs_to_host(struct vmx_vcpu *vmx);

/* inject.c */
void vmx_inject(struct mkvm_vcpu *v, const struct mkvm_event *e);
bool vmx_irq_allowed(struct mkvm_vcpu *v);
bool vmx_nmi_allowed(struct mkvm_vcpu *v);
void vmx_set_windows(struct mkvm_vcpu *v, bool irq, bool nmi);
void vmx_requeue(struct mkvm_vcpu *v);

/* exit.c: interrupts off; enum mkvm_next or an errno */
int vmx_handle_exit(struct mkvm_vcpu *v);
void vmx_skip_insn(struct mkvm_vcpu *v, u32 len);

/* dump.c: deferred step after a failed VM entry */
int vmx_report_entry_failure(struct mkvm_vcpu *v);
int vmx_dump(struct mkvm_vcpu *v, struct mkvm_vmx_caps *caps,
	     struct mkvm_vmcs_field *fields, u32 max);

#endif /* MKVM_VMX_H */
