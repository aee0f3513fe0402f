// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest and the host have one of each: debug registers, segment
 * bases, system-call MSRs, descriptor tables. The host must not notice, and
 * the guest's debug registers must work.
 */
#include "kselftest_harness.h"
#include "guest.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <cpuid.h>
#include <fcntl.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

GUEST(halts, 64, "1: hlt; jmp 1b");
/* Everything that a guest can change without an exit, then HLT */
GUEST(changes_all, 64,
      "mov $0x12345000, %eax; mov %rax, %dr0; mov %rax, %dr1; mov %rax, %dr2; mov %rax, %dr3;"
      "mov $0x400, %eax; mov %rax, %dr7;"
      "mov $0xc0000100, %ecx; mov $0x1111, %eax; xor %edx, %edx; wrmsr;"	/* FS base */
      "inc %ecx; wrmsr; inc %ecx; wrmsr; swapgs;"	/* GS base, KERNEL_GS_BASE */
      "mov $0xc0000081, %ecx; wrmsr; inc %ecx; wrmsr; inc %ecx; wrmsr; inc %ecx; wrmsr;"
      "mov $0x174, %ecx; wrmsr; inc %ecx; wrmsr; inc %ecx; wrmsr;"
      "mov $0x20007, %eax; mov %eax, " ARG(GUEST_DATA) "; lgdt " ARG(GUEST_DATA) ";"
      "xor %eax, %eax; lldt %ax; std; hlt");

static void guest_that_changes_all(struct guest *g)
{
	guest_long(g, changes_all);
	set_msr(&g->cpu, MSR_TSC_AUX, 0x5555);
}

static u64 fs_or_gs(int which)
{
	u64 base = 0;

	if (syscall(SYS_arch_prctl, which, &base))
		die("arch_prctl");
	return base;
}

TEST(host_segment_bases_survive)
{
	static u64 target = 0x5ca1ab1e;
	u64 fs = fs_or_gs(ARCH_GET_FS), through_gs;
	struct guest g;

	ASSERT_EQ(0, syscall(SYS_arch_prctl, ARCH_SET_GS, &target));
	guest_that_changes_all(&g);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(fs, fs_or_gs(ARCH_GET_FS));
	EXPECT_EQ((u64)&target, fs_or_gs(ARCH_GET_GS));
	asm volatile("mov %%gs:0, %0" : "=r"(through_gs));
	EXPECT_EQ(0x5ca1ab1e, through_gs);
	EXPECT_EQ(0x1111, get_sregs(&g.cpu).gs.base);
}

TEST(host_ldt_and_selectors_survive)
{
	struct user_desc desc = { .entry_number = 3, .limit = 0xfffff, .seg_32bit = 1,
				  .limit_in_pages = 1, .useable = 1 };
	u16 ldt_selector = 3 << 3 | 7, es, ds = 0x2b;
	struct guest g;

	if (syscall(SYS_modify_ldt, 1, &desc, sizeof(desc)))
		SKIP(return, "no modify_ldt() in this kernel");
	asm volatile("mov %0, %%es" :: "r"((u32)ldt_selector));
	asm volatile("mov %0, %%ds" :: "r"((u32)ds));
	guest_that_changes_all(&g);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	asm volatile("mov %%es, %0" : "=r"(es));
	EXPECT_EQ(ldt_selector, es);
	/* The descriptor is still behind it. */
	asm volatile("mov %0, %%fs; mov %1, %%fs" :: "r"((u32)ldt_selector), "r"(0));
	asm volatile("mov %%ds, %0" : "=r"(ds));
	EXPECT_EQ(0x2b, ds);
	_exit(_metadata->passed ? 0 : _metadata->step);	/* FS has no TLS any more */
}

struct table { u16 limit; u64 base; } __attribute__((packed));

/* SDM vol. 3, "Loading Host Segment and Descriptor-Table Registers": limits become 0xffff. */
TEST(host_descriptor_tables_survive)
{
	struct table gdt = { 0 }, idt = { 0 }, after = { 0 };
	struct guest g;

	pin(pthread_self(), 0);
	guest_that_changes_all(&g);
	asm volatile("sgdt %0; sidt %1" : "=m"(gdt), "=m"(idt));
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	asm volatile("sgdt %0" : "=m"(after));
	EXPECT_EQ(0, memcmp(&gdt, &after, sizeof(gdt))) TH_LOG("GDT limit 0x%x", after.limit);
	asm volatile("sidt %0" : "=m"(after));
	EXPECT_EQ(0, memcmp(&idt, &after, sizeof(idt))) TH_LOG("IDT limit 0x%x", after.limit);
}

