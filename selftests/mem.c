// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory is the process's memory: whatever Linux does to a page under a
 * running guest, the guest sees what the process sees. And what is not memory
 * is MMIO.
 */
#include "kselftest_harness.h"
#include "thread.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/wait.h>

GUEST(load, 64, "mov (%rbx), %rax");
GUEST(store, 64, "mov %rax, (%rbx)");
/* Touch RCX pages from RBX on: each gets its own address plus RAX. */
GUEST(store_pages, 64,
      "1: lea (%rbx,%rax), %rdx; mov %rdx, (%rbx); add $4096, %rbx; loop 1b");
GUEST(counts, 64, "1: incq (%rbx); pause; jmp 1b");
/* For ever through RCX pages from R8 on: read, write, next; MOVs, which MMIO knows. */
GUEST(roams, 64,
      "1: mov %r8, %rbx; mov %r9, %rcx;"
      "2: mov (%rbx), %rax; inc %rax; mov %rax, (%rbx); add $4096, %rbx; loop 2b; jmp 1b");

#define EXTRA_GPA	(64 * MIB)	/* slot 1 of most tests */
#define EXTRA_SLOT	1

FIXTURE(mem) {
	struct guest g;
};

FIXTURE_SETUP(mem)
{
	guest_start(&self->g, set_long_mode, "", 0);
}

FIXTURE_TEARDOWN(mem)
{
	guest_close(&self->g);
}

/* An access that need not succeed: what KVM_RUN returns. */
static int try_load(struct guest *g, u64 gpa)
{
	prepare_load(g, gpa);
	return vcpu_run(&g->cpu);
}

static int try_store(struct guest *g, u64 gpa, u64 value)
{
	prepare_store(g, gpa, value);
	return vcpu_run(&g->cpu);
}

/* Whether that KVM_RUN left to userspace as MMIO; it is completed, too. */
static bool is_mmio(struct guest *g, int ret, u64 gpa)
{
	struct kvm_run *run = g->cpu.run;
	bool mmio = !ret && run->exit_reason == KVM_EXIT_MMIO && run->mmio.phys_addr == gpa;

	run->immediate_exit = 1;
	vcpu_run(&g->cpu);
	run->immediate_exit = 0;
	return mmio;
}

static bool load_is_mmio(struct guest *g, u64 gpa)
{
	return is_mmio(g, try_load(g, gpa), gpa);
}

static bool store_is_mmio(struct guest *g, u64 gpa)
{
	return is_mmio(g, try_store(g, gpa, 0), gpa);
}

static void extra_slot(struct guest *g, void *hva, u64 size)
{
	int ret = vm_slot(&g->vm, EXTRA_SLOT, 0, EXTRA_GPA, size, hva);

	if (ret)
		die("slot 1: %d", ret);
}

static u64 *word(void *page)
{
	return page;
}

/* ---- Paging on demand ---- */

TEST_F(mem, host_and_guest_see_the_same)
{
	struct guest *g = &self->g;

	guest_store(g, GUEST_DATA, 0x1111);
	EXPECT_EQ(0x1111, *word(g->vm.ram + GUEST_DATA));
	*word(g->vm.ram + GUEST_DATA) = 0x2222;
	EXPECT_EQ(0x2222, guest_load(g, GUEST_DATA));
	/* a page that nobody has touched */
	EXPECT_EQ(0, guest_load(g, GUEST_DATA + 16 * PAGE));
}

TEST_F(mem, every_page_of_a_slot)
{
	u64 pages = 4 * MIB / PAGE;
	u8 *mem = map_anon(4 * MIB);
	struct outcome out;

	extra_slot(&self->g, mem, 4 * MIB);
	out = TRY(&self->g, store_pages,
		  (&(struct kvm_regs){ .rbx = EXTRA_GPA, .rcx = pages, .rax = 7 }));
	ASSERT_EQ(KVM_EXIT_HLT, out.exit);
	for (u64 i = 0; i < pages; i++)
		ASSERT_EQ(EXTRA_GPA + i * PAGE + 7, *word(mem + i * PAGE));
}

TEST_F(mem, far_corners_of_a_large_slot)
{
	u64 size = 1024 * MIB;
	u8 *mem = map_anon(size);

	extra_slot(&self->g, mem, size);
	guest_store(&self->g, EXTRA_GPA + size - 8, 0x77);
	guest_store(&self->g, EXTRA_GPA + size / 2, 0x88);
	EXPECT_EQ(0x77, *word(mem + size - 8));
	EXPECT_EQ(0x88, *word(mem + size / 2));
}

/* ---- The host takes pages away ---- */

