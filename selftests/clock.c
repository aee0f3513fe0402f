// SPDX-License-Identifier: GPL-2.0-only
/* KVM's paravirtual clock, as the guest finds it in its memory. */
#include "kselftest_harness.h"
#include "guest.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define MSR_WALL_CLOCK	0x4b564d00
#define MSR_SYSTEM_TIME	0x4b564d01
#define MSR_STEAL_TIME	0x4b564d03
#define ENABLE		1
#define STABLE		1	/* flags */
#define STOPPED		2
#define PAGE_GPA	GUEST_DATA

/* <asm/pvclock-abi.h>, which userspace does not get */
struct time_info {
	u32 version, pad;
	u64 tsc_timestamp, system_time;
	u32 tsc_to_system_mul;
	signed char tsc_shift;
	u8 flags, pad2[2];
} __attribute__((packed));

struct wall_clock {
	u32 version, sec, nsec;
};

/* The guest reads its TSC: only it knows the offset. */
GUEST(read_tsc, 64, "1: rdtsc; hlt; jmp 1b");

FIXTURE(clock) {
	struct guest g;
	double before_made, after_made;		/* the VM, in CLOCK_MONOTONIC_RAW */
};

static double read_host_clock(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static double now(void)
{
	return read_host_clock(CLOCK_MONOTONIC_RAW);
}

FIXTURE_SETUP(clock)
{
	self->before_made = now();
	guest_long(&self->g, read_tsc);
	self->after_made = now();
}

FIXTURE_TEARDOWN(clock)
{
	guest_close(&self->g);
}

static u64 guest_tsc(struct guest *g)
{
	struct kvm_regs regs;

	guest_run(&g->cpu);
	regs = get_regs(&g->cpu);
	return (u32)regs.rax | regs.rdx << 32;
}

static void set_clock_msr(struct guest *g, u32 index, u64 value)
{
	if (set_msr(&g->cpu, index, value) != 1)
		die("MSR 0x%x", index);
}

static volatile struct time_info *info(struct guest *g)
{
	return (volatile struct time_info *)(g->vm.ram + PAGE_GPA);
}

/* In seconds since the VM's clock was 0. */
static double read_clock(struct guest *g)
{
	u64 ticks = guest_tsc(g) - info(g)->tsc_timestamp;
	signed char shift = info(g)->tsc_shift;

	ticks = shift >= 0 ? ticks << shift : ticks >> -shift;
	return (info(g)->system_time +
		(u64)((unsigned __int128)ticks * info(g)->tsc_to_system_mul >> 32)) * 1e-9;
}

TEST_F(clock, tells_the_time_since_the_vm_was_made)
{
	double made = self->before_made, before, clock, after;

	set_clock_msr(&self->g, MSR_SYSTEM_TIME, PAGE_GPA | ENABLE);
	guest_tsc(&self->g);
	EXPECT_NE(0, info(&self->g)->version);
	EXPECT_EQ(0, info(&self->g)->version % 2);
	before = now() - made;
	clock = read_clock(&self->g);
	after = now() - made;
	/* The VM was made a little later than we looked, which a slow host stretches. */
	EXPECT_GE(after, clock) TH_LOG("%f %f %f", before, clock, after);
	EXPECT_LE(before - 1.0, clock) TH_LOG("%f %f %f", before, clock, after);
}

TEST_F(clock, runs_at_the_hosts_speed)
{
	double first, second, start;

	set_clock_msr(&self->g, MSR_SYSTEM_TIME, PAGE_GPA | ENABLE);
	guest_tsc(&self->g);
	first = read_clock(&self->g);
	start = now();
	while (now() < start + 0.02)
		;
	second = read_clock(&self->g);
	EXPECT_LE(0.019, second - first);
	EXPECT_GE(now() - start + 0.01, second - first);
}

TEST_F(clock, follows_a_new_tsc)
{
	double before, after;

	set_clock_msr(&self->g, MSR_SYSTEM_TIME, PAGE_GPA | ENABLE);
	guest_tsc(&self->g);
	before = read_clock(&self->g);
	set_clock_msr(&self->g, 0x10, 1ull << 40);
	guest_tsc(&self->g);
	after = read_clock(&self->g);
	EXPECT_LE(before, after);
	EXPECT_GE(before + 5, after);
}

TEST_F(clock, keeps_quiet_when_off)
{
	set_clock_msr(&self->g, MSR_SYSTEM_TIME, PAGE_GPA);
	guest_tsc(&self->g);
	EXPECT_EQ(0, info(&self->g)->version);
	EXPECT_EQ(0, info(&self->g)->tsc_to_system_mul);
}

TEST_F(clock, knows_the_time_of_day)
{
	volatile struct wall_clock *wall = (volatile void *)(self->g.vm.ram + PAGE_GPA);
	double offset, made;

	usleep(100000);		/* it must not be the time of the WRMSR */
	set_clock_msr(&self->g, MSR_WALL_CLOCK, PAGE_GPA);
	guest_tsc(&self->g);
	offset = read_host_clock(CLOCK_REALTIME) - now();
	made = wall->sec + wall->nsec * 1e-9 - offset;
	EXPECT_NE(0, wall->version);
	EXPECT_EQ(0, wall->version % 2);
	EXPECT_GT(1000000000, wall->nsec);
	/* The two clocks of the host drift apart a little, and are not read at once. */
	EXPECT_LE(self->before_made - 0.02, made) TH_LOG("%f", made);
	EXPECT_GE(self->after_made + 0.02, made) TH_LOG("%f", made);
}

/* ---- what userspace does to the clock ---- */

#define CLOCK_FLAGS	(KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

static struct kvm_clock_data get_clock(struct guest *g)
{
	struct kvm_clock_data data;

	memset(&data, 0xa5, sizeof(data));
	if (kvm(g->vm.fd, KVM_GET_CLOCK, &data))
		die("KVM_GET_CLOCK");
	return data;
}

TEST_F(clock, userspace_reads_and_sets_it)
{
	struct kvm_clock_data before, after, set = { .clock = 1000000000000ull };
	u64 guest;

	set_clock_msr(&self->g, MSR_SYSTEM_TIME, PAGE_GPA | ENABLE);
	guest_tsc(&self->g);
	ASSERT_EQ(0, kvm(self->g.vm.fd, KVM_SET_CLOCK, &set));
	before = get_clock(&self->g);
	guest_tsc(&self->g);
	guest = read_clock(&self->g) * 1e9;
	after = get_clock(&self->g);
	EXPECT_EQ(CLOCK_FLAGS, before.flags & CLOCK_FLAGS);
	EXPECT_LE(set.clock, before.clock);
	/* A double holds 53 bits. */
	EXPECT_LE(before.clock - 1, guest);
	EXPECT_GE(after.clock + 1, guest);
	EXPECT_LT(before.host_tsc, after.host_tsc);
	EXPECT_EQ(0, before.pad0);
	for (int i = 0; i < ARRAY_SIZE(before.pad); i++)
		EXPECT_EQ(0, before.pad[i]);
}

TEST_F(clock, moves_on_by_the_time_that_passed)
{
	struct kvm_clock_data data = get_clock(&self->g);

	data.realtime -= 1000000000000ull;
	ASSERT_EQ(0, kvm(self->g.vm.fd, KVM_SET_CLOCK, &data));
	EXPECT_LE(data.clock + 1000000000000ull, get_clock(&self->g).clock);
	data.flags = 1u << 31;
	EXPECT_EQ(-EINVAL, kvm(self->g.vm.fd, KVM_SET_CLOCK, &data));
}

TEST_F(clock, guest_hears_of_a_stop)
{
	EXPECT_EQ(-EINVAL, kvm_val(self->g.cpu.fd, KVM_KVMCLOCK_CTRL, 0));
	set_clock_msr(&self->g, MSR_SYSTEM_TIME, PAGE_GPA | ENABLE);
	guest_tsc(&self->g);
	EXPECT_EQ(0, info(&self->g)->flags & STOPPED);
	ASSERT_EQ(0, kvm_val(self->g.cpu.fd, KVM_KVMCLOCK_CTRL, 0));
	guest_tsc(&self->g);
	EXPECT_EQ(STOPPED, info(&self->g)->flags & STOPPED);
	/* It stays when the page is written for another reason, until the guest clears it. */
	set_msr(&self->g.cpu, 0x10, 0);
	guest_tsc(&self->g);
	EXPECT_EQ(STOPPED, info(&self->g)->flags & STOPPED);
}

/* ---- TSCs of several vCPUs ---- */

static u64 tsc_difference(struct vcpu *a, struct vcpu *b)
{
	u64 offset[2];
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET };

	attr.addr = (u64)&offset[0];
	if (kvm(a->fd, KVM_GET_DEVICE_ATTR, &attr))
		die("KVM_GET_DEVICE_ATTR");
	attr.addr = (u64)&offset[1];
	if (kvm(b->fd, KVM_GET_DEVICE_ATTR, &attr))
		die("KVM_GET_DEVICE_ATTR");
	return offset[0] - offset[1];
}

