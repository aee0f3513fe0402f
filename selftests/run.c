// SPDX-License-Identifier: GPL-2.0-only
/* KVM_RUN itself: modes, ways out of it, and what others may do meanwhile. */
#include "kselftest_harness.h"
#include "guest.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

GUEST(halts, 64, "1: hlt; jmp 1b");
GUEST(spins, 64, "1: incl " ARG(GUEST_DATA) "; pause; jmp 1b");
GUEST(outs, 64, "1: mov $0x80, %edx; mov $0x42, %al; out %al, %dx; jmp 1b");

GUEST(real_mode, 16,
      "mov $0x1234, %ax; mov %ax, %es; mov $0x55, %al; mov %al, %es:(4);"
      "mov %es:(4), %bl; mov %cs, %cx; hlt");
GUEST(protected_mode, 32,
      "mov $0x12345678, %eax; mov %eax, 0x20000; push $7; pop %ebx; mov %cs, %ecx; hlt");
GUEST(long_mode, 64,
      "movabs $0x123456789abcdef0, %rax; mov %rax, 0x20000; push %rax; pop %r8; hlt");

TEST(real_mode_guest)
{
	struct kvm_regs regs;
	struct guest g;

	guest_real(&g, real_mode);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	regs = get_regs(&g.cpu);
	EXPECT_EQ(0x55, regs.rbx);
	EXPECT_EQ(GUEST_CODE >> 4, regs.rcx);
	EXPECT_EQ(0x55, g.vm.ram[0x12344]);
	EXPECT_EQ(0x1234, get_sregs(&g.cpu).es.selector);
	EXPECT_EQ(0x12340, get_sregs(&g.cpu).es.base);
}

TEST(protected_mode_guest)
{
	struct kvm_regs regs;
	struct guest g;

	guest_protected(&g, protected_mode);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	regs = get_regs(&g.cpu);
	EXPECT_EQ(7, regs.rbx);
	EXPECT_EQ(GUEST_CS32, regs.rcx);
	EXPECT_EQ(0x12345678, *(u32 *)(g.vm.ram + GUEST_DATA));
}

TEST(long_mode_guest)
{
	struct guest g;

	guest_long(&g, long_mode);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(0x123456789abcdef0, get_regs(&g.cpu).r8);
	EXPECT_EQ(0x123456789abcdef0, *(u64 *)(g.vm.ram + GUEST_DATA));
}

/* The way every PC starts: 16-bit code that turns on PE, then PAE, LME and PG. */
GUEST(climbs, 16,
      "lgdtl %cs:(60f - climbs); mov %cr0, %eax; or $1, %al; mov %eax, %cr0;"
      "ljmpl $" ARG(GUEST_CS32) ", $(" ARG(GUEST_CODE) " + 32f - climbs);"
      ".code32; 32: mov $" ARG(GUEST_DS) ", %eax; mov %eax, %ds; mov %eax, %ss;"
      "mov $0x20, %eax; mov %eax, %cr4; mov $" ARG(GUEST_PML4) ", %eax; mov %eax, %cr3;"
      "mov $0xc0000080, %ecx; rdmsr; or $0x100, %eax; wrmsr;"
      "mov %cr0, %eax; or $0x80000000, %eax; mov %eax, %cr0;"
      "ljmp $" ARG(GUEST_CS64) ", $(" ARG(GUEST_CODE) " + 64f - climbs);"
      ".code64; 64: movabs $0xfedcba9876543210, %rax; hlt;"
      "60: .word 0x3f; .long " ARG(GUEST_GDT));

TEST(from_real_to_long_mode)
{
	struct kvm_sregs s;
	struct guest g;

	guest_real(&g, climbs);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu)) TH_LOG("exit %u", g.cpu.run->exit_reason);
	EXPECT_EQ(0xfedcba9876543210, get_regs(&g.cpu).rax);
	s = get_sregs(&g.cpu);
	EXPECT_EQ(X86_EFER_LME | X86_EFER_LMA, s.efer);
	EXPECT_EQ(1, s.cs.l);
	EXPECT_EQ(GUEST_CS64, s.cs.selector);
}

TEST(hlt_exits_with_rip_behind_it)
{
	struct guest g;

	guest_long(&g, halts);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
		EXPECT_EQ(GUEST_CODE + 1, get_regs(&g.cpu).rip);
	}
}

