// SPDX-License-Identifier: GPL-2.0-only
/*
 * States that userspace may set and VM entry on VT-x refuses: KVM_RUN says so,
 * the VMCS can be dumped, the checker names the rule that was broken, and
 * the vCPU runs on once the state is repaired. SDM vol. 3, "VM Entries".
 */
#include "kselftest_harness.h"
#include "guest.h"
#include "vmentry.h"

#include <asm/kvm.h>

/* VM exit caused by "VM-entry failure due to invalid guest state", and its flag */
#define ENTRY_FAILED 0x80000021

GUEST(halts, 64, "1: hlt; jmp 1b");

struct state {
	struct kvm_sregs s;
	struct kvm_regs r;
};

static struct state get_state(struct vcpu *v)
{
	return (struct state){ get_sregs(v), get_regs(v) };
}

static int set_state(struct vcpu *v, const struct state *state)
{
	int ret = kvm(v->fd, KVM_SET_SREGS, &state->s);

	return ret ? ret : kvm(v->fd, KVM_SET_REGS, &state->r);
}

static void get_dump(struct __test_metadata *_metadata, struct vcpu *v, struct dump *d)
{
	d->head.nr = MKVM_VMCS_MAX_FIELDS;
	ASSERT_EQ(0, kvm(v->fd, MKVM_GET_VMCS, d));
	ASSERT_LT(50, d->head.nr);
}

/* After a KVM_RUN that must have been refused for that reason */
static void check_refusal(struct __test_metadata *_metadata, struct vcpu *v, const char *rule)
{
	struct dump d = { 0 };

	ASSERT_EQ(KVM_EXIT_FAIL_ENTRY, v->run->exit_reason)
		TH_LOG("exit %s", exit_name(v->run->exit_reason));
	EXPECT_EQ(ENTRY_FAILED, v->run->fail_entry.hardware_entry_failure_reason);
	if (on_stock_kvm())
		return;
	get_dump(_metadata, v, &d);
	EXPECT_TRUE(dump_breaks_rule(&d, rule)) TH_LOG("not found: %s", rule);
}

static void check_failed_entry(struct __test_metadata *_metadata, struct vcpu *v, const char *rule)
{
	ASSERT_EQ(0, vcpu_run(v));
	check_refusal(_metadata, v, rule);
}