TEST_F(clock, tscs_agree_as_KVM_has_it)
{
	struct vcpu *a = &self->g.cpu, b;
	u64 second = kvm_val(a->fd, KVM_GET_TSC_KHZ, 0) * 1000ull, tsc;

	vcpu_create(&b, &self->g.vm, 1);
	EXPECT_EQ(0, tsc_difference(a, &b));
	/* The same value one after the other. */
	ASSERT_EQ(1, set_msr(a, 0x10, 100 * second));
	EXPECT_NE(0, tsc_difference(a, &b));
	ASSERT_EQ(1, set_msr(&b, 0x10, 100 * second));
	EXPECT_EQ(0, tsc_difference(a, &b));
	/* Half a second beside, and 0. */
	get_msr(a, 0x10, &tsc);
	ASSERT_EQ(1, set_msr(&b, 0x10, tsc + second / 2));
	EXPECT_EQ(0, tsc_difference(a, &b));
	ASSERT_EQ(1, set_msr(&b, 0x10, 0));
	EXPECT_EQ(0, tsc_difference(a, &b));
	ASSERT_EQ(1, set_msr(&b, 0x10, tsc + 1000 * second));
	EXPECT_NE(0, tsc_difference(a, &b));
	vcpu_close(&b);
}

/* With TSCs that differ a guest must not take one vCPU's page for all. */
TEST_F(clock, stable_only_while_tscs_agree)
{
	struct vcpu b;
	u64 far = 1ull << 50;

	set_clock_msr(&self->g, MSR_SYSTEM_TIME, PAGE_GPA | ENABLE);
	guest_tsc(&self->g);
	if (!(info(&self->g)->flags & STABLE))
		SKIP(return, "the host's TSC is not stable");
	vcpu_create(&b, &self->g.vm, 1);
	ASSERT_EQ(1, set_msr(&b, 0x10, far));
	guest_tsc(&self->g);
	EXPECT_EQ(0, info(&self->g)->flags & STABLE);
	EXPECT_EQ(0, get_clock(&self->g).flags & KVM_CLOCK_TSC_STABLE);
	ASSERT_EQ(1, set_msr(&self->g.cpu, 0x10, far));
	guest_tsc(&self->g);
	EXPECT_EQ(STABLE, info(&self->g)->flags & STABLE);
	vcpu_close(&b);
}

