// SPDX-License-Identifier: GPL-2.0-only
/*
 * Local APICs: the lock, the timer and the wire around pure/lapic.c, and how a
 * vCPU waits for what they bring. Any CPU delivers to any APIC; a vCPU accesses
 * only its own, in its inner loop with interrupts off where it can.
 */
#include <linux/rcuwait.h>

#include "x86/x86.h"

struct mkvm_apic {
	raw_spinlock_t lock;		/* guards [p]; taken with interrupts off */
	struct mkvm_lapic state;	/* [p]; others read it for destinations, without */
	struct hrtimer timer;		/* [p] starts and stops it */
	struct mkvm_vcpu *v;		/* [I] */
	struct rcuwait wait;		/* the vCPU's thread, while it waits */
	bool virtual;			/* [v] the CPU delivers by itself: mkvm_apic_virtualize */
	bool held_back;			/* [v] by priorities, all that was there at the last look */
};

static unsigned long lock(struct mkvm_apic *a) __acquires(&a->lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&a->lock, flags);
	return flags;
}

static void unlock(struct mkvm_apic *a, unsigned long flags) __releases(&a->lock)
{
	raw_spin_unlock_irqrestore(&a->lock, flags);
}

/* ---- waking ---- */

/* rcuwait_wake_up is a full barrier: pairs with the one of mkvm_guest_mode_enter. */
void mkvm_kick(struct mkvm_vcpu *v)
{
	int cpu;

	rcuwait_wake_up(&v->apic->wait);
	cpu = READ_ONCE(v->cpu);
	if (READ_ONCE(v->mode) == MKVM_IN_GUEST && cpu >= 0)
		mkvm_host_reschedule(cpu);
}

/* VM entry looks at the flag after it has said that it is in the guest: inject.c. */
static void look_and_kick(struct mkvm_vcpu *v)
{
	WRITE_ONCE(v->irq_look, true);
	mkvm_kick(v);
}

static void request(struct mkvm_vcpu *v, enum mkvm_request request)
{
	set_bit(request, &v->requests);
	mkvm_kick(v);
}

/* ---- the timer ---- */

/* Lock held: the last word of the timer is the state's. */
static void program_timer(struct mkvm_apic *a)
{
	if (a->state.expires)
		hrtimer_start(&a->timer, ns_to_ktime(a->state.expires), HRTIMER_MODE_ABS_HARD);
	else
		hrtimer_try_to_cancel(&a->timer);
}

/* Runs late or twice at worst: the state knows whether its moment has come. */
static enum hrtimer_restart timer_fired(struct hrtimer *timer)
{
	struct mkvm_apic *a = container_of(timer, struct mkvm_apic, timer);
	u32 effects;

	raw_spin_lock(&a->lock);
	effects = mkvm_lapic_expire(&a->state, ktime_get_ns());
	if (effects & MKVM_APIC_DO_TIMER && a->state.expires)
		program_timer(a);
	raw_spin_unlock(&a->lock);
	if (effects & MKVM_APIC_DO_LOOK)
		look_and_kick(a->v);
	return HRTIMER_NORESTART;
}

/* When the guest's TSC will be there; rounded up, never 0. */
static u64 deadline_to_ns(const struct mkvm_vcpu *v, u64 deadline)
{
	u64 now = mkvm_host_tsc() + v->tsc_offset;
	u64 ticks = deadline > now ? deadline - now : 0;

	ticks = min_t(u64, ticks, U64_MAX >> 8);
	return ktime_get_ns() + mul_u64_u64_div_u64(ticks, NSEC_PER_MSEC, tsc_khz) + !!ticks;
}

/* ---- messages ---- */

static bool accept(struct mkvm_vcpu *v, u8 vector, bool level)
{
	unsigned long flags = lock(v->apic);
	u32 effects = mkvm_lapic_accept(&v->apic->state, vector, level);

	unlock(v->apic, flags);
	if (effects & MKVM_APIC_DO_LOOK)
		look_and_kick(v);
	return effects;
}

