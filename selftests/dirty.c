// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log: every page that was written is reported, in this round or the
 * next, and no other. And slots that the guest may not write.
 */
#include "kselftest_harness.h"
#include "thread.h"

#include <sys/mman.h>

GUEST(input_bytes, 64, "rep insb");		/* RCX bytes from port DX, to RDI */
GUEST(load, 64, "mov (%rbx), %rax");
/* Touch RCX pages from RBX on, RAX into each. */
GUEST(store_pages, 64, "1: mov %rax, (%rbx); add $4096, %rbx; loop 1b");
GUEST(load_pages, 64, "1: mov (%rbx), %rax; add $4096, %rbx; loop 1b");
/* For ever through R9 pages (a power of 2) from R8 on, in no order: how many writes so far. */
GUEST(scatters, 64,
      "   dec %r9; rdtsc;"
      "1: imul $1664525, %eax, %eax; add $1013904223, %eax;"
      "   mov %rax, %rdx; shr $12, %rdx; and %r9, %rdx; shl $12, %rdx;"
      "   inc %r10; mov %r10, (%r8,%rdx); jmp 1b");

#define EXTRA_GPA	(64 * MIB)
#define SLOT		1
#define PAGES		256ul

#define MANUAL		KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE
#define ALL_SET		(MANUAL | KVM_DIRTY_LOG_INITIALLY_SET)

FIXTURE(dirty) {
	struct guest g;
	u8 *mem;		/* PAGES, slot 1 of most tests */
	u64 log[PAGES / 64];
};

FIXTURE_SETUP(dirty)
{
	guest_start(&self->g, set_long_mode, "", 0);
	self->mem = map_anon(PAGES * PAGE);
}

FIXTURE_TEARDOWN(dirty)
{
	guest_close(&self->g);
}

static void set_slot(struct guest *g, u32 flags, void *mem, u64 pages)
{
	int ret = vm_slot(&g->vm, SLOT, flags, EXTRA_GPA, pages * PAGE, mem);

	if (ret)
		die("slot 1: %d", ret);
}

static int get_log(struct guest *g, u32 slot, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bitmap };

	return kvm(g->vm.fd, KVM_GET_DIRTY_LOG, &log);
}

static int clear_log(struct guest *g, u64 first, u32 pages, void *bitmap)
{
	struct kvm_clear_dirty_log log = {
		.slot = SLOT, .first_page = first, .num_pages = pages, .dirty_bitmap = bitmap,
	};

	return kvm(g->vm.fd, KVM_CLEAR_DIRTY_LOG, &log);
}

static int set_mode(struct guest *g, u64 mode)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args = { mode },
	};

	return kvm(g->vm.fd, KVM_ENABLE_CAP, &cap);
}

static u64 count_bits(const u64 *bits, u64 words)
{
	u64 n = 0;

	while (words--)
		n += __builtin_popcountll(*bits++);
	return n;
}

static bool is_set(const u64 *bits, u64 i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static void store_page(struct guest *g, u64 page)
{
	guest_store(g, EXTRA_GPA + page * PAGE, page);
}

static void touch_pages(struct guest *g, bool write, u64 pages)
{
	struct kvm_regs in = { .rbx = EXTRA_GPA, .rcx = pages, .rax = 1 };
	struct outcome out = write ? TRY(g, store_pages, &in) : TRY(g, load_pages, &in);

	if (out.exit != KVM_EXIT_HLT || out.vector != NO_TRAP)
		die("exit %s", exit_name(out.exit));
}

/* What the log says of slot 1, in self->log: how many pages. */
static u64 fetch(FIXTURE_DATA(dirty) *self)
{
	int ret;

	memset(self->log, 0xff, sizeof(self->log));
	ret = get_log(&self->g, SLOT, self->log);
	if (ret)
		die("KVM_GET_DIRTY_LOG: %d", ret);
	return count_bits(self->log, PAGES / 64);
}

/* ---- Which pages ---- */

TEST_F(dirty, written_pages_are_reported_once)
{
	static const u64 pages[] = { 0, 3, 63, 64, 65, 200, PAGES - 1 };
	struct guest *g = &self->g;

	set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, self->mem, PAGES);
	EXPECT_EQ(0, fetch(self));
	for (int i = 0; i < ARRAY_SIZE(pages); i++)
		store_page(g, pages[i]);
	EXPECT_EQ(ARRAY_SIZE(pages), fetch(self));
	for (int i = 0; i < ARRAY_SIZE(pages); i++) {
		EXPECT_TRUE(is_set(self->log, pages[i])) TH_LOG("page %lu", pages[i]);
	}
	EXPECT_EQ(0, fetch(self));
	store_page(g, 64);
	EXPECT_EQ(1, fetch(self));
	EXPECT_EQ(1, self->log[1]);
}

