/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vendor seam: what VT-x and AMD-V each answer for. main.c picks one at
 * load; everything else goes through mkvm_vendor and knows neither. No vendor
 * code copies from userspace or sleeps between vcpu_load and vcpu_put.
 */
#ifndef MKVM_VENDOR_H
#define MKVM_VENDOR_H

#include "mkvm.h"
#include "pure/pgtable.h"

/*
 * Requirements are written as "what is missing" into a buffer, so that the one
 * line in the log names everything.
 */
struct mkvm_vendor {
	const char *name;			/* "VT-x" or "AMD-V" */
	const struct mkvm_pgtable_format *pgtable;	/* EPT or NPT */

	/* ---- machine: in bring-up order, each undone by its pair ---- */

	/*
	 * Check this CPU and set up what all CPUs share. Reads only; no side
	 * effect on the machine. -EOPNOTSUPP with a log line that names what is
	 * missing. Process context.
	 */
	int (*hardware_setup)(void);
	void (*hardware_unsetup)(void);
	/*
	 * Turn virtualization on or off on this CPU. Interrupts or at least
	 * preemption off. cpu_off also undoes a half-done cpu_on, makes every
	 * VMCS that is active here clear first, never fails, takes no lock: it
	 * is called in NMI context when the host crashes.
	 */
	int (*cpu_on)(void);
	void (*cpu_off)(void);

	/* Fill in which features need controls that this CPU has. */
	void (*cpuid_policy)(struct mkvm_cpuid_policy *p);

	/* ---- VM and vCPU life ---- */

	int (*vm_init)(struct mkvm_vm *vm);
	void (*vm_free)(struct mkvm_vm *vm);
	int (*vcpu_init)(struct mkvm_vcpu *v);	/* in the state after RESET */
	void (*vcpu_free)(struct mkvm_vcpu *v);
	void (*vcpu_reset)(struct mkvm_vcpu *v);	/* to that state again. Loaded. */
	/* Preemption off; v->cpu is still the old CPU (-1: none). Does not fail: see vmcs_load. */
	void (*vcpu_load)(struct mkvm_vcpu *v, int cpu);

	/* ---- run: loaded ---- */

	/*
	 * The inner loop, interrupts off throughout: enter, handle what needs
	 * no sleep, enter again until something else is wanted. host_enter and
	 * host_leave bracket any number of runs and switch what VM entry and
	 * exit do not.
	 */
	void (*host_enter)(struct mkvm_vcpu *v);
	void (*host_leave)(struct mkvm_vcpu *v);
	int (*run)(struct mkvm_vcpu *v);	/* enum mkvm_next or an errno */
	/* Advance RIP over len bytes: interrupt shadow and single-step with it. */
	void (*skip_insn)(struct mkvm_vcpu *v, u32 len);
	void (*flush_tlb)(struct mkvm_vcpu *v);	/* all second-stage translations of the VM, here */

	/* ---- state: loaded ---- */

	void (*cache_regs)(struct mkvm_vcpu *v);	/* RSP and RIP into v->regs */
	void (*flush_regs)(struct mkvm_vcpu *v);	/* those that are dirty, out of it */
	unsigned long (*get_rflags)(struct mkvm_vcpu *v);
	void (*set_rflags)(struct mkvm_vcpu *v, unsigned long rflags);
	u64 (*get_cr0)(struct mkvm_vcpu *v);	/* as the guest reads it */
	u64 (*get_cr3)(struct mkvm_vcpu *v);
	u64 (*get_cr4)(struct mkvm_vcpu *v);
	u64 (*get_efer)(struct mkvm_vcpu *v);
	/* Values are checked by the caller; these only make the hardware follow. */
	void (*set_cr0)(struct mkvm_vcpu *v, u64 cr0);
	void (*set_cr3)(struct mkvm_vcpu *v, u64 cr3);
	void (*set_cr4)(struct mkvm_vcpu *v, u64 cr4);
	void (*set_efer)(struct mkvm_vcpu *v, u64 efer);
	void (*set_dr7)(struct mkvm_vcpu *v, u64 dr7);
	u8 (*get_cpl)(struct mkvm_vcpu *v);
	bool (*is_64bit)(struct mkvm_vcpu *v);	/* EFER.LMA and CS.L */
	void (*get_segment)(struct mkvm_vcpu *v, enum mkvm_seg seg, struct kvm_segment *s);
	void (*set_segment)(struct mkvm_vcpu *v, enum mkvm_seg seg, const struct kvm_segment *s);
	void (*get_dtable)(struct mkvm_vcpu *v, bool idt, struct kvm_dtable *t);
	void (*set_dtable)(struct mkvm_vcpu *v, bool idt, const struct kvm_dtable *t);
	/* MSRs that live in the VMCS or VMCB; index is one of those pure/msr.h marks so. */
	u64 (*get_msr)(struct mkvm_vcpu *v, u32 index);
	void (*set_msr)(struct mkvm_vcpu *v, u32 index, u64 value);
	void (*set_tsc_offset)(struct mkvm_vcpu *v, u64 offset);
	/* Have the next VM entry deliver it; x86/inject.c chooses. */
	void (*inject)(struct mkvm_vcpu *v, const struct mkvm_event *e);
	bool (*irq_allowed)(struct mkvm_vcpu *v);	/* could the guest take one now? */
	bool (*nmi_allowed)(struct mkvm_vcpu *v);
	void (*intercept_msrs)(struct mkvm_vcpu *v, bool all);	/* or those that need it */
	void (*intercept_exception)(struct mkvm_vcpu *v, u8 vector, bool on);
	/* A VM exit as soon as the guest can take one, or no longer. */
	void (*set_windows)(struct mkvm_vcpu *v, bool irq, bool nmi);
	/* KVM_X86_SHADOW_INT_STI | _MOV_SS. */
	u8 (*get_shadow)(struct mkvm_vcpu *v);
	void (*set_shadow)(struct mkvm_vcpu *v, u8 shadow);
	bool (*nmi_blocked)(struct mkvm_vcpu *v);
	void (*set_nmi_blocked)(struct mkvm_vcpu *v, bool blocked);
	void (*load_pdptrs)(struct mkvm_vcpu *v, const u64 pdpte[4]);
	void (*get_pdptrs)(struct mkvm_vcpu *v, u64 pdpte[4]);	/* NULL: the CPU keeps none */

	/* ---- inspection: loaded; may be NULL where a vendor has none ---- */

	int (*dump_vmcs)(struct mkvm_vcpu *v, struct mkvm_vmx_caps *caps,
			 struct mkvm_vmcs_field *fields, u32 max);
	int (*dump_vmcb)(struct mkvm_vcpu *v, struct mkvm_vmcb_dump *dump);
};

extern const struct mkvm_vendor mkvm_vmx;
extern const struct mkvm_vendor mkvm_svm;
extern const struct mkvm_vendor *mkvm_vendor;	/* chosen in main.c */

#endif /* MKVM_VENDOR_H */
