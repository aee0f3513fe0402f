// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control registers and what hangs on them: modes, PDPTEs, KVM_GET/SET_SREGS.
 * SDM vol. 3, sections "Control Registers", "Initializing IA-32e Mode" and
 * "PAE Paging". Which values exist is pure/sregs.c.
 */
#include "x86/x86.h"

/* ---- segments, and the state after RESET ---- */

u32 mkvm_segment_rights(const struct kvm_segment *s)
{
	return (s->type & 15u) | (s->s & 1u) << 4 | (s->dpl & 3u) << 5 | (s->present & 1u) << 7 |
	       (s->avl & 1u) << 12 | (s->l & 1u) << 13 | (s->db & 1u) << 14 | (s->g & 1u) << 15;
}

void mkvm_set_segment_rights(struct kvm_segment *s, u32 rights)
{
	s->type = rights & 15;
	s->s = rights >> 4 & 1;
	s->dpl = rights >> 5 & 3;
	s->present = rights >> 7 & 1;
	s->avl = rights >> 12 & 1;
	s->l = rights >> 13 & 1;
	s->db = rights >> 14 & 1;
	s->g = rights >> 15 & 1;
}

/* SDM vol. 3, table "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT". */
void mkvm_reset_registers(struct mkvm_vcpu *v)
{
	const struct kvm_segment data = { .limit = 0xffff, .type = 3, .s = 1, .present = 1 };
	const struct kvm_segment code = { .base = 0xffff0000, .limit = 0xffff, .selector = 0xf000,
					  .type = 11, .s = 1, .present = 1 };
	const struct kvm_segment ldt = { .limit = 0xffff, .type = 2, .present = 1 };
	const struct kvm_segment task = { .limit = 0xffff, .type = 11, .present = 1 };
	const struct kvm_dtable table = { .limit = 0xffff };
	enum mkvm_seg seg;

	for (seg = MKVM_SEG_ES; seg <= MKVM_SEG_GS; seg++)
		mkvm_vendor->set_segment(v, seg, seg == MKVM_SEG_CS ? &code : &data);
	mkvm_vendor->set_segment(v, MKVM_SEG_LDTR, &ldt);
	mkvm_vendor->set_segment(v, MKVM_SEG_TR, &task);
	mkvm_vendor->set_dtable(v, false, &table);
	mkvm_vendor->set_dtable(v, true, &table);
	mkvm_vendor->set_cr0(v, X86_CR0_CD | X86_CR0_NW | X86_CR0_ET);
	mkvm_vendor->set_cr3(v, 0);
	mkvm_vendor->set_cr4(v, 0);
	mkvm_vendor->set_efer(v, 0);
	mkvm_vendor->set_dr7(v, MKVM_DR7_RESET);
	mkvm_vendor->set_rflags(v, X86_EFLAGS_FIXED);
	mkvm_vendor->set_shadow(v, 0);
	mkvm_vendor->set_tsc_offset(v, v->tsc_offset);
	mkvm_write_rip(v, 0xfff0);
	mkvm_write_reg(v, MKVM_RSP, 0);
}

/* ---- MOV to CR0 and CR4 ---- */

static bool uses_pdptes(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LME);
}

#define PDPTE_RESERVED(maxphyaddr)	(~GENMASK_ULL((maxphyaddr) - 1, 12) & \
					 ~(u64)(BIT(0) | BIT(3) | BIT(4) | GENMASK(11, 9)))

/* The four entries that the CPU keeps; false is the #GP that loading them gives. May sleep. */
static bool read_pdptes(struct mkvm_vcpu *v, u64 cr3, u64 pdpte[4])
{
	u64 reserved = PDPTE_RESERVED(v->guest_cpu.maxphyaddr);
	int i;

	if (mkvm_read_guest(v, cr3 & 0xffffffe0, pdpte, 4 * sizeof(u64)))
		return false;
	for (i = 0; i < 4; i++)
		if ((pdpte[i] & 1) && (pdpte[i] & reserved))
			return false;
	return true;
}

struct cr_write {
	u64 cr0, cr3, cr4, efer;	/* as they will be */
	bool pdptes;
	u64 pdpte[4];
};

