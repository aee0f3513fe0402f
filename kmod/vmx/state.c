// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest-state area of the VMCS: registers as the core reads and writes
 * them. SDM vol. 3, section "Guest-State Area". The VMCS is current throughout.
 */
#include "vmx/vmx.h"

/*
 * CR0 bits that the guest changes without a VM exit: those that need nothing
 * from us. NE must be 1 in VMX operation, CD and NW would reach the host's
 * caches, PE and PG change modes, which mkvm_write_cr does in one place.
 */
#define CR0_GUEST_OWNED		(X86_CR0_TS | X86_CR0_MP | X86_CR0_EM | X86_CR0_WP | X86_CR0_AM)
/* CR4 likewise: a guest may own what its CPUID offers and what needs no #GP check. */
#define CR4_GUEST_OWNED		(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE |	\
				 X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR |		\
				 X86_CR4_OSXMMEXCPT)

/* The eight segments' fields follow one another in the SDM's order, which is ours. */
#define SEG_FIELD(es_field, seg)	((es_field) + 2 * (u32)(seg))

void vmx_cache_regs(struct mkvm_vcpu *v)
{
	if (!(v->regs_avail & BIT(MKVM_RIP)))
		v->regs[MKVM_RIP] = vmcs_read(GUEST_RIP);
	if (!(v->regs_avail & BIT(MKVM_RSP)))
		v->regs[MKVM_RSP] = vmcs_read(GUEST_RSP);
	v->regs_avail = BIT(MKVM_RIP) | BIT(MKVM_RSP);
}

void vmx_flush_regs(struct mkvm_vcpu *v)
{
	if (v->regs_dirty & BIT(MKVM_RIP))
		vmcs_write(GUEST_RIP, v->regs[MKVM_RIP]);
	if (v->regs_dirty & BIT(MKVM_RSP))
		vmcs_write(GUEST_RSP, v->regs[MKVM_RSP]);
	v->regs_dirty = 0;
}

unsigned long vmx_get_rflags(struct mkvm_vcpu *v)
{
	return vmcs_read(GUEST_RFLAGS);
}

void vmx_set_rflags(struct mkvm_vcpu *v, unsigned long rflags)
{
	vmcs_write(GUEST_RFLAGS, rflags);
}

/* The guest reads its own bits from the register and ours from the shadow. */
u64 vmx_get_cr0(struct mkvm_vcpu *v)
{
	return (vmcs_read(GUEST_CR0) & CR0_GUEST_OWNED) |
	       (vmcs_read(CR0_READ_SHADOW) & ~CR0_GUEST_OWNED);
}

u64 vmx_get_cr3(struct mkvm_vcpu *v)
{
	return vmcs_read(GUEST_CR3);
}

u64 vmx_get_cr4(struct mkvm_vcpu *v)
{
	u64 owned = CR4_GUEST_OWNED & v->guest_cpu.cr4_allowed;

	return (vmcs_read(GUEST_CR4) & owned) | (vmcs_read(CR4_READ_SHADOW) & ~owned);
}

u64 vmx_get_efer(struct mkvm_vcpu *v)
{
	return vmcs_read(GUEST_IA32_EFER);
}

void vmx_set_cr0(struct mkvm_vcpu *v, u64 cr0)
{
	u64 hw = (cr0 & ~(u64)(X86_CR0_CD | X86_CR0_NW)) | X86_CR0_NE;

	vmcs_write(GUEST_CR0, (unsigned long)hw);
	vmcs_write(CR0_READ_SHADOW, (unsigned long)cr0);
	vmcs_write(CR0_GUEST_HOST_MASK, ~CR0_GUEST_OWNED);
	to_vmx(v)->flush_vpid = true;
}

void vmx_set_cr3(struct mkvm_vcpu *v, u64 cr3)
{
	vmcs_write(GUEST_CR3, (unsigned long)cr3);
	to_vmx(v)->flush_vpid = true;
}

