// SPDX-License-Identifier: GPL-2.0-only
/*
 * Architectural state through GET and SET: what goes in comes out, impossible
 * values are EINVAL and change nothing, and what has no meaning reads as zero.
 */
#include "kselftest_harness.h"
#include "guest.h"

#include <sys/mman.h>

GUEST(halts, 64, "1: hlt; jmp 1b");

FIXTURE(state) {
	struct vm vm;
	struct vcpu v;
};

FIXTURE_SETUP(state)
{
	vm_create_bare(&self->vm);
	vcpu_create(&self->v, &self->vm, 0);
}

FIXTURE_TEARDOWN(state)
{
	vcpu_close(&self->v);
	vm_close(&self->vm);
}

static void fill(void *p, size_t len, u64 seed)
{
	u8 *bytes = p;

	for (size_t i = 0; i < len; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		bytes[i] = seed >> 56;
	}
}

static bool all_zero(const void *p, size_t len)
{
	const u8 *bytes = p;

	while (len--)
		if (*bytes++)
			return false;
	return true;
}

/* SDM vol. 3, "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT" */
TEST_F(state, reset_values)
{
	struct kvm_regs regs = get_regs(&self->v);
	struct kvm_sregs s = get_sregs(&self->v);
	struct kvm_debugregs dr;
	u64 pat;

	EXPECT_EQ(0xfff0, regs.rip);
	EXPECT_EQ(2, regs.rflags);
	EXPECT_EQ(0, regs.rax | regs.rbx | regs.rcx | regs.rsi | regs.rdi | regs.rsp | regs.rbp);
	EXPECT_EQ(0xf000, s.cs.selector);
	EXPECT_EQ(0xffff0000, s.cs.base);
	EXPECT_EQ(0xffff, s.cs.limit);
	EXPECT_EQ(0xffff, s.idt.limit);
	EXPECT_EQ(0x60000010, s.cr0);
	EXPECT_EQ(0, s.cr2 | s.cr3 | s.cr4 | s.efer | s.cr8);
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_DEBUGREGS, &dr));
	EXPECT_EQ(0xffff0ff0, dr.dr6);
	EXPECT_EQ(0x400, dr.dr7);
	EXPECT_EQ(1, get_msr(&self->v, MSR_PAT, &pat));
	EXPECT_EQ(0x0007040600070406, pat);
}

TEST_F(state, regs_round_trip)
{
	struct kvm_regs in, out;

	fill(&in, sizeof(in), 1);
	in.rflags = 0x246;
	set_regs(&self->v, &in);
	out = get_regs(&self->v);
	EXPECT_EQ(0, memcmp(&in, &out, sizeof(in)));
}

TEST_F(state, rflags_bit_1_is_fixed)
{
	struct kvm_regs regs = get_regs(&self->v);

	regs.rflags = 0;
	set_regs(&self->v, &regs);
	EXPECT_EQ(2, get_regs(&self->v).rflags);
}

TEST_F(state, sregs_round_trip_in_long_mode)
{
	struct kvm_sregs in, out;

	set_long_mode(&self->v);
	in = get_sregs(&self->v);
	in.cr2 = 0xffffdeadbeef0000;
	in.cr3 = 0x123000;
	in.cr8 = 5;
	in.fs.base = 0x7f0012345678;
	in.gs.base = 0xffff800012345678;
	in.ldt = (struct kvm_segment){
		.base = 0x55000, .limit = 0x7f, .selector = 0x28, .type = 2, .present = 1,
	};
	in.gdt.base = 0xffffffff81000000;
	in.gdt.limit = 0x7f;
	set_sregs(&self->v, &in);
	out = get_sregs(&self->v);
	EXPECT_EQ(0, memcmp(&in, &out, sizeof(in)));
	EXPECT_EQ(5, out.cr8);
}

TEST_F(state, sregs_round_trip_in_real_mode)
{
	struct kvm_sregs in, out;

	set_real_mode(&self->v);
	in = get_sregs(&self->v);
	in.es.selector = 0x4321;
	in.es.base = 0x43210;
	set_sregs(&self->v, &in);
	out = get_sregs(&self->v);
	EXPECT_EQ(0, memcmp(&in.es, &out.es, sizeof(in.es)));
	EXPECT_EQ(0, memcmp(&in.cs, &out.cs, sizeof(in.cs)));
	EXPECT_EQ(in.cr0, out.cr0);
}

