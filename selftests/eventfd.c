// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfds and coalesced accesses: what the guest writes there never reaches
 * userspace as an exit.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "eventfds.h"
#include "thread.h"

#define PORT	0x7070
#define DOORBELL (GUEST_MMIO + 0x40)

static int ioeventfd(struct vm *vm, int fd, u64 addr, u32 len, u32 flags, u64 match)
{
	struct kvm_ioeventfd args = {
		.addr = addr, .len = len, .fd = fd, .flags = flags, .datamatch = match,
	};

	return kvm(vm->fd, KVM_IOEVENTFD, &args);
}

#define PIO	KVM_IOEVENTFD_FLAG_PIO
#define MATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define OFF	KVM_IOEVENTFD_FLAG_DEASSIGN

/* RDI: an MMIO address, RDX: a port, RAX: the value; then in reads what is there. */
GUEST(writes, 64,
      "mov %al, (%rdi); mov %ax, (%rdi); mov %eax, (%rdi); mov %rax, (%rdi);"
      "out %al, %dx; out %ax, %dx; out %eax, %dx; hlt");

FIXTURE(doorbell) {
	struct guest g;
	int fd;
};

FIXTURE_SETUP(doorbell)
{
	watchdog();
	guest_long(&self->g, writes);
	self->fd = new_eventfd();
}

FIXTURE_TEARDOWN(doorbell)
{
	guest_close(&self->g);
	close(self->fd);
}

/* Runs `writes` with this value; which of its seven accesses came to userspace, as bits. */
static u32 writes_seen(struct guest *g, u64 value)
{
	struct kvm_run *run = g->cpu.run;
	struct kvm_regs regs;
	u32 seen = 0;

	jump_to(&g->cpu, GUEST_CODE);
	regs = get_regs(&g->cpu);
	regs.rdi = DOORBELL;
	regs.rdx = PORT;
	regs.rax = value;
	set_regs(&g->cpu, &regs);
	for (;;) {
		switch (guest_run(&g->cpu)) {
		case KVM_EXIT_MMIO:
			seen |= run->mmio.len;		/* 1, 2, 4 and 8 */
			break;
		case KVM_EXIT_IO:
			seen |= run->io.size << 4;	/* 0x10, 0x20, 0x40 */
			break;
		default:
			return seen;
		}
	}
}

TEST_F(doorbell, each_length)
{
	u32 len;

	EXPECT_EQ(0x7f, writes_seen(&self->g, 5));
	for (len = 1; len <= 8; len *= 2) {
		ASSERT_EQ(0, ioeventfd(&self->g.vm, self->fd, DOORBELL, len, 0, 0));
		EXPECT_EQ(0x7f & ~len, writes_seen(&self->g, 5));
		EXPECT_EQ(1, signals(self->fd));
		ASSERT_EQ(0, ioeventfd(&self->g.vm, self->fd, DOORBELL, len, OFF, 0));
	}
	for (len = 1; len <= 4; len *= 2) {
		ASSERT_EQ(0, ioeventfd(&self->g.vm, self->fd, PORT, len, PIO, 0));
		EXPECT_EQ(0x7f & ~(len << 4), writes_seen(&self->g, 5));
		EXPECT_EQ(1, signals(self->fd));
		ASSERT_EQ(0, ioeventfd(&self->g.vm, self->fd, PORT, len, PIO | OFF, 0));
	}
	EXPECT_EQ(0x7f, writes_seen(&self->g, 5));
	EXPECT_EQ(0, signals(self->fd));
}

TEST_F(doorbell, length_0_is_any)
{
	ASSERT_EQ(0, ioeventfd(&self->g.vm, self->fd, DOORBELL, 0, 0, 0));
	EXPECT_EQ(0x70, writes_seen(&self->g, 5));
	EXPECT_EQ(4, signals(self->fd));
	ASSERT_EQ(0, ioeventfd(&self->g.vm, self->fd, PORT, 0, PIO, 0));
	EXPECT_EQ(0, writes_seen(&self->g, 5));
	EXPECT_EQ(7, signals(self->fd));
}

TEST_F(doorbell, datamatch_compares_the_bytes_written)
{
	int other = new_eventfd();

	ASSERT_EQ(0, ioeventfd(&self->g.vm, self->fd, DOORBELL, 2, MATCH, 0x3344));
	ASSERT_EQ(0, ioeventfd(&self->g.vm, other, DOORBELL, 2, MATCH, 0x3345));
	ASSERT_EQ(0, ioeventfd(&self->g.vm, self->fd, PORT, 4, PIO | MATCH, 0x11223344));
	EXPECT_EQ(0x7f & ~0x42, writes_seen(&self->g, 0x11223344));
	EXPECT_EQ(2, signals(self->fd));
	EXPECT_EQ(0, signals(other));
	EXPECT_EQ(0x7f & ~0x02, writes_seen(&self->g, 0xff3345));
	EXPECT_EQ(0, signals(self->fd));
	EXPECT_EQ(1, signals(other));
	EXPECT_EQ(0x7f, writes_seen(&self->g, 0x3346));
	close(other);
}

