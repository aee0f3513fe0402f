// SPDX-License-Identifier: GPL-2.0-only
/*
 * What Linux's memory management does to the pages of a guest that runs
 * meanwhile: swap, writeback, merging, copying, moving, splitting. The guest
 * checks its own memory all the time: no write may be lost and no page be
 * mistaken for another.
 */
#include "kselftest_harness.h"
#include "thread.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define EXTRA_GPA	(64 * MIB)
#define PAGES		64ul		/* the guest's */

/*
 * For ever through R9 pages from R8 on: page i must hold i << 32 plus the number
 * of rounds, and gets one more. HLT if not, with the address in RBX.
 */
GUEST(checks, 64,
      "   xor %r10, %r10;"
      "1: mov %r8, %rbx; mov %r9, %rcx;"
      "2: mov %rbx, %rdx; sub %r8, %rdx; shl $20, %rdx; add %r10, %rdx;"
      "   cmp %rdx, (%rbx); jne 3f;"
      "   inc %rdx; mov %rdx, (%rbx); add $4096, %rbx; loop 2b;"
      "   inc %r10; jmp 1b;"
      "3: hlt");

FIXTURE(paging) {
	struct guest g;
	struct guest_thread t;
	u8 *mem;		/* what the guest checks; slot 1 */
};

FIXTURE_SETUP(paging)
{
	guest_start(&self->g, set_long_mode, "", 0);
}

FIXTURE_TEARDOWN(paging)
{
	guest_close(&self->g);
}

static volatile u64 *word(u8 *mem, u64 page)
{
	return (u64 *)(mem + page * PAGE);
}

static u64 rounds(u8 *mem)
{
	return *word(mem, 0) & 0xffffffff;
}

static void add_slot(struct guest *g, u8 *mem, u64 size)
{
	int ret = vm_slot(&g->vm, 1, 0, EXTRA_GPA, size, mem);

	if (ret)
		die("slot 1: %d", ret);
}

/* Let the guest check PAGES pages of mem. */
static void check_in_background(FIXTURE_DATA(paging) *self, u8 *mem, u64 size)
{
	self->mem = mem;
	for (u64 i = 0; i < PAGES; i++)
		*word(mem, i) = i << 32;
	add_slot(&self->g, mem, size);
	START(&self->g.cpu, checks, &self->g, EXTRA_GPA, PAGES);
	start_thread(&self->t, &self->g.cpu);
}

/* The guest goes through its pages once more at least, as the process sees them. */
static void let_it_check(FIXTURE_DATA(paging) *self)
{
	u64 before = rounds(self->mem);

	while (!self->t.done && rounds(self->mem) < before + 2)
		usleep(200);
}

/* Stop it: true if it had nothing to complain of and all pages are what they should be. */
static bool it_was_content(FIXTURE_DATA(paging) *self)
{
	u64 min = ~0ull, max = 0;
	bool content = true;

	if (!stop_thread(&self->t)) {
		fprintf(stderr, "# the guest stopped: %d, exit %s, page %llu\n", self->t.ret,
		       exit_name(self->g.cpu.run->exit_reason),
		       (get_regs(&self->g.cpu).rbx - EXTRA_GPA) / PAGE);
		return false;
	}
	for (u64 i = 0; i < PAGES; i++) {
		u64 n = *word(self->mem, i) & 0xffffffff;

		content &= *word(self->mem, i) >> 32 == i;
		min = n < min ? n : min;
		max = n > max ? n : max;
	}
	fprintf(stderr, "# %llu rounds\n", (unsigned long long)max);
	return content && max - min <= 1 && max >= 2;
}

static u64 checksum(u8 *mem)
{
	u64 sum = 0;

	for (u64 i = 0; i < PAGES; i++)
		sum = sum * 31 + *word(mem, i);
	return sum;
}

/* Nobody writes to mem for a while in which the guest would have. */
static bool stands_still(u8 *mem)
{
	u64 before = checksum(mem);

	usleep(3000);
	return checksum(mem) == before;
}

/* ---- What the kernel tells of pages ---- */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A number in a file of /proc or /sys: the first, or the one after `name `. */
static u64 read_number(const char *path, const char *name)
{
	char text[16384] = "", *at = text;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return 0;
	close(fd);
	if (name)
		at = strstr(text, name);
	return at ? strtoull(at + (name ? strlen(name) : 0), NULL, 10) : 0;
}

