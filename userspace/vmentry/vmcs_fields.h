/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every field of the VMCS, once. SDM vol. 3, appendix "Field Encoding in VMCS".
 * The enumerators are VMCS_<NAME>; <asm/vmx.h>'s names may be visible as well,
 * so none of them is reused.
 */
#ifndef MKVM_VMCS_FIELDS_H
#define MKVM_VMCS_FIELDS_H

#include "pure.h"

/* X(encoding, NAME, area, text), in ascending order of encoding. */
#define MKVM_VMCS_FIELDS(X) \
	/* 16-bit control fields */ \
	X(0x0000, VPID, CONTROL, "virtual-processor identifier") \
	X(0x0002, POSTED_INTR_VECTOR, CONTROL, "posted-interrupt notification vector") \
	X(0x0004, EPTP_INDEX, CONTROL, "EPTP index") \
	X(0x0006, HLAT_PREFIX_SIZE, CONTROL, "HLAT prefix size") \
	X(0x0008, LAST_PID_INDEX, CONTROL, "last PID-pointer index") \
	/* 16-bit guest-state fields */ \
	X(0x0800, GUEST_ES_SELECTOR, GUEST, "guest ES selector") \
	X(0x0802, GUEST_CS_SELECTOR, GUEST, "guest CS selector") \
	X(0x0804, GUEST_SS_SELECTOR, GUEST, "guest SS selector") \
	X(0x0806, GUEST_DS_SELECTOR, GUEST, "guest DS selector") \
	X(0x0808, GUEST_FS_SELECTOR, GUEST, "guest FS selector") \
	X(0x080a, GUEST_GS_SELECTOR, GUEST, "guest GS selector") \
	X(0x080c, GUEST_LDTR_SELECTOR, GUEST, "guest LDTR selector") \
	X(0x080e, GUEST_TR_SELECTOR, GUEST, "guest TR selector") \
	X(0x0810, GUEST_INTR_STATUS, GUEST, "guest interrupt status") \
	X(0x0812, PML_INDEX, GUEST, "PML index") \
	X(0x0814, GUEST_UINV, GUEST, "guest UINV") \
	/* 16-bit host-state fields */ \
	X(0x0c00, HOST_ES_SELECTOR, HOST, "host ES selector") \
	X(0x0c02, HOST_CS_SELECTOR, HOST, "host CS selector") \
	X(0x0c04, HOST_SS_SELECTOR, HOST, "host SS selector") \
	X(0x0c06, HOST_DS_SELECTOR, HOST, "host DS selector") \
	X(0x0c08, HOST_FS_SELECTOR, HOST, "host FS selector") \
	X(0x0c0a, HOST_GS_SELECTOR, HOST, "host GS selector") \
	X(0x0c0c, HOST_TR_SELECTOR, HOST, "host TR selector") \
	/* 64-bit control fields */ \
	X(0x2000, IO_BITMAP_A, CONTROL, "address of I/O bitmap A") \
	X(0x2002, IO_BITMAP_B, CONTROL, "address of I/O bitmap B") \
	X(0x2004, MSR_BITMAP, CONTROL, "address of MSR bitmaps") \
	X(0x2006, EXIT_MSR_STORE_ADDR, CONTROL, "VM-exit MSR-store address") \
	X(0x2008, EXIT_MSR_LOAD_ADDR, CONTROL, "VM-exit MSR-load address") \
	X(0x200a, ENTRY_MSR_LOAD_ADDR, CONTROL, "VM-entry MSR-load address") \
	X(0x200c, EXECUTIVE_VMCS_PTR, CONTROL, "executive-VMCS pointer") \
	X(0x200e, PML_ADDR, CONTROL, "PML address") \
	X(0x2010, TSC_OFFSET, CONTROL, "TSC offset") \
	X(0x2012, VIRTUAL_APIC_ADDR, CONTROL, "virtual-APIC address") \
	X(0x2014, APIC_ACCESS_PAGE_ADDR, CONTROL, "APIC-access address") \
	X(0x2016, POSTED_INTR_DESC, CONTROL, "posted-interrupt descriptor address") \
	X(0x2018, VM_FUNCTION_CTLS, CONTROL, "VM-function controls") \
	X(0x201a, EPT_POINTER, CONTROL, "EPT pointer") \
	X(0x201c, EOI_EXIT_BITMAP_0, CONTROL, "EOI-exit bitmap 0") \
	X(0x201e, EOI_EXIT_BITMAP_1, CONTROL, "EOI-exit bitmap 1") \
	X(0x2020, EOI_EXIT_BITMAP_2, CONTROL, "EOI-exit bitmap 2") \
	X(0x2022, EOI_EXIT_BITMAP_3, CONTROL, "EOI-exit bitmap 3") \
	X(0x2024, EPTP_LIST_ADDR, CONTROL, "EPTP-list address") \
	X(0x2026, VMREAD_BITMAP_ADDR, CONTROL, "VMREAD-bitmap address") \
	X(0x2028, VMWRITE_BITMAP_ADDR, CONTROL, "VMWRITE-bitmap address") \
	X(0x202a, VIRT_EXCEPTION_INFO, CONTROL, "virtualization-exception information address") \
	X(0x202c, XSS_EXITING_BITMAP, CONTROL, "XSS-exiting bitmap") \
	X(0x202e, ENCLS_EXIT_BITMAP, CONTROL, "ENCLS-exiting bitmap") \
	X(0x2030, SPP_TABLE_PTR, CONTROL, "sub-page-permission-table pointer") \
	X(0x2032, TSC_MULTIPLIER, CONTROL, "TSC multiplier") \
	X(0x2034, PROCBASED3_CTLS, CONTROL, "tertiary processor-based VM-execution controls") \
	X(0x2036, ENCLV_EXIT_BITMAP, CONTROL, "ENCLV-exiting bitmap") \
	X(0x2038, LOW_PASID_DIR, CONTROL, "low PASID directory address") \
	X(0x203a, HIGH_PASID_DIR, CONTROL, "high PASID directory address") \
	X(0x203c, SHARED_EPT_POINTER, CONTROL, "shared EPT pointer") \
	X(0x203e, PCONFIG_EXIT_BITMAP, CONTROL, "PCONFIG-exiting bitmap") \
	X(0x2040, HLATP, CONTROL, "hypervisor-managed linear-address translation pointer") \
	X(0x2042, PID_POINTER_TABLE_ADDR, CONTROL, "PID-pointer table address") \
	X(0x2044, EXIT2_CTLS, CONTROL, "secondary VM-exit controls") \
	X(0x204a, SPEC_CTRL_MASK, CONTROL, "IA32_SPEC_CTRL mask") \
	X(0x204c, SPEC_CTRL_SHADOW, CONTROL, "IA32_SPEC_CTRL shadow") \
	X(0x2052, INJECTED_EVENT_DATA, CONTROL, "injected-event data") \
	/* 64-bit read-only data fields */ \
	X(0x2400, GUEST_PHYSICAL_ADDRESS, EXIT_INFO, "guest-physical address") \
	X(0x2404, ORIGINAL_EVENT_DATA, EXIT_INFO, "original-event data") \
	/* 64-bit guest-state fields */ \
	X(0x2800, LINK_PTR, GUEST, "VMCS link pointer") \
	X(0x2802, GUEST_IA32_DEBUGCTL, GUEST, "guest IA32_DEBUGCTL") \
	X(0x2804, GUEST_IA32_PAT, GUEST, "guest IA32_PAT") \
	X(0x2806, GUEST_IA32_EFER, GUEST, "guest IA32_EFER") \
	X(0x2808, GUEST_IA32_PERF_GLOBAL_CTRL, GUEST, "guest IA32_PERF_GLOBAL_CTRL") \
	X(0x280a, GUEST_PDPTE0, GUEST, "guest PDPTE0") \
	X(0x280c, GUEST_PDPTE1, GUEST, "guest PDPTE1") \
	X(0x280e, GUEST_PDPTE2, GUEST, "guest PDPTE2") \
	X(0x2810, GUEST_PDPTE3, GUEST, "guest PDPTE3") \
	X(0x2812, GUEST_IA32_BNDCFGS, GUEST, "guest IA32_BNDCFGS") \
	X(0x2814, GUEST_IA32_RTIT_CTL, GUEST, "guest IA32_RTIT_CTL") \
	X(0x2816, GUEST_IA32_LBR_CTL, GUEST, "guest IA32_LBR_CTL") \
	X(0x2818, GUEST_IA32_PKRS, GUEST, "guest IA32_PKRS") \
	X(0x281a, GUEST_IA32_FRED_CONFIG, GUEST, "guest IA32_FRED_CONFIG") \
	X(0x281c, GUEST_IA32_FRED_RSP1, GUEST, "guest IA32_FRED_RSP1") \
	X(0x281e, GUEST_IA32_FRED_RSP2, GUEST, "guest IA32_FRED_RSP2") \
	X(0x2820, GUEST_IA32_FRED_RSP3, GUEST, "guest IA32_FRED_RSP3") \
	X(0x2822, GUEST_IA32_FRED_STKLVLS, GUEST, "guest IA32_FRED_STKLVLS") \
	X(0x2824, GUEST_IA32_FRED_SSP1, GUEST, "guest IA32_FRED_SSP1") \
	X(0x2826, GUEST_IA32_FRED_SSP2, GUEST, "guest IA32_FRED_SSP2") \
	X(0x2828, GUEST_IA32_FRED_SSP3, GUEST, "guest IA32_FRED_SSP3") \
	/* 64-bit host-state fields */ \
	X(0x2c00, HOST_IA32_PAT, HOST, "host IA32_PAT") \
	X(0x2c02, HOST_IA32_EFER, HOST, "host IA32_EFER") \
	X(0x2c04, HOST_IA32_PERF_GLOBAL_CTRL, HOST, "host IA32_PERF_GLOBAL_CTRL") \
	X(0x2c06, HOST_IA32_PKRS, HOST, "host IA32_PKRS") \
	X(0x2c08, HOST_IA32_FRED_CONFIG, HOST, "host IA32_FRED_CONFIG") \
	X(0x2c0a, HOST_IA32_FRED_RSP1, HOST, "host IA32_FRED_RSP1") \
	X(0x2c0c, HOST_IA32_FRED_RSP2, HOST, "host IA32_FRED_RSP2") \
	X(0x2c0e, HOST_IA32_FRED_RSP3, HOST, "host IA32_FRED_RSP3") \
	X(0x2c10, HOST_IA32_FRED_STKLVLS, HOST, "host IA32_FRED_STKLVLS") \
	X(0x2c12, HOST_IA32_FRED_SSP1, HOST, "host IA32_FRED_SSP1") \
	X(0x2c14, HOST_IA32_FRED_SSP2, HOST, "host IA32_FRED_SSP2") \
	X(0x2c16, HOST_IA32_FRED_SSP3, HOST, "host IA32_FRED_SSP3") \
	/* 32-bit control fields */ \
	X(0x4000, PINBASED_CTLS, CONTROL, "pin-based VM-execution controls") \
	X(0x4002, PROCBASED_CTLS, CONTROL, "primary processor-based VM-execution controls") \
	X(0x4004, EXCEPTION_BITMAP, CONTROL, "exception bitmap") \
	X(0x4006, PF_ERROR_MASK, CONTROL, "page-fault error-code mask") \
	X(0x4008, PF_ERROR_MATCH, CONTROL, "page-fault error-code match") \
	X(0x400a, CR3_TARGET_COUNT, CONTROL, "CR3-target count") \
	X(0x400c, EXIT_CTLS, CONTROL, "primary VM-exit controls") \
	X(0x400e, EXIT_MSR_STORE_COUNT, CONTROL, "VM-exit MSR-store count") \
	X(0x4010, EXIT_MSR_LOAD_COUNT, CONTROL, "VM-exit MSR-load count") \
	X(0x4012, ENTRY_CTLS, CONTROL, "VM-entry controls") \
	X(0x4014, ENTRY_MSR_LOAD_COUNT, CONTROL, "VM-entry MSR-load count") \
	X(0x4016, ENTRY_INTR_INFO, CONTROL, "VM-entry interruption-information field") \
	X(0x4018, ENTRY_EXCEPTION_ERROR_CODE, CONTROL, "VM-entry exception error code") \
	X(0x401a, ENTRY_INSTRUCTION_LENGTH, CONTROL, "VM-entry instruction length") \
	X(0x401c, TPR_THRESHOLD, CONTROL, "TPR threshold") \
	X(0x401e, PROCBASED2_CTLS, CONTROL, "secondary processor-based VM-execution controls") \
	X(0x4020, PLE_GAP, CONTROL, "PLE_Gap") \
	X(0x4022, PLE_WINDOW, CONTROL, "PLE_Window") \
	X(0x4024, INSTRUCTION_TIMEOUT, CONTROL, "instruction-timeout control") \
	/* 32-bit read-only data fields */ \
	X(0x4400, INSTRUCTION_ERROR, EXIT_INFO, "VM-instruction error") \
	X(0x4402, EXIT_REASON, EXIT_INFO, "exit reason") \
	X(0x4404, EXIT_INTR_INFO, EXIT_INFO, "VM-exit interruption information") \
	X(0x4406, EXIT_INTR_ERROR_CODE, EXIT_INFO, "VM-exit interruption error code") \
	X(0x4408, IDT_VECTORING_INFO, EXIT_INFO, "IDT-vectoring information field") \
	X(0x440a, IDT_VECTORING_ERROR_CODE, EXIT_INFO, "IDT-vectoring error code") \
	X(0x440c, EXIT_INSTRUCTION_LENGTH, EXIT_INFO, "VM-exit instruction length") \
	X(0x440e, EXIT_INSTRUCTION_INFO, EXIT_INFO, "VM-exit instruction information") \
	/* 32-bit guest-state fields */ \
	X(0x4800, GUEST_ES_LIMIT, GUEST, "guest ES limit") \
	X(0x4802, GUEST_CS_LIMIT, GUEST, "guest CS limit") \
	X(0x4804, GUEST_SS_LIMIT, GUEST, "guest SS limit") \
	X(0x4806, GUEST_DS_LIMIT, GUEST, "guest DS limit") \
	X(0x4808, GUEST_FS_LIMIT, GUEST, "guest FS limit") \
	X(0x480a, GUEST_GS_LIMIT, GUEST, "guest GS limit") \
	X(0x480c, GUEST_LDTR_LIMIT, GUEST, "guest LDTR limit") \
	X(0x480e, GUEST_TR_LIMIT, GUEST, "guest TR limit") \
	X(0x4810, GUEST_GDTR_LIMIT, GUEST, "guest GDTR limit") \
	X(0x4812, GUEST_IDTR_LIMIT, GUEST, "guest IDTR limit") \
	X(0x4814, GUEST_ES_ACCESS_RIGHTS, GUEST, "guest ES access rights") \
	X(0x4816, GUEST_CS_ACCESS_RIGHTS, GUEST, "guest CS access rights") \
	X(0x4818, GUEST_SS_ACCESS_RIGHTS, GUEST, "guest SS access rights") \
	X(0x481a, GUEST_DS_ACCESS_RIGHTS, GUEST, "guest DS access rights") \
	X(0x481c, GUEST_FS_ACCESS_RIGHTS, GUEST, "guest FS access rights") \
	X(0x481e, GUEST_GS_ACCESS_RIGHTS, GUEST, "guest GS access rights") \
	X(0x4820, GUEST_LDTR_ACCESS_RIGHTS, GUEST, "guest LDTR access rights") \
	X(0x4822, GUEST_TR_ACCESS_RIGHTS, GUEST, "guest TR access rights") \
	X(0x4824, GUEST_INTERRUPTIBILITY, GUEST, "guest interruptibility state") \
	X(0x4826, GUEST_ACTIVITY_STATE, GUEST, "guest activity state") \
	X(0x4828, GUEST_SMBASE, GUEST, "guest SMBASE") \
	X(0x482a, GUEST_IA32_SYSENTER_CS, GUEST, "guest IA32_SYSENTER_CS") \
	X(0x482e, PREEMPTION_TIMER_VALUE, GUEST, "VMX-preemption timer value") \
	/* 32-bit host-state field */ \
	X(0x4c00, HOST_IA32_SYSENTER_CS, HOST, "host IA32_SYSENTER_CS") \
	/* natural-width control fields */ \
	X(0x6000, CR0_MASK, CONTROL, "CR0 guest/host mask") \
	X(0x6002, CR4_MASK, CONTROL, "CR4 guest/host mask") \
	X(0x6004, CR0_READ_SHADOW, CONTROL, "CR0 read shadow") \
	X(0x6006, CR4_READ_SHADOW, CONTROL, "CR4 read shadow") \
	X(0x6008, CR3_TARGET_0, CONTROL, "CR3-target value 0") \
	X(0x600a, CR3_TARGET_1, CONTROL, "CR3-target value 1") \
	X(0x600c, CR3_TARGET_2, CONTROL, "CR3-target value 2") \
	X(0x600e, CR3_TARGET_3, CONTROL, "CR3-target value 3") \
	/* natural-width read-only data fields */ \
	X(0x6400, EXIT_QUALIFICATION, EXIT_INFO, "exit qualification") \
	X(0x6402, IO_RCX, EXIT_INFO, "I/O RCX") \
	X(0x6404, IO_RSI, EXIT_INFO, "I/O RSI") \
	X(0x6406, IO_RDI, EXIT_INFO, "I/O RDI") \
	X(0x6408, IO_RIP, EXIT_INFO, "I/O RIP") \
	X(0x640a, GUEST_LINEAR_ADDRESS, EXIT_INFO, "guest-linear address") \
	/* natural-width guest-state fields */ \
	X(0x6800, GUEST_CR0, GUEST, "guest CR0") \
	X(0x6802, GUEST_CR3, GUEST, "guest CR3") \
	X(0x6804, GUEST_CR4, GUEST, "guest CR4") \
	X(0x6806, GUEST_ES_BASE, GUEST, "guest ES base") \
	X(0x6808, GUEST_CS_BASE, GUEST, "guest CS base") \
	X(0x680a, GUEST_SS_BASE, GUEST, "guest SS base") \
	X(0x680c, GUEST_DS_BASE, GUEST, "guest DS base") \
	X(0x680e, GUEST_FS_BASE, GUEST, "guest FS base") \
	X(0x6810, GUEST_GS_BASE, GUEST, "guest GS base") \
	X(0x6812, GUEST_LDTR_BASE, GUEST, "guest LDTR base") \
	X(0x6814, GUEST_TR_BASE, GUEST, "guest TR base") \
	X(0x6816, GUEST_GDTR_BASE, GUEST, "guest GDTR base") \
	X(0x6818, GUEST_IDTR_BASE, GUEST, "guest IDTR base") \
	X(0x681a, GUEST_DR7, GUEST, "guest DR7") \
	X(0x681c, GUEST_RSP, GUEST, "guest RSP") \
	X(0x681e, GUEST_RIP, GUEST, "guest RIP") \
	X(0x6820, GUEST_RFLAGS, GUEST, "guest RFLAGS") \
	X(0x6822, GUEST_PENDING_DEBUG, GUEST, "guest pending debug exceptions") \
	X(0x6824, GUEST_IA32_SYSENTER_ESP, GUEST, "guest IA32_SYSENTER_ESP") \
	X(0x6826, GUEST_IA32_SYSENTER_EIP, GUEST, "guest IA32_SYSENTER_EIP") \
	X(0x6828, GUEST_IA32_S_CET, GUEST, "guest IA32_S_CET") \
	X(0x682a, GUEST_SSP, GUEST, "guest SSP") \
	X(0x682c, GUEST_IA32_INTR_SSP_TABLE, GUEST, "guest IA32_INTERRUPT_SSP_TABLE_ADDR") \
	/* natural-width host-state fields */ \
	X(0x6c00, HOST_CR0, HOST, "host CR0") \
	X(0x6c02, HOST_CR3, HOST, "host CR3") \
	X(0x6c04, HOST_CR4, HOST, "host CR4") \
	X(0x6c06, HOST_FS_BASE, HOST, "host FS base") \
	X(0x6c08, HOST_GS_BASE, HOST, "host GS base") \
	X(0x6c0a, HOST_TR_BASE, HOST, "host TR base") \
	X(0x6c0c, HOST_GDTR_BASE, HOST, "host GDTR base") \
	X(0x6c0e, HOST_IDTR_BASE, HOST, "host IDTR base") \
	X(0x6c10, HOST_IA32_SYSENTER_ESP, HOST, "host IA32_SYSENTER_ESP") \
	X(0x6c12, HOST_IA32_SYSENTER_EIP, HOST, "host IA32_SYSENTER_EIP") \
	X(0x6c14, HOST_RSP, HOST, "host RSP") \
	X(0x6c16, HOST_RIP, HOST, "host RIP") \
	X(0x6c18, HOST_IA32_S_CET, HOST, "host IA32_S_CET") \
	X(0x6c1a, HOST_SSP, HOST, "host SSP") \
	X(0x6c1c, HOST_IA32_INTR_SSP_TABLE, HOST, "host IA32_INTERRUPT_SSP_TABLE_ADDR")