TEST_F(mem, dontneed)
{
	struct guest *g = &self->g;
	u8 *page = g->vm.ram + GUEST_DATA;

	for (int i = 1; i < 20; i++) {
		guest_store(g, GUEST_DATA, i);
		ASSERT_EQ(0, madvise(page, PAGE, MADV_DONTNEED));
		EXPECT_EQ(0, guest_load(g, GUEST_DATA));
		*word(page) = i * 100;
		EXPECT_EQ(i * 100, guest_load(g, GUEST_DATA));
	}
}

TEST_F(mem, dontneed_under_a_running_guest)
{
	struct guest *g = &self->g;
	u8 *page = g->vm.ram + GUEST_DATA;
	struct guest_thread t;

	START(&g->cpu, counts, g, GUEST_DATA, 1);
	start_thread(&t, &g->cpu);
	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(0, madvise(page, PAGE, MADV_DONTNEED));
		/* It goes on counting in the page that the process has, not in the old one. */
		while (!*(volatile u64 *)page)
			usleep(100);
	}
	EXPECT_TRUE(stop_thread(&t)) TH_LOG("%d, exit %s", t.ret, exit_name(g->cpu.run->exit_reason));
	*word(page) = 0xabc;
	EXPECT_EQ(0xabc, guest_load(g, GUEST_DATA));
}