/* An entry of /proc/PID/pagemap */
#define PM_PFN		((1ull << 55) - 1)
#define PM_PRESENT	(1ull << 63)

static u64 pagemap(u8 *mem, u64 page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	u64 entry = 0;

	if (fd < 0 || pread(fd, &entry, 8, ((u64)mem / PAGE + page) * 8) != 8)
		die("pagemap");
	close(fd);
	return entry;
}

static u64 frame(u8 *mem, u64 page)
{
	u64 entry = pagemap(mem, page);

	return entry & PM_PRESENT ? entry & PM_PFN : 0;
}

static u64 count_absent(u8 *mem)
{
	u64 n = 0;

	for (u64 i = 0; i < PAGES; i++)
		n += !(pagemap(mem, i) & PM_PRESENT);
	return n;
}

static bool is_huge(u8 *mem)
{
	u64 first = frame(mem, 0);

	return first && first % 512 == 0 && frame(mem, 511) == first + 511;
}

static u8 *map_huge(u64 size)
{
	u8 *mem = map_anon_aligned(size, 2 * MIB);

	if (madvise(mem, size, MADV_HUGEPAGE))
		return NULL;
	memset(mem, 0, size);
	return is_huge(mem) ? mem : NULL;
}

/* ---- Swap and writeback ---- */

static bool has_swap(void)
{
	char text[256] = "";
	int fd = open("/proc/swaps", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	close(fd);
	return n > 0 && strchr(text, '/') && strchr(strchr(text, '\n'), '/');
}

/* A RAM disk of the host that nobody uses, or -1. */
static int open_ramdisk(const char *path)
{
	return open(path, O_RDWR | O_EXCL | O_CLOEXEC);
}

/* Swap on /dev/ram0, if the machine has none of its own. */
static bool make_swap(void)
{
	int fd;

	if (has_swap())
		return true;
	fd = open_ramdisk("/dev/ram0");
	if (fd < 0)
		return false;
	close(fd);
	return system("mkswap /dev/ram0 >/dev/null") == 0 && swapon("/dev/ram0", 0) == 0;
}

TEST_F(paging, swapped_out_and_in)
{
	u8 *mem = map_anon(PAGES * PAGE);
	u64 swapped;

	madvise(mem, PAGES * PAGE, MADV_NOHUGEPAGE);
	if (!make_swap())
		SKIP(return, "no swap, and no RAM disk for it (modprobe brd)");
	check_in_background(self, mem, PAGES * PAGE);
	swapped = read_number("/proc/vmstat", "pswpout ");
	for (int i = 0; i < 20; i++) {
		let_it_check(self);
		ASSERT_EQ(0, madvise(mem, PAGES * PAGE, MADV_PAGEOUT));
	}
	swapped = read_number("/proc/vmstat", "pswpout ") - swapped;
	let_it_check(self);
	EXPECT_TRUE(it_was_content(self));
	TH_LOG("%lu pages were swapped out", swapped);
	EXPECT_LT(10 * PAGES, swapped);
	swapoff("/dev/ram0");
}

/* Clean, then taken away: a write that the kernel did not hear of would be gone. */
TEST_F(paging, written_back_to_a_disk)
{
	int fd = open_ramdisk("/dev/ram1");
	u64 gone = 0;
	u8 *mem;

	if (fd < 0)
		SKIP(return, "no RAM disk (modprobe brd)");
	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	check_in_background(self, mem, PAGES * PAGE);
	for (int i = 0; i < 20; i++) {
		let_it_check(self);
		ASSERT_EQ(0, msync(mem, PAGES * PAGE, MS_SYNC));
		ASSERT_EQ(0, madvise(mem, PAGES * PAGE, MADV_PAGEOUT));
		gone += count_absent(mem);
	}
	EXPECT_TRUE(it_was_content(self));
	TH_LOG("%lu pages were found gone", gone);
	EXPECT_LT(0, gone);
	/* All of it reaches the disk, the last writes of the guest, too. */
	ASSERT_EQ(0, msync(mem, PAGES * PAGE, MS_SYNC));
	ASSERT_EQ(0, munmap(mem, PAGES * PAGE));
	ASSERT_EQ(0, ioctl(fd, BLKFLSBUF, 0));
	for (u64 i = 0; i < PAGES; i++) {
		u64 value = 0;

		ASSERT_EQ(8, pread(fd, &value, 8, i * PAGE));
		EXPECT_EQ(i, value >> 32);
		EXPECT_LT(2, value & 0xffffffff);
	}
}

/* ---- Copies ---- */

/* Each child has the memory of one moment, which the guest's later writes must not reach. */
static void check_fork(struct __test_metadata *_metadata, FIXTURE_DATA(paging) *self)
{
	int status;
	pid_t child;

	for (int i = 0; i < 10; i++) {
		let_it_check(self);
		child = fork();
		if (child == 0)
			_exit(!stands_still(self->mem));
		let_it_check(self);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, status) TH_LOG("the child saw the guest's writes");
	}
}