TEST_F(state, unusable_segments_stay_unusable)
{
	struct kvm_sregs s;

	set_long_mode(&self->v);
	s = get_sregs(&self->v);
	s.fs = (struct kvm_segment){ .unusable = 1 };
	set_sregs(&self->v, &s);
	s = get_sregs(&self->v);
	EXPECT_EQ(1, s.fs.unusable);
	EXPECT_EQ(1, s.ldt.unusable);
	EXPECT_EQ(0, s.ds.unusable);
}

/* Each value alone is refused, and the state before it stays. */
#define EXPECT_SREGS_EINVAL(v, change) do {				\
	struct kvm_sregs before = get_sregs(v), s = before, after;	\
	change;								\
	EXPECT_EQ(-EINVAL, kvm((v)->fd, KVM_SET_SREGS, &s)) TH_LOG(#change); \
	after = get_sregs(v);						\
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before))) TH_LOG("changed by " #change); \
} while (0)

TEST_F(state, impossible_cr0_is_einval)
{
	struct vcpu *v = &self->v;

	set_long_mode(v);
	EXPECT_SREGS_EINVAL(v, s.cr0 &= ~X86_CR0_PE);
	EXPECT_SREGS_EINVAL(v, s.cr0 |= X86_CR0_NW);
	EXPECT_SREGS_EINVAL(v, s.cr0 |= 1ull << 32);
	EXPECT_SREGS_EINVAL(v, s.cr0 |= 1ull << 63);
}

TEST_F(state, impossible_cr4_is_einval)
{
	struct vcpu *v = &self->v;
	struct cpuid_table t;

	set_long_mode(v);
	EXPECT_SREGS_EINVAL(v, s.cr4 |= 1ull << 15);
	EXPECT_SREGS_EINVAL(v, s.cr4 |= 1ull << 31);
	EXPECT_SREGS_EINVAL(v, s.cr4 |= 1ull << 32);
	EXPECT_SREGS_EINVAL(v, s.cr4 |= 1ull << 63);
	supported_cpuid(&t);
	if (!(find_cpuid(&t, 1, 0)->ecx & (1 << 5)))
		EXPECT_SREGS_EINVAL(v, s.cr4 |= X86_CR4_VMXE);
}

TEST_F(state, impossible_long_mode_is_einval)
{
	struct vcpu *v = &self->v;

	set_long_mode(v);
	EXPECT_SREGS_EINVAL(v, s.cr4 &= ~X86_CR4_PAE);
	EXPECT_SREGS_EINVAL(v, s.efer &= ~X86_EFER_LMA);
	EXPECT_SREGS_EINVAL(v, s.efer &= ~X86_EFER_LME);
	EXPECT_SREGS_EINVAL(v, s.cr3 |= 1ull << 62);
	EXPECT_SREGS_EINVAL(v, s.cr0 &= ~X86_CR0_PG);
	set_protected_mode(v);
	EXPECT_SREGS_EINVAL(v, s.cs.l = 1);
	EXPECT_SREGS_EINVAL(v, s.efer |= X86_EFER_LMA);
}

TEST_F(state, impossible_apic_base_is_einval)
{
	struct vcpu *v = &self->v;

	EXPECT_SREGS_EINVAL(v, s.apic_base |= 1);
	EXPECT_SREGS_EINVAL(v, s.apic_base |= 1 << 9);
	EXPECT_SREGS_EINVAL(v, s.apic_base |= 1ull << 62);
}

TEST_F(state, fpu_round_trip)
{
	struct kvm_fpu in = { 0 }, out;

	for (int i = 0; i < 8; i++)
		fill(in.fpr[i], 10, i + 1);
	fill(in.xmm, sizeof(in.xmm), 99);
	in.fcw = 0x27f;
	in.fsw = 0x3800;
	in.ftwx = 0xff;
	in.last_ip = 0x1234;
	in.last_dp = 0x5678;
	ASSERT_EQ(0, kvm(self->v.fd, KVM_SET_FPU, &in));
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_FPU, &out));
	EXPECT_EQ(0, memcmp(in.fpr, out.fpr, sizeof(in.fpr)));
	EXPECT_EQ(0, memcmp(in.xmm, out.xmm, sizeof(in.xmm)));
	EXPECT_EQ(in.fcw, out.fcw);
	EXPECT_EQ(in.fsw, out.fsw);
	EXPECT_EQ(in.ftwx, out.ftwx);
	EXPECT_EQ(in.last_ip, out.last_ip);
}

