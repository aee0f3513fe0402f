/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why VMRUN refuses a VMCB (exit code VMEXIT_INVALID): which rule of APM vol. 2,
 * chapter "Secure Virtual Machine", does it break? This reads the VMCB and what
 * CPUID says of the CPU. What it cannot see it does not judge: the host's state,
 * and shadow stacks and SEV, which have fields that mkvm_vmcb does not name.
 */
#ifndef MKVM_VMCB_CHECK_H
#define MKVM_VMCB_CHECK_H

#include "pure.h"
#include "minikvm.h"
#include "vmcb.h"

/* Segment attributes: descriptor bits 55:52 and 47:40, without the hole of the SDM's form. */
#define MKVM_SVM_ATTR_TYPE		0xfu
#define MKVM_SVM_ATTR_S			MKVM_BIT(4)
#define MKVM_SVM_ATTR_DPL(attr)		((attr) >> 5 & 3)
#define MKVM_SVM_ATTR_P			MKVM_BIT(7)
#define MKVM_SVM_ATTR_DB		MKVM_BIT(10)
#define MKVM_SVM_ATTR_G			MKVM_BIT(11)

#define MKVM_VMCB_FINDING_FIELDS	3

/* A field of a VMCB by its place there. */
struct mkvm_vmcb_value {
	u16 offset;
	u8 size;		/* in bytes */
	u64 value;
};

/* One broken rule. */
struct mkvm_vmcb_finding {
	const char *rule;	/* what has to hold */
	const char *section;	/* the APM's section title */
	u32 nr;			/* fields below that are used */
	struct mkvm_vmcb_value field[MKVM_VMCB_FINDING_FIELDS];	/* the one at fault first */
};

MKVM_PURE_BEGIN

/* An integer of up to 8 bytes, zero-extended. */
u64 mkvm_vmcb_read(const struct mkvm_vmcb *vmcb, u32 offset, u32 size);

/*
 * Writes up to @max findings and returns how many there are in all; 0 says that
 * this checker knows no reason why VMRUN should refuse.
 */
int mkvm_vmcb_check(const struct mkvm_vmcb *vmcb, const struct mkvm_svm_caps *caps,
		    struct mkvm_vmcb_finding *out, int max);

/* How many rules there are. */
unsigned int mkvm_vmcb_nr_rules(void);

MKVM_PURE_END

#endif /* MKVM_VMCB_CHECK_H */