/* Neighbours are not mapped ahead as written, and what is read stays clean. */
TEST_F(dirty, pages_that_are_only_read_are_clean)
{
	struct guest *g = &self->g;

	memset(self->mem, 1, PAGES * PAGE);	/* the host has them writable */
	set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, self->mem, PAGES);
	touch_pages(g, false, PAGES);
	if (on_stock_kvm())
		SKIP(return, "KVM counts what it could map writable");
	EXPECT_EQ(0, fetch(self));
	store_page(g, 17);
	touch_pages(g, false, PAGES);
	EXPECT_EQ(1, fetch(self));
	touch_pages(g, true, 100);
	EXPECT_EQ(100, fetch(self));
	EXPECT_EQ(~0ull, self->log[0]);
	EXPECT_EQ(~0ull >> 28, self->log[1]);
}

/* Pages that the guest could write before anybody asked. */
TEST_F(dirty, logging_starts_and_stops)
{
	struct guest *g = &self->g;

	set_slot(g, 0, self->mem, PAGES);
	EXPECT_EQ(-ENOENT, get_log(g, SLOT, self->log));
	for (int i = 0; i < 3; i++) {
		touch_pages(g, true, PAGES);
		set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, self->mem, PAGES);
		EXPECT_EQ(0, fetch(self));
		store_page(g, 100);
		set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, self->mem, PAGES);	/* no change */
		EXPECT_EQ(1, fetch(self));
		EXPECT_TRUE(is_set(self->log, 100));
		store_page(g, 101);
		set_slot(g, 0, self->mem, PAGES);	/* and what was logged is forgotten */
		EXPECT_EQ(-ENOENT, get_log(g, SLOT, self->log));
	}
}

TEST_F(dirty, log_moves_with_its_slot)
{
	struct guest *g = &self->g;

	set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, self->mem, PAGES);
	store_page(g, 5);
	ASSERT_EQ(0, vm_slot(&g->vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, EXTRA_GPA + 16 * MIB,
			     PAGES * PAGE, self->mem));
	guest_store(g, EXTRA_GPA + 16 * MIB + 7 * PAGE, 1);
	EXPECT_EQ(2, fetch(self));
	EXPECT_EQ(1 << 5 | 1 << 7, self->log[0]);
}

/* Class 38: sizes that are no multiple of 64 pages. The guard is BITS_TO_LONGS() in dirty.c. */
static void check_size(struct __test_metadata *_metadata, struct guest *g, u64 pages)
{
	u64 words = (pages + 63) / 64, bytes = (words * 8 + PAGE - 1) & -PAGE;
	u64 *pd = (u64 *)(g->vm.ram + GUEST_PD), gpa = 1ull << 32, i;
	u8 *mem = map_anon(pages * PAGE), *room = map_anon(bytes + 2 * PAGE);
	u64 *bits = (u64 *)(room + PAGE + bytes) - words;

	ASSERT_EQ(0, mprotect(room + PAGE + bytes, PAGE, PROT_NONE));
	ASSERT_EQ(0, vm_slot(&g->vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, gpa, pages * PAGE, mem));
	/* Two of the guest's large pages: where the slot begins, and where it ends. */
	i = 512 + __builtin_popcountll(pages) * 64 + words % 16 * 2;
	pd[i] = gpa | 0x83;
	pd[i + 1] = ((gpa + pages * PAGE - PAGE) & -(2 * MIB)) | 0x83;
	memset(room, 0x5a, PAGE + bytes);
	guest_store(g, i * 2 * MIB, 1);
	guest_store(g, (i + 1) * 2 * MIB + ((pages - 1) % 512) * PAGE, 1);
	EXPECT_EQ(-EFAULT, get_log(g, SLOT, bits + 1));
	guest_store(g, i * 2 * MIB, 1);
	guest_store(g, (i + 1) * 2 * MIB + ((pages - 1) % 512) * PAGE, 1);
	ASSERT_EQ(0, get_log(g, SLOT, bits));
	EXPECT_EQ(pages > 1 ? 2 : 1, count_bits(bits, words)) TH_LOG("%lu pages", pages);
	EXPECT_TRUE(is_set(bits, 0));
	EXPECT_TRUE(is_set(bits, pages - 1));
	EXPECT_EQ(0x5a, ((u8 *)bits)[-1]);
	ASSERT_EQ(0, get_log(g, SLOT, bits));
	EXPECT_EQ(0, count_bits(bits, words));
	/* To the end of the slot, which need not be a whole word; no further. */
	memset(bits, 0xff, words * 8);
	EXPECT_EQ(0, clear_log(g, 0, pages, bits));
	EXPECT_EQ(-EFAULT, clear_log(g, 0, pages, bits + 1));
	EXPECT_EQ(-EINVAL, clear_log(g, 0, pages + 1, bits));
	ASSERT_EQ(0, vm_slot(&g->vm, SLOT, 0, 0, 0, NULL));
}

