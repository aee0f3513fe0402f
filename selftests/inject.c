// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events into the guest: interrupts from userspace and their window, NMI,
 * exceptions, and delivery that is itself interrupted by a fault.
 */
#include "kselftest_harness.h"
#include "guest.h"

#include <signal.h>
#include <sys/mman.h>

#define IRQ 0x30

GUEST(halts, 64, "1: hlt; jmp 1b");
GUEST(window, 64, "out %al, $0x10; sti; nop; nop; nop; hlt");
GUEST(spins, 64, "1: pause; jmp 1b");
GUEST(sti_out, 64, "sti; out %al, $0x10; hlt");
GUEST(nops, 64, "nop; nop; nop; hlt");
GUEST(reports_and_returns, 64, "out %al, $0x10; iretq");
GUEST(raises_gp, 64, "movabs $0x800000000000, %rax; mov (%rax), %rax; hlt");

static void set_if(struct vcpu *v)
{
	struct kvm_regs regs = get_regs(v);

	regs.rflags |= RFLAGS_IF;
	set_regs(v, &regs);
}

static int interrupt(struct vcpu *v, u32 vector)
{
	struct kvm_interrupt irq = { .irq = vector };

	return kvm(v->fd, KVM_INTERRUPT, &irq);
}

static struct kvm_vcpu_events get_events(struct vcpu *v)
{
	struct kvm_vcpu_events e = { 0 };

	if (kvm(v->fd, KVM_GET_VCPU_EVENTS, &e))
		die("KVM_GET_VCPU_EVENTS");
	return e;
}

/* A guest that halts with interrupts on, after its first HLT. */
static void guest_halted(struct guest *g)
{
	guest_long(g, halts);
	set_if(&g->cpu);
	if (guest_run(&g->cpu) != KVM_EXIT_HLT)
		die("no HLT");
}

TEST(interrupt_is_delivered)
{
	struct guest g;

	guest_halted(&g);
	ASSERT_EQ(0, interrupt(&g.cpu, IRQ));
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[IRQ]);
	EXPECT_EQ(GUEST_CODE + 1, traps(&g)->rip);
	EXPECT_EQ(1, traps(&g)->count);
	/* once */
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->count);
}

TEST(every_vector_from_32)
{
	struct guest g;

	guest_halted(&g);
	for (u32 vector = 32; vector < 256; vector++) {
		ASSERT_EQ(0, interrupt(&g.cpu, vector));
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
		ASSERT_EQ(vector, traps(&g)->vector);
		ASSERT_EQ(1, traps(&g)->hits[vector]);
	}
}

TEST(impossible_vector_is_einval)
{
	struct guest g;

	guest_halted(&g);
	EXPECT_EQ(-EINVAL, interrupt(&g.cpu, 256));
	EXPECT_EQ(-EINVAL, interrupt(&g.cpu, ~0u));
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(0, traps(&g)->count);
}

TEST(run_page_tells_whether_the_guest_is_ready)
{
	struct guest g;

	guest_halted(&g);
	EXPECT_EQ(1, g.cpu.run->if_flag);
	EXPECT_EQ(1, g.cpu.run->ready_for_interrupt_injection);
	jump_to(&g.cpu, GUEST_CODE);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(0, g.cpu.run->if_flag);
	EXPECT_EQ(0, g.cpu.run->ready_for_interrupt_injection);
}

