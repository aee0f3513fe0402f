// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8259 pair, the I/O APIC and the 8254 in the kernel, GSI routes, MSIs and
 * irqfds. The guest takes the interrupts that wait whenever it is run, and
 * reports by OUT; RBX says what it does first.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "eventfds.h"
#include "thread.h"

#define LEVEL		(1u << 15)
#define REMOTE_IRR	(1u << 14)
#define MASKED		(1u << 16)
#define VECTOR		0x41

enum { NOTHING, LAPIC_EOI, PIC_EOI };

#define ENABLE_LAPIC WARM_UP "mov $0xfee00000, %ebp; movl $0x1ff, 0xf0(%rbp); movl $0x700, 0x350(%rbp);"

GUEST(takes_interrupts, 64,
      ENABLE_LAPIC
      "1: out %al, $0x10; cmp $1, %ebx; jb 3f; ja 2f; movl $0, 0xb0(%rbp); jmp 3f;"
      "2: mov $0x20, %al; out %al, $0xa0; out %al, $0x20;"
      "3: sti; nop; nop; cli; jmp 1b");

FIXTURE(chips) {
	struct guest g;
	int fd, resample;
};

static void start(struct guest *g, int (*create)(struct vm *), const u8 *code, size_t len)
{
	vm_create(&g->vm, GUEST_RAM);
	guest_tables(&g->vm);
	if (create(&g->vm))
		die("no irqchip");
	vcpu_create(&g->cpu, &g->vm, 0);
	set_long_mode(&g->cpu);
	guest_code(g, code, len);
}

static int kernel_irqchip(struct vm *vm)
{
	return kvm_val(vm->fd, KVM_CREATE_IRQCHIP, 0);
}

static int split_irqchip(struct vm *vm)
{
	struct kvm_enable_cap enable = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };

	return kvm(vm->fd, KVM_ENABLE_CAP, &enable);
}

/* How many interrupts it took, after that EOI. */
static u32 run_guest(struct guest *g, int eoi)
{
	struct kvm_regs regs = get_regs(&g->cpu);
	u32 before = traps(g)->count, exit;

	regs.rbx = eoi;
	set_regs(&g->cpu, &regs);
	exit = guest_run(&g->cpu);
	if (exit != KVM_EXIT_IO)
		die("%s", exit_name(exit));
	return traps(g)->count - before;
}

static struct kvm_irqchip get_chip(struct vm *vm, u32 id)
{
	struct kvm_irqchip chip = { .chip_id = id };

	if (kvm(vm->fd, KVM_GET_IRQCHIP, &chip))
		die("KVM_GET_IRQCHIP");
	return chip;
}

static void set_chip(struct vm *vm, const struct kvm_irqchip *chip)
{
	if (kvm(vm->fd, KVM_SET_IRQCHIP, chip))
		die("KVM_SET_IRQCHIP");
}

static u64 entry(struct vm *vm, u32 pin)
{
	return get_chip(vm, KVM_IRQCHIP_IOAPIC).chip.ioapic.redirtbl[pin].bits;
}

static void set_entry(struct vm *vm, u32 pin, u64 bits)
{
	struct kvm_irqchip chip = get_chip(vm, KVM_IRQCHIP_IOAPIC);

	chip.chip.ioapic.redirtbl[pin].bits = bits;
	set_chip(vm, &chip);
}

/* As every BIOS sets them up, at vectors 0x30 and 0x38. */
static void set_up_pics(struct vm *vm, u8 mask)
{
	struct kvm_irqchip chip;
	u32 id;

	for (id = 0; id < 2; id++) {
		chip = get_chip(vm, id);
		chip.chip.pic.irq_base = 0x30 + 8 * id;
		chip.chip.pic.imr = mask;
		chip.chip.pic.init_state = 0;
		set_chip(vm, &chip);
	}
}

FIXTURE_SETUP(chips)
{
	watchdog();
	start(&self->g, kernel_irqchip, takes_interrupts, takes_interrupts_end - takes_interrupts);
	set_up_pics(&self->g.vm, 0xff);		/* KVM's have nothing masked at first */
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&self->g.cpu));
	self->fd = new_eventfd();
	self->resample = new_eventfd();
}

FIXTURE_TEARDOWN(chips)
{
	guest_close(&self->g);
	close(self->fd);
	close(self->resample);
}

static int line(struct vm *vm, u32 gsi, u32 level)
{
	struct kvm_irq_level args = { .irq = gsi, .level = level };
	int ret = kvm(vm->fd, KVM_IRQ_LINE_STATUS, &args);

	return ret ? ret : args.status;
}

/* ---- routes ---- */

struct routes {
	struct kvm_irq_routing head;
	struct kvm_irq_routing_entry entries[4200];
};

static struct kvm_irq_routing_entry to_pin(u32 gsi, u32 chip, u32 pin)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { chip, pin },
	};
}

static struct kvm_irq_routing_entry to_msi(u32 gsi, u32 address, u32 data)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = address, .data = data },
	};
}

static int route(struct vm *vm, u32 nr, const struct kvm_irq_routing_entry *entries)
{
	static struct routes r;

	r.head = (struct kvm_irq_routing){ .nr = nr };
	memcpy(r.entries, entries, (nr < 4200 ? nr : 0) * sizeof(*entries));
	return kvm(vm->fd, KVM_SET_GSI_ROUTING, &r);
}

static int route1(struct vm *vm, struct kvm_irq_routing_entry entry)
{
	return route(vm, 1, &entry);
}

#define MSI_TO_0	0xfee00000