/* An INIT makes a start-up IPI of before void. */
static int deliver(struct mkvm_vcpu *v, const struct mkvm_apic_message *m)
{
	switch (m->mode) {
	case MKVM_APIC_LOWEST:
		v->apic->state.turns++;
		fallthrough;
	case MKVM_APIC_FIXED:
		return accept(v, m->vector, m->level);
	case MKVM_APIC_NMI:
		request(v, MKVM_REQ_NMI);
		return 1;
	case MKVM_APIC_SMI:
		request(v, MKVM_REQ_SMI);
		return 1;
	case MKVM_APIC_INIT:
		if (m->level && !m->assert)
			return 0;
		clear_bit(MKVM_REQ_SIPI, &v->requests);
		request(v, MKVM_REQ_INIT);
		return 1;
	case MKVM_APIC_SIPI:
		WRITE_ONCE(v->sipi_vector, m->vector);
		smp_wmb();	/* pairs with mkvm_apic_events: the vector before the bit */
		request(v, MKVM_REQ_SIPI);
		return 1;
	default:
		return 0;	/* ExtINT comes by LINT0 */
	}
}

int mkvm_apic_send(struct mkvm_vm *vm, struct mkvm_vcpu *from, const struct mkvm_apic_message *m)
{
	/* Pairs with publish() in vcpu.c: who is counted is complete. */
	u32 i, nr = smp_load_acquire(&vm->nr_vcpus);
	struct mkvm_vcpu *v, *lowest = NULL;
	int taken = -1;

	for (i = 0; i < nr; i++) {
		v = vm->vcpus[i];
		if (!v->apic || !mkvm_lapic_matches(&v->apic->state, m, from, v == from))
			continue;
		if (m->mode != MKVM_APIC_LOWEST)
			taken = max(taken, 0) + deliver(v, m);
		else if (!lowest || mkvm_lapic_before(&v->apic->state, &lowest->apic->state))
			lowest = v;
	}
	return lowest ? deliver(lowest, m) : taken;
}

void mkvm_apic_extint(struct mkvm_vm *vm)
{
	u32 i, nr = smp_load_acquire(&vm->nr_vcpus);	/* as above */

	for (i = 0; i < nr; i++)
		if (vm->vcpus[i]->apic && mkvm_lapic_takes_extint(&vm->vcpus[i]->apic->state))
			look_and_kick(vm->vcpus[i]);
}

/* ---- what a vCPU does to its own APIC ---- */

static void tell_eoi(struct mkvm_vcpu *v, u8 vector)
{
	if (!mkvm_ioapic_eoi(v->vm, vector))
		return;
	v->eoi_vector = vector;
	set_bit(MKVM_REQ_IOAPIC_EOI, &v->requests);
}

/* Ends an access: does what it left to do, with the lock and without. */
static u32 finish(struct mkvm_vcpu *v, unsigned long flags, u32 effects) __releases(&v->apic->lock)
{
	struct mkvm_apic *a = v->apic;
	struct mkvm_apic_message ipi;

	if (effects & MKVM_APIC_DO_TIMER)
		program_timer(a);
	if (effects & MKVM_APIC_DO_IPI)
		mkvm_lapic_icr(&a->state, &ipi);
	unlock(a, flags);
	if (effects & MKVM_APIC_DO_IPI)
		mkvm_apic_send(v->vm, v, &ipi);
	if (effects & MKVM_APIC_DO_LOOK || a->virtual)	/* the CPU hears of it */
		WRITE_ONCE(v->irq_look, true);
	if (effects & MKVM_APIC_DO_EOI)
		tell_eoi(v, (u8)effects);
	return effects;
}

/* Only the timer's registers ask for the time: not EOI. */
static u64 time_for(u32 reg)
{
	return reg >= MKVM_APIC_LVTT ? ktime_get_ns() : 0;
}

static void write_page(struct mkvm_vcpu *v, u32 reg, u32 value)
{
	unsigned long flags = lock(v->apic);

	finish(v, flags, mkvm_lapic_write(&v->apic->state, reg, value, time_for(reg)));
}

