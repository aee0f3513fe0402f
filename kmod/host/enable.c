// SPDX-License-Identifier: GPL-2.0-only
/*
 * CR4.VMXE and EFER.SVME. Up to 7.0 a hypervisor sets them itself, and a set bit
 * says that another has the hardware; CR4 through the kernel's shadow of it: the
 * kernel rewrites CR4 from that, and KVM looks there. From 7.1 the kernel's core
 * owns both and counts their users, behind functions that it exports to KVM alone.
 * symbol_get() reaches them against that intent and any release may end that, so
 * it stays in this file, is announced in the log, and its loss means a refused load.
 */
#include <linux/module.h>
#include <asm/perf_event.h>
#include <asm/tlbflush.h>

#include "host/compat.h"
#include "host/host.h"

#ifdef MKVM_HAVE_X86_VIRT_REF

#include <asm/virt.h>

static typeof(x86_virt_get_ref) *get_ref;
static typeof(x86_virt_put_ref) *put_ref;

int mkvm_host_enable_setup(const char *name)
{
	get_ref = symbol_get(x86_virt_get_ref);
	put_ref = symbol_get(x86_virt_put_ref);
	if (!get_ref || !put_ref) {
		pr_err("this kernel keeps %s to KVM (x86_virt_get_ref is out of reach)\n", name);
		return -EOPNOTSUPP;
	}
	pr_info("%s through x86_virt_get_ref, which the kernel means for KVM\n", name);
	return 0;
}

int mkvm_host_vmx_get(void)
{
	return get_ref(X86_FEATURE_VMX);
}

void mkvm_host_vmx_put(void)
{
	put_ref(X86_FEATURE_VMX);
}

int mkvm_host_svm_get(void)
{
	return get_ref(X86_FEATURE_SVM);
}

void mkvm_host_svm_put(void)
{
	put_ref(X86_FEATURE_SVM);
}

#else

int mkvm_host_enable_setup(const char *name)
{
	return 0;
}

int mkvm_host_vmx_get(void)
{
	if (__read_cr4() & X86_CR4_VMXE) {
		pr_err("VT-x is in use on CPU %d (CR4.VMXE is set): stop the other hypervisor (VirtualBox, VMware, ...) and unload its modules\n",
		       smp_processor_id());
		return -EBUSY;
	}
	intel_pt_handle_vmx(1);		/* tracing stops in VMX operation on some CPUs */
	cr4_set_bits(X86_CR4_VMXE);
	return 0;
}

void mkvm_host_vmx_put(void)
{
	cr4_clear_bits(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
}

int mkvm_host_svm_get(void)
{
	u64 efer;

	rdmsrq(MSR_EFER, efer);
	if (efer & EFER_SVME) {
		pr_err("AMD-V is in use on CPU %d (EFER.SVME is set): stop the other hypervisor (KVM, VirtualBox, VMware, ...) and unload its modules\n",
		       smp_processor_id());
		return -EBUSY;
	}
	wrmsrq(MSR_EFER, efer | EFER_SVME);
	return 0;
}

void mkvm_host_svm_put(void)
{
	u64 efer;

	rdmsrq(MSR_EFER, efer);
	wrmsrq(MSR_EFER, efer & ~(u64)EFER_SVME);
}

#endif