TEST_F(paging, forked)
{
	check_in_background(self, map_anon(PAGES * PAGE), PAGES * PAGE);
	check_fork(_metadata, self);
	EXPECT_TRUE(it_was_content(self));
}

TEST_F(paging, huge_page_forked)
{
	u8 *mem = map_huge(2 * MIB);

	if (!mem)
		SKIP(return, "no transparent huge pages to be had");
	check_in_background(self, mem, 2 * MIB);
	check_fork(_metadata, self);
	EXPECT_TRUE(it_was_content(self));
}

TEST_F(paging, private_mapping_of_a_file)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);
	u8 *mem, *file;

	ASSERT_EQ(0, ftruncate(fd, PAGES * PAGE));
	file = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (u64 i = 0; i < PAGES; i++)
		*word(file, i) = i << 32;
	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	self->mem = mem;
	add_slot(&self->g, mem, PAGES * PAGE);
	START(&self->g.cpu, checks, &self->g, EXTRA_GPA, PAGES);
	start_thread(&self->t, &self->g.cpu);
	let_it_check(self);
	EXPECT_TRUE(it_was_content(self));
	for (u64 i = 0; i < PAGES; i++) {
		EXPECT_EQ(i << 32, *word(file, i)) TH_LOG("page %lu of the file", i);
	}
}

TEST_F(paging, merged_by_ksm)
{
	struct guest *g = &self->g;
	u8 *mem = map_anon(PAGES * PAGE);
	u64 same = 0;

	madvise(mem, PAGES * PAGE, MADV_NOHUGEPAGE);
	if (madvise(mem, PAGES * PAGE, MADV_MERGEABLE))
		SKIP(return, "no KSM in this kernel");
	memset(mem, 0x5a, PAGES * PAGE);
	add_slot(g, mem, PAGES * PAGE);
	for (u64 i = 0; i < PAGES; i++)
		guest_store(g, EXTRA_GPA + i * PAGE, 0x77);
	write_file("/sys/kernel/mm/ksm/sleep_millisecs", "1");
	if (!write_file("/sys/kernel/mm/ksm/run", "1"))
		SKIP(return, "KSM needs root");
	for (int i = 0; i < 400; i++) {
		if (read_number("/sys/kernel/mm/ksm/pages_sharing", NULL) >= PAGES - 1)
			break;
		usleep(5000);
	}
	write_file("/sys/kernel/mm/ksm/run", "0");
	for (u64 i = 1; i < PAGES; i++)
		same += frame(mem, i) == frame(mem, 0);
	TH_LOG("%lu of %lu pages are one", same + 1, PAGES);
	EXPECT_LT(PAGES / 2, same);
	/* Mapped read-only first, then written: only that page changes. */
	for (u64 i = 0; i < PAGES; i++) {
		EXPECT_EQ(0x77, guest_load(g, EXTRA_GPA + i * PAGE));
	}
	for (u64 i = 0; i < PAGES; i += 3) {
		guest_store(g, EXTRA_GPA + i * PAGE, i);
		EXPECT_EQ(i, *word(mem, i));
	}
	for (u64 i = 0; i < PAGES; i++) {
		EXPECT_EQ(i % 3 ? 0x77 : i, guest_load(g, EXTRA_GPA + i * PAGE));
		EXPECT_EQ(i % 3 ? 0x77 : i, *word(mem, i));
	}
	write_file("/sys/kernel/mm/ksm/run", "2");	/* unmerge all */
	for (u64 i = 0; i < PAGES; i++) {
		EXPECT_EQ(i % 3 ? 0x77 : i, guest_load(g, EXTRA_GPA + i * PAGE));
	}
	write_file("/sys/kernel/mm/ksm/run", "0");
}

