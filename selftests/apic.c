// SPDX-License-Identifier: GPL-2.0-only
/*
 * Local APICs in the kernel: with the split irqchip, so that nothing but them is
 * there. Guests in long mode report by OUT; RBX holds an argument.
 */
#include "kselftest_harness.h"
#include "guest.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define APIC		0xfee00000
#define X2APIC(offset)	(0x800 + (offset) / 16)
#define ID		0x20
#define TPR		0x80
#define EOI		0xb0
#define SVR		0xf0
#define ISR		0x100
#define IRR		0x200
#define ICR		0x300
#define ICR2		0x310
#define LVTT		0x320
#define LVT0		0x350
#define TMICT		0x380
#define TMCCT		0x390
#define TDCR		0x3e0
#define MSR_TSC_DEADLINE 0x6e0
#define BASE_XAPIC	(APIC | 0x800)
#define BASE_X2APIC	(APIC | 0xc00)
#define BASE_BSP	0x100

#define IRQ		0x30

/* Helpers for guest code: the xAPIC is at RBP; EDX is free in x2APIC ones. */
#define AT_APIC		"mov $0xfee00000, %ebp;"
#define ENABLE		WARM_UP AT_APIC "movl $0x1ff, 0xf0(%rbp);"
#define WRMSR(msr, value) "mov $" #msr ", %ecx; mov $" #value ", %eax; xor %edx, %edx; wrmsr;"
#define REPORT		"out %al, $0x10;"
#define ACK		"movl $0, 0xb0(%rbp);"
#define DONE		"cli;" REPORT
#define SELF_IPI(vector) "movl $0x44000 + " #vector ", 0x300(%rbp);"

GUEST(idle, 64, "hlt; cli;" REPORT);

/* Like guest_start(), with nr vCPUs of which those above 0 were not started. */
static void start(struct guest *g, struct vcpu *others, int nr, const u8 *code, size_t len)
{
	vm_create(&g->vm, GUEST_RAM);
	guest_tables(&g->vm);
	irqchip_split(&g->vm);
	vcpu_create(&g->cpu, &g->vm, 0);
	for (int i = 1; i < nr; i++)
		vcpu_create(&others[i - 1], &g->vm, i);
	set_long_mode(&g->cpu);
	guest_code(g, code, len);
}
#define START1(g, name) start(g, NULL, 1, name, name##_end - name)

/* A handler that ends its interrupt, so that HLT may come after it as well as before. */
#define HANDLER		0x22000
#define ACKED		0x21000		/* how many were */
#define WARM_UP_ACKS	"int $0x30; movl $0, 0x21000;"
GUEST(acks, 64, "incl 0x21000; push %rbp;" AT_APIC ACK "pop %rbp; iretq");

static void use_handler(struct guest *g, u8 vector, const u8 *code, size_t len)
{
	u8 *gate = g->vm.ram + GUEST_IDT + 16 * vector;

	memcpy(g->vm.ram + HANDLER, code, len);
	*(u16 *)gate = (u16)HANDLER;
	*(u16 *)(gate + 6) = HANDLER >> 16;
}

static void use_acking_handler(struct guest *g)
{
	use_handler(g, IRQ, acks, acks_end - acks);
}

static struct kvm_lapic_state get_lapic(struct vcpu *v)
{
	struct kvm_lapic_state s = { 0 };

	if (kvm(v->fd, KVM_GET_LAPIC, &s))
		die("KVM_GET_LAPIC");
	return s;
}

static u32 *reg(struct kvm_lapic_state *s, u32 offset)
{
	return (u32 *)(s->regs + offset);
}

static u32 mp_state(struct vcpu *v)
{
	struct kvm_mp_state mp = { 0 };

	if (kvm(v->fd, KVM_GET_MP_STATE, &mp))
		die("KVM_GET_MP_STATE");
	return mp.mp_state;
}

static struct mkvm_vcpu_stats stats(struct vcpu *v)
{
	static struct mkvm_vcpu_stats s;

	if (kvm(v->fd, MKVM_GET_STATS, &s))
		die("MKVM_GET_STATS");
	return s;
}

/* ---- without an irqchip ---- */

/* Class 27. The guards are the looks at v->apic in irq/lapic.c, and in mkvm_halt(). */
TEST(nothing_without_an_irqchip)
{
	struct kvm_lapic_state s = { 0 };
	struct kvm_mp_state mp = { KVM_MP_STATE_HALTED };
	struct guest g;
	u64 value;

	guest_long(&g, idle);
	EXPECT_EQ(-EINVAL, kvm(g.cpu.fd, KVM_GET_LAPIC, &s));
	EXPECT_EQ(-EINVAL, kvm(g.cpu.fd, KVM_SET_LAPIC, &s));
	EXPECT_EQ(-EINVAL, kvm(g.cpu.fd, KVM_SET_MP_STATE, &mp));
	EXPECT_EQ(1, set_msr(&g.cpu, MSR_TSC_DEADLINE, 1));
	EXPECT_EQ(0, get_msr(&g.cpu, X2APIC(ID), &value));
	EXPECT_EQ(0, set_msr(&g.cpu, X2APIC(EOI), 0));
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

/* Class 28: no vCPU without its APIC beside chips. The guard is create_irqchip() in vm.c. */
TEST(irqchip_is_chosen_before_vcpus)
{
	struct kvm_enable_cap enable = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 4097 } };
	struct vm vm;
	struct vcpu cpu;

	vm_create_bare(&vm);
	EXPECT_EQ(-EINVAL, kvm(vm.fd, KVM_ENABLE_CAP, &enable));
	enable.args[0] = 24;
	enable.flags = 1;
	EXPECT_EQ(-EINVAL, kvm(vm.fd, KVM_ENABLE_CAP, &enable));
	enable.flags = 0;
	enable.cap = KVM_CAP_HLT;
	EXPECT_EQ(-EINVAL, kvm(vm.fd, KVM_ENABLE_CAP, &enable));
	irqchip_split(&vm);
	enable.cap = KVM_CAP_SPLIT_IRQCHIP;
	EXPECT_EQ(-EEXIST, kvm(vm.fd, KVM_ENABLE_CAP, &enable));
	EXPECT_EQ(-EEXIST, kvm_val(vm.fd, KVM_CREATE_IRQCHIP, 0));
	vm_close(&vm);
	vm_create_bare(&vm);
	vcpu_create_bare(&cpu, &vm, 0);
	EXPECT_EQ(-EINVAL, kvm_val(vm.fd, KVM_CREATE_IRQCHIP, 0));
	EXPECT_EQ(-EEXIST, kvm(vm.fd, KVM_ENABLE_CAP, &enable));
}

TEST(who_boots)
{
	struct vcpu cpu[2];
	struct vm vm;

	vm_create_bare(&vm);
	irqchip_split(&vm);
	ASSERT_EQ(0, kvm_val(vm.fd, KVM_SET_BOOT_CPU_ID, 1));
	for (int i = 0; i < 2; i++) {
		vcpu_create(&cpu[i], &vm, i);
		EXPECT_EQ(BASE_XAPIC | (i ? BASE_BSP : 0), get_sregs(&cpu[i]).apic_base);
		EXPECT_EQ(i ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED,
			  mp_state(&cpu[i]));
	}
	EXPECT_EQ(-EBUSY, kvm_val(vm.fd, KVM_SET_BOOT_CPU_ID, 0));
}

