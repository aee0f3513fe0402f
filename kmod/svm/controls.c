// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control area of the VMCB: what is intercepted, and what does not change.
 * APM vol. 2, sections "Intercept Operation", "MSR Intercepts", "IOIO Intercepts"
 * and "Enabling Nested Paging".
 */
#include "svm/svm.h"

/* One of each for all vCPUs: they never change after module load. */
static unsigned long *msr_permissions;	/* two pages, two bits per MSR: read, write */
static unsigned long *io_permissions;	/* the three behind them, all ones: every port exits */
#define PERMISSIONS_SIZE	(5 * PAGE_SIZE)

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

	msr_permissions = alloc_pages_exact(PERMISSIONS_SIZE, GFP_KERNEL);
	if (!msr_permissions)
		return -ENOMEM;
	io_permissions = msr_permissions + 2 * PAGE_SIZE / sizeof(long);
	memset(msr_permissions, 0xff, PERMISSIONS_SIZE);
	for (i = 0; i < ARRAY_SIZE(switched); i++)
		msr_let_through(switched[i], true);
	return 0;
}

void svm_controls_unsetup(void)
{
	if (msr_permissions)
		free_pages_exact(msr_permissions, PERMISSIONS_SIZE);
	msr_permissions = NULL;
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

static void set_bits(struct svm_vcpu *svm, u32 *word, u32 bits, bool on)
{
	u32 value = on ? *word | bits : *word & ~bits;

	if (value == *word)
		return;
	*word = value;
	svm_changed(svm, MKVM_SVM_CLEAN_INTERCEPTS);
}

void svm_intercept(struct svm_vcpu *svm, u32 code, bool on)
{
	set_bits(svm, &svm->vmcb->intercept[MKVM_SVM_INTERCEPT_WORD(code)],
		 MKVM_SVM_INTERCEPT_BIT(code), on);
}

/* The pages for ports are all ones, and so is a map that lets no MSR through. */
void svm_intercept_msrs(struct mkvm_vcpu *v, bool all)
{
	to_svm(v)->vmcb->msrpm_pa = __pa(all ? io_permissions : msr_permissions);
	svm_changed(to_svm(v), MKVM_SVM_CLEAN_PERMISSIONS);
}

void svm_intercept_exception(struct mkvm_vcpu *v, u8 vector, bool on)
{
	set_bits(to_svm(v), &to_svm(v)->vmcb->intercept_exceptions, BIT(vector), on);
}

void svm_intercept_cr_read(struct svm_vcpu *svm, unsigned int cr, bool on)
{
	set_bits(svm, &svm->vmcb->intercept_cr, MKVM_SVM_READ(cr), on);
}

/* V_TPR is CR8 then: run.c brings it to TPR and back. */
void svm_let_cr8(struct mkvm_vcpu *v, bool on)
{
	set_bits(to_svm(v), &to_svm(v)->vmcb->intercept_cr, MKVM_SVM_READ(8) | MKVM_SVM_WRITE(8),
		 !on);
}

void svm_init_controls(struct mkvm_vcpu *v)
{
	struct svm_vcpu *svm = to_svm(v);
	struct mkvm_vmcb *vmcb = svm->vmcb;
	u32 code;

	vmcb->intercept_cr = MKVM_SVM_WRITE(0) | MKVM_SVM_WRITE(4) | MKVM_SVM_WRITE(8) |
			     MKVM_SVM_READ(8);
	/* x86/debug.c keeps the guest's debug registers: it sees every access. */
	vmcb->intercept_dr = ~0u;
	vmcb->intercept_exceptions = EXCEPTIONS;
	/* What exit.c has a rule for; these two come and go with what waits to be injected. */
	for (code = SVM_EXIT_INTR; code < SVM_EXIT_INTR + 32 * MKVM_SVM_INTERCEPTS; code++)
		svm_intercept(svm, code, code != SVM_EXIT_VINTR && code != SVM_EXIT_IRET &&
			      svm_has_rule(code));
	vmcb->iopm_pa = __pa(io_permissions);
	vmcb->msrpm_pa = __pa(msr_permissions);
	/* The host's IF, not the guest's, decides whether its interrupts end the stay. */
	vmcb->interrupt_control = MKVM_SVM_INT_V_MASKING;
	vmcb->nested_control = MKVM_SVM_NP_ENABLE;
	vmcb->nested_cr3 = __pa(mkvm_root(v));
	svm->clean = 0;
}