/* SDM vol. 1, "XSAVE Area": MXCSR at 24, XMM at 160, the header at 512 */
#define XSAVE_MXCSR(x)		((x)->region[24 / 4])
#define XSAVE_XMM(x)		(&(x)->region[160 / 4])
#define XSAVE_BV(x)		((x)->region[512 / 4])
#define XSAVE_COMP_BV(x)	((x)->region[520 / 4])

static struct kvm_xsave get_xsave(struct vcpu *v)
{
	struct kvm_xsave x = { 0 };

	if (kvm(v->fd, KVM_GET_XSAVE, &x))
		die("KVM_GET_XSAVE");
	return x;
}

TEST_F(state, xsave_round_trip)
{
	struct kvm_xsave in = get_xsave(&self->v), out;

	XSAVE_BV(&in) |= 3;
	XSAVE_MXCSR(&in) = 0x1fa0;
	fill(XSAVE_XMM(&in), 256, 3);
	ASSERT_EQ(0, kvm(self->v.fd, KVM_SET_XSAVE, &in));
	out = get_xsave(&self->v);
	EXPECT_EQ(0x1fa0, XSAVE_MXCSR(&out));
	EXPECT_EQ(0, memcmp(XSAVE_XMM(&in), XSAVE_XMM(&out), 256));
}

TEST_F(state, xsave_and_fpu_are_one_state)
{
	struct kvm_xsave x = get_xsave(&self->v);
	struct kvm_fpu fpu;

	XSAVE_BV(&x) |= 3;
	XSAVE_MXCSR(&x) = 0x1f80;
	fill(XSAVE_XMM(&x), 256, 4);
	ASSERT_EQ(0, kvm(self->v.fd, KVM_SET_XSAVE, &x));
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_FPU, &fpu));
	EXPECT_EQ(0, memcmp(XSAVE_XMM(&x), fpu.xmm, 256));
}

#define EXPECT_XSAVE_EINVAL(v, change) do {				\
	struct kvm_xsave before = get_xsave(v), x = before, after;	\
	change;								\
	EXPECT_EQ(-EINVAL, kvm((v)->fd, KVM_SET_XSAVE, &x)) TH_LOG(#change); \
	after = get_xsave(v);						\
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before))) TH_LOG("changed by " #change); \
} while (0)

TEST_F(state, impossible_xsave_is_einval)
{
	EXPECT_XSAVE_EINVAL(&self->v, XSAVE_BV(&x) |= 2; XSAVE_MXCSR(&x) = 0xffff0000);
	EXPECT_XSAVE_EINVAL(&self->v, XSAVE_BV(&x) |= 1u << 30);
	EXPECT_XSAVE_EINVAL(&self->v, (&XSAVE_BV(&x))[1] |= 1u << 31);
	if (host_has_xsave())
		EXPECT_XSAVE_EINVAL(&self->v, XSAVE_COMP_BV(&x) = 1);
}

TEST_F(state, xcrs_round_trip)
{
	struct kvm_xcrs xcrs = { 0 };

	if (!host_has_xsave())
		SKIP(return, "no XSAVE in the host");
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_XCRS, &xcrs));
	EXPECT_EQ(1, xcrs.nr_xcrs);
	EXPECT_EQ(1, xcrs.xcrs[0].value);
	xcrs.xcrs[0].value = 3;
	ASSERT_EQ(0, kvm(self->v.fd, KVM_SET_XCRS, &xcrs));
	memset(&xcrs, 0, sizeof(xcrs));
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_XCRS, &xcrs));
	EXPECT_EQ(3, xcrs.xcrs[0].value);
}

TEST_F(state, impossible_xcrs_are_einval)
{
	static const u64 values[] = { 0, 2, 5, 4, 1ull << 63 | 3, 1 << 3 | 3 };
	struct kvm_xcrs xcrs = { .nr_xcrs = 1 };

	if (!host_has_xsave())
		SKIP(return, "no XSAVE in the host");
	for (int i = 0; i < ARRAY_SIZE(values); i++) {
		xcrs.xcrs[0].value = values[i];
		EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_SET_XCRS, &xcrs))
			TH_LOG("0x%lx", values[i]);
	}
	xcrs = (struct kvm_xcrs){ .nr_xcrs = KVM_MAX_XCRS + 1 };
	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_SET_XCRS, &xcrs));
	xcrs = (struct kvm_xcrs){ .nr_xcrs = 1, .flags = 1, .xcrs = { { .value = 1 } } };
	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_SET_XCRS, &xcrs));
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_XCRS, &xcrs));
	EXPECT_EQ(1, xcrs.xcrs[0].value);
}

