// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a new VMCS is filled with, one function per area: execution, exit and
 * entry controls, and the host-state area. The guest-state area is state.c's.
 * SDM vol. 3, chapter "Virtual Machine Control Structures".
 */
#include "vmx/vmx.h"

/* For all vCPUs, and for those with a virtual x2APIC: they never change after module load. */
static unsigned long *msr_bitmap, *x2apic_msr_bitmap;

/* In EPT the page of an xAPIC: "APIC-access page". No access ever reaches it. */
struct page *vmx_apic_access_page;

/*
 * Exceptions that the host must see: #MC is the machine's, #DB and #AC are
 * given back to the guest by injection, because their delivery can raise them
 * again without end and only a VM exit breaks that loop.
 */
#define VMX_EXCEPTION_BITMAP	(BIT(X86_TRAP_MC) | BIT(X86_TRAP_DB) | BIT(X86_TRAP_AC) | \
				 BIT(X86_TRAP_UD))

/* The MSR bitmap is four 1-KiB parts: read low, read high, write low, write high. */
#define MSR_BITMAP_HIGH		(1024 * 8)
#define MSR_BITMAP_WRITE	(2048 * 8)

static void let_through(unsigned long *bitmap, u32 msr, bool read, bool write)
{
	unsigned long bit = (msr & 0x1fff) + (msr >= 0xc0000000 ? MSR_BITMAP_HIGH : 0);

	if (read)
		__clear_bit(bit, bitmap);
	if (write)
		__clear_bit(bit + MSR_BITMAP_WRITE, bitmap);
}

/*
 * Let through only what VM entry and exit switch (the VMCS has a field), what
 * host_enter/host_leave switch, and the TSC, whose reads the CPU offsets.
 */
static void fill_bitmap(unsigned long *bitmap)
{
	static const u32 switched[] = {
		MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
		MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	};
	unsigned int i;

	memset(bitmap, 0xff, PAGE_SIZE);
	let_through(bitmap, MSR_IA32_TSC, true, false);
	for (i = 0; i < ARRAY_SIZE(switched); i++)
		let_through(bitmap, switched[i], true, true);
}

int vmx_controls_setup(void)
{
	msr_bitmap = (unsigned long *)__get_free_pages(GFP_KERNEL, 1);
	vmx_apic_access_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!msr_bitmap || !vmx_apic_access_page) {
		vmx_controls_unsetup();
		return -ENOMEM;
	}
	x2apic_msr_bitmap = msr_bitmap + PAGE_SIZE / sizeof(*msr_bitmap);
	fill_bitmap(msr_bitmap);
	fill_bitmap(x2apic_msr_bitmap);
	/* And what the CPU finds in the virtual-APIC page: other registers would be the host's. */
	let_through(x2apic_msr_bitmap, MKVM_X2APIC_MSR + MKVM_APIC_TPR, true, true);
	let_through(x2apic_msr_bitmap, MKVM_X2APIC_MSR + MKVM_APIC_EOI, false, true);
	let_through(x2apic_msr_bitmap, MKVM_X2APIC_MSR + MKVM_APIC_SELF_IPI, false, true);
	return 0;
}

void vmx_controls_unsetup(void)
{
	free_pages((unsigned long)msr_bitmap, 1);
	msr_bitmap = NULL;
	if (vmx_apic_access_page)
		__free_page(vmx_apic_access_page);
	vmx_apic_access_page = NULL;
}

void vmx_cpuid_policy(struct mkvm_cpuid_policy *p)
{
	p->cr4 = vmx_host.caps.cr4_fixed1;
	p->efer = vmx_host.caps.efer_mask;
	p->maxphyaddr = vmx_host.caps.maxphyaddr;
	p->rdtscp = vmx_host.word[MKVM_CTL_PROC2] & SECONDARY_EXEC_ENABLE_RDTSCP;
	p->invpcid = vmx_host.word[MKVM_CTL_PROC2] & SECONDARY_EXEC_ENABLE_INVPCID;
}

