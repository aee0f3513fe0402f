// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does this machine have the VT-x that minikvm needs, and VMX operation on and
 * off. SDM vol. 3, chapter "Introduction to Virtual Machine Extensions",
 * sections "Discovering Support for VMX" and "Enabling and Entering VMX
 * Operation"; appendix "VMX Capability Reporting Facility".
 */
#include <linux/cpu.h>
#include <linux/vmalloc.h>
#include <asm/vmx.h>

#include "vmx/vmx.h"

static unsigned int guest_slice_us = 4000;
module_param(guest_slice_us, uint, 0444);
MODULE_PARM_DESC(guest_slice_us,
		 "VT-x: longest stay in guest mode in microseconds, by the VMX-preemption timer; 0: no limit (default 4000)");

struct vmx_host vmx_host;

#define BASIC_MEMORY_TYPE(basic)	((basic) >> 50 & 0xf)	/* of VMCS and VMXON regions */

/* A page for each possible CPU: none is allocated where nothing may fail. */
static void *vmxon_regions;

/* ---- what there is ---- */

/* 0 where the CPU lacks the MSR, which says the same as an MSR without bits. */
static u64 read_cap(u32 msr)
{
	u64 value;

	return rdmsrq_safe(msr, &value) ? 0 : value;
}

static void read_caps(struct mkvm_vmx_caps *caps)
{
	u32 widths = cpuid_eax(0x80000008), exact = 0;

	memset(caps, 0, sizeof(*caps));	/* padding too: the caps are compared */
	caps->basic = read_cap(MSR_IA32_VMX_BASIC);
	/* Each of these four has its exact form as far away as the first one has. */
	if (caps->basic & VMX_BASIC_TRUE_CTLS)
		exact = MSR_IA32_VMX_TRUE_PINBASED_CTLS - MSR_IA32_VMX_PINBASED_CTLS;
	caps->pinbased = read_cap(MSR_IA32_VMX_PINBASED_CTLS + exact);
	caps->procbased = read_cap(MSR_IA32_VMX_PROCBASED_CTLS + exact);
	caps->procbased2 = read_cap(MSR_IA32_VMX_PROCBASED_CTLS2);
	caps->exit = read_cap(MSR_IA32_VMX_EXIT_CTLS + exact);
	caps->entry = read_cap(MSR_IA32_VMX_ENTRY_CTLS + exact);
	caps->misc = read_cap(MSR_IA32_VMX_MISC);
	caps->cr0_fixed0 = read_cap(MSR_IA32_VMX_CR0_FIXED0);
	caps->cr0_fixed1 = read_cap(MSR_IA32_VMX_CR0_FIXED1);
	caps->cr4_fixed0 = read_cap(MSR_IA32_VMX_CR4_FIXED0);
	caps->cr4_fixed1 = read_cap(MSR_IA32_VMX_CR4_FIXED1);
	caps->ept_vpid = read_cap(MSR_IA32_VMX_EPT_VPID_CAP);
	caps->efer_mask = mkvm_cpuid_efer(cpuid_edx(0x80000001));
	caps->maxphyaddr = min(widths & 0xff, 52u);
	caps->maxlinaddr = widths >> 8 & 0xff;
}

/* ---- what is missing ---- */