static void block(int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void never_called(int signal) { (void)signal; }

static int unblock_all_in_run(struct vcpu *v)
{
	struct { struct kvm_signal_mask head; u64 mask; } __attribute__((packed)) m = { .head.len = 8 };

	return kvm(v->fd, KVM_SET_SIGNAL_MASK, &m);
}

/* A second interrupt would replace the first: a KVM_RUN that did not enter says that it waits, too. */
TEST(run_page_tells_of_a_waiting_interrupt)
{
	struct guest g;

	guest_halted(&g);
	EXPECT_EQ(1, g.cpu.run->ready_for_interrupt_injection);
	ASSERT_EQ(0, interrupt(&g.cpu, IRQ));
	g.cpu.run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, vcpu_run(&g.cpu));
	EXPECT_EQ(0, g.cpu.run->ready_for_interrupt_injection);
	g.cpu.run->immediate_exit = 0;
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(1, g.cpu.run->ready_for_interrupt_injection);

	block(SIGUSR1);		/* it only pends; its handler never runs */
	signal(SIGUSR1, never_called);
	raise(SIGUSR1);
	ASSERT_EQ(0, unblock_all_in_run(&g.cpu));
	ASSERT_EQ(0, interrupt(&g.cpu, IRQ));
	EXPECT_EQ(-EINTR, vcpu_run(&g.cpu));
	EXPECT_EQ(0, g.cpu.run->ready_for_interrupt_injection);
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_SIGNAL_MASK, NULL));
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(2, traps(&g)->hits[IRQ]);
}

/* The window opens behind the instruction after STI. */
TEST(interrupt_window)
{
	struct guest g;

	guest_long(&g, window);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0, g.cpu.run->ready_for_interrupt_injection);
	g.cpu.run->request_interrupt_window = 1;
	ASSERT_EQ(KVM_EXIT_IRQ_WINDOW_OPEN, guest_run(&g.cpu));
	EXPECT_EQ(GUEST_CODE + 4, get_regs(&g.cpu).rip);
	EXPECT_EQ(1, g.cpu.run->ready_for_interrupt_injection);
	EXPECT_EQ(1, g.cpu.run->if_flag);
	g.cpu.run->request_interrupt_window = 0;
	ASSERT_EQ(0, interrupt(&g.cpu, IRQ));
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[IRQ]);
	EXPECT_EQ(GUEST_CODE + 4, traps(&g)->rip);
}

TEST(window_of_a_spinning_guest)
{
	struct guest g;

	guest_long(&g, spins);
	set_if(&g.cpu);
	g.cpu.run->request_interrupt_window = 1;
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(KVM_EXIT_IRQ_WINDOW_OPEN, guest_run(&g.cpu));
		ASSERT_EQ(0, interrupt(&g.cpu, IRQ));
	}
	EXPECT_LE(3, traps(&g)->hits[IRQ]);
}

/* SDM vol. 3, "Masking Exceptions and Interrupts When Switching Stacks" */
TEST(window_respects_the_mov_ss_shadow)
{
	struct kvm_vcpu_events e;
	struct guest g;

	if (on_tcg())
		SKIP(return, "QEMU's TCG ignores the shadow that VMRUN loads");
	guest_long(&g, nops);
	set_if(&g.cpu);
	e = get_events(&g.cpu);
	e.flags = KVM_VCPUEVENT_VALID_SHADOW;
	e.interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS;
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_VCPU_EVENTS, &e));
	EXPECT_NE(0, get_events(&g.cpu).interrupt.shadow);
	g.cpu.run->request_interrupt_window = 1;
	ASSERT_EQ(KVM_EXIT_IRQ_WINDOW_OPEN, guest_run(&g.cpu));
	EXPECT_EQ(GUEST_CODE + 1, get_regs(&g.cpu).rip);
	EXPECT_EQ(0, get_events(&g.cpu).interrupt.shadow);
}

/* An instruction that the hypervisor completes ends the shadow like any other. */
TEST(shadow_ends_with_a_completed_instruction)
{
	struct guest g;

	guest_long(&g, sti_out);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	g.cpu.run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, vcpu_run(&g.cpu));
	EXPECT_EQ(0, get_events(&g.cpu).interrupt.shadow);
	EXPECT_EQ(1, g.cpu.run->if_flag);
}