TEST_F(mem, munmap_is_efault_until_mapped_again)
{
	struct guest *g = &self->g;
	u8 *mem = map_anon(4 * PAGE);

	extra_slot(g, mem, 4 * PAGE);
	guest_store(g, EXTRA_GPA, 1);
	ASSERT_EQ(0, munmap(mem, 4 * PAGE));
	EXPECT_EQ(-EFAULT, try_load(g, EXTRA_GPA));
	EXPECT_EQ(-EFAULT, try_store(g, EXTRA_GPA, 5));
	ASSERT_EQ(mem, mmap(mem, 4 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_EQ(0, vcpu_run(&g->cpu));	/* the same instruction, now completed */
	EXPECT_EQ(KVM_EXIT_HLT, g->cpu.run->exit_reason);
	EXPECT_EQ(5, *word(mem));
}

TEST_F(mem, mremap_moves_the_contents_away)
{
	struct guest *g = &self->g;
	u8 *mem = map_anon(4 * PAGE), *other = map_anon(4 * PAGE);

	extra_slot(g, mem, 4 * PAGE);
	guest_store(g, EXTRA_GPA, 0x11);
	ASSERT_EQ(other, mremap(mem, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, other));
	EXPECT_EQ(-EFAULT, try_load(g, EXTRA_GPA));
	EXPECT_EQ(0x11, *word(other));
	*word(other) = 0x22;
	ASSERT_EQ(mem, mremap(other, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, mem));
	EXPECT_EQ(0x22, guest_load(g, EXTRA_GPA));
}

/* ---- Protection and copy-on-write ---- */

TEST_F(mem, prot_none_is_efault)
{
	struct guest *g = &self->g;
	u8 *mem = map_anon(PAGE);

	extra_slot(g, mem, PAGE);
	guest_store(g, EXTRA_GPA, 3);
	ASSERT_EQ(0, mprotect(mem, PAGE, PROT_NONE));
	EXPECT_EQ(-EFAULT, try_load(g, EXTRA_GPA));
	ASSERT_EQ(0, mprotect(mem, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(3, guest_load(g, EXTRA_GPA));
}

/* CVE-2021-22543: what the process may not write, its guest may not either. */
TEST_F(mem, read_only_mapping_cannot_be_written)
{
	struct guest *g = &self->g;
	u8 *mem = map_anon(PAGE);

	*word(mem) = 0x1234;
	extra_slot(g, mem, PAGE);
	guest_store(g, EXTRA_GPA, 0x5678);
	ASSERT_EQ(0, mprotect(mem, PAGE, PROT_READ));
	EXPECT_EQ(0x5678, guest_load(g, EXTRA_GPA));
	EXPECT_EQ(-EFAULT, try_store(g, EXTRA_GPA, 0x9999));
	EXPECT_EQ(0x5678, *word(mem));
	ASSERT_EQ(0, mprotect(mem, PAGE, PROT_READ | PROT_WRITE));
	guest_store(g, EXTRA_GPA, 0x9999);
	EXPECT_EQ(0x9999, *word(mem));
}

/* Both pages are the kernel's one zero page until one of them is written. */
TEST_F(mem, zero_page_is_not_shared_after_a_write)
{
	struct guest *g = &self->g;
	u8 *mem = map_anon(2 * PAGE);

	extra_slot(g, mem, 2 * PAGE);
	EXPECT_EQ(0, guest_load(g, EXTRA_GPA));
	EXPECT_EQ(0, guest_load(g, EXTRA_GPA + PAGE));
	guest_store(g, EXTRA_GPA, 0xbad);
	EXPECT_EQ(0, guest_load(g, EXTRA_GPA + PAGE));
	EXPECT_EQ(0xbad, *word(mem));
	EXPECT_EQ(0, *word(mem + PAGE));
}

TEST_F(mem, copy_on_write_after_fork)
{
	struct guest *g = &self->g;
	volatile u64 *page = word(g->vm.ram + GUEST_DATA);
	int status, go[2];
	pid_t child;
	char c;

	ASSERT_EQ(0, pipe(go));
	guest_store(g, GUEST_DATA, 0x1111);
	child = fork();
	if (child == 0)
		_exit(read(go[0], &c, 1) == 1 && *page == 0x1111 ? 0 : 1);
	guest_store(g, GUEST_DATA, 0x2222);
	EXPECT_EQ(0x2222, *page);
	ASSERT_EQ(1, write(go[1], "x", 1));
	waitpid(child, &status, 0);
	EXPECT_EQ(0, status) TH_LOG("the child saw the guest's write");
	EXPECT_EQ(0x2222, guest_load(g, GUEST_DATA));
}

/* ---- Files ---- */

static int memfd(u64 size)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, size))
		die("memfd");
	return fd;
}

static u64 file_word(int fd, u64 offset)
{
	u64 value = ~0ull;

	if (pread(fd, &value, sizeof(value), offset) != sizeof(value))
		die("pread");
	return value;
}

TEST_F(mem, shared_file_mapping)
{
	struct guest *g = &self->g;
	int fd = memfd(4 * PAGE);
	u8 *mem = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	u64 value = 0x4321;

	extra_slot(g, mem, 4 * PAGE);
	guest_store(g, EXTRA_GPA + PAGE, 0x1234);
	EXPECT_EQ(0x1234, file_word(fd, PAGE));
	ASSERT_EQ(8, pwrite(fd, &value, 8, PAGE));
	EXPECT_EQ(0x4321, guest_load(g, EXTRA_GPA + PAGE));
}

TEST_F(mem, private_file_mapping_leaves_the_file_alone)
{
	struct guest *g = &self->g;
	int fd = memfd(PAGE);
	u64 value = 0x55;
	u8 *mem;

	ASSERT_EQ(8, pwrite(fd, &value, 8, 0));
	mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	extra_slot(g, mem, PAGE);
	EXPECT_EQ(0x55, guest_load(g, EXTRA_GPA));
	guest_store(g, EXTRA_GPA, 0x66);
	EXPECT_EQ(0x55, file_word(fd, 0));
	EXPECT_EQ(0x66, *word(mem));
}

TEST_F(mem, hole_punched_in_a_file)
{
	struct guest *g = &self->g;
	int fd = memfd(4 * PAGE);
	u8 *mem = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	extra_slot(g, mem, 4 * PAGE);
	guest_store(g, EXTRA_GPA, 1);
	guest_store(g, EXTRA_GPA + PAGE, 2);
	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	EXPECT_EQ(0, guest_load(g, EXTRA_GPA));
	EXPECT_EQ(2, guest_load(g, EXTRA_GPA + PAGE));
	guest_store(g, EXTRA_GPA, 3);
	EXPECT_EQ(3, file_word(fd, 0));
}

TEST_F(mem, truncated_file_is_efault)
{
	struct guest *g = &self->g;
	int fd = memfd(4 * PAGE);
	u8 *mem = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	extra_slot(g, mem, 4 * PAGE);
	guest_store(g, EXTRA_GPA + 3 * PAGE, 1);
	ASSERT_EQ(0, ftruncate(fd, PAGE));
	EXPECT_EQ(-EFAULT, try_load(g, EXTRA_GPA + 3 * PAGE));
	guest_store(g, EXTRA_GPA, 9);
}

/* ---- Large pages ---- */

/* `skew` bytes of difference between host and guest alignment: 0 allows 2-MiB pages. */
static void check_large(struct __test_metadata *_metadata, struct guest *g, u8 *mem)
{
	u64 pages = 4 * MIB / PAGE;

	extra_slot(g, mem, 4 * MIB);
	ASSERT_EQ(KVM_EXIT_HLT, TRY(g, store_pages,
		  (&(struct kvm_regs){ .rbx = EXTRA_GPA, .rcx = pages, .rax = 5 })).exit);
	for (u64 i = 0; i < pages; i++)
		ASSERT_EQ(EXTRA_GPA + i * PAGE + 5, *word(mem + i * PAGE));
	/* One small page of a large one goes: its neighbours stay. */
	ASSERT_EQ(0, madvise(mem + 100 * PAGE, PAGE, MADV_DONTNEED));
	EXPECT_EQ(0, guest_load(g, EXTRA_GPA + 100 * PAGE));
	EXPECT_EQ(EXTRA_GPA + 99 * PAGE + 5, guest_load(g, EXTRA_GPA + 99 * PAGE));
	EXPECT_EQ(EXTRA_GPA + 101 * PAGE + 5, guest_load(g, EXTRA_GPA + 101 * PAGE));
	guest_store(g, EXTRA_GPA + 100 * PAGE, 0x99);
	EXPECT_EQ(0x99, *word(mem + 100 * PAGE));
	/* Made read-only in part */
	ASSERT_EQ(0, mprotect(mem + 600 * PAGE, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, try_store(g, EXTRA_GPA + 600 * PAGE, 1));
	guest_store(g, EXTRA_GPA + 601 * PAGE, 1);
}

TEST_F(mem, transparent_huge_pages)
{
	u8 *mem = map_anon_aligned(4 * MIB, 2 * MIB);

	if (madvise(mem, 4 * MIB, MADV_HUGEPAGE))
		SKIP(return, "no transparent huge pages in this kernel");
	memset(mem, 0, 4 * MIB);
	check_large(_metadata, &self->g, mem);
}

TEST_F(mem, huge_pages_at_another_alignment)
{
	u8 *mem = map_anon_aligned(8 * MIB, 2 * MIB);

	madvise(mem, 8 * MIB, MADV_HUGEPAGE);
	memset(mem, 0, 8 * MIB);
	check_large(_metadata, &self->g, mem + 17 * PAGE);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		ssize_t n = write(fd, text, strlen(text));

		(void)n;
		close(fd);
	}
}

TEST_F(mem, hugetlb_pages)
{
	struct guest *g = &self->g;
	u8 *mem;

	write_file("/proc/sys/vm/nr_hugepages", "4");
	mem = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (mem == MAP_FAILED)
		SKIP(return, "no huge pages to be had");
	extra_slot(g, mem, 4 * MIB);
	guest_store(g, EXTRA_GPA + 5 * PAGE, 0x11);
	guest_store(g, EXTRA_GPA + 4 * MIB - 8, 0x22);
	EXPECT_EQ(0x11, *word(mem + 5 * PAGE));
	EXPECT_EQ(0x22, *word(mem + 4 * MIB - 8));
	ASSERT_EQ(0, madvise(mem, 2 * MIB, MADV_DONTNEED));
	EXPECT_EQ(0, guest_load(g, EXTRA_GPA + 5 * PAGE));
	EXPECT_EQ(0x22, guest_load(g, EXTRA_GPA + 4 * MIB - 8));
	munmap(mem, 4 * MIB);
	write_file("/proc/sys/vm/nr_hugepages", "0");
}

/* A huge page in the host, the middle of it in a slot: its neighbours are not the guest's. */
TEST_F(mem, slot_inside_a_huge_page)
{
	struct guest *g = &self->g;
	u8 *mem = map_anon_aligned(2 * MIB, 2 * MIB);

	madvise(mem, 2 * MIB, MADV_HUGEPAGE);
	memset(mem, 0, 2 * MIB);
	ASSERT_EQ(0, vm_slot(&g->vm, 1, 0, EXTRA_GPA + 4 * PAGE, 4 * PAGE, mem + 4 * PAGE));
	guest_store(g, EXTRA_GPA + 4 * PAGE, 1);
	EXPECT_TRUE(store_is_mmio(g, EXTRA_GPA + 3 * PAGE));
	EXPECT_TRUE(store_is_mmio(g, EXTRA_GPA + 8 * PAGE));
	EXPECT_EQ(0, *word(mem + 3 * PAGE));
	EXPECT_EQ(0, *word(mem + 8 * PAGE));
}

TEST_F(mem, same_page_merging)
{
	struct guest *g = &self->g;
	u8 *mem = map_anon(2 * PAGE);

	memset(mem, 0x5a, 2 * PAGE);
	if (madvise(mem, 2 * PAGE, MADV_MERGEABLE))
		SKIP(return, "no KSM in this kernel");
	extra_slot(g, mem, 2 * PAGE);
	guest_store(g, EXTRA_GPA, 0x5a5a5a5a5a5a5a5a);
	write_file("/sys/kernel/mm/ksm/sleep_millisecs", "5");
	write_file("/sys/kernel/mm/ksm/run", "1");
	usleep(500000);
	EXPECT_EQ(0x5a5a5a5a5a5a5a5a, guest_load(g, EXTRA_GPA + PAGE));
	guest_store(g, EXTRA_GPA, 1);
	EXPECT_EQ(0x5a5a5a5a5a5a5a5a, guest_load(g, EXTRA_GPA + PAGE));
	EXPECT_EQ(0x5a, mem[PAGE]);
	write_file("/sys/kernel/mm/ksm/run", "0");
}

/* ---- Slots under a guest ---- */

TEST_F(mem, access_across_two_slots)
{
	struct guest *g = &self->g;
	u8 *a = map_anon(PAGE), *b = map_anon(PAGE);

	ASSERT_EQ(0, vm_slot(&g->vm, 1, 0, EXTRA_GPA, PAGE, a));
	ASSERT_EQ(0, vm_slot(&g->vm, 2, 0, EXTRA_GPA + PAGE, PAGE, b));
	guest_store(g, EXTRA_GPA + PAGE - 4, 0x1122334455667788);
	EXPECT_EQ(0x55667788, *(u32 *)(a + PAGE - 4));
	EXPECT_EQ(0x11223344, *(u32 *)b);
	EXPECT_EQ(0x1122334455667788, guest_load(g, EXTRA_GPA + PAGE - 4));
}

/*
 * Class 8, CVE-2020-36313: the last slot goes, and its neighbourhood is looked up. The guard
 * is the bound in mkvm_slot_find().
 */
TEST_F(mem, deleted_slot_becomes_mmio)
{
	struct guest *g = &self->g;
	u8 *mem = map_anon(PAGE);

	extra_slot(g, mem, PAGE);
	guest_store(g, EXTRA_GPA, 0x77);
	ASSERT_EQ(0, vm_slot(&g->vm, EXTRA_SLOT, 0, 0, 0, NULL));
	EXPECT_TRUE(store_is_mmio(g, EXTRA_GPA));
	EXPECT_EQ(0x77, *word(mem));
	EXPECT_TRUE(load_is_mmio(g, EXTRA_GPA));
	EXPECT_TRUE(load_is_mmio(g, EXTRA_GPA + PAGE));
	EXPECT_TRUE(load_is_mmio(g, EXTRA_GPA - 8));
	extra_slot(g, mem, PAGE);
	EXPECT_EQ(0x77, guest_load(g, EXTRA_GPA));
}

TEST_F(mem, moved_slot_is_only_at_its_new_place)
{
	struct guest *g = &self->g;
	u8 *mem = map_anon(PAGE);

	extra_slot(g, mem, PAGE);
	guest_store(g, EXTRA_GPA, 0x77);
	ASSERT_EQ(0, vm_slot(&g->vm, EXTRA_SLOT, 0, EXTRA_GPA + MIB, PAGE, mem));
	EXPECT_EQ(0x77, guest_load(g, EXTRA_GPA + MIB));
	EXPECT_TRUE(load_is_mmio(g, EXTRA_GPA));
	EXPECT_TRUE(store_is_mmio(g, EXTRA_GPA));
}

static u64 sum_of_words(u8 *mem, u64 pages)
{
	u64 sum = 0;

	while (pages--)
		sum += *(volatile u64 *)(mem + pages * PAGE);
	return sum;
}

/* Class 9, CVE-2013-4592. The guard is that mkvm_mmu_replace_slots() unmaps the old range. */
TEST_F(mem, slot_moves_under_a_running_guest)
{
	struct guest *g = &self->g;
	u8 *mem = map_anon(16 * PAGE);
	u64 before, written = 0;
	struct guest_thread t;

	extra_slot(g, mem, 16 * PAGE);
	START(&g->cpu, roams, g, EXTRA_GPA, 16);
	start_thread(&t, &g->cpu);
	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(0, vm_slot(&g->vm, EXTRA_SLOT, 0, EXTRA_GPA + (i % 2 ? 0 : MIB),
				     16 * PAGE, mem));
		before = sum_of_words(mem, 16);
		usleep(500);
		/* While the slot is elsewhere the guest writes to MMIO. */
		if (i % 2 == 0)
			written += before != sum_of_words(mem, 16);
	}
	EXPECT_EQ(0, written);
	/* It ends where the guest writes; a slow host may need a while until it does. */
	for (int i = 0; i < 10000 && !t.done && !*word(mem); i++)
		usleep(200);
	EXPECT_TRUE(stop_thread(&t)) TH_LOG("%d, exit %s", t.ret, exit_name(g->cpu.run->exit_reason));
	EXPECT_LT(0, *word(mem));
	guest_store(g, EXTRA_GPA, 0x42);
	EXPECT_EQ(0x42, *word(mem));
}