TEST_F(clock, tsc_offset_attribute)
{
	u64 offset = -(1ull << 45);
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (u64)&offset,
	};
	u64 before = __rdtsc(), tsc;

	ASSERT_EQ(0, kvm(self->g.cpu.fd, KVM_HAS_DEVICE_ATTR, &attr));
	ASSERT_EQ(0, kvm(self->g.cpu.fd, KVM_SET_DEVICE_ATTR, &attr));
	tsc = guest_tsc(&self->g);
	EXPECT_LE(before + offset, tsc);
	EXPECT_GE(__rdtsc() + offset, tsc);
	attr.addr = 0;
	EXPECT_EQ(-EFAULT, kvm(self->g.cpu.fd, KVM_GET_DEVICE_ATTR, &attr));
	attr.attr = 1;
	EXPECT_EQ(-ENXIO, kvm(self->g.cpu.fd, KVM_SET_DEVICE_ATTR, &attr));
	attr.group = 1;
	EXPECT_EQ(-ENXIO, kvm(self->g.cpu.fd, KVM_HAS_DEVICE_ATTR, &attr));
}

TEST_F(clock, tsc_frequency)
{
	int khz = kvm_val(self->g.cpu.fd, KVM_GET_TSC_KHZ, 0);

	EXPECT_LT(1000, khz);
	EXPECT_EQ(0, kvm_val(self->g.cpu.fd, KVM_SET_TSC_KHZ, khz));
	EXPECT_EQ(0, kvm_val(self->g.cpu.fd, KVM_SET_TSC_KHZ, 0));
	if (!cap(self->g.vm.fd, KVM_CAP_TSC_CONTROL))
		EXPECT_EQ(-EINVAL, kvm_val(self->g.cpu.fd, KVM_SET_TSC_KHZ, khz / 2));
}

