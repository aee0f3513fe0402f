// SPDX-License-Identifier: GPL-2.0-only
/*
 * What debuggers and migration ask of a vCPU: guest debugging, registers in kvm_run,
 * translation, MSRs that userspace answers, and the whole state into another VM.
 */
#include "kselftest_harness.h"
#include "guest.h"

/* ---- KVM_SET_GUEST_DEBUG ---- */

static void debug(struct guest *g, u32 control, u64 dr0, u64 dr7)
{
	struct kvm_guest_debug d = {
		.control = control, .arch.debugreg = { [0] = dr0, [7] = dr7 },
	};

	if (kvm(g->cpu.fd, KVM_SET_GUEST_DEBUG, &d))
		die("KVM_SET_GUEST_DEBUG");
}

#define EXPECT_DEBUG(g, vector, at) do {						\
	EXPECT_EQ(KVM_EXIT_DEBUG, guest_run(&(g)->cpu));				\
	EXPECT_EQ(vector, (g)->cpu.run->debug.arch.exception);				\
	EXPECT_EQ(at, (g)->cpu.run->debug.arch.pc);					\
	EXPECT_EQ(at, get_regs(&(g)->cpu).rip);						\
} while (0)

GUEST(breakpoint, 64, "nop; int3; nop; hlt");

TEST(software_breakpoint_is_the_debuggers)
{
	struct guest g;

	if (on_tcg())
		SKIP(return, "QEMU's TCG does not intercept INT3");
	guest_long(&g, breakpoint);
	debug(&g, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, 0, 0);
	EXPECT_DEBUG(&g, BP_VECTOR, GUEST_CODE + 1);
	/* It was the guest's own after all: its handler is to have it. */
	debug(&g, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_INJECT_BP, 0, 0);
	vcpu_run(&g.cpu);
	EXPECT_EQ(BP_VECTOR, traps(&g)->vector);
}

TEST(software_breakpoint_is_the_guests_without)
{
	struct guest g;

	guest_long(&g, breakpoint);
	debug(&g, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, 0, 0);
	debug(&g, 0, 0, 0);
	vcpu_run(&g.cpu);
	EXPECT_EQ(BP_VECTOR, traps(&g)->vector);
}

#define NO_BREAKPOINTS	"QEMU's TCG does not load breakpoints with VMRUN"

GUEST(three_nops, 64, "nop; nop; nop; hlt");

TEST(hardware_breakpoint)
{
	struct guest g;

	if (on_tcg())
		SKIP(return, NO_BREAKPOINTS);
	guest_long(&g, three_nops);
	debug(&g, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, GUEST_CODE + 2, 0x402);
	EXPECT_DEBUG(&g, DB_VECTOR, GUEST_CODE + 2);
	EXPECT_EQ(0xffff0ff1, g.cpu.run->debug.arch.dr6);
	EXPECT_EQ(0x402, g.cpu.run->debug.arch.dr7);
	debug(&g, 0, 0, 0);
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

GUEST(stores, 64, "movl $7, " ARG(GUEST_DATA) "; hlt");

TEST(hardware_watchpoint)
{
	struct kvm_debugregs dr;
	struct guest g;

	if (on_tcg())
		SKIP(return, NO_BREAKPOINTS);
	guest_long(&g, stores);
	debug(&g, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, GUEST_DATA, 0xd0402);
	EXPECT_EQ(KVM_EXIT_DEBUG, guest_run(&g.cpu));
	EXPECT_EQ(7, *(u32 *)(g.vm.ram + GUEST_DATA));
	/* The guest's own registers know nothing of it. */
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_GET_DEBUGREGS, &dr));
	EXPECT_EQ(0x400, dr.dr7);
	EXPECT_EQ(0, dr.db[0]);
	EXPECT_EQ(0xffff0ff0, dr.dr6);
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

/* CPUID is done in the kernel; PUSHF and POPF touch what stepping is made of. */
GUEST(steps, 64, "nop; cpuid; pushf; popf; nop; cli; hlt");