/* ---- the timer ---- */

GUEST(one_shot, 64, ENABLE "movl $0x30, 0x320(%rbp); movl $11, 0x3e0(%rbp);"
      "movl $100000, 0x380(%rbp); sti; hlt;" DONE ACK "mov 0x390(%rbp), %ebx;" DONE);

TEST(timer_one_shot)
{
	struct guest g;

	START1(&g, one_shot);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[IRQ]);
	struct kvm_lapic_state s = get_lapic(&g.cpu);
	EXPECT_EQ(1u << (IRQ % 32), *reg(&s, ISR + 16 * (IRQ / 32)));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0, get_regs(&g.cpu).rbx);
	s = get_lapic(&g.cpu);
	EXPECT_EQ(0, *reg(&s, ISR + 16 * (IRQ / 32)));
	EXPECT_EQ(1, traps(&g)->count);
}

GUEST(periodic, 64, ENABLE WARM_UP_ACKS "movl $0x20030, 0x320(%rbp); movl $11, 0x3e0(%rbp);"
      "movl $300000, 0x380(%rbp); sti; 1: hlt; cmpl $5, 0x21000; jl 1b;" DONE);

TEST(timer_periodic)
{
	struct guest g;

	START1(&g, periodic);
	use_acking_handler(&g);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_LE(5, *(u32 *)(g.vm.ram + ACKED));
}

GUEST(deadline, 64, ENABLE "movl $0x40030, 0x320(%rbp); rdtsc; add $20000000, %eax; adc $0, %edx;"
      "mov %eax, %ebx; mov %edx, %esi; mov $0x6e0, %ecx; wrmsr; sti; hlt; cli; rdtsc;"
      "sub %ebx, %eax; sbb %esi, %edx; mov %edx, %edi; mov $0x6e0, %ecx; rdmsr;" DONE);

TEST(timer_deadline)
{
	struct cpuid_table table;
	struct guest g;

	START1(&g, deadline);
	supported_cpuid(&table);
	find_cpuid(&table, 1, 0)->ecx |= 1 << 24;
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_CPUID2, &table));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[IRQ]);
	EXPECT_EQ(0, get_regs(&g.cpu).rdi);		/* not before its time */
	EXPECT_EQ(0, get_regs(&g.cpu).rax);		/* disarmed */
}

/*
 * Class 26: no divide configuration, count or mode makes the timer divide by 0, and a period of
 * 0 is no timer. The guard is start_timer()'s on the period.
 */
GUEST(sweep, 64, ENABLE "xor %ebx, %ebx; 1: mov %ebx, 0x3e0(%rbp);"
      "mov %ebx, %eax; and $0x60, %eax; shl $12, %eax; or $0x10030, %eax; mov %eax, 0x320(%rbp);"
      "mov %ebx, %ecx; and $31, %ecx; mov $1, %eax; shl %cl, %eax; mov %eax, 0x380(%rbp);"
      "mov 0x390(%rbp), %eax; movl $0, 0x380(%rbp); mov 0x390(%rbp), %eax; or %eax, %edi;"
      "inc %ebx; cmp $0x80, %ebx; jne 1b;"
      "movl $0x20030, 0x320(%rbp); movl $0, 0x380(%rbp); sti; mov $1000, %ecx;"
      "2: mov 0x390(%rbp), %eax; loop 2b;" DONE);

TEST(timer_sweep)
{
	struct guest g;

	START1(&g, sweep);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0, get_regs(&g.cpu).rdi);
	EXPECT_EQ(0, traps(&g)->count);
}

/* EBX: the most that was left of a period of 1. */
GUEST(fast, 64, ENABLE "movl $0x30030, 0x320(%rbp); movl $11, 0x3e0(%rbp); movl $1, 0x380(%rbp);"
      "xor %ebx, %ebx; mov $200, %ecx;"
      "1: mov 0x390(%rbp), %eax; cmp %ebx, %eax; cmova %eax, %ebx; loop 1b;"
      "movl $0, 0x380(%rbp);" DONE);

/* Class 26: no period is shorter than 200 us, KVM's least. The guard is period()'s. */
TEST(timer_is_not_faster_than_the_host_bears)
{
	struct guest g;

	START1(&g, fast);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_LT(1000, get_regs(&g.cpu).rbx);
}

/* RDI: all that was read where no register is, and by accesses that leave theirs. */
GUEST(sweeps_page, 64, ENABLE "movl $0, 0x280(%rbp); xor %edi, %edi; mov $0x400, %esi;"
      "1: mov (%rbp,%rsi), %eax; or %eax, %edi; movl $-1, (%rbp,%rsi); add $0x10, %esi;"
      "cmp $0x1000, %esi; jne 1b; mov 0xf1(%rbp), %eax; or %rax, %rdi; mov 0xff(%rbp), %rax;"
      "or %rax, %rdi; movl $0, 0x280(%rbp); mov 0x280(%rbp), %ebx;" DONE);

/* Class 26: the page beyond the registers. The guards are the bounds in mkvm_apic_mmio(). */
TEST(xapic_page)
{
	struct guest g;

	START1(&g, sweeps_page);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0, get_regs(&g.cpu).rdi);
	EXPECT_EQ(0, get_regs(&g.cpu).rbx);		/* no error was noted */
}

/* ---- priorities ---- */

GUEST(three, 64, ENABLE SELF_IPI(0x31) SELF_IPI(0x52) SELF_IPI(0x41) "sti; nop; nop;" REPORT
      ACK "nop;" REPORT ACK "nop;" REPORT ACK "nop;" DONE);

TEST(one_class_after_the_other)
{
	static const u8 order[] = { 0x52, 0x41, 0x31 };
	struct guest g;

	START1(&g, three);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
		EXPECT_EQ(i + 1, traps(&g)->count);
		EXPECT_EQ(order[i], traps(&g)->vector);
	}
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(3, traps(&g)->count);
}

GUEST(tpr, 64, ENABLE "movl $0x40, 0x80(%rbp);" SELF_IPI(0x35) "sti; nop;" REPORT
      "mov %cr8, %rbx; mov $3, %eax; mov %rax, %cr8; nop;" REPORT "xor %eax, %eax; mov %rax, %cr8;"
      "nop;" DONE);

TEST(task_priority_is_cr8)
{
	struct guest g;

	START1(&g, tpr);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0, traps(&g)->count);
	EXPECT_EQ(4, g.cpu.run->cr8);
	EXPECT_EQ(4, get_sregs(&g.cpu).cr8);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(4, get_regs(&g.cpu).rbx);
	EXPECT_EQ(0, traps(&g)->count);			/* 3 is its own class still */
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[0x35]);
}

/* CR8 is changed and read a thousand times: RCX is 0 if each read was of the last write. */
GUEST(cr8_many, 64, ENABLE "mov $1000, %ecx; 1: mov %rcx, %rax; and $15, %eax; mov %rax, %cr8;"
      "mov %cr8, %rbx; cmp %rax, %rbx; jne 2f; loop 1b; 2: mov 0x80(%rbp), %esi;" DONE
      "mov %cr8, %rbx;" DONE);

