// SPDX-License-Identifier: GPL-2.0-only
/* The MSRs a guest has, as one table. */
#include "msr.h"
#include "sregs.h"

enum check {
	CHECK_ANY,
	CHECK_MASK,		/* no bit outside rule->mask */
	CHECK_CONSTANT,		/* rule->reset and nothing else */
	CHECK_NEVER,		/* not by KVM_SET_MSRS either */
	CHECK_CANONICAL,
	CHECK_ALL_OR_NONE,	/* 0 or all ones */
	CHECK_MCE_BANK,		/* the same, for IA32_MCi_CTL */
	CHECK_PAT, CHECK_MTRR_FIXED, CHECK_MTRR_VARIABLE, CHECK_MTRR_DEFAULT,
	CHECK_APIC_BASE, CHECK_EFER,
};

#define R	MKVM_MSR_GUEST_READ
#define RW	(MKVM_MSR_GUEST_READ | MKVM_MSR_GUEST_WRITE)
#define RWL	(RW | MKVM_MSR_LISTED)
#define RL	(R | MKVM_MSR_LISTED)

#define LOW_32	0xffffffffull

/* IA32_MTRRCAP: 8 variable pairs, fixed ranges, write-combining. */
#define MTRRCAP	(MKVM_MTRR_VARIABLE | BIT_ULL(8) | BIT_ULL(10))

/* IA32_MCG_CAP: the banks, and IA32_MCG_CTL exists. */
#define MCG_CAP	(MKVM_MCE_BANKS | BIT_ULL(8))

/* IA32_MISC_ENABLE: fast strings on, BTS and PEBS unavailable. */
#define MISC_ENABLE_RESET	(BIT_ULL(0) | BIT_ULL(11) | BIT_ULL(12))
/*
 * What a guest may set: flags that change nothing here. Not XD-bit disable
 * (34): CPUID and EFER do not follow it.
 */
#define MISC_ENABLE_MASK	(MISC_ENABLE_RESET | BIT_ULL(1) | BIT_ULL(3) | BIT_ULL(7) | \
				 BIT_ULL(16) | BIT_ULL(18) | BIT_ULL(22) | BIT_ULL(23) | \
				 BIT_ULL(38))

/* IA32_DEBUGCTL.BTF; branch records are not virtualized. */
#define DEBUGCTL_MASK		BIT_ULL(1)

/*
 * HWCR: the TSC counts at the frequency of P-state 0. What else a guest may
 * write changes nothing here: TlbCacheDis, FFDis, IgnneEm, McStatusWrEn.
 */
#define HWCR			BIT_ULL(24)
#define HWCR_MASK		(HWCR | BIT_ULL(3) | BIT_ULL(6) | BIT_ULL(8) | BIT_ULL(18))
/* VM_CR: SVM is off, and that is locked. */
#define VM_CR			(BIT_ULL(3) | BIT_ULL(4))
/* DE_CFG: LFENCE serializes, which Linux has seen to for itself. */
#define DE_CFG			BIT_ULL(1)

