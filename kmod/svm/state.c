// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state-save area of the VMCB: registers as the core reads and writes them.
 * APM vol. 2, appendix "VMCB Layout", table "VMCB State Save Area".
 */
#include "svm/svm.h"

/* RSP and RIP come and go with each VMRUN (run.c): regs[] has them at all other times. */
void svm_cache_regs(struct mkvm_vcpu *v)
{
	v->regs_avail = BIT(MKVM_RIP) | BIT(MKVM_RSP);
}

void svm_flush_regs(struct mkvm_vcpu *v)
{
	v->regs_dirty = 0;
}

/* TF may be ours: see inject.c. */
unsigned long svm_get_rflags(struct mkvm_vcpu *v)
{
	const struct svm_vcpu *svm = to_svm(v);

	return svm->stepping ? svm->vmcb->rflags & ~(u64)X86_EFLAGS_TF : svm->vmcb->rflags;
}

void svm_set_rflags(struct mkvm_vcpu *v, unsigned long rflags)
{
	to_svm(v)->vmcb->rflags = rflags;
	to_svm(v)->stepping = false;
}

/* ---- control registers ---- */

/* The guest reads CR0 and CR4 from the VMCB, unless that has to differ from what it wrote. */
u64 svm_get_cr0(struct mkvm_vcpu *v)
{
	const struct svm_vcpu *svm = to_svm(v);

	/* A task switch, which is not intercepted, sets TS in the VMCB alone. */
	return svm->cr0 | (svm->vmcb->cr0 & X86_CR0_TS);
}

u64 svm_get_cr3(struct mkvm_vcpu *v)
{
	return to_svm(v)->vmcb->cr3;
}

u64 svm_get_cr4(struct mkvm_vcpu *v)
{
	return to_svm(v)->cr4;
}

u64 svm_get_efer(struct mkvm_vcpu *v)
{
	return to_svm(v)->vmcb->efer & ~MKVM_EFER_SVME;
}

void svm_get_context(struct mkvm_vcpu *v, struct mkvm_guest_context *c)
{
	c->cr0 = svm_get_cr0(v);
	c->cr3 = svm_get_cr3(v);
	c->cr4 = svm_get_cr4(v);
	c->efer = svm_get_efer(v);
	c->rflags = svm_get_rflags(v);
	c->cpl = svm_get_cpl(v);
	c->seg[MKVM_SEG_CS].l = svm_is_64bit(v);
}

/* CR0, CR3, CR4, EFER: translations may no longer hold, and a new ASID leaves them behind. */
static void changed_cr(struct svm_vcpu *svm)
{
	svm_changed(svm, MKVM_SVM_CLEAN_CR);
	svm->asid_generation = 0;
}

/* CD and NW would make the guest run without caches. */
void svm_set_cr0(struct mkvm_vcpu *v, u64 cr0)
{
	struct svm_vcpu *svm = to_svm(v);

	svm->cr0 = cr0 | X86_CR0_ET;
	svm->vmcb->cr0 = svm->cr0 & ~(u64)(X86_CR0_CD | X86_CR0_NW);
	svm_intercept_cr_read(svm, 0, svm->vmcb->cr0 != svm->cr0);
	changed_cr(svm);
}

void svm_set_cr3(struct mkvm_vcpu *v, u64 cr3)
{
	to_svm(v)->vmcb->cr3 = cr3;
	changed_cr(to_svm(v));
}

/* Machine checks stay on for the host while the guest runs. */
void svm_set_cr4(struct mkvm_vcpu *v, u64 cr4)
{
	struct svm_vcpu *svm = to_svm(v);

	svm->cr4 = cr4;
	svm->vmcb->cr4 = cr4 | (__read_cr4() & X86_CR4_MCE);
	svm_intercept_cr_read(svm, 4, svm->vmcb->cr4 != cr4);
	changed_cr(svm);
}

void svm_set_efer(struct mkvm_vcpu *v, u64 efer)
{
	to_svm(v)->vmcb->efer = efer | MKVM_EFER_SVME;
	changed_cr(to_svm(v));
}

void svm_set_dr7(struct mkvm_vcpu *v, u64 dr7)
{
	to_svm(v)->vmcb->dr7 = dr7;
	svm_changed(to_svm(v), MKVM_SVM_CLEAN_DR);
}

/* The walk reads the PDPTEs from the guest's memory: none are kept. */
void svm_load_pdptrs(struct mkvm_vcpu *v, const u64 pdpte[4])
{
}

/* ---- segments ---- */

u8 svm_get_cpl(struct mkvm_vcpu *v)
{
	return to_svm(v)->vmcb->cpl;
}

bool svm_is_64bit(struct mkvm_vcpu *v)
{
	const struct mkvm_vmcb *vmcb = to_svm(v)->vmcb;

	return (vmcb->efer & EFER_LMA) && (vmcb->cs.attr & MKVM_SVM_ATTR_L);
}

static struct mkvm_vmcb_segment *segment(struct mkvm_vcpu *v, enum mkvm_seg seg)
{
	struct mkvm_vmcb *vmcb = to_svm(v)->vmcb;
	struct mkvm_vmcb_segment *segments[MKVM_NR_SEGS] = {
		[MKVM_SEG_ES] = &vmcb->es, [MKVM_SEG_CS] = &vmcb->cs, [MKVM_SEG_SS] = &vmcb->ss,
		[MKVM_SEG_DS] = &vmcb->ds, [MKVM_SEG_FS] = &vmcb->fs, [MKVM_SEG_GS] = &vmcb->gs,
		[MKVM_SEG_LDTR] = &vmcb->ldtr, [MKVM_SEG_TR] = &vmcb->tr,
	};