TEST(cr8_needs_no_exits)
{
	struct mkvm_vcpu_stats before = { 0 }, after = { 0 };
	struct kvm_sregs s;
	struct guest g;

	START1(&g, cr8_many);
	kvm(g.cpu.fd, MKVM_GET_STATS, &before);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	kvm(g.cpu.fd, MKVM_GET_STATS, &after);
	EXPECT_GT(500, after.entries - before.entries);
	EXPECT_EQ(0, get_regs(&g.cpu).rcx);
	EXPECT_EQ(0x10, get_regs(&g.cpu).rsi);
	s = get_sregs(&g.cpu);
	EXPECT_EQ(1, s.cr8);
	s.cr8 = 9;
	set_sregs(&g.cpu, &s);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(9, get_regs(&g.cpu).rbx);
}

GUEST(cr8_holds, 64, ENABLE "mov $15, %eax; mov %rax, %cr8; sti; nop;" REPORT "nop; nop;" REPORT
      "mov $3, %eax; mov %rax, %cr8; nop;" REPORT "mov $2, %eax; mov %rax, %cr8; nop; nop;" DONE);

/* What comes while CR8 holds it back goes in when the guest lowers CR8. */
TEST(cr8_holds_back_what_comes)
{
	static const u8 cr8[] = { 15, 15, 3, 2 };
	struct kvm_msi msi = { .address_lo = APIC, .data = 0x35 };
	struct kvm_lapic_state s;
	struct guest g;

	START1(&g, cr8_holds);
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
		EXPECT_EQ(i == 3, traps(&g)->hits[0x35]);
		EXPECT_EQ(cr8[i], g.cpu.run->cr8);
		s = get_lapic(&g.cpu);
		EXPECT_EQ(cr8[i] << 4, *reg(&s, TPR));
		if (!i)
			ASSERT_EQ(1, kvm(g.vm.fd, KVM_SIGNAL_MSI, &msi));
	}
}

/* ---- x2APIC ---- */

#define X2ENABLE	WARM_UP WRMSR(0x1b, 0xfee00d00) WRMSR(0x80f, 0x1ff)
#define X2SELF(vector)	WRMSR(0x83f, vector)
#define X2ACK		WRMSR(0x80b, 0)

GUEST(x2apic, 64, X2ENABLE X2SELF(0x30) "sti; nop; cli;"
      "mov $0x802, %ecx; rdmsr; mov %eax, %ebx; mov $0x80d, %ecx; rdmsr; mov %eax, %esi;"
      X2ACK "mov $0xfee00020, %eax; mov (%rax), %edi;" DONE);

TEST(x2apic_mode)
{
	struct guest g;

	START1(&g, x2apic);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[0x30]);
	EXPECT_EQ(0, get_regs(&g.cpu).rbx);
	EXPECT_EQ(1, get_regs(&g.cpu).rsi);		/* cluster 0, first */
	EXPECT_EQ(0xffffffff, get_regs(&g.cpu).rdi);	/* the page is not there */
	EXPECT_EQ(BASE_X2APIC | BASE_BSP, get_sregs(&g.cpu).apic_base);
}

GUEST(x2apic_three, 64, X2ENABLE X2SELF(0x31) X2SELF(0x52) X2SELF(0x41) "sti; nop; nop;" REPORT
      X2ACK "nop;" REPORT X2ACK "nop;" REPORT X2ACK "nop;" DONE);

TEST(x2apic_one_class_after_the_other)
{
	static const u8 order[] = { 0x52, 0x41, 0x31 };
	struct kvm_lapic_state s;
	struct guest g;

	START1(&g, x2apic_three);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
		EXPECT_EQ(i + 1, traps(&g)->count);
		EXPECT_EQ(order[i], traps(&g)->vector);
		s = get_lapic(&g.cpu);
		EXPECT_EQ(1u << order[i] % 32, *reg(&s, ISR + 16 * (order[i] / 32)));
		EXPECT_EQ(i < 2 ? 1u << 0x11 : 0, *reg(&s, IRR + 16));
	}
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(3, traps(&g)->count);
}

GUEST(x2apic_tpr, 64, X2ENABLE WRMSR(0x808, 0x40) X2SELF(0x35) "sti; nop;" REPORT
      "mov %cr8, %rbx; mov $3, %eax; mov %rax, %cr8; nop;" REPORT
      "mov $0x808, %ecx; rdmsr; mov %eax, %esi; xor %eax, %eax; mov %rax, %cr8; nop;" DONE);

TEST(x2apic_task_priority)
{
	struct guest g;

	START1(&g, x2apic_tpr);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0, traps(&g)->count);
	EXPECT_EQ(4, g.cpu.run->cr8);
	EXPECT_EQ(4, get_sregs(&g.cpu).cr8);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(4, get_regs(&g.cpu).rbx);
	EXPECT_EQ(0, traps(&g)->count);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0x30, get_regs(&g.cpu).rsi);
	EXPECT_EQ(1, traps(&g)->hits[0x35]);
}

GUEST(x2apic_hlt, 64, X2ENABLE X2SELF(0x30) "sti; hlt;" DONE);

/* What the CPU has to deliver by itself ends HLT, too. */
TEST(x2apic_pending_ends_hlt)
{
	struct guest g;

	if (on_tcg())
		SKIP(return, "QEMU's TCG takes the interrupt before HLT: no STI shadow at VMRUN");
	START1(&g, x2apic_hlt);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[0x30]);
}

GUEST(x2apic_resumed, 64, X2ENABLE "cli;" REPORT "sti; nop;" REPORT X2ACK "nop;" REPORT X2ACK "nop;"
      DONE);

/* An interrupt in service that userspace brought blocks lower ones until its EOI. */
TEST(x2apic_state_is_resumed)
{
	struct kvm_lapic_state s;
	struct guest g;

	START1(&g, x2apic_resumed);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	s = get_lapic(&g.cpu);
	*reg(&s, ISR + 32) = 1 << 5;			/* 0x45 */
	*reg(&s, IRR + 16) = 1 << 16;			/* 0x30 */
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_LAPIC, &s));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0, traps(&g)->count);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[0x30]);
	s = get_lapic(&g.cpu);
	EXPECT_EQ(0, *reg(&s, ISR + 32));
	EXPECT_EQ(1 << 16, *reg(&s, ISR + 16));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	s = get_lapic(&g.cpu);
	EXPECT_EQ(0, *reg(&s, ISR + 16));
	EXPECT_EQ(1, traps(&g)->count);
}

#define MANY	1000
GUEST(x2apic_many, 64, X2ENABLE "mov $1000, %ebx; sti; 1:" X2SELF(0x30) "nop; nop;" X2ACK
      "dec %ebx; jnz 1b;" DONE);
GUEST(xapic_many, 64, ENABLE "mov $1000, %ebx; sti; 1: movl $0x10, 0x80(%rbp);" SELF_IPI(0x30)
      "nop; nop;" ACK "mov %cr8, %rax; mov %rax, %cr8; dec %ebx; jnz 1b;" DONE);

static bool starts_with_1(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c = 0;

	if (fd < 0)
		return false;
	if (read(fd, &c, 1) != 1)
		c = 0;
	close(fd);
	return c == '1';
}

