// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control area of the VMCB: what is intercepted, and what does not change.
 * APM vol. 2, sections "Intercept Operation", "MSR Intercepts", "IOIO Intercepts"
 * and "Enabling Nested Paging".
 */
#include <linux/gfp.h>
#include <asm/msr-index.h>
#include <asm/trapnr.h>

#include "svm/svm.h"

/* One of each for all vCPUs: they never change after module load. */
static unsigned long *msr_permissions;	/* two pages, two bits per MSR: read, write */
static unsigned long *io_permissions;	/* three pages, all ones: every port exits */
#define MSR_PERMISSIONS_ORDER	1
#define IO_PERMISSIONS_ORDER	2

/* The parts of the MSR permission map: MSRs from 0, from 0xc0000000, from 0xc0010000. */
#define MSR_PART_BITS		(2048 * 8)

static void msr_let_through(u32 msr, bool write)
{
	unsigned long bit = 2 * (msr & 0x1fff) + (msr >= 0xc0000000 ? MSR_PART_BITS : 0);

	__clear_bit(bit, msr_permissions);
	if (write)
		__clear_bit(bit + 1, msr_permissions);
}

/* Let through only what VMRUN, VMLOAD, VMSAVE switch, and the TSC, whose reads are offset. */
int svm_controls_setup(void)
{
	static const u32 switched[] = {
		MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_STAR, MSR_LSTAR, MSR_CSTAR,
		MSR_SYSCALL_MASK, MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP,
		MSR_IA32_SYSENTER_EIP,
	};
	unsigned int i;

	msr_permissions = (void *)__get_free_pages(GFP_KERNEL, MSR_PERMISSIONS_ORDER);
	io_permissions = (void *)__get_free_pages(GFP_KERNEL, IO_PERMISSIONS_ORDER);
	if (!msr_permissions || !io_permissions) {
		svm_controls_unsetup();
		return -ENOMEM;
	}
	memset(msr_permissions, 0xff, PAGE_SIZE << MSR_PERMISSIONS_ORDER);
	memset(io_permissions, 0xff, PAGE_SIZE << IO_PERMISSIONS_ORDER);
	for (i = 0; i < ARRAY_SIZE(switched); i++)
		msr_let_through(switched[i], true);
	return 0;
}

void svm_controls_unsetup(void)
{
	free_pages((unsigned long)msr_permissions, MSR_PERMISSIONS_ORDER);
	free_pages((unsigned long)io_permissions, IO_PERMISSIONS_ORDER);
	msr_permissions = NULL;
	io_permissions = NULL;
}

void svm_cpuid_policy(struct mkvm_cpuid_policy *p)
{
	p->cr4 = svm_host.caps.cr4_mask;
	p->efer = svm_host.caps.efer_mask & ~(u64)EFER_SVME;
	p->maxphyaddr = svm_host.caps.maxphyaddr;
	/* Where the CPU has these, the guest executes them without us. */
	p->rdtscp = true;
	p->invpcid = true;
}

/*
 * Exceptions that the host must see: #MC is the machine's, #DB and #AC are given
 * back to the guest by injection, because their delivery can raise them again
 * without end and only a VM exit breaks that loop; #UD may be VT-x's hypercall.
 */
#define EXCEPTIONS	(BIT(X86_TRAP_MC) | BIT(X86_TRAP_DB) | BIT(X86_TRAP_AC) | BIT(X86_TRAP_UD))

/* A task switch is not here: the CPU does it by itself. */
static const u8 intercepted[] = {
	SVM_EXIT_INTR, SVM_EXIT_NMI, SVM_EXIT_SMI, SVM_EXIT_INIT, SVM_EXIT_RDPMC,
	SVM_EXIT_CPUID, SVM_EXIT_RSM, SVM_EXIT_INVD, SVM_EXIT_HLT, SVM_EXIT_INVLPGA,
	SVM_EXIT_IOIO, SVM_EXIT_MSR, SVM_EXIT_FERR_FREEZE, SVM_EXIT_SHUTDOWN, SVM_EXIT_VMRUN,
	SVM_EXIT_VMMCALL, SVM_EXIT_VMLOAD, SVM_EXIT_VMSAVE, SVM_EXIT_STGI, SVM_EXIT_CLGI,
	SVM_EXIT_SKINIT, SVM_EXIT_ICEBP, SVM_EXIT_WBINVD, SVM_EXIT_MONITOR, SVM_EXIT_MWAIT,
	SVM_EXIT_XSETBV, SVM_EXIT_RDPRU,
	MKVM_SVM_EXIT_INVLPGB, MKVM_SVM_EXIT_INVLPGB_ILLEGAL, MKVM_SVM_EXIT_MCOMMIT,
	MKVM_SVM_EXIT_TLBSYNC,
};

void svm_intercept(struct svm_vcpu *svm, u32 code, bool on)
{
	u32 *word = &svm->vmcb->intercept[MKVM_SVM_INTERCEPT_WORD(code)];
	u32 bit = MKVM_SVM_INTERCEPT_BIT(code);

	if (!!(*word & bit) == on)
		return;
	*word ^= bit;
	svm_changed(svm, MKVM_SVM_CLEAN_INTERCEPTS);
}

/* The pages for ports are all ones, and so is a map that lets no MSR through. */
void svm_intercept_msrs(struct mkvm_vcpu *v, bool all)
{
	to_svm(v)->vmcb->msrpm_pa = __pa(all ? io_permissions : msr_permissions);
	svm_changed(to_svm(v), MKVM_SVM_CLEAN_PERMISSIONS);
}

void svm_intercept_exception(struct mkvm_vcpu *v, u8 vector, bool on)
{
	u32 *word = &to_svm(v)->vmcb->intercept_exceptions;

	*word = on ? *word | BIT(vector) : *word & ~(u32)BIT(vector);
	svm_changed(to_svm(v), MKVM_SVM_CLEAN_INTERCEPTS);
}

void svm_intercept_cr_read(struct svm_vcpu *svm, unsigned int cr, bool on)
{
	u32 *word = &svm->vmcb->intercept_cr;

	*word = on ? *word | MKVM_SVM_READ(cr) : *word & ~MKVM_SVM_READ(cr);
	svm_changed(svm, MKVM_SVM_CLEAN_INTERCEPTS);
}

void svm_init_controls(struct mkvm_vcpu *v)
{
	struct svm_vcpu *svm = to_svm(v);
	struct mkvm_vmcb *vmcb = svm->vmcb;
	unsigned int i;

	vmcb->intercept_cr = MKVM_SVM_WRITE(0) | MKVM_SVM_WRITE(4) | MKVM_SVM_WRITE(8) |
			     MKVM_SVM_READ(8);
	/* x86/debug.c keeps the guest's debug registers: it sees every access. */
	vmcb->intercept_dr = ~0u;
	vmcb->intercept_exceptions = EXCEPTIONS;
	for (i = 0; i < ARRAY_SIZE(intercepted); i++)
		svm_intercept(svm, intercepted[i], true);
	vmcb->iopm_pa = __pa(io_permissions);
	vmcb->msrpm_pa = __pa(msr_permissions);
	/* The host's IF, not the guest's, decides whether its interrupts end the stay. */
	vmcb->interrupt_control = MKVM_SVM_INT_V_MASKING;
	vmcb->nested_control = MKVM_SVM_NP_ENABLE;
	vmcb->nested_cr3 = __pa(v->vm->mmu.root);
	svm->clean = 0;
}