TEST_F(dirty, bitmap_ends_at_its_last_word)
{
	static const u64 pages[] = { 1, 63, 64, 65, 1 << 20 };

	for (int i = 0; i < ARRAY_SIZE(pages); i++)
		check_size(_metadata, &self->g, pages[i]);
}

TEST_F(dirty, errors)
{
	struct guest *g = &self->g;

	EXPECT_EQ(-ENOENT, get_log(g, SLOT, self->log));
	EXPECT_EQ(-ENOENT, get_log(g, 0, self->log));
	EXPECT_EQ(-ENOENT, clear_log(g, 0, 64, self->log));
	EXPECT_EQ(-EINVAL, get_log(g, 0xffff, self->log));
	EXPECT_EQ(-EINVAL, get_log(g, 2 << 16, self->log));
	set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, self->mem, PAGES);
	EXPECT_EQ(-EFAULT, get_log(g, SLOT, NULL));
	EXPECT_EQ(-EINVAL, set_mode(g, 4));
	EXPECT_EQ(-EINVAL, set_mode(g, KVM_DIRTY_LOG_INITIALLY_SET));
	EXPECT_EQ(-EINVAL, set_mode(g, ~0ull));
}

/* ---- Clearing by hand ---- */

TEST_F(dirty, manual_clear)
{
	struct guest *g = &self->g;
	u64 mask[PAGES / 64] = { 0 };

	ASSERT_EQ(0, set_mode(g, MANUAL));
	set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, self->mem, PAGES);
	touch_pages(g, true, PAGES);
	EXPECT_EQ(PAGES, fetch(self));
	EXPECT_EQ(PAGES, fetch(self));
	mask[0] = 0xf0;
	ASSERT_EQ(0, clear_log(g, 64, 64, mask));
	EXPECT_EQ(PAGES - 4, fetch(self));
	EXPECT_EQ(~0xf0ull, self->log[1]);
	store_page(g, 64 + 5);
	store_page(g, 64 + 60);
	EXPECT_EQ(PAGES - 3, fetch(self));
	EXPECT_EQ(~0xd0ull, self->log[1]);
	memset(mask, 0xff, sizeof(mask));
	ASSERT_EQ(0, clear_log(g, 0, PAGES, mask));
	EXPECT_EQ(0, fetch(self));
	touch_pages(g, true, 3);
	EXPECT_EQ(3, fetch(self));
}

/* Class 38. The guards are the checks of the range in clear_log(). */
TEST_F(dirty, manual_clear_ranges)
{
	struct guest *g = &self->g;
	u64 mask[PAGES / 64 + 2];

	memset(mask, 0xff, sizeof(mask));
	ASSERT_EQ(0, set_mode(g, MANUAL));
	set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, self->mem, PAGES - 1);
	EXPECT_EQ(-EINVAL, clear_log(g, 1, 64, mask));
	EXPECT_EQ(-EINVAL, clear_log(g, 0, 63, mask));
	EXPECT_EQ(-EINVAL, clear_log(g, 64, 65, mask));
	EXPECT_EQ(-EINVAL, clear_log(g, 64, PAGES - 64, mask));
	EXPECT_EQ(-EINVAL, clear_log(g, PAGES, 0, mask));
	EXPECT_EQ(-EINVAL, clear_log(g, -64ull, 64, mask));
	EXPECT_EQ(-EINVAL, clear_log(g, 1ull << 40, 64, mask));
	EXPECT_EQ(-EINVAL, clear_log(g, 0, ~0u, mask));
	EXPECT_EQ(0, clear_log(g, 64, PAGES - 65, mask));
	EXPECT_EQ(0, clear_log(g, PAGES - 64, 63, mask));
	EXPECT_EQ(0, clear_log(g, 0, 128, mask));
	EXPECT_EQ(-EFAULT, clear_log(g, 0, 64, NULL));
}