static int msi(struct vm *vm, u32 address, u32 data)
{
	struct kvm_msi m = { .address_lo = address, .data = data };

	return kvm(vm->fd, KVM_SIGNAL_MSI, &m);
}

/* ---- I/O APIC ---- */

TEST_F(chips, edge_is_taken_once)
{
	struct vm *vm = &self->g.vm;

	set_entry(vm, 10, VECTOR);
	EXPECT_LT(0, line(vm, 10, 1));
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(1, traps(&self->g)->hits[VECTOR]);
	EXPECT_EQ(0, run_guest(&self->g, LAPIC_EOI));
	line(vm, 10, 1);			/* no edge */
	EXPECT_EQ(0, run_guest(&self->g, NOTHING));
	line(vm, 10, 0);
	line(vm, 10, 1);
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(0, entry(vm, 10) & REMOTE_IRR);
}

/* Class 28, CVE-2014-0155: high during its EOI. The guard is Remote IRR in deliver(), ioapic.c. */
TEST_F(chips, level_waits_for_its_eoi)
{
	struct vm *vm = &self->g.vm;

	set_entry(vm, 10, VECTOR | LEVEL);
	EXPECT_LT(0, line(vm, 10, 1));
	EXPECT_EQ(REMOTE_IRR, entry(vm, 10) & REMOTE_IRR);
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(-1, line(vm, 10, 1));			/* nobody is told */
	EXPECT_EQ(0, run_guest(&self->g, NOTHING));
	EXPECT_EQ(1, run_guest(&self->g, LAPIC_EOI));	/* still high: again */
	EXPECT_EQ(1, run_guest(&self->g, LAPIC_EOI));
	line(vm, 10, 0);
	EXPECT_EQ(0, run_guest(&self->g, LAPIC_EOI));
	EXPECT_EQ(0, entry(vm, 10) & REMOTE_IRR);
	EXPECT_EQ(3, traps(&self->g)->hits[VECTOR]);
}

TEST_F(chips, masked_pin_is_silent_and_status_says_so)
{
	struct vm *vm = &self->g.vm;

	set_entry(vm, 20, VECTOR | MASKED);
	EXPECT_EQ(-1, line(vm, 20, 1));
	EXPECT_EQ(0, run_guest(&self->g, NOTHING));
	EXPECT_EQ(1, line(vm, 20, 0));
	set_entry(vm, 20, VECTOR);
	EXPECT_EQ(1, line(vm, 20, 1));
	EXPECT_EQ(0, line(vm, 20, 1));		/* coalesced */
	EXPECT_EQ(-1, line(vm, 24, 1));		/* nobody there */
	EXPECT_EQ(-1, line(vm, ~0u, 1));
}

TEST_F(chips, nobody_there)
{
	set_entry(&self->g.vm, 20, VECTOR | 5ull << 56);	/* there is no APIC 5 */
	EXPECT_GE(0, line(&self->g.vm, 20, 1));		/* KVM: 0, as if it had coalesced */
	EXPECT_GE(0, msi(&self->g.vm, MSI_TO_0 | 5 << 12, VECTOR));
}

/* 256 indices, each written, read and written through the window by all widths. */
GUEST(sweeps_ioapic, 64,
      "mov $0xfec00000, %edi; xor %esi, %esi;"
      "1: mov %esi, (%rdi); mov 0x10(%rdi), %eax; mov 0x10(%rdi), %ax; mov 0x10(%rdi), %al;"
      "mov 0x10(%rdi), %rax; mov $0x10000, %rax; mov %al, 0x10(%rdi); mov %ax, 0x10(%rdi);"
      "mov %eax, 0x10(%rdi); mov %rax, 0x10(%rdi); "
      "mov %esi, %edx; and $0xf8, %edx; mov %eax, (%rdi,%rdx); mov (%rdi,%rdx), %rax;"
      "inc %esi; cmp $0x100, %esi; jb 1b;"
      "movl $1, (%rdi); mov 0x10(%rdi), %eax; movl $0x31, (%rdi); movl $0xff0055aa, 0x10(%rdi);"
      "xor %ebx, %ebx; movb $0x31, (%rdi); mov 0x10(%rdi), %bx; mov (%rdi), %rcx;"
      "out %al, $0x10; hlt");

TEST_F(chips, every_register_at_every_width)
{
	struct kvm_regs regs;
	u32 pin;

	guest_code(&self->g, sweeps_ioapic, sweeps_ioapic_end - sweeps_ioapic);
	jump_to(&self->g.cpu, GUEST_CODE);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&self->g.cpu));
	regs = get_regs(&self->g.cpu);
	EXPECT_EQ(0x00170011, (u32)regs.rax);
	EXPECT_EQ(0x55aa, regs.rbx);
	EXPECT_EQ(0x31, regs.rcx);		/* eight bytes: zero-extended */
	for (pin = 0; pin < 24; pin++)
		EXPECT_EQ(MASKED, (u32)entry(&self->g.vm, pin)) TH_LOG("pin %u", pin);
}

/* The indices without a register: EDX is all that was read there. */
GUEST(beyond_ioapic, 64,
      "mov $0xfec00000, %edi; mov $-1, %edx; mov $3, %esi;"
      "1: mov %esi, (%rdi); and 0x10(%rdi), %edx; movl $0x10099, 0x10(%rdi); inc %esi;"
      "cmp $0x10, %esi; jne 2f; mov $0x40, %esi; 2: cmp $0x100, %esi; jne 1b;"
      "out %al, $0x10; mov 0x100(%rdi), %eax; hlt");

