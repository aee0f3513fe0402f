// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM-entry checker as tables: a rule is a condition under which it applies,
 * a predicate that has to hold for a field, and its words. One table per
 * section of the SDM, so that each can be read beside its section.
 */
#include "vmentry_check.h"
#include "vmcs_fields.h"
#include "vmx_bits.h"
#include "x86_bits.h"

/* The dump and what nearly every rule asks of it. */
struct view {
	const struct mkvm_vmcs_field *f;
	u32 nr;
	const struct mkvm_vmx_caps *caps;
	u32 pin, proc, proc2, exit, entry;	/* proc2: 0 unless activated */
	u32 intr_info;
	u64 cr0, cr4, rflags;
};

struct rule {
	bool (*when)(const struct view *v);	/* NULL: always */
	bool (*holds)(const struct view *v, u16 field);
	const char *text;
	u16 field;
	u16 also[MKVM_FINDING_FIELDS - 1];	/* shown as well; 0: none */
};

struct section {
	const char *title;
	u32 area;
	const struct rule *rules;
	unsigned int nr;
};

static u64 get(const struct view *v, u32 encoding)
{
	u32 i;

	for (i = 0; i < v->nr; i++)
		if (v->f[i].encoding == encoding)
			return v->f[i].value;
	return 0;
}

static bool implies(bool a, bool b)
{
	return !a || b;
}

/* ---- predicates on one field that many rules share ---- */

static bool not_zero(const struct view *v, u16 field)
{
	return get(v, field);
}

static bool page_aligned(const struct view *v, u16 field)
{
	return !(get(v, field) & 0xfff);
}

/* IA32_VMX_BASIC[48]: VMX structures have to lie below 4 GiB. */
static bool in_phys(const struct view *v, u16 field)
{
	bool narrow = v->caps->basic & MKVM_VMXBASIC_32BIT_ADDRESSES;

	return mkvm_fits(get(v, field), narrow ? 32 : v->caps->maxphyaddr);
}

static bool cr3_in_phys(const struct view *v, u16 field)
{
	return mkvm_fits(get(v, field), v->caps->maxphyaddr);
}

static bool canonical(const struct view *v, u16 field)
{
	return mkvm_canonical(get(v, field), v->caps->maxlinaddr);
}

static bool low_32(const struct view *v, u16 field)
{
	return mkvm_fits(get(v, field), 32);
}

static bool low_16(const struct view *v, u16 field)
{
	return mkvm_fits(get(v, field), 16);
}

/* Memory types of a PAT: UC, WC, WT, WP, WB, UC-. */
static bool pat_types(const struct view *v, u16 field)
{
	u64 pat = get(v, field);
	unsigned int i;

	for (i = 0; i < 8; i++, pat >>= 8)
		if ((pat & 0xff) > 7 || !(MKVM_BIT(pat & 7) & 0xf3))
			return false;
	return true;
}

static bool efer_reserved(const struct view *v, u16 field)
{
	return !(get(v, field) & ~v->caps->efer_mask);
}

/* ---- "VM-Execution Control Fields" ---- */

/* Low half of the capability: bits that must be 1; high half: that may be 1. */
static bool allowed(u32 word, u64 cap)
{
	return (word & (u32)cap) == (u32)cap && !(word & ~(u32)(cap >> 32));
}

static bool pin_allowed(const struct view *v, u16 field)
{
	return allowed(get(v, field), v->caps->pinbased);
}

static bool proc_allowed(const struct view *v, u16 field)
{
	return allowed(get(v, field), v->caps->procbased);
}

static bool proc2_allowed(const struct view *v, u16 field)
{
	return allowed(get(v, field), v->caps->procbased2);
}

static bool exit_allowed(const struct view *v, u16 field)
{
	return allowed(get(v, field), v->caps->exit);
}

static bool entry_allowed(const struct view *v, u16 field)
{
	return allowed(get(v, field), v->caps->entry);
}

static bool when_secondary(const struct view *v)
{
	return v->proc & VMX_PROCBASED_SECONDARY_CONTROLS;
}

static bool cr3_targets(const struct view *v, u16 field)
{
	return get(v, field) <= MKVM_VMXMISC_CR3_TARGETS(v->caps->misc);
}

static bool when_io_bitmaps(const struct view *v)
{
	return v->proc & VMX_PROCBASED_IO_BITMAPS;
}

static bool when_msr_bitmaps(const struct view *v)
{
	return v->proc & VMX_PROCBASED_MSR_BITMAPS;
}

static bool when_tpr_shadow(const struct view *v)
{
	return v->proc & VMX_PROCBASED_TPR_SHADOW;
}

static bool when_no_tpr_shadow(const struct view *v)
{
	return !when_tpr_shadow(v);
}

static bool when_tpr_threshold(const struct view *v)
{
	return when_tpr_shadow(v) && !(v->proc2 & VMX_PROCBASED2_VIRTUAL_INTR_DELIVERY);
}

static bool tpr_threshold(const struct view *v, u16 field)
{
	return !(get(v, field) & ~0xfull);
}

static bool virtual_nmis(const struct view *v, u16 field)
{
	(void)field;
	return implies(v->pin & VMX_PINBASED_VIRTUAL_NMIS, v->pin & VMX_PINBASED_NMI_EXITING);
}

static bool nmi_window(const struct view *v, u16 field)
{
	(void)field;
	return implies(v->proc & VMX_PROCBASED_NMI_WINDOW_EXITING,
		       v->pin & VMX_PINBASED_VIRTUAL_NMIS);
}

static bool when_apic_accesses(const struct view *v)
{
	return v->proc2 & VMX_PROCBASED2_VIRTUALIZE_APIC_ACCESSES;
}

static bool no_x2apic_mode(const struct view *v, u16 field)
{
	(void)field;
	return !(v->proc2 & VMX_PROCBASED2_VIRTUALIZE_X2APIC_MODE);
}

static bool no_apic_registers(const struct view *v, u16 field)
{
	(void)field;
	return !(v->proc2 & VMX_PROCBASED2_APIC_REGISTER_VIRT);
}

static bool no_intr_delivery(const struct view *v, u16 field)
{
	(void)field;
	return !(v->proc2 & VMX_PROCBASED2_VIRTUAL_INTR_DELIVERY);
}

static bool intr_delivery_exits(const struct view *v, u16 field)
{
	(void)field;
	return implies(v->proc2 & VMX_PROCBASED2_VIRTUAL_INTR_DELIVERY,
		       v->pin & VMX_PINBASED_EXTERNAL_INTERRUPT_EXITING);
}

static bool when_posted(const struct view *v)
{
	return v->pin & VMX_PINBASED_POSTED_INTERRUPTS;
}

static bool posted_delivery(const struct view *v, u16 field)
{
	(void)field;
	return v->proc2 & VMX_PROCBASED2_VIRTUAL_INTR_DELIVERY;
}

static bool posted_acknowledge(const struct view *v, u16 field)
{
	(void)field;
	return v->exit & VMX_EXITCTL_ACK_INTERRUPT_ON_EXIT;
}

static bool low_8(const struct view *v, u16 field)
{
	return mkvm_fits(get(v, field), 8);
}

static bool cache_line_aligned(const struct view *v, u16 field)
{
	return !(get(v, field) & 0x3f);
}

static bool when_vpid(const struct view *v)
{
	return v->proc2 & VMX_PROCBASED2_VPID;
}

static bool when_ept(const struct view *v)
{
	return v->proc2 & VMX_PROCBASED2_EPT;
}

static bool when_no_ept(const struct view *v)
{
	return !when_ept(v);
}

static bool eptp_memory_type(const struct view *v, u16 field)
{
	switch (MKVM_EPTP_MEMORY_TYPE(get(v, field))) {
	case MKVM_EPTP_UC:
		return v->caps->ept_vpid & MKVM_EPTCAP_UC;
	case MKVM_EPTP_WB:
		return v->caps->ept_vpid & MKVM_EPTCAP_WB;
	default:
		return false;
	}
}

static bool eptp_walk_length(const struct view *v, u16 field)
{
	switch (MKVM_EPTP_WALK_LENGTH(get(v, field))) {
	case 4:
		return v->caps->ept_vpid & MKVM_EPTCAP_WALK_4;
	case 5:
		return v->caps->ept_vpid & MKVM_EPTCAP_WALK_5;
	default:
		return false;
	}
}

