// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_RUN. From the outside in: mkvm_vcpu_run may sleep and talks to userspace;
 * enter_guest has preemption off and the hardware loaded; vendor->run is the
 * loop with interrupts off that alternates with the guest.
 */
#include <linux/kvm_host.h>

#include "host/guest_mode.h"
#include "host/mitigate.h"
#include "x86/x86.h"

/*
 * A CPU on its way down has virtualization off while threads still run there:
 * step aside until the scheduler has moved us. A thread that is being killed
 * goes on, and what it asks of the hardware fails.
 */
static int disable_preemption_where_virt_is_on(void)
{
	for (;;) {
		preempt_disable();
		if (likely(mkvm_host_cpu_on() || fatal_signal_pending(current)))
			return smp_processor_id();
		preempt_enable();
		schedule_timeout_killable(1);
	}
}

void mkvm_vcpu_load(struct mkvm_vcpu *v)
{
	int cpu = disable_preemption_where_virt_is_on();

	mkvm_vendor->vcpu_load(v, cpu);
	if (unlikely(v->cpu != cpu)) {
		/* This CPU may hold translations from when it last ran here. */
		set_bit(MKVM_REQ_TLB_FLUSH, &v->requests);
		set_bit(MKVM_REQ_CLOCK, &v->requests);	/* and its TSC may differ */
		WRITE_ONCE(v->cpu, cpu);
	}
	if (unlikely(v->tsc_lost != READ_ONCE(mkvm_host_tsc_lost)))
		mkvm_set_tsc_offset(v, v->tsc_offset);	/* the host was suspended */
}

void mkvm_vcpu_put(struct mkvm_vcpu *v)
{
	if (v->regs_dirty)
		mkvm_vendor->flush_regs(v);
	preempt_enable();
}

/* Loaded, interrupts on. Whatever asks again later breaks the inner loop. */
static void handle_requests(struct mkvm_vcpu *v)
{
	if (likely(!READ_ONCE(v->requests)))
		return;
	clear_bit(MKVM_REQ_KICK, &v->requests);
	if (test_and_clear_bit(MKVM_REQ_NMI, &v->requests))
		mkvm_vcpu_nmi(v, NULL);
	if (test_and_clear_bit(MKVM_REQ_MSR_FILTER, &v->requests))
		mkvm_vendor->intercept_msrs(v, rcu_access_pointer(v->vm->msr_filter));
	if (test_and_clear_bit(MKVM_REQ_APIC_MODE, &v->requests))
		mkvm_apic_virtualize(v);
	if (test_and_clear_bit(MKVM_REQ_TLB_FLUSH, &v->requests)) {
		/* After the bit, before the flush: whoever sets it again changed more. */
		smp_mb__after_atomic();
		mkvm_vendor->flush_tlb(v);
	}
}

static void skip_finished_insn(struct mkvm_vcpu *v)
{
	if (v->skip_len)
		mkvm_vendor->skip_insn(v, v->skip_len);
	v->skip_len = 0;
}

static int run_loop(struct mkvm_vcpu *v)
{
	int next;

	local_irq_disable();
	guest_timing_enter_irqoff();
	if (mkvm_host_switch_vcpu(v->serial))
		v->stats.vcpu_switches++;
	mkvm_vendor->host_enter(v);
	if (mkvm_host_xcr0 && mkvm_host_xcr0 != v->xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, v->xcr0);
	v->in_loop = true;
	next = mkvm_vendor->run(v);
	v->in_loop = false;
	if (mkvm_host_xcr0 && mkvm_host_xcr0 != v->xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, mkvm_host_xcr0);
	mkvm_vendor->host_leave(v);
	mkvm_host_note_for_user();
	if (next != MKVM_TO_USER)
		mkvm_host_note_guest();
	/* What interrupted the guest is taken here, and counted as its time. */
	local_irq_enable();
	nop();		/* the STI shadow covers one instruction */
	local_irq_disable();
	guest_timing_exit_irqoff();
	local_irq_enable();
	return next;
}

