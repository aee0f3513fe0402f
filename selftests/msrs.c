// SPDX-License-Identifier: GPL-2.0-only
/* MSRs from inside the guest: what is there, what is refused, and that nothing is the host's. */
#include "kselftest_harness.h"
#include "guest.h"

#define SWEEP_TABLE	0x100000
#define SWEEP_ENTRY	16

struct sweep_entry {
	u64 value;
	u64 readable;
};

GUEST(rdmsr, 64, "rdmsr");
GUEST(wrmsr, 64, "wrmsr");

/* RDMSR of ESI up to before EDI; #GP resumes at R15, where the next one begins. */
GUEST(read_sweep, 64,
      "mov $" ARG(SWEEP_TABLE) ", %ebx; lea 2f(%rip), %r15;"
      "1: mov %esi, %ecx; rdmsr; mov %eax, (%rbx); mov %edx, 4(%rbx); movl $1, 8(%rbx);"
      "2: add $16, %rbx; inc %esi; cmp %edi, %esi; jne 1b; hlt");

/* WRMSR of R8, except for what the guest itself stands on (bits in the table). */
GUEST(write_sweep, 64,
      "mov $" ARG(SWEEP_TABLE) ", %ebx; lea 2f(%rip), %r15;"
      "1: mov %esi, %ecx; cmpl $0, 8(%rbx); jne 2f;"
      "mov %r8d, %eax; mov %r8, %rdx; shr $32, %rdx; wrmsr; movl $2, 8(%rbx);"
      "2: add $16, %rbx; inc %esi; cmp %edi, %esi; jne 1b; hlt");

static const struct range { u32 start, count; } ranges[] = {
	{ 0, 0x2000 }, { 0x40000000, 0x100 }, { 0x4b564d00, 0x10 },
	{ 0xc0000000, 0x2000 }, { 0xc0010000, 0x2000 },
};

FIXTURE(msr) {
	struct guest g;
};

FIXTURE_SETUP(msr)
{
	guest_start(&self->g, set_long_mode, "", 0);
}

FIXTURE_TEARDOWN(msr)
{
	guest_close(&self->g);
}

static struct outcome rdmsr_of(struct guest *g, u32 index)
{
	return TRY(g, rdmsr, &(struct kvm_regs){ .rcx = index });
}

static struct outcome wrmsr_of(struct guest *g, u32 index, u64 value)
{
	return TRY(g, wrmsr, &((struct kvm_regs){
		.rcx = index, .rax = value & 0xffffffff, .rdx = value >> 32 }));
}

static struct sweep_entry *sweep_table(struct guest *g)
{
	return (struct sweep_entry *)(g->vm.ram + SWEEP_TABLE);
}

static u32 run_sweep(struct guest *g, const u8 *code, size_t len, struct range r, u64 value)
{
	struct kvm_regs regs = {
		.rip = GUEST_CODE, .rsp = GUEST_STACK, .rflags = RFLAGS_FIXED,
		.rsi = r.start, .rdi = r.start + r.count, .r8 = value,
	};

	guest_code(g, code, len);
	set_regs(&g->cpu, &regs);
	return guest_run(&g->cpu);
}

TEST_F(msr, unknown_ones_are_gp)
{
	static const u32 unknown[] = { 0x3000, 0x12345678, 0x80000000, 0xc0003000, 0xffffffff };

	for (int i = 0; i < ARRAY_SIZE(unknown); i++) {
		struct outcome out = rdmsr_of(&self->g, unknown[i]);

		EXPECT_EQ(GP_VECTOR, out.vector) TH_LOG("RDMSR 0x%x", unknown[i]);
		EXPECT_EQ(0, out.error);
		out = wrmsr_of(&self->g, unknown[i], 0);
		EXPECT_EQ(GP_VECTOR, out.vector) TH_LOG("WRMSR 0x%x", unknown[i]);
	}
}