TEST_F(state, debugregs_round_trip)
{
	struct kvm_debugregs in = {
		.db = { 0x1111, 0x2222, 0xffff800000003333, 0x4444 },
		.dr6 = 0xffff4ff1, .dr7 = 0x00070402,
	}, out;

	ASSERT_EQ(0, kvm(self->v.fd, KVM_SET_DEBUGREGS, &in));
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_DEBUGREGS, &out));
	EXPECT_EQ(0, memcmp(&in, &out, sizeof(in)));
}

TEST_F(state, impossible_debugregs_are_einval)
{
	struct kvm_debugregs in = { .dr6 = 0xffff0ff0, .dr7 = 0x400, .flags = 1 }, out;

	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_SET_DEBUGREGS, &in));
	in = (struct kvm_debugregs){ .dr6 = 1ull << 32, .dr7 = 0x400, .db = { 1 } };
	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_SET_DEBUGREGS, &in));
	in = (struct kvm_debugregs){ .dr6 = 0xffff0ff0, .dr7 = 1ull << 63, .db = { 1 } };
	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_SET_DEBUGREGS, &in));
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_DEBUGREGS, &out));
	EXPECT_EQ(0, out.db[0]);
}

TEST_F(state, mp_state)
{
	struct kvm_mp_state mp = { .mp_state = 99 };
	static const u32 wrong[] = { KVM_MP_STATE_HALTED, KVM_MP_STATE_UNINITIALIZED,
				     KVM_MP_STATE_SIPI_RECEIVED, 77, ~0u };

	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_MP_STATE, &mp));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp.mp_state);
	EXPECT_EQ(0, kvm(self->v.fd, KVM_SET_MP_STATE, &mp));
	/* Without an in-kernel APIC a vCPU can only be runnable. */
	for (int i = 0; i < ARRAY_SIZE(wrong); i++) {
		mp.mp_state = wrong[i];
		EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_SET_MP_STATE, &mp))
			TH_LOG("%u", wrong[i]);
	}
}

/* ---- machine checks ---- */

#define MC_CTL(bank)	(0x400 + 4 * (bank))
#define VALID		(1ull << 63)
#define OVERFLOW	(1ull << 62)
#define UNCORRECTED	(1ull << 61)
#define MCG_IN_PROGRESS	4

TEST_F(state, machine_checks)
{
	u64 supported, cap = 10, value;
	struct kvm_x86_mce mce = { .status = VALID, .addr = 0x1000, .misc = 7, .bank = 3 };
	struct kvm_vcpu_events e;
	struct kvm_sregs s;

	ASSERT_EQ(0, kvm(open_device(), KVM_X86_GET_MCE_CAP_SUPPORTED, &supported));
	EXPECT_EQ(1 << 8 | 1 << 24, supported & (1 << 8 | 1 << 24));
	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_X86_SETUP_MCE, &(u64){ 0 }));
	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_X86_SETUP_MCE, &(u64){ 33 }));
	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_X86_SETUP_MCE, &(u64){ 10 | 1ull << 40 }));
	cap |= supported;
	ASSERT_EQ(0, kvm(self->v.fd, KVM_X86_SETUP_MCE, &cap));
	get_msr(&self->v, 0x179, &value);
	EXPECT_EQ(cap, value);
	get_msr(&self->v, MC_CTL(9), &value);
	EXPECT_EQ(~0ull, value);

	ASSERT_EQ(0, kvm(self->v.fd, KVM_X86_SET_MCE, &mce));
	ASSERT_EQ(0, kvm(self->v.fd, KVM_X86_SET_MCE, &mce));
	get_msr(&self->v, MC_CTL(3) + 1, &value);
	EXPECT_EQ(VALID | OVERFLOW, value);
	get_msr(&self->v, MC_CTL(3) + 2, &value);
	EXPECT_EQ(0x1000, value);
	mce.bank = 10;
	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_X86_SET_MCE, &mce));
	mce.bank = 3;
	mce.status = 0;
	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_X86_SET_MCE, &mce));

	set_long_mode(&self->v);
	s = get_sregs(&self->v);
	s.cr4 |= 1 << 6;	/* MCE */
	set_sregs(&self->v, &s);
	mce = (struct kvm_x86_mce){
		.status = VALID | UNCORRECTED, .mcg_status = MCG_IN_PROGRESS | 1, .bank = 1,
	};
	ASSERT_EQ(0, kvm(self->v.fd, KVM_X86_SET_MCE, &mce));
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(1, e.exception.injected | e.exception.pending);
	EXPECT_EQ(18, e.exception.nr);
	get_msr(&self->v, 0x17a, &value);
	EXPECT_EQ(MCG_IN_PROGRESS | 1, value);
	/* Another one now is the end. */
	ASSERT_EQ(0, kvm(self->v.fd, KVM_X86_SET_MCE, &mce));
	ASSERT_EQ(0, vcpu_run(&self->v));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, self->v.run->exit_reason);
}