/* IA32_VMX_PROCBASED_CTLS2: virtualize APIC accesses, x2APIC mode; virtual-interrupt delivery. */
static bool cpu_delivers(void)
{
	int fd = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
	u64 value, wanted = (1ull << 0 | 1ull << 4 | 1ull << 9) << 32;
	bool ret = fd >= 0 && pread(fd, &value, 8, 0x48b) == 8 && (value & wanted) == wanted;

	if (fd >= 0)
		close(fd);
	return ret && starts_with_1("/sys/module/minikvm/parameters/virtual_apic");
}

/* With virtual-interrupt delivery a self-IPI and its EOI are the CPU's, and so is TPR: no VM exits. */
static void without_exits(struct __test_metadata *_metadata, const u8 *code, size_t len)
{
	struct mkvm_vcpu_stats before, after;
	u64 exits = 0;
	struct guest g;

	if (on_stock_kvm() || cpu_is_amd() || !cpu_delivers())
		SKIP(return, "needs VT-x's virtual-interrupt delivery, virtual_apic=1 and the module msr");
	start(&g, NULL, 1, code, len);
	before = stats(&g.cpu);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(MANY, traps(&g)->hits[0x30]);
	after = stats(&g.cpu);
	for (size_t i = 0; i < sizeof(after.exits) / sizeof(*after.exits); i++)
		exits += after.exits[i] - before.exits[i];
	EXPECT_GT(MANY / 10, exits);
}

TEST(x2apic_without_exits)
{
	without_exits(_metadata, x2apic_many, x2apic_many_end - x2apic_many);
}

TEST(xapic_without_exits)
{
	without_exits(_metadata, xapic_many, xapic_many_end - xapic_many);
}

/* ---- the xAPIC's page, which the CPU may have for its own ---- */

#define ALIAS		"mov $0x40000000, %edi;"	/* GUEST_PD's second table: the page again */
GUEST(accesses, 64, ENABLE ALIAS
      "movl $0x20, 0x80(%rdi); mov 0x80(%rbp), %ebx; orl $0x10, 0x80(%rbp);"
      "mov 0x80(%rdi), %eax; shl $8, %ebx; or %eax, %ebx;" REPORT
      "cld; lea 0x80(%rbp), %rsi; lodsl; mov %eax, %ebx; mov $0x40, %eax; push %rdi;"
      "lea 0x80(%rbp), %rdi; stosl; pop %rdi; lea 0x80(%rbp), %rsi; push %rdi;"
      "mov $0x21008, %edi; movsl; pop %rdi; mov %cr8, %rax; shl $8, %rbx; or %rax, %rbx;" REPORT
      "movl $0x05000000, 0xd0(%rbp); movl $0x0fffffff, 0xe0(%rdi); mov 0xd0(%rdi), %ebx;"
      "mov 0xe0(%rbp), %esi;" REPORT
      "movl $0x51000000, 0xd0(%rbp); movl $0x51000000, 0x310(%rbp); movl $0x4861, 0x300(%rbp);"
      "mov 0x300(%rdi), %ebx; sti; nop; nop; cli; mov 0xa0(%rbp), %esi;" REPORT
      "movl $0, 0xb0(%rdi); mov 0xa0(%rdi), %esi; movl $0x44005, 0x300(%rdi);"
      "movl $0, 0x280(%rbp); mov 0x280(%rdi), %ebx;" DONE);

/* By another linear address, as strings and reading what is written: the registers are the same. */
TEST(xapic_accesses)
{
	struct kvm_lapic_state s;
	struct guest g;

	START1(&g, accesses);
	*(u64 *)(g.vm.ram + GUEST_PD + PAGE) = APIC | 0x83;	/* present, writable, 2 MiB */
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0x2030, get_regs(&g.cpu).rbx);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0x3004, get_regs(&g.cpu).rbx);
	EXPECT_EQ(0x40, *(u32 *)(g.vm.ram + ACKED + 8));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0x05000000, get_regs(&g.cpu).rbx);
	EXPECT_EQ(0x0fffffff, get_regs(&g.cpu).rsi);
	s = get_lapic(&g.cpu);
	EXPECT_EQ(0x05000000, *reg(&s, 0xd0));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));		/* clusters: 5, its first */
	EXPECT_EQ(1, traps(&g)->hits[0x61]);
	EXPECT_EQ(0x4861, get_regs(&g.cpu).rbx);
	EXPECT_EQ(0x60, get_regs(&g.cpu).rsi);			/* PPR */
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0x40, get_regs(&g.cpu).rsi);
	if (!on_stock_kvm())
		EXPECT_EQ(0x20, get_regs(&g.cpu).rbx);		/* ESR: a vector below 16 was sent */
	s = get_lapic(&g.cpu);
	EXPECT_EQ(0x44005, *reg(&s, ICR));
	EXPECT_EQ(0, *reg(&s, ISR + 48));
}

GUEST(changes_modes, 64, ENABLE SELF_IPI(0x31) SELF_IPI(0x52) WRMSR(0x1b, 0xfee00d00) "sti; nop; cli;"
      "mov 0x30(%rbp), %ebx;" REPORT
      X2ACK X2SELF(0x63) WRMSR(0x1b, 0xfee00100) "sti; nop; cli; mov 0x30(%rbp), %ebx;" REPORT
      WRMSR(0x1b, 0xfee00900) "movl $0x1ff, 0xf0(%rbp); mov 0x30(%rbp), %ebx; sti; nop; nop;" REPORT
      ACK "nop;" REPORT ACK "nop;" DONE);

/* What waits goes along from mode to mode, and while the APIC is off it waits. */
TEST(modes_change_with_interrupts_pending)
{
	static const u32 count[] = { 1, 1, 2, 3, 3 };
	static const u8 vector[] = { 0x52, 0x52, 0x63, 0x31, 0x31 };
	static const u32 version[] = { 0xffffffff, 0xffffffff, 0x01050014 };
	struct guest g;

	if (on_stock_kvm())
		SKIP(return, "turning the APIC off clears it there");
	START1(&g, changes_modes);
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
		EXPECT_EQ(count[i], traps(&g)->count) TH_LOG("%d", i);
		EXPECT_EQ(vector[i], traps(&g)->vector) TH_LOG("%d", i);
		if (i < 3)
			EXPECT_EQ(version[i], (u32)get_regs(&g.cpu).rbx) TH_LOG("%d", i);
	}
}

/* TPR, whose reads leave the guest least. */
GUEST(reads_tpr, 64, AT_APIC "1: mov 0x80(%rbp), %ebx;" REPORT "jmp 1b");

static void set_tpr(struct vcpu *v, u32 value)
{
	struct kvm_sregs sregs = get_sregs(v);

	sregs.cr8 = value >> 4;
	set_sregs(v, &sregs);
}

/* Memory of a slot hides the page, and without the slot the page is back. */
TEST(memory_over_the_xapic_page)
{
	u32 *memory = map_anon(PAGE);
	struct guest g;

	if (on_stock_kvm())
		SKIP(return, "KVM has a slot of its own there");
	START1(&g, reads_tpr);
	set_tpr(&g.cpu, 0x50);
	memory[TPR / 4] = 0x12345678;
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0x50, get_regs(&g.cpu).rbx);
	ASSERT_EQ(0, vm_slot(&g.vm, 1, 0, APIC, PAGE, memory));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0x12345678, get_regs(&g.cpu).rbx);
	ASSERT_EQ(0, vm_slot(&g.vm, 1, 0, APIC, 0, memory));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0x50, get_regs(&g.cpu).rbx);
}