/* Against the rules: AMD-V injects it all the same, VT-x fails the entry; nobody dies. */
TEST(interrupt_while_the_guest_has_them_off)
{
	struct kvm_vcpu_events none = { 0 };
	struct guest g;

	guest_long(&g, halts);
	ASSERT_EQ(0, interrupt(&g.cpu, IRQ));
	EXPECT_EQ(0, vcpu_run(&g.cpu));
	/* KVM's VMCS keeps the event of a failed entry, whatever userspace sets. */
	if (on_stock_kvm() && g.cpu.run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		return;
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_VCPU_EVENTS, &none));
	jump_to(&g.cpu, GUEST_CODE);
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

TEST(queued_interrupt_shows_in_events_and_sregs)
{
	struct kvm_vcpu_events e;
	struct guest g;

	guest_halted(&g);
	ASSERT_EQ(0, interrupt(&g.cpu, 0x45));
	e = get_events(&g.cpu);
	EXPECT_EQ(1, e.interrupt.injected);
	EXPECT_EQ(0x45, e.interrupt.nr);
	EXPECT_EQ(1ull << 5, get_sregs(&g.cpu).interrupt_bitmap[1]);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(0, get_events(&g.cpu).interrupt.injected);
	EXPECT_EQ(0, get_sregs(&g.cpu).interrupt_bitmap[1]);
}

TEST(sregs_queue_an_interrupt)
{
	struct kvm_sregs s;
	struct guest g;

	guest_halted(&g);
	s = get_sregs(&g.cpu);
	s.interrupt_bitmap[0] = 1ull << 0x33;
	set_sregs(&g.cpu, &s);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[0x33]);
}

/* What a migration does: the interrupt that one VM holds arrives in the other. */
TEST(pending_interrupt_moves_to_another_vcpu)
{
	struct kvm_vcpu_events e;
	struct guest a, b;

	guest_halted(&a);
	guest_halted(&b);
	ASSERT_EQ(0, interrupt(&a.cpu, IRQ));
	e = get_events(&a.cpu);
	ASSERT_EQ(0, kvm(b.cpu.fd, KVM_SET_VCPU_EVENTS, &e));
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&b.cpu));
	EXPECT_EQ(1, traps(&b)->hits[IRQ]);
	EXPECT_EQ(0, traps(&a)->count);
}

/* ---- NMI ---- */

TEST(nmi_is_delivered_with_interrupts_off)
{
	struct guest g;

	guest_long(&g, halts);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	ASSERT_EQ(0, kvm_val(g.cpu.fd, KVM_NMI, 0));
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[NMI_VECTOR]);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[NMI_VECTOR]);
}

static void guest_in_nmi_handler(struct guest *g)
{
	guest_long(g, halts);
	memcpy(g->vm.ram + GUEST_STUBS + 16 * NMI_VECTOR, reports_and_returns,
	       reports_and_returns_end - reports_and_returns);
	guest_run(&g->cpu);
	kvm_val(g->cpu.fd, KVM_NMI, 0);
	if (guest_run(&g->cpu) != KVM_EXIT_IO)
		die("the NMI handler did not run");
}

/* SDM vol. 3, "Handling Multiple NMIs" */
TEST(nmi_is_blocked_until_iret)
{
	struct guest g;
	u64 rsp;

	guest_in_nmi_handler(&g);
	rsp = get_regs(&g.cpu).rsp;
	EXPECT_EQ(1, get_events(&g.cpu).nmi.masked);
	ASSERT_EQ(0, kvm_val(g.cpu.fd, KVM_NMI, 0));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(rsp, get_regs(&g.cpu).rsp) TH_LOG("nested");
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(0, get_events(&g.cpu).nmi.masked);
}