TEST_F(dirty, initially_all_set)
{
	struct guest *g = &self->g;
	u64 mask[PAGES / 64];

	set_slot(g, 0, self->mem, PAGES - 1);
	touch_pages(g, true, PAGES - 1);
	ASSERT_EQ(0, set_mode(g, ALL_SET));
	set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, self->mem, PAGES - 1);
	EXPECT_EQ(PAGES - 1, fetch(self));
	EXPECT_FALSE(is_set(self->log, PAGES - 1));
	memset(mask, 0xff, sizeof(mask));
	ASSERT_EQ(0, clear_log(g, 0, PAGES - 1, mask));
	EXPECT_EQ(0, fetch(self));
	store_page(g, 9);
	EXPECT_EQ(1, fetch(self));
	EXPECT_TRUE(is_set(self->log, 9));
}

/*
 * A page that was written gets its right to be written back without a look at the process's
 * memory (write_again): which must still be what it was.
 */
TEST_F(dirty, memory_changes_between_two_logs)
{
	struct guest *g = &self->g;
	u8 *mem = self->mem;

	set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, mem, PAGES);
	for (int i = 0; i < 3; i++) {
		touch_pages(g, true, 4);
		ASSERT_EQ(4, fetch(self));
		mem[1 * PAGE + 8] = mem[2 * PAGE + 8] = 7;
		ASSERT_EQ(0, madvise(mem + 1 * PAGE, PAGE, MADV_DONTNEED));
		ASSERT_EQ(0, mprotect(mem + 3 * PAGE, PAGE, PROT_READ));
		store_page(g, 0);
		store_page(g, 1);
		store_page(g, 2);
		EXPECT_EQ(3, fetch(self));
		EXPECT_EQ(7, self->log[0]);
		EXPECT_EQ(1, mem[1 * PAGE]);
		EXPECT_EQ(0, mem[1 * PAGE + 8]);
		EXPECT_EQ(2, mem[2 * PAGE]);
		EXPECT_EQ(7, mem[2 * PAGE + 8]);
		prepare_store(g, EXTRA_GPA + 3 * PAGE, 5);
		EXPECT_EQ(-EFAULT, vcpu_run(&g->cpu));
		EXPECT_EQ(1, mem[3 * PAGE]);
		EXPECT_EQ(0, fetch(self));
		ASSERT_EQ(0, mprotect(mem + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE));
		EXPECT_EQ(0, vcpu_run(&g->cpu));	/* the same instruction */
		EXPECT_EQ(5, mem[3 * PAGE]);
		EXPECT_EQ(1, fetch(self));
		EXPECT_TRUE(is_set(self->log, 3));
	}
}

/* What was only read is the host's page of zeroes. */
TEST_F(dirty, first_write_after_reads_is_to_a_page_of_its_own)
{
	struct guest *g = &self->g;

	set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, self->mem, PAGES);
	touch_pages(g, false, 4);
	fetch(self);
	store_page(g, 1);
	EXPECT_EQ(1, self->mem[PAGE]);
	EXPECT_EQ(0, self->mem[2 * PAGE]);
	EXPECT_EQ(1, fetch(self));
	EXPECT_TRUE(is_set(self->log, 1));
}

TEST_F(dirty, read_only_slot_stays_so_after_logs)
{
	struct guest *g = &self->g;

	set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, self->mem, PAGES);
	store_page(g, 1);
	EXPECT_EQ(1, fetch(self));
	set_slot(g, 0, self->mem, 0);
	set_slot(g, KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY, self->mem, PAGES);
	touch_pages(g, false, 4);
	prepare_store(g, EXTRA_GPA + PAGE, 5);
	EXPECT_EQ(0, vcpu_run(&g->cpu));
	EXPECT_EQ(KVM_EXIT_MMIO, g->cpu.run->exit_reason);
	EXPECT_EQ(1, self->mem[PAGE]);
	EXPECT_EQ(0, fetch(self));
}

