/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each vendor answers for, once: OP(type, name, (arguments)). vendor.h makes
 * the members of struct mkvm_vendor of it, vmx/vmx.h and svm/svm.h the prototypes
 * of vmx_... and svm_..., and their run.c the tables. Each defines OP and includes
 * this. "Loaded": between mkvm_vcpu_load and _put.
 */

/* ---- machine: in bring-up order, each undone by its pair ---- */

/*
 * Check this CPU and set up what all CPUs share. Reads only; no side
 * effect on the machine. -EOPNOTSUPP with a log line that names what is
 * missing. Process context.
 */
OP(int, hardware_setup, (void))
OP(void, hardware_unsetup, (void))
/*
 * Turn virtualization on or off on this CPU. Interrupts or at least
 * preemption off. cpu_off also undoes a half-done cpu_on, makes every
 * VMCS that is active here clear first, never fails, takes no lock: it
 * is called in NMI context when the host crashes.
 */
OP(int, cpu_on, (void))
OP(void, cpu_off, (void))

/* Fill in which features need controls that this CPU has. */
OP(void, cpuid_policy, (struct mkvm_cpuid_policy *p))

/* ---- vCPU life ---- */

OP(int, vcpu_init, (struct mkvm_vcpu *v))	/* in the state after RESET */
OP(void, vcpu_free, (struct mkvm_vcpu *v))
OP(void, vcpu_reset, (struct mkvm_vcpu *v))	/* to that state again. Loaded. */
/* Preemption off; v->cpu is still the old CPU (-1: none). Does not fail: see vmcs_load. */
OP(void, vcpu_load, (struct mkvm_vcpu *v, int cpu))

/* ---- run: loaded ---- */

/*
 * The inner loop, interrupts off throughout: enter, handle what needs
 * no sleep, enter again until something else is wanted. host_enter and
 * host_leave bracket any number of runs and switch what VM entry and
 * exit do not.
 */
OP(void, host_enter, (struct mkvm_vcpu *v))
OP(void, host_leave, (struct mkvm_vcpu *v))
OP(int, run, (struct mkvm_vcpu *v))	/* enum mkvm_next or an errno */
/* Advance RIP over len bytes: interrupt shadow and single-step with it. */
OP(void, skip_insn, (struct mkvm_vcpu *v, u32 len))
/* All second-stage translations, here, of the address space that the vCPU sees from now on. */
OP(void, flush_tlb, (struct mkvm_vcpu *v))

/* ---- state: loaded ---- */

OP(void, cache_regs, (struct mkvm_vcpu *v))	/* RSP and RIP into v->regs */
OP(void, flush_regs, (struct mkvm_vcpu *v))	/* those that are dirty, out of it */
OP(unsigned long, get_rflags, (struct mkvm_vcpu *v))
OP(void, set_rflags, (struct mkvm_vcpu *v, unsigned long rflags))
/* Control registers, RFLAGS, CPL, and whether CS is one of 64-bit code. */
OP(void, get_context, (struct mkvm_vcpu *v, struct mkvm_guest_context *c))
OP(u64, get_cr0, (struct mkvm_vcpu *v))	/* as the guest reads it */
OP(u64, get_cr3, (struct mkvm_vcpu *v))
OP(u64, get_cr4, (struct mkvm_vcpu *v))
OP(u64, get_efer, (struct mkvm_vcpu *v))
/* Values are checked by the caller; these only make the hardware follow. */
OP(void, set_cr0, (struct mkvm_vcpu *v, u64 cr0))
OP(void, set_cr3, (struct mkvm_vcpu *v, u64 cr3))
OP(void, set_cr4, (struct mkvm_vcpu *v, u64 cr4))
OP(void, set_efer, (struct mkvm_vcpu *v, u64 efer))
OP(void, set_dr7, (struct mkvm_vcpu *v, u64 dr7))
OP(u8, get_cpl, (struct mkvm_vcpu *v))
OP(bool, is_64bit, (struct mkvm_vcpu *v))	/* EFER.LMA and CS.L */
OP(void, get_segment, (struct mkvm_vcpu *v, enum mkvm_seg seg, struct kvm_segment *s))
OP(void, set_segment, (struct mkvm_vcpu *v, enum mkvm_seg seg, const struct kvm_segment *s))
OP(void, get_dtable, (struct mkvm_vcpu *v, bool idt, struct kvm_dtable *t))
OP(void, set_dtable, (struct mkvm_vcpu *v, bool idt, const struct kvm_dtable *t))
/* MSRs that live in the VMCS or VMCB; index is one of those pure/msr.h marks so. */
OP(u64, get_msr, (struct mkvm_vcpu *v, u32 index))
OP(void, set_msr, (struct mkvm_vcpu *v, u32 index, u64 value))
OP(void, set_tsc_offset, (struct mkvm_vcpu *v, u64 offset))
/* Have the next VM entry deliver it; x86/inject.c chooses. */
OP(void, inject, (struct mkvm_vcpu *v, const struct mkvm_event *e))
OP(bool, irq_allowed, (struct mkvm_vcpu *v))	/* could the guest take one now? */
OP(void, intercept_msrs, (struct mkvm_vcpu *v, bool all))	/* or those that need it */
OP(void, intercept_exception, (struct mkvm_vcpu *v, u8 vector, bool on))
/* With an APIC: MOV CR8 accesses its TPR without VM exits, or no longer. */
OP(void, let_cr8, (struct mkvm_vcpu *v, bool on))
/* A VM exit as soon as the guest can take one, or no longer. */
OP(void, set_windows, (struct mkvm_vcpu *v, bool irq, bool nmi))
/* KVM_X86_SHADOW_INT_STI | _MOV_SS. */
OP(u8, get_shadow, (struct mkvm_vcpu *v))
OP(void, set_shadow, (struct mkvm_vcpu *v, u8 shadow))
OP(bool, nmi_blocked, (struct mkvm_vcpu *v))
OP(void, set_nmi_blocked, (struct mkvm_vcpu *v, bool blocked))
OP(void, load_pdptrs, (struct mkvm_vcpu *v, const u64 pdpte[4]))

#undef OP
