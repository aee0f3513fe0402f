/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the VM-entry checker of `minikvm run` says about a dump. The one place
 * where a selftest uses code of the project's: userspace/vmentry/, which is pure C.
 */
#ifndef SELFTESTS_VMENTRY_H
#define SELFTESTS_VMENTRY_H

#include "minikvm.h"

struct dump {
	struct mkvm_vmcs_dump head;
	struct mkvm_vmcs_field fields[MKVM_VMCS_MAX_FIELDS];
};

/* How many rules the dump breaks. */
int dump_findings(const struct dump *d);

/* Whether a broken rule's text starts like that; prints all of them if not. */
int dump_breaks_rule(const struct dump *d, const char *rule);

/* How many rules the VMCB breaks; prints them. */
int vmcb_findings(const struct mkvm_vmcb_dump *d);

#endif