/* Loaded. Is the guest allowed to? False: #GP(0). */
static bool check_cr_write(struct mkvm_vcpu *v, struct cr_write *w)
{
	u64 cr0 = mkvm_vendor->get_cr0(v), cr4 = mkvm_vendor->get_cr4(v);

	w->efer = mkvm_vendor->get_efer(v);
	w->cr3 = mkvm_vendor->get_cr3(v);
	w->cr0 = cr0;
	w->cr4 = cr4;
	if (v->cr.number == 0) {
		w->cr0 = (v->cr.value & 0xffffffff) | X86_CR0_ET;
		if (v->cr.value >> 32 ||
		    !mkvm_cr0_write_valid(cr0, w->cr0, cr4, w->efer, mkvm_vendor->is_64bit(v)))
			return false;
		w->efer = mkvm_efer_with_lma(w->efer, w->cr0);
	} else {
		w->cr4 = v->cr.value;
		if (!mkvm_cr4_write_valid(cr4, w->cr4, cr0, w->cr3, w->efer, &v->guest_cpu))
			return false;
	}
	w->pdptes = uses_pdptes(w->cr0, w->cr4, w->efer);
	return true;
}

static void commit_cr_write(struct mkvm_vcpu *v, const struct cr_write *w)
{
	if (w->pdptes)
		mkvm_vendor->load_pdptrs(v, w->pdpte);
	if (v->cr.number == 0) {
		mkvm_vendor->set_efer(v, w->efer);
		mkvm_vendor->set_cr0(v, w->cr0);
	} else {
		mkvm_vendor->set_cr4(v, w->cr4);
	}
	v->skip_len = v->insn_len;
}

/* MOV to CR0 or CR4, CLTS, LMSW: check, fetch what may sleep, then commit. */
int mkvm_write_cr(struct mkvm_vcpu *v)
{
	struct cr_write w;
	bool valid;

	mkvm_vcpu_load(v);
	valid = check_cr_write(v, &w);
	mkvm_vcpu_put(v);
	if (!valid || (w.pdptes && !read_pdptes(v, w.cr3, w.pdpte))) {
		mkvm_queue_exception_error(v, X86_TRAP_GP, 0);
		return MKVM_RESUME;
	}
	mkvm_vcpu_load(v);
	commit_cr_write(v, &w);
	mkvm_vcpu_put(v);
	return MKVM_RESUME;
}

/* ---- KVM_GET/SET_SREGS and _SREGS2, which differ in what follows apic_base ---- */

struct kvm_segment *mkvm_sregs_segment(struct kvm_sregs2 *s, enum mkvm_seg seg)
{
	struct kvm_segment *segments[MKVM_NR_SEGS] = {
		[MKVM_SEG_ES] = &s->es, [MKVM_SEG_CS] = &s->cs, [MKVM_SEG_SS] = &s->ss,
		[MKVM_SEG_DS] = &s->ds, [MKVM_SEG_FS] = &s->fs, [MKVM_SEG_GS] = &s->gs,
		[MKVM_SEG_LDTR] = &s->ldt, [MKVM_SEG_TR] = &s->tr,
	};

	return segments[seg];
}

static void get_sregs(struct mkvm_vcpu *v, struct kvm_sregs2 *s)
{
	enum mkvm_seg seg;

	for (seg = 0; seg < MKVM_NR_SEGS; seg++)
		mkvm_vendor->get_segment(v, seg, mkvm_sregs_segment(s, seg));
	mkvm_vendor->get_dtable(v, false, &s->gdt);
	mkvm_vendor->get_dtable(v, true, &s->idt);
	s->cr0 = mkvm_vendor->get_cr0(v);
	s->cr2 = v->cr2;
	s->cr3 = mkvm_vendor->get_cr3(v);
	s->cr4 = mkvm_vendor->get_cr4(v);
	s->cr8 = mkvm_get_cr8(v);
	s->efer = mkvm_vendor->get_efer(v);
	s->apic_base = v->apic_base;
}