/* Who has its APIC elsewhere sees nothing of the others' at the usual place. */
TEST(xapic_page_elsewhere)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs sregs;
	struct vcpu other;
	struct guest g;

	if (on_stock_kvm())
		SKIP(return, "KVM's is there, too, where the CPU virtualizes it");
	start(&g, &other, 2, reads_tpr, reads_tpr_end - reads_tpr);
	set_long_mode(&other);
	ASSERT_EQ(0, kvm(other.fd, KVM_SET_MP_STATE, &mp));
	set_tpr(&g.cpu, 0x50);
	set_tpr(&other, 0x60);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0x50, get_regs(&g.cpu).rbx);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&other));
	EXPECT_EQ(0x60, get_regs(&other).rbx);
	sregs = get_sregs(&other);
	sregs.apic_base = (sregs.apic_base & 0xfff) | 0xfef00000;
	set_sregs(&other, &sregs);
	ASSERT_EQ(KVM_EXIT_MMIO, guest_run(&other));
	EXPECT_EQ(APIC + TPR, other.run->mmio.phys_addr);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));		/* and this one's goes on */
	EXPECT_EQ(0x50, get_regs(&g.cpu).rbx);
}

/* As guest_try(), for which HLT must be an exit: one access, then OUT with the count of faults. */
GUEST(msr, 64, "1: lea 2f(%rip), %r15; test %ebx, %ebx; jz 3f; wrmsr; 2:" REPORT "jmp 1b;"
      "3: lea 2b(%rip), %r15; rdmsr;" REPORT "jmp 1b");

static int try_msr(struct guest *g, bool write, u32 index, u64 value)
{
	u32 count = traps(g)->count;
	struct kvm_regs regs = get_regs(&g->cpu);

	regs.rip = GUEST_CODE;
	regs.rbx = write;
	regs.rcx = index;
	regs.rax = (u32)value;
	regs.rdx = value >> 32;
	set_regs(&g->cpu, &regs);
	if (guest_run(&g->cpu) != KVM_EXIT_IO)
		die("no report");
	return traps(g)->count == count ? NO_TRAP : traps(g)->vector;
}

static int try_wrmsr(struct guest *g, u32 index, u64 value)
{
	return try_msr(g, true, index, value);
}

static int try_rdmsr(struct guest *g, u32 index)
{
	return try_msr(g, false, index, 0);
}

/*
 * Classes 20 and 26: all 256 MSRs, in and out of x2APIC mode, and ICR to everybody there may be.
 * The guards are x2apic_has() and the reserved bits in mkvm_lapic_wrmsr().
 */
TEST(x2apic_registers)
{
	static const u32 readable[] = {
		0x02, 0x03, 0x08, 0x0a, 0x0d, 0x0f, 0x10, 0x17, 0x18, 0x1f, 0x20, 0x27, 0x28, 0x30,
		0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3e,
	};
	struct guest g;

	START1(&g, msr);
	for (u32 i = 0; i < 256; i++) {
		ASSERT_EQ(GP_VECTOR, try_rdmsr(&g, 0x800 + i)) TH_LOG("%x", i);
	}
	ASSERT_EQ(NO_TRAP, try_wrmsr(&g, MSR_APICBASE, BASE_X2APIC | BASE_BSP));
	for (u32 i = 0; i < sizeof(readable) / sizeof(*readable); i++) {
		EXPECT_EQ(NO_TRAP, try_rdmsr(&g, 0x800 + readable[i])) TH_LOG("%x", readable[i]);
	}
	for (u32 i = 0x40; i < 256; i++) {
		ASSERT_EQ(GP_VECTOR, try_rdmsr(&g, 0x800 + i)) TH_LOG("%x", i);
	}
	if (!on_stock_kvm())	/* 6.1 takes it */
		EXPECT_EQ(GP_VECTOR, try_wrmsr(&g, X2APIC(EOI), 1));
	EXPECT_EQ(GP_VECTOR, try_wrmsr(&g, X2APIC(TPR), 1ull << 32));
	EXPECT_EQ(GP_VECTOR, try_rdmsr(&g, X2APIC(ICR2)));
	EXPECT_EQ(GP_VECTOR, try_wrmsr(&g, X2APIC(ID), 0));
	for (u64 id = 0; id < 300; id++) {
		ASSERT_EQ(NO_TRAP, try_wrmsr(&g, X2APIC(ICR), id << 32 | 0x4030));
	}
	for (int bit = 32; bit < 64; bit++) {
		ASSERT_EQ(NO_TRAP, try_wrmsr(&g, X2APIC(ICR), 1ull << bit | 0x4830));
	}
	/* Not back to the xAPIC without a stop in between. */
	EXPECT_EQ(GP_VECTOR, try_wrmsr(&g, MSR_APICBASE, BASE_XAPIC | BASE_BSP));
	EXPECT_EQ(NO_TRAP, try_wrmsr(&g, MSR_APICBASE, APIC | BASE_BSP));
	EXPECT_EQ(GP_VECTOR, try_wrmsr(&g, MSR_APICBASE, BASE_X2APIC | BASE_BSP));
	EXPECT_EQ(NO_TRAP, try_wrmsr(&g, MSR_APICBASE, BASE_XAPIC | BASE_BSP));
}

/* ---- KVM_HC_SEND_IPI ---- */

/* RBX, RCX, RDX, RSI are the test's; VMMCALL where it says so. */
GUEST(pv_ipi, 64, ENABLE "mov $10, %eax; test %edi, %edi; jz 1f; vmmcall; jmp 2f; 1: vmcall;"
      "2:" REPORT "sti; nop; nop;" DONE);

static long pv_ipi_result(struct guest *g, u64 low, u64 high, u32 min, u64 icr)
{
	struct kvm_regs regs = get_regs(&g->cpu);

	regs.rip = GUEST_CODE;
	regs.rbx = low;
	regs.rcx = high;
	regs.rdx = min;
	regs.rsi = icr;
	regs.rdi = cpu_is_amd();
	set_regs(&g->cpu, &regs);
	if (guest_run(&g->cpu) != KVM_EXIT_IO)
		die("no report");
	return get_regs(&g->cpu).rax;
}