TEST(single_step)
{
	static const u8 length[] = { 1, 2, 1, 1, 1, 1 };
	u64 at = GUEST_CODE;
	int traps_too_early = 0;
	struct guest g;

	guest_long(&g, steps);
	for (size_t i = 0; i < sizeof(length); i++) {
		debug(&g, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, 0);
		/* Bochs also traps where the host's interrupt comes before the instruction. */
		do {
			ASSERT_EQ(KVM_EXIT_DEBUG, guest_run(&g.cpu));
		} while (g.cpu.run->debug.arch.pc == at && traps_too_early++ < 100);
		at += length[i];
		EXPECT_EQ(DB_VECTOR, g.cpu.run->debug.arch.exception);
		EXPECT_EQ(at, g.cpu.run->debug.arch.pc);
		EXPECT_EQ(at, get_regs(&g.cpu).rip);
		EXPECT_EQ(1 << 14, g.cpu.run->debug.arch.dr6 & (1 << 14));
		EXPECT_EQ(0, get_regs(&g.cpu).rflags & (1 << 8));
	}
	debug(&g, 0, 0, 0);
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(0, traps(&g)->hits[DB_VECTOR]);
}

/* ---- KVM_TRANSLATE ---- */

GUEST(halts, 64, "1: hlt; jmp 1b");

TEST(translation)
{
	struct kvm_translation t = { .linear_address = GUEST_DATA + 0x123 };
	struct guest g;

	guest_long(&g, halts);
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_TRANSLATE, &t));
	EXPECT_EQ(1, t.valid);
	EXPECT_EQ(GUEST_DATA + 0x123, t.physical_address);
	t.linear_address = 0xffff800000000000;
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_TRANSLATE, &t));
	EXPECT_EQ(0, t.valid);
}

/* ---- KVM_CAP_SYNC_REGS ---- */

TEST(registers_travel_in_kvm_run)
{
	struct kvm_run *run;
	struct kvm_sregs s;
	struct guest g;

	guest_long(&g, halts);
	run = g.cpu.run;
	ASSERT_EQ(KVM_SYNC_X86_VALID_FIELDS, cap(g.vm.fd, KVM_CAP_SYNC_REGS));
	run->kvm_valid_regs = KVM_SYNC_X86_VALID_FIELDS;
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(GUEST_CODE + 1, run->s.regs.regs.rip);
	s = get_sregs(&g.cpu);
	EXPECT_EQ(0, memcmp(&s, &run->s.regs.sregs, sizeof(s)));

	run->s.regs.regs.rbx = 0x1234;
	run->s.regs.sregs.cr2 = 0x5678;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	run->kvm_valid_regs = 0;
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(0, run->kvm_dirty_regs);
	EXPECT_EQ(0x1234, get_regs(&g.cpu).rbx);
	EXPECT_EQ(0x5678, get_sregs(&g.cpu).cr2);
}