TEST(run_takes_no_argument)
{
	struct guest g;

	guest_long(&g, halts);
	EXPECT_EQ(-EINVAL, kvm_val(g.cpu.fd, KVM_RUN, 1));
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

TEST(immediate_exit)
{
	struct guest g;

	guest_long(&g, halts);
	g.cpu.run->immediate_exit = 1;
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(-EINTR, vcpu_run(&g.cpu));
	EXPECT_EQ(GUEST_CODE, get_regs(&g.cpu).rip);
	g.cpu.run->immediate_exit = 0;
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

/* It completes the instruction of the exit before, but runs nothing new. */
TEST(immediate_exit_completes_io)
{
	struct guest g;
	u64 at_exit;

	guest_long(&g, outs);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	at_exit = get_regs(&g.cpu).rip;
	g.cpu.run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, vcpu_run(&g.cpu));
	EXPECT_EQ(GUEST_CODE + 8, get_regs(&g.cpu).rip) TH_LOG("0x%lx at the exit", at_exit);
	g.cpu.run->immediate_exit = 0;
	EXPECT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
}

/*
 * Interrupts on from its first instruction: Bochs 2.7 does not leave a guest
 * for the host's interrupts while the guest has them off.
 */
static void guest_spinning(struct guest *g)
{
	struct kvm_regs regs;

	guest_long(g, spins);
	regs = get_regs(&g->cpu);
	regs.rflags |= RFLAGS_IF;
	set_regs(&g->cpu, &regs);
}

/* Until a spinning guest has been seen at work */
static void wait_for_guest(struct guest *g)
{
	while (!*(volatile u32 *)(g->vm.ram + GUEST_DATA))
		usleep(100);
}

static void nothing(int sig)
{
	(void)sig;
}

static void on_signal(int sig)
{
	struct sigaction sa = { .sa_handler = nothing };	/* no SA_RESTART */

	sigaction(sig, &sa, NULL);
}

TEST(signal_interrupts_a_spinning_guest)
{
	struct guest g;

	guest_spinning(&g);
	interrupt_run_after(3000);
	EXPECT_EQ(-EINTR, vcpu_run(&g.cpu));
	EXPECT_EQ(KVM_EXIT_INTR, g.cpu.run->exit_reason);
	/* and the guest goes on where it was */
	interrupt_run_after(3000);
	EXPECT_EQ(-EINTR, vcpu_run(&g.cpu));
	EXPECT_LE(GUEST_CODE, get_regs(&g.cpu).rip);
	EXPECT_GT(GUEST_CODE + (spins_end - spins), get_regs(&g.cpu).rip);
}

TEST(pending_signal_prevents_entry)
{
	struct guest g;
	sigset_t set;

	guest_long(&g, halts);
	on_signal(SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	/* blocked: it does not interrupt */
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

static int set_signal_mask(struct vcpu *v, u32 len, u64 mask)
{
	struct { struct kvm_signal_mask head; u64 mask; } __attribute__((packed)) m = {
		.head.len = len, .mask = mask,
	};

	return kvm(v->fd, KVM_SET_SIGNAL_MASK, &m);
}

/* A blocked signal that KVM_RUN unblocks: EINTR, and the signal is still pending. */
TEST(signal_mask_unblocks_in_run)
{
	struct guest g;
	sigset_t set, pending;

	guest_long(&g, halts);
	on_signal(SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ASSERT_EQ(0, set_signal_mask(&g.cpu, 8, 0));
	raise(SIGUSR1);
	EXPECT_EQ(-EINTR, vcpu_run(&g.cpu));
	sigpending(&pending);
	EXPECT_EQ(1, sigismember(&pending, SIGUSR1));
	EXPECT_EQ(-EINTR, vcpu_run(&g.cpu));
	/* no mask again: the guest runs */
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_SIGNAL_MASK, NULL));
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

TEST(signal_mask_checks_its_argument)
{
	struct guest g;

	guest_long(&g, halts);
	EXPECT_EQ(-EINVAL, set_signal_mask(&g.cpu, 4, 0));
	EXPECT_EQ(-EINVAL, set_signal_mask(&g.cpu, 0, 0));
	EXPECT_EQ(-EINVAL, set_signal_mask(&g.cpu, 128, 0));
	EXPECT_EQ(-EFAULT, kvm_val(g.cpu.fd, KVM_SET_SIGNAL_MASK, 8));
}

struct runner {
	struct vcpu *cpu;
	pthread_t thread;
	int ret;
	volatile bool done;
};

static void *run_thread(void *arg)
{
	struct runner *r = arg;

	r->ret = vcpu_run(r->cpu);
	r->done = true;
	return NULL;
}

static void start_runner(struct runner *r, struct vcpu *cpu)
{
	*r = (struct runner){ .cpu = cpu };
	on_signal(SIGUSR1);
	pthread_create(&r->thread, NULL, run_thread, r);
}

static int stop_runner(struct runner *r)
{
	while (!r->done) {
		pthread_kill(r->thread, SIGUSR1);
		usleep(1000);
	}
	pthread_join(r->thread, NULL);
	return r->ret;
}

TEST(kick_by_thread_signal)
{
	struct runner r;
	struct guest g;

	guest_spinning(&g);
	start_runner(&r, &g.cpu);
	wait_for_guest(&g);
	EXPECT_FALSE(r.done);
	EXPECT_EQ(-EINTR, stop_runner(&r));
}

/* One waits for the other; nobody hangs, nothing breaks. */
TEST(two_threads_in_run)
{
	struct runner a, b;
	struct guest g;

	guest_spinning(&g);
	start_runner(&a, &g.cpu);
	start_runner(&b, &g.cpu);
	wait_for_guest(&g);
	usleep(1000);
	/* Either may be the first, and the signal does not reach the one that waits. */
	while (!a.done || !b.done) {
		pthread_kill(a.thread, SIGUSR1);
		pthread_kill(b.thread, SIGUSR1);
		usleep(1000);
	}
	EXPECT_EQ(-EINTR, stop_runner(&a));
	EXPECT_EQ(-EINTR, stop_runner(&b));
	guest_code(&g, halts, halts_end - halts);
	jump_to(&g.cpu, GUEST_CODE);
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

static void *call_get_regs(void *arg)
{
	struct runner *r = arg;
	struct kvm_regs regs = { 0 };

	r->ret = kvm(r->cpu->fd, KVM_GET_REGS, &regs);
	r->done = true;
	return NULL;
}

/* vCPU ioctls are serialised: GET_REGS gets its turn when the run is over. */
TEST(other_ioctl_waits_for_run)
{
	struct runner a, b = { 0 };
	struct guest g;

	guest_spinning(&g);
	start_runner(&a, &g.cpu);
	wait_for_guest(&g);
	b.cpu = &g.cpu;
	pthread_create(&b.thread, NULL, call_get_regs, &b);
	usleep(3000);
	EXPECT_FALSE(a.done);
	EXPECT_FALSE(b.done);
	EXPECT_EQ(-EINTR, stop_runner(&a));
	pthread_join(b.thread, NULL);
	EXPECT_EQ(0, b.ret);
}

struct scribbler {
	u8 *map;
	size_t size;
	volatile bool stop;
};

/*
 * All but the registers that KVM would take from the page (kvm_dirty_regs): the
 * guest must stay the one that leaves guest mode by itself.
 */
static void *scribble(void *arg)
{
	struct scribbler *s = arg;
	u32 seed = 1;

	while (!s->stop) {
		for (size_t i = 0; i < s->size; i += 4) {
			if (i == offsetof(struct kvm_run, kvm_valid_regs))
				i = PAGE;
			seed = seed * 1664525 + 1013904223;
			*(volatile u32 *)(s->map + i) = seed;
		}
		sched_yield();
	}
	return NULL;
}

/* Class 12, CVE-2021-3501, CVE-2019-14821: the kernel must not trust the page that it shares. */
TEST(run_page_scribbled_during_the_run)
{
	struct scribbler s;
	pthread_t thread;
	struct guest g;
	int ran = 0;

	guest_long(&g, outs);
	s = (struct scribbler){ .map = (u8 *)g.cpu.run, .size = g.cpu.run_size };
	pthread_create(&thread, NULL, scribble, &s);
	for (int i = 0; i < 300; i++) {
		int ret = vcpu_run(&g.cpu);

		ran += ret == 0;
		/* EINVAL: kvm_run->cr8 is not a CR8 */
		ASSERT_TRUE(ret == 0 || ret == -EINTR || ret == -EINVAL) TH_LOG("%d", ret);
	}
	s.stop = true;
	pthread_join(thread, NULL);
	TH_LOG("%d of 300 runs went through", ran);
	memset(g.cpu.run, 0, PAGE);
	guest_code(&g, halts, halts_end - halts);
	jump_to(&g.cpu, GUEST_CODE);
	for (int i = 0; i < 2 && g.cpu.run->exit_reason != KVM_EXIT_HLT; i++)
		guest_run(&g.cpu);
	EXPECT_EQ(KVM_EXIT_HLT, g.cpu.run->exit_reason);
}

static void scribble_on_io(struct kvm_run *run, u8 direction)
{
	run->io.size = 255;
	run->io.count = 4096;
	run->io.data_offset = ~0ull;
	run->io.direction = direction;
	run->exit_reason = direction;
}

GUEST(ins, 64, "mov $0x80, %edx; mov $-1, %rax; in %dx, %ax; mov %rax, %rbx; cld; mov $3000, %ecx;"
      "rep insw; hlt");

/*
 * Class 12, CVE-2021-3501: what is written into kvm_run's answer only changes the answer. The
 * guard is that complete_pio() and complete_string() look at v->pio, never at kvm_run.
 */
TEST(io_answer_with_foreign_fields)
{
	struct kvm_regs regs;
	struct guest g;
	u32 count;

	guest_long(&g, outs);
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
		scribble_on_io(g.cpu.run, i & 1);
		EXPECT_EQ(0x42, get_regs(&g.cpu).rax & 0xff);
	}
	guest_code(&g, ins, ins_end - ins);
	jump_to(&g.cpu, GUEST_CODE);
	regs = get_regs(&g.cpu);
	regs.rdi = GUEST_DATA;
	set_regs(&g.cpu, &regs);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	memset((u8 *)g.cpu.run + PAGE, 0x77, PAGE);
	scribble_on_io(g.cpu.run, KVM_EXIT_IO_OUT);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0xffffffffffff7777, get_regs(&g.cpu).rbx);
	count = g.cpu.run->io.count;
	ASSERT_GT(3000, count);
	memset((u8 *)g.cpu.run + PAGE, 0x66, PAGE);
	scribble_on_io(g.cpu.run, KVM_EXIT_IO_OUT);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0x66, g.vm.ram[GUEST_DATA + 2 * count - 1]);
	EXPECT_EQ(0, g.vm.ram[GUEST_DATA + 2 * count]);
	EXPECT_EQ(GUEST_DATA + 2 * count, get_regs(&g.cpu).rdi);
}

static void run_in_child(int phase)
{
	struct kvm_interrupt irq = { .irq = 0x20 };
	struct guest g;

	switch (phase) {
	case 0:			/* created, never run */
		guest_long(&g, halts);
		pause();
		break;
	case 1:			/* in guest mode */
		guest_spinning(&g);
		vcpu_run(&g.cpu);
		break;
	case 2:			/* many exits */
		guest_long(&g, outs);
		while (!vcpu_run(&g.cpu))
			;
		break;
	case 3:			/* after HLT, with events pending */
		guest_long(&g, halts);
		vcpu_run(&g.cpu);
		kvm(g.cpu.fd, KVM_INTERRUPT, &irq);
		kvm_val(g.cpu.fd, KVM_NMI, 0);
		pause();
		break;
	default:		/* creation and destruction */
		for (;;) {
			guest_long(&g, halts);
			vcpu_run(&g.cpu);
			guest_close(&g);
		}
	}
}

TEST(killed_in_each_phase)
{
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			run_in_child(i % 5);
			_exit(0);
		}
		usleep(1000 + i * 333);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		EXPECT_TRUE(WIFSIGNALED(status));
	}
}

