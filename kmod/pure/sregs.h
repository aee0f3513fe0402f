/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which control-register values and combinations exist, for KVM_SET_SREGS, for
 * KVM_SET_XCRS and for the guest's own MOV CR, WRMSR and XSETBV. SDM vol. 3,
 * sections "Control Registers", "Initializing IA-32e Mode" and "Extended
 * Control Registers (Including XCR0)".
 */
#ifndef MKVM_PURE_SREGS_H
#define MKVM_PURE_SREGS_H

#include "pure.h"
#include "cpuid.h"
#include "x86_bits.h"
#include <linux/kvm.h>

MKVM_PURE_BEGIN

/* One register by itself: reserved bits, and bits that need each other. */
bool mkvm_cr0_valid(u64 cr0);
bool mkvm_cr3_valid(u64 cr3, const struct mkvm_guest_cpu *cpu);
bool mkvm_cr4_valid(u64 cr4, const struct mkvm_guest_cpu *cpu);
bool mkvm_xcr0_valid(u64 xcr0, const struct mkvm_guest_cpu *cpu);
bool mkvm_apic_base_valid(u64 apic_base, const struct mkvm_guest_cpu *cpu);

/*
 * The paging mode that CR0, CR4 and EFER make together. PCIDE may be set outside of long
 * mode, as in KVM, and VM entry then fails.
 */
bool mkvm_mode_valid(u64 cr0, u64 cr4, u64 efer);

/*
 * The guest's own writes: false is #GP(0) for it. EFER is the current one; a
 * CR0 write that turns paging on or off changes EFER.LMA afterwards.
 */
bool mkvm_cr0_write_valid(u64 now, u64 next, u64 cr4, u64 efer, bool cs_l);
bool mkvm_cr4_write_valid(u64 now, u64 next, u64 cr0, u64 cr3, u64 efer,
			  const struct mkvm_guest_cpu *cpu);
bool mkvm_efer_write_valid(u64 now, u64 next, u64 cr0, const struct mkvm_guest_cpu *cpu);

/* EFER with LMA as CR0.PG and LME make it. */
u64 mkvm_efer_with_lma(u64 efer, u64 cr0);

/* KVM_SET_SREGS: false is EINVAL. */
bool mkvm_sregs_valid(const struct kvm_sregs *sregs, const struct mkvm_guest_cpu *cpu);

MKVM_PURE_END

#endif /* MKVM_PURE_SREGS_H */