TEST(ipis_by_hypercall)
{
	struct cpuid_table table;
	struct vcpu ap;
	struct kvm_lapic_state s;
	struct guest g;

	start(&g, &ap, 2, pv_ipi, pv_ipi_end - pv_ipi);
	s = get_lapic(&ap);
	*reg(&s, SVR) = 0x1ff;
	ASSERT_EQ(0, kvm(ap.fd, KVM_SET_LAPIC, &s));
	EXPECT_EQ(1, pv_ipi_result(&g, 1, 0, 0, 0x31));
	EXPECT_EQ(0, traps(&g)->count);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[0x31]);
	EXPECT_EQ(2, pv_ipi_result(&g, ~0ull, ~0ull, 0, 0x42));	/* there are no more */
	s = get_lapic(&ap);
	EXPECT_EQ(1 << 2, *reg(&s, IRR + 32));
	EXPECT_EQ(1, pv_ipi_result(&g, 1, 0, 1, 0x43));		/* the second only */
	EXPECT_EQ(0, pv_ipi_result(&g, ~1ull, ~0ull, 1, 0x44));
	EXPECT_EQ(0, pv_ipi_result(&g, ~0ull, ~0ull, 1u << 31, 0x45));
	s = get_lapic(&ap);
	EXPECT_EQ(3 << 2, *reg(&s, IRR + 32));
	EXPECT_EQ(-22, pv_ipi_result(&g, 1, 0, 0, 0x831));	/* logical; -KVM_EINVAL */
	EXPECT_EQ(-22, pv_ipi_result(&g, 1, 0, 0, 0x40031));	/* self */
	vcpu_close(&g.cpu);
	vm_close(&g.vm);
	/* Where CPUID does not name it, and KVM_CAP_ENFORCE_PV_FEATURE_CPUID. */
	START1(&g, pv_ipi);
	struct kvm_enable_cap enforce = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { 1 } };
	supported_cpuid(&table);
	find_cpuid(&table, 0x40000001, 0)->eax &= ~(1u << 11);
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_ENABLE_CAP, &enforce));
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_CPUID2, &table));
	EXPECT_EQ(-1000, pv_ipi_result(&g, 1, 0, 0, 0x31));	/* -KVM_ENOSYS */
}

/* ---- MSR_KVM_PV_EOI_EN ---- */

#define MSR_PV_EOI	0x4b564d04
#define PV_EOI		0x23000		/* its byte */
#define PV_ACKED	0x21000		/* struct acks: what the handler made of it */

/* As Linux does; with EDI, after a VM exit. */
GUEST(pv_acks, 64, "push %rax; push %rbx; push %rcx; push %rdx; push %rbp;" AT_APIC
      "test %edi, %edi; jz 1f; cpuid; 1: btrl $0, 0x23000; jc 2f;" ACK
      "incl 0x21004; jmp 3f; 2: incl 0x21000; 3:"
      "pop %rbp; pop %rdx; pop %rcx; pop %rbx; pop %rax; iretq");
/* RDI: as above. Vector 0x30 three times; then under vector 0x40, which goes first. */
GUEST(pv_eoi, 64, ENABLE "int $0x30; movq $0, 0x21000;"
      SELF_IPI(0x30) "sti; nop; nop; cli;" SELF_IPI(0x30) "sti; nop; nop; cli;"
      SELF_IPI(0x30) "sti; nop; nop;" DONE "movq $0, 0x21000;"
      SELF_IPI(0x30) SELF_IPI(0x40) "sti; nop; nop; nop;" DONE
      "movq $0, 0x21000; sti; nop; nop;" DONE);

struct acks {
	u32 taken;		/* no EOI was needed */
	u32 written;		/* the APIC's EOI */
};

/* Up to the guest's next report; nothing may be left in service. */
static struct acks pv_acks_of(struct guest *g)
{
	struct kvm_lapic_state s;
	struct acks acks;

	if (guest_run(&g->cpu) != KVM_EXIT_IO)
		die("no report");
	s = get_lapic(&g->cpu);
	for (int i = 0; i < 8; i++)
		if (*reg(&s, ISR + 16 * i) | *reg(&s, IRR + 16 * i))
			die("word %d of ISR: %x, IRR: %x", i, *reg(&s, ISR + 16 * i),
			    *reg(&s, IRR + 16 * i));
	memcpy(&acks, g->vm.ram + PV_ACKED, sizeof(acks));
	return acks;
}

static void start_pv_eoi(struct guest *g, u64 msr)
{
	START1(g, pv_eoi);
	use_handler(g, 0x30, pv_acks, pv_acks_end - pv_acks);
	use_handler(g, 0x40, pv_acks, pv_acks_end - pv_acks);
	if (set_msr(&g->cpu, MSR_PV_EOI, msr) != 1)
		die("MSR_KVM_PV_EOI_EN");
}

TEST(pv_eoi_is_offered_for_what_needs_no_more)
{
	struct kvm_msi level = { .address_lo = APIC, .data = 0xc030 };
	struct guest g;
	struct acks acks;

	if (!cpu_is_amd() && starts_with_1("/sys/module/minikvm/parameters/virtual_apic"))
		SKIP(return, "virtual_apic=1: the CPU ends interrupts itself");
	for (int i = 0;; i++) {		/* what exits beside, as the host's ticks, withdraws them */
		start_pv_eoi(&g, PV_EOI | 1);
		acks = pv_acks_of(&g);
		ASSERT_EQ(3, acks.taken + acks.written);
		if (acks.taken == 3)
			break;
		ASSERT_GT(100, i) TH_LOG("of the last three %u", acks.taken);
		vcpu_close(&g.cpu);
		vm_close(&g.vm);
	}
	acks = pv_acks_of(&g);		/* one waits behind it: not the first */
	EXPECT_GE(1, acks.taken);
	EXPECT_EQ(2, acks.taken + acks.written);
	if (on_stock_kvm())
		return;			/* with the split irqchip it looks at routes, not at TMR */
	ASSERT_EQ(1, kvm(g.vm.fd, KVM_SIGNAL_MSI, &level));
	acks = pv_acks_of(&g);		/* an I/O APIC would hear of it */
	EXPECT_EQ(0, acks.taken);
	EXPECT_EQ(1, acks.written);
	EXPECT_EQ(0, *(g.vm.ram + PV_EOI));
}

TEST(pv_eoi_offer_ends_with_the_next_exit)
{
	struct kvm_regs regs;
	struct guest g;
	struct acks acks;

	start_pv_eoi(&g, PV_EOI | 1);
	regs = get_regs(&g.cpu);
	regs.rdi = 1;
	set_regs(&g.cpu, &regs);
	acks = pv_acks_of(&g);
	EXPECT_EQ(0, acks.taken);
	EXPECT_EQ(3, acks.written);
	acks = pv_acks_of(&g);
	EXPECT_EQ(0, acks.taken);
	EXPECT_EQ(2, acks.written);
}

/* Off, where there is no memory, and in what the guest may only read. */
TEST(pv_eoi_without_a_place)
{
	static const u64 values[] = { PV_EOI, (1ull << 35) | 1, GUEST_RAM | 1 };
	struct cpuid_table table;
	u64 back = 0;
	struct guest g;
	struct acks acks;

	for (int i = 0; i < 3; i++) {
		if (i && on_stock_kvm())
			break;		/* it refuses such addresses */
		start_pv_eoi(&g, values[i]);
		ASSERT_EQ(0, vm_slot(&g.vm, 3, KVM_MEM_READONLY, GUEST_RAM, PAGE, map_anon(PAGE)));
		ASSERT_EQ(1, get_msr(&g.cpu, MSR_PV_EOI, &back));
		EXPECT_EQ(values[i], back);
		acks = pv_acks_of(&g);
		EXPECT_EQ(0, acks.taken);
		EXPECT_EQ(3, acks.written);
		vcpu_close(&g.cpu);
		vm_close(&g.vm);
	}
	START1(&g, msr);
	EXPECT_EQ(GP_VECTOR, try_wrmsr(&g, MSR_PV_EOI, PV_EOI | 2));
	EXPECT_EQ(NO_TRAP, try_wrmsr(&g, MSR_PV_EOI, PV_EOI | 1));
	struct kvm_enable_cap enforce = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { 1 } };
	supported_cpuid(&table);
	EXPECT_TRUE(find_cpuid(&table, 0x40000001, 0)->eax & 1u << 6);
	vcpu_close(&g.cpu);
	vm_close(&g.vm);
	START1(&g, msr);
	find_cpuid(&table, 0x40000001, 0)->eax &= ~(1u << 6);
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_ENABLE_CAP, &enforce));
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_CPUID2, &table));
	EXPECT_EQ(GP_VECTOR, try_wrmsr(&g, MSR_PV_EOI, PV_EOI | 1));
}