TEST(host_flags_survive)
{
	struct guest g;
	u64 flags;

	guest_that_changes_all(&g);
	ASSERT_EQ(0, vcpu_run(&g.cpu));
	asm volatile("pushfq; pop %0" : "=r"(flags));
	EXPECT_EQ(RFLAGS_IF | RFLAGS_FIXED, flags & 0x247702);	/* DF, IF, TF, IOPL, NT, AC, ID */
	EXPECT_TRUE(get_regs(&g.cpu).rflags & (1 << 10));
}

/* TSC_AUX is the CPU's number for the vDSO. */
TEST(host_tsc_aux_survives)
{
	unsigned int a, b, c, d = 0, aux;
	struct guest g;
	int cpu;

	__get_cpuid(0x80000001, &a, &b, &c, &d);
	if (!(d & (1 << 27)))
		SKIP(return, "no RDTSCP");
	cpu = pin(pthread_self(), 0);
	guest_that_changes_all(&g);
	for (int i = 0; i < 10; i++) {
		jump_to(&g.cpu, GUEST_CODE);
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
		asm volatile("rdtscp" : "=c"(aux) :: "rax", "rdx");
		ASSERT_EQ(cpu, aux & 0xfff);
	}
}

/* The host's MSRs through its msr driver, where there is one. */
TEST(host_msrs_survive)
{
	static const u32 msrs[] = {
		0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0x174, 0x175, 0x176,
		0x277, 0x1d9, 0xc0000103,
	};
	u64 before[ARRAY_SIZE(msrs)], after;
	struct guest g;
	char path[32];
	int fd;

	sprintf(path, "/dev/cpu/%d/msr", pin(pthread_self(), 0));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "no msr driver in this host");
	guest_that_changes_all(&g);
	for (int i = 0; i < ARRAY_SIZE(msrs); i++)
		if (pread(fd, &before[i], 8, msrs[i]) != 8)
			before[i] = 0;
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	for (int i = 0; i < ARRAY_SIZE(msrs); i++) {
		if (pread(fd, &after, 8, msrs[i]) != 8)
			after = 0;
		EXPECT_EQ(before[i], after) TH_LOG("MSR 0x%x", msrs[i]);
	}
}

/* SYSENTER's and INT 0x80's ways into the kernel, too */
TEST(host_system_calls_still_work)
{
	struct guest g;
	int pid;

	guest_that_changes_all(&g);
	for (int i = 0; i < 10; i++) {
		jump_to(&g.cpu, GUEST_CODE);
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
		ASSERT_EQ(getpid(), syscall(SYS_getpid));
		asm volatile("int $0x80" : "=a"(pid) : "a"(20) : "r8", "r9", "r10", "r11");
		ASSERT_TRUE(pid == getpid() || pid == -ENOSYS);
	}
}

/* ---- Debug registers of the host ---- */

static volatile u64 watched;

static int watchpoint(volatile void *address)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT, .size = sizeof(attr),
		.bp_type = HW_BREAKPOINT_W, .bp_addr = (uintptr_t)address, .bp_len = 8,
		.exclude_kernel = 1, .exclude_hv = 1,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

TEST(host_debug_registers_survive)
{
	struct kvm_debugregs dr = { .dr6 = 0xffff0ff0, .dr7 = 0x455, .db = { 1, 2, 3, 4 } };
	int fd = watchpoint(&watched);
	struct guest g;
	u64 hits = 0;

	if (fd < 0)
		SKIP(return, "no hardware breakpoints from perf in this host");
	watched = 1;
	ASSERT_EQ(8, read(fd, &hits, 8));
	if (hits != 1)
		SKIP(return, "the emulated host's own watchpoint does not work");
	guest_that_changes_all(&g);
	for (int i = 0; i < 10; i++) {
		jump_to(&g.cpu, GUEST_CODE);
		ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_DEBUGREGS, &dr));
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
		watched = i;
	}
	ASSERT_EQ(8, read(fd, &hits, 8));
	EXPECT_EQ(11, hits);
}

/* A watchpoint of the host's on a page that its guest writes is not hit by the guest. */
TEST(guest_does_not_trip_the_hosts_watchpoint)
{
	struct guest g;
	u64 hits = 0;
	int fd;

	guest_that_changes_all(&g);
	fd = watchpoint(g.vm.ram + GUEST_DATA);
	if (fd < 0)
		SKIP(return, "no hardware breakpoints from perf in this host");
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	ASSERT_EQ(8, read(fd, &hits, 8));
	EXPECT_EQ(0, hits);
}

/* ---- Debug registers of the guest ---- */

