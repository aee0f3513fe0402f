// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inspection: the VMCS as an array of fields, and the one log line and the
 * KVM_EXIT_FAIL_ENTRY of a VM entry that failed.
 */
#include <linux/slab.h>

#include "vmx/vmx.h"
#include "pure/vmentry_check.h"

/* The VMCS is current. Fields that this CPU does not have are left out. */
int vmx_dump(struct mkvm_vcpu *v, struct mkvm_vmx_caps *caps, struct mkvm_vmcs_field *fields,
	     u32 max)
{
	const struct mkvm_vmcs_field_info *info;
	u32 nr = 0, i;
	u64 value;

	*caps = vmx_host.caps;
	for (i = 0; i < mkvm_vmcs_nr_fields; i++) {
		info = &mkvm_vmcs_fields[i];
		if (nr == max || !vmcs_try_read(info->encoding, &value))
			continue;
		fields[nr++] = (struct mkvm_vmcs_field){
			.encoding = info->encoding, .value = value,
		};
	}
	return nr;
}

static void log_entry_failure(struct mkvm_vcpu *v, const struct mkvm_vmcs_field *fields, int nr,
			      u32 error)
{
	struct mkvm_vmentry_finding finding;

	if (mkvm_vmentry_check(fields, nr, &vmx_host.caps, &finding, 1) > 0)
		pr_warn_ratelimited("vCPU %d: VM entry failed: %s (SDM vol. 3, %s)\n",
				    v->id, finding.rule, finding.section);
	else
		pr_warn_ratelimited("vCPU %d: VM entry failed: exit reason 0x%x, VM-instruction error %u (%s)\n",
				    v->id, to_vmx(v)->exit_reason, error,
				    mkvm_vm_instruction_error_name(error));
}

/*
 * Deferred: the guest never ran. Userspace is told the exit reason, or the
 * VM-instruction error where VMLAUNCH itself failed, and can read the VMCS.
 */
int vmx_report_entry_failure(struct mkvm_vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	struct mkvm_vmcs_field *fields;
	bool vmfail = MKVM_EXIT_BASIC_REASON(vmx->exit_reason) == 0xffff;
	struct mkvm_vmx_caps caps;
	u32 error;
	int nr;

	fields = kmalloc_array(MKVM_VMCS_MAX_FIELDS, sizeof(*fields), GFP_KERNEL);
	if (!fields)
		return -ENOMEM;
	mkvm_vcpu_load(v);
	error = vmcs_read(VMCS_INSTRUCTION_ERROR);	/* before the dump's failing VMREADs */
	nr = vmx_dump(v, &caps, fields, MKVM_VMCS_MAX_FIELDS);
	vmcs_write(VMCS_ENTRY_INTR_INFO, 0u);	/* still valid: nothing was delivered */
	mkvm_vcpu_put(v);

	log_entry_failure(v, fields, nr, error);
	kfree(fields);
	v->run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	v->run->fail_entry.hardware_entry_failure_reason = vmfail ? error : vmx->exit_reason;
	v->run->fail_entry.cpu = v->cpu;
	return MKVM_TO_USER;
}