/* ---- the newer forms ---- */

static struct kvm_sregs2 get_sregs2(struct vcpu *v)
{
	struct kvm_sregs2 s;

	memset(&s, 0xa5, sizeof(s));
	if (kvm(v->fd, KVM_GET_SREGS2, &s))
		die("KVM_GET_SREGS2");
	return s;
}

TEST_F(state, sregs2_are_sregs)
{
	struct kvm_sregs old;
	struct kvm_sregs2 s;

	set_long_mode(&self->v);
	old = get_sregs(&self->v);
	s = get_sregs2(&self->v);
	EXPECT_EQ(0, memcmp(&old, &s, offsetof(struct kvm_sregs, interrupt_bitmap)));
	EXPECT_EQ(0, s.flags);
	EXPECT_EQ(0, s.pdptrs[0] | s.pdptrs[1] | s.pdptrs[2] | s.pdptrs[3]);
	s.cr2 = 0x1234;
	ASSERT_EQ(0, kvm(self->v.fd, KVM_SET_SREGS2, &s));
	EXPECT_EQ(0x1234, get_sregs(&self->v).cr2);
	s.flags = 2;
	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_SET_SREGS2, &s));
	s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_SET_SREGS2, &s));
}

/* The PDPTEs that a CPU without a copy of its own shows are those in memory. */
TEST_F(state, sregs2_have_pdptes)
{
	struct kvm_sregs2 s;
	struct guest g;
	u64 *table;

	guest_start(&g, set_protected_mode, "", 0);
	table = (u64 *)(g.vm.ram + GUEST_DATA);
	for (u64 i = 0; i < 4; i++)
		table[i] = i << 12 | 1;
	s = get_sregs2(&g.cpu);
	s.cr3 = GUEST_DATA;
	s.cr4 |= X86_CR4_PAE;
	s.cr0 |= X86_CR0_PG;
	s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	memcpy(s.pdptrs, table, sizeof(s.pdptrs));
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_SREGS2, &s));
	s = get_sregs2(&g.cpu);
	EXPECT_EQ(KVM_SREGS2_FLAGS_PDPTRS_VALID, s.flags);
	EXPECT_EQ(0, memcmp(s.pdptrs, table, sizeof(s.pdptrs)));
}

TEST_F(state, xsave2_is_xsave)
{
	int size = cap(self->vm.fd, KVM_CAP_XSAVE2);
	struct kvm_xsave *a, b;

	ASSERT_LE(sizeof(*a), size);
	a = calloc(1, size);
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_XSAVE2, a));
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_XSAVE, &b));
	EXPECT_EQ(0, memcmp(a, &b, sizeof(b)));
}

TEST_F(state, vcpu_events_round_trip)
{
	struct kvm_vcpu_events e = { 0 };

	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(0, e.exception.injected | e.interrupt.injected | e.nmi.injected |
		     e.nmi.pending | e.nmi.masked);
	e.interrupt.injected = 1;
	e.interrupt.nr = 0x77;
	e.nmi.masked = 1;
	e.flags = KVM_VCPUEVENT_VALID_NMI_PENDING;
	e.nmi.pending = 1;
	ASSERT_EQ(0, kvm(self->v.fd, KVM_SET_VCPU_EVENTS, &e));
	memset(&e, 0xa5, sizeof(e));
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(1, e.interrupt.injected);
	EXPECT_EQ(0x77, e.interrupt.nr);
	EXPECT_EQ(1, e.nmi.masked);
	EXPECT_EQ(1, e.nmi.pending);
	EXPECT_EQ(0, e.exception.injected);
}

TEST_F(state, impossible_vcpu_events_are_einval)
{
	struct kvm_vcpu_events e = { .flags = 1u << 20 };

	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_SET_VCPU_EVENTS, &e));
	e = (struct kvm_vcpu_events){ .exception = { .injected = 1, .nr = NMI_VECTOR } };
	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_SET_VCPU_EVENTS, &e));
	e = (struct kvm_vcpu_events){ .exception = { .injected = 1, .nr = 32 } };
	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_SET_VCPU_EVENTS, &e));
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_VCPU_EVENTS, &e));
	EXPECT_EQ(0, e.exception.injected);
}

