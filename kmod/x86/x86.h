/* SPDX-License-Identifier: GPL-2.0-only */
/* What is x86 but no vendor's. "Loaded": between mkvm_vcpu_load and _put. */
#ifndef MKVM_X86_H
#define MKVM_X86_H

#include "vendor.h"
#include "irq/irq.h"
#include "pure/sregs.h"
#include "pure/x86_bits.h"
#include "x86/guest.h"

/* ---- registers: loaded ---- */

static inline unsigned long mkvm_read_rip(struct mkvm_vcpu *v)
{
	if (!(v->regs_avail & BIT(MKVM_RIP)))
		mkvm_vendor->cache_regs(v);
	return v->regs[MKVM_RIP];
}

static inline void mkvm_write_rip(struct mkvm_vcpu *v, unsigned long rip)
{
	v->regs[MKVM_RIP] = rip;
	v->regs_avail |= BIT(MKVM_RIP);
	v->regs_dirty |= BIT(MKVM_RIP);
}

static inline u64 mkvm_edx_eax(const struct mkvm_vcpu *v)
{
	return (u32)v->regs[MKVM_RAX] | v->regs[MKVM_RDX] << 32;
}

/* reg < 16 */
static inline unsigned long mkvm_read_reg(struct mkvm_vcpu *v, enum mkvm_reg reg)
{
	if (reg == MKVM_RSP && !(v->regs_avail & BIT(MKVM_RSP)))
		mkvm_vendor->cache_regs(v);
	return v->regs[reg];
}

static inline void mkvm_write_reg(struct mkvm_vcpu *v, enum mkvm_reg reg, unsigned long value)
{
	v->regs[reg] = value;
	if (reg == MKVM_RSP) {
		v->regs_avail |= BIT(MKVM_RSP);
		v->regs_dirty |= BIT(MKVM_RSP);
	}
}

/* ---- exception.c: what the next VM entry delivers; does not need the VMCS ---- */

void mkvm_queue_exception(struct mkvm_vcpu *v, u8 vector);
void mkvm_queue_exception_error(struct mkvm_vcpu *v, u8 vector, u32 error);
void mkvm_queue_page_fault(struct mkvm_vcpu *v, u64 linear, u32 error);
/* causes: as in DR6 and in the exit qualification of a #DB. Loaded. */
void mkvm_queue_debug_exception(struct mkvm_vcpu *v, u64 causes);

/* struct kvm_vcpu_events. Loaded. */
int mkvm_get_vcpu_events(struct mkvm_vcpu *v, void *arg);
int mkvm_set_vcpu_events(struct mkvm_vcpu *v, void *arg);

/* ---- inject.c: loaded ---- */

/*
 * With all controllers in the kernel KVM asks for no window either; and a window that
 * could let nothing in would open again and again.
 */
static inline bool mkvm_window_requested(const struct mkvm_vcpu *v)
{
	return READ_ONCE(v->run->request_interrupt_window) &&
	       v->vm->irqchip != MKVM_IRQCHIP_KERNEL && mkvm_apic_wants_extint(v);
}

static inline bool mkvm_nmi_allowed(struct mkvm_vcpu *v)
{
	return !mkvm_vendor->nmi_blocked(v) && !mkvm_vendor->get_shadow(v);
}

/* Something to inject or to wait for, or a window that nobody waits for any more. */
static inline bool mkvm_has_events(const struct mkvm_vcpu *v)
{
	u8 any = v->nmi_pending;	/* a byte: this is looked at before each VM entry */

	any |= v->exception.valid;
	any |= v->irq.valid;
	any |= v->nmi_injected;
	any |= v->windows;
	any |= READ_ONCE(v->irq_look);
	return any || mkvm_window_requested(v);
}

/* Before each VM entry if mkvm_has_events(), after each VM exit if v->injected. */
void mkvm_inject(struct mkvm_vcpu *v);
void mkvm_event_delivered(struct mkvm_vcpu *v);
/* e: vector, type, error code and length of what a VM exit interrupted. */
void mkvm_requeue(struct mkvm_vcpu *v, struct mkvm_event e);

/* ---- insn.c: for exit handlers; loaded; enum mkvm_next ---- */