/*
 * CVE-2022-45869: two vCPUs fault while the pages and the slot come and go. The guards,
 * each seen to be needed: inval_start() cuts, flush_cut() flushes, inval_seq moves.
 */
TEST_F(mem, faults_race_with_invalidation)
{
	int moving = MREMAP_MAYMOVE | MREMAP_FIXED;
	struct guest *g = &self->g;
	u8 *mem = map_anon(64 * PAGE), *end = mem + 48 * PAGE, *away = map_anon(16 * PAGE);
	struct guest_thread t[2];
	struct vcpu second;

	extra_slot(g, mem, 64 * PAGE);
	vcpu_create(&second, &g->vm, 1);
	set_long_mode(&second);
	START(&second, roams, g, EXTRA_GPA, 64);
	START(&g->cpu, roams, g, EXTRA_GPA, 64);
	start_thread(&t[0], &g->cpu);
	start_thread(&t[1], &second);
	for (int i = 0; i < 60; i++) {
		if (i % 5 == 3) {
			ASSERT_EQ(away, mremap(end, 16 * PAGE, 16 * PAGE, moving, away));
			ASSERT_EQ(end, mremap(away, 16 * PAGE, 16 * PAGE, moving, end));
		} else if (i % 5 == 4) {
			munmap(mem + 8 * PAGE, 40 * PAGE);
			mmap(mem + 8 * PAGE, 40 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		}
		madvise(mem + i % 64 * PAGE, PAGE * (1 + i % 7), MADV_DONTNEED);
		mprotect(mem, 32 * PAGE, i % 3 ? PROT_READ | PROT_WRITE : PROT_READ);
		if (i % 10 == 0) {
			ASSERT_EQ(0, vm_slot(&g->vm, EXTRA_SLOT, 0, 0, 0, NULL));
			extra_slot(g, mem, 64 * PAGE);
		}
		usleep(300);
	}
	mprotect(mem, 64 * PAGE, PROT_READ | PROT_WRITE);
	EXPECT_TRUE(stop_thread(&t[0])) TH_LOG("%d", t[0].ret);
	EXPECT_TRUE(stop_thread(&t[1])) TH_LOG("%d", t[1].ret);
	for (u64 i = 0; i < 64; i++) {
		guest_store(g, EXTRA_GPA + i * PAGE, i);
		EXPECT_EQ(i, *word(mem + i * PAGE));
	}
	*word(mem) = 0x1357;
	EXPECT_EQ(0x1357, guest_load(g, EXTRA_GPA));
}

/* A slot over the vCPU's own shared page: refused or harmless. */
TEST_F(mem, slot_over_the_run_page)
{
	struct guest *g = &self->g;
	int ret = vm_slot(&g->vm, EXTRA_SLOT, 0, EXTRA_GPA, PAGE, g->cpu.run);

	if (ret == 0) {
		ret = try_store(g, EXTRA_GPA + 0x100, 0x4141414141414141);
		EXPECT_TRUE(ret == 0 || ret == -EFAULT) TH_LOG("%d", ret);
	}
	memset(g->cpu.run, 0, PAGE);
	EXPECT_EQ(0, guest_load(g, GUEST_DATA));
}

/*
 * CVE-2021-22543: memory without struct page, here the BIOS. It is refused, or is what
 * it is. The guard is that get_host_pages() knows no other way than get_user_pages.
 */
TEST_F(mem, slot_over_device_memory)
{
	struct guest *g = &self->g;
	int fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
	u8 *mem = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0xf0000);
	int ret;

	if (mem == MAP_FAILED)
		SKIP(return, "no /dev/mem");
	extra_slot(g, mem, PAGE);
	ret = try_load(g, EXTRA_GPA);
	if (!ret) {
		EXPECT_EQ(*word(mem), get_regs(&g->cpu).rax);
	} else {
		EXPECT_EQ(-EFAULT, ret);
	}
	EXPECT_EQ(-EFAULT, try_store(g, EXTRA_GPA, 1));
	close(fd);
	ASSERT_EQ(0, munmap(mem, PAGE));
	EXPECT_EQ(-EFAULT, try_load(g, EXTRA_GPA));
}