static bool ready_for_injection(struct mkvm_vcpu *v, bool enabled)
{
	if (v->vm->irqchip == MKVM_IRQCHIP_KERNEL)
		return true;	/* as KVM says; KVM_INTERRUPT is refused then */
	return enabled && mkvm_apic_wants_extint(v) && !mkvm_vendor->get_shadow(v) &&
	       !v->exception.valid && !v->irq.valid && !v->nmi_injected;
}

/*
 * What userspace reads after each KVM_RUN without an ioctl. Loaded. No way out
 * may leave it stale: the next KVM_RUN takes cr8 back from there, and an
 * interrupt that waits since the last KVM_RUN would be replaced by another.
 */
static void sync_to_run(struct mkvm_vcpu *v)
{
	bool enabled = mkvm_vendor->get_rflags(v) & X86_EFLAGS_IF;
	struct kvm_run *run = v->run;

	v->run_synced = true;
	run->if_flag = enabled;
	run->ready_for_interrupt_injection = ready_for_injection(v, enabled);
	run->flags = v->smm.active ? KVM_RUN_X86_SMM : 0;
	run->cr8 = mkvm_get_cr8(v);
	run->apic_base = v->apic_base;
}

/*
 * Whatever the last instruction made of the flags. VM entry does not take TF under
 * an interrupt shadow without a trap that waits.
 */
static void arm_step(struct mkvm_vcpu *v)
{
	mkvm_vendor->set_rflags(v, mkvm_vendor->get_rflags(v) | X86_EFLAGS_TF);
	mkvm_vendor->set_shadow(v, 0);
}

static int enter_guest(struct mkvm_vcpu *v)
{
	int next;

	mkvm_vcpu_load(v);
	handle_requests(v);
	if (unlikely(v->debug.control & KVM_GUESTDBG_SINGLESTEP))
		arm_step(v);
	skip_finished_insn(v);
	mkvm_fpu_load(v);
	next = run_loop(v);
	mkvm_fpu_put(v);
	if (next == MKVM_TO_USER)
		sync_to_run(v);
	mkvm_vcpu_put(v);
	return next;
}

static void handle_pv_eoi(struct mkvm_vcpu *v)
{
	if (test_and_clear_bit(MKVM_REQ_PV_EOI, &v->requests))
		mkvm_apic_end_pv_eoi(v);
}

/* What may sleep, or leaves to userspace. */
static int handle_sleeping_requests(struct mkvm_vcpu *v)
{
	if (test_and_clear_bit(MKVM_REQ_CLOCK, &v->requests))
		mkvm_clock_update(v);
	if (test_and_clear_bit(MKVM_REQ_WALL_CLOCK, &v->requests))
		mkvm_wall_clock_write(v);
	handle_pv_eoi(v);
	mkvm_apic_events(v);
	if (test_and_clear_bit(MKVM_REQ_SMI, &v->requests))
		v->smm.pending = true;
	if (!test_and_clear_bit(MKVM_REQ_IOAPIC_EOI, &v->requests))
		return MKVM_RESUME;
	v->run->eoi.vector = v->eoi_vector;
	return mkvm_exit_to_user(v, KVM_EXIT_IOAPIC_EOI);
}

void mkvm_leave(struct mkvm_vcpu *v, u32 reason)
{
	v->exit_due = reason;
	set_bit(MKVM_REQ_KICK, &v->requests);
}

static int exit_that_is_due(struct mkvm_vcpu *v)
{
	u32 reason = v->exit_due;

	v->exit_due = 0;
	if (reason == KVM_EXIT_DEBUG)
		mkvm_fill_debug_exit(v);
	return mkvm_exit_to_user(v, reason);
}

/*
 * Between instructions: the last one is ended first, and an event on its way goes in
 * first, so that the SMI comes when the guest is left the next time.
 */