TEST(impossible_registers_in_kvm_run_are_einval)
{
	struct kvm_run *run;
	struct guest g;

	guest_long(&g, halts);
	run = g.cpu.run;
	run->kvm_valid_regs = 1ull << 40;
	EXPECT_EQ(-EINVAL, vcpu_run(&g.cpu));
	run->kvm_valid_regs = 0;
	run->kvm_dirty_regs = 8;
	EXPECT_EQ(-EINVAL, vcpu_run(&g.cpu));
	run->s.regs.sregs = get_sregs(&g.cpu);
	run->s.regs.sregs.cr4 = ~0ull;
	run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	EXPECT_EQ(-EINVAL, vcpu_run(&g.cpu));
	run->kvm_dirty_regs = 0;
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

/* ---- MSRs that userspace refuses or answers ---- */

#define NO_SUCH_MSR	0x474f4f00

static int enable(struct guest *g, u32 which, u64 value)
{
	struct kvm_enable_cap cap = { .cap = which, .args = { value } };

	return kvm(g->vm.fd, KVM_ENABLE_CAP, &cap);
}

static int refuse(struct guest *g, u32 index, u32 access)
{
	static u8 none[1];
	struct kvm_msr_filter filter = {
		.ranges = { { .flags = access, .nmsrs = 1, .base = index, .bitmap = none } },
	};

	return kvm(g->vm.fd, KVM_X86_SET_MSR_FILTER, &filter);
}

GUEST(reads_msr, 64, "rdmsr; hlt");
GUEST(writes_msr, 64, "wrmsr; hlt");

static void start_msr(struct guest *g, const u8 *code, size_t len, u32 index)
{
	struct kvm_regs regs;

	guest_start(g, set_long_mode, code, len);
	regs = get_regs(&g->cpu);
	regs.rcx = index;
	regs.rax = 0x11;
	regs.rdx = 0x22;
	set_regs(&g->cpu, &regs);
}

TEST(unknown_msr_is_read_by_userspace)
{
	struct guest g;

	start_msr(&g, reads_msr, reads_msr_end - reads_msr, NO_SUCH_MSR);
	EXPECT_EQ(-EINVAL, enable(&g, KVM_CAP_X86_USER_SPACE_MSR, 1 << 5));
	ASSERT_EQ(0, enable(&g, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_UNKNOWN));
	memset(&g.cpu.run->msr, 0xa5, sizeof(g.cpu.run->msr));
	ASSERT_EQ(KVM_EXIT_X86_RDMSR, guest_run(&g.cpu));
	EXPECT_EQ(NO_SUCH_MSR, g.cpu.run->msr.index);
	EXPECT_EQ(KVM_MSR_EXIT_REASON_UNKNOWN, g.cpu.run->msr.reason);
	EXPECT_EQ(0, g.cpu.run->msr.error);
	for (size_t i = 0; i < sizeof(g.cpu.run->msr.pad); i++)
		EXPECT_EQ(0, g.cpu.run->msr.pad[i]);
	g.cpu.run->msr.data = 0x123456789abcdef0;
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(0x9abcdef0, get_regs(&g.cpu).rax);
	EXPECT_EQ(0x12345678, get_regs(&g.cpu).rdx);
}

TEST(userspace_can_make_it_a_gp)
{
	struct guest g;

	start_msr(&g, writes_msr, writes_msr_end - writes_msr, NO_SUCH_MSR);
	ASSERT_EQ(0, enable(&g, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_UNKNOWN));
	ASSERT_EQ(KVM_EXIT_X86_WRMSR, guest_run(&g.cpu));
	EXPECT_EQ(0x2200000011, g.cpu.run->msr.data);
	g.cpu.run->msr.error = 1;
	vcpu_run(&g.cpu);
	EXPECT_EQ(GP_VECTOR, traps(&g)->vector);
}

/* FS_BASE is one that the guest reads without a VM exit as long as nobody minds. */
TEST(filtered_msr)
{
	struct kvm_regs regs;
	struct guest g;

	start_msr(&g, reads_msr, reads_msr_end - reads_msr, MSR_FS_BASE);
	ASSERT_EQ(0, refuse(&g, MSR_FS_BASE, KVM_MSR_FILTER_READ));
	ASSERT_EQ(0, enable(&g, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER));
	ASSERT_EQ(KVM_EXIT_X86_RDMSR, guest_run(&g.cpu));
	EXPECT_EQ(KVM_MSR_EXIT_REASON_FILTER, g.cpu.run->msr.reason);
	g.cpu.run->msr.data = 5;
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(5, get_regs(&g.cpu).rax);

	/* The next one is behind the bitmap. */
	regs = get_regs(&g.cpu);
	regs.rip = GUEST_CODE;
	regs.rcx = MSR_GS_BASE;
	set_regs(&g.cpu, &regs);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	regs.rcx = MSR_FS_BASE;
	set_regs(&g.cpu, &regs);

	ASSERT_EQ(0, refuse(&g, MSR_FS_BASE, KVM_MSR_FILTER_WRITE));
	jump_to(&g.cpu, GUEST_CODE);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(0, get_regs(&g.cpu).rax);
}

TEST(impossible_filters_are_einval)
{
	struct kvm_msr_filter deny_all = { .flags = KVM_MSR_FILTER_DEFAULT_DENY };
	struct kvm_msr_filter flags = { .flags = 2 };
	struct kvm_msr_filter large = {
		.ranges = { { .flags = KVM_MSR_FILTER_READ,
			      .nmsrs = 8 * KVM_MSR_FILTER_MAX_BITMAP_SIZE + 1 } },
	};
	struct guest g;

	start_msr(&g, reads_msr, reads_msr_end - reads_msr, MSR_STAR);
	EXPECT_EQ(-EINVAL, kvm(g.vm.fd, KVM_X86_SET_MSR_FILTER, &deny_all));
	EXPECT_EQ(-EINVAL, kvm(g.vm.fd, KVM_X86_SET_MSR_FILTER, &flags));
	EXPECT_EQ(-EINVAL, kvm(g.vm.fd, KVM_X86_SET_MSR_FILTER, &large));
	EXPECT_EQ(-EINVAL, refuse(&g, 0, 0));
	EXPECT_EQ(-EINVAL, refuse(&g, 0, 4));
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

/* ---- all of it, into another VM ---- */

/* Everything that a client saves of a vCPU, in the order in which it is restored. */
struct saved {
	struct cpuid_table cpuid;
	struct kvm_mp_state mp;
	struct kvm_regs regs;
	struct kvm_xsave xsave;
	struct kvm_xcrs xcrs;
	struct kvm_sregs2 sregs;
	struct msr_table msrs;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debug;
};

#define EACH(X)										\
	X(mp, KVM_GET_MP_STATE, KVM_SET_MP_STATE)					\
	X(regs, KVM_GET_REGS, KVM_SET_REGS)						\
	X(xsave, KVM_GET_XSAVE, KVM_SET_XSAVE)						\
	X(sregs, KVM_GET_SREGS2, KVM_SET_SREGS2)					\
	X(events, KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS)				\
	X(debug, KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS)

static void save(struct guest *g, struct saved *s)
{
	struct msr_list list = { .nmsrs = ARRAY_SIZE(list.indices) };

	/* What the kernel does not write stays 0xa5 and is seen. */
	memset(s, 0xa5, sizeof(*s));
	s->cpuid.nent = ARRAY_SIZE(s->cpuid.entries);
	if (kvm(open_device(), KVM_GET_MSR_INDEX_LIST, &list) ||
	    kvm(g->cpu.fd, KVM_GET_CPUID2, &s->cpuid))
		die("lists");
	s->msrs.nmsrs = list.nmsrs;
	for (u32 i = 0; i < list.nmsrs; i++)
		s->msrs.entries[i] = (struct kvm_msr_entry){ .index = list.indices[i] };
	if (kvm(g->cpu.fd, KVM_GET_MSRS, &s->msrs) != (int)list.nmsrs)
		die("KVM_GET_MSRS");
	dirty_heap();
	if (host_has_xsave() && kvm(g->cpu.fd, KVM_GET_XCRS, &s->xcrs))
		die("KVM_GET_XCRS");
#define GET(what, get, set)	dirty_heap(); if (kvm(g->cpu.fd, get, &s->what)) die(#get);
	EACH(GET)
}

static void restore(struct guest *g, struct saved *s)
{
	if (kvm(g->cpu.fd, KVM_SET_CPUID2, &s->cpuid))
		die("KVM_SET_CPUID2");
	if (host_has_xsave() && kvm(g->cpu.fd, KVM_SET_XCRS, &s->xcrs))
		die("KVM_SET_XCRS");
	if (kvm(g->cpu.fd, KVM_SET_MSRS, &s->msrs) != (int)s->msrs.nmsrs)
		die("KVM_SET_MSRS");
#define SET(what, get, set)	if (kvm(g->cpu.fd, set, &s->what)) die(#set);
	EACH(SET)
}

/* A checksum over what it keeps in general, SSE and debug registers and an MSR. */
GUEST(counts, 64,
      "mov %cr4, %rax; or $0x600, %eax; mov %rax, %cr4;"
      "mov $1, %ebx; movq %rbx, %xmm7; mov $0xc0000082, %ecx; xor %edx, %edx; xor %eax, %eax; wrmsr;"
      "1: mov %dr2, %r10; add %r10, %r9; movq %xmm7, %rbx; imul $1664525, %rbx; add $1013904223, %rbx; movq %rbx, %xmm7;"
      "mov %rbx, %rax; and $0xfffff, %eax; mov %rax, %dr2;"
      "mov $0xc0000082, %ecx; rdmsr; inc %eax; wrmsr;"
      "add %rbx, %r9; add %rax, %r9; hlt; jmp 1b");

#define ROUNDS	20

TEST(a_vcpu_continues_in_another_vm)
{
	static struct saved first, second;
	struct guest alone, from, to;
	u64 wanted;
	int khz;

	guest_long(&alone, counts);
	guest_long(&from, counts);
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&alone.cpu));
		if (i < ROUNDS / 2)
			ASSERT_EQ(KVM_EXIT_HLT, guest_run(&from.cpu));
	}
	wanted = get_regs(&alone.cpu).r9;
	set_msr(&from.cpu, 0x277, 0x0006060606060606);
	set_msr(&from.cpu, 0x4b564d01, GUEST_DATA | 1);
	save(&from, &first);

	guest_start(&to, set_real_mode, "", 0);
	memcpy(to.vm.ram, from.vm.ram, GUEST_RAM);
	khz = kvm_val(to.cpu.fd, KVM_GET_TSC_KHZ, 0);
	restore(&to, &first);
	save(&to, &second);
	EXPECT_EQ(0, memcmp(&first.cpuid, &second.cpuid, sizeof(first.cpuid)));
	EXPECT_EQ(0, memcmp(&first.xcrs, &second.xcrs, sizeof(first.xcrs)));