/* Class 28, CVE-2013-1798. Guards: the bounds in read_window(), write_entry(), mkvm_chips_mmio(). */
TEST_F(chips, ioapic_registers_that_are_not_there)
{
	u32 pin;

	for (pin = 0; pin < 24; pin++)
		set_entry(&self->g.vm, pin, MASKED | (0x40 + pin) | 3ull << 56);
	guest_code(&self->g, beyond_ioapic, beyond_ioapic_end - beyond_ioapic);
	jump_to(&self->g.cpu, GUEST_CODE);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&self->g.cpu));
	EXPECT_EQ(0xffffffff, get_regs(&self->g.cpu).rdx);
	for (pin = 0; pin < 24; pin++)
		EXPECT_EQ(MASKED | (0x40 + pin) | 3ull << 56, entry(&self->g.vm, pin));
	EXPECT_EQ(KVM_EXIT_MMIO, guest_run(&self->g.cpu));
}

static void fill(void *data, size_t len, u32 *seed)
{
	for (u8 *p = data; len--; p++)
		*p = (*seed = *seed * 1664525 + 1013904223) >> 24;
}

/* Class 28: states that no guest could bring about; the guard of the id is in mkvm_set_irqchip(). */
TEST_F(chips, any_state_can_be_set)
{
	struct vm *vm = &self->g.vm;
	struct kvm_irqchip chip;
	u32 seed = 28, i;

	for (i = 0; i < 300; i++) {
		fill(&chip, sizeof(chip), &seed);
		chip.chip_id = i % 3;
		if (i % 3 == 2)		/* no NMIs, INITs and SMIs for the guest */
			for (u32 pin = 0; pin < 24; pin++)
				chip.chip.ioapic.redirtbl[pin].bits &= ~0x700ull;
		ASSERT_EQ(0, kvm(vm->fd, KVM_SET_IRQCHIP, &chip));
		line(vm, seed >> 27, seed & 1);
	}
	chip.chip_id = 3;
	EXPECT_EQ(-EINVAL, kvm(vm->fd, KVM_SET_IRQCHIP, &chip));
	EXPECT_EQ(-EINVAL, kvm(vm->fd, KVM_GET_IRQCHIP, &chip));
}

TEST_F(chips, state_comes_back)
{
	struct vm *vm = &self->g.vm;
	struct kvm_irqchip before[3], after;
	u32 id;

	set_up_pics(vm, 0);
	set_entry(vm, 20, VECTOR | LEVEL);
	set_entry(vm, 21, 0x52 | MASKED | 0xffull << 56);
	line(vm, 20, 1);
	line(vm, 3, 1);
	EXPECT_EQ(2, run_guest(&self->g, NOTHING));
	for (id = 0; id < 3; id++)
		before[id] = get_chip(vm, id);
	EXPECT_EQ(8, before[0].chip.pic.isr);
	for (id = 0; id < 3; id++)
		set_chip(vm, &before[id]);
	for (id = 0; id < 3; id++) {
		after = get_chip(vm, id);
		EXPECT_EQ(0, memcmp(&before[id], &after, sizeof(after))) TH_LOG("chip %u", id);
	}
}

/* Class 13. The guards are memset() in mkvm_get_irqchip() and kzalloc() in mkvm_arg_in(). */
TEST_F(chips, reserved_bytes_of_the_chips_are_zero)
{
	struct kvm_pit_config config = { .flags = 0 };
	struct kvm_pit_state2 pit;
	struct kvm_irqchip chip;
	size_t i;

	memset(&chip, 0xa5, sizeof(chip));
	chip.chip_id = 0;
	ASSERT_EQ(0, kvm(self->g.vm.fd, KVM_GET_IRQCHIP, &chip));
	if (!on_stock_kvm())
		for (i = sizeof(chip.chip.pic); i < sizeof(chip.chip.dummy); i++)
			ASSERT_EQ(0, chip.chip.dummy[i]) TH_LOG("%zu", i);
	ASSERT_EQ(0, kvm(self->g.vm.fd, KVM_CREATE_PIT2, &config));
	memset(&pit, 0xa5, sizeof(pit));
	ASSERT_EQ(0, kvm(self->g.vm.fd, KVM_GET_PIT2, &pit));
	for (i = 0; i < sizeof(pit.reserved) / sizeof(pit.reserved[0]); i++)
		EXPECT_EQ(0, pit.reserved[i]);
}

/* ---- 8259 pair ---- */

TEST_F(chips, extint_through_lint0)
{
	struct vm *vm = &self->g.vm;

	set_up_pics(vm, 0);
	EXPECT_LT(0, line(vm, 3, 1));
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(1, traps(&self->g)->hits[0x33]);
	line(vm, 4, 1);				/* lower: waits for the EOI */
	EXPECT_EQ(0, run_guest(&self->g, NOTHING));
	line(vm, 1, 1);				/* higher: does not */
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(0x31, traps(&self->g)->vector);
	EXPECT_EQ(0, run_guest(&self->g, PIC_EOI));
	EXPECT_EQ(1, run_guest(&self->g, PIC_EOI));
	EXPECT_EQ(0x34, traps(&self->g)->vector);
	line(vm, 12, 1);			/* the secondary, on 2: before 4 */
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(0x3c, traps(&self->g)->vector);
}

GUEST(halts, 64, ENABLE_LAPIC "sti; 1: hlt; out %al, $0x10; jmp 1b");

static void *pulse_later(void *arg)
{
	usleep(50000);
	line(arg, 5, 1);
	return NULL;
}