/* Break the state, be refused, repair it, run. */
static void check(struct __test_metadata *_metadata, void (*set_mode)(struct vcpu *),
		  void (*spoil)(struct kvm_sregs *, struct kvm_regs *), const char *rule)
{
	struct state good, bad;
	struct guest g;

	if (cpu_is_amd())
		SKIP(return, "AMD-V has other rules");
	guest_start(&g, set_mode, halts, halts_end - halts);
	bad = good = get_state(&g.cpu);
	spoil(&bad.s, &bad.r);
	if (set_state(&g.cpu, &bad) == -EINVAL)
		SKIP(return, "refused by KVM_SET_SREGS already");
	check_failed_entry(_metadata, &g.cpu, rule);
	/* It fails again as long as nobody repairs it ... */
	check_failed_entry(_metadata, &g.cpu, rule);
	/* ... and nothing of it is left when somebody does. */
	ASSERT_EQ(0, set_state(&g.cpu, &good));
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

#define BAD(name, mode, rule, change)					\
	static void spoil_##name(struct kvm_sregs *s, struct kvm_regs *r) \
	{								\
		(void)s;						\
		(void)r;						\
		change;							\
	}								\
	TEST(name)							\
	{								\
		check(_metadata, set_##mode##_mode, spoil_##name, rule); \
	}								\
	struct spoil_##name##_needs_a_semicolon

BAD(cs_type, long, "guest CS: type", s->cs.type = 5);
BAD(cs_system, long, "guest CS: S is 1", s->cs.s = 0);
BAD(cs_not_present, long, "guest CS: P is 1", s->cs.present = 0);
BAD(cs_granularity, long, "guest CS: G fits the limit", s->cs.limit = 0x1000);
BAD(cs_base, long, "guest CS: base: bits 63:32", s->cs.base = 1ull << 32);
BAD(cs_dpl, long, "guest CS: DPL", s->cs.dpl = 3);
BAD(cs_data_dpl, long, "guest CS: DPL", s->cs.type = 3; s->cs.dpl = 3);
BAD(cs_l_and_db, long, "guest CS: D/B", s->cs.db = 1);
BAD(ss_type, long, "guest SS: type", s->ss.type = 1);
BAD(ss_code, long, "guest SS: type", s->ss.type = 11);
BAD(ss_system, long, "guest SS: S is 1", s->ss.s = 0);
BAD(ss_base, long, "guest SS: base: bits 63:32", s->ss.base = 1ull << 63);
BAD(ss_granularity, long, "guest SS: G fits the limit", s->ss.g = 0);
BAD(ss_dpl_in_real_mode, real, "guest SS: DPL", s->ss.dpl = 3);
BAD(ds_type, long, "guest DS: type", s->ds.type = 9);
BAD(ds_system, long, "guest DS: S is 1", s->ds.s = 0);
BAD(ds_base, long, "guest DS: base: bits 63:32", s->ds.base = 1ull << 40);
BAD(es_granularity, long, "guest ES: G fits the limit", s->es.limit = 0x12345678; s->es.g = 0);
BAD(es_base, long, "guest ES: base: bits 63:32", s->es.base = 1ull << 32);
BAD(fs_type, long, "guest FS: type", s->fs.type = 9);
BAD(fs_base, long, "guest FS: base is canonical", s->fs.base = 1ull << 63);
BAD(gs_system, long, "guest GS: S is 1", s->gs.s = 0);
BAD(gs_base, long, "guest GS: base is canonical", s->gs.base = 0x800000000000);
BAD(tr_16_bit, long, "guest TR: type", s->tr.type = 3);
BAD(tr_available, protected, "guest TR: type", s->tr.type = 9);
BAD(tr_code, long, "guest TR: S is 0", s->tr.s = 1);
BAD(tr_unusable, long, "guest TR: it is usable", s->tr.unusable = 1);
BAD(tr_not_present, long, "guest TR: P is 1", s->tr.present = 0);
BAD(tr_granularity, long, "guest TR: G fits the limit", s->tr.limit = 0x100000);
BAD(tr_selector, long, "guest TR: TI is 0", s->tr.selector |= 4);
BAD(tr_base, long, "guest TR: base is canonical", s->tr.base = 1ull << 62);
BAD(ldtr_type, long, "guest LDTR: type", s->ldt.unusable = 0; s->ldt.present = 1; s->ldt.type = 3);
BAD(ldtr_code, long, "guest LDTR: S is 0", s->ldt.unusable = 0; s->ldt.present = 1;
    s->ldt.type = 2; s->ldt.s = 1);
BAD(ldtr_selector, long, "guest LDTR: TI is 0", s->ldt.unusable = 0; s->ldt.present = 1;
    s->ldt.type = 2; s->ldt.selector = 0xc);
BAD(gdtr_base, long, "guest GDTR base", s->gdt.base = 1ull << 63);
BAD(idtr_base, long, "guest IDTR base", s->idt.base = 1ull << 63);
BAD(pcide_in_protected_mode, protected, "guest CR4.PCIDE", s->cr4 |= X86_CR4_PCIDE);
BAD(rip_in_protected_mode, protected, "guest RIP: bits 63:32", r->rip |= 1ull << 32);
BAD(rip_in_real_mode, real, "guest RIP: bits 63:32", r->rip |= 1ull << 40);
BAD(rflags_bit_3, long, "guest RFLAGS: reserved", r->rflags |= 1 << 3);
BAD(rflags_bit_15, long, "guest RFLAGS: reserved", r->rflags |= 1 << 15);
BAD(rflags_bit_63, long, "guest RFLAGS: reserved", r->rflags |= 1ull << 63);
BAD(rflags_vm_in_long_mode, long, "guest RFLAGS.VM", r->rflags |= 1 << 17);
BAD(vm86_segments, protected, "guest CS: base is the selector", r->rflags |= 1 << 17);

TEST(rip_non_canonical)
{
	struct state good, bad;
	struct guest g;

	if (cpu_is_amd())
		SKIP(return, "AMD-V has other rules");
	guest_long(&g, halts);
	bad = good = get_state(&g.cpu);
	bad.r.rip = 0x0123456789abcdef;
	ASSERT_EQ(0, set_state(&g.cpu, &bad));
	ASSERT_EQ(0, vcpu_run(&g.cpu));
	if (traps(&g)->vector == GP_VECTOR)
		SKIP(return, "this CPU (Bochs) enters, and the first fetch is #GP");
	check_refusal(_metadata, &g.cpu, "guest RIP is canonical");
	ASSERT_EQ(0, set_state(&g.cpu, &good));
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

TEST(sti_shadow_without_if)
{
	struct kvm_vcpu_events e = {
		.flags = KVM_VCPUEVENT_VALID_SHADOW, .interrupt.shadow = KVM_X86_SHADOW_INT_STI,
	};
	struct guest g;

	if (cpu_is_amd())
		SKIP(return, "AMD-V has other rules");
	guest_long(&g, halts);
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_VCPU_EVENTS, &e));
	check_failed_entry(_metadata, &g.cpu, "blocking by STI needs RFLAGS.IF");
	e.interrupt.shadow = 0;
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_VCPU_EVENTS, &e));
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