/* ---- Large pages ---- */

/* How many faults it takes to touch all of the slot, where the device tells. */
static u64 faults_of_a_round(struct guest *g, u64 pages)
{
	struct mkvm_vcpu_stats before = {}, after = {};

	if (kvm(g->cpu.fd, MKVM_GET_STATS, &before))
		return 0;
	touch_pages(g, true, pages);
	kvm(g->cpu.fd, MKVM_GET_STATS, &after);
	return after.faults - before.faults;
}

TEST_F(dirty, large_pages_are_split_and_come_back)
{
	u64 pages = 4 * MIB / PAGE, bits[1024 / 64];
	u8 *mem = map_anon_aligned(4 * MIB, 2 * MIB);
	struct guest *g = &self->g;

	if (madvise(mem, 4 * MIB, MADV_HUGEPAGE))
		SKIP(return, "no transparent huge pages in this kernel");
	memset(mem, 0, 4 * MIB);
	set_slot(g, 0, mem, pages);
	touch_pages(g, true, pages);
	for (int i = 0; i < 3; i++) {
		set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, mem, pages);
		touch_pages(g, false, pages);
		ASSERT_EQ(0, get_log(g, SLOT, bits));
		if (!on_stock_kvm()) {	/* which counts what it could map writable */
			EXPECT_EQ(0, count_bits(bits, pages / 64));
		}
		store_page(g, 77);
		store_page(g, 600);
		ASSERT_EQ(0, get_log(g, SLOT, bits));
		EXPECT_EQ(2, count_bits(bits, pages / 64));
		EXPECT_TRUE(is_set(bits, 77));
		EXPECT_TRUE(is_set(bits, 600));
		touch_pages(g, true, pages);
		ASSERT_EQ(0, get_log(g, SLOT, bits));
		EXPECT_EQ(pages, count_bits(bits, pages / 64));
		EXPECT_EQ(1, *(u64 *)(mem + 77 * PAGE));
		set_slot(g, 0, mem, pages);
		/* Two for the guest's data, some for its code and tables. */
		EXPECT_GT(20, faults_of_a_round(g, pages));
	}
}

/* ---- The kernel writes for the guest ---- */

TEST_F(dirty, string_input_is_logged)
{
	struct kvm_regs in = { .rdi = EXTRA_GPA + 9 * PAGE - 2, .rcx = 4, .rdx = 0x99 };
	struct guest *g = &self->g;
	u32 exit;

	set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, self->mem, PAGES);
	for (exit = TRY(g, input_bytes, &in).exit; exit == KVM_EXIT_IO; exit = guest_run(&g->cpu))
		memset((u8 *)g->cpu.run + g->cpu.run->io.data_offset, 0x77,
		       g->cpu.run->io.count);
	EXPECT_EQ(KVM_EXIT_HLT, exit);
	EXPECT_EQ(0x77, self->mem[9 * PAGE - 1]);
	EXPECT_EQ(0x77, self->mem[9 * PAGE]);
	EXPECT_EQ(2, fetch(self));
	EXPECT_EQ(3 << 8, self->log[0]);
}

#define MSR_WALL_CLOCK	0x4b564d00
#define MSR_SYSTEM_TIME	0x4b564d01

TEST_F(dirty, clock_pages_are_logged)
{
	struct guest *g = &self->g;

	set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, self->mem, PAGES);
	if (set_msr(&g->cpu, MSR_SYSTEM_TIME, (EXTRA_GPA + 2 * PAGE) | 1) != 1)
		SKIP(return, "no clock");
	guest_load(g, GUEST_DATA);
	EXPECT_EQ(1, fetch(self));
	EXPECT_TRUE(is_set(self->log, 2));
	set_msr(&g->cpu, MSR_WALL_CLOCK, EXTRA_GPA + 4 * PAGE);
	guest_load(g, GUEST_DATA);
	fetch(self);
	EXPECT_TRUE(is_set(self->log, 4));
}

/*
 * A load from MMIO over a page boundary: the second page's entry, in a table of
 * its own, is marked accessed by us or by the CPU.
 */