int mkvm_insn_nothing(struct mkvm_vcpu *v);
int mkvm_insn_undefined(struct mkvm_vcpu *v);	/* #UD */
int mkvm_insn_gp(struct mkvm_vcpu *v);		/* #GP(0) */
int mkvm_insn_mwait(struct mkvm_vcpu *v);	/* MONITOR and MWAIT */
int mkvm_insn_xsetbv(struct mkvm_vcpu *v);
int mkvm_insn_write_cr(struct mkvm_vcpu *v, unsigned int cr, u64 value);
/* LMSW sets PE, never clears it, and reaches no further than TS. */
static inline u64 mkvm_lmsw(u64 cr0, u16 source)
{
	return (cr0 & ~0xeull) | (source & 0xf);
}

int mkvm_exit_to_host(struct mkvm_vcpu *v);
int mkvm_exit_shutdown(struct mkvm_vcpu *v);
int mkvm_irq_window(struct mkvm_vcpu *v);
int mkvm_exit_to_user(struct mkvm_vcpu *v, u32 reason);	/* KVM_EXIT_* without data */
int mkvm_unexpected_exit(struct mkvm_vcpu *v, u64 code);

/* ---- cpuid.c ---- */

/* KVM's deviations from the hardware that userspace can turn off. */
#define MKVM_QUIRKS	(KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT | KVM_X86_QUIRK_FIX_HYPERCALL_INSN | \
			 KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS)

bool mkvm_has_mwait(struct mkvm_vcpu *v);	/* as the guest's CPUID says */
int mkvm_insn_cpuid(struct mkvm_vcpu *v);	/* as those of insn.c */
int mkvm_insn_hypercall(struct mkvm_vcpu *v);	/* VMCALL or VMMCALL, likewise */
int mkvm_exit_undefined(struct mkvm_vcpu *v);	/* the guest's own #UD */
int mkvm_supported_cpuid(struct kvm_cpuid_entry2 *entries, u32 max);
/* Takes over entries, also on error. -EINVAL once the vCPU has run with others. */
int mkvm_set_cpuid(struct mkvm_vcpu *v, struct kvm_cpuid_entry2 *entries, u32 nr);
/* The vCPU's entries, what follows its registers as it is now: to be kvfreed. NULL: no memory. */
struct kvm_cpuid_entry2 *mkvm_get_cpuid(struct mkvm_vcpu *v);
void mkvm_derive_guest_cpu(struct mkvm_vcpu *v);
void mkvm_most_capable_cpu(struct mkvm_guest_cpu *cpu);

/* ---- msr.c. Loaded. ---- */

enum mkvm_msr_by { MKVM_MSR_BY_GUEST, MKVM_MSR_BY_USER };
/* 0, or 1 where the guest gets #GP and userspace a short count. */
int mkvm_get_msr(struct mkvm_vcpu *v, u32 index, u64 *value, enum mkvm_msr_by by);
int mkvm_set_msr(struct mkvm_vcpu *v, u32 index, u64 value, enum mkvm_msr_by by);

/* ---- msr_filter.c ---- */

#define MKVM_USER_MSRS	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | \
			 KVM_MSR_EXIT_REASON_FILTER)

/* The instructions, as those of insn.c; what userspace decides is done at the next KVM_RUN. */
int mkvm_rdmsr(struct mkvm_vcpu *v);
int mkvm_wrmsr(struct mkvm_vcpu *v);
int mkvm_set_msr_filter(struct mkvm_vm *vm, void *arg);	/* struct kvm_msr_filter */
void mkvm_msr_filter_free(struct mkvm_msr_filter *filter);	/* NULL: nothing to do */

/* ---- mce.c ---- */

#define MKVM_MCG_CAPS	(BIT_ULL(8) | BIT_ULL(24))	/* IA32_MCG_CAP: CTL_P, SER_P */

int mkvm_setup_mce(struct mkvm_vcpu *v, void *arg);	/* u64 */
int mkvm_set_mce(struct mkvm_vcpu *v, void *arg);	/* struct kvm_x86_mce. Loaded. */

/* ---- smm.c ---- */

/* Not loaded; may sleep. No event may wait to be injected, nor an instruction to end. */
void mkvm_enter_smm(struct mkvm_vcpu *v);
void mkvm_set_smm(struct mkvm_vcpu *v, bool on);	/* without saving or loading state */
int mkvm_rsm(struct mkvm_vcpu *v);		/* deferred, in SMM */
int mkvm_insn_rsm(struct mkvm_vcpu *v);		/* as those of insn.c */
static inline bool mkvm_smi_due(const struct mkvm_vcpu *v)
{
	return v->smm.pending && !v->smm.active &&
	       (v->mp_state == KVM_MP_STATE_RUNNABLE || v->mp_state == KVM_MP_STATE_HALTED);
}

/* ---- clock.c ---- */