TEST_F(chips, extint_wakes_a_halted_vcpu)
{
	pthread_t thread;

	set_up_pics(&self->g.vm, 0);
	guest_code(&self->g, halts, halts_end - halts);
	jump_to(&self->g.cpu, GUEST_CODE);
	ASSERT_EQ(0, pthread_create(&thread, NULL, pulse_later, &self->g.vm));
	EXPECT_EQ(KVM_EXIT_IO, guest_run(&self->g.cpu));
	EXPECT_EQ(0x35, traps(&self->g)->vector);
	pthread_join(thread, NULL);
}

/* ---- 8254 ---- */

static int create_pit(struct vm *vm, u32 flags)
{
	struct kvm_pit_config config = { .flags = flags };

	return kvm(vm->fd, KVM_CREATE_PIT2, &config);
}

/* Channel 0, mode 2, 1 kHz; then takes RCX ticks. */
#define PROGRAM_PIT "mov $0x34, %al; out %al, $0x43; mov $0xa9, %al; out %al, $0x40;" \
		    "mov $0x04, %al; out %al, $0x40; mov $10, %ecx;"
/* Not by HLT: TCG forgets the shadow of STI, and a tick before the HLT would be the last. */
#define AWAIT_TICK	"mov " ARG(GUEST_TRAPS) ", %ebx; sti; 2: pause; cmp " ARG(GUEST_TRAPS) \
			", %ebx; je 2b; cli;"
GUEST(ticks_by_pic, 64, ENABLE_LAPIC PROGRAM_PIT
      "1:" AWAIT_TICK "mov $0x20, %al; out %al, $0x20; loop 1b; out %al, $0x10; hlt");
GUEST(ticks_by_ioapic, 64, ENABLE_LAPIC PROGRAM_PIT
      "1:" AWAIT_TICK "movl $0, 0xb0(%rbp); loop 1b; out %al, $0x10; hlt");

TEST_F(chips, pit_ticks_through_the_pic)
{
	ASSERT_EQ(0, create_pit(&self->g.vm, 0));
	EXPECT_EQ(-EEXIST, create_pit(&self->g.vm, 0));
	set_up_pics(&self->g.vm, 0);
	guest_code(&self->g, ticks_by_pic, ticks_by_pic_end - ticks_by_pic);
	jump_to(&self->g.cpu, GUEST_CODE);
	EXPECT_EQ(KVM_EXIT_IO, guest_run(&self->g.cpu));
	EXPECT_EQ(10, traps(&self->g)->hits[0x30]);
	EXPECT_EQ(10, traps(&self->g)->count);
}

/* As QEMU and every board wire it: IRQ 0 to pin 2. */
TEST_F(chips, pit_ticks_through_pin_2)
{
	ASSERT_EQ(0, create_pit(&self->g.vm, 0));
	ASSERT_EQ(0, route1(&self->g.vm, to_pin(0, KVM_IRQCHIP_IOAPIC, 2)));
	set_entry(&self->g.vm, 2, VECTOR);
	guest_code(&self->g, ticks_by_ioapic, ticks_by_ioapic_end - ticks_by_ioapic);
	jump_to(&self->g.cpu, GUEST_CODE);
	EXPECT_EQ(KVM_EXIT_IO, guest_run(&self->g.cpu));
	EXPECT_EQ(10, traps(&self->g)->hits[VECTOR]);
}

GUEST(reads_pit, 64,
      "mov $0xb0, %al; out %al, $0x43; mov $0xff, %al; out %al, $0x42; out %al, $0x42;"
      "mov $1, %al; out %al, $0x61; mov $0x80, %al; out %al, $0x43; in $0x42, %al; in $0x42, %al;"
      "in $0x43, %al; mov %al, %bl; in $0x61, %al; out %al, $0x10; hlt");

TEST_F(chips, pit_state)
{
	struct kvm_reinject_control control = { .pit_reinject = 0 };
	struct kvm_pit_state2 s = { .flags = 0 }, again;
	struct vm *vm = &self->g.vm;

	EXPECT_EQ(-ENXIO, kvm(vm->fd, KVM_GET_PIT2, &s));
	EXPECT_EQ(-ENXIO, kvm(vm->fd, KVM_SET_PIT2, &s));
	EXPECT_EQ(-ENXIO, kvm(vm->fd, KVM_REINJECT_CONTROL, &control));
	ASSERT_EQ(0, create_pit(vm, KVM_PIT_SPEAKER_DUMMY));
	EXPECT_EQ(0, kvm(vm->fd, KVM_REINJECT_CONTROL, &control));
	guest_code(&self->g, reads_pit, reads_pit_end - reads_pit);
	jump_to(&self->g.cpu, GUEST_CODE);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&self->g.cpu));
	EXPECT_EQ(1, get_regs(&self->g.cpu).rax & 3);	/* the gate is on */
	if (!on_stock_kvm())	/* nothing: what was in its buffer */
		EXPECT_EQ(0xff, get_regs(&self->g.cpu).rbx & 0xff);
	ASSERT_EQ(0, kvm(vm->fd, KVM_GET_PIT2, &s));
	EXPECT_EQ(0xffff, s.channels[2].count);
	EXPECT_EQ(0, s.channels[2].mode);
	EXPECT_EQ(1, s.channels[2].gate);
	s.flags = KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	s.channels[0] = s.channels[2];
	s.channels[0].mode = 3;
	ASSERT_EQ(0, kvm(vm->fd, KVM_SET_PIT2, &s));
	ASSERT_EQ(0, kvm(vm->fd, KVM_GET_PIT2, &again));
	for (int i = 0; i < 3; i++)
		again.channels[i].count_load_time = s.channels[i].count_load_time;
	EXPECT_EQ(0, memcmp(&s, &again, sizeof(s)));
}