TEST_F(msr, guest_and_userspace_see_the_same)
{
	static const u32 both[] = {
		MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_STAR, MSR_LSTAR,
		MSR_CSTAR, MSR_SFMASK, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS,
	};
	struct guest *g = &self->g;
	struct outcome out;
	u64 value;

	for (int i = 0; i < ARRAY_SIZE(both); i++) {
		EXPECT_EQ(1, set_msr(&g->cpu, both[i], 0x1000 + i));
		out = rdmsr_of(g, both[i]);
		EXPECT_EQ(NO_TRAP, out.vector) TH_LOG("RDMSR 0x%x", both[i]);
		EXPECT_EQ(0x1000 + i, out.regs.rax) TH_LOG("RDMSR 0x%x", both[i]);
		out = wrmsr_of(g, both[i], 0x2000 + i);
		EXPECT_EQ(NO_TRAP, out.vector) TH_LOG("WRMSR 0x%x", both[i]);
		EXPECT_EQ(1, get_msr(&g->cpu, both[i], &value));
		EXPECT_EQ(0x2000 + i, value) TH_LOG("MSR 0x%x", both[i]);
	}
}

TEST_F(msr, upper_halves_are_cleared)
{
	struct outcome out;

	set_msr(&self->g.cpu, MSR_LSTAR, 0xffff8000deadbeef);
	out = TRY(&self->g, rdmsr, (&(struct kvm_regs){
		.rcx = 0xffffffff00000000 | MSR_LSTAR, .rax = -1ull, .rdx = -1ull }));
	EXPECT_EQ(0xdeadbeef, out.regs.rax);
	EXPECT_EQ(0xffff8000, out.regs.rdx);
}

TEST_F(msr, apic_base_reads_as_set)
{
	struct kvm_sregs s = get_sregs(&self->g.cpu);
	struct outcome out = rdmsr_of(&self->g, MSR_APICBASE);

	EXPECT_EQ(NO_TRAP, out.vector);
	EXPECT_EQ(s.apic_base & 0xffffffff, out.regs.rax);
	EXPECT_TRUE(out.regs.rax & (1 << 8)) TH_LOG("vCPU 0 is not the bootstrap processor");
}

/* CVE-2014-3610 */
TEST_F(msr, non_canonical_writes_are_gp)
{
	static const u32 addresses[] = {
		MSR_LSTAR, MSR_CSTAR, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS,
	};
	static const u64 values[] = {
		0x0000800000000000, 0x8000000000000000, 0x7fffffffffffffff, 0xfeff800000000000,
	};
	struct guest *g = &self->g;
	u64 before, after;

	if (on_tcg())
		SKIP(return, "QEMU's TCG takes non-canonical values of MSRs that are not intercepted");
	for (int m = 0; m < ARRAY_SIZE(addresses); m++) {
		get_msr(&g->cpu, addresses[m], &before);
		for (int i = 0; i < ARRAY_SIZE(values); i++) {
			EXPECT_EQ(GP_VECTOR, wrmsr_of(g, addresses[m], values[i]).vector)
				TH_LOG("MSR 0x%x = 0x%lx", addresses[m], values[i]);
		}
		get_msr(&g->cpu, addresses[m], &after);
		EXPECT_EQ(before, after);
	}
}

/* KVM makes them canonical for the guest instead of raising #GP on VT-x: either is safe. */
TEST_F(msr, non_canonical_sysenter_is_harmless)
{
	struct guest *g = &self->g;

	for (u32 m = MSR_SYSENTER_ESP; m <= MSR_SYSENTER_EIP; m++) {
		struct outcome out = wrmsr_of(g, m, 0x8000000000000000);

		EXPECT_EQ(KVM_EXIT_HLT, out.exit);
		EXPECT_TRUE(out.vector == NO_TRAP || out.vector == GP_VECTOR);
	}
	EXPECT_EQ(KVM_EXIT_HLT, TRY(g, rdmsr, (&(struct kvm_regs){ .rcx = MSR_STAR })).exit);
}

