// SPDX-License-Identifier: GPL-2.0-only
#include "vmentry.h"

#include <stdio.h>
#include <string.h>

#include "vmcb_check.h"
#include "vmentry_check.h"

#define MAX_FINDINGS 32

static int findings(const struct dump *d, struct mkvm_vmentry_finding found[MAX_FINDINGS])
{
	int n = mkvm_vmentry_check(d->head.fields, d->head.nr, &d->head.caps, found,
				   MAX_FINDINGS);

	return n < MAX_FINDINGS ? n : MAX_FINDINGS;
}

int dump_findings(const struct dump *d)
{
	struct mkvm_vmentry_finding found[MAX_FINDINGS];
	int n = findings(d, found);

	for (int i = 0; i < n; i++)
		printf("# broken: %s\n", found[i].rule);
	return n;
}

int dump_breaks_rule(const struct dump *d, const char *rule)
{
	struct mkvm_vmentry_finding found[MAX_FINDINGS];
	int n = findings(d, found);

	for (int i = 0; i < n; i++)
		if (!strncmp(found[i].rule, rule, strlen(rule)))
			return 1;
	dump_findings(d);
	return 0;
}

int vmcb_findings(const struct mkvm_vmcb_dump *d)
{
	struct mkvm_vmcb_finding found[MAX_FINDINGS];
	int n = mkvm_vmcb_check((const struct mkvm_vmcb *)d->vmcb, &d->caps, found, MAX_FINDINGS);

	for (int i = 0; i < n && i < MAX_FINDINGS; i++)
		fprintf(stderr, "# broken: %s\n", found[i].rule);
	return n;
}