/* ---- MMIO ---- */

struct mov {
	const char *name;
	u8 len;
	u8 code[12];
	u8 bytes;		/* of the access */
	u64 expected;		/* stored, or in RAX after loading 0x8877665544332211 */
};

/* RAX holds 0x8877665544332281, RBX the address, RCX 0 */
static const struct mov stores[] = {
	{ "mov %al, (%rbx)", 2, { 0x88, 0x03 }, 1, 0x81 },
	{ "mov %ax, (%rbx)", 3, { 0x66, 0x89, 0x03 }, 2, 0x2281 },
	{ "mov %eax, (%rbx)", 2, { 0x89, 0x03 }, 4, 0x44332281 },
	{ "mov %rax, (%rbx)", 3, { 0x48, 0x89, 0x03 }, 8, 0x8877665544332281 },
	{ "mov %eax, 0x10(%rbx)", 3, { 0x89, 0x43, 0x10 }, 4, 0x44332281 },
	{ "mov %eax, 0x10(%rbx,%rcx,4)", 4, { 0x89, 0x44, 0x8b, 0x10 }, 4, 0x44332281 },
	{ "movb $0x5a, (%rbx)", 3, { 0xc6, 0x03, 0x5a }, 1, 0x5a },
	{ "movw $0x1234, (%rbx)", 5, { 0x66, 0xc7, 0x03, 0x34, 0x12 }, 2, 0x1234 },
	{ "movl $0x12345678, (%rbx)", 6, { 0xc7, 0x03, 0x78, 0x56, 0x34, 0x12 }, 4, 0x12345678 },
	{ "movq $-2, (%rbx)", 7, { 0x48, 0xc7, 0x03, 0xfe, 0xff, 0xff, 0xff }, 8, -2ull },
	{ "mov %ah, (%rbx)", 2, { 0x88, 0x23 }, 1, 0x22 },
	{ "mov %r8d, (%rbx)", 3, { 0x44, 0x89, 0x03 }, 4, 0x89abcdef },
};

