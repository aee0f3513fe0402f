// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inspection: the VMCS as an array of fields, and the one log line and the
 * KVM_EXIT_FAIL_ENTRY of a VM entry that failed.
 */
#include "vmx/vmx.h"
#include "pure/vmfail.h"

/*
 * A full-width encoding is area, width and an even number below this, the largest
 * of the SDM's being 0x52. SDM vol. 3, appendix "Field Encoding in VMCS".
 */
#define ENCODINGS_PER_AREA	0x80

/* The VMCS is current. The fields that this CPU has, whether or not we know them. */
int vmx_dump(struct mkvm_vcpu *v, struct mkvm_vmx_caps *caps, struct mkvm_vmcs_field *fields,
	     u32 max)
{
	/* First: VMREADs of fields that do not exist change it. */
	u32 error = vmcs_read(VM_INSTRUCTION_ERROR), group, encoding, nr = 0;
	u64 value;

	*caps = vmx_host.caps;
	for (group = 0; group < 0x8000; group += 0x400)
		for (encoding = group; encoding < group + ENCODINGS_PER_AREA; encoding += 2) {
			if (nr == max || !vmcs_try_read(encoding, &value))
				continue;
			fields[nr++] = (struct mkvm_vmcs_field){
				.encoding = encoding,
				.value = encoding == VM_INSTRUCTION_ERROR ? error : value,
			};
		}
	return nr;
}

/*
 * Deferred: the guest never ran. Userspace is told the exit reason, or the
 * VM-instruction error where VMLAUNCH itself failed, and can read the VMCS to find
 * the rule that is broken: see MKVM_GET_VMCS and userspace/vmentry/.
 */
int vmx_report_entry_failure(struct mkvm_vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	u16 reason = vmx->exit_reason;
	bool vmfail = reason == 0xffff;
	u32 error;

	mkvm_vcpu_load(v);
	error = vmcs_read(VM_INSTRUCTION_ERROR);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0u);	/* still valid: nothing was delivered */
	mkvm_vcpu_put(v);

	if (vmfail)
		pr_warn_ratelimited("vCPU %d: VM entry failed: VM-instruction error %u (%s)\n",
				    v->id, error, mkvm_vm_instruction_error_name(error));
	else
		pr_warn_ratelimited("vCPU %d: VM entry failed: exit reason %u (%s)\n",
				    v->id, reason, reason == EXIT_REASON_INVALID_STATE ?
				    "invalid guest state" : "MSR loading or machine check");
	pr_info_once("'minikvm run' names the rule that is broken; MKVM_GET_VMCS shows the state\n");
	v->run->fail_entry.hardware_entry_failure_reason = vmfail ? error : vmx->exit_reason;
	v->run->fail_entry.cpu = v->cpu;
	return mkvm_exit_to_user(v, KVM_EXIT_FAIL_ENTRY);
}