/* ---- Rights and places ---- */

TEST_F(paging, read_only_and_back)
{
	check_in_background(self, map_anon(PAGES * PAGE), PAGES * PAGE);
	for (int i = 0; i < 20; i++) {
		let_it_check(self);
		ASSERT_EQ(0, mprotect(self->mem, PAGES * PAGE, PROT_READ));
		EXPECT_TRUE(stands_still(self->mem));
		ASSERT_EQ(0, mprotect(self->mem, PAGES * PAGE, PROT_READ | PROT_WRITE));
	}
	let_it_check(self);
	EXPECT_TRUE(it_was_content(self));
}

TEST_F(paging, moved_away_and_back)
{
	u8 *mem = map_anon(PAGES * PAGE), *away = map_anon(PAGES * PAGE);
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;

	check_in_background(self, mem, PAGES * PAGE);
	for (int i = 0; i < 20; i++) {
		let_it_check(self);
		ASSERT_EQ(away, mremap(mem, PAGES * PAGE, PAGES * PAGE, flags, away));
		EXPECT_TRUE(stands_still(away));
		ASSERT_EQ(mem, mremap(away, PAGES * PAGE, PAGES * PAGE, flags, mem));
	}
	let_it_check(self);
	EXPECT_TRUE(it_was_content(self));
}

/* The kernel gives the pages other frames. */
TEST_F(paging, compacted)
{
	u64 before[PAGES], moved = 0;

	check_in_background(self, map_anon(PAGES * PAGE), PAGES * PAGE);
	let_it_check(self);
	for (u64 i = 0; i < PAGES; i++)
		before[i] = frame(self->mem, i);
	for (int i = 0; i < 3; i++) {
		if (!write_file("/proc/sys/vm/compact_memory", "1"))
			break;
		let_it_check(self);
	}
	for (u64 i = 0; i < PAGES; i++)
		moved += frame(self->mem, i) != before[i];
	EXPECT_TRUE(it_was_content(self));
	TH_LOG("%lu pages have moved", moved);
	if (!moved)
		SKIP(return, "the kernel did not move a page");
}

/* ---- Large pages ---- */

TEST_F(paging, huge_page_split_and_collapsed)
{
	u8 *mem = map_huge(4 * MIB);
	int collapsed = 0;

	if (!mem)
		SKIP(return, "no transparent huge pages to be had");
	check_in_background(self, mem, 4 * MIB);
	for (int i = 0; i < 10; i++) {
		let_it_check(self);
		if (i % 2) {
			ASSERT_EQ(0, madvise(mem + 100 * PAGE, PAGE, MADV_DONTNEED));
		} else {
			ASSERT_EQ(0, mprotect(mem + 100 * PAGE, PAGE, PROT_READ));
			let_it_check(self);
			ASSERT_EQ(0, mprotect(mem + 100 * PAGE, PAGE, PROT_READ | PROT_WRITE));
		}
		let_it_check(self);
		collapsed += madvise(mem, 2 * MIB, MADV_COLLAPSE) == 0 && is_huge(mem);
	}
	let_it_check(self);
	EXPECT_TRUE(it_was_content(self));
	TH_LOG("collapsed %d times", collapsed);
}

TEST_F(paging, hugetlb_pages)
{
	int fd;
	u8 *mem;

	write_file("/proc/sys/vm/nr_hugepages", "4");
	fd = memfd_create("guest", MFD_CLOEXEC | MFD_HUGETLB);
	mem = fd < 0 || ftruncate(fd, 2 * MIB) ? MAP_FAILED :
	      mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		SKIP(return, "no huge pages to be had");
	check_in_background(self, mem, 2 * MIB);
	for (int i = 0; i < 10; i++) {
		let_it_check(self);
		ASSERT_EQ(0, mprotect(mem, 2 * MIB, PROT_READ));
		EXPECT_TRUE(stands_still(mem));
		ASSERT_EQ(0, mprotect(mem, 2 * MIB, PROT_READ | PROT_WRITE));
	}
	let_it_check(self);
	EXPECT_TRUE(it_was_content(self));
	munmap(mem, 2 * MIB);
	close(fd);
	write_file("/proc/sys/vm/nr_hugepages", "0");
}

/* ---- Pages that another thread has to supply ---- */

struct pager {
	int fd;
	u8 *mem;
};

