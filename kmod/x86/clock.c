// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's paravirtual clock: a page of the guest's says what the time was at one
 * value of the TSC, and how fast the TSC is. The guest needs no exit to read the
 * time and no calibration. Layout: <asm/pvclock-abi.h>; MSRs: <asm/kvm_para.h>.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/timekeeping.h>
#include <asm/pvclock-abi.h>
#include <asm/tsc.h>
#include <uapi/asm/kvm_para.h>

#include "x86/x86.h"

#define ENABLE	1ull		/* bit 0 of the MSR; the rest is the address */

static void take_time(struct mkvm_clock_base *base, u64 start_ns)
{
	unsigned long flags;

	local_irq_save(flags);
	base->tsc = rdtsc();
	base->ns = ktime_get_raw_ns() - start_ns;
	local_irq_restore(flags);
}

/* The VM's clock starts at 0. */
void mkvm_clock_init(struct mkvm_vm *vm)
{
	vm->clock_start_ns = ktime_get_raw_ns();
	take_time(&vm->clock, vm->clock_start_ns);
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
 * Where the host's TSCs agree, all vCPUs get the same base, so that their clocks
 * do too. Else each gets its own, anew on each CPU, and the guest must compare.
 */
static void fill(struct mkvm_vcpu *v, struct pvclock_vcpu_time_info *info)
{
	struct mkvm_clock_base base = v->vm->clock;

	if (check_tsc_unstable())
		take_time(&base, v->vm->clock_start_ns);
	else
		info->flags = PVCLOCK_TSC_STABLE_BIT;
	info->tsc_timestamp = base.tsc + v->tsc_offset;
	info->system_time = base.ns;
	set_rate(info, tsc_khz);
}

/* An odd version says that the rest is being written. Memory that is not there is the guest's loss. */
void mkvm_clock_update(struct mkvm_vcpu *v)
{
	u64 gpa = v->clock_msr & ~ENABLE;
	struct pvclock_vcpu_time_info info = { .version = v->clock_version + 1 };

	if (!(v->clock_msr & ENABLE))
		return;
	fill(v, &info);
	v->clock_version += 2;
	if (mkvm_write_guest(v->vm, gpa, &info, sizeof(info)))
		return;
	smp_wmb();
	mkvm_write_guest(v->vm, gpa, &v->clock_version, sizeof(v->clock_version));
}

/* What the time of day was when the VM's clock was 0. */
void mkvm_wall_clock_write(struct mkvm_vcpu *v)
{
	u64 ns = ktime_get_real_ns() - (ktime_get_raw_ns() - v->vm->clock_start_ns);
	struct pvclock_wall_clock wall = { .version = 2 };

	wall.sec = div_u64_rem(ns, NSEC_PER_SEC, &wall.nsec);
	mkvm_write_guest(v->vm, v->wall_clock_msr, &wall, sizeof(wall));
}

/* Loaded. Guest memory is written before the next entry, where it may sleep. */
void mkvm_set_clock_msr(struct mkvm_vcpu *v, u64 value)
{
	v->clock_msr = value;
	set_bit(MKVM_REQ_CLOCK, &v->requests);
}

void mkvm_set_wall_clock_msr(struct mkvm_vcpu *v, u64 value)
{
	v->wall_clock_msr = value;
	set_bit(MKVM_REQ_WALL_CLOCK, &v->requests);
}
