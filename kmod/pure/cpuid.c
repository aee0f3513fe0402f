// SPDX-License-Identifier: GPL-2.0-only
/* What a guest sees of the CPU. */
#include "cpuid.h"
#include <linux/kvm_para.h>

#define BASIC		0u
#define EXTENDED	0x80000000u
#define FEATURES	1u
#define CACHES		4u
#define STRUCTURED	7u
#define PERFMON		0xau
#define TOPOLOGY	0xbu
#define XSTATE		0xdu
#define TOPOLOGY_V2	0x1fu
#define EXT_FEATURES	0x80000001u
#define ADDRESS_SIZES	0x80000008u

/* The highest leaves we speak of. */
#define MAX_BASIC	XSTATE
#define MAX_EXTENDED	ADDRESS_SIZES

#define MAX_CACHES	8
#define LEGACY_XSAVE	576u	/* legacy region and header */

/* Leaf 1 ECX */
#define F1C_PCID	MKVM_BIT(17)
#define F1C_X2APIC	MKVM_BIT(21)
#define F1C_TSC_DEADLINE MKVM_BIT(24)
#define F1C_XSAVE	MKVM_BIT(26)
#define F1C_OSXSAVE	MKVM_BIT(27)
#define F1C_HYPERVISOR	MKVM_BIT(31)
/* Leaf 1 EDX */
#define F1D_APIC	MKVM_BIT(9)
/* Leaf 7 EBX */
#define F7B_FSGSBASE	MKVM_BIT(0)
#define F7B_TSC_ADJUST	MKVM_BIT(1)
#define F7B_SMEP	MKVM_BIT(7)
#define F7B_SMAP	MKVM_BIT(20)
/* Leaf 7 ECX */
#define F7C_UMIP	MKVM_BIT(2)
#define F7C_PKU		MKVM_BIT(3)
#define F7C_OSPKE	MKVM_BIT(4)
#define F7C_RDPID	MKVM_BIT(22)
/* Leaf 7 EDX */
#define F7D_ARCH_CAPS	MKVM_BIT(29)	/* IA32_ARCH_CAPABILITIES: Intel's */
/* Leaf 0x80000001 EDX */
#define FXD_APIC	MKVM_BIT(9)	/* AMD repeats leaf 1 EDX */
#define FXD_SYSCALL	MKVM_BIT(11)
#define FXD_NX		MKVM_BIT(20)
#define FXD_RDTSCP	MKVM_BIT(27)
#define FXD_LM		MKVM_BIT(29)
/* Leaf 0x40000001 EAX: KVM's own features */
#define PV(name)	MKVM_BIT(KVM_FEATURE_##name)

/* Leaf 0xd subleaf 2 and up ECX: compacted, it starts at a multiple of 64. */
#define XSTATE_ALIGNED	MKVM_BIT(1)

/*
 * What passes from the CPU to the guest: a leaf that is not here reads zero.
 * Bits that only one vendor defines are 0 on the other's CPUs. Left out on
 * purpose: APIC IDs and core counts (userspace lays out the topology), MONITOR,
 * VMX, SMX, debug store, thermal and performance monitoring, HLE and RTM, MPX,
 * PKU, LA57, CET, SGX, PT, AMX, WAITPKG, and SPEC_CTRL with its friends, whose
 * MSR is not switched; of AMD's, SVM with its leaf 0x8000000a, SKINIT, the
 * extended APIC space, OSVW, IBS, LWP, MONITORX, FFXSR and TCE (bits of EFER),
 * RDPRU, INVLPGB, SME and SEV, and the topology extensions with their leaves.
 */