/* VT-x itself. The kernel sets and locks IA32_FEATURE_CONTROL at boot if the firmware did not. */
static int check_enabled(void)
{
	u64 control = read_cap(MSR_IA32_FEAT_CTL);

	if (!(cpuid_ecx(1) & BIT(5))) {
		pr_err("this CPU has no VT-x (CPUID.1:ECX.VMX[5] is 0)%s\n",
		       boot_cpu_has(X86_FEATURE_HYPERVISOR) ?
		       ": turn on nested virtualization in the hypervisor around it" : "");
		return -EOPNOTSUPP;
	}
	if ((control & FEAT_CTL_LOCKED) &&
	    !(control & (FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX | FEAT_CTL_VMX_ENABLED_INSIDE_SMX))) {
		pr_err("VT-x is turned off and locked (IA32_FEATURE_CONTROL is %#llx): turn it on in the firmware setup\n",
		       control);
		return -EOPNOTSUPP;
	}
	if (!boot_cpu_has(X86_FEATURE_VMX)) {
		pr_err("the kernel does not use VT-x (IA32_FEATURE_CONTROL is %#llx): VMXON is allowed %s SMX only, or a boot parameter or a kernel without KVM_INTEL turned it off\n",
		       control, control & FEAT_CTL_VMX_ENABLED_INSIDE_SMX ? "inside" : "outside");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int check_caps(void)
{
	const struct mkvm_vmx_caps *caps = &vmx_host.caps;
	u64 missing = mkvm_vmx_negotiate(caps, vmx_host.word);
	unsigned int row;
	char text[256];
	int used = 0;

	for (row = 0; row < mkvm_vmx_nr_controls; row++)
		if (missing & BIT_ULL(row))
			used += scnprintf(text + used, sizeof(text) - used, "%s%s",
					  used ? ", " : "", mkvm_vmx_controls[row].name);
	if (vmx_basic_vmcs_size(caps->basic) > PAGE_SIZE ||
	    BASIC_MEMORY_TYPE(caps->basic) != VMX_EPTP_MT_WB)
		used += scnprintf(text + used, sizeof(text) - used,
				  "%swrite-back VMCS regions of at most one page",
				  used ? ", " : "");
	if (!used)
		return 0;
	pr_err("the VT-x of this CPU lacks: %s\n", text);
	return -EOPNOTSUPP;
}

/* The VMX-preemption timer counts at the TSC's rate, divided by a power of two. */
static void set_slice(void)
{
	u64 ticks = mul_u32_u32(tsc_khz, guest_slice_us);

	ticks = div_u64(ticks, 1000) >> vmx_misc_preemption_timer_rate(vmx_host.caps.misc);
	vmx_host.slice = clamp_t(u64, ticks, 1, U32_MAX);
	if (!guest_slice_us)
		vmx_host.word[MKVM_CTL_PIN] &= ~PIN_BASED_VMX_PREEMPTION_TIMER;
}

int vmx_hardware_setup(void)
{
	int ret;

	read_caps(&vmx_host.caps);
	ret = check_enabled() ?: check_caps();
	if (ret)
		return ret;
	set_slice();
	vmcs_setup();
	vmxon_regions = vzalloc(nr_cpu_ids * PAGE_SIZE);
	if (!vmxon_regions || vmx_controls_setup()) {
		vmx_hardware_unsetup();
		return -ENOMEM;
	}
	return 0;
}

void vmx_hardware_unsetup(void)
{
	vmx_controls_unsetup();
	vfree(vmxon_regions);
	vmxon_regions = NULL;
}

/* ---- VMX operation, on this CPU, interrupts off ---- */

static int vmxon(u64 pa)
{
	asm goto("1: vmxon %[pa]\n\t"
		 "jbe %l[failed]\n\t"
		 _ASM_EXTABLE(1b, %l[failed])
		 : : [pa] "m" (pa) : "cc", "memory" : failed);
	return 0;
failed:
	return -EIO;
}

/* All CPUs must be alike: a vCPU moves between them with the same VMCS. */
static int check_this_cpu(void)
{
	struct mkvm_vmx_caps caps;

	read_caps(&caps);
	if (!memcmp(&caps, &vmx_host.caps, sizeof(caps)))
		return 0;
	pr_err("the VT-x of CPU %d differs from that of the CPU that loaded the module\n",
	       smp_processor_id());
	return -EOPNOTSUPP;
}

/* SDM vol. 3, section "Restrictions on VMX Operation". CR4.VMXE is set already. */
static int check_fixed_bits(void)
{
	const struct mkvm_vmx_caps *caps = &vmx_host.caps;
	u64 cr0 = read_cr0(), cr4 = __read_cr4();

	if ((cr0 & caps->cr0_fixed0) == caps->cr0_fixed0 && !(cr0 & ~caps->cr0_fixed1) &&
	    (cr4 & caps->cr4_fixed0) == caps->cr4_fixed0 && !(cr4 & ~caps->cr4_fixed1))
		return 0;
	pr_err("CPU %d: CR0 %#llx or CR4 %#llx does not suit VMX operation\n",
	       smp_processor_id(), cr0, cr4);
	return -EOPNOTSUPP;
}

static int enter_vmx(void)
{
	u32 *region = vmxon_regions + smp_processor_id() * PAGE_SIZE;
	int ret = check_fixed_bits();

	if (ret)
		return ret;
	*region = vmx_basic_vmcs_revision_id(vmx_host.caps.basic);
	ret = vmxon(PFN_PHYS(vmalloc_to_pfn(region)));
	if (ret)
		pr_err("VMXON failed on CPU %d: another hypervisor may have it in VMX operation\n",
		       smp_processor_id());
	return ret;
}

int vmx_cpu_on(void)
{
	int ret = check_this_cpu() ?: mkvm_host_vmx_get();

	if (ret)
		return ret;
	if (mkvm_host_vmx_is_ours())
		ret = enter_vmx();
	if (ret) {
		mkvm_host_vmx_put();
		return ret;
	}
	/* Translations of an owner before us may carry the same EPTP and VPIDs. */
	if (vmx_host.caps.ept_vpid & VMX_EPT_EXTENT_GLOBAL_BIT)
		vmx_invept(VMX_INVALIDATE_ALL, 0);
	if (vmx_host.caps.ept_vpid >> 32 & VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT)
		vmx_invvpid(VMX_INVALIDATE_ALL, 0);
	return 0;
}

void vmx_cpu_off(void)
{
	vmcs_clear_all_here();
	/* It faults where VMX is off, which is what is wanted. */
	if (mkvm_host_vmx_is_ours())
		asm goto("1: vmxoff\n\t"
			 _ASM_EXTABLE(1b, %l[off])
			 : : : "cc", "memory" : off);
off:
	mkvm_host_vmx_put();
}
