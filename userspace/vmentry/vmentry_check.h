/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VM-entry checker: which rule of SDM vol. 3, chapter "VM Entries", does a
 * VMCS break? It reads a dump and the CPU's capabilities, nothing else, so what
 * it cannot see (the memory that addresses point to, SMM, SGX) it does not judge.
 */
#ifndef MKVM_VMENTRY_CHECK_H
#define MKVM_VMENTRY_CHECK_H

#include "pure.h"
#include "minikvm.h"

#define MKVM_FINDING_FIELDS	4

/* One broken rule. */
struct mkvm_vmentry_finding {
	const char *rule;	/* what has to hold */
	const char *section;	/* the SDM's section title */
	u32 area;		/* enum mkvm_vmcs_area: control, host or guest */
	u32 nr;			/* fields below that are used */
	struct mkvm_vmcs_field field[MKVM_FINDING_FIELDS];	/* the one at fault first */
};

MKVM_PURE_BEGIN

/*
 * Checks in the order in which the CPU does: control fields and host state,
 * which fail the instruction (VM-instruction errors 7 and 8), then guest state
 * (exit reason 33). Writes up to @max findings and returns how many there are
 * in all; 0 says that this checker knows no reason why the entry should fail. A
 * field that is not in @f counts as 0.
 */
int mkvm_vmentry_check(const struct mkvm_vmcs_field *f, u32 nr, const struct mkvm_vmx_caps *caps,
		       struct mkvm_vmentry_finding *out, int max);

/* How many rules there are. */
unsigned int mkvm_vmentry_nr_rules(void);

MKVM_PURE_END

#endif /* MKVM_VMENTRY_CHECK_H */
