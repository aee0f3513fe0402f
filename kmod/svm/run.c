// SPDX-License-Identifier: GPL-2.0-only
/*
 * The inner loop of KVM_RUN on AMD-V, and the vendor ops table. Everything here
 * but vCPU creation runs with preemption off, the loop with interrupts off.
 */
#include "svm/svm.h"
#include "host/guest_mode.h"

/* False: SVM is off on this CPU, the host is going down. */
static __always_inline bool clgi(void)
{
	asm goto("1: clgi\n\t"
		 _ASM_EXTABLE(1b, %l[faulted])
		 : : : "cc", "memory" : faulted);
	return true;
faulted:
	return false;
}

/*
 * With GIF 0 nothing interrupts, not even an NMI, until the host's state is back;
 * what waited comes with STGI.
 */
static noinstr bool svm_enter_guest(struct mkvm_vcpu *v, struct svm_vcpu *svm)
{
	bool on;

	mkvm_host_guest_enter();
	on = clgi();
	if (likely(on)) {
		mkvm_svm_enter(v->regs, svm->vmcb_pa, svm->host_area_pa);
		asm volatile("stgi" : : : "memory");
	}
	mkvm_host_guest_exit();
	return on;
}

/* V_TPR is not used with a user's APIC: each MOV CR8 is intercepted. */
static void load_tpr(struct mkvm_vcpu *v, struct svm_vcpu *svm)
{
	u32 *control = &svm->vmcb->interrupt_control, tpr = mkvm_get_cr8(v);

	if (!v->apic || (*control & MKVM_SVM_INT_V_TPR) == tpr)
		return;
	*control = (*control & ~MKVM_SVM_INT_V_TPR) | tpr;
	svm_changed(svm, MKVM_SVM_CLEAN_INTERRUPT);
}

static void take_tpr(struct mkvm_vcpu *v, const struct svm_vcpu *svm)
{
	u32 tpr = svm->vmcb->interrupt_control & MKVM_SVM_INT_V_TPR;

	if (v->apic && tpr != mkvm_get_cr8(v))
		mkvm_set_cr8(v, tpr);
}

/* What the hardware must hold for this entry. */
static void prepare_entry(struct mkvm_vcpu *v, struct svm_vcpu *svm)
{
	struct mkvm_vmcb *vmcb = svm->vmcb;

	if (unlikely(!svm_asid_valid(svm)))
		svm_new_asid(svm);
	if (unlikely(mkvm_has_events(v)))
		mkvm_inject(v);
	load_tpr(v, svm);
	vmcb->rax = v->regs[MKVM_RAX];
	vmcb->rsp = v->regs[MKVM_RSP];
	vmcb->rip = v->regs[MKVM_RIP];
	v->regs_dirty = 0;
	if (vmcb->cr2 != v->cr2) {
		vmcb->cr2 = v->cr2;
		svm_changed(svm, MKVM_SVM_CLEAN_CR2);
	}
	vmcb->clean = svm->clean;
}

static void take_exit(struct mkvm_vcpu *v, struct svm_vcpu *svm)
{
	struct mkvm_vmcb *vmcb = svm->vmcb;

	v->regs[MKVM_RAX] = vmcb->rax;
	v->regs[MKVM_RSP] = vmcb->rsp;
	v->regs[MKVM_RIP] = vmcb->rip;
	v->regs_avail = BIT(MKVM_RSP) | BIT(MKVM_RIP);
	v->cr2 = vmcb->cr2;
	take_tpr(v, svm);
	vmcb->event_inj = 0;
	vmcb->tlb_control = MKVM_SVM_TLB_NOTHING;
	svm->clean = svm_host.clean_bits ? MKVM_SVM_CLEAN_ALL : 0;
	/*
	 * QEMU's TCG does not intercept XSETBV: the host's XCR0 is what the guest
	 * set, and CPUID tells of it. CPUs that have XSAVE and are real have next-RIP.
	 */
	if (unlikely(!svm_host.next_rip) && mkvm_host_xcr0)
		v->xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
}

int svm_run(struct mkvm_vcpu *v)
{
	struct svm_vcpu *svm = to_svm(v);
	bool entered;
	int next;

	do {
		if (!mkvm_guest_mode_enter(v))
			return MKVM_BREAK;
		prepare_entry(v, svm);
		entered = svm_enter_guest(v, svm);
		mkvm_guest_mode_exit(v);
		if (unlikely(!entered))
			return MKVM_BREAK;
		take_exit(v, svm);
		next = svm_handle_exit(v);
	} while (next == MKVM_RESUME);
	return next;
}

/* The rest of the host's state: VMRUN and VMEXIT switch the other half. */
void svm_host_enter(struct mkvm_vcpu *v)
{
	struct svm_vcpu *svm = to_svm(v);

	asm goto("1: vmsave %%rax\n\t"
		 _ASM_EXTABLE(1b, %l[off])
		 : : "a" (svm->host_area_pa) : "memory" : off);
off:
	mkvm_host_breakpoints_save(&svm->breakpoints);
	mkvm_load_guest_drs(v);
	if (svm->has_tsc_aux && svm->tsc_aux != svm->host_tsc_aux)
		wrmsrq(MSR_TSC_AUX, svm->tsc_aux);
}

void svm_host_leave(struct mkvm_vcpu *v)
{
	struct svm_vcpu *svm = to_svm(v);

	if (svm->has_tsc_aux && svm->tsc_aux != svm->host_tsc_aux)
		wrmsrq(MSR_TSC_AUX, svm->host_tsc_aux);
	mkvm_host_breakpoints_restore(&svm->breakpoints);
}

void svm_vcpu_load(struct mkvm_vcpu *v, int cpu)
{
	struct svm_vcpu *svm = to_svm(v);

	if (likely(svm->host_cpu == cpu))
		return;
	/* Another CPU's ASIDs are not this one's, and its cached VMCB is old. */
	svm->asid_generation = 0;
	svm->clean = 0;
	if (svm->has_tsc_aux)
		rdmsrq(MSR_TSC_AUX, svm->host_tsc_aux);
	svm->host_area_pa = svm_host_area_pa();
	svm->host_cpu = cpu;
}

void svm_flush_tlb(struct mkvm_vcpu *v)
{
	to_svm(v)->asid_generation = 0;
	to_svm(v)->vmcb->nested_cr3 = __pa(mkvm_root(v));
	svm_changed(to_svm(v), MKVM_SVM_CLEAN_NESTED);
}

/* ---- life ---- */

int svm_vcpu_init(struct mkvm_vcpu *v)
{
	struct svm_vcpu *svm = kzalloc(sizeof(*svm), GFP_KERNEL_ACCOUNT);

	if (!svm)
		return -ENOMEM;
	v->vendor = svm;
	svm->vmcb = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!svm->vmcb) {
		svm_vcpu_free(v);
		return -ENOMEM;
	}
	svm->vmcb_pa = __pa(svm->vmcb);
	svm->host_cpu = -1;
	svm->has_tsc_aux = boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID);
	svm_init_controls(v);
	svm_vcpu_reset(v);
	return 0;
}

void svm_vcpu_free(struct mkvm_vcpu *v)
{
	struct svm_vcpu *svm = to_svm(v);

	free_page((unsigned long)svm->vmcb);
	kfree(svm);
}

const struct mkvm_vendor mkvm_svm = {
	.name			= "AMD-V",
	.pgtable		= &mkvm_pgtable_npt,
	.hypercall		= { 0x0f, 0x01, 0xd9 },
#define OP(type, op, args)	.op = svm_##op,
#include "vendor_ops.h"
	.dump_vmcb		= svm_dump,
};