TEST_F(state, msrs_round_trip)
{
	static const struct { u32 index; u64 value; } msrs[] = {
		{ MSR_SYSENTER_CS, 0x10 }, { MSR_SYSENTER_ESP, 0xffffffff80001000 },
		{ MSR_SYSENTER_EIP, 0xffffffff81000000 }, { MSR_STAR, 0x0023001000000000 },
		{ MSR_LSTAR, 0xffffffff81800000 }, { MSR_CSTAR, 0xffffffff81900000 },
		{ MSR_SFMASK, 0x47700 }, { MSR_KERNEL_GS, 0xffff888012340000 },
		{ MSR_FS_BASE, 0x7fff12345000 }, { MSR_GS_BASE, 0xffff800000001000 },
		{ MSR_PAT, 0x0000010400070106 },
	};
	/* AMD's SYSENTER MSRs have 32 bits. */
	u64 high = cpu_is_amd() ? 0xffffffff00000000 : 0, value;

	for (int i = 0; i < ARRAY_SIZE(msrs); i++) {
		EXPECT_EQ(1, set_msr(&self->v, msrs[i].index, msrs[i].value));
		EXPECT_EQ(1, get_msr(&self->v, msrs[i].index, &value));
		if (msrs[i].index >= MSR_SYSENTER_ESP && msrs[i].index <= MSR_SYSENTER_EIP)
			value |= high;
		EXPECT_EQ(msrs[i].value, value) TH_LOG("MSR 0x%x", msrs[i].index);
	}
	EXPECT_EQ(0x7fff12345000, get_sregs(&self->v).fs.base);
	EXPECT_EQ(0xffff800000001000, get_sregs(&self->v).gs.base);
}

TEST_F(state, impossible_msr_values_are_not_taken)
{
	static const struct { u32 index; u64 value; } msrs[] = {
		{ MSR_LSTAR, 0x8000000000000000 }, { MSR_CSTAR, 0x0000800000000000 },
		{ MSR_KERNEL_GS, 0x1234567812345678 }, { MSR_FS_BASE, 0x7fffffffffffffff },
		{ MSR_GS_BASE, 0xff00000000000000 }, { MSR_PAT, 0x0000000000000002 },
		{ MSR_PAT, 0x0800000000000000 }, { MSR_EFER, 1ull << 60 },
		{ MSR_APICBASE, 1ull << 62 }, { 0x12345678, 0 },
	};
	u64 before, after;

	for (int i = 0; i < ARRAY_SIZE(msrs); i++) {
		get_msr(&self->v, msrs[i].index, &before);
		EXPECT_EQ(0, set_msr(&self->v, msrs[i].index, msrs[i].value))
			TH_LOG("MSR 0x%x = 0x%lx", msrs[i].index, msrs[i].value);
		get_msr(&self->v, msrs[i].index, &after);
		EXPECT_EQ(before, after) TH_LOG("MSR 0x%x changed", msrs[i].index);
	}
}

TEST_F(state, msrs_stop_at_the_first_refused)
{
	struct msr_table t = {
		.nmsrs = 3,
		.entries = { { .index = MSR_SYSENTER_CS, .data = 0x18 },
			     { .index = 0x12345678 },
			     { .index = MSR_SYSENTER_ESP, .data = 0x5000 } },
	};
	u64 value;

	EXPECT_EQ(1, kvm(self->v.fd, KVM_SET_MSRS, &t));
	EXPECT_EQ(1, kvm(self->v.fd, KVM_GET_MSRS, &t));
	get_msr(&self->v, MSR_SYSENTER_CS, &value);
	EXPECT_EQ(0x18, value);
	get_msr(&self->v, MSR_SYSENTER_ESP, &value);
	EXPECT_EQ(0, value);
}

TEST_F(state, msrs_limits)
{
	struct msr_table t = { .nmsrs = 0 };

	EXPECT_EQ(0, kvm(self->v.fd, KVM_GET_MSRS, &t));
	EXPECT_EQ(0, kvm(self->v.fd, KVM_SET_MSRS, &t));
	t.nmsrs = 256;
	EXPECT_EQ(-E2BIG, kvm(self->v.fd, KVM_GET_MSRS, &t));
	EXPECT_EQ(-E2BIG, kvm(self->v.fd, KVM_SET_MSRS, &t));
	t.nmsrs = ~0u;
	EXPECT_EQ(-E2BIG, kvm(self->v.fd, KVM_GET_MSRS, &t));
	for (int i = 0; i < 255; i++)
		t.entries[i].index = MSR_STAR;
	t.nmsrs = 255;
	EXPECT_EQ(255, kvm(self->v.fd, KVM_GET_MSRS, &t));
}