static const struct mov loads[] = {
	{ "mov (%rbx), %al", 2, { 0x8a, 0x03 }, 1, 0x8877665544332211 },
	{ "mov (%rbx), %ax", 3, { 0x66, 0x8b, 0x03 }, 2, 0x8877665544332211 },
	{ "mov (%rbx), %eax", 2, { 0x8b, 0x03 }, 4, 0x44332211 },
	{ "mov (%rbx), %rax", 3, { 0x48, 0x8b, 0x03 }, 8, 0x8877665544332211 },
	{ "movzbl (%rbx), %eax", 3, { 0x0f, 0xb6, 0x03 }, 1, 0x11 },
	{ "movzwl (%rbx), %eax", 3, { 0x0f, 0xb7, 0x03 }, 2, 0x2211 },
	{ "movsbq 3(%rbx), %rax", 5, { 0x48, 0x0f, 0xbe, 0x43, 0x03 }, 1, 0x11 },
	{ "movslq (%rbx), %rax", 3, { 0x48, 0x63, 0x03 }, 4, 0x44332211 },
};

static struct kvm_regs mov_regs(void)
{
	return (struct kvm_regs){
		.rax = 0x8877665544332281, .rbx = GUEST_MMIO, .r8 = 0x89abcdef,
	};
}