int mkvm_get_sregs(struct mkvm_vcpu *v, void *arg)
{
	struct kvm_sregs *s = arg;

	memset(s, 0, sizeof(*s));
	get_sregs(v, arg);
	if (v->irq.valid && v->irq.type == MKVM_EVENT_IRQ)
		__set_bit(v->irq.vector, (unsigned long *)s->interrupt_bitmap);
	return 0;
}

static bool sregs2_use_pdptes(const struct kvm_sregs2 *s)
{
	return uses_pdptes(s->cr0, s->cr4, s->efer);
}

/* Where the CPU does not keep PDPTEs they are what memory says. */
int mkvm_get_sregs2(struct mkvm_vcpu *v, void *arg)
{
	struct kvm_sregs2 *s = arg;
	bool kept = mkvm_vendor->get_pdptrs;

	mkvm_vcpu_load(v);
	get_sregs(v, s);
	if (kept)
		mkvm_vendor->get_pdptrs(v, s->pdptrs);
	mkvm_vcpu_put(v);
	if (!sregs2_use_pdptes(s))
		memset(s->pdptrs, 0, sizeof(s->pdptrs));
	else if (kept || read_pdptes(v, s->cr3, s->pdptrs))
		s->flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	return 0;
}

/* The lowest vector that the bitmap holds waits to be injected. */
static void set_interrupt_bitmap(struct mkvm_vcpu *v, const struct kvm_sregs *s)
{
	unsigned long vector = find_first_bit((const unsigned long *)s->interrupt_bitmap,
					      KVM_NR_INTERRUPTS);

	if (vector < KVM_NR_INTERRUPTS)
		v->irq = (struct mkvm_event){
			.valid = true, .type = MKVM_EVENT_IRQ, .vector = vector,
		};
}

/* Loaded. Everything was checked: from here nothing fails. */
static void commit_sregs(struct mkvm_vcpu *v, struct kvm_sregs2 *s, const u64 *pdpte)
{
	enum mkvm_seg seg;

	mkvm_vendor->set_dtable(v, false, &s->gdt);
	mkvm_vendor->set_dtable(v, true, &s->idt);
	v->cr2 = s->cr2;
	mkvm_set_cr8(v, s->cr8);
	mkvm_apic_set_base(v, s->apic_base);
	mkvm_vendor->set_cr3(v, s->cr3);
	mkvm_vendor->set_efer(v, s->efer);
	mkvm_vendor->set_cr0(v, s->cr0);
	mkvm_vendor->set_cr4(v, s->cr4);
	if (pdpte)
		mkvm_vendor->load_pdptrs(v, pdpte);
	for (seg = 0; seg < MKVM_NR_SEGS; seg++)
		mkvm_vendor->set_segment(v, seg, mkvm_sregs_segment(s, seg));
}

/* given: PDPTEs; NULL: those in memory. Userspace may fill it later: absent ones, no error. */
static int set_sregs(struct mkvm_vcpu *v, struct kvm_sregs2 *s, const u64 *given,
		     const struct kvm_sregs *with_bitmap)
{
	u64 pdpte[4] = {};

	BUILD_BUG_ON(offsetofend(struct kvm_sregs, apic_base) !=
		     offsetofend(struct kvm_sregs2, apic_base));
	if (!mkvm_sregs_valid((const struct kvm_sregs *)s, &v->guest_cpu))
		return -EINVAL;
	if (!given && sregs2_use_pdptes(s) && !read_pdptes(v, s->cr3, pdpte))
		memset(pdpte, 0, sizeof(pdpte));
	mkvm_vcpu_load(v);
	commit_sregs(v, s, sregs2_use_pdptes(s) ? given ?: pdpte : NULL);
	if (with_bitmap)
		set_interrupt_bitmap(v, with_bitmap);
	mkvm_vcpu_put(v);
	return 0;
}

int mkvm_set_sregs(struct mkvm_vcpu *v, void *arg)
{
	return set_sregs(v, arg, NULL, arg);
}

int mkvm_set_sregs2(struct mkvm_vcpu *v, void *arg)
{
	struct kvm_sregs2 *s = arg;
	bool given = s->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;

	if (s->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID || (given && !sregs2_use_pdptes(s)))
		return -EINVAL;
	return set_sregs(v, s, given ? s->pdptrs : NULL, NULL);
}
