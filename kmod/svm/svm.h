/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of svm/ share: the vCPU's AMD-V half and who offers what. */
#ifndef MKVM_SVM_H
#define MKVM_SVM_H

#include "mkvm.h"
#include "vendor.h"
#include "host/state.h"
#include "pure/insn.h"
#include "pure/vmcb.h"

/* Set by svm_cpu_setup, the same on every CPU, constant afterwards. */
struct svm_host {
	struct mkvm_svm_caps caps;
	bool next_rip;		/* the CPU tells where the next instruction is */
	bool clean_bits;
};

extern struct svm_host svm_host;

/* How far the guest is with the IRET that ends its NMI handler. */
enum svm_iret { SVM_IRET_FAR, SVM_IRET_AHEAD };

/* All members: vcpu->lock. The VMCB is memory: it needs no CPU to be read or written. */
struct svm_vcpu {
	struct mkvm_vmcb *vmcb;		/* constant: one page */
	u64 vmcb_pa;			/* constant */
	u64 cr0, cr4;			/* as the guest reads them; the CPU may need others */
	bool has_tsc_aux;		/* constant: the CPU has that MSR */
	u64 tsc_aux;			/* the guest's */
	u64 host_tsc_aux;		/* of host_cpu */
	int host_cpu;			/* the CPU of the last vcpu_load; -1: none */
	u64 asid_generation;		/* svm_cpu.generation when asid was given; 0: needs one */
	u32 clean;			/* groups of the VMCB that the CPU may keep cached */
	const struct svm_exit_rule *rule;	/* exit.c: for this exit */
	struct mkvm_insn insn;	/* of this exit, where the CPU does not tell its length */

	bool nmi_blocked;		/* since an NMI went in, until its IRET is done */
	enum svm_iret iret;
	u64 iret_rip;			/* of that IRET, for SVM_IRET_AHEAD */
	bool stepping;			/* RFLAGS.TF is ours, until the next #DB */

	struct mkvm_host_breakpoints breakpoints;	/* from host_enter to host_leave */
};

static inline struct svm_vcpu *to_svm(const struct mkvm_vcpu *v)
{
	return v->vendor;
}

/* A part of the VMCB was written: groups are MKVM_SVM_CLEAN_*. */
static inline void svm_changed(struct svm_vcpu *svm, u32 groups)
{
	svm->clean &= ~groups;
}

/* enter.S. GIF is 0, interrupts are enabled in there only. */
void mkvm_svm_enter(unsigned long *regs, u64 vmcb_pa, u64 host_pa);

/* cpu.c: parts of mkvm_svm, see struct mkvm_vendor; and this CPU's page for VMSAVE */
int svm_cpu_setup(void);
void svm_cpu_unsetup(void);
int svm_cpu_on(void);
void svm_cpu_off(void);
u64 svm_host_area_pa(void);
/* A fresh ASID of this CPU. Preemption off. */
void svm_new_asid(struct svm_vcpu *svm);
/* The vCPU's ASID is one that this CPU gave and has not given again. Preemption off. */
bool svm_asid_valid(const struct svm_vcpu *svm);

/* controls.c: the control area of a new VMCB, and the intercepts that change */
int svm_controls_setup(void);
void svm_controls_unsetup(void);
void svm_cpuid_policy(struct mkvm_cpuid_policy *p);
void svm_init_controls(struct mkvm_vcpu *v);
void svm_intercept(struct svm_vcpu *svm, u32 code, bool on);
void svm_intercept_msrs(struct mkvm_vcpu *v, bool all);
void svm_intercept_exception(struct mkvm_vcpu *v, u8 vector, bool on);
void svm_intercept_cr_read(struct svm_vcpu *svm, unsigned int cr, bool on);

/* state.c: the ops of the same names in vendor.h, and the state after RESET */
void svm_reset_state(struct mkvm_vcpu *v);
void svm_cache_regs(struct mkvm_vcpu *v);
void svm_flush_regs(struct mkvm_vcpu *v);
unsigned long svm_get_rflags(struct mkvm_vcpu *v);
void svm_set_rflags(struct mkvm_vcpu *v, unsigned long rflags);
u64 svm_get_cr0(struct mkvm_vcpu *v);
u64 svm_get_cr3(struct mkvm_vcpu *v);
u64 svm_get_cr4(struct mkvm_vcpu *v);
u64 svm_get_efer(struct mkvm_vcpu *v);
void svm_set_cr0(struct mkvm_vcpu *v, u64 cr0);
void svm_set_cr3(struct mkvm_vcpu *v, u64 cr3);
void svm_set_cr4(struct mkvm_vcpu *v, u64 cr4);
void svm_set_efer(struct mkvm_vcpu *v, u64 efer);
void svm_set_dr7(struct mkvm_vcpu *v, u64 dr7);
u8 svm_get_cpl(struct mkvm_vcpu *v);
bool svm_is_64bit(struct mkvm_vcpu *v);
void svm_get_segment(struct mkvm_vcpu *v, enum mkvm_seg seg, struct kvm_segment *s);
void svm_set_segment(struct mkvm_vcpu *v, enum mkvm_seg seg, const struct kvm_segment *s);
void svm_get_dtable(struct mkvm_vcpu *v, bool idt, struct kvm_dtable *t);
void svm_set_dtable(struct mkvm_vcpu *v, bool idt, const struct kvm_dtable *t);
u64 svm_get_msr(struct mkvm_vcpu *v, u32 index);
void svm_set_msr(struct mkvm_vcpu *v, u32 index, u64 value);
void svm_set_tsc_offset(struct mkvm_vcpu *v, u64 offset);
void svm_load_pdptrs(struct mkvm_vcpu *v, const u64 pdpte[4]);

/* inject.c */
void svm_inject(struct mkvm_vcpu *v, const struct mkvm_event *e);
bool svm_irq_allowed(struct mkvm_vcpu *v);
bool svm_nmi_allowed(struct mkvm_vcpu *v);
void svm_set_windows(struct mkvm_vcpu *v, bool irq, bool nmi);
u8 svm_get_shadow(struct mkvm_vcpu *v);
void svm_set_shadow(struct mkvm_vcpu *v, u8 shadow);
bool svm_nmi_blocked(struct mkvm_vcpu *v);
void svm_set_nmi_blocked(struct mkvm_vcpu *v, bool blocked);
void svm_requeue(struct mkvm_vcpu *v);
/* The IRET intercept, what follows it, and whether a #DB was only ours. */
void svm_iret_ahead(struct mkvm_vcpu *v);
void svm_note_iret(struct mkvm_vcpu *v);
bool svm_was_our_step(struct mkvm_vcpu *v);

/* exit.c: interrupts off; enum mkvm_next or an errno */
int svm_handle_exit(struct mkvm_vcpu *v);
void svm_skip_insn(struct mkvm_vcpu *v, u32 len);

/* dump.c: deferred step after a VMRUN that refused the VMCB */
int svm_report_entry_failure(struct mkvm_vcpu *v);
int svm_dump(struct mkvm_vcpu *v, struct mkvm_vmcb_dump *dump);

#endif /* MKVM_SVM_H */