/* Class 29, CVE-2015-7513: the timer would divide by it. The guard is set_channel() in pit.c. */
TEST_F(chips, pit_counts_of_zero)
{
	struct kvm_pit_state2 s;
	struct vm *vm = &self->g.vm;
	u32 seed = 29, mode, i;

	ASSERT_EQ(0, create_pit(vm, 0));
	for (mode = 0; mode < 8; mode++) {
		memset(&s, 0, sizeof(s));
		for (i = 0; i < 3; i++)
			s.channels[i] = (struct kvm_pit_channel_state){
				.mode = mode, .gate = 1, .rw_mode = 3, .count = 0,
			};
		ASSERT_EQ(0, kvm(vm->fd, KVM_SET_PIT2, &s));
		usleep(1000);
		ASSERT_EQ(0, kvm(vm->fd, KVM_GET_PIT2, &s));
	}
	for (i = 0; i < 40; i++) {
		fill(&s, sizeof(s), &seed);
		s.channels[0].count %= 5;
		ASSERT_EQ(0, kvm(vm->fd, KVM_SET_PIT2, &s));
		usleep(500);
	}
	EXPECT_EQ(0, run_guest(&self->g, NOTHING));
}

/* STI: see ring_for_ever in eventfd.c. */
GUEST(programs_pit, 64,
      "sti; 1: inc %esi; mov %esi, %eax; shr $3, %eax; out %al, $0x43; out %al, $0x40;"
      "out %al, $0x40; in $0x40, %al; out %al, $0x42; in $0x42, %al; jmp 1b");

/*
 * Class 29, CVE-2014-3611: two vCPUs at the same channels, and the timer; counts of 0 are among
 * theirs. The guards are write_count()'s on 0 in pit.c, and board->lock.
 */
TEST_F(chips, two_vcpus_program_the_pit)
{
	struct guest_thread t[2];
	struct kvm_mp_state mp = { KVM_MP_STATE_RUNNABLE };
	struct kvm_pit_state2 s;
	struct vcpu other;
	int i;

	ASSERT_EQ(0, create_pit(&self->g.vm, 0));
	vcpu_create(&other, &self->g.vm, 1);
	ASSERT_EQ(0, kvm(other.fd, KVM_SET_MP_STATE, &mp));
	set_long_mode(&other);
	guest_code(&self->g, programs_pit, programs_pit_end - programs_pit);
	jump_to(&self->g.cpu, GUEST_CODE);
	jump_to(&other, GUEST_CODE);
	start_thread(&t[0], &self->g.cpu);
	start_thread(&t[1], &other);
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, kvm(self->g.vm.fd, KVM_GET_PIT2, &s));
		ASSERT_EQ(0, kvm(self->g.vm.fd, KVM_SET_PIT2, &s));
		usleep(1000);
	}
	EXPECT_TRUE(stop_thread(&t[0]));
	EXPECT_TRUE(stop_thread(&t[1]));
	vcpu_close(&other);
}

/* ---- MSIs and routes ---- */

TEST_F(chips, msi_goes_to_its_apic)
{
	struct kvm_msi bad = { .address_lo = MSI_TO_0, .data = VECTOR, .flags = 2 };

	EXPECT_EQ(1, msi(&self->g.vm, MSI_TO_0, VECTOR));
	EXPECT_EQ(on_stock_kvm(), msi(&self->g.vm, MSI_TO_0, VECTOR));	/* coalesced */
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(1, traps(&self->g)->hits[VECTOR]);
	EXPECT_EQ(-EINVAL, kvm(self->g.vm.fd, KVM_SIGNAL_MSI, &bad));
}

TEST_F(chips, routes_change)
{
	struct kvm_irq_routing_entry both[2] = {
		to_pin(5, KVM_IRQCHIP_IOAPIC, 7), to_pin(5, KVM_IRQCHIP_PIC_SLAVE, 1),
	};
	struct vm *vm = &self->g.vm;

	set_up_pics(vm, 0);
	set_entry(vm, 5, 0x51);
	set_entry(vm, 7, 0x57);
	ASSERT_EQ(0, route(vm, 2, both));
	line(vm, 5, 1);
	EXPECT_EQ(2, run_guest(&self->g, NOTHING));
	EXPECT_EQ(1, traps(&self->g)->hits[0x57]);
	EXPECT_EQ(1, traps(&self->g)->hits[0x39]);
	EXPECT_EQ(0, traps(&self->g)->hits[0x51]);
	EXPECT_EQ(-1, line(vm, 7, 1));		/* has no route any more */
	ASSERT_EQ(0, route1(vm, to_msi(4095, MSI_TO_0, VECTOR)));
	EXPECT_EQ(0, run_guest(&self->g, PIC_EOI));
	EXPECT_EQ(0, run_guest(&self->g, LAPIC_EOI));
	EXPECT_EQ(1, line(vm, 4095, 1));
	EXPECT_EQ(-1, line(vm, 4095, 0));
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(1, traps(&self->g)->hits[VECTOR]);
	ASSERT_EQ(0, route(vm, 0, NULL));
	EXPECT_EQ(-1, line(vm, 5, 1));
}