static bool eptp_accessed_dirty(const struct view *v, u16 field)
{
	return implies(get(v, field) & MKVM_EPTP_ACCESSED_DIRTY,
		       v->caps->ept_vpid & MKVM_EPTCAP_ACCESSED_DIRTY);
}

static bool eptp_reserved(const struct view *v, u16 field)
{
	u64 eptp = get(v, field);
	bool shadow_stack = v->caps->ept_vpid & MKVM_EPTCAP_SHADOW_STACK;

	return !(eptp & 0xf00) && implies(eptp & MKVM_EPTP_SHADOW_STACK, shadow_stack) &&
	       mkvm_fits(eptp, v->caps->maxphyaddr);
}

static bool no_unrestricted(const struct view *v, u16 field)
{
	(void)field;
	return !(v->proc2 & VMX_PROCBASED2_UNRESTRICTED_GUEST);
}

static bool no_mode_based_execute(const struct view *v, u16 field)
{
	(void)field;
	return !(v->proc2 & VMX_PROCBASED2_MODE_BASED_EXECUTE);
}

static bool no_sub_page(const struct view *v, u16 field)
{
	(void)field;
	return !(v->proc2 & VMX_PROCBASED2_SUB_PAGE_PERMISSIONS);
}

static bool no_pml(const struct view *v, u16 field)
{
	(void)field;
	return !(v->proc2 & VMX_PROCBASED2_PML);
}

static bool no_pt_guest_physical(const struct view *v, u16 field)
{
	(void)field;
	return !(v->proc2 & VMX_PROCBASED2_PT_USES_GUEST_PHYSICAL);
}

static bool when_pml(const struct view *v)
{
	return v->proc2 & VMX_PROCBASED2_PML;
}

static bool when_sub_page(const struct view *v)
{
	return v->proc2 & VMX_PROCBASED2_SUB_PAGE_PERMISSIONS;
}

static bool when_shadowing(const struct view *v)
{
	return v->proc2 & VMX_PROCBASED2_VMCS_SHADOWING;
}

static bool when_ept_ve(const struct view *v)
{
	return v->proc2 & VMX_PROCBASED2_EPT_VIOLATION_VE;
}

/* VM-function control 0 is EPTP switching. */
static bool when_eptp_switching(const struct view *v)
{
	return (v->proc2 & VMX_PROCBASED2_VM_FUNCTIONS) && (get(v, VMCS_VM_FUNCTION_CTLS) & 1);
}

static bool has_ept(const struct view *v, u16 field)
{
	(void)field;
	return when_ept(v);
}