	return segments[seg];
}

/*
 * AMD-V has no "unusable": P clear is that. The CPU keeps stale attributes in
 * null segments; VM exits of some CPUs leave a TR of type 9 and limit bits that
 * do not go with G. What userspace sees is what VT-x would show.
 */
void svm_get_segment(struct mkvm_vcpu *v, enum mkvm_seg seg, struct kvm_segment *s)
{
	const struct mkvm_vmcb_segment *from = segment(v, seg);

	*s = (struct kvm_segment){
		.base = from->base, .limit = from->limit, .selector = from->selector,
	};
	mkvm_set_segment_rights(s, (from->attr & 0xff) | (from->attr & 0xf00) << 4);
	s->unusable = !s->present;
	s->g = s->limit > 0xfffff;
	if (seg == MKVM_SEG_TR)
		s->type |= 2;		/* a loaded TR is busy */
	if (seg == MKVM_SEG_SS)
		s->dpl = to_svm(v)->vmcb->cpl;
	if (s->unusable)
		s->db = 0;
}

/* VT-x's access rights without the hole at 11:8. */
static u16 attributes(const struct kvm_segment *s)
{
	u32 rights = mkvm_segment_rights(s);

	return s->unusable || !s->present ? 0 : (rights & 0xff) | (rights >> 4 & 0xf00);
}

void svm_set_segment(struct mkvm_vcpu *v, enum mkvm_seg seg, const struct kvm_segment *s)
{
	struct mkvm_vmcb_segment *to = segment(v, seg);

	to->base = s->base;
	to->limit = s->limit;
	to->selector = s->selector;
	to->attr = attributes(s);
	/* The CPL is a field of its own; it is SS.DPL, as on VT-x. */
	if (seg == MKVM_SEG_SS)
		to_svm(v)->vmcb->cpl = s->dpl & 3;
	svm_changed(to_svm(v), MKVM_SVM_CLEAN_SEGMENTS);
}

void svm_get_dtable(struct mkvm_vcpu *v, bool idt, struct kvm_dtable *t)
{
	const struct mkvm_vmcb *vmcb = to_svm(v)->vmcb;
	const struct mkvm_vmcb_segment *from = idt ? &vmcb->idtr : &vmcb->gdtr;

	*t = (struct kvm_dtable){ .base = from->base, .limit = from->limit };
}

void svm_set_dtable(struct mkvm_vcpu *v, bool idt, const struct kvm_dtable *t)
{
	struct mkvm_vmcb *vmcb = to_svm(v)->vmcb;
	struct mkvm_vmcb_segment *to = idt ? &vmcb->idtr : &vmcb->gdtr;

	to->base = t->base;
	to->limit = t->limit;
	svm_changed(to_svm(v), MKVM_SVM_CLEAN_TABLES);
}

/* ---- MSRs ---- */

/* NULL: none that the VMCB has. */
static u64 *find_msr(struct svm_vcpu *svm, u32 index)
{
	struct mkvm_vmcb *vmcb = svm->vmcb;

	switch (index) {
	case MSR_FS_BASE:		return &vmcb->fs.base;
	case MSR_GS_BASE:		return &vmcb->gs.base;
	case MSR_KERNEL_GS_BASE:	return &vmcb->kernel_gs_base;
	case MSR_STAR:			return &vmcb->star;
	case MSR_LSTAR:			return &vmcb->lstar;
	case MSR_CSTAR:			return &vmcb->cstar;
	case MSR_SYSCALL_MASK:		return &vmcb->sfmask;
	case MSR_IA32_SYSENTER_CS:	return &vmcb->sysenter_cs;
	case MSR_IA32_SYSENTER_ESP:	return &vmcb->sysenter_esp;
	case MSR_IA32_SYSENTER_EIP:	return &vmcb->sysenter_eip;
	case MSR_IA32_CR_PAT:		return &vmcb->g_pat;
	case MSR_IA32_DEBUGCTLMSR:	return &vmcb->debugctl;
	case MSR_TSC_AUX:		return &svm->tsc_aux;
	default:			return NULL;
	}
}

u64 svm_get_msr(struct mkvm_vcpu *v, u32 index)
{
	const u64 *value = find_msr(to_svm(v), index);

	return WARN_ON_ONCE(!value) ? 0 : *value;
}

void svm_set_msr(struct mkvm_vcpu *v, u32 index, u64 value)
{
	struct svm_vcpu *svm = to_svm(v);
	u64 *place = find_msr(svm, index);

	if (WARN_ON_ONCE(!place))
		return;
	*place = value;
	if (index == MSR_IA32_CR_PAT)
		svm_changed(svm, MKVM_SVM_CLEAN_NESTED);
	if (index == MSR_TSC_AUX && v->in_loop)
		wrmsrq(MSR_TSC_AUX, value);
}

void svm_set_tsc_offset(struct mkvm_vcpu *v, u64 offset)
{
	to_svm(v)->vmcb->tsc_offset = offset;
	svm_changed(to_svm(v), MKVM_SVM_CLEAN_INTERCEPTS);
}

/* ---- RESET ---- */

/* APM vol. 2, section "Processor Initialization State"; a new VMCB is zero. */
void svm_vcpu_reset(struct mkvm_vcpu *v)
{
	struct mkvm_vmcb *vmcb = to_svm(v)->vmcb;

	mkvm_reset_registers(v);
	vmcb->dr6 = MKVM_DR6_RESET;
	vmcb->g_pat = MKVM_PAT_RESET;
}
