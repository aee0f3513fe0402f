// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does this machine have the AMD-V that minikvm needs, SVM on and off, and the
 * ASIDs of each CPU. APM vol. 2, chapter "Secure Virtual Machine", sections
 * "Enabling SVM", "VM_CR MSR", "VM_HSAVE_PA MSR" and "TLB Control".
 */
#include <linux/cc_platform.h>
#include <linux/vmalloc.h>
#include <asm/svm.h>

#include "svm/svm.h"

struct svm_host svm_host;

/*
 * Two pages for each possible CPU: where VMRUN keeps the host's state, and where
 * VMSAVE puts what VMRUN does not keep.
 */
static void *host_areas;
#define HOST_AREA_SIZE	(2 * PAGE_SIZE)

struct svm_cpu {
	u64 host_area_pa;	/* of the second page */
	u64 generation;		/* from 1; +1 whenever the ASIDs begin anew */
	u32 next_asid;
};

static DEFINE_PER_CPU(struct svm_cpu, svm_cpu);

/* ---- what there is, and what is missing ---- */

#define CPUID_SVM	0x8000000a
#define FEATURE_NPT	BIT(0)
#define FEATURE_NRIPS	BIT(3)
#define FEATURE_CLEAN	BIT(5)

static void read_caps(struct mkvm_svm_caps *caps)
{
	u32 b7, c7, unused;

	cpuid_count(7, 0, &unused, &b7, &c7, &unused);
	memset(caps, 0, sizeof(*caps));	/* padding too: the caps are compared */
	caps->features = cpuid_edx(CPUID_SVM);
	caps->nr_asids = cpuid_ebx(CPUID_SVM);
	caps->maxphyaddr = min(cpuid_eax(0x80000008) & 0xff, 52u);
	caps->cr4_mask = mkvm_cpuid_cr4(cpuid_ecx(1), b7, c7);
	caps->efer_mask = EFER_SVME | mkvm_cpuid_efer(cpuid_edx(0x80000001));
}

static int check_enabled(void)
{
	u64 vm_cr;

	if (!boot_cpu_has(X86_FEATURE_SVM)) {
		pr_err("this CPU has no AMD-V (CPUID 8000_0001h ECX.SVM is 0)%s\n",
		       boot_cpu_has(X86_FEATURE_HYPERVISOR) ?
		       ": turn on nested virtualization in the hypervisor around it" : "");
		return -EOPNOTSUPP;
	}
	if (!rdmsrq_safe(MSR_VM_CR, &vm_cr) && (vm_cr & SVM_VM_CR_SVM_DIS_MASK)) {
		pr_err("AMD-V is turned off%s (VM_CR is %#llx): turn it on in the firmware setup\n",
		       vm_cr & BIT(3) ? " and locked" : "", vm_cr);
		return -EOPNOTSUPP;
	}
	if (cc_platform_has(CC_ATTR_HOST_MEM_ENCRYPT)) {
		pr_err("the host's memory is encrypted, which minikvm does not support: boot with mem_encrypt=off\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int check_caps(void)
{
	const struct mkvm_svm_caps *caps = &svm_host.caps;

	if (!(caps->features & FEATURE_NPT)) {
		pr_err("the AMD-V of this CPU lacks nested paging (CPUID 8000_000Ah EDX.NP)\n");
		return -EOPNOTSUPP;
	}
	/* ASID 0 is the host's. */
	if (caps->nr_asids < 2) {
		pr_err("the AMD-V of this CPU has %u address space identifiers, too few\n",
		       caps->nr_asids);
		return -EOPNOTSUPP;
	}
	svm_host.next_rip = caps->features & FEATURE_NRIPS;
	svm_host.clean_bits = caps->features & FEATURE_CLEAN;
	return 0;
}

int svm_hardware_setup(void)
{
	int ret;

	read_caps(&svm_host.caps);
	ret = check_enabled() ?: check_caps();
	if (ret)
		return ret;
	host_areas = vzalloc(nr_cpu_ids * HOST_AREA_SIZE);
	if (!host_areas || svm_controls_setup()) {
		svm_hardware_unsetup();
		return -ENOMEM;
	}
	return 0;
}

void svm_hardware_unsetup(void)
{
	svm_controls_unsetup();
	vfree(host_areas);
	host_areas = NULL;
}

/* ---- SVM on this CPU, interrupts off ---- */

/* All CPUs must be alike: a vCPU moves between them with the same VMCB. */
static int check_this_cpu(void)
{
	struct mkvm_svm_caps caps;

	read_caps(&caps);
	if (!memcmp(&caps, &svm_host.caps, sizeof(caps)))
		return 0;
	pr_err("the AMD-V of CPU %d differs from that of the CPU that loaded the module\n",
	       smp_processor_id());
	return -EOPNOTSUPP;
}

int svm_cpu_on(void)
{
	void *area = host_areas + smp_processor_id() * HOST_AREA_SIZE;
	struct svm_cpu *c = this_cpu_ptr(&svm_cpu);
	int ret = check_this_cpu() ?: mkvm_host_svm_get();

	if (ret)
		return ret;
	wrmsrq(MSR_VM_HSAVE_PA, PFN_PHYS(vmalloc_to_pfn(area)));
	c->host_area_pa = PFN_PHYS(vmalloc_to_pfn(area + PAGE_SIZE));
	/* An owner before us had ASIDs too: the first one that is given flushes them all. */
	c->generation++;
	c->next_asid = svm_host.caps.nr_asids;
	return 0;
}

/* STGI: a crash may come with GIF 0, and without SVM nothing sets it again. */
void svm_cpu_off(void)
{
	asm goto("1: stgi\n\t"
		 _ASM_EXTABLE(1b, %l[off])
		 : : : "cc", "memory" : off);
	wrmsrq(MSR_VM_HSAVE_PA, 0);
	mkvm_host_svm_put();
off:
	return;
}

u64 svm_host_area_pa(void)
{
	return __this_cpu_read(svm_cpu.host_area_pa);
}

/* ---- ASIDs ---- */

bool svm_asid_valid(const struct svm_vcpu *svm)
{
	return svm->asid_generation == __this_cpu_read(svm_cpu.generation);
}

/*
 * What the TLB holds under the old ASID is out of reach: that is how a vCPU's
 * translations are flushed. When the ASIDs run out, all are flushed at once.
 */
void svm_new_asid(struct svm_vcpu *svm)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpu);

	if (c->next_asid == svm_host.caps.nr_asids) {
		c->next_asid = 1;
		c->generation++;
		svm->vmcb->tlb_control = MKVM_SVM_TLB_FLUSH_ALL;
	}
	svm->vmcb->asid = c->next_asid++;
	svm->asid_generation = c->generation;
	svm_changed(svm, MKVM_SVM_CLEAN_ASID);
}