static const struct pass {
	u32 leaf;
	u32 mask[4];	/* by enum mkvm_cpuid_reg */
} passes[] = {
	{ BASIC,	{ ~0u, ~0u, ~0u, ~0u } },
	{ FEATURES,	{ 0x0fff3fff, 0x0000ff00, 0x77fa3203, 0x0f8bfbff } },
	{ 2,		{ ~0u, ~0u, ~0u, ~0u } },
	{ CACHES,	{ 0x00003fff, ~0u, ~0u, 0x00000007 } },
	{ 5,		{ 0 } },
	{ 6,		{ MKVM_BIT(2) } },	/* the APIC timer never stops */
	{ STRUCTURED,	{ 0, 0xfdbf07ab, 0x18405f46, 0x0000451c } },
	{ PERFMON,	{ 0 } },
	{ XSTATE,	{ ~0u, ~0u, ~0u, ~0u } },
	{ EXTENDED,	{ ~0u, ~0u, ~0u, ~0u } },
	{ EXT_FEATURES,	{ ~0u, 0, 0x002109f3, 0xedd3fbff } },
	{ 0x80000002,	{ ~0u, ~0u, ~0u, ~0u } },
	{ 0x80000003,	{ ~0u, ~0u, ~0u, ~0u } },
	{ 0x80000004,	{ ~0u, ~0u, ~0u, ~0u } },
	{ 0x80000005,	{ ~0u, ~0u, ~0u, ~0u } },
	{ 0x80000006,	{ ~0u, ~0u, ~0u, ~0u } },
	{ 0x80000007,	{ 0, 0, 0, MKVM_BIT(8) } },	/* invariant TSC */
	{ ADDRESS_SIZES, { 0x0000ffff, 0x00000005 } },	/* CLZERO, error pointers of XSAVE */
};

/* An output array that is being filled. */
struct list {
	struct kvm_cpuid_entry2 *out;
	u32 max;
	u32 nr;			/* may pass max: then it did not fit */
};

static void add(struct list *list, u32 leaf, u32 subleaf, u32 flags, const u32 regs[4])
{
	if (list->nr < list->max)
		list->out[list->nr] = (struct kvm_cpuid_entry2){
			.function = leaf, .index = subleaf, .flags = flags,
			.eax = regs[MKVM_EAX], .ebx = regs[MKVM_EBX],
			.ecx = regs[MKVM_ECX], .edx = regs[MKVM_EDX],
		};
	list->nr++;
}

/* Features that need something of us, or one another, and not only the CPU. */
enum need { AVX, AVX512, XSAVE, INVPCID, RDTSCP, NR_NEEDS };

static const struct dependent {
	u32 leaf;
	u8 reg;		/* enum mkvm_cpuid_reg */
	u8 need;
	u32 bits;
} dependents[] = {
	{ FEATURES,	MKVM_ECX, XSAVE,	F1C_XSAVE },
	{ FEATURES,	MKVM_ECX, AVX,		0x30001000 },	/* FMA, AVX, F16C */
	{ STRUCTURED,	MKVM_EBX, AVX,		0x00000020 },	/* AVX2 */
	{ STRUCTURED,	MKVM_EBX, AVX512,	0xdc230000 },	/* F DQ IFMA PF ER CD BW VL */
	{ STRUCTURED,	MKVM_EBX, INVPCID,	0x00000400 },
	{ STRUCTURED,	MKVM_ECX, AVX,		0x00000600 },	/* VAES, VPCLMULQDQ */
	{ STRUCTURED,	MKVM_ECX, AVX512,	0x00005842 },	/* VBMI 1 and 2, VNNI, BITALG, .. */
	{ STRUCTURED,	MKVM_ECX, RDTSCP,	F7C_RDPID },
	{ STRUCTURED,	MKVM_EDX, AVX512,	0x0000010c },	/* 4VNNIW 4FMAPS VP2INTERSECT */
	{ EXT_FEATURES,	MKVM_ECX, AVX,		0x00010800 },	/* XOP, FMA4: encoded like AVX */
	{ EXT_FEATURES,	MKVM_EDX, RDTSCP,	FXD_RDTSCP },
};

