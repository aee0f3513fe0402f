/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUID: what minikvm can give a guest (KVM_GET_SUPPORTED_CPUID), what a guest
 * sees that runs the instruction, and what its CPUID means for the registers it
 * may set. SDM vol. 2, "CPUID - CPU Identification"; APM vol. 3, appendix
 * "Obtaining Processor Information Via the CPUID Instruction".
 */
#ifndef MKVM_PURE_CPUID_H
#define MKVM_PURE_CPUID_H

#include "pure.h"
#include "x86_bits.h"
#include <linux/kvm.h>

#define MKVM_CPUID_MAX_ENTRIES	256	/* as KVM: more is E2BIG */

/* Leaf 0x40000000: clients look for KVM's signature. */
#define MKVM_CPUID_SIGNATURE	0x40000000u

/* Order of a leaf's four registers wherever they are an array. */
enum mkvm_cpuid_reg { MKVM_EAX, MKVM_EBX, MKVM_ECX, MKVM_EDX };

/* What beside the CPU decides which features a guest may have. */
struct mkvm_cpuid_policy {
	u64 xcr0;	/* XCR0 components that are switched for the guest */
	u64 cr4;	/* CR4 bits that the hardware takes of a guest */
	u64 efer;	/* EFER bits that the CPU defines */
	u8 maxphyaddr;	/* the CPU's physical-address width */
	bool amd;	/* the CPU is AMD's or Hygon's */
	bool rdtscp;	/* where these instructions need a control, the CPU has it */
	bool invpcid;
	bool enforce_pv;	/* KVM's own features only where leaf 0x40000001 names them */
};

/* The CPU that runs us, or a table in a test. */
typedef void (*mkvm_cpuid_reader)(void *context, u32 leaf, u32 subleaf, u32 regs[4]);

/* The guest's registers that show in CPUID. */
struct mkvm_cpuid_state {
	u64 cr4;
	u64 xcr0;
	u64 apic_base;
};

/*
 * What the guest's CPUID allows, computed once per KVM_SET_CPUID2. Before the
 * first one, as in KVM, everything that GET_SUPPORTED_CPUID offers is allowed.
 */
struct mkvm_guest_cpu {
	u64 cr4_allowed;
	u64 efer_allowed;
	u64 xcr0_allowed;
	u8 maxphyaddr;		/* physical-address width; 36 without leaf 0x80000008 */
	u8 maxlinaddr;		/* linear-address width: 48, as LA57 is not offered */
	bool amd;		/* its vendor is AMD or Hygon: AMD's MSRs are there */
	bool x2apic;
	bool tsc_aux;		/* RDTSCP or RDPID */
	bool tsc_adjust;
	bool arch_caps;		/* IA32_ARCH_CAPABILITIES */
	bool tsc_deadline;
	bool pv_clock, pv_clock_new;	/* KVM's clock, at its two places */
	bool pv_yield;			/* the hypercall KVM_HC_SCHED_YIELD */
	bool pv_steal_time, pv_eoi, pv_send_ipi;
};

MKVM_PURE_BEGIN

/*
 * Fills @out with what @policy lets a guest see of the CPU behind @read, sorted
 * by leaf and subleaf, without APIC IDs. Returns the count, or -1 when @max is
 * too small.
 */
int mkvm_cpuid_supported(mkvm_cpuid_reader read, void *context,
			 const struct mkvm_cpuid_policy *policy,
			 struct kvm_cpuid_entry2 *out, u32 max);

/*
 * The entry for exactly this leaf and subleaf, or NULL. The subleaf counts only
 * where the entry has KVM_CPUID_FLAG_SIGNIFCANT_INDEX.
 */
const struct kvm_cpuid_entry2 *mkvm_cpuid_find(const struct kvm_cpuid_entry2 *entries, u32 nr,
					       u32 leaf, u32 subleaf);

/* Is CR4 in what the leaf says? It is a VMREAD, so others do without. */
static inline bool mkvm_cpuid_follows_cr4(u32 leaf)
{
	return leaf == 1 || leaf == 7;
}

/*
 * The instruction, as the guest sees it: Intel's rule for leaves out of range,
 * and the bits that follow the guest's registers.
 */
void mkvm_cpuid_execute(const struct kvm_cpuid_entry2 *entries, u32 nr, u32 leaf, u32 subleaf,
			const struct mkvm_cpuid_state *state, u32 regs[4]);

/* Bytes that XSAVE (or, compacted, XSAVEC) needs for @components. */
u32 mkvm_cpuid_xsave_size(const struct kvm_cpuid_entry2 *entries, u32 nr, u64 components,
			  bool compacted);

/* The bits of CR4 and EFER that these registers of leaves 1, 7 and 0x80000001 bring. */
u64 mkvm_cpuid_cr4(u32 features_ecx, u32 structured_ebx, u32 structured_ecx);
u64 mkvm_cpuid_efer(u32 ext_edx);

/*
 * @policy caps what userspace may claim. Without entries (@nr 0) everything
 * that @policy allows is allowed.
 */
void mkvm_cpuid_derive(const struct kvm_cpuid_entry2 *entries, u32 nr,
		       const struct mkvm_cpuid_policy *policy, struct mkvm_guest_cpu *cpu);

MKVM_PURE_END

#endif /* MKVM_PURE_CPUID_H */