#define SLOT_GPA	(64 * MIB)

/* Of the guest's choosing: outside of its memory, across its end, misaligned. */
TEST_F(clock, bad_addresses_hurt_nobody)
{
	static const u64 bad[] = { ~0ull, 1ull << 52 | ENABLE, GUEST_RAM | ENABLE,
				   (GUEST_RAM - 8) | ENABLE, (PAGE_GPA + 3) | ENABLE,
				   (SLOT_GPA - 8) | ENABLE, (SLOT_GPA - 4), SLOT_GPA + PAGE,
				   (SLOT_GPA + PAGE - 8) | ENABLE, (SLOT_GPA + PAGE) | ENABLE };
	u8 *mem = map_anon(3 * PAGE);		/* the page in the middle is the guest's */

	ASSERT_EQ(0, vm_slot(&self->g.vm, 1, 0, SLOT_GPA, PAGE, mem + PAGE));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_msr(&self->g.cpu, MSR_SYSTEM_TIME, bad[i]);
		set_msr(&self->g.cpu, MSR_WALL_CLOCK, bad[i]);
		guest_tsc(&self->g);
	}
	for (size_t i = 0; i < PAGE; i++) {
		ASSERT_EQ(0, mem[i]);
		ASSERT_EQ(0, mem[2 * PAGE + i]);
	}
	set_clock_msr(&self->g, MSR_SYSTEM_TIME, PAGE_GPA | ENABLE);
	guest_tsc(&self->g);
	EXPECT_NE(0, info(&self->g)->tsc_to_system_mul);
}

/* ---- steal time ---- */

/* <asm/kvm_para.h> */
struct steal_time {
	u64 steal;
	u32 version, flags;
	u8 preempted, pad[47];
};

/* Of this thread, ready and without a CPU: ns. */
static u64 run_delay(void)
{
	unsigned long long ran, waited = 0;
	FILE *f = fopen("/proc/thread-self/schedstat", "r");

	if (!f || fscanf(f, "%llu %llu", &ran, &waited) != 2)
		die("schedstat");
	fclose(f);
	return waited;
}

static volatile bool burn;

static void *burn_cpu(void *unused)
{
	(void)unused;
	while (burn)
		;
	return NULL;
}

/* Both on one CPU: this thread must wait while the other runs. */
static void get_in_the_way(pthread_t *thread)
{
	pin(pthread_self(), 0);
	burn = true;
	if (pthread_create(thread, NULL, burn_cpu, NULL))
		die("pthread_create");
}

TEST_F(clock, steal_time_is_the_threads_delay)
{
	struct guest *g = &self->g;
	volatile struct steal_time *st = (void *)(g->vm.ram + PAGE_GPA + 64);
	u64 before, delay, stolen;
	pthread_t thread;
	u32 version;

	EXPECT_EQ(0, set_msr(&g->cpu, MSR_STEAL_TIME, 2));	/* reserved */
	st->steal = 1000000000000;				/* from where it was saved */
	set_clock_msr(g, MSR_STEAL_TIME, (PAGE_GPA + 64) | ENABLE);
	guest_run(&g->cpu);
	before = st->steal;
	version = st->version;
	EXPECT_LE(1000000000000, before);
	EXPECT_EQ(0, version & 1);
	delay = run_delay();
	get_in_the_way(&thread);
	for (int i = 0; i < 50 || run_delay() - delay < 10000000; i++)
		sched_yield();
	burn = false;
	pthread_join(thread, NULL);
	delay = run_delay() - delay;
	guest_run(&g->cpu);
	stolen = st->steal - before;
	EXPECT_LE(delay, stolen);
	EXPECT_GT(delay + 1000000000, stolen);
	EXPECT_LT(version, st->version);
	EXPECT_EQ(0, st->version & 1);
	EXPECT_EQ(0, st->preempted);
}

/* Nothing there, or the end of memory: the guest's loss. */
TEST_F(clock, steal_time_outside_memory)
{
	static const u64 where[] = { GUEST_MMIO, GUEST_RAM - 64, ~0x3full };

	for (int i = 0; i < 3; i++) {
		set_clock_msr(&self->g, MSR_STEAL_TIME, where[i] | ENABLE);
		EXPECT_EQ(KVM_EXIT_HLT, guest_run(&self->g.cpu));
		sched_yield();
	}
}

TEST_HARNESS_MAIN