void mkvm_clock_init(struct mkvm_vm *vm);
int mkvm_get_clock(struct mkvm_vm *vm, void *arg);	/* struct kvm_clock_data */
int mkvm_set_clock(struct mkvm_vm *vm, void *arg);
int mkvm_clock_ctrl(struct mkvm_vcpu *v);
void mkvm_init_tsc(struct mkvm_vcpu *v);
int mkvm_set_tsc_khz(unsigned long khz);
void mkvm_set_tsc_offset(struct mkvm_vcpu *v, u64 offset);	/* Loaded. */
void mkvm_sync_tsc(struct mkvm_vcpu *v, u64 offset, bool exact);	/* Loaded, interrupts on. */
/* For MKVM_REQ_CLOCK and MKVM_REQ_WALL_CLOCK; may sleep. */
void mkvm_clock_update(struct mkvm_vcpu *v);
void mkvm_wall_clock_write(struct mkvm_vcpu *v);
void mkvm_steal_time_update(struct mkvm_vcpu *v);	/* may sleep */

/* ---- cr.c ---- */

/*
 * A segment's type, S, DPL, P, AVL, L, D/B and G as bits 47:40 and 55:52 of its
 * descriptor, which is what VT-x calls access rights.
 */
u32 mkvm_segment_rights(const struct kvm_segment *s);
void mkvm_set_segment_rights(struct kvm_segment *s, u32 rights);
/* Loaded. What is common of the registers after RESET and INIT. */
void mkvm_reset_registers(struct mkvm_vcpu *v);

int mkvm_write_cr(struct mkvm_vcpu *v);		/* deferred step for v->cr */
int mkvm_get_sregs(struct mkvm_vcpu *v, void *arg);	/* struct kvm_sregs. Loaded. */
int mkvm_set_sregs(struct mkvm_vcpu *v, void *arg);	/* May sleep. */
struct kvm_segment *mkvm_sregs_segment(struct kvm_sregs2 *s, enum mkvm_seg seg);
int mkvm_get_sregs2(struct mkvm_vcpu *v, void *arg);	/* struct kvm_sregs2. May sleep. */
int mkvm_set_sregs2(struct mkvm_vcpu *v, void *arg);	/* May sleep. */

/* ---- fpu.c ---- */

void mkvm_fpu_setup(void);			/* at module load */
/* XCR0 bits that guests may have; 0: no XSAVE, the guest has x87 and SSE only. */
extern u64 mkvm_fpu_features;
int mkvm_fpu_init(struct mkvm_vcpu *v);
/* Preemption off, interrupts on, both: between them the CPU holds the guest's FPU. */
void mkvm_fpu_load(struct mkvm_vcpu *v);
void mkvm_fpu_put(struct mkvm_vcpu *v);
extern u64 mkvm_host_xcr0;			/* 0: no XSAVE */
int mkvm_set_xcr(struct mkvm_vcpu *v, u32 index, u64 value);	/* 0, or 1 for #GP */
void *mkvm_fpu_xmm(struct mkvm_vcpu *v, unsigned int n);	/* not in the run loop */
int mkvm_get_fpu(struct mkvm_vcpu *v, void *arg);	/* struct kvm_fpu */
int mkvm_set_fpu(struct mkvm_vcpu *v, void *arg);
int mkvm_get_xsave(struct mkvm_vcpu *v, void *arg);	/* struct kvm_xsave */
int mkvm_set_xsave(struct mkvm_vcpu *v, void *arg);

/* ---- debug.c ---- */

#define MKVM_DR6_BD	BIT(13)		/* a MOV DR that DR7.GD caught */
#define MKVM_DR7_GD	BIT(13)

int mkvm_insn_mov_dr(struct mkvm_vcpu *v, unsigned int dr, bool read, enum mkvm_reg reg);
/* Interrupts off, between host_enter and host_leave. */
void mkvm_load_guest_drs(struct mkvm_vcpu *v);
void mkvm_update_dr7(struct mkvm_vcpu *v);		/* after a change of v->dr7. Loaded. */

/* struct kvm_guest_debug. Loaded. */
int mkvm_set_guest_debug(struct mkvm_vcpu *v, void *arg);
void mkvm_debug_exit(struct mkvm_vcpu *v, u8 vector, u64 dr6);	/* to the debugger */
void mkvm_fill_debug_exit(struct mkvm_vcpu *v);		/* the KVM_EXIT_DEBUG that is due */

static inline bool mkvm_takes_debug_exceptions(const struct mkvm_vcpu *v)
{
	return v->debug.control & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP);
}

#endif /* MKVM_X86_H */
