// SPDX-License-Identifier: GPL-2.0-only
/*
 * CR4.VMXE. Up to 7.0 a hypervisor sets it itself, through the kernel's shadow
 * of CR4: the kernel rewrites CR4 from that shadow, and KVM looks there to see
 * whether VMX is taken. From 7.1 the kernel's core owns VMX operation and counts
 * its users, behind functions that it exports to KVM alone. symbol_get() reaches
 * them against that intent and any release may end that, so it stays in this
 * file, is announced in the log, and its loss means a refused load.
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <asm/cpufeature.h>
#include <asm/processor-flags.h>
#include <asm/tlbflush.h>

#include "host/host.h"

#ifdef MKVM_HAVE_X86_VIRT_REF

#include <asm/virt.h>

static typeof(x86_virt_get_ref) *get_ref;
static typeof(x86_virt_put_ref) *put_ref;

int mkvm_host_vmx_setup(void)
{
	get_ref = symbol_get(x86_virt_get_ref);
	put_ref = symbol_get(x86_virt_put_ref);
	if (!get_ref || !put_ref) {
		pr_err("this kernel keeps VMX operation to KVM (x86_virt_get_ref is out of reach)\n");
		return -EOPNOTSUPP;
	}
	pr_info("VMX operation through x86_virt_get_ref, which the kernel means for KVM\n");
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

bool mkvm_host_vmx_is_ours(void)
{
	return false;
}

#else

#include <asm/perf_event.h>

int mkvm_host_vmx_setup(void)
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

bool mkvm_host_vmx_is_ours(void)
{
	return true;
}

#endif
