// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM-entry checker as tables: a rule has the controls under which it
 * applies, what has to hold then, and its words. One table per section of the
 * SDM, so that each can be read beside its section.
 */
#include "vmentry_check.h"
#include "vmcs_fields.h"
#include "vmx_bits.h"
#include "x86_bits.h"

/* Fields that conditions ask for single bits. */
enum word {
	PIN, PROC, PROC2, EXIT, ENTRY, INTR, FUNCTIONS,
	CR0, CR4, RFLAGS, CS_RIGHTS, STATE, HOST_CR0, HOST_CR4, NR_WORDS,
};

static const u16 word_field[NR_WORDS] = {
	[PIN]		= VMCS_PINBASED_CTLS,
	[PROC]		= VMCS_PROCBASED_CTLS,
	[PROC2]		= VMCS_PROCBASED2_CTLS,
	[EXIT]		= VMCS_EXIT_CTLS,
	[ENTRY]		= VMCS_ENTRY_CTLS,
	[INTR]		= VMCS_ENTRY_INTR_INFO,
	[FUNCTIONS]	= VMCS_VM_FUNCTION_CTLS,
	[CR0]		= VMCS_GUEST_CR0,
	[CR4]		= VMCS_GUEST_CR4,
	[RFLAGS]	= VMCS_GUEST_RFLAGS,
	[CS_RIGHTS]	= VMCS_GUEST_CS_ACCESS_RIGHTS,
	[STATE]		= VMCS_GUEST_INTERRUPTIBILITY,
	[HOST_CR0]	= VMCS_HOST_CR0,
	[HOST_CR4]	= VMCS_HOST_CR4,
};

/* The dump, and the words of it. */
struct view {
	const struct mkvm_vmcs_field *f;
	u32 nr;
	const struct mkvm_vmx_caps *caps;
	u32 word[NR_WORDS];	/* PROC2: 0 unless activated */
};

/* A condition as a number, so that tables can hold it: one bit is set, or clear. */
#define CONDITION_CLEAR	BIT_ULL(32)
#define ON(word, bit)	((u64)(word) << 33 | (u32)(bit))
#define OFF(word, bit)	(ON(word, bit) | CONDITION_CLEAR)

struct rule {
	u64 when[4];		/* conditions under which it applies; 0: none */
	bool (*holds)(const struct view *v, u16 field);
	u64 needs;		/* without holds: this condition has to be met */
	const char *text;
	u16 field;
	u16 also[MKVM_FINDING_FIELDS - 1];	/* shown as well; 0: none */
};