static void apply_policy(u32 leaf, u32 regs[4], const struct mkvm_cpuid_policy *policy)
{
	const bool have[NR_NEEDS] = {
		[AVX] = policy->xcr0 & MKVM_XCR0_AVX,
		[AVX512] = (policy->xcr0 & MKVM_XCR0_AVX512) == MKVM_XCR0_AVX512,
		[XSAVE] = policy->xcr0, [INVPCID] = policy->invpcid, [RDTSCP] = policy->rdtscp,
	};
	unsigned int i;

	if (leaf == FEATURES) {
		/* These need an irqchip; KVM_CAP_TSC_DEADLINE_TIMER tells of the second. */
		regs[MKVM_ECX] |= F1C_HYPERVISOR | F1C_X2APIC;
		regs[MKVM_ECX] &= ~F1C_TSC_DEADLINE;
	}
	for (i = 0; i < ARRAY_SIZE(dependents); i++)
		if (dependents[i].leaf == leaf && !have[dependents[i].need])
			regs[dependents[i].reg] &= ~dependents[i].bits;
	if (leaf == STRUCTURED && !policy->amd)
		regs[MKVM_EDX] |= F7D_ARCH_CAPS;	/* we make it, whatever the CPU has */
}

/* One subleaf per cache, the last one of type 0: "no more caches". */
static void add_caches(struct list *list, mkvm_cpuid_reader read, void *context,
		       const u32 mask[4])
{
	u32 regs[4], i, r;

	for (i = 0; i < MAX_CACHES; i++) {
		read(context, CACHES, i, regs);
		for (r = 0; r < 4; r++)
			regs[r] &= mask[r];
		add(list, CACHES, i, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, regs);
		if (!(regs[MKVM_EAX] & 0x1f))
			return;
	}
}

/*
 * SDM vol. 1, section "Enumeration of CPU Support for XSAVE Instructions and
 * XSAVE-Supported Features". The sizes of subleaves 0 and 1 are those of the
 * components that the guest has, so they are filled in last.
 */
static void add_xstate(struct list *list, mkvm_cpuid_reader read, void *context,
		       const struct mkvm_cpuid_policy *policy)
{
	u32 first = list->nr, regs[4] = { (u32)policy->xcr0, 0, 0, policy->xcr0 >> 32 };
	u32 nr, i;

	add(list, XSTATE, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, regs);
	read(context, XSTATE, 1, regs);
	regs[MKVM_EAX] &= 7;	/* not XSAVES: IA32_XSS is not switched */
	add(list, XSTATE, 1, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, (u32[4]){ regs[MKVM_EAX] });
	for (i = 2; i < 63; i++) {
		if (!(policy->xcr0 & BIT_ULL(i)))
			continue;
		read(context, XSTATE, i, regs);
		regs[MKVM_ECX] &= XSTATE_ALIGNED;
		regs[MKVM_EDX] = 0;
		add(list, XSTATE, i, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, regs);
	}
	if (list->nr > list->max)
		return;
	nr = list->nr;
	list->out[first].ecx = mkvm_cpuid_xsave_size(list->out, nr, policy->xcr0, false);
	list->out[first].ebx = list->out[first].ecx;
	list->out[first + 1].ebx = mkvm_cpuid_xsave_size(list->out, nr, policy->xcr0, true);
}

static void add_signature(struct list *list)
{
	/* EBX, ECX, EDX: "KVMKVMKVM" and three zero bytes. */
	static const u32 signature[4] = { MKVM_CPUID_SIGNATURE + 1, 0x4b4d564b, 0x564b4d56, 0x4d };
	static const u32 features[4] = {
		PV(CLOCKSOURCE) | PV(NOP_IO_DELAY) | PV(CLOCKSOURCE2) | PV(STEAL_TIME) |
		PV(PV_EOI) | PV(PV_SEND_IPI) | PV(CLOCKSOURCE_STABLE_BIT),
	};

	add(list, MKVM_CPUID_SIGNATURE, 0, 0, signature);
	add(list, MKVM_CPUID_SIGNATURE + 1, 0, 0, features);
}