bool mkvm_apic_rdmsr(struct mkvm_vcpu *v, u32 index, u64 *value)
{
	u32 reg = index - MKVM_X2APIC_MSR, effects;
	struct mkvm_apic *a = v->apic;
	unsigned long flags;

	if (index == MSR_IA32_TSC_DEADLINE) {
		*value = a ? READ_ONCE(a->state.deadline) : 0;
		return false;
	}
	if (!a)
		return true;
	flags = lock(a);
	effects = mkvm_lapic_rdmsr(&a->state, reg, value, time_for(reg));
	return finish(v, flags, effects) & MKVM_APIC_DO_GP;
}

bool mkvm_apic_wrmsr(struct mkvm_vcpu *v, u32 index, u64 value)
{
	u32 reg = index - MKVM_X2APIC_MSR, effects;
	struct mkvm_apic *a = v->apic;
	unsigned long flags;

	if (!a)
		return index != MSR_IA32_TSC_DEADLINE;
	flags = lock(a);
	if (index == MSR_IA32_TSC_DEADLINE)
		effects = mkvm_lapic_set_deadline(&a->state, value, deadline_to_ns(v, value));
	else
		effects = mkvm_lapic_wrmsr(&a->state, reg, value, time_for(reg));
	return finish(v, flags, effects) & MKVM_APIC_DO_GP;
}

void mkvm_apic_set_base(struct mkvm_vcpu *v, u64 base)
{
	struct mkvm_apic *a = v->apic;
	unsigned long flags;

	if (v->apic_base == base)
		return;
	v->apic_base = base;
	if (!a)
		return;
	set_bit(MKVM_REQ_APIC_MODE, &v->requests);
	flags = lock(a);
	finish(v, flags, mkvm_lapic_set_mode(&a->state, MKVM_APIC_MODE(base)));
}

void mkvm_set_cr8(struct mkvm_vcpu *v, u64 value)
{
	v->cr8 = value;
	if (v->apic)
		write_page(v, MKVM_APIC_TPR, value << 4);
}

/* Aligned 32-bit accesses are the only ones that the SDM defines; KVM reads smaller ones, too. */
bool mkvm_apic_mmio(struct mkvm_vcpu *v, bool write, u64 gpa, u32 len, void *data)
{
	u32 reg = offset_in_page(gpa) >> 4, byte = gpa & 15, value = 0;
	struct mkvm_apic *a = v->apic;
	unsigned long flags;

	if (!a || (gpa & PAGE_MASK) != (v->apic_base & PAGE_MASK))
		return false;
	if (!write)	/* no xAPIC: KVM's quirk LAPIC_MMIO_HOLE */
		memset(data, a->state.mode == MKVM_APIC_MODE_X ? 0 : 0xff, len);
	if (a->state.mode != MKVM_APIC_MODE_X || byte + len > 4 || reg >= MKVM_APIC_NR_REGS)
		return true;
	reg = array_index_nospec(reg, MKVM_APIC_NR_REGS);
	if (!write) {
		flags = lock(a);
		value = mkvm_lapic_read(&a->state, reg, time_for(reg));
		finish(v, flags, 0);
		memcpy(data, (u8 *)&value + byte, len);
	} else if (len == 4) {
		memcpy(&value, data, len);
		write_page(v, reg, value);
	}
	return true;
}

/* EOI takes any value: no need to know the instruction's. */
bool mkvm_apic_eoi_at(struct mkvm_vcpu *v, u64 gpa)
{
	if (gpa != (v->apic_base & PAGE_MASK) + 16 * MKVM_APIC_EOI ||
	    v->apic->state.mode != MKVM_APIC_MODE_X)
		return false;
	write_page(v, MKVM_APIC_EOI, 0);
	return true;
}

int mkvm_get_lapic(struct mkvm_vcpu *v, void *page)
{
	unsigned long flags;

	BUILD_BUG_ON(sizeof(struct mkvm_apic_page) != sizeof(struct kvm_lapic_state));
	if (!v->apic)
		return -EINVAL;
	flags = lock(v->apic);
	mkvm_lapic_get(&v->apic->state, page, ktime_get_ns());
	unlock(v->apic, flags);
	return 0;
}