/* Class 30, CVE-2012-2137. The guards are in add_route() and mkvm_find_route(). */
TEST_F(chips, impossible_routes)
{
	static struct kvm_irq_routing_entry many[4097];
	struct kvm_irq_routing_entry two[2];
	struct vm *vm = &self->g.vm;
	u32 i;

	EXPECT_EQ(4096, cap(vm->fd, KVM_CAP_IRQ_ROUTING));
	for (i = 0; i < 4097; i++)
		many[i] = to_msi(i, MSI_TO_0, VECTOR);
	EXPECT_EQ(0, route(vm, 4096, many));
	EXPECT_EQ(-EINVAL, route(vm, 4097, many));
	many[0] = to_pin(0, KVM_IRQCHIP_IOAPIC, 1);	/* all of them possible, but one too many */
	many[4096] = to_pin(0, KVM_IRQCHIP_PIC_MASTER, 1);
	EXPECT_EQ(-EINVAL, route(vm, 4097, many));
	EXPECT_EQ(-EINVAL, route1(vm, to_msi(4096, 0, 0)));
	EXPECT_EQ(-EINVAL, route1(vm, to_msi(1u << 31, 0, 0)));
	EXPECT_EQ(-EINVAL, route1(vm, to_msi(~0u, 0, 0)));
	EXPECT_EQ(-EINVAL, route1(vm, to_pin(0, KVM_IRQCHIP_IOAPIC, 24)));
	EXPECT_EQ(-EINVAL, route1(vm, to_pin(0, KVM_IRQCHIP_IOAPIC, ~0u)));
	EXPECT_EQ(-EINVAL, route1(vm, to_pin(0, KVM_IRQCHIP_PIC_MASTER, 8)));
	EXPECT_EQ(-EINVAL, route1(vm, to_pin(0, 3, 0)));
	EXPECT_EQ(-EINVAL, route1(vm, to_pin(0, ~0u, 0)));
	two[0] = two[1] = to_pin(1, KVM_IRQCHIP_IOAPIC, 1);
	EXPECT_EQ(-EINVAL, route(vm, 2, two));
	two[1] = to_msi(1, MSI_TO_0, VECTOR);
	EXPECT_EQ(-EINVAL, route(vm, 2, two));
	two[0] = two[1];
	EXPECT_EQ(-EINVAL, route(vm, 2, two));
	two[0].type = 77;
	EXPECT_EQ(-EINVAL, route(vm, 1, two));
	two[1].flags = 2;
	EXPECT_EQ(-EINVAL, route(vm, 1, two + 1));
	EXPECT_EQ(1, line(vm, 77, 1));		/* none of these changed anything */
	EXPECT_EQ(-1, line(vm, 4096, 1));
	EXPECT_EQ(-1, line(vm, ~0u, 1));
}

static int no_irqchip(struct vm *vm)
{
	(void)vm;
	return 0;
}

/* Class 27. The guard is each request's look at vm->irqchip, in route.c, eventfd.c, chips.c. */
TEST(without_an_irqchip)
{
	struct kvm_irqchip chip = { .chip_id = 0 };
	struct kvm_irqfd irqfd = { .gsi = 1 };
	struct guest g;

	irqfd.fd = new_eventfd();
	start(&g, no_irqchip, takes_interrupts, takes_interrupts_end - takes_interrupts);
	EXPECT_EQ(-ENXIO, line(&g.vm, 1, 1));
	EXPECT_EQ(-EINVAL, msi(&g.vm, MSI_TO_0, VECTOR));
	EXPECT_EQ(-EINVAL, route1(&g.vm, to_msi(1, 0, 0)));
	EXPECT_EQ(-EINVAL, kvm(g.vm.fd, KVM_IRQFD, &irqfd));
	EXPECT_EQ(-ENXIO, kvm(g.vm.fd, KVM_GET_IRQCHIP, &chip));
	EXPECT_EQ(-ENXIO, kvm(g.vm.fd, KVM_SET_IRQCHIP, &chip));
	close(irqfd.fd);
}

/* ---- split irqchip ---- */

TEST(split_irqchip_leaves_level_eois_to_userspace)
{
	struct kvm_regs regs;
	struct guest g;

	start(&g, split_irqchip, takes_interrupts, takes_interrupts_end - takes_interrupts);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(-EINVAL, route1(&g.vm, to_pin(0, KVM_IRQCHIP_IOAPIC, 1)));
	ASSERT_EQ(0, route1(&g.vm, to_msi(7, MSI_TO_0, VECTOR | LEVEL | 1 << 14)));
	EXPECT_EQ(1, line(&g.vm, 7, 1));
	EXPECT_EQ(1, run_guest(&g, NOTHING));
	regs = get_regs(&g.cpu);
	regs.rbx = LAPIC_EOI;
	set_regs(&g.cpu, &regs);
	ASSERT_EQ(KVM_EXIT_IOAPIC_EOI, guest_run(&g.cpu));
	EXPECT_EQ(VECTOR, g.cpu.run->eoi.vector);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	/* An edge's EOI, and one for a GSI that is no pin of an I/O APIC, concern nobody. */
	ASSERT_EQ(0, route1(&g.vm, to_msi(30, MSI_TO_0, VECTOR | LEVEL | 1 << 14)));
	EXPECT_EQ(1, line(&g.vm, 30, 1));
	EXPECT_EQ(1, run_guest(&g, NOTHING));
	EXPECT_EQ(0, run_guest(&g, LAPIC_EOI));
	EXPECT_EQ(1, msi(&g.vm, MSI_TO_0, VECTOR));
	EXPECT_EQ(1, run_guest(&g, NOTHING));
	EXPECT_EQ(0, run_guest(&g, LAPIC_EOI));
}

GUEST(x2apic_level, 64, WARM_UP "mov $0x1b, %ecx; mov $0xfee00d00, %eax; xor %edx, %edx; wrmsr;"
      "mov $0x80f, %ecx;"
      "mov $0x1ff, %eax; wrmsr; out %al, $0x10; sti; nop; nop; cli; out %al, $0x10; mov $0x80b, %ecx;"
      "xor %eax, %eax; wrmsr; out %al, $0x10");