static void take_smi(struct mkvm_vcpu *v)
{
	mkvm_vcpu_load(v);
	skip_finished_insn(v);
	mkvm_vcpu_put(v);
	if (!v->exception.valid && !v->nmi_injected && !(v->irq.valid && v->irq.interrupted))
		mkvm_enter_smm(v);
}

static int one_round(struct mkvm_vcpu *v)
{
	int next;

	if (v->exit_due)
		return exit_that_is_due(v);
	if (__xfer_to_guest_mode_work_pending() && mkvm_host_handle_work()) {
		v->run->exit_reason = KVM_EXIT_INTR;
		return -EINTR;
	}
	if (unlikely(v->steal_msr))
		mkvm_steal_time_update(v);
	if (unlikely(READ_ONCE(v->requests)) && handle_sleeping_requests(v))
		return MKVM_TO_USER;
	if (unlikely(mkvm_smi_due(v)))
		take_smi(v);
	if (unlikely(v->mp_state != KVM_MP_STATE_RUNNABLE))
		return mkvm_apic_wait(v);
	next = enter_guest(v);
	if (next == MKVM_DEFER)
		next = v->deferred(v);
	return next == MKVM_BREAK ? MKVM_RESUME : next;
}

/* What userspace did for the last exit; negative: an errno. */
static int complete_last_exit(struct mkvm_vcpu *v)
{
	int (*complete)(struct mkvm_vcpu *) = v->complete;

	v->complete = NULL;
	return complete ? complete(v) : MKVM_RESUME;
}

/* Userspace sees a finished instruction even when the guest is not entered. */
static int finish_without_entry(struct mkvm_vcpu *v)
{
	mkvm_vcpu_load(v);
	skip_finished_insn(v);
	sync_to_run(v);
	mkvm_vcpu_put(v);
	return -EINTR;
}

static int run(struct mkvm_vcpu *v)
{
	u64 cr8 = READ_ONCE(v->run->cr8);
	int next;

	if (cr8 > 15 && !v->apic)
		return -EINVAL;
	v->run_synced = false;
	next = complete_last_exit(v);
	if (!v->apic)
		v->cr8 = cr8;
	if (next == MKVM_RESUME && READ_ONCE(v->run->HINT_UNSAFE_IN_KVM(immediate_exit)))
		return finish_without_entry(v);
	v->has_run = true;
	while (next == MKVM_RESUME)
		next = one_round(v);
	if (unlikely(test_bit(MKVM_REQ_PV_EOI, &v->requests)))
		handle_pv_eoi(v);	/* userspace may look at the APIC, and at the byte */
	if (!v->run_synced) {
		mkvm_vcpu_load(v);
		sync_to_run(v);
		mkvm_vcpu_put(v);
	}
	if (next != MKVM_TO_USER)
		return next;
	v->stats.user_exits++;
	return 0;
}

/* KVM_SET_SIGNAL_MASK holds while in KVM_RUN; what it lets in interrupts. */
int mkvm_vcpu_run(struct mkvm_vcpu *v)
{
	int ret = 0;

	if (v->sigset_active)
		sigprocmask(SIG_SETMASK, &v->sigset, &current->real_blocked);
	if (unlikely(READ_ONCE(v->run->kvm_dirty_regs) | READ_ONCE(v->run->kvm_valid_regs)))
		ret = mkvm_sync_in(v);
	ret = ret ?: run(v);
	if (unlikely(READ_ONCE(v->run->kvm_valid_regs)))
		mkvm_sync_out(v);
	if (v->sigset_active) {
		sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
		sigemptyset(&current->real_blocked);
	}
	return ret;
}

/* The deferred step of a second-stage fault: RAM, MMIO, or memory that is gone. */
int mkvm_handle_fault(struct mkvm_vcpu *v)
{
	int ret = mkvm_mmu_fault(v, v->fault.gpa, v->fault.access);

	if (ret == -ENXIO)
		return mkvm_mmio(v);
	if (!ret)
		v->stats.faults++;
	return ret;
}