static void add_leaf(struct list *list, mkvm_cpuid_reader read, void *context,
		     const struct mkvm_cpuid_policy *policy, const struct pass *pass)
{
	u32 regs[4], r;

	read(context, pass->leaf, 0, regs);
	for (r = 0; r < 4; r++)
		regs[r] &= pass->mask[r];
	apply_policy(pass->leaf, regs, policy);
	if (pass->leaf == BASIC && regs[MKVM_EAX] > MAX_BASIC)
		regs[MKVM_EAX] = MAX_BASIC;
	if (pass->leaf == EXTENDED && regs[MKVM_EAX] > MAX_EXTENDED)
		regs[MKVM_EAX] = MAX_EXTENDED;
	add(list, pass->leaf, 0, pass->leaf == STRUCTURED ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
	    regs);
}

int mkvm_cpuid_supported(mkvm_cpuid_reader read, void *context,
			 const struct mkvm_cpuid_policy *policy,
			 struct kvm_cpuid_entry2 *out, u32 max)
{
	struct list list = { .out = out, .max = max };
	u32 basic[4], extended[4];
	unsigned int i;

	read(context, BASIC, 0, basic);
	read(context, EXTENDED, 0, extended);
	for (i = 0; i < ARRAY_SIZE(passes); i++) {
		const struct pass *pass = &passes[i];

		if (pass->leaf == EXTENDED)
			add_signature(&list);
		if (pass->leaf > (pass->leaf < EXTENDED ? basic : extended)[MKVM_EAX])
			continue;
		if (pass->leaf == CACHES)
			add_caches(&list, read, context, pass->mask);
		else if (pass->leaf == XSTATE)
			add_xstate(&list, read, context, policy);
		else
			add_leaf(&list, read, context, policy, pass);
	}
	return list.nr > max ? -1 : (int)list.nr;
}

const struct kvm_cpuid_entry2 *mkvm_cpuid_find(const struct kvm_cpuid_entry2 *entries, u32 nr,
					       u32 leaf, u32 subleaf)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		const struct kvm_cpuid_entry2 *e = &entries[i];

		if (e->function == leaf && (e->index == subleaf ||
					    !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return e;
	}
	return NULL;
}

static void take_regs(const struct kvm_cpuid_entry2 *e, u32 regs[4])
{
	regs[MKVM_EAX] = e->eax;
	regs[MKVM_EBX] = e->ebx;
	regs[MKVM_ECX] = e->ecx;
	regs[MKVM_EDX] = e->edx;
}

/* The first leaf of the range that @leaf is in; its EAX is the range's last. */
static u32 range_of(u32 leaf)
{
	if (leaf >= 0x40000000 && leaf <= 0x4fffffff)
		return leaf & 0xffffff00;
	if (leaf >= EXTENDED)
		return leaf & 0xffff0000;
	return BASIC;
}

static bool is_amd(const struct kvm_cpuid_entry2 *basic)
{
	/* "Auth", of AuthenticAMD; "Hygo", of HygonGenuine */
	return basic->ebx == 0x68747541 || basic->ebx == 0x6f677948;
}

/*
 * SDM vol. 2, "CPUID - CPU Identification": a leaf above the maximum of its
 * range gives the data of the highest basic leaf. AMD's CPUs give zero.
 */
static const struct kvm_cpuid_entry2 *find_as_cpu(const struct kvm_cpuid_entry2 *entries, u32 nr,
						  u32 leaf, u32 subleaf)
{
	const struct kvm_cpuid_entry2 *e = mkvm_cpuid_find(entries, nr, leaf, subleaf);
	const struct kvm_cpuid_entry2 *basic, *range;

	if (e)
		return e;
	basic = mkvm_cpuid_find(entries, nr, BASIC, 0);
	range = mkvm_cpuid_find(entries, nr, range_of(leaf), 0);
	if (!basic || is_amd(basic) || (range && leaf <= range->eax))
		return NULL;
	return mkvm_cpuid_find(entries, nr, basic->eax, subleaf);
}