GUEST(writes_drs, 64,
      "mov %rax, %dr0; mov %rbx, %dr1; mov %rcx, %dr2; mov %rdx, %dr3;"
      "mov $0x00000402, %esi; mov %rsi, %dr7;"
      "mov %dr0, %r8; mov %dr1, %r9; mov %dr2, %r10; mov %dr3, %r11; mov %dr6, %r12; mov %dr7, %r13");

TEST(guest_debug_registers_are_its_own)
{
	struct kvm_regs in = { .rax = 0x1111, .rbx = 0x2222, .rcx = 0x3333, .rdx = 0x4444 };
	struct kvm_debugregs dr;
	struct outcome out;
	struct guest g;

	guest_start(&g, set_long_mode, "", 0);
	out = TRY(&g, writes_drs, &in);
	ASSERT_EQ(NO_TRAP, out.vector);
	EXPECT_EQ(0x1111, out.regs.r8);
	EXPECT_EQ(0x2222, out.regs.r9);
	EXPECT_EQ(0x3333, out.regs.r10);
	EXPECT_EQ(0x4444, out.regs.r11);
	EXPECT_EQ(0xffff0ff0, out.regs.r12);
	EXPECT_EQ(0x402, out.regs.r13);
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_GET_DEBUGREGS, &dr));
	EXPECT_EQ(0x1111, dr.db[0]);
	EXPECT_EQ(0x4444, dr.db[3]);
	EXPECT_EQ(0x402, dr.dr7);
}

GUEST(reads_drs, 64, "mov %dr0, %r8; mov %dr3, %r11; mov %dr7, %r13");

TEST(guest_reads_what_userspace_set)
{
	struct kvm_debugregs dr = { .dr6 = 0xffff0ff0, .dr7 = 0x400, .db = { 5, 6, 7, 8 } };
	struct outcome out;
	struct guest g;

	guest_start(&g, set_long_mode, "", 0);
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_DEBUGREGS, &dr));
	out = TRY(&g, reads_drs, NULL);
	EXPECT_EQ(5, out.regs.r8);
	EXPECT_EQ(8, out.regs.r11);
	EXPECT_EQ(0x400, out.regs.r13);
}

GUEST(watched_store, 64, "mov %rbx, %dr0; mov $0xd0402, %eax; mov %rax, %dr7;"
			 "nop; movl $1, (%rbx); nop; mov %dr6, %r8; mov $0x400, %eax; mov %rax, %dr7");

/* DR7: L0/G0 on, write, 4 bytes */
TEST(guest_data_watchpoint)
{
	struct kvm_regs in = { .rbx = GUEST_DATA };
	struct outcome out;
	struct guest g;

	if (on_tcg())
		SKIP(return, "QEMU's VMRUN loads DR7 without arming the breakpoints");
	guest_start(&g, set_long_mode, "", 0);
	out = TRY(&g, watched_store, &in);
	EXPECT_EQ(DB_VECTOR, out.vector);
	EXPECT_EQ(1, traps(&g)->hits[DB_VECTOR]);
	EXPECT_EQ(1, out.regs.r8 & 0xf);
}

GUEST(dr_upper, 64, "mov $0x100000000, %rax; mov %rax, %dr7");
GUEST(dr4_alias, 64, "mov %dr4, %rax; mov %dr5, %rbx");

TEST(impossible_debug_register_writes)
{
	struct kvm_sregs s;
	struct outcome out;
	struct guest g;

	guest_start(&g, set_long_mode, "", 0);
	if (!on_tcg())		/* takes the low half */
		EXPECT_EQ(GP_VECTOR, TRY(&g, dr_upper, NULL).vector);
	out = TRY(&g, dr4_alias, NULL);
	EXPECT_EQ(NO_TRAP, out.vector);
	EXPECT_EQ(0xffff0ff0, out.regs.rax);
	s = get_sregs(&g.cpu);
	s.cr4 |= X86_CR4_DE;
	set_sregs(&g.cpu, &s);
	EXPECT_EQ(UD_VECTOR, TRY(&g, dr4_alias, NULL).vector);
}

GUEST(general_detect, 64, "mov $0x2400, %eax; mov %rax, %dr7; mov %dr0, %rbx");

TEST(dr7_general_detect)
{
	struct outcome out;
	struct guest g;

	guest_start(&g, set_long_mode, "", 0);
	out = TRY(&g, general_detect, NULL);
	if (on_tcg() && out.vector == NO_TRAP)
		SKIP(return, "QEMU's TCG has no DR7.GD");
	EXPECT_EQ(KVM_EXIT_HLT, out.exit);
	EXPECT_EQ(DB_VECTOR, out.vector);
}

TEST_HARNESS_MAIN