/* QEMU asserts both for each entry of the list. */
TEST_F(state, every_listed_msr_can_be_read_and_written_back)
{
	struct msr_list list = { .nmsrs = ARRAY_SIZE(list.indices) };
	int dev = open_device();
	u64 value;

	ASSERT_EQ(0, kvm(dev, KVM_GET_MSR_INDEX_LIST, &list));
	for (u32 i = 0; i < list.nmsrs; i++) {
		EXPECT_EQ(1, get_msr(&self->v, list.indices[i], &value))
			TH_LOG("read of MSR 0x%x", list.indices[i]);
		/* Writing KVM's asynchronous page fault MSRs takes an in-kernel APIC. */
		if (list.indices[i] >> 8 == 0x4b564d)
			continue;
		EXPECT_EQ(1, set_msr(&self->v, list.indices[i], value))
			TH_LOG("write of MSR 0x%x", list.indices[i]);
	}
}

TEST_F(state, cpuid_round_trip)
{
	struct cpuid_table in, out = { .nent = 256 };

	supported_cpuid(&in);
	in.entries[0].ebx = 0x12345678;
	ASSERT_EQ(0, kvm(self->v.fd, KVM_SET_CPUID2, &in));
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_CPUID2, &out));
	EXPECT_EQ(0x12345678, out.entries[0].ebx);
	for (u32 i = 0; i < in.nent; i++) {
		EXPECT_EQ(in.entries[i].function, out.entries[i].function);
		EXPECT_EQ(in.entries[i].index, out.entries[i].index);
	}
}

/* Class 32. The guards are the bounds in set_cpuid2() and get_cpuid2(). */
TEST_F(state, cpuid_counts)
{
	struct cpuid_table t;
	u32 nent;

	supported_cpuid(&t);
	nent = t.nent;
	t.nent = 257;
	EXPECT_EQ(-E2BIG, kvm(self->v.fd, KVM_SET_CPUID2, &t));
	t.nent = ~0u;
	EXPECT_EQ(-E2BIG, kvm(self->v.fd, KVM_SET_CPUID2, &t));
	t.nent = nent - 1;
	EXPECT_EQ(-E2BIG, kvm(self->v.fd, KVM_GET_CPUID2, &t));
	t.nent = 0;
	EXPECT_EQ(-E2BIG, kvm(self->v.fd, KVM_GET_CPUID2, &t));
	EXPECT_EQ(0, kvm(self->v.fd, KVM_SET_CPUID2, &t));
	EXPECT_EQ(0, kvm(self->v.fd, KVM_GET_CPUID2, &t));
}

/* Class 32, CVE-2019-19332: exactly the room that is needed. The guard is get_cpuid2()'s on nent. */
TEST_F(state, cpuid_stays_inside_its_buffer)
{
	u8 *map = map_anon(8 * PAGE);
	struct cpuid_table full;
	struct kvm_cpuid2 *t;

	supported_cpuid(&full);
	ASSERT_EQ(0, munmap(map + 7 * PAGE, PAGE));
	t = (void *)(map + 7 * PAGE - sizeof(*t) - full.nent * sizeof(t->entries[0]));
	t->nent = full.nent;
	EXPECT_EQ(0, kvm(self->v.fd, KVM_GET_CPUID2, t));
	EXPECT_EQ(0, kvm(self->v.fd, KVM_SET_CPUID2, t));
	t->nent = full.nent + 1;
	EXPECT_EQ(-EFAULT, kvm(self->v.fd, KVM_SET_CPUID2, t));
}

TEST_F(state, cpuid_of_impossible_address_width_is_einval)
{
	struct cpuid_table t;
	struct kvm_cpuid_entry2 *e;

	supported_cpuid(&t);
	e = find_cpuid(&t, 0x80000008, 0);
	ASSERT_NE(NULL, e);
	e->eax = (e->eax & ~0xff00) | 40 << 8;
	EXPECT_EQ(-EINVAL, kvm(self->v.fd, KVM_SET_CPUID2, &t));
}

