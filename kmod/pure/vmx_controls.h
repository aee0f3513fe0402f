/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What minikvm asks of a CPU's VMX, as one table, and the negotiation of the
 * control words against the capability MSRs. SDM vol. 3, appendix "VMX
 * Capability Reporting Facility".
 */
#ifndef MKVM_PURE_VMX_CONTROLS_H
#define MKVM_PURE_VMX_CONTROLS_H

#include "pure.h"
#include "minikvm.h"

enum mkvm_vmx_word {
	MKVM_CTL_PIN, MKVM_CTL_PROC, MKVM_CTL_PROC2, MKVM_CTL_EXIT, MKVM_CTL_ENTRY, MKVM_NR_CTLS,
	MKVM_CTL_EPT = MKVM_NR_CTLS,	/* no word: IA32_VMX_EPT_VPID_CAP */
};

enum mkvm_vmx_policy {
	MKVM_OPTIONAL = 0,	/* left clear; a vCPU may set it where the CPU has it */
	MKVM_STARTS_SET = 1,
	MKVM_MUST_EXIST = 2,	/* without it the module does not load */
	MKVM_WANTED = MKVM_STARTS_SET,		/* set where the CPU has it */
	MKVM_SWITCHED = MKVM_MUST_EXIST,	/* left clear, but vCPUs must be able to set it */
	MKVM_REQUIRED = MKVM_MUST_EXIST | MKVM_STARTS_SET,
};

struct mkvm_vmx_control {
	u8 word;		/* enum mkvm_vmx_word */
	u8 policy;		/* enum mkvm_vmx_policy */
	u64 bit;
	const char *name;	/* the SDM's words */
};

MKVM_PURE_BEGIN

/* At most 64 rows: a row is a bit of the bitmap below. */
extern const struct mkvm_vmx_control mkvm_vmx_controls[];
extern const unsigned int mkvm_vmx_nr_controls;

/*
 * Fills @word with what a new VMCS starts with. Returns the rows of
 * mkvm_vmx_controls[] that are required or switched and that the CPU lacks,
 * as a bitmap: 0 is success, and @word is meaningless otherwise.
 */
u64 mkvm_vmx_negotiate(const struct mkvm_vmx_caps *caps, u32 word[MKVM_NR_CTLS]);

/* May a vCPU set all of @bits in @word (has the CPU all of them) on this CPU? */
bool mkvm_vmx_has(const struct mkvm_vmx_caps *caps, unsigned int word, u64 bits);

MKVM_PURE_END

#endif /* MKVM_PURE_VMX_CONTROLS_H */
