// SPDX-License-Identifier: GPL-2.0-only
/*
 * System Management Mode: an SMI saves the guest's state in SMRAM and starts its
 * handler there, RSM takes the state back. SMRAM may show other memory than the
 * rest of the guest sees: slots in address space 1 (pure/slots.h). SDM vol. 3,
 * chapter "System Management Mode"; the state-save map, with long mode or without,
 * is that of APM vol. 2, section "SMRAM State-Save Area", as in KVM.
 */
#include "x86/x86.h"
#include "pure/sregs.h"

#define SAVE_AREA	0xfe00		/* from SMBASE on */
#define HANDLER		0x8000
#define REVISION	0x20064		/* SMBASE can be relocated; the layout is AMD64's */

struct save_segment {
	u16 selector;
	u16 rights;			/* mkvm_segment_rights() */
	u32 limit;
	u64 base;
};

struct save_area {
	struct save_segment seg[6];	/* enum mkvm_seg, ES..GS */
	struct save_segment gdt, ldt, idt, tr;
	u64 unused1[6];
	u64 efer;
	u32 unused2[9];
	u32 revision;
	u32 smbase;
	u32 unused3[17];
	u64 cr4, cr3, cr0, dr7, dr6, rflags, rip;
	u64 gpr[16];			/* R15 first */
};

static u64 smbase(struct mkvm_vcpu *v)
{
	return *mkvm_msr_stored(&v->msrs, MSR_IA32_SMBASE);
}

/* As far as the segments both kinds of sregs are the same. */
static struct kvm_segment *segment_of(struct kvm_sregs *s, enum mkvm_seg seg)
{
	return mkvm_sregs_segment((struct kvm_sregs2 *)s, seg);
}

static struct save_segment to_saved(const struct kvm_segment *s)
{
	struct kvm_segment t = *s;

	t.present &= !s->unusable;
	return (struct save_segment){ t.selector, mkvm_segment_rights(&t), t.limit, t.base };
}

static struct kvm_segment from_saved(const struct save_segment *saved)
{
	struct kvm_segment s = { .selector = saved->selector, .limit = saved->limit,
				 .base = saved->base };

	mkvm_set_segment_rights(&s, saved->rights);
	s.unusable = !s.present;
	return s;
}

/* Loaded */
static void save_state(struct mkvm_vcpu *v, struct kvm_sregs *s, struct save_area *a)
{
	unsigned int i;

	BUILD_BUG_ON(sizeof(*a) != 0x200 || offsetof(struct save_area, smbase) != 0x100);
	*a = (struct save_area){
		.gdt = { .limit = s->gdt.limit, .base = s->gdt.base },
		.idt = { .limit = s->idt.limit, .base = s->idt.base },
		.ldt = to_saved(&s->ldt), .tr = to_saved(&s->tr),
		.efer = s->efer, .cr0 = s->cr0, .cr3 = s->cr3, .cr4 = s->cr4,
		.dr6 = v->dr6, .dr7 = v->dr7, .rflags = mkvm_vendor->get_rflags(v),
		.rip = mkvm_read_rip(v), .revision = REVISION, .smbase = smbase(v),
	};
	for (i = 0; i < ARRAY_SIZE(a->seg); i++)
		a->seg[i] = to_saved(segment_of(s, i));
	for (i = 0; i < ARRAY_SIZE(a->gpr); i++)
		a->gpr[i] = mkvm_read_reg(v, 15 - i);
}

/* Table "Processor Register Initialization in SMM". */
static void make_handlers_state(struct kvm_sregs *s, u32 base)
{
	const struct kvm_segment data = { .limit = ~0u, .type = 3, .s = 1, .g = 1, .present = 1 };
	unsigned int i;

	s->cr0 &= ~(u64)(X86_CR0_PE | X86_CR0_EM | X86_CR0_TS | X86_CR0_PG);
	s->cr4 = 0;
	s->efer = 0;
	s->idt = (struct kvm_dtable){};
	for (i = 0; i < 6; i++)
		*segment_of(s, i) = data;
	s->cs.selector = base >> 4;
	s->cs.base = base;
}