void vmx_set_cr4(struct mkvm_vcpu *v, u64 cr4)
{
	/* Machine checks stay on for the host while the guest runs. */
	u64 hw = cr4 | X86_CR4_VMXE | (__read_cr4() & X86_CR4_MCE);

	vmcs_write(GUEST_CR4, (unsigned long)hw);
	vmcs_write(CR4_READ_SHADOW, (unsigned long)cr4);
	vmcs_write(CR4_GUEST_HOST_MASK,
		   (unsigned long)~(CR4_GUEST_OWNED & v->guest_cpu.cr4_allowed));
	to_vmx(v)->flush_vpid = true;
}

/* VM entry demands that "IA-32e mode guest" says what EFER.LMA says. */
void vmx_set_efer(struct mkvm_vcpu *v, u64 efer)
{
	u32 ctls = vmcs_read(VM_ENTRY_CONTROLS) & ~VM_ENTRY_IA32E_MODE;

	if (efer & EFER_LMA)
		ctls |= VM_ENTRY_IA32E_MODE;
	vmcs_write(VM_ENTRY_CONTROLS, ctls);
	vmcs_write(GUEST_IA32_EFER, efer);
}

void vmx_set_dr7(struct mkvm_vcpu *v, u64 dr7)
{
	vmcs_write(GUEST_DR7, (unsigned long)dr7);
}

u8 vmx_get_cpl(struct mkvm_vcpu *v)
{
	/* SS.DPL is the CPL in every mode; real mode's may be stale. */
	if (!(vmcs_read(GUEST_CR0) & X86_CR0_PE))
		return 0;
	return VMX_AR_DPL(vmcs_read(GUEST_SS_AR_BYTES));
}

bool vmx_is_64bit(struct mkvm_vcpu *v)
{
	return (vmcs_read(GUEST_IA32_EFER) & EFER_LMA) &&
	       (vmcs_read(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK);
}

void vmx_get_context(struct mkvm_vcpu *v, struct mkvm_guest_context *c)
{
	c->cr0 = vmx_get_cr0(v);
	c->cr3 = vmx_get_cr3(v);
	c->cr4 = vmx_get_cr4(v);
	c->efer = vmx_get_efer(v);
	c->rflags = vmx_get_rflags(v);
	c->cpl = c->cr0 & X86_CR0_PE ? VMX_AR_DPL(vmcs_read(GUEST_SS_AR_BYTES)) : 0;
	c->seg[MKVM_SEG_CS].l = !!(vmcs_read(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK);
}

void vmx_get_segment(struct mkvm_vcpu *v, enum mkvm_seg seg, struct kvm_segment *s)
{
	u32 ar = vmcs_read_raw(SEG_FIELD(GUEST_ES_AR_BYTES, seg));

	*s = (struct kvm_segment){
		.base = vmcs_read_raw(SEG_FIELD(GUEST_ES_BASE, seg)),
		.limit = vmcs_read_raw(SEG_FIELD(GUEST_ES_LIMIT, seg)),
		.selector = vmcs_read_raw(SEG_FIELD(GUEST_ES_SELECTOR, seg)),
		.unusable = !!(ar & VMX_AR_UNUSABLE_MASK),
	};
	mkvm_set_segment_rights(s, ar);
	/* As KVM tells it: what is unusable is not present. */
	s->present = !s->unusable;
}

static u32 access_rights(enum mkvm_seg seg, const struct kvm_segment *s)
{
	if (s->unusable || !s->present)
		return VMX_AR_UNUSABLE_MASK;
	/* With unrestricted guest VM entry wants the accessed bit that old clients leave out. */
	return mkvm_segment_rights(s) | (seg == MKVM_SEG_LDTR ? 0 : VMX_AR_TYPE_ACCESSES_MASK);
}

void vmx_set_segment(struct mkvm_vcpu *v, enum mkvm_seg seg, const struct kvm_segment *s)
{
	vmcs_write_raw(SEG_FIELD(GUEST_ES_BASE, seg), s->base);
	vmcs_write_raw(SEG_FIELD(GUEST_ES_LIMIT, seg), s->limit);
	vmcs_write_raw(SEG_FIELD(GUEST_ES_SELECTOR, seg), s->selector);
	vmcs_write_raw(SEG_FIELD(GUEST_ES_AR_BYTES, seg), access_rights(seg, s));
}

void vmx_get_dtable(struct mkvm_vcpu *v, bool idt, struct kvm_dtable *t)
{
	*t = (struct kvm_dtable){
		.base = vmcs_read_raw(idt ? GUEST_IDTR_BASE : GUEST_GDTR_BASE),
		.limit = vmcs_read_raw(idt ? GUEST_IDTR_LIMIT : GUEST_GDTR_LIMIT),
	};
}

void vmx_set_dtable(struct mkvm_vcpu *v, bool idt, const struct kvm_dtable *t)
{
	vmcs_write_raw(idt ? GUEST_IDTR_BASE : GUEST_GDTR_BASE, t->base);
	vmcs_write_raw(idt ? GUEST_IDTR_LIMIT : GUEST_GDTR_LIMIT, t->limit);
}

void vmx_set_tsc_offset(struct mkvm_vcpu *v, u64 offset)
{
	vmcs_write(TSC_OFFSET, offset);
}

u8 vmx_get_shadow(struct mkvm_vcpu *v)
{
	u32 state = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);

	return (state & GUEST_INTR_STATE_STI ? KVM_X86_SHADOW_INT_STI : 0) |
	       (state & GUEST_INTR_STATE_MOV_SS ? KVM_X86_SHADOW_INT_MOV_SS : 0);
}

void vmx_set_shadow(struct mkvm_vcpu *v, u8 shadow)
{
	u32 state = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);

	state &= ~(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS);
	/* Both at once is a state that VM entry refuses: MOV SS blocks more. */
	if (shadow & KVM_X86_SHADOW_INT_MOV_SS)
		state |= GUEST_INTR_STATE_MOV_SS;
	else if (shadow & KVM_X86_SHADOW_INT_STI)
		state |= GUEST_INTR_STATE_STI;
	vmcs_write(GUEST_INTERRUPTIBILITY_INFO, state);
}

