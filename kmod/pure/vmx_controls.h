/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What minikvm asks of a CPU's VMX, as two tables, and the negotiation of the
 * control words against the capability MSRs. SDM vol. 3, appendix "VMX
 * Capability Reporting Facility".
 */
#ifndef MKVM_PURE_VMX_CONTROLS_H
#define MKVM_PURE_VMX_CONTROLS_H

#include "pure.h"
#include "minikvm.h"

enum mkvm_vmx_word {
	MKVM_CTL_PIN,
	MKVM_CTL_PROC,
	MKVM_CTL_PROC2,
	MKVM_CTL_EXIT,
	MKVM_CTL_ENTRY,
	MKVM_NR_CTLS,
};

enum mkvm_vmx_policy {
	MKVM_REQUIRED,		/* set; without it the module does not load */
	MKVM_SWITCHED,		/* left clear, but vCPUs must be able to set it */
	MKVM_WANTED,		/* set where the CPU has it */
	MKVM_OPTIONAL,		/* left clear; a vCPU may set it where the CPU has it */
};

struct mkvm_vmx_control {
	u8 word;		/* enum mkvm_vmx_word */
	u8 policy;		/* enum mkvm_vmx_policy */
	u32 bit;
	const char *name;	/* the SDM's words */
};

struct mkvm_vmx_ept_cap {
	u64 bit;		/* in IA32_VMX_EPT_VPID_CAP */
	bool required;
	const char *name;
};

MKVM_PURE_BEGIN

/* At most 64 rows each: a row is a bit of the bitmaps below. */
extern const struct mkvm_vmx_control mkvm_vmx_controls[];
extern const unsigned int mkvm_vmx_nr_controls;
extern const struct mkvm_vmx_ept_cap mkvm_vmx_ept_caps[];
extern const unsigned int mkvm_vmx_nr_ept_caps;

/* The capability MSR that belongs to @word: allowed-0 low, allowed-1 high. */
u64 mkvm_vmx_word_cap(const struct mkvm_vmx_caps *caps, unsigned int word);

/*
 * Fills @word with what a new VMCS starts with. Returns the rows of
 * mkvm_vmx_controls[] that are required or switched and that the CPU lacks,
 * as a bitmap: 0 is success, and @word is meaningless otherwise.
 */
u64 mkvm_vmx_negotiate(const struct mkvm_vmx_caps *caps, u32 word[MKVM_NR_CTLS]);

/* Required rows of mkvm_vmx_ept_caps[] that @ept_vpid lacks, as a bitmap. */
u64 mkvm_vmx_ept_missing(u64 ept_vpid);

/* May a vCPU set all of @bits in @word on this CPU? */
static inline bool mkvm_vmx_can_set(const struct mkvm_vmx_caps *caps, unsigned int word, u32 bits)
{
	return ((u32)(mkvm_vmx_word_cap(caps, word) >> 32) & bits) == bits;
}

/* The row name for a bit of the bitmaps above; NULL past the end. */
const char *mkvm_vmx_control_name(unsigned int row);
const char *mkvm_vmx_ept_cap_name(unsigned int row);

MKVM_PURE_END

#endif /* MKVM_PURE_VMX_CONTROLS_H */