TEST_F(msr, impossible_efer_is_gp)
{
	struct guest *g = &self->g;
	u64 efer = get_sregs(&g->cpu).efer;

	EXPECT_EQ(NO_TRAP, wrmsr_of(g, MSR_EFER, efer & ~X86_EFER_SCE).vector);
	EXPECT_EQ(efer & ~X86_EFER_SCE, get_sregs(&g->cpu).efer);
	EXPECT_EQ(GP_VECTOR, wrmsr_of(g, MSR_EFER, efer | 1ull << 63).vector);
	EXPECT_EQ(GP_VECTOR, wrmsr_of(g, MSR_EFER, efer | 1ull << 32).vector);
	EXPECT_EQ(GP_VECTOR, wrmsr_of(g, MSR_EFER, efer | 1ull << 1).vector);
	EXPECT_EQ(GP_VECTOR, wrmsr_of(g, MSR_EFER, efer & ~X86_EFER_LME).vector);
	EXPECT_EQ(efer & ~X86_EFER_SCE, get_sregs(&g->cpu).efer);
}

TEST_F(msr, impossible_pat_is_gp)
{
	struct guest *g = &self->g;

	EXPECT_EQ(NO_TRAP, wrmsr_of(g, MSR_PAT, 0x0007010600070406).vector);
	EXPECT_EQ(GP_VECTOR, wrmsr_of(g, MSR_PAT, 0x02).vector);
	EXPECT_EQ(GP_VECTOR, wrmsr_of(g, MSR_PAT, 0x0300000000000000).vector);
	EXPECT_EQ(GP_VECTOR, wrmsr_of(g, MSR_PAT, 0x0806060606060606).vector);
	EXPECT_EQ(0x00070406, rdmsr_of(g, MSR_PAT).regs.rax);
}

/* ---- features, and MSRs that capabilities take away ---- */

TEST_F(msr, features_are_listed_and_readable)
{
	struct msr_list list = { .nmsrs = 0 };
	struct msr_table one = { .nmsrs = 1 };
	int dev = open_device();

	EXPECT_EQ(-E2BIG, kvm(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, &list));
	ASSERT_LT(0, list.nmsrs);
	ASSERT_EQ(0, kvm(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, &list));
	for (u32 i = 0; i < list.nmsrs; i++) {
		one.entries[0].index = list.indices[i];
		EXPECT_EQ(1, kvm(dev, KVM_GET_MSRS, &one)) TH_LOG("0x%x", list.indices[i]);
	}
	one.entries[0].index = MSR_STAR;
	EXPECT_EQ(0, kvm(dev, KVM_GET_MSRS, &one));
}

#define MSR_PLATFORM_INFO	0xce
#define MSR_UCODE_REV		0x8b

TEST_F(msr, platform_info_is_there_until_it_is_disabled)
{
	struct kvm_enable_cap off = { .cap = KVM_CAP_MSR_PLATFORM_INFO };
	struct guest *g = &self->g;

	ASSERT_EQ(1, set_msr(&g->cpu, MSR_PLATFORM_INFO, 0xff00));
	EXPECT_EQ(0xff00, rdmsr_of(g, MSR_PLATFORM_INFO).regs.rax);
	EXPECT_EQ(GP_VECTOR, wrmsr_of(g, MSR_PLATFORM_INFO, 0).vector);
	ASSERT_EQ(0, kvm(g->vm.fd, KVM_ENABLE_CAP, &off));
	EXPECT_EQ(GP_VECTOR, rdmsr_of(g, MSR_PLATFORM_INFO).vector);
	off.flags = 1;
	EXPECT_EQ(-EINVAL, kvm(g->vm.fd, KVM_ENABLE_CAP, &off));
}