bool vmx_nmi_blocked(struct mkvm_vcpu *v)
{
	return vmcs_read(GUEST_INTERRUPTIBILITY_INFO) & GUEST_INTR_STATE_NMI;
}

void vmx_set_nmi_blocked(struct mkvm_vcpu *v, bool blocked)
{
	u32 state = vmcs_read(GUEST_INTERRUPTIBILITY_INFO) & ~GUEST_INTR_STATE_NMI;

	vmcs_write(GUEST_INTERRUPTIBILITY_INFO, blocked ? state | GUEST_INTR_STATE_NMI : state);
}

void vmx_load_pdptrs(struct mkvm_vcpu *v, const u64 pdpte[4])
{
	u32 i;

	for (i = 0; i < 4; i++)
		vmcs_write_raw(GUEST_PDPTR0 + 2 * i, pdpte[i]);
}

void vmx_get_pdptrs(struct mkvm_vcpu *v, u64 pdpte[4])
{
	u32 i;

	for (i = 0; i < 4; i++)
		pdpte[i] = vmcs_read_raw(GUEST_PDPTR0 + 2 * i);
}

/* A new VMCS holds anything. */
void vmx_vcpu_reset(struct mkvm_vcpu *v)
{
	static const u32 zero[] = {
		GUEST_PENDING_DBG_EXCEPTIONS, GUEST_INTERRUPTIBILITY_INFO, GUEST_ACTIVITY_STATE,
		GUEST_IA32_DEBUGCTL, GUEST_SYSENTER_CS, GUEST_SYSENTER_ESP, GUEST_SYSENTER_EIP,
	};
	unsigned int i;

	mkvm_reset_registers(v);
	for (i = 0; i < ARRAY_SIZE(zero); i++)
		vmcs_write_raw(zero[i], 0);
	vmcs_write(GUEST_IA32_PAT, MKVM_PAT_RESET);
}