TEST_F(dirty, accessed_bits_are_logged)
{
	u64 bits[GUEST_RAM / PAGE / 64], *pd = (u64 *)(self->g.vm.ram + GUEST_PD);
	struct kvm_regs in = { .rbx = (3ull << 30) - 4 };
	struct guest *g = &self->g;

	ASSERT_EQ(0, vm_slot(&g->vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, GUEST_RAM, g->vm.ram));
	guest_load(g, GUEST_DATA);
	ASSERT_EQ(0, get_log(g, 0, bits));
	for (int i = 2 * 512; i < 4 * 512; i++)
		pd[i] &= ~0x60ull;
	ASSERT_EQ(KVM_EXIT_MMIO, TRY(g, load, &in).exit);
	ASSERT_EQ(KVM_EXIT_MMIO, guest_run(&g->cpu));
	EXPECT_EQ(3ull << 30, g->cpu.run->mmio.phys_addr);
	ASSERT_EQ(0, get_log(g, 0, bits));
	EXPECT_TRUE(is_set(bits, GUEST_PD / PAGE + 3));
	EXPECT_EQ(0x20, pd[512 * 3] & 0x60);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g->cpu));
}

/* ---- Under load ---- */

/* What the log told us of, as it was then: a migration's copy. */
static void copy_dirty(FIXTURE_DATA(dirty) *self, u8 *copy, bool manual)
{
	fetch(self);
	if (manual && clear_log(&self->g, 0, PAGES, self->log))
		die("KVM_CLEAR_DIRTY_LOG");
	for (u64 i = 0; i < PAGES; i++)
		if (is_set(self->log, i))
			memcpy(copy + i * PAGE, self->mem + i * PAGE, PAGE);
}

static void check_copies(struct __test_metadata *_metadata, FIXTURE_DATA(dirty) *self,
			 bool manual)
{
	u64 lost = 0, written = 0;
	struct guest *g = &self->g;
	struct guest_thread t[2];
	u8 *copy = map_anon(PAGES * PAGE);
	struct vcpu second;

	ASSERT_EQ(0, set_mode(g, manual ? ALL_SET : 0));
	set_slot(g, 0, self->mem, PAGES);
	vcpu_create(&second, &g->vm, 1);
	set_long_mode(&second);
	for (int i = 0; i < 10; i++) {
		START(&g->cpu, scatters, g, EXTRA_GPA, PAGES);
		START(&second, scatters, g, EXTRA_GPA, PAGES);
		start_thread(&t[0], &g->cpu);
		start_thread(&t[1], &second);
		usleep(2000);
		set_slot(g, KVM_MEM_LOG_DIRTY_PAGES, self->mem, PAGES);
		memcpy(copy, self->mem, PAGES * PAGE);
		for (int j = 0; j < 20; j++) {
			copy_dirty(self, copy, manual);
			usleep(100);
		}
		EXPECT_TRUE(stop_thread(&t[0])) TH_LOG("%d", t[0].ret);
		EXPECT_TRUE(stop_thread(&t[1])) TH_LOG("%d", t[1].ret);
		copy_dirty(self, copy, manual);
		for (u64 k = 0; k < PAGES; k++)
			lost += !!memcmp(copy + k * PAGE, self->mem + k * PAGE, PAGE);
		written += *(u64 *)self->mem;
		set_slot(g, 0, self->mem, PAGES);
	}
	EXPECT_EQ(0, lost);
	EXPECT_LT(0, written);
}

TEST_F(dirty, no_write_is_lost)
{
	check_copies(_metadata, self, false);
}

TEST_F(dirty, no_write_is_lost_when_cleared_by_hand)
{
	check_copies(_metadata, self, true);
}

/* ---- Read-only slots ---- */

static bool is_mmio_write(struct guest *g, u64 gpa, u64 value)
{
	struct kvm_run *run = g->cpu.run;

	return run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write && run->mmio.len == 8 &&
	       run->mmio.phys_addr == gpa && !memcmp(run->mmio.data, &value, 8);
}