int mkvm_set_lapic(struct mkvm_vcpu *v, void *page)
{
	unsigned long flags;

	if (!v->apic)
		return -EINVAL;
	flags = lock(v->apic);
	finish(v, flags, mkvm_lapic_set(&v->apic->state, page, ktime_get_ns()));
	return 0;
}

/* ---- interrupts for the guest ---- */

bool mkvm_apic_wants_extint(const struct mkvm_vcpu *v)
{
	return !v->apic || (v->extint < 0 && mkvm_lapic_takes_extint(&v->apic->state));
}

static bool has_extint(struct mkvm_vcpu *v)
{
	if (!mkvm_lapic_takes_extint(&v->apic->state))
		return false;
	return v->vm->irqchip == MKVM_IRQCHIP_SPLIT ? v->extint >= 0 : mkvm_pic_pending(v->vm);
}

int mkvm_apic_give_extint(struct mkvm_vcpu *v, u8 vector)
{
	if (v->extint >= 0)
		return -EEXIST;
	v->extint = vector;
	WRITE_ONCE(v->irq_look, true);
	return 0;
}

/* ---- by the CPU itself: SDM vol. 3, "APIC Virtualization and Virtual Interrupts" ---- */

void mkvm_apic_virtualize(struct mkvm_vcpu *v)
{
	struct mkvm_apic *a = v->apic;

	if (!mkvm_vendor->virtualize_apic)
		return;
	a->virtual = mkvm_vendor->virtualize_apic(v, a->state.mode);
	/* The page table is the VM's: this vCPU must not see what stands for others' pages. */
	if (a->state.mode != MKVM_APIC_MODE_X ||
	    (v->apic_base & PAGE_MASK) != MKVM_APIC_BASE_DEFAULT)
		mkvm_mmu_hide_apic(v->vm);
	WRITE_ONCE(v->irq_look, true);
}

bool mkvm_apic_wants_page(struct mkvm_vcpu *v, u64 gpa)
{
	return (gpa & PAGE_MASK) == MKVM_APIC_BASE_DEFAULT && v->apic->virtual &&
	       !v->smm.active && !READ_ONCE(v->vm->mmu.apic_hidden) && mkvm_is_device(v, gpa);
}

void mkvm_apic_let_cr8(struct mkvm_vcpu *v)
{
	if (v->apic && !v->apic->virtual)
		mkvm_vendor->let_cr8(v, !v->apic->held_back);
}

void mkvm_apic_sync(struct mkvm_vcpu *v)
{
	struct mkvm_apic *a = v->apic;
	unsigned long flags;
	u64 eoi_exits[4];
	u16 status;

	if (!READ_ONCE(v->irq_look) || !a || !a->virtual)
		return;
	smp_store_mb(v->irq_look, false);	/* as in mkvm_apic_has_irq */
	flags = lock(a);
	status = mkvm_lapic_status(&a->state, eoi_exits);
	unlock(a, flags);
	mkvm_vendor->set_apic_status(v, status, eoi_exits);
	if (has_extint(v))
		WRITE_ONCE(v->irq_look, true);
}

void mkvm_apic_after_eoi(struct mkvm_vcpu *v, u8 vector)
{
	if (mkvm_lapic_tells_eoi(&v->apic->state, vector))
		tell_eoi(v, vector);
}

/*
 * Who makes an interrupt pending sets the flag after that: a flag that is cleared
 * before the look loses none.
 */
bool mkvm_apic_has_irq(struct mkvm_vcpu *v)
{
	struct mkvm_apic *a = v->apic;
	unsigned long flags;
	bool found;

	if (!READ_ONCE(v->irq_look))
		return false;
	/* What came since mkvm_apic_sync() is for the next: the flag stays. */
	if (a->virtual && v->mp_state == KVM_MP_STATE_RUNNABLE)
		return has_extint(v);
	smp_store_mb(v->irq_look, false);	/* pairs with the one of mkvm_kick */
	flags = lock(a);
	found = mkvm_lapic_pending(&a->state) >= 0;
	a->held_back = !found && mkvm_lapic_has_irr(&a->state);
	unlock(a, flags);
	if (!found && !has_extint(v))
		return false;
	WRITE_ONCE(v->irq_look, true);
	return true;
}

