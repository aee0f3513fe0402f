// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's paravirtual clock: a page of the guest's says what the time was at one
 * value of the TSC, and how fast the TSC is. The guest needs no exit to read the
 * time and no calibration. Layout: <asm/pvclock-abi.h>; MSRs: <asm/kvm_para.h>.
 * And the guest's TSCs, on which it stands.
 */
#include <linux/ktime.h>
#include <asm/pvclock.h>

#include "x86/x86.h"

#define ENABLE	1ull		/* bit 0 of the MSR; the rest is the address */

/* ---- TSCs ---- */

/* Loaded. */
void mkvm_set_tsc_offset(struct mkvm_vcpu *v, u64 offset)
{
	v->tsc_offset = offset;
	v->tsc_lost = READ_ONCE(mkvm_host_tsc_lost);
	set_bit(MKVM_REQ_CLOCK, &v->requests);
	mkvm_vendor->set_tsc_offset(v, offset + v->tsc_lost);
}

/*
 * KVM's rule for a TSC that userspace sets: 0, or what the other vCPUs' TSCs are
 * now to within a second, means theirs. Their pages tell whether all agree.
 */
void mkvm_sync_tsc(struct mkvm_vcpu *v, u64 offset, bool exact)
{
	u64 second = (u64)tsc_khz * 1000;
	struct mkvm_vm *vm = v->vm;

	spin_lock(&vm->clock_lock);
	if (!exact && offset - vm->tsc_offset + second < 2 * second)
		offset = vm->tsc_offset;
	vm->tsc_offset = offset;
	v->tsc_base = offset;
	spin_unlock(&vm->clock_lock);
	mkvm_set_tsc_offset(v, offset);
	mkvm_request_all(vm, MKVM_REQ_CLOCK);
}

/* A new vCPU's is 0 if it is the first, and that of the others if not. Under vm->lock. */
void mkvm_init_tsc(struct mkvm_vcpu *v)
{
	struct mkvm_vm *vm = v->vm;

	spin_lock(&vm->clock_lock);
	if (!vm->nr_vcpus)
		vm->tsc_offset = -mkvm_host_tsc();
	v->tsc_offset = vm->tsc_offset;
	v->tsc_base = vm->tsc_offset;
	spin_unlock(&vm->clock_lock);
}

/* KVM_SET_TSC_KHZ: we do not scale, so only what is the host's up to KVM's 250 ppm. */
int mkvm_set_tsc_khz(unsigned long khz)
{
	return !khz || abs((long)khz - (long)tsc_khz) <= tsc_khz / 4000 ? 0 : -EINVAL;
}

/* Under clock_lock. */
static bool tscs_agree(struct mkvm_vm *vm)
{
	u32 i, nr = smp_load_acquire(&vm->nr_vcpus);	/* pairs with publish() in vcpu.c */

	for (i = 0; i < nr; i++)
		if (vm->vcpus[i]->tsc_base != vm->tsc_offset)
			return false;
	return true;
}

/* ---- the clock ---- */

/* Under clock_lock. */
static void take_time(struct mkvm_vm *vm)
{
	unsigned long flags;

	local_irq_save(flags);
	vm->clock.tsc = mkvm_host_tsc();
	vm->clock.ns = ktime_get_raw_ns() - vm->clock_start_ns;
	local_irq_restore(flags);
}

/* The VM's clock starts at 0. */
void mkvm_clock_init(struct mkvm_vm *vm)
{
	spin_lock_init(&vm->clock_lock);
	vm->clock_start_ns = ktime_get_raw_ns();
	take_time(vm);
}

/* A nanosecond is (ticks << shift) * mul >> 32, with the most exact mul. */
static void set_rate(struct pvclock_vcpu_time_info *info, u32 khz)
{
	u64 ns = NSEC_PER_SEC, rate = (u64)khz * 1000;

	while (rate > ns * 2) {
		rate >>= 1;
		info->tsc_shift--;
	}
	while (rate <= ns) {
		rate <<= 1;
		info->tsc_shift++;
	}
	info->tsc_to_system_mul = div64_u64(ns << 32, rate);
}

/*
 * For a TSC that is mkvm_host_tsc() + offset. Where the host's TSCs agree, all
 * vCPUs get the same base, so that their clocks do too. Else each gets its own,
 * anew on each CPU, and the guest must compare; so it must if its own TSCs differ.
 */
static struct pvclock_vcpu_time_info time_info(struct mkvm_vm *vm, u64 offset)
{
	struct pvclock_vcpu_time_info info = {};