/* What was found by the other address space's memory is void, and so are translations. */
void mkvm_set_smm(struct mkvm_vcpu *v, bool on)
{
	unsigned int i;

	if (v->smm.active == on)
		return;
	v->smm.active = on;
	v->no_slot.version = 0;
	for (i = 0; i < MKVM_NR_CODE; i++)
		v->code[i].valid = false;
	set_bit(MKVM_REQ_TLB_FLUSH, &v->requests);
	if (!on && v->smm.latched_init)
		set_bit(MKVM_REQ_INIT, &v->requests);
	v->smm.latched_init = false;
}

/* Loaded. RFLAGS, RIP, debug registers, without what they were before. */
static void set_flow(struct mkvm_vcpu *v, u64 rip, u64 rflags, u64 dr7)
{
	mkvm_write_rip(v, rip);
	mkvm_vendor->set_rflags(v, rflags | X86_EFLAGS_FIXED);
	mkvm_vendor->set_shadow(v, 0);
	v->dr7 = dr7 | MKVM_DR7_RESET;
	mkvm_update_dr7(v);
}

/* As KVM: where no memory is, what is saved is lost. */
void mkvm_enter_smm(struct mkvm_vcpu *v)
{
	struct kvm_sregs s;
	struct save_area a;

	mkvm_vcpu_load(v);
	mkvm_get_sregs(v, &s);
	save_state(v, &s, &a);
	v->smm.pending = false;
	v->smm.inside_nmi = mkvm_vendor->nmi_blocked(v);
	mkvm_vendor->set_nmi_blocked(v, true);
	set_flow(v, HANDLER, 0, 0);
	mkvm_vcpu_put(v);
	v->mp_state = KVM_MP_STATE_RUNNABLE;
	mkvm_set_smm(v, true);
	make_handlers_state(&s, a.smbase);
	mkvm_set_sregs(v, &s);
	mkvm_write_guest(v, a.smbase + SAVE_AREA, &a, sizeof(a));
}

/* What SMRAM has now, which the handler may have changed; false: no CPU has this state. */
static bool load_state(struct mkvm_vcpu *v, const struct save_area *a)
{
	struct kvm_sregs s;
	unsigned int i;

	mkvm_vcpu_load(v);
	mkvm_get_sregs(v, &s);
	mkvm_vcpu_put(v);
	s.gdt = (struct kvm_dtable){ .limit = a->gdt.limit, .base = a->gdt.base };
	s.idt = (struct kvm_dtable){ .limit = a->idt.limit, .base = a->idt.base };
	s.ldt = from_saved(&a->ldt);
	s.tr = from_saved(&a->tr);
	for (i = 0; i < ARRAY_SIZE(a->seg); i++)
		*segment_of(&s, i) = from_saved(&a->seg[i]);
	s.cr0 = a->cr0;
	s.cr3 = a->cr3;
	s.cr4 = a->cr4;
	s.efer = mkvm_efer_with_lma(a->efer, a->cr0);
	return mkvm_fits(a->dr6 | a->dr7, 32) && !mkvm_set_sregs(v, &s);
}

/* RSM, deferred. Section "Exiting From SMM": a state that cannot be is a shutdown. */
int mkvm_rsm(struct mkvm_vcpu *v)
{
	struct save_area a;
	unsigned int i;

	if (mkvm_read_guest(v, smbase(v) + SAVE_AREA, &a, sizeof(a)))
		return mkvm_exit_shutdown(v);
	mkvm_set_smm(v, false);
	if (!load_state(v, &a))
		return mkvm_exit_shutdown(v);
	*mkvm_msr_stored(&v->msrs, MSR_IA32_SMBASE) = a.smbase;
	mkvm_vcpu_load(v);
	if (!v->smm.inside_nmi)
		mkvm_vendor->set_nmi_blocked(v, false);
	for (i = 0; i < ARRAY_SIZE(a.gpr); i++)
		mkvm_write_reg(v, 15 - i, a.gpr[i]);
	v->dr6 = a.dr6;
	set_flow(v, a.rip, a.rflags, a.dr7);
	mkvm_vcpu_put(v);
	return MKVM_RESUME;
}

int mkvm_insn_rsm(struct mkvm_vcpu *v)
{
	return v->smm.active ? mkvm_defer(v, mkvm_rsm) : mkvm_insn_undefined(v);
}