/* ---- KVM_GET_LAPIC, KVM_SET_LAPIC ---- */

TEST(state_round_trip)
{
	struct kvm_lapic_state s, back;
	struct guest g;

	START1(&g, idle);
	s = get_lapic(&g.cpu);
	EXPECT_EQ(0xff, *reg(&s, SVR));
	EXPECT_EQ(0x700, *reg(&s, LVT0));
	EXPECT_EQ(0x10000, *reg(&s, LVTT));
	*reg(&s, SVR) = 0x1ff;
	*reg(&s, TPR) = 0x20;
	*reg(&s, LVTT) = 0x20044;
	*reg(&s, TDCR) = 3;
	*reg(&s, ICR2) = 0x12000000;
	*reg(&s, ICR) = 0x84030;
	*reg(&s, IRR + 16) = 0xabcd0000;
	*reg(&s, ISR + 32) = 1;
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_LAPIC, &s));
	back = get_lapic(&g.cpu);
	*reg(&s, 0xa0) = on_stock_kvm() ? *reg(&back, 0xa0) : 0x40;	/* PPR follows, in KVM later */
	for (u32 i = 0; i < sizeof(s); i += 0x10) {
		EXPECT_EQ(*reg(&s, i), *reg(&back, i)) TH_LOG("0x%x", i);
	}
	memset(&s, 0xff, sizeof(s));			/* no state, but taken as well as it can */
	EXPECT_EQ(0, kvm(g.cpu.fd, KVM_SET_LAPIC, &s));
	back = get_lapic(&g.cpu);
	EXPECT_EQ(0xffffffff, *reg(&back, ISR));
	if (!on_stock_kvm())	/* keeps what is reserved */
		EXPECT_EQ(0xb, *reg(&back, TDCR));
}

/* ---- HLT, IPIs and start-up ---- */

GUEST(halts, 64, ENABLE "sti; 1: hlt; jmp 1b");

/* A halted guest is not entered, and a signal ends KVM_RUN. */
TEST(halt_blocks)
{
	struct rusage before, after;
	struct guest_thread t;
	struct guest g;

	START1(&g, halts);
	start_thread(&t, &g.cpu);
	usleep(50000);
	getrusage(RUSAGE_SELF, &before);
	usleep(100000);
	getrusage(RUSAGE_SELF, &after);
	EXPECT_EQ(before.ru_utime.tv_sec * 1000000 + before.ru_utime.tv_usec + 50000 >
		  after.ru_utime.tv_sec * 1000000 + after.ru_utime.tv_usec, 1);
	EXPECT_TRUE(stop_thread(&t));
	EXPECT_EQ(-EINTR, t.ret);
	EXPECT_EQ(KVM_MP_STATE_HALTED, mp_state(&g.cpu));
	if (!on_stock_kvm())
		EXPECT_GT(20, stats(&g.cpu).entries);
}

/*
 * The boot CPU starts the other in real mode, by INIT and two SIPIs, and waits for
 * its sign in memory. The other then halts; it is started again after an INIT.
 */
#define START_AP "movl $0x01000000, 0x310(%rbp); movl $0x4500, 0x300(%rbp);"	\
		 "movl $0x4620, 0x300(%rbp); movl $0x4620, 0x300(%rbp);"	\
		 "1: pause; mov 0x21000, %eax; cmp %ebx, %eax; jne 1b;"
GUEST(starts_ap, 64, ENABLE "mov $1, %ebx;" START_AP REPORT "mov $2, %ebx;" START_AP DONE);
GUEST(ap, 16, "mov %cs, %ax; mov %ax, %ds; incl 0x1000; mov %cs, 0x1004; 1: hlt; jmp 1b");

static void put_ap(struct guest *g)
{
	memcpy(g->vm.ram + GUEST_DATA, ap, ap_end - ap);
}

TEST(init_and_sipi)
{
	struct cpuid_table table;
	struct guest_thread t;
	struct vcpu other;
	struct guest g;

	start(&g, &other, 2, starts_ap, starts_ap_end - starts_ap);
	put_ap(&g);
	EXPECT_EQ(KVM_MP_STATE_UNINITIALIZED, mp_state(&other));
	start_thread(&t, &other);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0x2000, *(u16 *)(g.vm.ram + GUEST_DATA + 0x1004));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_TRUE(stop_thread(&t));	/* halted, or about to */
	EXPECT_EQ(0x2000, get_sregs(&other).cs.selector);
	supported_cpuid(&table);
	EXPECT_EQ(find_cpuid(&table, 1, 0)->eax, get_regs(&other).rdx);
}

/* An INIT that nobody runs for is not lost, and a SIPI without one does nothing. */
GUEST(sends_init, 64, ENABLE "movl $0x01000000, 0x310(%rbp); movl $0x4620, 0x300(%rbp);" REPORT
      "movl $0x4500, 0x300(%rbp);" REPORT "movl $0x4620, 0x300(%rbp);" DONE);

TEST(init_waits_for_the_vcpu)
{
	static const u32 state[] = { KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_INIT_RECEIVED,
				     KVM_MP_STATE_RUNNABLE };
	struct vcpu other;
	struct guest g;

	start(&g, &other, 2, sends_init, sends_init_end - sends_init);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
		EXPECT_EQ(state[i], mp_state(&other));
	}
	EXPECT_EQ(0, get_regs(&other).rip);
}

/* Userspace restores a vCPU whose start-up IPI has come. */
TEST(sipi_received)
{
	struct kvm_vcpu_events e = { .flags = KVM_VCPUEVENT_VALID_SIPI_VECTOR, .sipi_vector = 0x20 };
	struct kvm_mp_state mp = { KVM_MP_STATE_SIPI_RECEIVED };
	struct guest g;

	START1(&g, idle);
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_VCPU_EVENTS, &e));
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_MP_STATE, &mp));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(&g.cpu));
	EXPECT_EQ(0x2000, get_sregs(&g.cpu).cs.selector);
	EXPECT_EQ(0x20000, get_sregs(&g.cpu).cs.base);
	EXPECT_EQ(0, get_regs(&g.cpu).rip);
	mp.mp_state = KVM_MP_STATE_SIPI_RECEIVED + 1;
	EXPECT_EQ(-EINVAL, kvm(g.cpu.fd, KVM_SET_MP_STATE, &mp));
}

/* One IPI after the other to a CPU that halts in between: none is lost. */
GUEST(sends_ipis, 64, ENABLE "3: pause; cmpl $1, 0x21004; jne 3b;"
      "mov $50, %ebx; 2: mov 0x21000, %esi; movl $0x01000000, 0x310(%rbp);"
      "movl $0x4030, 0x300(%rbp); 1: pause; cmp %esi, 0x21000; je 1b; dec %ebx; jnz 2b;" DONE);
