/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of svm/ share: the vCPU's AMD-V half and who offers what. */
#ifndef MKVM_SVM_H
#define MKVM_SVM_H

#include <asm/page.h>	/* which <asm/svm.h> of Linux 7.2 lacks */

#include "host/state.h"
#include "pure/vmcb.h"
#include "x86/x86.h"

/* Set by svm_hardware_setup, the same on every CPU, constant afterwards. */
struct svm_host {
	struct mkvm_svm_caps caps;
	bool next_rip;		/* the CPU tells where the next instruction is */
	bool clean_bits;
};

extern struct svm_host svm_host;

/* All members: vcpu->lock. The VMCB is memory: it needs no CPU to be read or written. */
struct svm_vcpu {
	struct mkvm_vmcb *vmcb;		/* constant: one page */
	u64 vmcb_pa;			/* constant */
	u64 cr0, cr4;			/* as the guest reads them; the CPU may need others */
	bool has_tsc_aux;		/* constant: the CPU has that MSR */
	u64 tsc_aux;			/* the guest's */
	u64 host_tsc_aux;		/* of host_cpu */
	int host_cpu;			/* the CPU of the last vcpu_load; -1: none */
	u64 host_area_pa;		/* of host_cpu */
	u64 asid_generation;		/* svm_cpu.generation when asid was given; 0: needs one */
	u32 clean;			/* groups of the VMCB that the CPU may keep cached */
	const struct svm_exit_rule *rule;	/* exit.c: for this exit */

	bool nmi_blocked;		/* since an NMI went in, until its IRET is done */
	bool iret_ahead;		/* that IRET was intercepted and is not done */
	u64 iret_rip;			/* of it */
	bool stepping;			/* RFLAGS.TF is ours, until the next #DB */

	struct mkvm_host_breakpoints breakpoints;	/* from host_enter to host_leave */
};

/* The ops of vendor_ops.h. */
#define OP(type, name, args)	type svm_##name args;
#include "vendor_ops.h"

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

/* cpu.c: this CPU's page for VMSAVE */
u64 svm_host_area_pa(void);
/* A fresh ASID of this CPU. Preemption off. */
void svm_new_asid(struct svm_vcpu *svm);
/* The vCPU's ASID is one that this CPU gave and has not given again. Preemption off. */
bool svm_asid_valid(const struct svm_vcpu *svm);

/* controls.c: the control area of a new VMCB, and the intercepts that change */
int svm_controls_setup(void);
void svm_controls_unsetup(void);
void svm_init_controls(struct mkvm_vcpu *v);
void svm_intercept(struct svm_vcpu *svm, u32 code, bool on);
void svm_intercept_cr_read(struct svm_vcpu *svm, unsigned int cr, bool on);

/* inject.c */
void svm_requeue(struct mkvm_vcpu *v);
/* The exit of the IRET intercept, what follows it, and whether a #DB was only ours. */
int svm_exit_iret(struct mkvm_vcpu *v);
void svm_note_iret(struct mkvm_vcpu *v);
bool svm_was_our_step(struct mkvm_vcpu *v);

/* exit.c: interrupts off; enum mkvm_next or an errno */
int svm_handle_exit(struct mkvm_vcpu *v);
bool svm_has_rule(u32 code);	/* for this exit code. Any context. */

/* dump.c: deferred step after a VMRUN that refused the VMCB */
int svm_report_entry_failure(struct mkvm_vcpu *v);
int svm_dump(struct mkvm_vcpu *v, struct mkvm_vmcb_dump *dump);

#endif /* MKVM_SVM_H */