TEST(split_irqchip_and_x2apic)
{
	struct guest g;

	start(&g, split_irqchip, x2apic_level, x2apic_level_end - x2apic_level);
	ASSERT_EQ(0, route1(&g.vm, to_msi(7, MSI_TO_0, VECTOR | LEVEL | 1 << 14)));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(1, line(&g.vm, 7, 1));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(1, traps(&g)->hits[VECTOR]);
	ASSERT_EQ(KVM_EXIT_IOAPIC_EOI, guest_run(&g.cpu));
	EXPECT_EQ(VECTOR, g.cpu.run->eoi.vector);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
}

/* ---- irqfd ---- */

static int irqfd(struct vm *vm, int fd, u32 gsi, u32 flags, int resample)
{
	struct kvm_irqfd args = { .fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resample };

	return kvm(vm->fd, KVM_IRQFD, &args);
}

#define OFF	KVM_IRQFD_FLAG_DEASSIGN
#define RESAMPLE KVM_IRQFD_FLAG_RESAMPLE

TEST_F(chips, irqfd_is_an_edge)
{
	struct vm *vm = &self->g.vm;
	int other = new_eventfd();

	set_entry(vm, 10, VECTOR);
	ASSERT_EQ(0, irqfd(vm, self->fd, 10, 0, 0));
	EXPECT_EQ(-EBUSY, irqfd(vm, self->fd, 11, 0, 0));
	signal_eventfd(self->fd);
	EXPECT_EQ(0, signals(self->fd));	/* nobody else gets it */
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(0, run_guest(&self->g, LAPIC_EOI));
	signal_eventfd(self->fd);
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(0, run_guest(&self->g, LAPIC_EOI));
	EXPECT_EQ(0, irqfd(vm, self->fd, 11, OFF, 0));	/* not that one: nothing happens */
	signal_eventfd(self->fd);
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(0, run_guest(&self->g, LAPIC_EOI));
	ASSERT_EQ(0, irqfd(vm, self->fd, 10, OFF, 0));
	signal_eventfd(self->fd);
	EXPECT_EQ(0, run_guest(&self->g, NOTHING));
	EXPECT_EQ(1, signals(self->fd));
	signal_eventfd(other);			/* before it is assigned */
	ASSERT_EQ(0, irqfd(vm, other, 10, 0, 0));
	usleep(10000);				/* KVM leaves that to a worker */
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	close(other);
}

TEST_F(chips, irqfd_by_msi)
{
	struct vm *vm = &self->g.vm;

	ASSERT_EQ(0, irqfd(vm, self->fd, 40, 0, 0));
	signal_eventfd(self->fd);		/* no route */
	EXPECT_EQ(0, run_guest(&self->g, NOTHING));
	ASSERT_EQ(0, route1(vm, to_msi(40, MSI_TO_0, VECTOR)));
	signal_eventfd(self->fd);
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(1, traps(&self->g)->hits[VECTOR]);
}

TEST_F(chips, irqfd_with_resampling)
{
	struct vm *vm = &self->g.vm;

	set_entry(vm, 10, VECTOR | LEVEL);
	ASSERT_EQ(0, irqfd(vm, self->fd, 10, RESAMPLE, self->resample));
	signal_eventfd(self->fd);
	usleep(10000);
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(0, signals(self->resample));
	EXPECT_EQ(0, run_guest(&self->g, LAPIC_EOI));	/* the line went down */
	EXPECT_EQ(1, signals(self->resample));
	EXPECT_EQ(0, entry(vm, 10) & REMOTE_IRR);
	/* Deassigning lowers the line. */
	signal_eventfd(self->fd);
	usleep(10000);
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	ASSERT_EQ(0, irqfd(vm, self->fd, 10, OFF | RESAMPLE, 0));
	EXPECT_EQ(0, run_guest(&self->g, LAPIC_EOI));
	EXPECT_EQ(0, signals(self->resample));
}

/* Two owners of a line: one end for both, and userspace's own keeps it high. */
TEST_F(chips, resampled_lines_are_shared)
{
	struct vm *vm = &self->g.vm;
	int fd = new_eventfd(), resample = new_eventfd();

	set_entry(vm, 10, VECTOR | LEVEL);
	ASSERT_EQ(0, irqfd(vm, self->fd, 10, RESAMPLE, self->resample));
	ASSERT_EQ(0, irqfd(vm, fd, 10, RESAMPLE, resample));
	signal_eventfd(fd);
	usleep(10000);
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(0, run_guest(&self->g, LAPIC_EOI));
	EXPECT_EQ(1, signals(self->resample));
	EXPECT_EQ(1, signals(resample));
	line(vm, 10, 1);
	signal_eventfd(fd);
	usleep(10000);
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(1, run_guest(&self->g, LAPIC_EOI));
	line(vm, 10, 0);
	EXPECT_EQ(0, run_guest(&self->g, LAPIC_EOI));
	close(fd);
	close(resample);
}

TEST_F(chips, resampling_at_the_pic)
{
	struct kvm_irqchip chip;
	struct vm *vm = &self->g.vm;

	set_up_pics(vm, 0);
	chip = get_chip(vm, 1);
	chip.chip.pic.elcr = 1 << 2;
	set_chip(vm, &chip);
	ASSERT_EQ(0, irqfd(vm, self->fd, 10, RESAMPLE, self->resample));
	signal_eventfd(self->fd);
	usleep(10000);
	EXPECT_EQ(1, run_guest(&self->g, NOTHING));
	EXPECT_EQ(0x3a, traps(&self->g)->vector);
	EXPECT_EQ(0, signals(self->resample));
	EXPECT_EQ(0, run_guest(&self->g, PIC_EOI));
	EXPECT_EQ(1, signals(self->resample));
}