static bool pager_start(struct pager *p, u8 *mem, u64 size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (u64)mem, size }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	*p = (struct pager){ .mem = mem };
	p->fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (p->fd < 0)
		return false;
	if (ioctl(p->fd, UFFDIO_API, &api) || ioctl(p->fd, UFFDIO_REGISTER, &range))
		die("userfaultfd");
	return true;
}

/* The page that somebody waits for, or -1 when nobody does for so long. */
static long pager_wait(struct pager *p, int msec)
{
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
	struct uffd_msg msg;

	if (poll(&pfd, 1, msec) != 1 || read(p->fd, &msg, sizeof(msg)) != sizeof(msg))
		return -1;
	return (msg.arg.pagefault.address - (u64)p->mem) / PAGE;
}

/* Page i of the memory that the guest checks, as it is at the start. */
static void pager_supply(struct pager *p, u64 page)
{
	u64 data[PAGE / 8] = { page << 32 };
	struct uffdio_copy copy = {
		.dst = (u64)p->mem + page * PAGE, .src = (u64)data, .len = PAGE,
	};

	if (ioctl(p->fd, UFFDIO_COPY, &copy) && errno != EEXIST)
		die("UFFDIO_COPY: %d", errno);
}

TEST_F(paging, supplied_by_userfaultfd)
{
	u8 *mem = map_anon(PAGES * PAGE);
	struct pager p;

	madvise(mem, PAGES * PAGE, MADV_NOHUGEPAGE);
	if (!pager_start(&p, mem, PAGES * PAGE))
		SKIP(return, "no userfaultfd: errno %d", errno);
	self->mem = mem;
	add_slot(&self->g, mem, PAGES * PAGE);
	/* The second time the pages were taken away under mappings of the guest's. */
	for (int round = 0; round < 2; round++) {
		ASSERT_EQ(0, madvise(mem, PAGES * PAGE, MADV_DONTNEED));
		START(&self->g.cpu, checks, &self->g, EXTRA_GPA, PAGES);
		start_thread(&self->t, &self->g.cpu);
		for (u64 i = 0; i < PAGES; i++) {
			ASSERT_EQ(i, pager_wait(&p, 5000)) TH_LOG("not the page that the guest is at");
			pager_supply(&p, i);
		}
		let_it_check(self);
		EXPECT_TRUE(it_was_content(self));
		EXPECT_EQ(-1, pager_wait(&p, 1));
	}
	close(p.fd);
}

TEST_F(paging, a_signal_interrupts_the_wait)
{
	struct guest *g = &self->g;
	u8 *mem = map_anon(2 * PAGE);
	struct kvm_regs before, after;
	struct pager p;

	madvise(mem, 2 * PAGE, MADV_NOHUGEPAGE);
	if (!pager_start(&p, mem, 2 * PAGE))
		SKIP(return, "no userfaultfd: errno %d", errno);
	add_slot(g, mem, 2 * PAGE);
	prepare_store(g, EXTRA_GPA + PAGE + 8, 0x1234);
	before = get_regs(&g->cpu);
	for (int i = 0; i < 3; i++) {
		interrupt_run_after(20000);
		EXPECT_EQ(-EINTR, vcpu_run(&g->cpu));
		EXPECT_EQ(KVM_EXIT_INTR, g->cpu.run->exit_reason);
		after = get_regs(&g->cpu);
		EXPECT_EQ(0, memcmp(&before, &after, sizeof(after)));
	}
	watchdog();
	/* Interrupted again, with the pager at work on it; then it gets its page. */
	start_thread(&self->t, &g->cpu);
	EXPECT_EQ(1, pager_wait(&p, 5000));
	pthread_kill(self->t.thread, SIGUSR1);
	while (!self->t.exits)
		usleep(100);
	EXPECT_EQ(1, pager_wait(&p, 5000));
	pager_supply(&p, 1);
	while (!self->t.done)
		usleep(100);
	EXPECT_FALSE(stop_thread(&self->t));
	EXPECT_EQ(KVM_EXIT_HLT, g->cpu.run->exit_reason);
	EXPECT_EQ(2, self->t.exits);
	EXPECT_EQ(0x1234, *(word(mem, 1) + 1));
	EXPECT_EQ(1ull << 32, *word(mem, 1));
	close(p.fd);
}

TEST_HARNESS_MAIN