/* Masks and counts that nobody uses, no event to inject, null selectors: RPL and TI must be 0. */
static const u32 zero_fields[] = {
	PAGE_FAULT_ERROR_CODE_MASK, PAGE_FAULT_ERROR_CODE_MATCH, CR3_TARGET_COUNT,
	VM_EXIT_MSR_STORE_COUNT, VM_EXIT_MSR_LOAD_COUNT, VM_ENTRY_MSR_LOAD_COUNT,
	VM_ENTRY_INTR_INFO_FIELD,
	/* Whatever the thread has: host/state.c restores. */
	HOST_DS_SELECTOR, HOST_ES_SELECTOR, HOST_FS_SELECTOR, HOST_GS_SELECTOR,
};

static bool has_tpr_shadow(void)
{
	return mkvm_vmx_has(&vmx_host.caps, MKVM_CTL_PROC, CPU_BASED_TPR_SHADOW);
}

static void init_controls(struct mkvm_vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	const u32 *word = vmx_host.word;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(zero_fields); i++)
		vmcs_write_raw(zero_fields[i], 0);
	vmcs_write(PIN_BASED_VM_EXEC_CONTROL, word[MKVM_CTL_PIN]);
	/* x86/debug.c keeps the guest's debug registers: it sees every access. */
	vmx->procbased = word[MKVM_CTL_PROC] | CPU_BASED_MOV_DR_EXITING;
	vmcs_write(CPU_BASED_VM_EXEC_CONTROL, vmx->procbased);
	vmcs_write(SECONDARY_VM_EXEC_CONTROL, word[MKVM_CTL_PROC2]);
	vmcs_write(VM_EXIT_CONTROLS, word[MKVM_CTL_EXIT]);
	vmcs_write(VM_ENTRY_CONTROLS, word[MKVM_CTL_ENTRY]);
	vmcs_write(EXCEPTION_BITMAP, (u32)VMX_EXCEPTION_BITMAP);
	vmcs_write(MSR_BITMAP, (u64)__pa(msr_bitmap));
	vmcs_write(VIRTUAL_PROCESSOR_ID, vmx->vpid);
	vmcs_write(VMCS_LINK_POINTER, ~0ull);
	if (v->apic && has_tpr_shadow()) {
		vmcs_write(VIRTUAL_APIC_PAGE_ADDR, (u64)__pa(v->apic_page));
		vmcs_write(TPR_THRESHOLD, 0);
	}
	if (word[MKVM_CTL_PIN] & PIN_BASED_VMX_PREEMPTION_TIMER)
		vmcs_write(VMX_PREEMPTION_TIMER_VALUE, vmx_host.slice);
}

/* What is the same on every CPU; vmx_host_area_load and run.c do the rest. */
static void init_host_area(struct vmx_vcpu *vmx)
{
	u64 msr;

	vmcs_write(HOST_CR0, read_cr0() & ~X86_CR0_TS);
	vmcs_write(HOST_CS_SELECTOR, (u16)__KERNEL_CS);
	vmcs_write(HOST_SS_SELECTOR, (u16)__KERNEL_DS);
	vmcs_write(HOST_TR_SELECTOR, (u16)(GDT_ENTRY_TSS * 8));
	vmcs_write(HOST_RIP, (unsigned long)mkvm_vmx_exit_label);
	rdmsrq(MSR_EFER, msr);
	vmcs_write(HOST_IA32_EFER, msr);
	rdmsrq(MSR_IA32_CR_PAT, msr);
	vmcs_write(HOST_IA32_PAT, msr);
	vmx->host_cr3 = ~0ul;
	vmx->host_cr4 = ~0ul;
	vmx->host_fs_base = ~0ul;
	vmx->host_cpu = -1;
}

/* Loaded. Everything of a new VMCS but the EPT pointer and the guest's state. */
void vmx_vmcs_init(struct mkvm_vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);

	BUILD_BUG_ON(HOST_RSP != 0x6c14);	/* enter.S knows the number */
	init_controls(v);
	init_host_area(vmx);
	vmx_vcpu_reset(v);
}