TEST_F(msr, microcode_revision_is_userspaces)
{
	u64 value = 0;

	ASSERT_EQ(1, set_msr(&self->g.cpu, MSR_UCODE_REV, 0x12300000000));
	EXPECT_EQ(NO_TRAP, wrmsr_of(&self->g, MSR_UCODE_REV, 0).vector);
	EXPECT_EQ(0x123, rdmsr_of(&self->g, MSR_UCODE_REV).regs.rdx);
	ASSERT_EQ(1, get_msr(&self->g.cpu, MSR_UCODE_REV, &value));
	EXPECT_EQ(0x12300000000, value);
}

#define MSR_ARCH_CAPABILITIES	0x10a
#define CPUID_ARCH_CAPABILITIES	(1u << 29)
#define PSCHANGE_MC_NO		(1ull << 6)

/* A guest that hears of no bug that its CPU lacks needs no mitigation of it. */
TEST_F(msr, arch_capabilities_are_read_by_intels_guests)
{
	struct msr_table feature = { .nmsrs = 1, .entries[0].index = MSR_ARCH_CAPABILITIES };
	struct guest *g = &self->g;
	struct cpuid_table t;
	u64 value = 0;

	supported_cpuid(&t);
	if (cpu_is_amd()) {
		if (!on_stock_kvm())
			EXPECT_FALSE(find_cpuid(&t, 7, 0)->edx & CPUID_ARCH_CAPABILITIES);
		return;
	}
	ASSERT_TRUE(find_cpuid(&t, 7, 0)->edx & CPUID_ARCH_CAPABILITIES);
	ASSERT_EQ(1, kvm(open_device(), KVM_GET_MSRS, &feature));
	EXPECT_TRUE(feature.entries[0].data & PSCHANGE_MC_NO);
	ASSERT_EQ(1, get_msr(&g->cpu, MSR_ARCH_CAPABILITIES, &value));
	EXPECT_EQ(feature.entries[0].data, value);
	EXPECT_EQ((u32)value, rdmsr_of(g, MSR_ARCH_CAPABILITIES).regs.rax);
	EXPECT_EQ(GP_VECTOR, wrmsr_of(g, MSR_ARCH_CAPABILITIES, value).vector);
	ASSERT_EQ(1, set_msr(&g->cpu, MSR_ARCH_CAPABILITIES, 1));
	EXPECT_EQ(1, rdmsr_of(g, MSR_ARCH_CAPABILITIES).regs.rax);
}

TEST_F(msr, arch_capabilities_need_their_cpuid_bit)
{
	struct cpuid_table t;

	supported_cpuid(&t);
	find_cpuid(&t, 7, 0)->edx &= ~CPUID_ARCH_CAPABILITIES;
	ASSERT_EQ(0, kvm(self->g.cpu.fd, KVM_SET_CPUID2, &t));
	EXPECT_EQ(GP_VECTOR, rdmsr_of(&self->g, MSR_ARCH_CAPABILITIES).vector);
}

TEST_F(msr, pv_features_are_enforced)
{
	struct kvm_enable_cap on = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { 1 } };
	struct cpuid_table t;
	struct vcpu *v = &self->g.cpu;

	supported_cpuid(&t);
	find_cpuid(&t, 0x40000001, 0)->eax &= ~(1u << 3);
	ASSERT_EQ(0, kvm(v->fd, KVM_SET_CPUID2, &t));
	ASSERT_EQ(0, kvm(v->fd, KVM_ENABLE_CAP, &on));
	EXPECT_EQ(GP_VECTOR, rdmsr_of(&self->g, 0x4b564d01).vector);
	EXPECT_EQ(NO_TRAP, rdmsr_of(&self->g, 0x12).vector);
	EXPECT_EQ(1, set_msr(v, 0x4b564d01, 0));
}

GUEST(rdtsc, 64, "rdtsc; shl $32, %rdx; or %rdx, %rax");

