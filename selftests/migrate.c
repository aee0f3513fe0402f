// SPDX-License-Identifier: GPL-2.0-only
/* vCPUs that change the physical CPU: nothing of their state may stay behind. */
#include "kselftest_harness.h"
#include "guest.h"

#include <sys/mman.h>

/* Counts in RSI, checks its copies in XMM0, memory and R8, exits by OUT now and then. */
GUEST(checks_itself, 64,
      "1: inc %rsi; mov %rsi, (%rbx); movq %rsi, %xmm0; mov %rsi, %r8;"
      "xor %eax, %eax; cpuid; mov $" ARG(GUEST_DATA) ", %ebx;"
      "movq %xmm0, %rcx; cmp %rsi, %rcx; jne 9f; cmp (%rbx), %rsi; jne 9f; cmp %r8, %rsi; jne 9f;"
      "test $15, %sil; jnz 1b; out %al, $0x10; jmp 1b; 9: hlt");
/* Memory at one address that differs between two guests: R8 is what it must be. */
GUEST(checks_memory, 64, "1: mov (%rbx), %rax; cmp %rax, %r8; jne 9f; cpuid;"
			 "mov $" ARG(GUEST_DATA) ", %ebx; out %al, $0x10; jmp 1b; 9: hlt");
GUEST(spins, 64, "1: inc %rsi; pause; jmp 1b");
GUEST(tsc_grows, 64,
      "1: rdtsc; shl $32, %rdx; or %rdx, %rax; cmp %r8, %rax; jb 9f; mov %rax, %r8;"
      "out %al, $0x10; jmp 1b; 9: hlt");
GUEST(halts, 64, "1: hlt; jmp 1b");

#define NEED_TWO_CPUS() do {						\
	if (usable_cpus() < 2)						\
		SKIP(return, "one CPU");				\
} while (0)

static void start(struct guest *g, const u8 *code, size_t len)
{
	struct kvm_regs regs;

	guest_start(g, set_long_mode, code, len);
	regs = get_regs(&g->cpu);
	regs.rbx = GUEST_DATA;
	regs.rflags |= RFLAGS_IF;
	set_regs(&g->cpu, &regs);
}

#define START(g, name) start(g, name, name##_end - name)

struct bouncer {
	pthread_t victim;
	volatile bool stop;
	int moves;
};

static void *bounce(void *arg)
{
	struct bouncer *b = arg;

	while (!b->stop) {
		pin(b->victim, b->moves++ & 1);
		usleep(100);
	}
	return NULL;
}

static void run_many(struct __test_metadata *_metadata, struct guest *g, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		ASSERT_EQ(KVM_EXIT_IO, guest_run(&g->cpu))
			TH_LOG("exit %s in round %d", exit_name(g->cpu.run->exit_reason), i);
	}
}

static void run_bounced(struct __test_metadata *_metadata, struct guest *g, int rounds)
{
	struct bouncer b = { .victim = pthread_self() };
	pthread_t thread;

	pthread_create(&thread, NULL, bounce, &b);
	run_many(_metadata, g, rounds);
	b.stop = true;
	pthread_join(thread, NULL);
	EXPECT_LT(10, b.moves);
	TH_LOG("%d moves", b.moves);
}

TEST(state_survives_moves)
{
	struct guest g;

	NEED_TWO_CPUS();
	START(&g, checks_itself);
	run_bounced(_metadata, &g, 1500);
	EXPECT_LT(15 * 1500, get_regs(&g.cpu).rsi);
}

/* SDM vol. 3, "Time-Stamp Counter Offset": the guest's clock never goes back. */
TEST(tsc_never_goes_back)
{
	struct guest g;

	NEED_TWO_CPUS();
	START(&g, tsc_grows);
	run_bounced(_metadata, &g, 1500);
}

static void kicked(int sig)
{
	(void)sig;
}

static void *run_until_signal(void *arg)
{
	struct guest *g = arg;

	return (void *)(long)vcpu_run(&g->cpu);
}

/* A guest that never exits by itself is moved while it is in guest mode. */
TEST(spinning_guest_is_moved)
{
	struct sigaction sa = { .sa_handler = kicked };
	pthread_t thread;
	struct guest g;
	u64 last = 0;
	void *ret;

	NEED_TWO_CPUS();
	sigaction(SIGUSR1, &sa, NULL);
	START(&g, spins);
	for (int round = 0; round < 20; round++) {
		pthread_create(&thread, NULL, run_until_signal, &g);
		for (int i = 0; i < 10; i++) {
			pin(thread, i & 1);
			usleep(300);
		}
		pthread_kill(thread, SIGUSR1);
		pthread_join(thread, &ret);
		ASSERT_EQ(-EINTR, (long)ret);
		ASSERT_LE(last, get_regs(&g.cpu).rsi);
		last = get_regs(&g.cpu).rsi;
	}
	EXPECT_LT(0, last);
}