/* ---- KVM's paravirtual EOI: Documentation/virt/kvm/x86/msr.rst, MSR_KVM_PV_EOI_EN ---- */

#define PV_EOI_GPA(msr)	((msr) & ~3ull)
#define PV_EOI_ENABLE	BIT(0)

/* The interrupt that goes in now needs no EOI if the guest clears the byte. */
static void offer_pv_eoi(struct mkvm_vcpu *v)
{
	static const u8 offer = 1;

	pagefault_disable();
	v->pv_eoi_offered = !mkvm_write_guest(v, PV_EOI_GPA(v->pv_eoi_msr), &offer, 1);
	pagefault_enable();
}

/* The answer to the offer, which is withdrawn: below 0 memory that is not there, or not at once. */
static int fetch_pv_eoi(struct mkvm_vcpu *v, u8 *offer)
{
	u64 gpa = PV_EOI_GPA(v->pv_eoi_msr);
	static const u8 none;
	int ret = mkvm_read_guest(v, gpa, offer, 1);

	return ret || !*offer ? ret : mkvm_write_guest(v, gpa, &none, 1);
}

void mkvm_apic_end_pv_eoi(struct mkvm_vcpu *v)
{
	u8 offer;
	int ret;

	if (v->in_loop)
		pagefault_disable();
	ret = fetch_pv_eoi(v, &offer);
	if (v->in_loop)
		pagefault_enable();
	if (ret && v->in_loop)
		set_bit(MKVM_REQ_PV_EOI, &v->requests);
	else if (!ret && !offer)
		write_page(v, MKVM_APIC_EOI, 0);
	v->pv_eoi_offered = false;
}

int mkvm_apic_take_irq(struct mkvm_vcpu *v)
{
	struct mkvm_apic *a = v->apic;
	unsigned long flags;
	bool private;
	int vector;

	if (has_extint(v)) {
		if (v->vm->irqchip != MKVM_IRQCHIP_SPLIT)
			return mkvm_pic_intack(v->vm);
		vector = v->extint;
		v->extint = -1;
		return vector;
	}
	if (a->virtual)
		return -1;
	flags = lock(a);
	vector = mkvm_lapic_take(&a->state);
	private = v->pv_eoi_msr & PV_EOI_ENABLE && mkvm_lapic_eoi_is_private(&a->state);
	unlock(a, flags);
	if (private && !v->smm.active)
		offer_pv_eoi(v);
	return vector;
}

/* ---- waiting ---- */

int mkvm_halt(struct mkvm_vcpu *v)
{
	if (!v->apic)
		return mkvm_exit_to_user(v, KVM_EXIT_HLT);
	v->mp_state = KVM_MP_STATE_HALTED;
	return MKVM_BREAK;
}

#define EVENTS	(BIT(MKVM_REQ_INIT) | BIT(MKVM_REQ_SIPI))

/* irqs, nmis: would the guest take them? While it waits that does not change. */
static bool has_cause(struct mkvm_vcpu *v, bool irqs, bool nmis)
{
	if (READ_ONCE(v->requests) & (EVENTS | BIT(MKVM_REQ_SMI)))
		return true;
	if (v->mp_state != KVM_MP_STATE_HALTED)
		return false;
	return v->exception.valid || v->irq.valid || v->nmi_injected ||
	       (nmis && (v->nmi_pending || test_bit(MKVM_REQ_NMI, &v->requests))) ||
	       (irqs && mkvm_apic_has_irq(v));
}

int mkvm_apic_wait(struct mkvm_vcpu *v)
{
	bool irqs, nmis;

	WRITE_ONCE(v->irq_look, true);	/* what the CPU would deliver counts, too */
	mkvm_vcpu_load(v);
	irqs = mkvm_vendor->irq_allowed(v);
	nmis = mkvm_nmi_allowed(v);
	mkvm_vcpu_put(v);
	/* STI; HLT: halted before the window was seen to be open. */
	if (irqs && v->mp_state == KVM_MP_STATE_HALTED && mkvm_irq_window(v) == MKVM_TO_USER)
		return MKVM_TO_USER;
	if (!rcuwait_wait_event(&v->apic->wait, has_cause(v, irqs, nmis), TASK_INTERRUPTIBLE) &&
	    v->mp_state == KVM_MP_STATE_HALTED)
		v->mp_state = KVM_MP_STATE_RUNNABLE;
	return MKVM_RESUME;
}