GUEST(load_and_in, 64, "mov (%rdi), %eax; mov $0x7070, %edx; in %dx, %eax; hlt");

TEST_F(doorbell, reads_go_to_userspace)
{
	struct kvm_regs regs;

	ASSERT_EQ(0, ioeventfd(&self->g.vm, self->fd, DOORBELL, 0, 0, 0));
	ASSERT_EQ(0, ioeventfd(&self->g.vm, self->fd, PORT, 4, PIO, 0));
	guest_code(&self->g, load_and_in, load_and_in_end - load_and_in);
	jump_to(&self->g.cpu, GUEST_CODE);
	regs = get_regs(&self->g.cpu);
	regs.rdi = DOORBELL;
	set_regs(&self->g.cpu, &regs);
	EXPECT_EQ(KVM_EXIT_MMIO, guest_run(&self->g.cpu));
	EXPECT_EQ(KVM_EXIT_IO, guest_run(&self->g.cpu));
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&self->g.cpu));
	EXPECT_EQ(0, signals(self->fd));
}

GUEST(outs, 64, "cld; mov $7, %ecx; rep outsb; hlt");

TEST_F(doorbell, string_writes_ring_it_for_each_item)
{
	struct kvm_regs regs;

	ASSERT_EQ(0, ioeventfd(&self->g.vm, self->fd, PORT, 1, PIO, 0));
	guest_code(&self->g, outs, outs_end - outs);
	jump_to(&self->g.cpu, GUEST_CODE);
	regs = get_regs(&self->g.cpu);
	regs.rsi = GUEST_DATA;
	regs.rdx = PORT;
	set_regs(&self->g.cpu, &regs);
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&self->g.cpu));
	EXPECT_EQ(7, signals(self->fd));
	EXPECT_EQ(GUEST_DATA + 7, get_regs(&self->g.cpu).rsi);
}

TEST_F(doorbell, errors_are_kvms)
{
	struct vm *vm = &self->g.vm;
	int pipes[2];

	EXPECT_EQ(-EINVAL, ioeventfd(vm, self->fd, DOORBELL, 3, 0, 0));
	EXPECT_EQ(-EINVAL, ioeventfd(vm, self->fd, DOORBELL, 16, 0, 0));
	EXPECT_EQ(-EINVAL, ioeventfd(vm, self->fd, -1ull, 2, 0, 0));
	EXPECT_EQ(-EINVAL, ioeventfd(vm, self->fd, DOORBELL, 2, 1 << 8, 0));
	EXPECT_EQ(-EINVAL, ioeventfd(vm, self->fd, DOORBELL, 0, MATCH, 0));
	EXPECT_EQ(-EBADF, ioeventfd(vm, -1, DOORBELL, 2, 0, 0));
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EINVAL, ioeventfd(vm, pipes[0], DOORBELL, 2, 0, 0));
	EXPECT_EQ(0, ioeventfd(vm, self->fd, DOORBELL, 2, MATCH, 1));
	EXPECT_EQ(0, ioeventfd(vm, self->fd, DOORBELL, 2, MATCH, 2));
	EXPECT_EQ(0, ioeventfd(vm, self->fd, DOORBELL, 4, 0, 0));
	EXPECT_EQ(-EEXIST, ioeventfd(vm, self->fd, DOORBELL, 2, MATCH, 1));
	EXPECT_EQ(-EEXIST, ioeventfd(vm, self->fd, DOORBELL, 2, 0, 0));
	EXPECT_EQ(-EEXIST, ioeventfd(vm, self->fd, DOORBELL, 0, 0, 0));
	EXPECT_EQ(-ENOENT, ioeventfd(vm, self->fd, DOORBELL, 2, OFF | MATCH, 3));
	EXPECT_EQ(-ENOENT, ioeventfd(vm, self->fd, DOORBELL, 2, OFF, 0));
	EXPECT_EQ(-ENOENT, ioeventfd(vm, self->fd, DOORBELL, 4, OFF | PIO, 0));
	EXPECT_EQ(0, ioeventfd(vm, self->fd, DOORBELL, 2, OFF | MATCH, 2));
	EXPECT_EQ(-ENOENT, ioeventfd(vm, self->fd, DOORBELL, 2, OFF | MATCH, 2));
	close(pipes[0]);
	close(pipes[1]);
}

