// SPDX-License-Identifier: GPL-2.0-only
/*
 * EFER.SVME. Up to 7.0 a hypervisor sets it itself, and a set bit says that
 * another has AMD-V. From 7.1 the kernel's core does, behind the functions that
 * vmxe.c tells of.
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>

#include "host/compat.h"
#include "host/host.h"

#ifdef MKVM_HAVE_X86_VIRT_REF

#include <asm/virt.h>

static typeof(x86_virt_get_ref) *get_ref;
static typeof(x86_virt_put_ref) *put_ref;

int mkvm_host_svm_setup(void)
{
	get_ref = symbol_get(x86_virt_get_ref);
	put_ref = symbol_get(x86_virt_put_ref);
	if (!get_ref || !put_ref) {
		pr_err("this kernel keeps AMD-V to KVM (x86_virt_get_ref is out of reach)\n");
		return -EOPNOTSUPP;
	}
	pr_info("AMD-V through x86_virt_get_ref, which the kernel means for KVM\n");
	return 0;
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

int mkvm_host_svm_setup(void)
{
	return 0;
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
