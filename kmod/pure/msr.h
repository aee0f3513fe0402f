/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The MSRs a guest has: where each lives, who may access it and which values it
 * takes. An MSR without a rule does not exist: #GP. SDM vol. 4.
 */
#ifndef MKVM_PURE_MSR_H
#define MKVM_PURE_MSR_H

#include "pure.h"
#include "cpuid.h"
#include "x86_bits.h"

#define MKVM_MTRR_VARIABLE	8	/* pairs, as KVM */
#define MKVM_MCE_BANKS		10

enum mkvm_msr_home {
	MKVM_MSR_STORED,	/* a plain value in struct mkvm_msr_file */
	MKVM_MSR_VENDOR,	/* in the VMCS or VMCB, or switched with the guest */
	MKVM_MSR_CONSTANT,	/* reads rule->reset; takes no other value */
	MKVM_MSR_IGNORED,	/* reads rule->reset; writes have no effect */
	MKVM_MSR_SPECIAL,	/* code of its own: TSC, TSC_ADJUST, APIC_BASE, EFER, ... */
};

/* Flags */
#define MKVM_MSR_GUEST_READ	MKVM_BIT(0)
#define MKVM_MSR_GUEST_WRITE	MKVM_BIT(1)
#define MKVM_MSR_LISTED		MKVM_BIT(2)	/* in KVM_GET_MSR_INDEX_LIST */
#define MKVM_MSR_FEATURE	MKVM_BIT(3)	/* in KVM_GET_MSR_FEATURE_INDEX_LIST */
#define MKVM_MSR_GUEST_DROPPED	MKVM_BIT(4)	/* what the guest writes has no effect */

struct mkvm_msr_rule {
	u32 index;
	u16 count;		/* consecutive MSRs with this rule */
	u8 home;		/* enum mkvm_msr_home */
	u8 flags;
	u8 check;		/* how values are checked: private to msr.c */
	u64 mask;		/* bits that may be set, for some checks */
	u64 reset;
	u8 feature;		/* offset of a bool in struct mkvm_guest_cpu; 0: always there */
	const char *name;
};

/* One value per MSR with home MKVM_MSR_STORED. */
#define MKVM_MSR_FILE_SIZE	76
struct mkvm_msr_file {
	u64 value[MKVM_MSR_FILE_SIZE];
};

MKVM_PURE_BEGIN

/* NULL: the guest gets #GP and KVM_GET/SET_MSRS stop there. */
const struct mkvm_msr_rule *mkvm_msr_find(u32 index);

/*
 * Does this guest's CPUID give it the MSR? False is #GP for the guest; userspace
 * may restore MSRs before it sets CPUID.
 */
static inline bool mkvm_msr_offered(const struct mkvm_msr_rule *rule,
				    const struct mkvm_guest_cpu *cpu)
{
	return !rule->feature || *((const bool *)cpu + rule->feature);
}

/*
 * May @value be written to @index, whose rule this is? Reserved bits, canonical
 * addresses, memory types. Says nothing of the guest's right to write: see the
 * rule's flags, and mkvm_msr_offered().
 */
bool mkvm_msr_valid(const struct mkvm_msr_rule *rule, u32 index, u64 value,
		    const struct mkvm_guest_cpu *cpu);

/* Power-on values. */
void mkvm_msr_reset(struct mkvm_msr_file *file);

/* The place of a MKVM_MSR_STORED value; NULL for every other MSR. */
u64 *mkvm_msr_stored(struct mkvm_msr_file *file, u32 index);

/*
 * The MSRs with @flag, MKVM_MSR_LISTED or _FEATURE: writes up to @max indices,
 * returns how many there are. @cpu is what mkvm_cpuid_derive() makes of no entries:
 * all that we support.
 */
u32 mkvm_msr_list(const struct mkvm_guest_cpu *cpu, u8 flag, u32 *out, u32 max);

MKVM_PURE_END

#endif /* MKVM_PURE_MSR_H */