/* Memory that is put over a doorbell wins. */
TEST_F(doorbell, memory_is_before_doorbells)
{
	void *memory = map_anon(PAGE);

	ASSERT_EQ(0, ioeventfd(&self->g.vm, self->fd, DOORBELL, 0, 0, 0));
	ASSERT_EQ(0, vm_slot(&self->g.vm, 1, 0, GUEST_MMIO, PAGE, memory));
	EXPECT_EQ(0x70, writes_seen(&self->g, 0x77));
	EXPECT_EQ(0, signals(self->fd));
	EXPECT_EQ(0x77, *(u64 *)((u8 *)memory + DOORBELL - GUEST_MMIO));
}

/* STI: else Bochs has no interrupts for the host, as long as the guest exits all the time. */
GUEST(ring_for_ever, 64, "sti; 1: mov %ax, (%rdi); out %ax, %dx; jmp 1b");

/*
 * Class 31, CVE-2021-47060 and its like: the doorbell goes away while it is rung. The guard is
 * that publish() in bus.c waits for those who use the old array.
 */
TEST_F(doorbell, assigned_and_deassigned_while_the_guest_rings)
{
	struct guest_thread t;
	struct kvm_regs regs;
	u64 rings = 0;
	int i, fd;

	guest_code(&self->g, ring_for_ever, ring_for_ever_end - ring_for_ever);
	regs = get_regs(&self->g.cpu);
	regs.rdi = DOORBELL;
	regs.rdx = PORT;
	set_regs(&self->g.cpu, &regs);
	/* Without these two every access would be an exit. */
	ASSERT_EQ(0, ioeventfd(&self->g.vm, self->fd, PORT, 2, PIO, 0));
	start_thread(&t, &self->g.cpu);
	for (i = 0; i < 24; i++) {
		fd = new_eventfd();
		ASSERT_EQ(0, ioeventfd(&self->g.vm, fd, DOORBELL, i & 2, 0, 0));
		ASSERT_EQ(0, ioeventfd(&self->g.vm, fd, DOORBELL + 8, 0, 0, 0));
		ASSERT_EQ(0, ioeventfd(&self->g.vm, fd, DOORBELL, i & 2, OFF, 0));
		ASSERT_EQ(0, ioeventfd(&self->g.vm, fd, DOORBELL + 8, 0, OFF, 0));
		rings += signals(fd);
		EXPECT_EQ(0, signals(fd));	/* nothing after the ioctl has returned */
		close(fd);
	}
	while (!rings && !signals(self->fd))
		usleep(1000);
	EXPECT_TRUE(stop_thread(&t));
}

/* Class 31: guards are the puts on each way out of mkvm_ioeventfd(), and in free_range(). */
TEST_F(doorbell, eventfds_are_let_go_of)
{
	int i, fd, id = next_eventfd_id();
	struct vm vm;

	if (id < 0)
		SKIP(return, "eventfds have no numbers");
	for (i = 0; i < 24; i++) {
		vm_create_bare(&vm);
		fd = new_eventfd();
		EXPECT_EQ(-ENOENT, ioeventfd(&vm, fd, DOORBELL, 0, OFF, 0));
		ASSERT_EQ(0, ioeventfd(&vm, fd, DOORBELL, 0, 0, 0));
		EXPECT_EQ(-EEXIST, ioeventfd(&vm, fd, DOORBELL, 0, 0, 0));
		ASSERT_EQ(0, ioeventfd(&vm, fd, PORT, 2, PIO | MATCH, i));
		if (i & 1)	/* else the VM goes with its doorbells */
			ASSERT_EQ(0, ioeventfd(&vm, fd, DOORBELL, 0, OFF, 0));
		if (i & 1)
			ASSERT_EQ(0, ioeventfd(&vm, fd, PORT, 2, PIO | MATCH | OFF, i));
		close(fd);
		close(vm.fd);
	}
	EXPECT_EQ(id, next_eventfd_id());
}

/* ---- coalesced accesses ---- */

static int zone(struct vm *vm, bool on, u64 addr, u32 size, u32 pio)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = addr, .size = size, .pio = pio };

	return kvm(vm->fd, on ? KVM_REGISTER_COALESCED_MMIO : KVM_UNREGISTER_COALESCED_MMIO, &zone);
}

static struct kvm_coalesced_mmio_ring *ring_of(struct guest *g)
{
	int page = cap(g->vm.fd, KVM_CAP_COALESCED_MMIO);

	if (page != 2)
		die("KVM_CAP_COALESCED_MMIO is %d", page);
	return (void *)((u8 *)g->cpu.run + page * PAGE);
}

#define RING_SIZE	((PAGE - sizeof(struct kvm_coalesced_mmio_ring)) / \
			 sizeof(struct kvm_coalesced_mmio))