/* The checker finds nothing in a VMCS that works. */
TEST(good_state_breaks_no_rule)
{
	void (*modes[])(struct vcpu *) = { set_real_mode, set_protected_mode, set_long_mode };

	if (cpu_is_amd() || on_stock_kvm())
		SKIP(return, "needs minikvm's dump of the VMCS");
	for (int i = 0; i < ARRAY_SIZE(modes); i++) {
		struct dump d = { 0 };
		struct guest g;

		guest_start(&g, modes[i], halts, halts_end - halts);
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
		get_dump(_metadata, &g.cpu, &d);
		EXPECT_EQ(0, dump_findings(&d));
	}
}

/* What KVM_SET_SREGS and the others take, VMRUN takes: there is no bad state for AMD-V here. */
TEST(good_vmcbs_break_no_rule)
{
	static void (*const modes[])(struct vcpu *) = {
		set_real_mode, set_protected_mode, set_long_mode,
	};
	struct mkvm_vmcb_dump d;
	struct guest g;

	if (!cpu_is_amd() || on_stock_kvm())
		SKIP(return, "needs minikvm's dump of the VMCB");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		guest_start(&g, modes[i], halts, halts_end - halts);
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
		ASSERT_EQ(0, kvm(g.cpu.fd, MKVM_GET_VMCB, &d));
		EXPECT_EQ(0, vmcb_findings(&d));
		guest_close(&g);
	}
}

TEST(dump_checks_its_size)
{
	struct dump d = { .head.nr = 0 };
	struct guest g;
	u32 nr;

	if (on_stock_kvm())
		SKIP(return, "needs minikvm's dump of the VMCS");
	guest_long(&g, halts);
	if (cpu_is_amd()) {
		EXPECT_EQ(-EOPNOTSUPP, kvm(g.cpu.fd, MKVM_GET_VMCS, &d));
		return;
	}
	EXPECT_EQ(-E2BIG, kvm(g.cpu.fd, MKVM_GET_VMCS, &d));
	nr = d.head.nr;
	ASSERT_LT(50, nr);
	d.head.nr = nr - 1;
	EXPECT_EQ(-E2BIG, kvm(g.cpu.fd, MKVM_GET_VMCS, &d));
	d.head.nr = nr;
	EXPECT_EQ(0, kvm(g.cpu.fd, MKVM_GET_VMCS, &d));
	EXPECT_EQ(nr, d.head.nr);
}

TEST_HARNESS_MAIN