/* SDM vol. 3, section "Typical AP Initialization Sequence": CS:IP is VV00:0000. */
static void start_at(struct mkvm_vcpu *v, u8 vector)
{
	struct kvm_segment cs;

	mkvm_vcpu_load(v);
	mkvm_vendor->get_segment(v, MKVM_SEG_CS, &cs);
	cs.selector = vector << 8;
	cs.base = vector << 12;
	mkvm_vendor->set_segment(v, MKVM_SEG_CS, &cs);
	mkvm_write_rip(v, 0);
	mkvm_vcpu_put(v);
	v->mp_state = KVM_MP_STATE_RUNNABLE;
}

void mkvm_apic_events(struct mkvm_vcpu *v)
{
	if (likely(!(READ_ONCE(v->requests) & EVENTS)))
		return;
	if (v->smm.active) {	/* INIT is for after RSM, and no IPI starts what was not stopped */
		clear_bit(MKVM_REQ_SIPI, &v->requests);
		v->smm.latched_init |= test_and_clear_bit(MKVM_REQ_INIT, &v->requests);
		return;
	}
	if (test_and_clear_bit(MKVM_REQ_INIT, &v->requests)) {
		mkvm_vcpu_reset(v);
		v->mp_state = v->apic_base & MKVM_APIC_BASE_BSP ? KVM_MP_STATE_RUNNABLE :
								  KVM_MP_STATE_INIT_RECEIVED;
	}
	if (test_and_clear_bit(MKVM_REQ_SIPI, &v->requests) &&
	    v->mp_state == KVM_MP_STATE_INIT_RECEIVED) {
		smp_rmb();	/* pairs with deliver() */
		start_at(v, READ_ONCE(v->sipi_vector));
	}
}

/* ---- life ---- */

void mkvm_apic_reset(struct mkvm_vcpu *v, bool init)
{
	bool bsp = v->id == v->vm->boot_cpu_id, split = v->vm->irqchip == MKVM_IRQCHIP_SPLIT;
	unsigned long flags = lock(v->apic);

	finish(v, flags, mkvm_lapic_reset(&v->apic->state, init, bsp, split));
	v->extint = -1;
	v->pv_eoi_msr = 0;
}

void mkvm_apic_derive(struct mkvm_vcpu *v)
{
	if (v->apic)
		v->apic->state.has_deadline = v->guest_cpu.tsc_deadline;
}

/* A page of its own: VT-x is told its address. */
int mkvm_apic_create(struct mkvm_vcpu *v)
{
	struct mkvm_apic *a;

	if (v->vm->irqchip == MKVM_IRQCHIP_NONE)
		return 0;
	a = kzalloc(sizeof(*a), GFP_KERNEL_ACCOUNT);
	if (!a)
		return -ENOMEM;
	a->state.page = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!a->state.page) {
		kfree(a);
		return -ENOMEM;
	}
	raw_spin_lock_init(&a->lock);
	rcuwait_init(&a->wait);
	mkvm_host_timer_init(&a->timer, timer_fired, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	a->v = v;
	a->state.id = v->id;
	a->state.mode = MKVM_APIC_MODE_X;
	v->apic = a;
	v->apic_page = a->state.page;
	set_bit(MKVM_REQ_APIC_MODE, &v->requests);
	mkvm_apic_reset(v, false);
	return 0;
}

/* Nobody delivers any more: all fds of the VM are gone. */
void mkvm_apic_free(struct mkvm_vcpu *v)
{
	if (!v->apic)
		return;
	hrtimer_cancel(&v->apic->timer);
	free_page((unsigned long)v->apic->state.page);
	kfree(v->apic);
	v->apic = NULL;
}