GUEST(takes_ipis, 64, ENABLE WARM_UP_ACKS "movl $1, 0x21004; sti; 1: hlt; jmp 1b");

TEST(ipis_wake)
{
	struct guest_thread t;
	struct kvm_regs regs;
	struct vcpu other;
	struct guest g;

	start(&g, &other, 2, sends_ipis, sends_ipis_end - sends_ipis);
	use_acking_handler(&g);
	memcpy(g.vm.ram + GUEST_DATA, takes_ipis, takes_ipis_end - takes_ipis);
	set_long_mode(&other);
	regs = get_regs(&other);
	regs.rip = GUEST_DATA;
	regs.rsp = GUEST_STACK - 0x800;
	set_regs(&other, &regs);
	struct kvm_mp_state mp = { KVM_MP_STATE_RUNNABLE };
	ASSERT_EQ(0, kvm(other.fd, KVM_SET_MP_STATE, &mp));
	start_thread(&t, &other);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(50, *(u32 *)(g.vm.ram + ACKED));
	EXPECT_TRUE(stop_thread(&t));
}

/* #GP by #GP, each injected by the host; interrupts on. */
GUEST(faults, 64, ENABLE WARM_UP_ACKS "lea 1f(%rip), %r15; movl $1, 0x21004; sti;"
      "1: mov $0x12345, %ecx; rdmsr; jmp 1b");

#define MESSAGES	200

/*
 * What comes while another event is on its way in is not lost. With two CPUs this fails where
 * mkvm_apic_has_irq() takes back the flag that mkvm_apic_sync() has not seen.
 */
TEST(no_message_is_lost_beside_faults)
{
	struct kvm_msi msi = { .address_lo = APIC, .data = IRQ };
	struct guest_thread t;
	struct guest g;
	u32 n;

	START1(&g, faults);
	use_acking_handler(&g);
	volatile u32 *acked = (u32 *)(g.vm.ram + ACKED);

	start_thread(&t, &g.cpu);
	pin(t.thread, 0);
	pin(pthread_self(), usable_cpus() - 1);
	while (!acked[1])
		usleep(100);
	for (n = 0; n < MESSAGES && *acked == n; n++) {
		EXPECT_EQ(1, kvm(g.vm.fd, KVM_SIGNAL_MSI, &msi));
		for (int tries = 0; tries < 5000 && *acked == n; tries++)
			usleep(100);
	}
	EXPECT_EQ(MESSAGES, n);
	EXPECT_EQ(MESSAGES, *acked);
	EXPECT_TRUE(stop_thread(&t));
}

GUEST(nmi_to_self, 64, ENABLE "movl $0, 0x310(%rbp); movl $0x4400, 0x300(%rbp); nop;" DONE);

TEST(nmi_ipi)
{
	struct guest g;

	START1(&g, nmi_to_self);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[NMI_VECTOR]);
}

/* ---- the 8259s' interrupts from userspace ---- */

/* Not by HLT: an emulator may take what waits between STI and HLT (docs/testing.md). */
GUEST(takes, 64, "sti; nop; nop;" DONE);

TEST(split_extint)
{
	struct kvm_interrupt irq = { IRQ };
	struct guest g;

	START1(&g, takes);
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_INTERRUPT, &irq));
	EXPECT_EQ(-EEXIST, kvm(g.cpu.fd, KVM_INTERRUPT, &irq));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[IRQ]);
	/* It is not the APIC's: nothing is in service. */
	struct kvm_lapic_state s = get_lapic(&g.cpu);
	EXPECT_EQ(0, *reg(&s, ISR + 16));
}

GUEST(waits, 64, "sti; hlt;" DONE);

/*
 * An interrupt of userspace's 8259 that came while the guest had them off: it halts
 * right after STI, and the window has to be told all the same.
 */
TEST(split_window_in_hlt)
{
	struct kvm_interrupt irq = { IRQ };
	struct guest g;

	START1(&g, waits);
	g.cpu.run->request_interrupt_window = 1;
	ASSERT_EQ(KVM_EXIT_IRQ_WINDOW_OPEN, guest_run(&g.cpu));
	EXPECT_EQ(1, g.cpu.run->ready_for_interrupt_injection);
	g.cpu.run->request_interrupt_window = 0;
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_INTERRUPT, &irq));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[IRQ]);
}

GUEST(masks_lint0, 64, ENABLE "movl $0x10700, 0x350(%rbp); sti; nop; nop;" REPORT
      "movl $0x700, 0x350(%rbp); nop;" DONE);

/* Masked, nothing of userspace's comes in: its window stays closed, and the guest goes on. */
TEST(split_window_with_lint0_masked)
{
	struct guest g;

	START1(&g, masks_lint0);
	g.cpu.run->request_interrupt_window = 1;
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(1, g.cpu.run->if_flag);
	EXPECT_EQ(0, g.cpu.run->ready_for_interrupt_injection);
	ASSERT_EQ(KVM_EXIT_IRQ_WINDOW_OPEN, guest_run(&g.cpu));
	EXPECT_EQ(1, g.cpu.run->ready_for_interrupt_injection);
}

TEST(no_interrupts_from_userspace_beside_the_kernels_8259)
{
	struct kvm_interrupt irq = { IRQ };
	struct vcpu cpu;
	struct vm vm;

	vm_create_bare(&vm);
	ASSERT_EQ(0, kvm_val(vm.fd, KVM_CREATE_IRQCHIP, 0));
	vcpu_create(&cpu, &vm, 0);
	EXPECT_EQ(-ENXIO, kvm(cpu.fd, KVM_INTERRUPT, &irq));
}

/* ---- classes 5 and 36 ---- */

static void *creates_vcpus(void *arg)
{
	struct guest *g = arg;
	struct vcpu v;

	for (int i = 1; i < 64; i++)
		vcpu_create_bare(&v, &g->vm, i);
	return NULL;
}

GUEST(broadcasts, 64, ENABLE "1: movl $0xc4030, 0x300(%rbp); movl $0xff000000, 0x310(%rbp);"
      "movl $0x4830, 0x300(%rbp); movl $0x3f000000, 0x310(%rbp); movl $0x4131, 0x300(%rbp);"
      "jmp 1b");

/* Class 5: messages to everybody while vCPUs are being made. Guard: the order in publish(), vcpu.c. */
TEST(broadcast_while_vcpus_come)
{
	struct guest_thread t;
	pthread_t maker;
	struct guest g;

	START1(&g, broadcasts);
	start_thread(&t, &g.cpu);
	pthread_create(&maker, NULL, creates_vcpus, &g);
	pthread_join(maker, NULL);
	EXPECT_TRUE(stop_thread(&t));
}

GUEST(ticks, 64, ENABLE "movl $0x20030, 0x320(%rbp); movl $200000, 0x380(%rbp); sti;"
      "1: hlt;" ACK "jmp 1b");

/* Class 36: processes that end with a timer armed. Guard: hrtimer_cancel() in mkvm_apic_free(). */
TEST(killed_with_an_armed_timer)
{
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();

		if (!child) {
			struct guest g;

			START1(&g, ticks);
			vcpu_run(&g.cpu);
			_exit(1);
		}
		usleep(3000 + 500 * i);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
}

TEST_HARNESS_MAIN