#define UNPAREN(...)	__VA_ARGS__
#define RULE(conditions, predicate, words, name, ...)			\
	{ .when = { UNPAREN conditions }, .holds = predicate, .text = words,	\
	  .field = VMCS_##name, .also = { __VA_ARGS__ } }
#define NEEDS(conditions, condition, words, name, ...)			\
	{ .when = { UNPAREN conditions }, .needs = condition, .text = words,	\
	  .field = VMCS_##name, .also = { __VA_ARGS__ } }

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

static bool met(const struct view *v, u64 condition)
{
	bool set = v->word[condition >> 33] & (u32)condition;

	return !condition || set == !(condition & CONDITION_CLEAR);
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

static bool low_8(const struct view *v, u16 field)
{
	return mkvm_fits(get(v, field), 8);
}

static bool cache_line_aligned(const struct view *v, u16 field)
{
	return !(get(v, field) & 0x3f);
}

static bool dword_aligned(const struct view *v, u16 field)
{
	return !(get(v, field) & 3);
}

static bool pat_types(const struct view *v, u16 field)
{
	return mkvm_pat_valid(get(v, field));
}

static bool efer_reserved(const struct view *v, u16 field)
{
	return !(get(v, field) & ~v->caps->efer_mask);
}

/* ---- "VM-Execution Control Fields" ---- */

static u64 capability(const struct mkvm_vmx_caps *caps, u16 field)
{
	switch (field) {
	case VMCS_PINBASED_CTLS:
		return caps->pinbased;
	case VMCS_PROCBASED_CTLS:
		return caps->procbased;
	case VMCS_PROCBASED2_CTLS:
		return caps->procbased2;
	case VMCS_EXIT_CTLS:
		return caps->exit;
	default:
		return caps->entry;
	}
}

/* Low half of the capability: bits that must be 1; high half: that may be 1. */
static bool allowed(const struct view *v, u16 field)
{
	u64 cap = capability(v->caps, field);
	u32 word = get(v, field);

	return (word & (u32)cap) == (u32)cap && !(word & ~(u32)(cap >> 32));
}

static bool cr3_targets(const struct view *v, u16 field)
{
	return get(v, field) <= MKVM_VMXMISC_CR3_TARGETS(v->caps->misc);
}

static bool tpr_threshold(const struct view *v, u16 field)
{
	return !(get(v, field) & ~0xfull);
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

#define ADDRESS_4K(conditions, name, text)					\
	RULE(conditions, page_aligned, text ": bits 11:0 are 0", name),		\
	RULE(conditions, in_phys, text " is within the physical-address width", name)

#define HAS_EPT		ON(PROC2, VMX_PROCBASED2_EPT)
#define TPR_SHADOW	ON(PROC, VMX_PROCBASED_TPR_SHADOW)
#define APIC_ACCESSES	ON(PROC2, VMX_PROCBASED2_VIRTUALIZE_APIC_ACCESSES)
#define X2APIC_MODE	ON(PROC2, VMX_PROCBASED2_VIRTUALIZE_X2APIC_MODE)
#define INTR_DELIVERY	ON(PROC2, VMX_PROCBASED2_VIRTUAL_INTR_DELIVERY)
#define POSTED		ON(PIN, VMX_PINBASED_POSTED_INTERRUPTS)
#define VIRTUAL_NMIS	ON(PIN, VMX_PINBASED_VIRTUAL_NMIS)
/* VM-function control 0 */
#define EPTP_SWITCHING	ON(PROC2, VMX_PROCBASED2_VM_FUNCTIONS), ON(FUNCTIONS, 1)

static const struct rule execution_rules[] = {
	RULE((), allowed, "reserved bits are as IA32_VMX_PINBASED_CTLS tells", PINBASED_CTLS),
	RULE((), allowed, "reserved bits are as IA32_VMX_PROCBASED_CTLS tells", PROCBASED_CTLS),
	RULE((ON(PROC, VMX_PROCBASED_SECONDARY_CONTROLS)), allowed,
	     "reserved bits are as IA32_VMX_PROCBASED_CTLS2 tells", PROCBASED2_CTLS),
	RULE((), cr3_targets, "CR3-target count is not above the number of CR3-target values",
	     CR3_TARGET_COUNT),
	ADDRESS_4K((ON(PROC, VMX_PROCBASED_IO_BITMAPS)), IO_BITMAP_A, "I/O-bitmap A address"),
	ADDRESS_4K((ON(PROC, VMX_PROCBASED_IO_BITMAPS)), IO_BITMAP_B, "I/O-bitmap B address"),
	ADDRESS_4K((ON(PROC, VMX_PROCBASED_MSR_BITMAPS)), MSR_BITMAP, "MSR-bitmap address"),
	ADDRESS_4K((TPR_SHADOW), VIRTUAL_APIC_ADDR, "virtual-APIC address"),
	RULE((TPR_SHADOW, INTR_DELIVERY | CONDITION_CLEAR), tpr_threshold,
	     "TPR threshold: bits 31:4 are 0", TPR_THRESHOLD),
	NEEDS((VIRTUAL_NMIS), ON(PIN, VMX_PINBASED_NMI_EXITING), "virtual NMIs need NMI exiting",
	      PINBASED_CTLS),
	NEEDS((ON(PROC, VMX_PROCBASED_NMI_WINDOW_EXITING)), VIRTUAL_NMIS,
	      "NMI-window exiting needs virtual NMIs", PROCBASED_CTLS, VMCS_PINBASED_CTLS),
	ADDRESS_4K((APIC_ACCESSES), APIC_ACCESS_PAGE_ADDR, "APIC-access address"),
	NEEDS((X2APIC_MODE), TPR_SHADOW, "virtualize x2APIC mode needs the TPR shadow",
	      PROCBASED2_CTLS, VMCS_PROCBASED_CTLS),
	NEEDS((ON(PROC2, VMX_PROCBASED2_APIC_REGISTER_VIRT)), TPR_SHADOW,
	      "APIC-register virtualization needs the TPR shadow",
	      PROCBASED2_CTLS, VMCS_PROCBASED_CTLS),
	NEEDS((INTR_DELIVERY), TPR_SHADOW, "virtual-interrupt delivery needs the TPR shadow",
	      PROCBASED2_CTLS, VMCS_PROCBASED_CTLS),
	NEEDS((APIC_ACCESSES), X2APIC_MODE | CONDITION_CLEAR,
	      "virtualize x2APIC mode and virtualize APIC accesses exclude each other",
	      PROCBASED2_CTLS),
	NEEDS((INTR_DELIVERY), ON(PIN, VMX_PINBASED_EXTERNAL_INTERRUPT_EXITING),
	      "virtual-interrupt delivery needs external-interrupt exiting",
	      PROCBASED2_CTLS, VMCS_PINBASED_CTLS),
	NEEDS((POSTED), INTR_DELIVERY, "posted interrupts need virtual-interrupt delivery",
	      PINBASED_CTLS, VMCS_PROCBASED2_CTLS),
	NEEDS((POSTED), ON(EXIT, VMX_EXITCTL_ACK_INTERRUPT_ON_EXIT),
	      "posted interrupts need acknowledge interrupt on exit",
	      PINBASED_CTLS, VMCS_EXIT_CTLS),
	RULE((POSTED), low_8, "posted-interrupt notification vector: bits 15:8 are 0",
	     POSTED_INTR_VECTOR),
	RULE((POSTED), cache_line_aligned,
	     "posted-interrupt descriptor address: bits 5:0 are 0", POSTED_INTR_DESC),
	RULE((POSTED), in_phys,
	     "posted-interrupt descriptor address is within the physical-address width",
	     POSTED_INTR_DESC),
	RULE((ON(PROC2, VMX_PROCBASED2_VPID)), not_zero, "VPID is not 0",
	     VPID, VMCS_PROCBASED2_CTLS),
	RULE((HAS_EPT), eptp_memory_type, "EPTP memory type is one that the CPU supports",
	     EPT_POINTER),
	RULE((HAS_EPT), eptp_walk_length, "EPTP page-walk length is one that the CPU supports",
	     EPT_POINTER),
	RULE((HAS_EPT), eptp_accessed_dirty,
	     "EPTP bit 6: the CPU has accessed and dirty flags", EPT_POINTER),
	RULE((HAS_EPT), eptp_reserved,
	     "EPTP reserved bits and bits beyond the physical-address width are 0", EPT_POINTER),
	NEEDS((ON(PROC2, VMX_PROCBASED2_PML)), HAS_EPT, "PML needs EPT", PROCBASED2_CTLS),
	ADDRESS_4K((ON(PROC2, VMX_PROCBASED2_PML)), PML_ADDR, "PML address"),
	NEEDS((ON(PROC2, VMX_PROCBASED2_UNRESTRICTED_GUEST)), HAS_EPT,
	      "unrestricted guest needs EPT", PROCBASED2_CTLS),
	NEEDS((ON(PROC2, VMX_PROCBASED2_MODE_BASED_EXECUTE)), HAS_EPT,
	      "mode-based execute control needs EPT", PROCBASED2_CTLS),
	NEEDS((ON(PROC2, VMX_PROCBASED2_SUB_PAGE_PERMISSIONS)), HAS_EPT,
	      "sub-page write permissions need EPT", PROCBASED2_CTLS),
	ADDRESS_4K((ON(PROC2, VMX_PROCBASED2_SUB_PAGE_PERMISSIONS)), SPP_TABLE_PTR,
		   "sub-page-permission-table pointer"),
	NEEDS((ON(PROC2, VMX_PROCBASED2_PT_USES_GUEST_PHYSICAL)), HAS_EPT,
	      "PT with guest physical addresses needs EPT", PROCBASED2_CTLS),
	NEEDS((EPTP_SWITCHING), HAS_EPT, "EPTP switching needs EPT",
	      VM_FUNCTION_CTLS, VMCS_PROCBASED2_CTLS),
	ADDRESS_4K((EPTP_SWITCHING), EPTP_LIST_ADDR, "EPTP-list address"),
	ADDRESS_4K((ON(PROC2, VMX_PROCBASED2_VMCS_SHADOWING)), VMREAD_BITMAP_ADDR,
		   "VMREAD-bitmap address"),
	ADDRESS_4K((ON(PROC2, VMX_PROCBASED2_VMCS_SHADOWING)), VMWRITE_BITMAP_ADDR,
		   "VMWRITE-bitmap address"),
	ADDRESS_4K((ON(PROC2, VMX_PROCBASED2_EPT_VIOLATION_VE)), VIRT_EXCEPTION_INFO,
		   "virtualization-exception information address"),
};

/* ---- "VM-Exit Control Fields" ---- */

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
	RULE((), msr_area_aligned, text " address: bits 3:0 are 0",	\
	     name##_ADDR, VMCS_##name##_COUNT),				\
	RULE((), msr_area_in_phys, text " area is within the physical-address width", \
	     name##_ADDR, VMCS_##name##_COUNT)

static const struct rule exit_rules[] = {
	RULE((), allowed, "reserved bits are as IA32_VMX_EXIT_CTLS tells", EXIT_CTLS),
	NEEDS((ON(EXIT, VMX_EXITCTL_SAVE_PREEMPTION_TIMER)),
	      ON(PIN, VMX_PINBASED_PREEMPTION_TIMER),
	      "save VMX-preemption timer value needs activate VMX-preemption timer",
	      EXIT_CTLS, VMCS_PINBASED_CTLS),
	MSR_AREA(EXIT_MSR_STORE, "VM-exit MSR-store"),
	MSR_AREA(EXIT_MSR_LOAD, "VM-exit MSR-load"),
};

/* ---- "VM-Entry Control Fields" ---- */

static u32 intr_type(const struct view *v)
{
	return v->word[INTR] & MKVM_INTR_TYPE;
}

static u32 intr_vector(const struct view *v)
{
	return v->word[INTR] & MKVM_INTR_VECTOR;
}

static bool injecting(const struct view *v, u32 type)
{
	return (v->word[INTR] & MKVM_INTR_VALID) && intr_type(v) == type;
}

static bool injected_type(const struct view *v, u16 field)
{
	u32 type = get(v, field) & MKVM_INTR_TYPE;
	bool mtf = v->caps->procbased >> 32 & VMX_PROCBASED_MONITOR_TRAP_FLAG;

	return type != MKVM_INTR_TYPE_RESERVED &&
	       implies(type == MKVM_INTR_TYPE_OTHER_EVENT, mtf);
}

static bool injected_vector(const struct view *v, u16 field)
{
	u32 vector = get(v, field) & MKVM_INTR_VECTOR;

	switch (intr_type(v)) {
	case MKVM_INTR_TYPE_NMI:
		return vector == 2;
	case MKVM_INTR_TYPE_HARDWARE_EXCEPTION:
		return vector <= 31;
	case MKVM_INTR_TYPE_OTHER_EVENT:
		return vector == 0;
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
			(v->word[CR0] & X86_CR0_PE);
	bool delivers = get(v, field) & MKVM_INTR_ERROR_CODE;

	if (!possible || (v->caps->basic & MKVM_VMXBASIC_ANY_ERROR_CODE) ||
	    intr_vector(v) == 21)
		return implies(delivers, possible);
	return delivers == vector_has_error_code(intr_vector(v));
}

static bool injected_reserved(const struct view *v, u16 field)
{
	return !(get(v, field) & MKVM_INTR_RESERVED);
}

static bool software_event(const struct view *v)
{
	return intr_type(v) == MKVM_INTR_TYPE_SOFTWARE_INTERRUPT ||
	       intr_type(v) == MKVM_INTR_TYPE_SOFTWARE_EXCEPTION ||
	       intr_type(v) == MKVM_INTR_TYPE_PRIVILEGED_SW_EXCEPTION;
}

static bool instruction_length(const struct view *v, u16 field)
{
	bool zero = v->caps->misc & MKVM_VMXMISC_ZERO_LENGTH_INJECTION;
	u64 length = get(v, field);

	return !software_event(v) || (length <= 15 && implies(!length, zero));
}

#define INJECTING	ON(INTR, MKVM_INTR_VALID)

static const struct rule entry_rules[] = {
	RULE((), allowed, "reserved bits are as IA32_VMX_ENTRY_CTLS tells", ENTRY_CTLS),
	RULE((INJECTING), injected_type, "interruption type is not reserved", ENTRY_INTR_INFO),
	RULE((INJECTING), injected_vector, "vector is consistent with the interruption type",
	     ENTRY_INTR_INFO),
	RULE((INJECTING), injected_error_code,
	     "error code is delivered for the exceptions that have one, and for no other event",
	     ENTRY_INTR_INFO, VMCS_GUEST_CR0),
	RULE((INJECTING), injected_reserved, "interruption information: bits 30:12 are 0",
	     ENTRY_INTR_INFO),
	RULE((INJECTING, ON(INTR, MKVM_INTR_ERROR_CODE)), low_16,
	     "exception error code: bits 31:16 are 0",
	     ENTRY_EXCEPTION_ERROR_CODE, VMCS_ENTRY_INTR_INFO),
	RULE((INJECTING), instruction_length,
	     "instruction length of a software event is 1 to 15, or 0 where the CPU allows it",
	     ENTRY_INSTRUCTION_LENGTH, VMCS_ENTRY_INTR_INFO),
	MSR_AREA(ENTRY_MSR_LOAD, "VM-entry MSR-load"),
	NEEDS((), OFF(ENTRY, VMX_ENTRYCTL_ENTRY_TO_SMM), "entry to SMM is 0 outside SMM",
	      ENTRY_CTLS),
	NEEDS((), OFF(ENTRY, VMX_ENTRYCTL_DEACTIVATE_DUAL_MONITOR),
	      "deactivate dual-monitor treatment is 0 outside SMM", ENTRY_CTLS),
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

static bool host_efer_mode(const struct view *v, u16 field)
{
	u64 efer = get(v, field);
	bool wide = v->word[EXIT] & VMX_EXITCTL_HOST_ADDRESS_SPACE_SIZE;

	return !!(efer & MKVM_EFER_LMA) == wide && !!(efer & MKVM_EFER_LME) == wide;
}

#define EXIT_CET	ON(EXIT, VMX_EXITCTL_LOAD_CET_STATE)

static const struct rule host_register_rules[] = {
	RULE((), host_cr0, "host CR0 has the bits that VMX operation fixes", HOST_CR0),
	RULE((), cr4_fixed, "host CR4 has the bits that VMX operation fixes", HOST_CR4),
	NEEDS((ON(HOST_CR4, MKVM_CR4_CET)), ON(HOST_CR0, X86_CR0_WP),
	      "host CR4.CET needs CR0.WP", HOST_CR4, VMCS_HOST_CR0),
	RULE((), cr3_in_phys, "host CR3 is within the physical-address width", HOST_CR3),
	RULE((), canonical, "host IA32_SYSENTER_ESP is canonical", HOST_IA32_SYSENTER_ESP),
	RULE((), canonical, "host IA32_SYSENTER_EIP is canonical", HOST_IA32_SYSENTER_EIP),
	RULE((ON(EXIT, VMX_EXITCTL_LOAD_PAT)), pat_types,
	     "host IA32_PAT has valid memory types", HOST_IA32_PAT),
	RULE((ON(EXIT, VMX_EXITCTL_LOAD_EFER)), efer_reserved,
	     "host IA32_EFER: reserved bits are 0", HOST_IA32_EFER),
	RULE((ON(EXIT, VMX_EXITCTL_LOAD_EFER)), host_efer_mode,
	     "host IA32_EFER: LMA and LME equal host address-space size",
	     HOST_IA32_EFER, VMCS_EXIT_CTLS),
	RULE((EXIT_CET), canonical, "host IA32_S_CET is canonical", HOST_IA32_S_CET),
	RULE((EXIT_CET), dword_aligned, "host SSP: bits 1:0 are 0", HOST_SSP),
	RULE((ON(EXIT, VMX_EXITCTL_LOAD_PKRS)), low_32, "host IA32_PKRS: bits 63:32 are 0",
	     HOST_IA32_PKRS),
};

/* ---- "Checks on Host Segment and Descriptor-Table Registers" ---- */

static bool no_rpl_ti(const struct view *v, u16 field)
{
	return !(get(v, field) & 7);
}

#define HOST_SELECTOR(seg)						\
	RULE((), no_rpl_ti, "host " #seg " selector: RPL and TI are 0", HOST_##seg##_SELECTOR)
#define HOST_BASE(reg)							\
	RULE((), canonical, "host " #reg " base is canonical", HOST_##reg##_BASE)
#define HOST_64BIT	ON(EXIT, VMX_EXITCTL_HOST_ADDRESS_SPACE_SIZE)
#define HOST_32BIT	OFF(EXIT, VMX_EXITCTL_HOST_ADDRESS_SPACE_SIZE)

static const struct rule host_segment_rules[] = {
	HOST_SELECTOR(CS), HOST_SELECTOR(SS), HOST_SELECTOR(DS), HOST_SELECTOR(ES),
	HOST_SELECTOR(FS), HOST_SELECTOR(GS), HOST_SELECTOR(TR),
	RULE((), not_zero, "host CS selector is not 0", HOST_CS_SELECTOR),
	RULE((), not_zero, "host TR selector is not 0", HOST_TR_SELECTOR),
	RULE((HOST_32BIT), not_zero, "host SS selector is not 0 for a 32-bit host",
	     HOST_SS_SELECTOR, VMCS_EXIT_CTLS),
	HOST_BASE(FS), HOST_BASE(GS), HOST_BASE(TR), HOST_BASE(GDTR), HOST_BASE(IDTR),
};

/* ---- "Checks Related to Address-Space Size" ---- */

#define IA32E_GUEST	ON(ENTRY, VMX_ENTRYCTL_IA32E_MODE_GUEST)
#define NO_IA32E_GUEST	OFF(ENTRY, VMX_ENTRYCTL_IA32E_MODE_GUEST)

static const struct rule address_space_rules[] = {
	/* Always so for us: a 64-bit kernel executes the VM entry. */
	NEEDS((), HOST_64BIT, "host address-space size is 1 when the host is in IA-32e mode",
	      EXIT_CTLS),
	NEEDS((HOST_32BIT), NO_IA32E_GUEST, "IA-32e mode guest needs host address-space size",
	      ENTRY_CTLS, VMCS_EXIT_CTLS),
	NEEDS((HOST_32BIT), OFF(HOST_CR4, X86_CR4_PCIDE),
	      "host CR4.PCIDE needs host address-space size", HOST_CR4, VMCS_EXIT_CTLS),
	RULE((HOST_32BIT), low_32, "host RIP: bits 63:32 are 0 for a 32-bit host",
	     HOST_RIP, VMCS_EXIT_CTLS),
	NEEDS((HOST_64BIT), ON(HOST_CR4, X86_CR4_PAE), "host CR4.PAE is 1 for a 64-bit host",
	      HOST_CR4, VMCS_EXIT_CTLS),
	RULE((HOST_64BIT), canonical, "host RIP is canonical", HOST_RIP),
};

/* ---- "Checks on Guest Control Registers, Debug Registers, and MSRs" ---- */

static bool ia32e_guest(const struct view *v)
{
	return met(v, IA32E_GUEST);
}

static bool unrestricted(const struct view *v)
{
	return v->word[PROC2] & VMX_PROCBASED2_UNRESTRICTED_GUEST;
}

/* NW and CD are never checked; unrestricted guests may clear PE and PG. */
static bool guest_cr0(const struct view *v, u16 field)
{
	u64 free = X86_CR0_NW | X86_CR0_CD;

	if (unrestricted(v))
		free |= X86_CR0_PE | X86_CR0_PG;
	return fixed(get(v, field) & ~free, v->caps->cr0_fixed0 & ~free, v->caps->cr0_fixed1);
}

/* Bits 5:3 and 63:16. */
static bool debugctl_reserved(const struct view *v, u16 field)
{
	return !(get(v, field) & 0xffffffffffff0038ull);
}

static bool guest_efer_lma(const struct view *v, u16 field)
{
	return !!(get(v, field) & MKVM_EFER_LMA) == ia32e_guest(v);
}

static bool guest_efer_lme(const struct view *v, u16 field)
{
	u64 efer = get(v, field);

	return !!(efer & MKVM_EFER_LMA) == !!(efer & MKVM_EFER_LME);
}

static bool bndcfgs_reserved(const struct view *v, u16 field)
{
	return !(get(v, field) & 0xffc);
}

#define DEBUG_CONTROLS	ON(ENTRY, VMX_ENTRYCTL_LOAD_DEBUG_CONTROLS)
#define ENTRY_EFER	ON(ENTRY, VMX_ENTRYCTL_LOAD_EFER)
#define ENTRY_BNDCFGS	ON(ENTRY, VMX_ENTRYCTL_LOAD_BNDCFGS)
#define ENTRY_CET	ON(ENTRY, VMX_ENTRYCTL_LOAD_CET_STATE)

static const struct rule guest_register_rules[] = {
	RULE((), guest_cr0, "guest CR0 has the bits that VMX operation fixes",
	     GUEST_CR0, VMCS_PROCBASED2_CTLS),
	NEEDS((ON(CR0, X86_CR0_PG)), ON(CR0, X86_CR0_PE), "guest CR0.PG needs CR0.PE",
	      GUEST_CR0),
	RULE((), cr4_fixed, "guest CR4 has the bits that VMX operation fixes", GUEST_CR4),
	NEEDS((ON(CR4, MKVM_CR4_CET)), ON(CR0, X86_CR0_WP), "guest CR4.CET needs CR0.WP",
	      GUEST_CR4, VMCS_GUEST_CR0),
	RULE((DEBUG_CONTROLS), debugctl_reserved, "guest IA32_DEBUGCTL: reserved bits are 0",
	     GUEST_IA32_DEBUGCTL),
	NEEDS((IA32E_GUEST), ON(CR0, X86_CR0_PG), "IA-32e mode guest needs CR0.PG",
	      GUEST_CR0, VMCS_ENTRY_CTLS),
	NEEDS((IA32E_GUEST), ON(CR4, X86_CR4_PAE), "IA-32e mode guest needs CR4.PAE",
	      GUEST_CR4, VMCS_ENTRY_CTLS),
	NEEDS((NO_IA32E_GUEST), OFF(CR4, X86_CR4_PCIDE),
	      "guest CR4.PCIDE needs IA-32e mode guest", GUEST_CR4, VMCS_ENTRY_CTLS),
	RULE((), cr3_in_phys, "guest CR3 is within the physical-address width", GUEST_CR3),
	RULE((DEBUG_CONTROLS), low_32, "guest DR7: bits 63:32 are 0", GUEST_DR7),
	RULE((), canonical, "guest IA32_SYSENTER_ESP is canonical", GUEST_IA32_SYSENTER_ESP),
	RULE((), canonical, "guest IA32_SYSENTER_EIP is canonical", GUEST_IA32_SYSENTER_EIP),
	RULE((ENTRY_CET), canonical, "guest IA32_S_CET is canonical", GUEST_IA32_S_CET),
	RULE((ENTRY_CET), canonical, "guest IA32_INTERRUPT_SSP_TABLE_ADDR is canonical",
	     GUEST_IA32_INTR_SSP_TABLE),
	RULE((ON(ENTRY, VMX_ENTRYCTL_LOAD_PAT)), pat_types,
	     "guest IA32_PAT has valid memory types", GUEST_IA32_PAT),
	RULE((ENTRY_EFER), efer_reserved, "guest IA32_EFER: reserved bits are 0",
	     GUEST_IA32_EFER),
	RULE((ENTRY_EFER), guest_efer_lma, "guest IA32_EFER.LMA equals IA-32e mode guest",
	     GUEST_IA32_EFER, VMCS_ENTRY_CTLS),
	RULE((ENTRY_EFER, ON(CR0, X86_CR0_PG)), guest_efer_lme,
	     "guest IA32_EFER.LME equals LMA while CR0.PG is 1", GUEST_IA32_EFER, VMCS_GUEST_CR0),
	RULE((ENTRY_BNDCFGS), bndcfgs_reserved, "guest IA32_BNDCFGS: bits 11:2 are 0",
	     GUEST_IA32_BNDCFGS),
	RULE((ENTRY_BNDCFGS), canonical, "guest IA32_BNDCFGS is canonical", GUEST_IA32_BNDCFGS),
	RULE((ON(ENTRY, VMX_ENTRYCTL_LOAD_PKRS)), low_32, "guest IA32_PKRS: bits 63:32 are 0",
	     GUEST_IA32_PKRS),
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
	return !(v->word[RFLAGS] & X86_EFLAGS_VM) && (seg == CS || usable(v, seg));
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
	return !(get(v, field) & MKVM_AR_DB);
}

static bool ss_dpl_rpl(const struct view *v, u16 field)
{
	return MKVM_AR_DPL(rights(v, segment_of(field))) == (selector(v, SS) & 3u);
}

static bool ss_dpl_zero(const struct view *v, u16 field)
{
	bool real = type(v, CS) == 3 || !(v->word[CR0] & X86_CR0_PE);

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

	return t == 11 || (t == 3 && !ia32e_guest(v));
}

static bool tr_usable(const struct view *v, u16 field)
{
	return usable(v, segment_of(field));
}

static bool ldtr_type(const struct view *v, u16 field)
{
	return !checked(v, LDTR) || type(v, segment_of(field)) == 2;
}

#define V8086		ON(RFLAGS, X86_EFLAGS_VM)
#define NO_V8086	OFF(RFLAGS, X86_EFLAGS_VM)
/* Privilege levels are checked only where real mode cannot be. */
#define RESTRICTED	NO_V8086, OFF(PROC2, VMX_PROCBASED2_UNRESTRICTED_GUEST)

#define SEG(conditions, predicate, seg, which, text)			\
	RULE(conditions, predicate, "guest " #seg ": " text,		\
	     GUEST_##seg##_##which, VMCS_GUEST_RFLAGS)
#define SEG_ROWS_V8086(seg)						\
	SEG((V8086), v8086_base, seg, BASE,				\
	    "base is the selector shifted left 4 in virtual-8086 mode"),	\
	SEG((V8086), v8086_limit, seg, LIMIT, "limit is 0xffff in virtual-8086 mode"), \
	SEG((V8086), v8086_rights, seg, ACCESS_RIGHTS,			\
	    "access rights are 0xf3 in virtual-8086 mode")
#define SEG_ROWS_ANY(seg)						\
	SEG((), seg_present, seg, ACCESS_RIGHTS, "P is 1"),		\
	SEG((), seg_reserved, seg, ACCESS_RIGHTS, "bits 31:17 and 11:8 are 0"), \
	RULE((), seg_granularity, "guest " #seg ": G fits the limit",	\
	     GUEST_##seg##_ACCESS_RIGHTS, VMCS_GUEST_##seg##_LIMIT)
#define SEG_ROWS_MEMORY(seg)						\
	SEG_ROWS_V8086(seg),						\
	SEG((), seg_s, seg, ACCESS_RIGHTS, "S is 1"),			\
	SEG_ROWS_ANY(seg)
#define SEG_ROWS_DATA(seg)						\
	SEG((), data_type, seg, ACCESS_RIGHTS, "type is accessed, and code is readable"), \
	RULE((RESTRICTED), data_dpl, "guest " #seg ": DPL is not below the selector's RPL", \
	     GUEST_##seg##_ACCESS_RIGHTS, VMCS_GUEST_##seg##_SELECTOR),	\
	SEG_ROWS_MEMORY(seg)

static const struct rule segment_rules[] = {
	SEG((), seg_ti, TR, SELECTOR, "TI is 0"),
	SEG((), seg_ti, LDTR, SELECTOR, "TI is 0"),
	RULE((RESTRICTED), ss_rpl, "guest SS: RPL equals that of CS",
	     GUEST_SS_SELECTOR, VMCS_GUEST_CS_SELECTOR),
	SEG((), canonical, TR, BASE, "base is canonical"),
	SEG((), canonical, FS, BASE, "base is canonical"),
	SEG((), canonical, GS, BASE, "base is canonical"),
	SEG((), seg_base_canonical, LDTR, BASE, "base is canonical"),
	SEG((), seg_base_low_32, CS, BASE, "base: bits 63:32 are 0"),
	SEG((), seg_base_low_32, SS, BASE, "base: bits 63:32 are 0"),
	SEG((), seg_base_low_32, DS, BASE, "base: bits 63:32 are 0"),
	SEG((), seg_base_low_32, ES, BASE, "base: bits 63:32 are 0"),
	SEG((NO_V8086), cs_type, CS, ACCESS_RIGHTS,
	    "type is accessed code, or read-write data for an unrestricted guest"),
	RULE((NO_V8086), cs_dpl, "guest CS: DPL fits the type and the DPL of SS",
	     GUEST_CS_ACCESS_RIGHTS, VMCS_GUEST_SS_ACCESS_RIGHTS),
	RULE((NO_V8086, IA32E_GUEST, ON(CS_RIGHTS, MKVM_AR_L)), cs_db,
	     "guest CS: D/B is 0 in 64-bit code", GUEST_CS_ACCESS_RIGHTS, VMCS_ENTRY_CTLS),
	SEG_ROWS_MEMORY(CS),
	SEG((), ss_type, SS, ACCESS_RIGHTS, "type is accessed read-write data"),
	RULE((RESTRICTED), ss_dpl_rpl, "guest SS: DPL equals the selector's RPL",
	     GUEST_SS_ACCESS_RIGHTS, VMCS_GUEST_SS_SELECTOR),
	RULE((NO_V8086), ss_dpl_zero, "guest SS: DPL is 0 when CS is data or CR0.PE is 0",
	     GUEST_SS_ACCESS_RIGHTS, VMCS_GUEST_CS_ACCESS_RIGHTS, VMCS_GUEST_CR0),
	SEG_ROWS_MEMORY(SS),
	SEG_ROWS_DATA(DS),
	SEG_ROWS_DATA(ES),
	SEG_ROWS_DATA(FS),
	SEG_ROWS_DATA(GS),
	RULE((), tr_type, "guest TR: type is a busy TSS, in IA-32e mode a 64-bit one",
	     GUEST_TR_ACCESS_RIGHTS, VMCS_ENTRY_CTLS),
	SEG((), seg_s, TR, ACCESS_RIGHTS, "S is 0"),
	SEG_ROWS_ANY(TR),
	SEG((), tr_usable, TR, ACCESS_RIGHTS, "it is usable"),
	SEG((), ldtr_type, LDTR, ACCESS_RIGHTS, "type is LDT"),
	SEG((), seg_s, LDTR, ACCESS_RIGHTS, "S is 0"),
	SEG_ROWS_ANY(LDTR),
};

/* ---- "Checks on Guest Descriptor-Table Registers" ---- */

static const struct rule descriptor_table_rules[] = {
	RULE((), canonical, "guest GDTR base is canonical", GUEST_GDTR_BASE),
	RULE((), canonical, "guest IDTR base is canonical", GUEST_IDTR_BASE),
	RULE((), low_16, "guest GDTR limit: bits 31:16 are 0", GUEST_GDTR_LIMIT),
	RULE((), low_16, "guest IDTR limit: bits 31:16 are 0", GUEST_IDTR_LIMIT),
};

/* ---- "Checks on Guest RIP, RFLAGS, and SSP" ---- */

static bool rip_width(const struct view *v, u16 field)
{
	return (ia32e_guest(v) && (v->word[CS_RIGHTS] & MKVM_AR_L)) || low_32(v, field);
}

/* Bits 63:22, 15, 5 and 3 are 0, bit 1 is 1. */
static bool rflags_reserved(const struct view *v, u16 field)
{
	u64 rflags = get(v, field);

	return !(rflags & 0xffffffffffc08028ull) && (rflags & 2);
}

static bool rflags_vm(const struct view *v, u16 field)
{
	return implies(get(v, field) & X86_EFLAGS_VM,
		       !ia32e_guest(v) && (v->word[CR0] & X86_CR0_PE));
}

static bool rflags_if(const struct view *v, u16 field)
{
	return implies(injecting(v, MKVM_INTR_TYPE_EXTERNAL), get(v, field) & X86_EFLAGS_IF);
}

static const struct rule rip_rules[] = {
	RULE((), rip_width, "guest RIP: bits 63:32 are 0 outside 64-bit code",
	     GUEST_RIP, VMCS_GUEST_CS_ACCESS_RIGHTS, VMCS_ENTRY_CTLS),
	RULE((IA32E_GUEST, ON(CS_RIGHTS, MKVM_AR_L)), canonical,
	     "guest RIP is canonical in 64-bit code", GUEST_RIP, VMCS_GUEST_CS_ACCESS_RIGHTS),
	RULE((), rflags_reserved, "guest RFLAGS: reserved bits are 0, and bit 1 is 1",
	     GUEST_RFLAGS),
	RULE((), rflags_vm, "guest RFLAGS.VM is 0 in IA-32e mode and in real mode",
	     GUEST_RFLAGS, VMCS_ENTRY_CTLS, VMCS_GUEST_CR0),
	RULE((), rflags_if, "guest RFLAGS.IF is 1 when an external interrupt is injected",
	     GUEST_RFLAGS, VMCS_ENTRY_INTR_INFO),
	RULE((ENTRY_CET), dword_aligned, "guest SSP: bits 1:0 are 0", GUEST_SSP),
};

/* ---- "Checks on Guest Non-Register State" ---- */

static bool shadowed(const struct view *v)
{
	return v->word[STATE] & (MKVM_BLOCKING_BY_STI | MKVM_BLOCKING_BY_MOV_SS);
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

static bool external_shadow(const struct view *v, u16 field)
{
	const u64 shadow = MKVM_BLOCKING_BY_STI | MKVM_BLOCKING_BY_MOV_SS;

	return implies(injecting(v, MKVM_INTR_TYPE_EXTERNAL), !(get(v, field) & shadow));
}

static bool nmi_mov_ss(const struct view *v, u16 field)
{
	return implies(injecting(v, MKVM_INTR_TYPE_NMI),
		       !(get(v, field) & MKVM_BLOCKING_BY_MOV_SS));
}

static bool nmi_blocking(const struct view *v, u16 field)
{
	return implies(injecting(v, MKVM_INTR_TYPE_NMI),
		       !(get(v, field) & MKVM_BLOCKING_BY_NMI));
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
	bool steps = (v->word[RFLAGS] & X86_EFLAGS_TF) && !btf;
	bool matters = shadowed(v) || get(v, VMCS_GUEST_ACTIVITY_STATE) == MKVM_ACTIVITY_HLT;

	return implies(matters, !!(get(v, field) & MKVM_PENDING_DEBUG_BS) == steps);
}

static bool pending_rtm(const struct view *v, u16 field)
{
	u64 pending = get(v, field);

	return implies(pending & MKVM_PENDING_DEBUG_RTM,
		       pending == (MKVM_PENDING_DEBUG_RTM |
				   MKVM_PENDING_DEBUG_ENABLED_BREAKPOINT) &&
		       !(v->word[STATE] & MKVM_BLOCKING_BY_MOV_SS));
}

static bool link_aligned(const struct view *v, u16 field)
{
	return get(v, field) == ~0ull || page_aligned(v, field);
}

static bool link_in_phys(const struct view *v, u16 field)
{
	return get(v, field) == ~0ull || in_phys(v, field);
}

static const struct rule non_register_rules[] = {
	RULE((), activity_supported, "activity state is one that the CPU supports",
	     GUEST_ACTIVITY_STATE),
	RULE((), hlt_dpl, "activity state HLT needs DPL 0 in SS",
	     GUEST_ACTIVITY_STATE, VMCS_GUEST_SS_ACCESS_RIGHTS),
	RULE((), shadow_active,
	     "activity state is active while events are blocked by STI or MOV SS",
	     GUEST_ACTIVITY_STATE, VMCS_GUEST_INTERRUPTIBILITY),
	RULE((INJECTING), activity_injection, "the injected event fits the activity state",
	     GUEST_ACTIVITY_STATE, VMCS_ENTRY_INTR_INFO),
	RULE((), interruptibility_reserved, "interruptibility state: bits 31:5 are 0",
	     GUEST_INTERRUPTIBILITY),
	NEEDS((ON(STATE, MKVM_BLOCKING_BY_STI)), OFF(STATE, MKVM_BLOCKING_BY_MOV_SS),
	      "blocking by STI and by MOV SS exclude each other", GUEST_INTERRUPTIBILITY),
	NEEDS((ON(STATE, MKVM_BLOCKING_BY_STI)), ON(RFLAGS, X86_EFLAGS_IF),
	      "blocking by STI needs RFLAGS.IF", GUEST_INTERRUPTIBILITY, VMCS_GUEST_RFLAGS),
	RULE((), external_shadow,
	     "no external interrupt is injected while STI or MOV SS blocks it",
	     GUEST_INTERRUPTIBILITY, VMCS_ENTRY_INTR_INFO),
	RULE((), nmi_mov_ss, "no NMI is injected while MOV SS blocks it",
	     GUEST_INTERRUPTIBILITY, VMCS_ENTRY_INTR_INFO),
	NEEDS((), OFF(STATE, MKVM_BLOCKING_BY_SMI), "blocking by SMI is 0 outside SMM",
	      GUEST_INTERRUPTIBILITY),
	RULE((VIRTUAL_NMIS), nmi_blocking,
	     "with virtual NMIs no NMI is injected while NMIs are blocked",
	     GUEST_INTERRUPTIBILITY, VMCS_ENTRY_INTR_INFO, VMCS_PINBASED_CTLS),
	NEEDS((ON(STATE, MKVM_ENCLAVE_INTERRUPTION)), OFF(STATE, MKVM_BLOCKING_BY_MOV_SS),
	      "enclave interruption excludes blocking by MOV SS", GUEST_INTERRUPTIBILITY),
	RULE((), pending_reserved, "pending debug exceptions: reserved bits are 0",
	     GUEST_PENDING_DEBUG),
	RULE((), pending_bs,
	     "pending debug exceptions: BS equals TF without BTF in HLT or an interrupt shadow",
	     GUEST_PENDING_DEBUG,
	     VMCS_GUEST_RFLAGS, VMCS_GUEST_INTERRUPTIBILITY, VMCS_GUEST_ACTIVITY_STATE),
	RULE((), pending_rtm,
	     "pending debug exceptions: RTM stands alone with enabled breakpoint",
	     GUEST_PENDING_DEBUG, VMCS_GUEST_INTERRUPTIBILITY),
	RULE((), link_aligned, "VMCS link pointer is all ones, or its bits 11:0 are 0",
	     LINK_PTR),
	RULE((), link_in_phys,
	     "VMCS link pointer is all ones, or within the physical-address width", LINK_PTR),
};

/* ---- "Checks on Guest Page-Directory-Pointer-Table Entries" ---- */

/* Present entries: bits 2:1, 8:5 and those beyond the physical-address width. */
static bool pdpte(const struct view *v, u16 field)
{
	u64 entry = get(v, field);

	return !(entry & 1) ||
	       (!(entry & 0x1e6) && mkvm_fits(entry, v->caps->maxphyaddr));
}

#define PDPTE(n)							\
	RULE((ON(CR0, X86_CR0_PG), ON(CR4, X86_CR4_PAE), NO_IA32E_GUEST, HAS_EPT), pdpte, \
	     "guest PDPTE" #n ": reserved bits of a present entry are 0", GUEST_PDPTE##n)

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
	unsigned int i;

	for (i = 0; i < NR_WORDS; i++)
		v->word[i] = get(v, word_field[i]);
	if (!(v->word[PROC] & VMX_PROCBASED_SECONDARY_CONTROLS))
		v->word[PROC2] = 0;
}

static bool applies(const struct view *v, const struct rule *rule)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rule->when); i++)
		if (!met(v, rule->when[i]))
			return false;
	return true;
}

static bool broken(const struct view *v, const struct rule *rule)
{
	if (!applies(v, rule))
		return false;
	return rule->holds ? !rule->holds(v, rule->field) : !met(v, rule->needs);
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

			if (!broken(&v, rule))
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