TEST_F(chips, irqfd_errors)
{
	struct vm *vm = &self->g.vm;

	EXPECT_EQ(-EBADF, irqfd(vm, -1, 1, 0, 0));
	EXPECT_EQ(-EINVAL, irqfd(vm, vm->fd, 1, 0, 0));
	EXPECT_EQ(-EINVAL, irqfd(vm, self->fd, 1, 4, 0));
	EXPECT_EQ(-EBADF, irqfd(vm, self->fd, 1, RESAMPLE, -1));
	EXPECT_EQ(-EINVAL, irqfd(vm, self->fd, 1, RESAMPLE, vm->fd));
	EXPECT_EQ(-EBADF, irqfd(vm, -1, 1, OFF, 0));
	/* Class 30: a GSI that cannot be is one without a route; the guard is default_route(). */
	EXPECT_EQ(0, irqfd(vm, self->fd, 1u << 31, 0, 0));
	signal_eventfd(self->fd);
	EXPECT_EQ(0, run_guest(&self->g, NOTHING));
}

static volatile bool stop;

static void *signals_for_ever(void *arg)
{
	while (!stop)
		signal_eventfd(*(int *)arg);
	return NULL;
}

/*
 * Class 31, CVE-2021-47060 and its like: it goes away while it is signalled. The guard is that
 * irqfd_shut_down() leaves the eventfd's queue and waits.
 */
TEST_F(chips, irqfd_comes_and_goes_while_it_is_signalled)
{
	struct vm *vm = &self->g.vm;
	pthread_t thread;
	int i;

	set_entry(vm, 10, VECTOR | LEVEL);
	stop = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, signals_for_ever, &self->fd));
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, irqfd(vm, self->fd, 10, i & 1 ? RESAMPLE : 0, self->resample));
		run_guest(&self->g, LAPIC_EOI);
		ASSERT_EQ(0, irqfd(vm, self->fd, 10, OFF, 0));
		signals(self->fd);
	}
	stop = true;
	pthread_join(thread, NULL);
}

/* Class 31: the last file of the eventfd is closed, or the VM's. Guard: mkvm_irqfds_free() waits. */
TEST_F(chips, irqfd_whose_end_is_a_close)
{
	struct vm vm;
	int i, fd;

	for (i = 0; i < 24; i++) {
		fd = new_eventfd();
		ASSERT_EQ(0, irqfd(&self->g.vm, fd, 10, i & 1 ? RESAMPLE : 0, self->resample));
		signal_eventfd(fd);
		close(fd);
		vm_create_bare(&vm);
		ASSERT_EQ(0, kernel_irqchip(&vm));
		ASSERT_EQ(0, create_pit(&vm, 0));
		fd = new_eventfd();
		ASSERT_EQ(0, irqfd(&vm, fd, 10, i & 1 ? RESAMPLE : 0, self->resample));
		signal_eventfd(fd);
		if (i & 2)
			close(fd);
		close(vm.fd);
		if (!(i & 2))
			close(fd);
	}
}

/* Class 31, CVE-2020-36312: the guards are the puts on each way out of eventfd.c. */
TEST_F(chips, irqfds_let_go_of_their_eventfds)
{
	struct vm *vm = &self->g.vm;
	int id = next_eventfd_id(), i, fd, resample;

	if (id < 0)
		SKIP(return, "eventfds have no numbers");
	for (i = 0; i < 8; i++) {
		fd = new_eventfd();
		resample = new_eventfd();
		EXPECT_EQ(-EBADF, irqfd(vm, fd, 10, RESAMPLE, -1));
		EXPECT_EQ(0, irqfd(vm, fd, 10, RESAMPLE, resample));
		EXPECT_EQ(-EBUSY, irqfd(vm, fd, 11, RESAMPLE, resample));
		EXPECT_EQ(-EBUSY, irqfd(vm, fd, 11, 0, 0));
		if (i & 1)	/* else the close ends it */
			EXPECT_EQ(0, irqfd(vm, fd, 10, OFF, 0));
		close(fd);
		close(resample);
	}
	for (i = 0; i < 500 && next_eventfd_id() != id; i++)
		usleep(10000);
	EXPECT_EQ(id, next_eventfd_id());
}

/*
 * Class 36, CVE-2024-26976: killed with a timer armed, irqfds assigned, a vCPU in the guest. The
 * guard is hrtimer_cancel() in mkvm_board_free().
 */
TEST(killed_at_any_time)
{
	struct guest g;
	pid_t pid;
	int i, fd;

	for (i = 0; i < 20; i++) {
		pid = fork();
		if (!pid) {
			start(&g, kernel_irqchip, ticks_by_pic, ticks_by_pic_end - ticks_by_pic);
			create_pit(&g.vm, 0);
			if (i & 1)
				set_up_pics(&g.vm, 0);
			fd = new_eventfd();
			irqfd(&g.vm, fd, 10, 0, 0);
			signal_eventfd(fd);
			vcpu_run(&g.cpu);
			pause();
		}
		usleep(3000 + 1000 * i);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	}
}

GUEST(lonely_pit, 64, "mov $0x34, %al; out %al, $0x43; out %al, $0x10");

/* It needs none: its ports are the kernel's, and its ticks go nowhere. */
TEST(pit_without_an_irqchip)
{
	struct kvm_pit_config config = { 0 };
	struct guest g;

	guest_long(&g, lonely_pit);
	ASSERT_EQ(0, kvm(g.vm.fd, KVM_CREATE_PIT2, &config));
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_EQ(0x10, g.cpu.run->io.port);
}

TEST_HARNESS_MAIN
