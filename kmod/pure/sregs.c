// SPDX-License-Identifier: GPL-2.0-only
/* Which control-register values and combinations exist. */
#include "sregs.h"

/* IA32_APIC_BASE below the base address: bits 7:0 and 9 are reserved. */
#define APIC_BASE_RESERVED	0x2ffull

static bool implies(bool a, bool b)
{
	return !a || b;
}

bool mkvm_cr0_valid(u64 cr0)
{
	return mkvm_fits(cr0, 32) &&
	       implies(cr0 & X86_CR0_NW, cr0 & X86_CR0_CD) &&
	       implies(cr0 & X86_CR0_PG, cr0 & X86_CR0_PE);
}

bool mkvm_cr3_valid(u64 cr3, const struct mkvm_guest_cpu *cpu)
{
	return mkvm_fits(cr3, cpu->maxphyaddr);
}

bool mkvm_cr4_valid(u64 cr4, const struct mkvm_guest_cpu *cpu)
{
	return !(cr4 & ~cpu->cr4_allowed);
}

/* SDM vol. 1, section "Enabling the XSAVE Feature Set and XSAVE-Enabled Features". */
bool mkvm_xcr0_valid(u64 xcr0, const struct mkvm_guest_cpu *cpu)
{
	u64 avx512 = xcr0 & MKVM_XCR0_AVX512;

	return !(xcr0 & ~cpu->xcr0_allowed) && (xcr0 & MKVM_XCR0_X87) &&
	       implies(xcr0 & MKVM_XCR0_AVX, xcr0 & MKVM_XCR0_SSE) &&
	       implies(avx512, avx512 == MKVM_XCR0_AVX512 && (xcr0 & MKVM_XCR0_AVX));
}

bool mkvm_apic_base_valid(u64 apic_base, const struct mkvm_guest_cpu *cpu)
{
	bool enabled = apic_base & MKVM_APIC_BASE_ENABLE;
	bool x2apic = apic_base & MKVM_APIC_BASE_X2APIC;

	return mkvm_fits(apic_base, cpu->maxphyaddr) && !(apic_base & APIC_BASE_RESERVED) &&
	       implies(x2apic, enabled && cpu->x2apic);
}

bool mkvm_mode_valid(u64 cr0, u64 cr4, u64 efer)
{
	bool long_mode = (efer & MKVM_EFER_LME) && (cr0 & X86_CR0_PG);

	return long_mode == !!(efer & MKVM_EFER_LMA) && implies(long_mode, cr4 & X86_CR4_PAE);
}

bool mkvm_cr0_write_valid(u64 now, u64 next, u64 cr4, u64 efer, bool cs_l)
{
	bool paging_on = !(now & X86_CR0_PG) && (next & X86_CR0_PG);
	bool paging_off = (now & X86_CR0_PG) && !(next & X86_CR0_PG);

	if (!mkvm_cr0_valid(next))
		return false;
	if (paging_on && (efer & MKVM_EFER_LME))
		return (cr4 & X86_CR4_PAE) && !cs_l;
	if (paging_off)
		return !(cr4 & X86_CR4_PCIDE) && !((efer & MKVM_EFER_LMA) && cs_l);
	return true;
}

bool mkvm_cr4_write_valid(u64 now, u64 next, u64 cr0, u64 cr3, u64 efer,
			  const struct mkvm_guest_cpu *cpu)
{
	bool pcid_on = !(now & X86_CR4_PCIDE) && (next & X86_CR4_PCIDE);

	return mkvm_cr4_valid(next, cpu) && mkvm_mode_valid(cr0, next, efer) &&
	       implies(pcid_on, (efer & MKVM_EFER_LMA) && !(cr3 & 0xfff));
}

bool mkvm_efer_write_valid(u64 now, u64 next, u64 cr0, const struct mkvm_guest_cpu *cpu)
{
	bool lme_changes = (now ^ next) & MKVM_EFER_LME;

	return !(next & ~cpu->efer_allowed) && implies(lme_changes, !(cr0 & X86_CR0_PG));
}

u64 mkvm_efer_with_lma(u64 efer, u64 cr0)
{
	bool long_mode = (efer & MKVM_EFER_LME) && (cr0 & X86_CR0_PG);

	return long_mode ? efer | MKVM_EFER_LMA : efer & ~MKVM_EFER_LMA;
}

static bool bases_canonical(const struct kvm_sregs *s, unsigned int bits)
{
	return mkvm_canonical(s->fs.base, bits) && mkvm_canonical(s->gs.base, bits) &&
	       mkvm_canonical(s->tr.base, bits) && mkvm_canonical(s->ldt.base, bits) &&
	       mkvm_canonical(s->gdt.base, bits) && mkvm_canonical(s->idt.base, bits);
}

/* A 64-bit code segment exists only in long mode, and without the D flag. */
static bool cs_valid(const struct kvm_sregs *s)
{
	return implies(s->cs.l, (s->efer & MKVM_EFER_LMA) && !s->cs.db);
}

bool mkvm_sregs_valid(const struct kvm_sregs *sregs, const struct mkvm_guest_cpu *cpu)
{
	return mkvm_cr0_valid(sregs->cr0) && mkvm_cr3_valid(sregs->cr3, cpu) &&
	       mkvm_cr4_valid(sregs->cr4, cpu) && !(sregs->efer & ~cpu->efer_allowed) &&
	       mkvm_mode_valid(sregs->cr0, sregs->cr4, sregs->efer) && sregs->cr8 <= 15 &&
	       mkvm_apic_base_valid(sregs->apic_base, cpu) && cs_valid(sregs) &&
	       bases_canonical(sregs, cpu->maxlinaddr);
}