#define SAME(what, get, set)								\
	EXPECT_EQ(0, memcmp(&first.what, &second.what, sizeof(first.what))) TH_LOG(#what);
	EACH(SAME)
	EXPECT_EQ(first.msrs.nmsrs, second.msrs.nmsrs);
	for (u32 i = 0; i < first.msrs.nmsrs; i++) {
		const struct kvm_msr_entry *a = &first.msrs.entries[i];
		const struct kvm_msr_entry *b = &second.msrs.entries[i];

		if (a->index == 0x10) {
			/* It goes on; KVM takes less than a second's difference for none. */
			EXPECT_LT(a->data, b->data + 1000ull * khz);
		} else {
			EXPECT_EQ(a->data, b->data) TH_LOG("MSR 0x%x", a->index);
		}
		EXPECT_EQ(0, b->reserved);
	}
	for (int i = ROUNDS / 2; i < ROUNDS; i++)
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&to.cpu));
	EXPECT_EQ(wanted, get_regs(&to.cpu).r9);
}

/*
 * Class 13, CVE-2023-1513, CVE-2022-48764: what has no meaning is 0, not what was in the
 * kernel's memory. The guard is kzalloc() in mkvm_arg_in().
 */
TEST(reserved_bytes_are_zero)
{
	static struct saved s;
	struct guest g;

	guest_long(&g, halts);
	save(&g, &s);
	EXPECT_EQ(0, s.events.exception.pending | s.events.interrupt.soft | s.events.sipi_vector);
	for (size_t i = 0; i < sizeof(s.events.reserved); i++)
		EXPECT_EQ(0, s.events.reserved[i]);
	for (size_t i = 0; i < sizeof(s.debug.reserved) / sizeof(s.debug.reserved[0]); i++)
		EXPECT_EQ(0, s.debug.reserved[i]);
	if (host_has_xsave())
		for (size_t i = 0; i < sizeof(s.xcrs.padding) / sizeof(s.xcrs.padding[0]); i++)
			EXPECT_EQ(0, s.xcrs.padding[i]);
	EXPECT_EQ(0, s.sregs.cs.padding | s.sregs.ldt.padding | s.sregs.gdt.padding[2]);
	for (u32 i = 0; i < s.cpuid.nent; i++)
		EXPECT_EQ(0, s.cpuid.entries[i].padding[0] | s.cpuid.entries[i].padding[2]);
}

TEST_HARNESS_MAIN