/* Loaded. What belongs to this CPU: of the host-state area, and the MSRs beside it. */
void vmx_host_area_load(struct vmx_vcpu *vmx, int cpu)
{
	struct mkvm_host_area area;

	mkvm_host_area(&area);
	vmcs_write(HOST_TR_BASE, area.tr_base);
	vmcs_write(HOST_GDTR_BASE, area.gdt_base);
	vmcs_write(HOST_IDTR_BASE, area.idt_base);
	vmcs_write(HOST_GS_BASE, area.gs_base);
	vmcs_write(HOST_IA32_SYSENTER_CS, area.sysenter_cs);
	vmcs_write(HOST_IA32_SYSENTER_ESP, area.sysenter_esp);
	vmcs_write(HOST_IA32_SYSENTER_EIP, area.sysenter_eip);
	vmx_read_host_msrs(vmx);
	vmx->host_cpu = cpu;
}

void vmx_intercept_msrs(struct mkvm_vcpu *v, bool all)
{
	vmx_set_procbased(to_vmx(v), all ? 0 : CPU_BASED_USE_MSR_BITMAPS,
			  all ? CPU_BASED_USE_MSR_BITMAPS : 0);
}

#define APIC_CONTROLS	(SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE | \
			 SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES | \
			 SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY)
#define CR8_EXITS	(CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING)

/*
 * By default only on CPUs that can post interrupts, as all have that do this well: Bochs 2.7
 * cannot, and after a VM exit in the delivery of a virtual interrupt its IDT-vectoring
 * information is another event's.
 */
static int virtual_apic = -1;
module_param(virtual_apic, int, 0444);
MODULE_PARM_DESC(virtual_apic, "the CPU virtualizes local APICs: 0 never, 1 if it can, -1 if it does it well");

static bool can_virtualize_apic(void)
{
	const struct mkvm_vmx_caps *caps = &vmx_host.caps;

	return virtual_apic && has_tpr_shadow() &&
	       mkvm_vmx_has(caps, MKVM_CTL_PROC2, APIC_CONTROLS) &&
	       (virtual_apic > 0 || mkvm_vmx_has(caps, MKVM_CTL_PIN, PIN_BASED_POSTED_INTR));
}

/* TPR shadow: the byte in the virtual-APIC page, which is the page of registers, is CR8. */
void vmx_let_cr8(struct mkvm_vcpu *v, bool on)
{
	if (has_tpr_shadow())
		vmx_set_procbased(to_vmx(v), on ? CPU_BASED_TPR_SHADOW : CR8_EXITS,
				  on ? CR8_EXITS : CPU_BASED_TPR_SHADOW);
}

/*
 * SDM vol. 3, chapter "APIC Virtualization and Virtual Interrupts". Not "APIC-register
 * virtualization": it exits after the write, when the timer's registers have lost what they held.
 */
bool vmx_virtualize_apic(struct mkvm_vcpu *v, u32 mode)
{
	u32 proc2 = vmx_host.word[MKVM_CTL_PROC2];
	bool x2apic = mode == MKVM_APIC_MODE_X2;

	if (!can_virtualize_apic())
		return false;
	if (mode)
		proc2 |= SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY |
			 (x2apic ? SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE :
				   SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES);
	vmx_set_procbased(to_vmx(v), mode ? CPU_BASED_TPR_SHADOW : CR8_EXITS,
			  mode ? CR8_EXITS : CPU_BASED_TPR_SHADOW);
	vmcs_write(SECONDARY_VM_EXEC_CONTROL, proc2);
	vmcs_write(MSR_BITMAP, (u64)__pa(x2apic ? x2apic_msr_bitmap : msr_bitmap));
	vmcs_write(APIC_ACCESS_ADDR, (u64)page_to_phys(vmx_apic_access_page));
	vmx_flush_tlb(v);	/* it may remember the page as any other */
	return mode;
}

void vmx_intercept_exception(struct mkvm_vcpu *v, u8 vector, bool on)
{
	u32 bitmap = vmcs_read(EXCEPTION_BITMAP), bit = BIT(vector);

	vmcs_write(EXCEPTION_BITMAP, on ? bitmap | bit : bitmap & ~bit);
}

/* Loaded. Change primary processor-based controls; no VMWRITE without a change. */
void vmx_set_procbased(struct vmx_vcpu *vmx, u32 set, u32 clear)
{
	u32 value = (vmx->procbased | set) & ~clear;

	if (value == vmx->procbased)
		return;
	vmx->procbased = value;
	vmcs_write(CPU_BASED_VM_EXEC_CONTROL, value);
}