/* The area a field belongs to, as bits 11:10 of its encoding tell. */
enum mkvm_vmcs_area {
	MKVM_VMCS_CONTROL,
	MKVM_VMCS_EXIT_INFO,
	MKVM_VMCS_GUEST,
	MKVM_VMCS_HOST,
	MKVM_VMCS_NR_AREAS,
};

/* Bits 14:13 of an encoding. */
enum mkvm_vmcs_width {
	MKVM_VMCS_16BIT,
	MKVM_VMCS_64BIT,
	MKVM_VMCS_32BIT,
	MKVM_VMCS_NATURAL,
};

enum mkvm_vmcs_encoding {
#define MKVM_VMCS_ENUMERATOR(encoding, name, area, text) VMCS_##name = encoding,
	MKVM_VMCS_FIELDS(MKVM_VMCS_ENUMERATOR)
#undef MKVM_VMCS_ENUMERATOR
};

/* Usable in constant expressions: the vmcs_read()/vmcs_write() types use them. */
#define MKVM_VMCS_WIDTH(encoding)	(((encoding) >> 13) & 3)
#define MKVM_VMCS_AREA(encoding)	(((encoding) >> 10) & 3)

struct mkvm_vmcs_field_info {
	u32 encoding;
	u32 area;		/* enum mkvm_vmcs_area */
	const char *name;	/* "GUEST_CS_SELECTOR" */
	const char *text;	/* "guest CS selector", the SDM's words */
};

MKVM_PURE_BEGIN

extern const struct mkvm_vmcs_field_info mkvm_vmcs_fields[];
extern const unsigned int mkvm_vmcs_nr_fields;

/* NULL when no field has this encoding. */
const struct mkvm_vmcs_field_info *mkvm_vmcs_field_find(u32 encoding);

/* In bits: 16, 32 or 64; natural width counts as 64. */
unsigned int mkvm_vmcs_field_bits(u32 encoding);

/* "guest state", "host state", "control", "exit information". */
const char *mkvm_vmcs_area_name(u32 area);

MKVM_PURE_END

#endif /* MKVM_VMCS_FIELDS_H */