TEST_F(dirty, writes_to_a_read_only_slot_are_mmio)
{
	struct guest *g = &self->g;

	*(u64 *)(self->mem + PAGE) = 0x1234;
	set_slot(g, KVM_MEM_READONLY, self->mem, PAGES);
	EXPECT_EQ(0x1234, guest_load(g, EXTRA_GPA + PAGE));
	for (int i = 0; i < 3; i++) {
		prepare_store(g, EXTRA_GPA + PAGE, 0x99 + i);
		ASSERT_EQ(0, vcpu_run(&g->cpu));
		EXPECT_TRUE(is_mmio_write(g, EXTRA_GPA + PAGE, 0x99 + i));
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g->cpu));
		/* The process may write, and the guest sees it. */
		EXPECT_EQ(0x1234 + i, *(u64 *)(self->mem + PAGE));
		EXPECT_EQ(0x1234 + i, guest_load(g, EXTRA_GPA + PAGE));
		++*(u64 *)(self->mem + PAGE);
	}
	/* Never touched before */
	prepare_store(g, EXTRA_GPA + 9 * PAGE, 1);
	ASSERT_EQ(0, vcpu_run(&g->cpu));
	EXPECT_TRUE(is_mmio_write(g, EXTRA_GPA + 9 * PAGE, 1));
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g->cpu));
	EXPECT_EQ(0, self->mem[9 * PAGE]);
}

/* ROM that the process itself may not write. */
TEST_F(dirty, read_only_memory_in_a_read_only_slot)
{
	struct guest *g = &self->g;

	self->mem[5 * PAGE] = 0xf4;	/* HLT */
	*(u64 *)self->mem = 0x4321;
	ASSERT_EQ(0, mprotect(self->mem, PAGES * PAGE, PROT_READ));
	set_slot(g, KVM_MEM_READONLY, self->mem, PAGES);
	EXPECT_EQ(0x4321, guest_load(g, EXTRA_GPA));
	jump_to(&g->cpu, EXTRA_GPA + 5 * PAGE);
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g->cpu));
	prepare_store(g, EXTRA_GPA, 7);
	ASSERT_EQ(0, vcpu_run(&g->cpu));
	EXPECT_TRUE(is_mmio_write(g, EXTRA_GPA, 7));
}

/* A store of which the second half goes to memory. */
TEST_F(dirty, store_from_a_read_only_slot_to_memory)
{
	struct guest *g = &self->g;
	struct kvm_run *run = g->cpu.run;
	u64 end = EXTRA_GPA + PAGES * PAGE;
	u8 *next = map_anon(PAGE);

	set_slot(g, KVM_MEM_READONLY, self->mem, PAGES);
	ASSERT_EQ(0, vm_slot(&g->vm, 2, 0, end, PAGE, next));
	prepare_store(g, end - 4, 0x1122334455667788);
	ASSERT_EQ(0, vcpu_run(&g->cpu));
	ASSERT_EQ(KVM_EXIT_MMIO, run->exit_reason);
	EXPECT_EQ(end - 4, run->mmio.phys_addr);
	EXPECT_EQ(4, run->mmio.len);
	EXPECT_EQ(0x55667788, *(u32 *)run->mmio.data);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g->cpu));
	EXPECT_EQ(0x11223344, *(u32 *)next);
	EXPECT_EQ(0, *(u32 *)(self->mem + PAGES * PAGE - 4));
}

TEST_F(dirty, flags_of_a_live_slot)
{
	struct vm *vm = &self->g.vm;
	u64 size = PAGES * PAGE;

	ASSERT_EQ(0, vm_slot(vm, 1, 0, EXTRA_GPA, size, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 1, KVM_MEM_READONLY, EXTRA_GPA, size, self->mem));
	ASSERT_EQ(0, vm_slot(vm, 1, 0, 0, 0, NULL));
	ASSERT_EQ(0, vm_slot(vm, 1, KVM_MEM_READONLY, EXTRA_GPA, size, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 1, 0, EXTRA_GPA, size, self->mem));
	/* Whoever may not write may still be logged. */
	EXPECT_EQ(0, vm_slot(vm, 1, KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES, EXTRA_GPA, size,
			     self->mem));
	EXPECT_EQ(0, fetch(self));
	prepare_store(&self->g, EXTRA_GPA, 7);
	ASSERT_EQ(0, vcpu_run(&self->g.cpu));
	EXPECT_EQ(KVM_EXIT_MMIO, self->g.cpu.run->exit_reason);
	EXPECT_EQ(0, fetch(self));
	EXPECT_EQ(0, vm_slot(vm, 1, KVM_MEM_READONLY, EXTRA_GPA, size, self->mem));
}

TEST_HARNESS_MAIN