static u32 run_mov(struct guest *g, const struct mov *m)
{
	struct kvm_regs in = mov_regs();

	return guest_try(g, m->code, m->len, &in).exit;
}

TEST_F(mem, mmio_stores)
{
	struct kvm_run *run = self->g.cpu.run;

	for (int i = 0; i < ARRAY_SIZE(stores); i++) {
		u64 data = 0;

		ASSERT_EQ(KVM_EXIT_MMIO, run_mov(&self->g, &stores[i])) TH_LOG("%s", stores[i].name);
		memcpy(&data, run->mmio.data, 8);
		EXPECT_EQ(1, run->mmio.is_write) TH_LOG("%s", stores[i].name);
		EXPECT_EQ(stores[i].bytes, run->mmio.len) TH_LOG("%s", stores[i].name);
		EXPECT_EQ(GUEST_MMIO, run->mmio.phys_addr & ~0x1full) TH_LOG("%s", stores[i].name);
		data &= ~0ull >> (64 - 8 * stores[i].bytes);
		EXPECT_EQ(stores[i].expected, data) TH_LOG("%s", stores[i].name);
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&self->g.cpu)) TH_LOG("%s", stores[i].name);
	}
}

TEST_F(mem, mmio_loads)
{
	struct kvm_run *run = self->g.cpu.run;
	u64 data = 0x8877665544332211;

	for (int i = 0; i < ARRAY_SIZE(loads); i++) {
		ASSERT_EQ(KVM_EXIT_MMIO, run_mov(&self->g, &loads[i])) TH_LOG("%s", loads[i].name);
		EXPECT_EQ(0, run->mmio.is_write) TH_LOG("%s", loads[i].name);
		EXPECT_EQ(loads[i].bytes, run->mmio.len) TH_LOG("%s", loads[i].name);
		memcpy(run->mmio.data, &data, 8);
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&self->g.cpu)) TH_LOG("%s", loads[i].name);
		EXPECT_EQ(loads[i].expected, get_regs(&self->g.cpu).rax) TH_LOG("%s", loads[i].name);
	}
}