#define MSR(index, name, count, home, flags, check, mask, reset) \
	{ index, count, MKVM_MSR_##home, flags, CHECK_##check, mask, reset, 0, #name }
/* One that the guest has only if its CPUID says so: a bool of struct mkvm_guest_cpu. */
#define MSR_IF(feature, index, name, home, flags, check, mask, reset) \
	{ index, 1, MKVM_MSR_##home, flags, CHECK_##check, mask, reset, \
	  offsetof(struct mkvm_guest_cpu, feature), #name }

/*
 * In ascending order: mkvm_msr_find halves it. SDM vol. 4; <asm/kvm_para.h>; APM vol. 2,
 * appendix "MSR Cross-Reference", for DE_CFG and the like the BKDGs and PPRs. Of AMD's
 * there are those that Linux does not expect to be missing. Not LS_CFG: a guest that can
 * read it takes it for a way to disable speculative stores.
 */
static const struct mkvm_msr_rule rules[] = {
	MSR(0x10,	TSC,			1, SPECIAL, RWL, ANY, 0, 0),
	MSR_IF(pv_clock, 0x11, KVM_WALL_CLOCK, SPECIAL, RWL, ANY, 0, 0),
	MSR_IF(pv_clock, 0x12, KVM_SYSTEM_TIME, SPECIAL, RWL, ANY, 0, 0),
	MSR(0x17,	PLATFORM_ID,		1, CONSTANT, R, CONSTANT, 0, 0),
	MSR(0x1b,	APIC_BASE,		1, SPECIAL, RW, APIC_BASE, 0, 0),
	MSR(0x3a,	FEATURE_CONTROL, 1, CONSTANT, R, CONSTANT, 0, 1),	/* locked, no VMX */
	MSR_IF(tsc_adjust, 0x3b, TSC_ADJUST, SPECIAL, RWL, ANY, 0, 0),
	MSR(0x79,	BIOS_UPDT_TRIG,		1, IGNORED, RW, ANY, 0, 0),
	/* The guest writes 0, runs CPUID and reads: revision 1, as KVM says. */
	MSR(0x8b,	BIOS_SIGN_ID,		1, STORED,
	    RW | MKVM_MSR_GUEST_DROPPED | MKVM_MSR_FEATURE, ANY, 0, BIT_ULL(32)),
	/* Userspace's and RSM's. */
	MSR(0x9e,	SMBASE,			1, STORED, MKVM_MSR_LISTED, MASK, LOW_32, 0x30000),
	/* Not CPUID faulting (31), which the next one would turn on. */
	MSR(0xce,	PLATFORM_INFO,		1, STORED, RL, MASK, ~BIT_ULL(31), 0),
	MSR(0xfe,	MTRRCAP,		1, CONSTANT, R, CONSTANT, 0, MTRRCAP),
	/* Of a new vCPU: mkvm_host_arch_capabilities(). */
	MSR_IF(arch_caps, 0x10a, ARCH_CAPABILITIES, STORED, RL | MKVM_MSR_FEATURE, ANY, 0, 0),
	/* Linux writes the 0 back that it read. */
	MSR(0x140,	MISC_FEATURE_ENABLES,	1, CONSTANT, RWL, CONSTANT, 0, 0),
	MSR(0x174,	SYSENTER_CS,		1, VENDOR, RWL, MASK, LOW_32, 0),
	MSR(0x175,	SYSENTER_ESP,		1, VENDOR, RWL, CANONICAL, 0, 0),
	MSR(0x176,	SYSENTER_EIP,		1, VENDOR, RWL, CANONICAL, 0, 0),
	MSR(0x179,	MCG_CAP,		1, STORED, R, NEVER, 0, MCG_CAP),
	MSR(0x17a,	MCG_STATUS,		1, STORED, RWL, ANY, 0, 0),
	MSR(0x17b,	MCG_CTL,		1, STORED, RWL, ALL_OR_NONE, 0, ~0ull),
	MSR(0x1a0,	MISC_ENABLE, 1, STORED, RWL, MASK, MISC_ENABLE_MASK, MISC_ENABLE_RESET),
	MSR(0x1d9,	DEBUGCTL,		1, VENDOR, RW, MASK, DEBUGCTL_MASK, 0),
	MSR(0x1fc,	POWER_CTL,		1, IGNORED, RW, ANY, 0, 0),
	MSR(0x200,	MTRR_PHYSBASE0, 2 * MKVM_MTRR_VARIABLE, STORED, RW, MTRR_VARIABLE, 0, 0),
	MSR(0x250,	MTRR_FIX64K_00000,	1, STORED, RW, MTRR_FIXED, 0, 0),
	MSR(0x258,	MTRR_FIX16K_80000,	2, STORED, RW, MTRR_FIXED, 0, 0),
	MSR(0x268,	MTRR_FIX4K_C0000,	8, STORED, RW, MTRR_FIXED, 0, 0),
	MSR(0x277,	PAT,			1, VENDOR, RWL, PAT, 0, MKVM_PAT_RESET),
	MSR(0x2ff,	MTRR_DEF_TYPE,		1, STORED, RW, MTRR_DEFAULT, 0xcff, 0),
	MSR(0x400,	MC0_CTL,		4 * MKVM_MCE_BANKS, STORED, RW, MCE_BANK, 0, 0),
	MSR_IF(tsc_deadline, 0x6e0, TSC_DEADLINE, SPECIAL, RWL, ANY, 0, 0),
	MSR(0xda0,	XSS, 1, CONSTANT, 0, CONSTANT, 0, 0),	/* CPUID has no XSAVES */
	MSR_IF(pv_clock_new, 0x4b564d00, KVM_WALL_CLOCK_NEW, SPECIAL, RWL, ANY, 0, 0),
	MSR_IF(pv_clock_new, 0x4b564d01, KVM_SYSTEM_TIME_NEW, SPECIAL, RWL, ANY, 0, 0),
	MSR_IF(pv_steal_time, 0x4b564d03, KVM_STEAL_TIME, SPECIAL, RWL, MASK, ~0x3eull, 0),
	MSR_IF(pv_eoi, 0x4b564d04, KVM_PV_EOI_EN, SPECIAL, RWL, MASK, ~2ull, 0),
	MSR(0xc0000080,	EFER,			1, SPECIAL, RW, EFER, 0, 0),
	MSR(0xc0000081,	STAR,			1, VENDOR, RWL, ANY, 0, 0),
	MSR(0xc0000082,	LSTAR,			1, VENDOR, RWL, CANONICAL, 0, 0),
	MSR(0xc0000083,	CSTAR,			1, VENDOR, RWL, CANONICAL, 0, 0),
	MSR(0xc0000084,	SFMASK,			1, VENDOR, RWL, MASK, LOW_32, 0),
	MSR(0xc0000100,	FS_BASE,		1, VENDOR, RW, CANONICAL, 0, 0),
	MSR(0xc0000101,	GS_BASE,		1, VENDOR, RW, CANONICAL, 0, 0),
	MSR(0xc0000102,	KERNEL_GS_BASE,		1, VENDOR, RWL, CANONICAL, 0, 0),
	MSR_IF(tsc_aux, 0xc0000103, TSC_AUX, VENDOR, RWL, MASK, LOW_32, 0),
	MSR_IF(amd, 0xc0010010, SYSCFG, CONSTANT, R, CONSTANT, 0, 0),
	MSR_IF(amd, 0xc0010015, HWCR, IGNORED, RW, MASK, HWCR_MASK, HWCR),
	MSR_IF(amd, 0xc001001f, NB_CFG, IGNORED, RW, ANY, 0, 0),
	MSR_IF(amd, 0xc0010042, FIDVID_STATUS, CONSTANT, R, CONSTANT, 0, 0),
	MSR_IF(amd, 0xc0010055, INT_PENDING, CONSTANT, R, CONSTANT, 0, 0),
	MSR_IF(amd, 0xc0010114, VM_CR, CONSTANT, R, CONSTANT, 0, VM_CR),
	MSR_IF(amd, 0xc0011022, DC_CFG, IGNORED, RW, ANY, 0, 0),
	MSR_IF(amd, 0xc0011029, DE_CFG, IGNORED, RW | MKVM_MSR_FEATURE, MASK, DE_CFG, DE_CFG),
	MSR_IF(amd, 0xc001102a, BU_CFG2, IGNORED, RW, ANY, 0, 0),
};

const struct mkvm_msr_rule *mkvm_msr_find(u32 index)
{
	const struct mkvm_msr_rule *rule = rules;
	unsigned int nr;

	/* The rule is among the nr from here on, if there is one. */
	for (nr = ARRAY_SIZE(rules); nr > 1; nr -= nr / 2)
		if (rule[nr / 2].index <= index)
			rule += nr / 2;
	return index - rule->index < rule->count ? rule : NULL;
}

/* SDM vol. 3, section "MTRR Memory Types": UC, WC, WT, WP, WB. */
static bool mtrr_type_valid(u8 type)
{
	return type < 8 && (MKVM_BIT(type) & 0x73);
}

static bool mtrr_fixed_valid(u64 value)
{
	unsigned int shift;

	for (shift = 0; shift < 64; shift += 8)
		if (!mtrr_type_valid(value >> shift & 0xff))
			return false;
	return true;
}

/* Even numbers are bases with a type, odd ones masks with a valid flag. */
static bool mtrr_variable_valid(u32 index, u64 value, const struct mkvm_guest_cpu *cpu)
{
	if (!mkvm_fits(value, cpu->maxphyaddr))
		return false;
	if (index & 1)
		return !(value & 0x7ff);
	return !(value & 0xf00) && mtrr_type_valid(value & 0xff);
}

bool mkvm_msr_valid(const struct mkvm_msr_rule *rule, u32 index, u64 value,
		    const struct mkvm_guest_cpu *cpu)
{
	switch ((enum check)rule->check) {
	case CHECK_ANY:
		return true;
	case CHECK_MASK:
		return !(value & ~rule->mask);
	case CHECK_CONSTANT:
		return value == rule->reset;
	case CHECK_NEVER:
		return false;
	case CHECK_CANONICAL:
		return mkvm_canonical(value, cpu->maxlinaddr);
	case CHECK_ALL_OR_NONE:
		return value == 0 || value == ~0ull;
	case CHECK_MCE_BANK:	/* Linux clears bit 10 of one, for a chip whose GART it is */
		return index & 3 || value == 0 || (value | BIT_ULL(10)) == ~0ull;
	case CHECK_PAT:
		return mkvm_pat_valid(value);
	case CHECK_MTRR_FIXED:
		return mtrr_fixed_valid(value);
	case CHECK_MTRR_VARIABLE:
		return mtrr_variable_valid(index, value, cpu);
	case CHECK_MTRR_DEFAULT:
		return !(value & ~rule->mask) && mtrr_type_valid(value & 0xff);
	case CHECK_APIC_BASE:
		return mkvm_apic_base_valid(value, cpu);
	case CHECK_EFER:
		return !(value & ~cpu->efer_allowed);
	}
	return false;
}

void mkvm_msr_reset(struct mkvm_msr_file *file)
{
	unsigned int i, j, slot = 0;

	memset(file, 0, sizeof(*file));
	for (i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].home == MKVM_MSR_STORED)
			for (j = 0; j < rules[i].count; j++)
				file->value[slot++] = rules[i].reset;
}

u64 *mkvm_msr_stored(struct mkvm_msr_file *file, u32 index)
{
	unsigned int i, slot = 0;

	for (i = 0; i < ARRAY_SIZE(rules) && rules[i].index <= index; i++) {
		if (rules[i].home != MKVM_MSR_STORED)
			continue;
		if (index - rules[i].index < rules[i].count)
			return &file->value[slot + array_index_nospec(index - rules[i].index,
								     rules[i].count)];
		slot += rules[i].count;
	}
	return NULL;
}

u32 mkvm_msr_list(const struct mkvm_guest_cpu *cpu, u8 flag, u32 *out, u32 max)
{
	unsigned int i;
	u32 nr = 0;

	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		if (!(rules[i].flags & flag) || !mkvm_msr_offered(&rules[i], cpu))
			continue;
		if (nr < max)
			out[nr] = rules[i].index;
		nr++;
	}
	return nr;
}