/* A guest that takes the same fault for ever must stay killable. */
TEST(guest_in_an_endless_fault_loop_is_interruptible)
{
	static const u8 ud2[] = { 0x0f, 0x0b }, iretq[] = { 0x48, 0xcf };
	struct guest g;

	guest_spinning(&g);
	guest_code(&g, ud2, sizeof(ud2));
	memcpy(g.vm.ram + GUEST_STUBS + 16 * UD_VECTOR, iretq, sizeof(iretq));
	g.vm.ram[GUEST_IDT + 16 * UD_VECTOR + 5] = 0x8f;	/* a trap gate keeps IF */
	interrupt_run_after(3000);
	EXPECT_EQ(-EINTR, vcpu_run(&g.cpu));
}

/*
 * The reset vector is not backed: KVM answers with an exit or, for fetches that
 * it cannot emulate, an errno. The vCPU survives that.
 */
TEST(empty_vm_returns_and_recovers)
{
	struct guest g;

	vm_create_bare(&g.vm);
	vcpu_create(&g.cpu, &g.vm, 0);
	vcpu_run(&g.cpu);
	EXPECT_NE(KVM_EXIT_HLT, g.cpu.run->exit_reason);
	g.vm.ram = map_anon(GUEST_RAM);
	ASSERT_EQ(0, vm_slot(&g.vm, 0, 0, 0, GUEST_RAM, g.vm.ram));
	guest_tables(&g.vm);
	guest_code(&g, halts, halts_end - halts);
	set_long_mode(&g.cpu);
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

TEST_HARNESS_MAIN