static void set_bit_to(u32 *reg, u32 bit, bool on)
{
	*reg = on ? *reg | bit : *reg & ~bit;
}

/* The bits and sizes that follow the guest's registers. */
static void apply_state(const struct kvm_cpuid_entry2 *entries, u32 nr,
			const struct kvm_cpuid_entry2 *e,
			const struct mkvm_cpuid_state *state, u32 regs[4])
{
	switch (e->function) {
	case FEATURES:
		set_bit_to(&regs[MKVM_ECX], F1C_OSXSAVE,
			   (e->ecx & F1C_XSAVE) && (state->cr4 & X86_CR4_OSXSAVE));
		if (!(state->apic_base & MKVM_APIC_BASE_ENABLE))
			regs[MKVM_EDX] &= ~F1D_APIC;
		break;
	case EXT_FEATURES:
		if (!(state->apic_base & MKVM_APIC_BASE_ENABLE))
			regs[MKVM_EDX] &= ~FXD_APIC;
		break;
	case STRUCTURED:
		if (e->index == 0)
			set_bit_to(&regs[MKVM_ECX], F7C_OSPKE,
				   (e->ecx & F7C_PKU) && (state->cr4 & X86_CR4_PKE));
		break;
	case XSTATE:
		if (e->index <= 1)
			regs[MKVM_EBX] = mkvm_cpuid_xsave_size(entries, nr, state->xcr0, e->index);
		break;
	}
}

/* These leaves echo the subleaf and name the x2APIC ID even where they end. */
static void topology(const struct kvm_cpuid_entry2 *entries, u32 nr, u32 leaf, u32 subleaf,
		     u32 regs[4])
{
	const struct kvm_cpuid_entry2 *first = mkvm_cpuid_find(entries, nr, leaf, 0);

	if (!first)
		return;
	regs[MKVM_ECX] = subleaf & 0xff;
	regs[MKVM_EDX] = first->edx;
}

void mkvm_cpuid_execute(const struct kvm_cpuid_entry2 *entries, u32 nr, u32 leaf, u32 subleaf,
			const struct mkvm_cpuid_state *state, u32 regs[4])
{
	const struct kvm_cpuid_entry2 *e = find_as_cpu(entries, nr, leaf, subleaf);

	if (!e) {
		memset(regs, 0, 4 * sizeof(regs[0]));
		if (leaf == TOPOLOGY || leaf == TOPOLOGY_V2)
			topology(entries, nr, leaf, subleaf, regs);
		return;
	}
	take_regs(e, regs);
	apply_state(entries, nr, e, state, regs);
}

u32 mkvm_cpuid_xsave_size(const struct kvm_cpuid_entry2 *entries, u32 nr, u64 components,
			  bool compacted)
{
	u32 size = LEGACY_XSAVE, i;

	for (i = 2; i < 63; i++) {
		const struct kvm_cpuid_entry2 *e;

		if (!(components & BIT_ULL(i)))
			continue;
		e = mkvm_cpuid_find(entries, nr, XSTATE, i);
		if (!e)
			continue;
		if (!compacted && e->ebx + e->eax > size)
			size = e->ebx + e->eax;
		if (compacted && (e->ecx & XSTATE_ALIGNED))
			size = (size + 63) & ~63u;
		if (compacted)
			size += e->eax;
	}
	return size;
}

u64 mkvm_cpuid_cr4(u32 features_ecx, u32 structured_ebx, u32 structured_ecx)
{
	u64 cr4 = X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE |
		  X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR |
		  X86_CR4_OSXMMEXCPT;

	cr4 |= features_ecx & F1C_PCID ? X86_CR4_PCIDE : 0;
	cr4 |= features_ecx & F1C_XSAVE ? X86_CR4_OSXSAVE : 0;
	cr4 |= structured_ebx & F7B_FSGSBASE ? X86_CR4_FSGSBASE : 0;
	cr4 |= structured_ebx & F7B_SMEP ? X86_CR4_SMEP : 0;
	cr4 |= structured_ebx & F7B_SMAP ? X86_CR4_SMAP : 0;
	cr4 |= structured_ecx & F7C_UMIP ? X86_CR4_UMIP : 0;
	return cr4;
}