TEST_F(doorbell, writes_into_a_zone_are_in_the_ring)
{
	struct kvm_coalesced_mmio_ring *ring = ring_of(&self->g);
	static const u32 lens[] = { 1, 2, 4, 8, 1, 2, 4 };
	u64 data;
	int i;

	ASSERT_EQ(0, zone(&self->g.vm, true, GUEST_MMIO, 0x100, 0));
	ASSERT_EQ(0, zone(&self->g.vm, true, PORT, 4, 1));
	EXPECT_EQ(0, writes_seen(&self->g, 0x1122334455667788));
	ASSERT_EQ(7, ring->last);
	EXPECT_EQ(0, ring->first);
	for (i = 0; i < 7; i++) {
		EXPECT_EQ(i < 4 ? DOORBELL : PORT, ring->coalesced_mmio[i].phys_addr);
		ASSERT_EQ(lens[i], ring->coalesced_mmio[i].len);
		EXPECT_EQ(i >= 4, ring->coalesced_mmio[i].pio);
		data = 0;
		memcpy(&data, ring->coalesced_mmio[i].data, lens[i]);
		EXPECT_EQ(0x1122334455667788 & (-1ull >> (64 - 8 * lens[i])), data);
	}
	ASSERT_EQ(0, zone(&self->g.vm, false, GUEST_MMIO, 0x100, 0));
	EXPECT_EQ(0x0f, writes_seen(&self->g, 1));
	ASSERT_EQ(0, zone(&self->g.vm, false, PORT, 4, 1));
	EXPECT_EQ(0x7f, writes_seen(&self->g, 1));
	EXPECT_EQ(10, ring->last);
}

TEST_F(doorbell, a_zone_ends_where_it_ends)
{
	struct kvm_coalesced_mmio_ring *ring = ring_of(&self->g);

	ASSERT_EQ(0, zone(&self->g.vm, true, DOORBELL - 8, 8 + 2, 0));
	EXPECT_EQ(0x7c, writes_seen(&self->g, 1));	/* only one and two bytes fit */
	EXPECT_EQ(2, ring->last);
	EXPECT_EQ(-EINVAL, zone(&self->g.vm, true, 0, 1, 2));
	EXPECT_EQ(-EINVAL, zone(&self->g.vm, false, 0, 1, 2));
	EXPECT_EQ(0, zone(&self->g.vm, false, 0, 1, 0));	/* none is there */
}

TEST_F(doorbell, a_full_ring_is_an_exit)
{
	struct kvm_coalesced_mmio_ring *ring = ring_of(&self->g);

	if (on_stock_kvm())
		SKIP(return, "6.1 takes some full rings for empty ones");
	ASSERT_EQ(0, zone(&self->g.vm, true, GUEST_MMIO, PAGE, 0));
	ring->first = 5;
	ring->last = 3;			/* room for one */
	EXPECT_EQ(0x7e, writes_seen(&self->g, 1));
	EXPECT_EQ(4, ring->last);
	ring->first = 0;
	ring->last = RING_SIZE - 1;
	EXPECT_EQ(0x7f, writes_seen(&self->g, 1));
	EXPECT_EQ(RING_SIZE - 1, ring->last);
}

/* Class 12, CVE-2019-14821. The guard is the bound on `last` in put_into_ring(). */
TEST_F(doorbell, ring_indices_are_not_trusted)
{
	static const u32 evil[] = { 170, 171, 4096, 0x7fffffff, 0x80000000, 0xffffffff };
	struct kvm_coalesced_mmio_ring *ring = ring_of(&self->g);
	size_t i;

	if (on_stock_kvm())
		SKIP(return, "6.1 takes some of these for a full ring");
	ASSERT_EQ(0, zone(&self->g.vm, true, GUEST_MMIO, PAGE, 0));
	for (i = 0; i < sizeof(evil) / sizeof(evil[0]); i++) {
		ring->first = 0;
		ring->last = evil[i];
		EXPECT_EQ(0x7f, writes_seen(&self->g, 1));
		EXPECT_EQ(evil[i], ring->last);
		ring->last = 0;
		ring->first = evil[i];
		EXPECT_EQ(0x70, writes_seen(&self->g, 1));
		EXPECT_EQ(4, ring->last);
	}
}

TEST_F(doorbell, all_vcpus_have_one_ring)
{
	struct kvm_coalesced_mmio_ring *ring = ring_of(&self->g), *other;
	struct vcpu v;

	vcpu_create(&v, &self->g.vm, 1);
	other = (void *)((u8 *)v.run + 2 * PAGE);
	ring->last = 77;
	EXPECT_EQ(77, other->last);
	vcpu_close(&v);
}

TEST_HARNESS_MAIN