/* KVM hands out one piece per page. */
TEST_F(mem, mmio_across_a_page_boundary)
{
	struct kvm_regs in = { .rbx = GUEST_MMIO + PAGE - 4, .rax = 0x1122334455667788 };
	struct kvm_run *run = self->g.cpu.run;
	u32 low = 0xaaaaaaaa, high = 0xbbbbbbbb;

	ASSERT_EQ(KVM_EXIT_MMIO, TRY(&self->g, store, &in).exit);
	EXPECT_EQ(GUEST_MMIO + PAGE - 4, run->mmio.phys_addr);
	EXPECT_EQ(4, run->mmio.len);
	EXPECT_EQ(0x55667788, *(u32 *)run->mmio.data);
	ASSERT_EQ(KVM_EXIT_MMIO, guest_run(&self->g.cpu));
	EXPECT_EQ(GUEST_MMIO + PAGE, run->mmio.phys_addr);
	EXPECT_EQ(0x11223344, *(u32 *)run->mmio.data);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&self->g.cpu));

	ASSERT_EQ(KVM_EXIT_MMIO, TRY(&self->g, load, &in).exit);
	memcpy(run->mmio.data, &low, 4);
	ASSERT_EQ(KVM_EXIT_MMIO, guest_run(&self->g.cpu));
	memcpy(run->mmio.data, &high, 4);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&self->g.cpu));
	EXPECT_EQ(0xbbbbbbbbaaaaaaaa, get_regs(&self->g.cpu).rax);
}

/* Class 12. The guard is that complete_mmio() looks at v->mmio, never at kvm_run. */
TEST_F(mem, mmio_answer_with_foreign_fields)
{
	struct kvm_run *run = self->g.cpu.run;

	for (u64 i = 0; i < 50; i++) {
		ASSERT_EQ(KVM_EXIT_MMIO, run_mov(&self->g, &loads[3]));
		memcpy(run->mmio.data, &i, 8);
		run->mmio.len = 0xffffffff;
		run->mmio.phys_addr = ~0ull;
		run->mmio.is_write = 1;
		run->exit_reason = i;
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&self->g.cpu));
		EXPECT_EQ(i, get_regs(&self->g.cpu).rax);
	}
}

TEST_F(mem, mmio_with_immediate_exit_is_completed)
{
	struct kvm_run *run = self->g.cpu.run;
	u64 data = 0x99;

	ASSERT_EQ(KVM_EXIT_MMIO, run_mov(&self->g, &loads[3]));
	memcpy(run->mmio.data, &data, 8);
	run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, vcpu_run(&self->g.cpu));
	EXPECT_EQ(0x99, get_regs(&self->g.cpu).rax);
	EXPECT_EQ(GUEST_CODE + 3, get_regs(&self->g.cpu).rip);
	run->immediate_exit = 0;
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&self->g.cpu));
}

/* Code where there is no memory: an exit or an error, or at least a way out by signal. */
TEST_F(mem, execution_outside_memory_is_interruptible)
{
	int ret;

	jump_to(&self->g.cpu, GUEST_MMIO);
	interrupt_run_after(20000);
	ret = vcpu_run(&self->g.cpu);
	interrupt_run_after(0);
	TH_LOG("%d, exit %s", ret, exit_name(self->g.cpu.run->exit_reason));
	EXPECT_NE(KVM_EXIT_HLT, self->g.cpu.run->exit_reason);
}

/* Page tables where there is no memory */
TEST_F(mem, page_tables_outside_memory_are_interruptible)
{
	struct kvm_sregs s = get_sregs(&self->g.cpu);
	struct kvm_vcpu_events none = { 0 };
	int ret;

	s.cr3 = GUEST_MMIO;
	set_sregs(&self->g.cpu, &s);
	jump_to(&self->g.cpu, GUEST_CODE);
	interrupt_run_after(20000);
	ret = vcpu_run(&self->g.cpu);
	interrupt_run_after(0);
	TH_LOG("%d, exit %s", ret, exit_name(self->g.cpu.run->exit_reason));
	/* KVM may have a page fault to deliver. */
	ASSERT_EQ(0, kvm(self->g.cpu.fd, KVM_SET_VCPU_EVENTS, &none));
	set_long_mode(&self->g.cpu);
	EXPECT_EQ(0, guest_load(&self->g, GUEST_DATA));
}

TEST_HARNESS_MAIN