#define ADDRESS_4K(condition, name, text)					\
	{ condition, page_aligned, text ": bits 11:0 are 0", VMCS_##name, { 0 } },	\
	{ condition, in_phys, text " is within the physical-address width", VMCS_##name, { 0 } }

static const struct rule execution_rules[] = {
	{ NULL, pin_allowed, "reserved bits are as IA32_VMX_PINBASED_CTLS tells",
	  VMCS_PINBASED_CTLS, { 0 } },
	{ NULL, proc_allowed, "reserved bits are as IA32_VMX_PROCBASED_CTLS tells",
	  VMCS_PROCBASED_CTLS, { 0 } },
	{ when_secondary, proc2_allowed, "reserved bits are as IA32_VMX_PROCBASED_CTLS2 tells",
	  VMCS_PROCBASED2_CTLS, { 0 } },
	{ NULL, cr3_targets, "CR3-target count is not above the number of CR3-target values",
	  VMCS_CR3_TARGET_COUNT, { 0 } },
	ADDRESS_4K(when_io_bitmaps, IO_BITMAP_A, "I/O-bitmap A address"),
	ADDRESS_4K(when_io_bitmaps, IO_BITMAP_B, "I/O-bitmap B address"),
	ADDRESS_4K(when_msr_bitmaps, MSR_BITMAP, "MSR-bitmap address"),
	ADDRESS_4K(when_tpr_shadow, VIRTUAL_APIC_ADDR, "virtual-APIC address"),
	{ when_tpr_threshold, tpr_threshold, "TPR threshold: bits 31:4 are 0",
	  VMCS_TPR_THRESHOLD, { 0 } },
	{ NULL, virtual_nmis, "virtual NMIs need NMI exiting", VMCS_PINBASED_CTLS, { 0 } },
	{ NULL, nmi_window, "NMI-window exiting needs virtual NMIs",
	  VMCS_PROCBASED_CTLS, { VMCS_PINBASED_CTLS } },
	ADDRESS_4K(when_apic_accesses, APIC_ACCESS_PAGE_ADDR, "APIC-access address"),
	{ when_no_tpr_shadow, no_x2apic_mode, "virtualize x2APIC mode needs the TPR shadow",
	  VMCS_PROCBASED2_CTLS, { VMCS_PROCBASED_CTLS } },
	{ when_no_tpr_shadow, no_apic_registers,
	  "APIC-register virtualization needs the TPR shadow",
	  VMCS_PROCBASED2_CTLS, { VMCS_PROCBASED_CTLS } },
	{ when_no_tpr_shadow, no_intr_delivery,
	  "virtual-interrupt delivery needs the TPR shadow",
	  VMCS_PROCBASED2_CTLS, { VMCS_PROCBASED_CTLS } },
	{ when_apic_accesses, no_x2apic_mode,
	  "virtualize x2APIC mode and virtualize APIC accesses exclude each other",
	  VMCS_PROCBASED2_CTLS, { 0 } },
	{ NULL, intr_delivery_exits,
	  "virtual-interrupt delivery needs external-interrupt exiting",
	  VMCS_PROCBASED2_CTLS, { VMCS_PINBASED_CTLS } },
	{ when_posted, posted_delivery, "posted interrupts need virtual-interrupt delivery",
	  VMCS_PINBASED_CTLS, { VMCS_PROCBASED2_CTLS } },
	{ when_posted, posted_acknowledge,
	  "posted interrupts need acknowledge interrupt on exit",
	  VMCS_PINBASED_CTLS, { VMCS_EXIT_CTLS } },
	{ when_posted, low_8, "posted-interrupt notification vector: bits 15:8 are 0",
	  VMCS_POSTED_INTR_VECTOR, { 0 } },
	{ when_posted, cache_line_aligned, "posted-interrupt descriptor address: bits 5:0 are 0",
	  VMCS_POSTED_INTR_DESC, { 0 } },
	{ when_posted, in_phys,
	  "posted-interrupt descriptor address is within the physical-address width",
	  VMCS_POSTED_INTR_DESC, { 0 } },
	{ when_vpid, not_zero, "VPID is not 0", VMCS_VPID, { VMCS_PROCBASED2_CTLS } },
	{ when_ept, eptp_memory_type, "EPTP memory type is one that the CPU supports",
	  VMCS_EPT_POINTER, { 0 } },
	{ when_ept, eptp_walk_length, "EPTP page-walk length is one that the CPU supports",
	  VMCS_EPT_POINTER, { 0 } },
	{ when_ept, eptp_accessed_dirty, "EPTP bit 6: the CPU has accessed and dirty flags",
	  VMCS_EPT_POINTER, { 0 } },
	{ when_ept, eptp_reserved,
	  "EPTP reserved bits and bits beyond the physical-address width are 0",
	  VMCS_EPT_POINTER, { 0 } },
	{ when_no_ept, no_pml, "PML needs EPT", VMCS_PROCBASED2_CTLS, { 0 } },
	ADDRESS_4K(when_pml, PML_ADDR, "PML address"),
	{ when_no_ept, no_unrestricted, "unrestricted guest needs EPT",
	  VMCS_PROCBASED2_CTLS, { 0 } },
	{ when_no_ept, no_mode_based_execute, "mode-based execute control needs EPT",
	  VMCS_PROCBASED2_CTLS, { 0 } },
	{ when_no_ept, no_sub_page, "sub-page write permissions need EPT",
	  VMCS_PROCBASED2_CTLS, { 0 } },
	ADDRESS_4K(when_sub_page, SPP_TABLE_PTR, "sub-page-permission-table pointer"),
	{ when_no_ept, no_pt_guest_physical, "PT with guest physical addresses needs EPT",
	  VMCS_PROCBASED2_CTLS, { 0 } },
	{ when_eptp_switching, has_ept, "EPTP switching needs EPT",
	  VMCS_VM_FUNCTION_CTLS, { VMCS_PROCBASED2_CTLS } },
	ADDRESS_4K(when_eptp_switching, EPTP_LIST_ADDR, "EPTP-list address"),
	ADDRESS_4K(when_shadowing, VMREAD_BITMAP_ADDR, "VMREAD-bitmap address"),
	ADDRESS_4K(when_shadowing, VMWRITE_BITMAP_ADDR, "VMWRITE-bitmap address"),
	ADDRESS_4K(when_ept_ve, VIRT_EXCEPTION_INFO,
		   "virtualization-exception information address"),
};

/* ---- "VM-Exit Control Fields" ---- */

static bool save_timer(const struct view *v, u16 field)
{
	(void)field;
	return implies(v->exit & VMX_EXITCTL_SAVE_PREEMPTION_TIMER,
		       v->pin & VMX_PINBASED_PREEMPTION_TIMER);
}

/* The count field that belongs to an MSR-area address. */
static u32 msr_count(const struct view *v, u16 address)
{
	switch (address) {
	case VMCS_EXIT_MSR_STORE_ADDR:
		return get(v, VMCS_EXIT_MSR_STORE_COUNT);
	case VMCS_EXIT_MSR_LOAD_ADDR:
		return get(v, VMCS_EXIT_MSR_LOAD_COUNT);
	default:
		return get(v, VMCS_ENTRY_MSR_LOAD_COUNT);
	}
}

static bool msr_area_aligned(const struct view *v, u16 field)
{
	return !msr_count(v, field) || !(get(v, field) & 0xf);
}

/* First and last byte; an entry has 16 bytes. */
static bool msr_area_in_phys(const struct view *v, u16 field)
{
	bool narrow = v->caps->basic & MKVM_VMXBASIC_32BIT_ADDRESSES;
	u64 first = get(v, field), size = 16ull * msr_count(v, field);

	return !size || (mkvm_fits(first, narrow ? 32 : v->caps->maxphyaddr) &&
			 mkvm_fits(first + size - 1, narrow ? 32 : v->caps->maxphyaddr));
}

#define MSR_AREA(name, text)						\
	{ NULL, msr_area_aligned, text " address: bits 3:0 are 0",	\
	  VMCS_##name##_ADDR, { VMCS_##name##_COUNT } },		\
	{ NULL, msr_area_in_phys, text " area is within the physical-address width", \
	  VMCS_##name##_ADDR, { VMCS_##name##_COUNT } }

static const struct rule exit_rules[] = {
	{ NULL, exit_allowed, "reserved bits are as IA32_VMX_EXIT_CTLS tells",
	  VMCS_EXIT_CTLS, { 0 } },
	{ NULL, save_timer,
	  "save VMX-preemption timer value needs activate VMX-preemption timer",
	  VMCS_EXIT_CTLS, { VMCS_PINBASED_CTLS } },
	MSR_AREA(EXIT_MSR_STORE, "VM-exit MSR-store"),
	MSR_AREA(EXIT_MSR_LOAD, "VM-exit MSR-load"),
};

/* ---- "VM-Entry Control Fields" ---- */

static u32 intr_type(const struct view *v)
{
	return v->intr_info & MKVM_INTR_TYPE;
}

static u32 intr_vector(const struct view *v)
{
	return v->intr_info & MKVM_INTR_VECTOR;
}

static bool when_injecting(const struct view *v)
{
	return v->intr_info & MKVM_INTR_VALID;
}

static bool injecting(const struct view *v, u32 type)
{
	return when_injecting(v) && intr_type(v) == type;
}

static bool injected_type(const struct view *v, u16 field)
{
	bool mtf = v->caps->procbased >> 32 & VMX_PROCBASED_MONITOR_TRAP_FLAG;

	(void)field;
	return intr_type(v) != MKVM_INTR_TYPE_RESERVED &&
	       implies(intr_type(v) == MKVM_INTR_TYPE_OTHER_EVENT, mtf);
}

static bool injected_vector(const struct view *v, u16 field)
{
	(void)field;
	switch (intr_type(v)) {
	case MKVM_INTR_TYPE_NMI:
		return intr_vector(v) == 2;
	case MKVM_INTR_TYPE_HARDWARE_EXCEPTION:
		return intr_vector(v) <= 31;
	case MKVM_INTR_TYPE_OTHER_EVENT:
		return intr_vector(v) == 0;
	default:
		return true;
	}
}

/* #DF, #TS, #NP, #SS, #GP, #PF, #AC; #CP depends on the CPU. */
static bool vector_has_error_code(u32 vector)
{
	return vector < 32 && (MKVM_BIT(vector) & 0x00027d00);
}

static bool injected_error_code(const struct view *v, u16 field)
{
	bool possible = intr_type(v) == MKVM_INTR_TYPE_HARDWARE_EXCEPTION &&
			(v->cr0 & X86_CR0_PE);
	bool delivers = v->intr_info & MKVM_INTR_ERROR_CODE;

	(void)field;
	if (!possible || (v->caps->basic & MKVM_VMXBASIC_ANY_ERROR_CODE) ||
	    intr_vector(v) == 21)
		return implies(delivers, possible);
	return delivers == vector_has_error_code(intr_vector(v));
}

static bool injected_reserved(const struct view *v, u16 field)
{
	return !(get(v, field) & MKVM_INTR_RESERVED);
}

static bool when_error_code(const struct view *v)
{
	return when_injecting(v) && (v->intr_info & MKVM_INTR_ERROR_CODE);
}

static bool when_software_event(const struct view *v)
{
	return injecting(v, MKVM_INTR_TYPE_SOFTWARE_INTERRUPT) ||
	       injecting(v, MKVM_INTR_TYPE_SOFTWARE_EXCEPTION) ||
	       injecting(v, MKVM_INTR_TYPE_PRIVILEGED_SW_EXCEPTION);
}

static bool instruction_length(const struct view *v, u16 field)
{
	u64 length = get(v, field);

	return length <= 15 &&
	       implies(!length, v->caps->misc & MKVM_VMXMISC_ZERO_LENGTH_INJECTION);
}

static bool not_to_smm(const struct view *v, u16 field)
{
	(void)field;
	return !(v->entry & VMX_ENTRYCTL_ENTRY_TO_SMM);
}

static bool no_dual_monitor(const struct view *v, u16 field)
{
	(void)field;
	return !(v->entry & VMX_ENTRYCTL_DEACTIVATE_DUAL_MONITOR);
}

static const struct rule entry_rules[] = {
	{ NULL, entry_allowed, "reserved bits are as IA32_VMX_ENTRY_CTLS tells",
	  VMCS_ENTRY_CTLS, { 0 } },
	{ when_injecting, injected_type, "interruption type is not reserved",
	  VMCS_ENTRY_INTR_INFO, { 0 } },
	{ when_injecting, injected_vector, "vector is consistent with the interruption type",
	  VMCS_ENTRY_INTR_INFO, { 0 } },
	{ when_injecting, injected_error_code,
	  "error code is delivered for the exceptions that have one, and for no other event",
	  VMCS_ENTRY_INTR_INFO, { VMCS_GUEST_CR0 } },
	{ when_injecting, injected_reserved, "interruption information: bits 30:12 are 0",
	  VMCS_ENTRY_INTR_INFO, { 0 } },
	{ when_error_code, low_16, "exception error code: bits 31:16 are 0",
	  VMCS_ENTRY_EXCEPTION_ERROR_CODE, { VMCS_ENTRY_INTR_INFO } },
	{ when_software_event, instruction_length,
	  "instruction length of a software event is 1 to 15, or 0 where the CPU allows it",
	  VMCS_ENTRY_INSTRUCTION_LENGTH, { VMCS_ENTRY_INTR_INFO } },
	MSR_AREA(ENTRY_MSR_LOAD, "VM-entry MSR-load"),
	{ NULL, not_to_smm, "entry to SMM is 0 outside SMM", VMCS_ENTRY_CTLS, { 0 } },
	{ NULL, no_dual_monitor, "deactivate dual-monitor treatment is 0 outside SMM",
	  VMCS_ENTRY_CTLS, { 0 } },
};

/* ---- "Checks on Host Control Registers, MSRs, and SSP" ---- */

/* FIXED0: bits that must be 1; FIXED1: bits that may be 1. */
static bool fixed(u64 cr, u64 fixed0, u64 fixed1)
{
	return (cr & fixed0) == fixed0 && !(cr & ~fixed1);
}

static bool host_cr0(const struct view *v, u16 field)
{
	return fixed(get(v, field), v->caps->cr0_fixed0, v->caps->cr0_fixed1);
}

static bool cr4_fixed(const struct view *v, u16 field)
{
	return fixed(get(v, field), v->caps->cr4_fixed0, v->caps->cr4_fixed1);
}

static bool host_cet_wp(const struct view *v, u16 field)
{
	return implies(get(v, field) & MKVM_CR4_CET, get(v, VMCS_HOST_CR0) & X86_CR0_WP);
}

static bool when_exit_pat(const struct view *v)
{
	return v->exit & VMX_EXITCTL_LOAD_PAT;
}

static bool when_exit_efer(const struct view *v)
{
	return v->exit & VMX_EXITCTL_LOAD_EFER;
}

static bool when_exit_cet(const struct view *v)
{
	return v->exit & VMX_EXITCTL_LOAD_CET_STATE;
}

static bool when_exit_pkrs(const struct view *v)
{
	return v->exit & VMX_EXITCTL_LOAD_PKRS;
}

static bool dword_aligned(const struct view *v, u16 field)
{
	return !(get(v, field) & 3);
}

static bool host_efer_mode(const struct view *v, u16 field)
{
	u64 efer = get(v, field);
	bool wide = v->exit & VMX_EXITCTL_HOST_ADDRESS_SPACE_SIZE;

	return !!(efer & MKVM_EFER_LMA) == wide && !!(efer & MKVM_EFER_LME) == wide;
}

static const struct rule host_register_rules[] = {
	{ NULL, host_cr0, "host CR0 has the bits that VMX operation fixes", VMCS_HOST_CR0, { 0 } },
	{ NULL, cr4_fixed, "host CR4 has the bits that VMX operation fixes",
	  VMCS_HOST_CR4, { 0 } },
	{ NULL, host_cet_wp, "host CR4.CET needs CR0.WP", VMCS_HOST_CR4, { VMCS_HOST_CR0 } },
	{ NULL, cr3_in_phys, "host CR3 is within the physical-address width",
	  VMCS_HOST_CR3, { 0 } },
	{ NULL, canonical, "host IA32_SYSENTER_ESP is canonical",
	  VMCS_HOST_IA32_SYSENTER_ESP, { 0 } },
	{ NULL, canonical, "host IA32_SYSENTER_EIP is canonical",
	  VMCS_HOST_IA32_SYSENTER_EIP, { 0 } },
	{ when_exit_pat, pat_types, "host IA32_PAT has valid memory types",
	  VMCS_HOST_IA32_PAT, { 0 } },
	{ when_exit_efer, efer_reserved, "host IA32_EFER: reserved bits are 0",
	  VMCS_HOST_IA32_EFER, { 0 } },
	{ when_exit_efer, host_efer_mode,
	  "host IA32_EFER: LMA and LME equal host address-space size",
	  VMCS_HOST_IA32_EFER, { VMCS_EXIT_CTLS } },
	{ when_exit_cet, canonical, "host IA32_S_CET is canonical",
	  VMCS_HOST_IA32_S_CET, { 0 } },
	{ when_exit_cet, dword_aligned, "host SSP: bits 1:0 are 0", VMCS_HOST_SSP, { 0 } },
	{ when_exit_pkrs, low_32, "host IA32_PKRS: bits 63:32 are 0", VMCS_HOST_IA32_PKRS, { 0 } },
};

/* ---- "Checks on Host Segment and Descriptor-Table Registers" ---- */

static bool no_rpl_ti(const struct view *v, u16 field)
{
	return !(get(v, field) & 7);
}

static bool when_host_32bit(const struct view *v)
{
	return !(v->exit & VMX_EXITCTL_HOST_ADDRESS_SPACE_SIZE);
}

static bool when_host_64bit(const struct view *v)
{
	return !when_host_32bit(v);
}

#define HOST_SELECTOR(seg)						\
	{ NULL, no_rpl_ti, "host " #seg " selector: RPL and TI are 0",	\
	  VMCS_HOST_##seg##_SELECTOR, { 0 } }
#define HOST_BASE(reg)							\
	{ NULL, canonical, "host " #reg " base is canonical", VMCS_HOST_##reg##_BASE, { 0 } }

static const struct rule host_segment_rules[] = {
	HOST_SELECTOR(CS), HOST_SELECTOR(SS), HOST_SELECTOR(DS), HOST_SELECTOR(ES),
	HOST_SELECTOR(FS), HOST_SELECTOR(GS), HOST_SELECTOR(TR),
	{ NULL, not_zero, "host CS selector is not 0", VMCS_HOST_CS_SELECTOR, { 0 } },
	{ NULL, not_zero, "host TR selector is not 0", VMCS_HOST_TR_SELECTOR, { 0 } },
	{ when_host_32bit, not_zero, "host SS selector is not 0 for a 32-bit host",
	  VMCS_HOST_SS_SELECTOR, { VMCS_EXIT_CTLS } },
	HOST_BASE(FS), HOST_BASE(GS), HOST_BASE(TR), HOST_BASE(GDTR), HOST_BASE(IDTR),
};

/* ---- "Checks Related to Address-Space Size" ---- */

/* Always so for us: a 64-bit kernel executes the VM entry. */
static bool host_64bit(const struct view *v, u16 field)
{
	(void)field;
	return when_host_64bit(v);
}

static bool host_pae(const struct view *v, u16 field)
{
	return get(v, field) & X86_CR4_PAE;
}

static bool no_host_pcide(const struct view *v, u16 field)
{
	return !(get(v, field) & X86_CR4_PCIDE);
}

static bool no_ia32e_guest(const struct view *v, u16 field)
{
	(void)field;
	return !(v->entry & VMX_ENTRYCTL_IA32E_MODE_GUEST);
}

static const struct rule address_space_rules[] = {
	{ NULL, host_64bit, "host address-space size is 1 when the host is in IA-32e mode",
	  VMCS_EXIT_CTLS, { 0 } },
	{ when_host_32bit, no_ia32e_guest, "IA-32e mode guest needs host address-space size",
	  VMCS_ENTRY_CTLS, { VMCS_EXIT_CTLS } },
	{ when_host_32bit, no_host_pcide, "host CR4.PCIDE needs host address-space size",
	  VMCS_HOST_CR4, { VMCS_EXIT_CTLS } },
	{ when_host_32bit, low_32, "host RIP: bits 63:32 are 0 for a 32-bit host",
	  VMCS_HOST_RIP, { VMCS_EXIT_CTLS } },
	{ when_host_64bit, host_pae, "host CR4.PAE is 1 for a 64-bit host",
	  VMCS_HOST_CR4, { VMCS_EXIT_CTLS } },
	{ when_host_64bit, canonical, "host RIP is canonical", VMCS_HOST_RIP, { 0 } },
};

/* ---- "Checks on Guest Control Registers, Debug Registers, and MSRs" ---- */

static bool when_ia32e_guest(const struct view *v)
{
	return v->entry & VMX_ENTRYCTL_IA32E_MODE_GUEST;
}

static bool when_no_ia32e_guest(const struct view *v)
{
	return !when_ia32e_guest(v);
}

static bool when_debug_controls(const struct view *v)
{
	return v->entry & VMX_ENTRYCTL_LOAD_DEBUG_CONTROLS;
}

static bool when_entry_pat(const struct view *v)
{
	return v->entry & VMX_ENTRYCTL_LOAD_PAT;
}

static bool when_entry_efer(const struct view *v)
{
	return v->entry & VMX_ENTRYCTL_LOAD_EFER;
}

static bool when_entry_bndcfgs(const struct view *v)
{
	return v->entry & VMX_ENTRYCTL_LOAD_BNDCFGS;
}

static bool when_entry_cet(const struct view *v)
{
	return v->entry & VMX_ENTRYCTL_LOAD_CET_STATE;
}

static bool when_entry_pkrs(const struct view *v)
{
	return v->entry & VMX_ENTRYCTL_LOAD_PKRS;
}

static bool unrestricted(const struct view *v)
{
	return v->proc2 & VMX_PROCBASED2_UNRESTRICTED_GUEST;
}

/* NW and CD are never checked; unrestricted guests may clear PE and PG. */
static bool guest_cr0(const struct view *v, u16 field)
{
	u64 free = X86_CR0_NW | X86_CR0_CD;

	(void)field;
	if (unrestricted(v))
		free |= X86_CR0_PE | X86_CR0_PG;
	return fixed(v->cr0 & ~free, v->caps->cr0_fixed0 & ~free, v->caps->cr0_fixed1);
}

static bool guest_pg_pe(const struct view *v, u16 field)
{
	(void)field;
	return implies(v->cr0 & X86_CR0_PG, v->cr0 & X86_CR0_PE);
}

static bool guest_cet_wp(const struct view *v, u16 field)
{
	(void)field;
	return implies(v->cr4 & MKVM_CR4_CET, v->cr0 & X86_CR0_WP);
}

/* Bits 5:3 and 63:16. */
static bool debugctl_reserved(const struct view *v, u16 field)
{
	return !(get(v, field) & 0xffffffffffff0038ull);
}

static bool ia32e_pg(const struct view *v, u16 field)
{
	(void)field;
	return v->cr0 & X86_CR0_PG;
}

static bool ia32e_pae(const struct view *v, u16 field)
{
	(void)field;
	return v->cr4 & X86_CR4_PAE;
}

static bool no_guest_pcide(const struct view *v, u16 field)
{
	(void)field;
	return !(v->cr4 & X86_CR4_PCIDE);
}

static bool guest_efer_lma(const struct view *v, u16 field)
{
	return !!(get(v, field) & MKVM_EFER_LMA) == when_ia32e_guest(v);
}

static bool guest_efer_lme(const struct view *v, u16 field)
{
	u64 efer = get(v, field);

	return implies(v->cr0 & X86_CR0_PG,
		       !!(efer & MKVM_EFER_LMA) == !!(efer & MKVM_EFER_LME));
}

static bool bndcfgs_reserved(const struct view *v, u16 field)
{
	return !(get(v, field) & 0xffc);
}

static const struct rule guest_register_rules[] = {
	{ NULL, guest_cr0, "guest CR0 has the bits that VMX operation fixes",
	  VMCS_GUEST_CR0, { VMCS_PROCBASED2_CTLS } },
	{ NULL, guest_pg_pe, "guest CR0.PG needs CR0.PE", VMCS_GUEST_CR0, { 0 } },
	{ NULL, cr4_fixed, "guest CR4 has the bits that VMX operation fixes",
	  VMCS_GUEST_CR4, { 0 } },
	{ NULL, guest_cet_wp, "guest CR4.CET needs CR0.WP", VMCS_GUEST_CR4, { VMCS_GUEST_CR0 } },
	{ when_debug_controls, debugctl_reserved, "guest IA32_DEBUGCTL: reserved bits are 0",
	  VMCS_GUEST_IA32_DEBUGCTL, { 0 } },
	{ when_ia32e_guest, ia32e_pg, "IA-32e mode guest needs CR0.PG",
	  VMCS_GUEST_CR0, { VMCS_ENTRY_CTLS } },
	{ when_ia32e_guest, ia32e_pae, "IA-32e mode guest needs CR4.PAE",
	  VMCS_GUEST_CR4, { VMCS_ENTRY_CTLS } },
	{ when_no_ia32e_guest, no_guest_pcide, "guest CR4.PCIDE needs IA-32e mode guest",
	  VMCS_GUEST_CR4, { VMCS_ENTRY_CTLS } },
	{ NULL, cr3_in_phys, "guest CR3 is within the physical-address width",
	  VMCS_GUEST_CR3, { 0 } },
	{ when_debug_controls, low_32, "guest DR7: bits 63:32 are 0", VMCS_GUEST_DR7, { 0 } },
	{ NULL, canonical, "guest IA32_SYSENTER_ESP is canonical",
	  VMCS_GUEST_IA32_SYSENTER_ESP, { 0 } },
	{ NULL, canonical, "guest IA32_SYSENTER_EIP is canonical",
	  VMCS_GUEST_IA32_SYSENTER_EIP, { 0 } },
	{ when_entry_cet, canonical, "guest IA32_S_CET is canonical",
	  VMCS_GUEST_IA32_S_CET, { 0 } },
	{ when_entry_cet, canonical, "guest IA32_INTERRUPT_SSP_TABLE_ADDR is canonical",
	  VMCS_GUEST_IA32_INTR_SSP_TABLE, { 0 } },
	{ when_entry_pat, pat_types, "guest IA32_PAT has valid memory types",
	  VMCS_GUEST_IA32_PAT, { 0 } },
	{ when_entry_efer, efer_reserved, "guest IA32_EFER: reserved bits are 0",
	  VMCS_GUEST_IA32_EFER, { 0 } },
	{ when_entry_efer, guest_efer_lma, "guest IA32_EFER.LMA equals IA-32e mode guest",
	  VMCS_GUEST_IA32_EFER, { VMCS_ENTRY_CTLS } },
	{ when_entry_efer, guest_efer_lme,
	  "guest IA32_EFER.LME equals LMA while CR0.PG is 1",
	  VMCS_GUEST_IA32_EFER, { VMCS_GUEST_CR0 } },
	{ when_entry_bndcfgs, bndcfgs_reserved, "guest IA32_BNDCFGS: bits 11:2 are 0",
	  VMCS_GUEST_IA32_BNDCFGS, { 0 } },
	{ when_entry_bndcfgs, canonical, "guest IA32_BNDCFGS is canonical",
	  VMCS_GUEST_IA32_BNDCFGS, { 0 } },
	{ when_entry_pkrs, low_32, "guest IA32_PKRS: bits 63:32 are 0",
	  VMCS_GUEST_IA32_PKRS, { 0 } },
};

/* ---- "Checks on Guest Segment Registers" ---- */

/* The order of the segments in each group of encodings. */
enum segment { ES, CS, SS, DS, FS, GS, LDTR, TR };

/* Any of a segment's four fields gives the segment. */
static unsigned int segment_of(u16 field)
{
	if (field >= VMCS_GUEST_ES_BASE)
		return (field - VMCS_GUEST_ES_BASE) / 2;
	if (field >= VMCS_GUEST_ES_ACCESS_RIGHTS)
		return (field - VMCS_GUEST_ES_ACCESS_RIGHTS) / 2;
	if (field >= VMCS_GUEST_ES_LIMIT)
		return (field - VMCS_GUEST_ES_LIMIT) / 2;
	return (field - VMCS_GUEST_ES_SELECTOR) / 2;
}

static u16 selector(const struct view *v, unsigned int seg)
{
	return get(v, VMCS_GUEST_ES_SELECTOR + 2 * seg);
}

static u32 limit(const struct view *v, unsigned int seg)
{
	return get(v, VMCS_GUEST_ES_LIMIT + 2 * seg);
}

static u32 rights(const struct view *v, unsigned int seg)
{
	return get(v, VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * seg);
}

static u32 type(const struct view *v, unsigned int seg)
{
	return rights(v, seg) & MKVM_AR_TYPE;
}

static bool usable(const struct view *v, unsigned int seg)
{
	return !(rights(v, seg) & MKVM_AR_UNUSABLE);
}

static bool when_v8086(const struct view *v)
{
	return v->rflags & X86_EFLAGS_VM;
}

static bool when_not_v8086(const struct view *v)
{
	return !when_v8086(v);
}

static bool when_restricted(const struct view *v)
{
	return when_not_v8086(v) && !unrestricted(v);
}

/*
 * Rights are checked outside virtual-8086 mode, and for the segments that are
 * usable; CS and TR always.
 */
static bool checked(const struct view *v, unsigned int seg)
{
	if (seg == TR)
		return true;
	if (seg == LDTR)
		return usable(v, LDTR);
	return when_not_v8086(v) && (seg == CS || usable(v, seg));
}

static bool seg_ti(const struct view *v, u16 field)
{
	unsigned int seg = segment_of(field);

	return !checked(v, seg) || !(selector(v, seg) & 4);
}

static bool ss_rpl(const struct view *v, u16 field)
{
	return (get(v, field) & 3) == (get(v, VMCS_GUEST_CS_SELECTOR) & 3);
}

static bool v8086_base(const struct view *v, u16 field)
{
	return get(v, field) == (u64)selector(v, segment_of(field)) << 4;
}

static bool v8086_limit(const struct view *v, u16 field)
{
	return get(v, field) == 0xffff;
}

static bool v8086_rights(const struct view *v, u16 field)
{
	return get(v, field) == 0xf3;
}

static bool seg_base_canonical(const struct view *v, u16 field)
{
	return (segment_of(field) == LDTR && !usable(v, LDTR)) || canonical(v, field);
}

static bool seg_base_low_32(const struct view *v, u16 field)
{
	unsigned int seg = segment_of(field);

	return (seg != CS && !usable(v, seg)) || low_32(v, field);
}

/* Accessed code; with unrestricted guest also the read-write data of real mode. */
static bool cs_type(const struct view *v, u16 field)
{
	u32 t = type(v, segment_of(field));

	return (t & 9) == 9 || (t == 3 && unrestricted(v));
}

static bool ss_type(const struct view *v, u16 field)
{
	u32 t = type(v, segment_of(field));

	return !checked(v, SS) || t == 3 || t == 7;
}

static bool data_type(const struct view *v, u16 field)
{
	unsigned int seg = segment_of(field);
	u32 t = type(v, seg);

	return !checked(v, seg) || ((t & 1) && implies(t & 8, t & 2));
}

static bool seg_s(const struct view *v, u16 field)
{
	unsigned int seg = segment_of(field);
	bool system = seg == LDTR || seg == TR;

	return !checked(v, seg) || !(rights(v, seg) & MKVM_AR_S) == system;
}

static bool seg_present(const struct view *v, u16 field)
{
	unsigned int seg = segment_of(field);

	return !checked(v, seg) || (rights(v, seg) & MKVM_AR_P);
}

static bool seg_reserved(const struct view *v, u16 field)
{
	unsigned int seg = segment_of(field);

	return !checked(v, seg) || !(rights(v, seg) & MKVM_AR_RESERVED);
}

/* The limit is in pages when it has to be, and not when it cannot be. */
static bool seg_granularity(const struct view *v, u16 field)
{
	unsigned int seg = segment_of(field);
	bool g = rights(v, seg) & MKVM_AR_G;
	u32 l = limit(v, seg);

	return !checked(v, seg) ||
	       (implies((l & 0xfff) != 0xfff, !g) && implies(l & 0xfff00000, g));
}

static bool cs_dpl(const struct view *v, u16 field)
{
	u32 dpl = MKVM_AR_DPL(rights(v, segment_of(field)));
	u32 ss_dpl = MKVM_AR_DPL(rights(v, SS));

	switch (type(v, CS)) {
	case 3:
		return dpl == 0;
	case 9:
	case 11:
		return dpl == ss_dpl;
	case 13:
	case 15:
		return dpl <= ss_dpl;
	default:
		return true;	/* the rule on the type is the one that is broken */
	}
}

static bool cs_db(const struct view *v, u16 field)
{
	u32 ar = get(v, field);

	return implies(when_ia32e_guest(v) && (ar & MKVM_AR_L), !(ar & MKVM_AR_DB));
}

static bool ss_dpl_rpl(const struct view *v, u16 field)
{
	return MKVM_AR_DPL(rights(v, segment_of(field))) == (selector(v, SS) & 3u);
}

static bool ss_dpl_zero(const struct view *v, u16 field)
{
	bool real = type(v, CS) == 3 || !(v->cr0 & X86_CR0_PE);

	return implies(real, !MKVM_AR_DPL((u32)get(v, field)));
}

/* Data and non-conforming code: not more privileged than their selector. */
static bool data_dpl(const struct view *v, u16 field)
{
	unsigned int seg = segment_of(field);

	return !usable(v, seg) || type(v, seg) > 11 ||
	       MKVM_AR_DPL(rights(v, seg)) >= (selector(v, seg) & 3u);
}

static bool tr_type(const struct view *v, u16 field)
{
	u32 t = type(v, segment_of(field));

	return t == 11 || (t == 3 && when_no_ia32e_guest(v));
}

static bool tr_usable(const struct view *v, u16 field)
{
	return usable(v, segment_of(field));
}

static bool ldtr_type(const struct view *v, u16 field)
{
	return !checked(v, LDTR) || type(v, segment_of(field)) == 2;
}

#define SEG(when, predicate, seg, which, text)				\
	{ when, predicate, "guest " #seg ": " text, VMCS_GUEST_##seg##_##which,	\
	  { VMCS_GUEST_RFLAGS } }
#define SEG_ROWS_V8086(seg)						\
	SEG(when_v8086, v8086_base, seg, BASE,				\
	    "base is the selector shifted left 4 in virtual-8086 mode"),	\
	SEG(when_v8086, v8086_limit, seg, LIMIT, "limit is 0xffff in virtual-8086 mode"), \
	SEG(when_v8086, v8086_rights, seg, ACCESS_RIGHTS,		\
	    "access rights are 0xf3 in virtual-8086 mode")
#define SEG_ROWS_ANY(seg)						\
	SEG(NULL, seg_present, seg, ACCESS_RIGHTS, "P is 1"),		\
	SEG(NULL, seg_reserved, seg, ACCESS_RIGHTS, "bits 31:17 and 11:8 are 0"), \
	{ NULL, seg_granularity, "guest " #seg ": G fits the limit",	\
	  VMCS_GUEST_##seg##_ACCESS_RIGHTS, { VMCS_GUEST_##seg##_LIMIT } }
#define SEG_ROWS_MEMORY(seg)						\
	SEG_ROWS_V8086(seg),						\
	SEG(NULL, seg_s, seg, ACCESS_RIGHTS, "S is 1"),			\
	SEG_ROWS_ANY(seg)
#define SEG_ROWS_DATA(seg)						\
	SEG(NULL, data_type, seg, ACCESS_RIGHTS, "type is accessed, and code is readable"), \
	{ when_restricted, data_dpl, "guest " #seg ": DPL is not below the selector's RPL", \
	  VMCS_GUEST_##seg##_ACCESS_RIGHTS, { VMCS_GUEST_##seg##_SELECTOR } },	\
	SEG_ROWS_MEMORY(seg)

static const struct rule segment_rules[] = {
	SEG(NULL, seg_ti, TR, SELECTOR, "TI is 0"),
	SEG(NULL, seg_ti, LDTR, SELECTOR, "TI is 0"),
	{ when_restricted, ss_rpl, "guest SS: RPL equals that of CS",
	  VMCS_GUEST_SS_SELECTOR, { VMCS_GUEST_CS_SELECTOR } },
	SEG(NULL, canonical, TR, BASE, "base is canonical"),
	SEG(NULL, canonical, FS, BASE, "base is canonical"),
	SEG(NULL, canonical, GS, BASE, "base is canonical"),
	SEG(NULL, seg_base_canonical, LDTR, BASE, "base is canonical"),
	SEG(NULL, seg_base_low_32, CS, BASE, "base: bits 63:32 are 0"),
	SEG(NULL, seg_base_low_32, SS, BASE, "base: bits 63:32 are 0"),
	SEG(NULL, seg_base_low_32, DS, BASE, "base: bits 63:32 are 0"),
	SEG(NULL, seg_base_low_32, ES, BASE, "base: bits 63:32 are 0"),
	SEG(when_not_v8086, cs_type, CS, ACCESS_RIGHTS,
	    "type is accessed code, or read-write data for an unrestricted guest"),
	{ when_not_v8086, cs_dpl, "guest CS: DPL fits the type and the DPL of SS",
	  VMCS_GUEST_CS_ACCESS_RIGHTS, { VMCS_GUEST_SS_ACCESS_RIGHTS } },
	{ when_not_v8086, cs_db, "guest CS: D/B is 0 in 64-bit code",
	  VMCS_GUEST_CS_ACCESS_RIGHTS, { VMCS_ENTRY_CTLS } },
	SEG_ROWS_MEMORY(CS),
	SEG(NULL, ss_type, SS, ACCESS_RIGHTS, "type is accessed read-write data"),
	{ when_restricted, ss_dpl_rpl, "guest SS: DPL equals the selector's RPL",
	  VMCS_GUEST_SS_ACCESS_RIGHTS, { VMCS_GUEST_SS_SELECTOR } },
	{ when_not_v8086, ss_dpl_zero,
	  "guest SS: DPL is 0 when CS is data or CR0.PE is 0",
	  VMCS_GUEST_SS_ACCESS_RIGHTS, { VMCS_GUEST_CS_ACCESS_RIGHTS, VMCS_GUEST_CR0 } },
	SEG_ROWS_MEMORY(SS),
	SEG_ROWS_DATA(DS),
	SEG_ROWS_DATA(ES),
	SEG_ROWS_DATA(FS),
	SEG_ROWS_DATA(GS),
	{ NULL, tr_type, "guest TR: type is a busy TSS, in IA-32e mode a 64-bit one",
	  VMCS_GUEST_TR_ACCESS_RIGHTS, { VMCS_ENTRY_CTLS } },
	SEG(NULL, seg_s, TR, ACCESS_RIGHTS, "S is 0"),
	SEG_ROWS_ANY(TR),
	SEG(NULL, tr_usable, TR, ACCESS_RIGHTS, "it is usable"),
	SEG(NULL, ldtr_type, LDTR, ACCESS_RIGHTS, "type is LDT"),
	SEG(NULL, seg_s, LDTR, ACCESS_RIGHTS, "S is 0"),
	SEG_ROWS_ANY(LDTR),
};

/* ---- "Checks on Guest Descriptor-Table Registers" ---- */

static const struct rule descriptor_table_rules[] = {
	{ NULL, canonical, "guest GDTR base is canonical", VMCS_GUEST_GDTR_BASE, { 0 } },
	{ NULL, canonical, "guest IDTR base is canonical", VMCS_GUEST_IDTR_BASE, { 0 } },
	{ NULL, low_16, "guest GDTR limit: bits 31:16 are 0", VMCS_GUEST_GDTR_LIMIT, { 0 } },
	{ NULL, low_16, "guest IDTR limit: bits 31:16 are 0", VMCS_GUEST_IDTR_LIMIT, { 0 } },
};

/* ---- "Checks on Guest RIP, RFLAGS, and SSP" ---- */

static bool in_64bit_code(const struct view *v)
{
	return when_ia32e_guest(v) && (rights(v, CS) & MKVM_AR_L);
}

static bool when_not_64bit_code(const struct view *v)
{
	return !in_64bit_code(v);
}

/* Bits 63:22, 15, 5 and 3 are 0, bit 1 is 1. */
static bool rflags_reserved(const struct view *v, u16 field)
{
	(void)field;
	return !(v->rflags & 0xffffffffffc08028ull) && (v->rflags & 2);
}

static bool rflags_vm(const struct view *v, u16 field)
{
	(void)field;
	return implies(v->rflags & X86_EFLAGS_VM,
		       !when_ia32e_guest(v) && (v->cr0 & X86_CR0_PE));
}

static bool rflags_if(const struct view *v, u16 field)
{
	(void)field;
	return implies(injecting(v, MKVM_INTR_TYPE_EXTERNAL), v->rflags & X86_EFLAGS_IF);
}

static const struct rule rip_rules[] = {
	{ when_not_64bit_code, low_32, "guest RIP: bits 63:32 are 0 outside 64-bit code",
	  VMCS_GUEST_RIP, { VMCS_GUEST_CS_ACCESS_RIGHTS, VMCS_ENTRY_CTLS } },
	{ in_64bit_code, canonical, "guest RIP is canonical in 64-bit code",
	  VMCS_GUEST_RIP, { VMCS_GUEST_CS_ACCESS_RIGHTS } },
	{ NULL, rflags_reserved, "guest RFLAGS: reserved bits are 0, and bit 1 is 1",
	  VMCS_GUEST_RFLAGS, { 0 } },
	{ NULL, rflags_vm, "guest RFLAGS.VM is 0 in IA-32e mode and in real mode",
	  VMCS_GUEST_RFLAGS, { VMCS_ENTRY_CTLS, VMCS_GUEST_CR0 } },
	{ NULL, rflags_if, "guest RFLAGS.IF is 1 when an external interrupt is injected",
	  VMCS_GUEST_RFLAGS, { VMCS_ENTRY_INTR_INFO } },
	{ when_entry_cet, dword_aligned, "guest SSP: bits 1:0 are 0", VMCS_GUEST_SSP, { 0 } },
};

/* ---- "Checks on Guest Non-Register State" ---- */

static u64 interruptibility(const struct view *v)
{
	return get(v, VMCS_GUEST_INTERRUPTIBILITY);
}

static bool shadowed(const struct view *v)
{
	return interruptibility(v) & (MKVM_BLOCKING_BY_STI | MKVM_BLOCKING_BY_MOV_SS);
}

static bool activity_supported(const struct view *v, u16 field)
{
	switch (get(v, field)) {
	case MKVM_ACTIVITY_ACTIVE:
		return true;
	case MKVM_ACTIVITY_HLT:
		return v->caps->misc & MKVM_VMXMISC_ACTIVITY_HLT;
	case MKVM_ACTIVITY_SHUTDOWN:
		return v->caps->misc & MKVM_VMXMISC_ACTIVITY_SHUTDOWN;
	case MKVM_ACTIVITY_WAIT_FOR_SIPI:
		return v->caps->misc & MKVM_VMXMISC_ACTIVITY_WAIT_FOR_SIPI;
	default:
		return false;
	}
}

static bool hlt_dpl(const struct view *v, u16 field)
{
	return implies(get(v, field) == MKVM_ACTIVITY_HLT, !MKVM_AR_DPL(rights(v, SS)));
}

static bool shadow_active(const struct view *v, u16 field)
{
	return implies(shadowed(v), get(v, field) == MKVM_ACTIVITY_ACTIVE);
}

/* What may wake a vCPU from HLT by injection. */
static bool wakes_hlt(const struct view *v)
{
	switch (intr_type(v)) {
	case MKVM_INTR_TYPE_EXTERNAL:
	case MKVM_INTR_TYPE_NMI:
		return true;
	case MKVM_INTR_TYPE_HARDWARE_EXCEPTION:
		return intr_vector(v) == 1 || intr_vector(v) == 18;	/* #DB, #MC */
	case MKVM_INTR_TYPE_OTHER_EVENT:
		return intr_vector(v) == 0;
	default:
		return false;
	}
}

static bool wakes_shutdown(const struct view *v)
{
	return intr_type(v) == MKVM_INTR_TYPE_NMI ||
	       (intr_type(v) == MKVM_INTR_TYPE_HARDWARE_EXCEPTION && intr_vector(v) == 18);
}

static bool activity_injection(const struct view *v, u16 field)
{
	switch (get(v, field)) {
	case MKVM_ACTIVITY_HLT:
		return wakes_hlt(v);
	case MKVM_ACTIVITY_SHUTDOWN:
		return wakes_shutdown(v);
	case MKVM_ACTIVITY_WAIT_FOR_SIPI:
		return false;
	default:
		return true;
	}
}

static bool interruptibility_reserved(const struct view *v, u16 field)
{
	return !(get(v, field) & MKVM_INTERRUPTIBILITY_RESERVED);
}

static bool one_shadow(const struct view *v, u16 field)
{
	const u64 both = MKVM_BLOCKING_BY_STI | MKVM_BLOCKING_BY_MOV_SS;

	return (get(v, field) & both) != both;
}

static bool sti_if(const struct view *v, u16 field)
{
	return implies(get(v, field) & MKVM_BLOCKING_BY_STI, v->rflags & X86_EFLAGS_IF);
}

static bool external_shadow(const struct view *v, u16 field)
{
	(void)field;
	return implies(injecting(v, MKVM_INTR_TYPE_EXTERNAL), !shadowed(v));
}

static bool nmi_mov_ss(const struct view *v, u16 field)
{
	return implies(injecting(v, MKVM_INTR_TYPE_NMI),
		       !(get(v, field) & MKVM_BLOCKING_BY_MOV_SS));
}

static bool not_in_smm(const struct view *v, u16 field)
{
	return !(get(v, field) & MKVM_BLOCKING_BY_SMI);
}

static bool nmi_blocking(const struct view *v, u16 field)
{
	bool virtual = v->pin & VMX_PINBASED_VIRTUAL_NMIS;

	return implies(virtual && injecting(v, MKVM_INTR_TYPE_NMI),
		       !(get(v, field) & MKVM_BLOCKING_BY_NMI));
}

static bool enclave_mov_ss(const struct view *v, u16 field)
{
	u64 state = get(v, field);

	return implies(state & MKVM_ENCLAVE_INTERRUPTION, !(state & MKVM_BLOCKING_BY_MOV_SS));
}

/* Bits 63:17, 15, 13 and 10:4; bit 11 tells of bus locks. */
static bool pending_reserved(const struct view *v, u16 field)
{
	return !(get(v, field) & 0xfffffffffffea7f0ull);
}

/* A single-step trap is pending exactly if TF is set and BTF does not filter it. */
static bool pending_bs(const struct view *v, u16 field)
{
	bool btf = get(v, VMCS_GUEST_IA32_DEBUGCTL) & 2;
	bool steps = (v->rflags & X86_EFLAGS_TF) && !btf;
	bool matters = shadowed(v) || get(v, VMCS_GUEST_ACTIVITY_STATE) == MKVM_ACTIVITY_HLT;

	return implies(matters, !!(get(v, field) & MKVM_PENDING_DEBUG_BS) == steps);
}

static bool pending_rtm(const struct view *v, u16 field)
{
	u64 pending = get(v, field);

	return implies(pending & MKVM_PENDING_DEBUG_RTM,
		       pending == (MKVM_PENDING_DEBUG_RTM |
				   MKVM_PENDING_DEBUG_ENABLED_BREAKPOINT) &&
		       !(interruptibility(v) & MKVM_BLOCKING_BY_MOV_SS));
}

static bool when_linked(const struct view *v)
{
	return get(v, VMCS_LINK_PTR) != ~0ull;
}

static const struct rule non_register_rules[] = {
	{ NULL, activity_supported, "activity state is one that the CPU supports",
	  VMCS_GUEST_ACTIVITY_STATE, { 0 } },
	{ NULL, hlt_dpl, "activity state HLT needs DPL 0 in SS",
	  VMCS_GUEST_ACTIVITY_STATE, { VMCS_GUEST_SS_ACCESS_RIGHTS } },
	{ NULL, shadow_active,
	  "activity state is active while events are blocked by STI or MOV SS",
	  VMCS_GUEST_ACTIVITY_STATE, { VMCS_GUEST_INTERRUPTIBILITY } },
	{ when_injecting, activity_injection, "the injected event fits the activity state",
	  VMCS_GUEST_ACTIVITY_STATE, { VMCS_ENTRY_INTR_INFO } },
	{ NULL, interruptibility_reserved, "interruptibility state: bits 31:5 are 0",
	  VMCS_GUEST_INTERRUPTIBILITY, { 0 } },
	{ NULL, one_shadow, "blocking by STI and by MOV SS exclude each other",
	  VMCS_GUEST_INTERRUPTIBILITY, { 0 } },
	{ NULL, sti_if, "blocking by STI needs RFLAGS.IF",
	  VMCS_GUEST_INTERRUPTIBILITY, { VMCS_GUEST_RFLAGS } },
	{ NULL, external_shadow,
	  "no external interrupt is injected while STI or MOV SS blocks it",
	  VMCS_GUEST_INTERRUPTIBILITY, { VMCS_ENTRY_INTR_INFO } },
	{ NULL, nmi_mov_ss, "no NMI is injected while MOV SS blocks it",
	  VMCS_GUEST_INTERRUPTIBILITY, { VMCS_ENTRY_INTR_INFO } },
	{ NULL, not_in_smm, "blocking by SMI is 0 outside SMM",
	  VMCS_GUEST_INTERRUPTIBILITY, { 0 } },
	{ NULL, nmi_blocking, "with virtual NMIs no NMI is injected while NMIs are blocked",
	  VMCS_GUEST_INTERRUPTIBILITY, { VMCS_ENTRY_INTR_INFO, VMCS_PINBASED_CTLS } },
	{ NULL, enclave_mov_ss, "enclave interruption excludes blocking by MOV SS",
	  VMCS_GUEST_INTERRUPTIBILITY, { 0 } },
	{ NULL, pending_reserved, "pending debug exceptions: reserved bits are 0",
	  VMCS_GUEST_PENDING_DEBUG, { 0 } },
	{ NULL, pending_bs,
	  "pending debug exceptions: BS equals TF without BTF in HLT or an interrupt shadow",
	  VMCS_GUEST_PENDING_DEBUG,
	  { VMCS_GUEST_RFLAGS, VMCS_GUEST_INTERRUPTIBILITY, VMCS_GUEST_ACTIVITY_STATE } },
	{ NULL, pending_rtm,
	  "pending debug exceptions: RTM stands alone with enabled breakpoint",
	  VMCS_GUEST_PENDING_DEBUG, { VMCS_GUEST_INTERRUPTIBILITY } },
	{ when_linked, page_aligned, "VMCS link pointer is all ones, or its bits 11:0 are 0",
	  VMCS_LINK_PTR, { 0 } },
	{ when_linked, in_phys,
	  "VMCS link pointer is all ones, or within the physical-address width",
	  VMCS_LINK_PTR, { 0 } },
};

/* ---- "Checks on Guest Page-Directory-Pointer-Table Entries" ---- */

static bool when_pae_paging(const struct view *v)
{
	return (v->cr0 & X86_CR0_PG) && (v->cr4 & X86_CR4_PAE) && when_no_ia32e_guest(v) &&
	       when_ept(v);
}

/* Present entries: bits 2:1, 8:5 and those beyond the physical-address width. */
static bool pdpte(const struct view *v, u16 field)
{
	u64 entry = get(v, field);

	return !(entry & 1) ||
	       (!(entry & 0x1e6) && mkvm_fits(entry, v->caps->maxphyaddr));
}

#define PDPTE(n)							\
	{ when_pae_paging, pdpte, "guest PDPTE" #n ": reserved bits of a present entry are 0", \
	  VMCS_GUEST_PDPTE##n, { 0 } }

static const struct rule pdpte_rules[] = { PDPTE(0), PDPTE(1), PDPTE(2), PDPTE(3) };

#define SECTION(title, area, table) \
	{ title, MKVM_VMCS_##area, table, ARRAY_SIZE(table) }

static const struct section sections[] = {
	SECTION("VM-Execution Control Fields", CONTROL, execution_rules),
	SECTION("VM-Exit Control Fields", CONTROL, exit_rules),
	SECTION("VM-Entry Control Fields", CONTROL, entry_rules),
	SECTION("Checks on Host Control Registers, MSRs, and SSP", HOST, host_register_rules),
	SECTION("Checks on Host Segment and Descriptor-Table Registers", HOST,
		host_segment_rules),
	SECTION("Checks Related to Address-Space Size", HOST, address_space_rules),
	SECTION("Checks on Guest Control Registers, Debug Registers, and MSRs", GUEST,
		guest_register_rules),
	SECTION("Checks on Guest Segment Registers", GUEST, segment_rules),
	SECTION("Checks on Guest Descriptor-Table Registers", GUEST, descriptor_table_rules),
	SECTION("Checks on Guest RIP, RFLAGS, and SSP", GUEST, rip_rules),
	SECTION("Checks on Guest Non-Register State", GUEST, non_register_rules),
	SECTION("Checks on Guest Page-Directory-Pointer-Table Entries", GUEST, pdpte_rules),
};

static void add_field(const struct view *v, struct mkvm_vmentry_finding *out, u32 encoding)
{
	struct mkvm_vmcs_field *f = &out->field[out->nr++];

	f->encoding = encoding;
	f->pad = 0;
	f->value = get(v, encoding);
}

static void report(const struct view *v, const struct section *section, const struct rule *rule,
		   struct mkvm_vmentry_finding *out)
{
	unsigned int i;

	out->rule = rule->text;
	out->section = section->title;
	out->area = section->area;
	out->nr = 0;
	add_field(v, out, rule->field);
	for (i = 0; i < ARRAY_SIZE(rule->also) && rule->also[i]; i++)
		add_field(v, out, rule->also[i]);
}

static void look(struct view *v)
{
	v->pin = get(v, VMCS_PINBASED_CTLS);
	v->proc = get(v, VMCS_PROCBASED_CTLS);
	v->proc2 = when_secondary(v) ? get(v, VMCS_PROCBASED2_CTLS) : 0;
	v->exit = get(v, VMCS_EXIT_CTLS);
	v->entry = get(v, VMCS_ENTRY_CTLS);
	v->intr_info = get(v, VMCS_ENTRY_INTR_INFO);
	v->cr0 = get(v, VMCS_GUEST_CR0);
	v->cr4 = get(v, VMCS_GUEST_CR4);
	v->rflags = get(v, VMCS_GUEST_RFLAGS);
}

int mkvm_vmentry_check(const struct mkvm_vmcs_field *f, u32 nr, const struct mkvm_vmx_caps *caps,
		       struct mkvm_vmentry_finding *out, int max)
{
	struct view v = { .f = f, .nr = nr, .caps = caps };
	unsigned int s, r;
	int found = 0;

	look(&v);
	for (s = 0; s < ARRAY_SIZE(sections); s++) {
		for (r = 0; r < sections[s].nr; r++) {
			const struct rule *rule = &sections[s].rules[r];

			if ((rule->when && !rule->when(&v)) || rule->holds(&v, rule->field))
				continue;
			if (found < max)
				report(&v, &sections[s], rule, &out[found]);
			found++;
		}
	}
	return found;
}

unsigned int mkvm_vmentry_nr_rules(void)
{
	unsigned int s, nr = 0;

	for (s = 0; s < ARRAY_SIZE(sections); s++)
		nr += sections[s].nr;
	return nr;
}