TEST(one_nmi_waits_behind_another)
{
	struct guest g;

	guest_in_nmi_handler(&g);
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(0, kvm_val(g.cpu.fd, KVM_NMI, 0));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

TEST(nmi_mask_set_from_userspace_holds_nmis)
{
	struct kvm_vcpu_events e = { .nmi.masked = 1 };
	struct guest g;

	guest_long(&g, halts);
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_VCPU_EVENTS, &e));
	ASSERT_EQ(0, kvm_val(g.cpu.fd, KVM_NMI, 0));
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(0, traps(&g)->count);
	EXPECT_EQ(1, get_events(&g.cpu).nmi.pending);
	e = (struct kvm_vcpu_events){
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING, .nmi.pending = 1,
	};
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_VCPU_EVENTS, &e));
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[NMI_VECTOR]);
}

TEST(nmi_and_interrupt_both_arrive)
{
	struct guest g;

	guest_halted(&g);
	ASSERT_EQ(0, interrupt(&g.cpu, IRQ));
	ASSERT_EQ(0, kvm_val(g.cpu.fd, KVM_NMI, 0));
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[IRQ]);
	EXPECT_EQ(1, traps(&g)->hits[NMI_VECTOR]);
	EXPECT_EQ(2, traps(&g)->count);
}

/* ---- Exceptions ---- */

static void inject_exception(struct __test_metadata *_metadata, struct guest *g, u8 nr,
			     bool has_code, u32 code)
{
	struct kvm_vcpu_events e = {
		.exception = { .injected = 1, .nr = nr, .has_error_code = has_code,
			       .error_code = code },
	};
	struct kvm_regs regs = get_regs(&g->cpu);

	regs.r15 = GUEST_CODE;
	set_regs(&g->cpu, &regs);
	ASSERT_EQ(0, kvm(g->cpu.fd, KVM_SET_VCPU_EVENTS, &e));
}

TEST(exception_from_userspace)
{
	struct guest g;

	guest_long(&g, halts);
	inject_exception(_metadata, &g, GP_VECTOR, true, 0x1234);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(GP_VECTOR, traps(&g)->vector);
	EXPECT_EQ(0x1234, traps(&g)->error);
	inject_exception(_metadata, &g, UD_VECTOR, false, 0);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(UD_VECTOR, traps(&g)->vector);
	EXPECT_EQ(2, traps(&g)->count);
}

static void short_idt(struct guest *g, u16 limit)
{
	struct kvm_sregs s = get_sregs(&g->cpu);
	struct kvm_regs regs = get_regs(&g->cpu);

	s.idt.limit = limit;
	set_sregs(&g->cpu, &s);
	regs.r15 = GUEST_CODE + raises_gp_end - raises_gp - 1;
	set_regs(&g->cpu, &regs);
}

/* #GP has no gate, and the #GP for that makes it a double fault. */
TEST(double_fault)
{
	struct guest g;

	guest_long(&g, raises_gp);
	short_idt(&g, 9 * 16 - 1);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(DF_VECTOR, traps(&g)->vector);
	EXPECT_EQ(0, traps(&g)->error);
	EXPECT_EQ(1, traps(&g)->count);
}

TEST(triple_fault)
{
	struct guest g;

	guest_long(&g, raises_gp);
	short_idt(&g, 8 * 16 - 1);
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, guest_run(&g.cpu));
}

/* ---- Delivery through pages that are not mapped yet ---- */

TEST(delivery_through_untouched_pages)
{
	struct guest g;

	/* IDT, GDT, stack, handler and log have never been touched by the guest. */
	guest_halted(&g);
	ASSERT_EQ(0, interrupt(&g.cpu, IRQ));
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->count);
	EXPECT_EQ(1, traps(&g)->hits[IRQ]);
}

/* The page leaves the second-stage tables; its contents come back from the host. */
static void unmap_from_guest(struct guest *g, u64 gpa)
{
	u8 copy[PAGE], *page = g->vm.ram + gpa;

	memcpy(copy, page, PAGE);
	if (madvise(page, PAGE, MADV_DONTNEED))
		die("madvise");
	memcpy(page, copy, PAGE);
}

FIXTURE(vectoring) {
	struct guest g;
};