	spin_lock(&vm->clock_lock);
	if (check_tsc_unstable())
		take_time(vm);
	else if (tscs_agree(vm))
		info.flags = PVCLOCK_TSC_STABLE_BIT;
	info.tsc_timestamp = vm->clock.tsc + offset;
	info.system_time = vm->clock.ns;
	spin_unlock(&vm->clock_lock);
	set_rate(&info, tsc_khz);
	return info;
}

/*
 * A structure of the guest's whose version, at @version in it, is odd while the rest is
 * being written. No memory there: the guest's loss.
 */
static void publish(struct mkvm_vcpu *v, u64 gpa, void *data, size_t size, u32 *version)
{
	*version = (*version + 1) | 1;
	if (mkvm_write_guest(v, gpa, data, size))
		return;
	smp_wmb();	/* the rest is seen before the even version; pairs with the guest's */
	++*version;
	mkvm_write_guest(v, gpa + ((void *)version - data), version, sizeof(*version));
}

/* What the guest was told of a stop stays until it has seen it. */
void mkvm_clock_update(struct mkvm_vcpu *v)
{
	struct pvclock_vcpu_time_info info, old;
	u64 gpa = v->clock_msr & ~ENABLE;

	if (!(v->clock_msr & ENABLE) || mkvm_read_guest(v, gpa, &old, sizeof(old)))
		return;
	info = time_info(v->vm, v->tsc_offset);
	info.version = old.version;
	info.flags |= v->clock_stopped ? PVCLOCK_GUEST_STOPPED :
					 old.flags & PVCLOCK_GUEST_STOPPED;
	v->clock_stopped = false;
	publish(v, gpa, &info, sizeof(info), &info.version);
}

/* KVM_KVMCLOCK_CTRL: the guest was stopped, its watchdogs should know. */
int mkvm_clock_ctrl(struct mkvm_vcpu *v)
{
	if (!(v->clock_msr & ENABLE))
		return -EINVAL;
	v->clock_stopped = true;
	set_bit(MKVM_REQ_CLOCK, &v->requests);
	return 0;
}

/* KVM_GET_CLOCK: computed as the guest computes it. */
int mkvm_get_clock(struct mkvm_vm *vm, void *arg)
{
	struct pvclock_vcpu_time_info info = time_info(vm, 0);
	struct kvm_clock_data *data = arg;
	unsigned long flags;

	memset(data, 0, sizeof(*data));
	local_irq_save(flags);
	data->host_tsc = rdtsc();
	data->realtime = ktime_get_real_ns();
	local_irq_restore(flags);
	data->clock = __pvclock_read_cycles(&info, data->host_tsc + READ_ONCE(mkvm_host_tsc_lost));
	data->flags = KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
	if (info.flags & PVCLOCK_TSC_STABLE_BIT)
		data->flags |= KVM_CLOCK_TSC_STABLE;
	return 0;
}

/* KVM_SET_CLOCK; with REALTIME the time since the clock was read is added. */
int mkvm_set_clock(struct mkvm_vm *vm, void *arg)
{
	const struct kvm_clock_data *data = arg;
	u64 ns = data->clock, now = ktime_get_real_ns();

	if (data->flags & ~(KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC | KVM_CLOCK_TSC_STABLE))
		return -EINVAL;
	if (data->flags & KVM_CLOCK_REALTIME && now > data->realtime)
		ns += now - data->realtime;
	spin_lock(&vm->clock_lock);
	vm->clock_start_ns = ktime_get_raw_ns() - ns;
	take_time(vm);
	spin_unlock(&vm->clock_lock);
	mkvm_request_all(vm, MKVM_REQ_CLOCK);
	return 0;
}

/* What the time of day was when the VM's clock was 0. */
void mkvm_wall_clock_write(struct mkvm_vcpu *v)
{
	struct pvclock_wall_clock wall = { .version = 2 };
	struct kvm_clock_data now;

	mkvm_get_clock(v->vm, &now);
	wall.sec = div_u64_rem(now.realtime - now.clock, NSEC_PER_SEC, &wall.nsec);
	mkvm_write_guest(v, v->wall_clock_msr, &wall, sizeof(wall));
}

/*
 * How long the vCPU's thread was ready and had no CPU, in nanoseconds.
 * KVM writes it at each KVM_RUN, we when there is more to tell.
 */
void mkvm_steal_time_update(struct mkvm_vcpu *v)
{
	u64 gpa = v->steal_msr & ~0x3full, delay = current->sched_info.run_delay;
	struct kvm_steal_time st;

	if (!(v->steal_msr & ENABLE) || delay == v->run_delay ||
	    mkvm_read_guest(v, gpa, &st, sizeof(st)))
		return;
	st.steal += delay - v->run_delay;
	st.preempted = 0;
	v->run_delay = delay;
	publish(v, gpa, &st, sizeof(st), &st.version);
}