TEST_F(msr, tsc_runs_on_from_what_was_set)
{
	struct guest *g = &self->g;
	u64 value, tsc;

	ASSERT_EQ(1, set_msr(&g->cpu, 0x10, 1ull << 40));
	tsc = TRY(g, rdtsc, NULL).regs.rax;
	EXPECT_LT(1ull << 40, tsc);
	EXPECT_GT(1ull << 41, tsc);
	ASSERT_EQ(1, get_msr(&g->cpu, 0x10, &value));
	EXPECT_LT(tsc, value);
	EXPECT_EQ(NO_TRAP, wrmsr_of(g, 0x10, 1ull << 20).vector);
	tsc = TRY(g, rdtsc, NULL).regs.rax;
	EXPECT_LT(1ull << 20, tsc);
	EXPECT_GT(1ull << 40, tsc);
}

static bool moves_on(u32 index)
{
	/* TSC, APERF and MPERF, PV clocks, the Hyper-V reference time */
	return index == 0x10 || index == 0xe7 || index == 0xe8 || index == 0x40000020 ||
	       index == 0xc00000e7 || index == 0xc00000e8 || index == 0x40000010;
}

/* AMD's GHCB: KVM answers the guest although it is for encrypted guests only. */
#define MSR_AMD_GHCB	0xc0010130

/*
 * CVE-2016-3713, CVE-2016-4440: what the guest can read is what userspace can
 * save, with the same value; anything else is #GP.
 */
TEST_F(msr, read_sweep)
{
	struct guest *g = &self->g;

	for (int r = 0; r < ARRAY_SIZE(ranges); r++) {
		int readable = 0;

		memset(sweep_table(g), 0, ranges[r].count * SWEEP_ENTRY);
		ASSERT_EQ(KVM_EXIT_HLT, run_sweep(g, read_sweep, read_sweep_end - read_sweep,
						  ranges[r], 0));
		for (u32 i = 0; i < ranges[r].count; i++) {
			u32 index = ranges[r].start + i;
			u64 value;

			if (!sweep_table(g)[i].readable || index == MSR_AMD_GHCB)
				continue;
			readable++;
			EXPECT_EQ(1, get_msr(&g->cpu, index, &value)) TH_LOG("0x%x", index);
			EXPECT_TRUE(moves_on(index) || value == sweep_table(g)[i].value)
				TH_LOG("0x%x: guest 0x%lx, userspace 0x%lx", index,
				       sweep_table(g)[i].value, value);
		}
		TH_LOG("0x%x: %d of %u readable", ranges[r].start, readable, ranges[r].count);
	}
	/* Nothing but #GP happened. */
	EXPECT_EQ(traps(g)->count, traps(g)->hits[GP_VECTOR]);
}

/* What the sweep of writes leaves out: the guest would lose its feet. */
static void spare(struct guest *g, struct range r)
{
	static const u32 spared[] = { MSR_EFER, MSR_FS_BASE, MSR_GS_BASE, MSR_APICBASE, 0x9e };

	memset(sweep_table(g), 0, r.count * SWEEP_ENTRY);
	for (int i = 0; i < ARRAY_SIZE(spared); i++)
		if (spared[i] - r.start < r.count)
			sweep_table(g)[spared[i] - r.start].readable = 1;
}

TEST_F(msr, write_sweep)
{
	static const u64 values[] = { ~0ull, 0x8000000000000001 };
	struct guest *g = &self->g;

	for (int v = 0; v < ARRAY_SIZE(values); v++) {
		for (int r = 0; r < ARRAY_SIZE(ranges); r++) {
			struct range some = ranges[r];

			/* KVM logs what it does not know, slowly: the lower parts have to do. */
			if (some.count > 0x800)
				some.count = 0x800;
			spare(g, some);
			ASSERT_EQ(KVM_EXIT_HLT, run_sweep(g, write_sweep,
							  write_sweep_end - write_sweep,
							  some, values[v]));
		}
	}
	EXPECT_EQ(traps(g)->count, traps(g)->hits[GP_VECTOR]);
}

TEST_HARNESS_MAIN