/* Each ioctl finds the state where the last run left it: on the other CPU. */
TEST(ioctls_from_the_other_cpu)
{
	struct kvm_sregs s;
	struct kvm_regs regs;
	struct guest g;

	NEED_TWO_CPUS();
	START(&g, halts);
	for (int i = 0; i < 100; i++) {
		pin(pthread_self(), 0);
		regs = get_regs(&g.cpu);
		regs.rdi = i;
		set_regs(&g.cpu, &regs);
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
		pin(pthread_self(), 1);
		ASSERT_EQ(i, get_regs(&g.cpu).rdi);
		s = get_sregs(&g.cpu);
		ASSERT_EQ(GUEST_PML4, s.cr3);
		ASSERT_EQ(GUEST_TR, s.tr.selector);
		s.fs.base = 0x1000 * i;
		set_sregs(&g.cpu, &s);
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
		ASSERT_EQ(0x1000 * i, get_sregs(&g.cpu).fs.base);
	}
}

/* Two guests with one address and two contents, on the same CPUs: tagged TLBs in earnest. */
TEST(two_guests_do_not_share_translations)
{
	struct guest g[2];

	for (int i = 0; i < 2; i++) {
		struct kvm_regs regs;

		START(&g[i], checks_memory);
		regs = get_regs(&g[i].cpu);
		regs.r8 = 0x1111 * (i + 1);
		set_regs(&g[i].cpu, &regs);
		*(u64 *)(g[i].vm.ram + GUEST_DATA) = regs.r8;
	}
	for (int i = 0; i < 300; i++) {
		if (usable_cpus() > 1)
			pin(pthread_self(), i / 3 & 1);
		ASSERT_EQ(KVM_EXIT_IO, guest_run(&g[i & 1].cpu));
	}
}

/* The page changes while the vCPU is away from the CPU that has it in its TLB. */
TEST(stale_translations_are_flushed_on_return)
{
	struct guest g;
	struct kvm_regs regs;

	NEED_TWO_CPUS();
	START(&g, checks_memory);
	for (u64 i = 1; i < 100; i++) {
		pin(pthread_self(), i & 1);
		if (madvise(g.vm.ram + GUEST_DATA, PAGE, MADV_DONTNEED))
			die("madvise");
		*(u64 *)(g.vm.ram + GUEST_DATA) = i;
		regs = get_regs(&g.cpu);
		regs.rip = GUEST_CODE;
		regs.rbx = GUEST_DATA;
		regs.r8 = i;
		set_regs(&g.cpu, &regs);
		ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
		g.cpu.run->immediate_exit = 1;
		vcpu_run(&g.cpu);
		g.cpu.run->immediate_exit = 0;
	}
}

/* Runs the guest once: on a CPU where another vCPU had run since? */
static u64 switched(struct guest *g)
{
	struct mkvm_vcpu_stats before = {}, after = {};

	if (kvm(g->cpu.fd, MKVM_GET_STATS, &before) || guest_run(&g->cpu) != KVM_EXIT_IO ||
	    kvm(g->cpu.fd, MKVM_GET_STATS, &after))
		die("a run");
	return after.vcpu_switches - before.vcpu_switches;
}

/*
 * Bug class 33: a vCPU's branches do not train another's. mkvm_host_switch_vcpu has IBPB where
 * the CPU has it, and counts on all; a new vCPU, in the place of an old one, is another.
 */
TEST(a_cpu_knows_which_vcpu_it_ran)
{
	struct guest g[2];

	if (on_stock_kvm())
		SKIP(return, "it does not tell");
	pin(pthread_self(), 0);
	for (int i = 0; i < 2; i++)
		START(&g[i], checks_memory);
	switched(&g[0]);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, switched(&g[0]));
	EXPECT_EQ(1, switched(&g[1]));
	EXPECT_EQ(1, switched(&g[0]));
	for (int i = 0; i < 10; i++) {
		guest_close(&g[1]);
		START(&g[1], checks_memory);
		EXPECT_EQ(1, switched(&g[1]));
	}
}

TEST(closed_on_another_cpu)
{
	struct guest g;

	NEED_TWO_CPUS();
	for (int i = 0; i < 20; i++) {
		pin(pthread_self(), 0);
		START(&g, halts);
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
		pin(pthread_self(), 1);
		guest_close(&g);
	}
}

TEST_HARNESS_MAIN