/* What KVM_GET_CPUID2 gives is what the guest sees now, and may be set again. */
TEST(cpuid_read_back_follows_the_registers)
{
	struct cpuid_table t, now = { .nent = 256 };
	struct kvm_sregs s;
	struct guest g;

	supported_cpuid(&t);
	if (!(find_cpuid(&t, 1, 0)->ecx & (1 << 26)))
		SKIP(return, "no XSAVE");
	guest_long(&g, halts);
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_CPUID2, &t));
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	s = get_sregs(&g.cpu);
	s.cr4 |= 1 << 18;
	set_sregs(&g.cpu, &s);
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_GET_CPUID2, &now));
	EXPECT_TRUE(find_cpuid(&now, 1, 0)->ecx & (1 << 27));
	EXPECT_EQ(576, find_cpuid(&now, 0xd, 0)->ebx);
	EXPECT_EQ(0, kvm(g.cpu.fd, KVM_SET_CPUID2, &now));
	s.cr4 &= ~(1 << 18);
	set_sregs(&g.cpu, &s);
	EXPECT_EQ(0, kvm(g.cpu.fd, KVM_SET_CPUID2, &now));
	now.nent = 256;
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_GET_CPUID2, &now));
	EXPECT_FALSE(find_cpuid(&now, 1, 0)->ecx & (1 << 27));
}

TEST(cpuid_is_fixed_after_the_first_run)
{
	struct cpuid_table t;
	struct guest g;

	guest_long(&g, halts);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	supported_cpuid(&t);
	EXPECT_EQ(0, kvm(g.cpu.fd, KVM_SET_CPUID2, &t));
	t.entries[0].ebx ^= 1;
	EXPECT_EQ(-EINVAL, kvm(g.cpu.fd, KVM_SET_CPUID2, &t));
}

/* Class 13, CVE-2023-1513: nothing of the kernel's heap comes out. Guard: kzalloc() in mkvm_arg_in(). */
TEST_F(state, padding_reads_as_zero)
{
	struct kvm_sregs s;
	struct kvm_debugregs dr;
	struct kvm_vcpu_events e;
	struct kvm_fpu fpu;

	memset(&s, 0xa5, sizeof(s));
	dirty_heap();
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_SREGS, &s));
	EXPECT_TRUE(!s.cs.padding && !s.tr.padding && !s.ldt.padding);
	EXPECT_TRUE(all_zero(s.gdt.padding, 6) && all_zero(s.idt.padding, 6));
	memset(&dr, 0xa5, sizeof(dr));
	dirty_heap();
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_DEBUGREGS, &dr));
	EXPECT_TRUE(!dr.flags && all_zero(dr.reserved, sizeof(dr.reserved)));
	memset(&e, 0xa5, sizeof(e));
	dirty_heap();
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_VCPU_EVENTS, &e));
	EXPECT_TRUE(all_zero(e.reserved, sizeof(e.reserved)));
	EXPECT_EQ(0, e.nmi.pad);
	memset(&fpu, 0xa5, sizeof(fpu));
	dirty_heap();
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_FPU, &fpu));
	EXPECT_EQ(0, fpu.pad1);
	EXPECT_EQ(0, fpu.pad2);
}

TEST_F(state, unused_xcrs_and_xsave_tail_read_as_zero)
{
	struct kvm_xcrs xcrs;
	struct kvm_xsave x;

	memset(&xcrs, 0xa5, sizeof(xcrs));
	dirty_heap();
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_XCRS, &xcrs));
	EXPECT_TRUE(all_zero(&xcrs.xcrs[1], sizeof(xcrs) - offsetof(struct kvm_xcrs, xcrs[1])));
	memset(&x, 0xa5, sizeof(x));
	dirty_heap();
	ASSERT_EQ(0, kvm(self->v.fd, KVM_GET_XSAVE, &x));
	EXPECT_TRUE(all_zero(&x.region[528 / 4], 48));	/* the header's reserved part */
}

TEST_F(state, run_page_shows_cr8_and_apic_base)
{
	struct kvm_sregs s = get_sregs(&self->v);
	struct guest g;

	EXPECT_EQ(0xfee00000, s.apic_base & 0xfffff000);
	guest_long(&g, halts);
	g.cpu.run->cr8 = 7;
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(7, get_sregs(&g.cpu).cr8);
	EXPECT_EQ(7, g.cpu.run->cr8);
	EXPECT_EQ(get_sregs(&g.cpu).apic_base, g.cpu.run->apic_base);
	EXPECT_EQ(0, g.cpu.run->if_flag);
	EXPECT_EQ(0, g.cpu.run->ready_for_interrupt_injection);
}

TEST_HARNESS_MAIN