u64 mkvm_cpuid_efer(u32 ext_edx)
{
	return (ext_edx & FXD_SYSCALL ? MKVM_EFER_SCE : 0) |
	       (ext_edx & FXD_LM ? MKVM_EFER_LME | MKVM_EFER_LMA : 0) |
	       (ext_edx & FXD_NX ? MKVM_EFER_NXE : 0);
}

/* What the guest's CPUID claims: zero where a leaf is missing, all where there are no entries. */
static u32 claims(const struct kvm_cpuid_entry2 *entries, u32 nr, u32 leaf, u32 subleaf,
		  enum mkvm_cpuid_reg reg)
{
	const struct kvm_cpuid_entry2 *e = mkvm_cpuid_find(entries, nr, leaf, subleaf);
	u32 regs[4] = {};

	if (e)
		take_regs(e, regs);
	return nr ? regs[reg] : ~0u;
}

void mkvm_cpuid_derive(const struct kvm_cpuid_entry2 *entries, u32 nr,
		       const struct mkvm_cpuid_policy *policy, struct mkvm_guest_cpu *cpu)
{
	const struct kvm_cpuid_entry2 *basic = mkvm_cpuid_find(entries, nr, BASIC, 0);
	u32 features = claims(entries, nr, FEATURES, 0, MKVM_ECX);
	u32 structured_ebx = claims(entries, nr, STRUCTURED, 0, MKVM_EBX);
	u32 structured_ecx = claims(entries, nr, STRUCTURED, 0, MKVM_ECX);
	u32 structured_edx = claims(entries, nr, STRUCTURED, 0, MKVM_EDX);
	u32 ext_edx = claims(entries, nr, EXT_FEATURES, 0, MKVM_EDX);
	u64 xcr0 = claims(entries, nr, XSTATE, 0, MKVM_EAX) |
		   (u64)claims(entries, nr, XSTATE, 0, MKVM_EDX) << 32;
	u8 width = claims(entries, nr, ADDRESS_SIZES, 0, MKVM_EAX);
	u32 pv = policy->enforce_pv ? claims(entries, nr, MKVM_CPUID_SIGNATURE + 1, 0, MKVM_EAX) :
		 ~0u;

	memset(cpu, 0, sizeof(*cpu));
	cpu->cr4_allowed = policy->cr4 & mkvm_cpuid_cr4(features, structured_ebx, structured_ecx);
	cpu->efer_allowed = policy->efer & mkvm_cpuid_efer(ext_edx);
	cpu->xcr0_allowed = MKVM_XCR0_X87 | (features & F1C_XSAVE ? xcr0 & policy->xcr0 : 0);
	if (!width)
		width = 36;
	cpu->maxphyaddr = width < policy->maxphyaddr ? width : policy->maxphyaddr;
	cpu->maxlinaddr = 48;
	cpu->amd = nr ? basic && is_amd(basic) : policy->amd;
	cpu->x2apic = features & F1C_X2APIC;
	cpu->tsc_deadline = features & F1C_TSC_DEADLINE;
	cpu->tsc_aux = policy->rdtscp && (ext_edx & FXD_RDTSCP || structured_ecx & F7C_RDPID);
	cpu->tsc_adjust = structured_ebx & F7B_TSC_ADJUST;
	cpu->arch_caps = structured_edx & F7D_ARCH_CAPS && !cpu->amd;
	cpu->pv_clock = pv & PV(CLOCKSOURCE);
	cpu->pv_clock_new = pv & PV(CLOCKSOURCE2);
	cpu->pv_steal_time = pv & PV(STEAL_TIME);
	cpu->pv_eoi = pv & PV(PV_EOI);
	cpu->pv_send_ipi = pv & PV(PV_SEND_IPI);
	cpu->pv_yield = pv & PV(PV_SCHED_YIELD);
}
