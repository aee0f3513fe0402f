// SPDX-License-Identifier: GPL-2.0-only
/* KVM's paravirtual clock, as the guest finds it in its memory. */
#include "kselftest_harness.h"
#include "guest.h"

#include <time.h>
#include <x86intrin.h>

#define MSR_WALL_CLOCK	0x4b564d00
#define MSR_SYSTEM_TIME	0x4b564d01
#define ENABLE		1
#define STABLE		1	/* flag */
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

TEST_HARNESS_MAIN
