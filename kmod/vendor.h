/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vendor seam: what VT-x and AMD-V each answer for. main.c picks one at
 * load; everything else goes through mkvm_vendor and knows neither. No vendor
 * code copies from userspace or sleeps between vcpu_load and vcpu_put.
 */
#ifndef MKVM_VENDOR_H
#define MKVM_VENDOR_H

#include "mkvm.h"
#include "pure/pgtable.h"

struct mkvm_vendor {
	const char *name;			/* "VT-x" or "AMD-V" */
	const struct mkvm_pgtable_format *pgtable;	/* EPT or NPT */
	u8 hypercall[3];			/* VMCALL or VMMCALL */

#define OP(type, op, args)	typeof(type args) *(op);
#include "vendor_ops.h"

	/* ---- loaded; NULL where a vendor has none ---- */

	/*
	 * Have the CPU deliver and end interrupts itself, as v->apic_page says, for an
	 * APIC in this mode (0: no longer). False: not so. And what it does not find in the page.
	 */
	bool (*virtualize_apic)(struct mkvm_vcpu *v, u32 mode);
	void (*set_apic_status)(struct mkvm_vcpu *v, u16 status, const u64 eoi_exits[4]);
	void (*get_pdptrs)(struct mkvm_vcpu *v, u64 pdpte[4]);
	int (*dump_vmcs)(struct mkvm_vcpu *v, struct mkvm_vmx_caps *caps,
			 struct mkvm_vmcs_field *fields, u32 max);
	int (*dump_vmcb)(struct mkvm_vcpu *v, struct mkvm_vmcb_dump *dump);
};

extern const struct mkvm_vendor mkvm_vmx;
extern const struct mkvm_vendor mkvm_svm;
extern const struct mkvm_vendor *mkvm_vendor;	/* chosen in main.c */

#endif /* MKVM_VENDOR_H */