FIXTURE_VARIANT(vectoring) {
	u64 page;
};

FIXTURE_VARIANT_ADD(vectoring, idt) { .page = GUEST_IDT };
FIXTURE_VARIANT_ADD(vectoring, stack) { .page = GUEST_STACK - PAGE };
FIXTURE_VARIANT_ADD(vectoring, gdt) { .page = GUEST_GDT };
FIXTURE_VARIANT_ADD(vectoring, page_table) { .page = GUEST_PML4 };

FIXTURE_SETUP(vectoring)
{
	guest_halted(&self->g);
}

FIXTURE_TEARDOWN(vectoring)
{
	guest_close(&self->g);
}

/* CVE-2015-5307's neighbourhood: the fault must not lose or double the event. */
TEST_F(vectoring, interrupt_survives)
{
	struct guest *g = &self->g;

	for (int i = 1; i <= 50; i++) {
		unmap_from_guest(g, variant->page);
		ASSERT_EQ(0, interrupt(&g->cpu, IRQ));
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g->cpu));
		ASSERT_EQ(i, traps(g)->hits[IRQ]);
		ASSERT_EQ(i, traps(g)->count);
	}
}

TEST_F(vectoring, nmi_survives)
{
	struct guest *g = &self->g;

	for (int i = 1; i <= 50; i++) {
		unmap_from_guest(g, variant->page);
		ASSERT_EQ(0, kvm_val(g->cpu.fd, KVM_NMI, 0));
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g->cpu));
		ASSERT_EQ(i, traps(g)->hits[NMI_VECTOR]);
		ASSERT_EQ(i, traps(g)->count);
	}
}

GUEST(raises_ud, 64, "1: ud2; 2: hlt; jmp 1b");

TEST_F(vectoring, exception_survives)
{
	struct guest *g = &self->g;
	struct kvm_regs regs = get_regs(&g->cpu);

	guest_code(g, raises_ud, raises_ud_end - raises_ud);
	regs.rip = GUEST_CODE;
	regs.r15 = GUEST_CODE + 2;
	set_regs(&g->cpu, &regs);
	for (int i = 1; i <= 50; i++) {
		unmap_from_guest(g, variant->page);
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g->cpu));
		ASSERT_EQ(i, traps(g)->hits[UD_VECTOR]);
		ASSERT_EQ(i, traps(g)->count);
	}
}

GUEST(soft_interrupt, 64, "1: int $0x66; hlt; jmp 1b");

/* Unlike the others, its return address is behind the instruction. */
TEST_F(vectoring, software_interrupt_survives)
{
	struct guest *g = &self->g;

	if (on_tcg())
		SKIP(return, "without next-RIP saving KVM itself re-executes INT n");
	guest_code(g, soft_interrupt, soft_interrupt_end - soft_interrupt);
	jump_to(&g->cpu, GUEST_CODE);
	for (int i = 1; i <= 50; i++) {
		unmap_from_guest(g, variant->page);
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g->cpu));
		ASSERT_EQ(i, traps(g)->hits[0x66]);
		ASSERT_EQ(GUEST_CODE + 2, traps(g)->rip);
	}
}

/* No memory behind the IDT at all: an error, a shutdown, or at least a way out by signal. */
TEST(delivery_through_nothing_is_interruptible)
{
	struct kvm_sregs s;
	struct guest g;
	int ret;

	guest_halted(&g);
	s = get_sregs(&g.cpu);
	s.idt.base = GUEST_MMIO;
	set_sregs(&g.cpu, &s);
	ASSERT_EQ(0, interrupt(&g.cpu, IRQ));
	interrupt_run_after(20000);
	ret = vcpu_run(&g.cpu);
	TH_LOG("%d, exit %s", ret, exit_name(g.cpu.run->exit_reason));
	EXPECT_EQ(0, traps(&g)->count);
}

TEST_HARNESS_MAIN
