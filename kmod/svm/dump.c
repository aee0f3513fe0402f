// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inspection: the VMCB as it is, and the one log line and the KVM_EXIT_FAIL_ENTRY
 * of a VMRUN that refused it.
 */
#include "svm/svm.h"

int svm_dump(struct mkvm_vcpu *v, struct mkvm_vmcb_dump *dump)
{
	dump->caps = svm_host.caps;
	memcpy(dump->vmcb, to_svm(v)->vmcb, sizeof(dump->vmcb));
	return 0;
}

/*
 * Deferred: the guest never ran. Userspace is told the exit code, and can
 * read the VMCB to find the rule that is broken: see userspace/vmentry/.
 */
int svm_report_entry_failure(struct mkvm_vcpu *v)
{
	const struct mkvm_vmcb *vmcb = to_svm(v)->vmcb;

	pr_warn_ratelimited("vCPU %d: VM entry failed: VMRUN refused the VMCB\n", v->id);
	pr_info_once("'minikvm run' names the rule that is broken; MKVM_GET_VMCB shows the state\n");
	v->run->fail_entry.hardware_entry_failure_reason = vmcb->exit_code;
	v->run->fail_entry.cpu = v->cpu;
	return mkvm_exit_to_user(v, KVM_EXIT_FAIL_ENTRY);
}
