// SPDX-License-Identifier: GPL-2.0-only
/*
 * One function per reason for a VM exit, and the table that finds it.
 * SDM vol. 3, chapter "VM Exits", and appendix "VMX Basic Exit Reasons".
 *
 * Handlers run with interrupts off and the VMCS current. They say MKVM_RESUME,
 * or why the loop must be left; what may sleep they defer (mkvm_defer).
 */
#include "vmx/vmx.h"

/* What <asm/vmx.h> lacks. */
#define EXIT_REASON_GETSEC	11
#define EXIT_REASON_PCONFIG	65
#define EXIT_REASON_ENCLV	70
#define PENDING_DEBUG_BS	BIT(14)

struct exit_rule {
	int (*handle)(struct mkvm_vcpu *v);
	u8 flags;
};

#define SKIPS		BIT(0)	/* the instruction is done then, unless it is deferred or faulted */
#define IN_DELIVERY	BIT(1)	/* may have interrupted the delivery of an event */

/*
 * Advance RIP as the end of an instruction does: the interrupt shadow ends, and
 * a single-stepping guest gets its #DB. Loaded.
 */
static __always_inline void skip_insn(struct mkvm_vcpu *v, u32 len)
{
	u32 state;

	if (unlikely(v->regs_avail & BIT(MKVM_RIP)))
		mkvm_write_rip(v, v->regs[MKVM_RIP] + len);
	else
		vmcs_write(GUEST_RIP, vmcs_read(GUEST_RIP) + len);
	state = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);
	if (state & (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS))
		vmcs_write(GUEST_INTERRUPTIBILITY_INFO,
			   state & ~(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS));
	if (unlikely(vmcs_read(GUEST_RFLAGS) & X86_EFLAGS_TF))
		mkvm_queue_debug_exception(v, DR_STEP);
}

void vmx_skip_insn(struct mkvm_vcpu *v, u32 len)
{
	skip_insn(v, len);
}

static int unexpected_exit(struct mkvm_vcpu *v)
{
	return mkvm_unexpected_exit(v, to_vmx(v)->exit_reason);
}

/* ---- exceptions, interrupts and windows ---- */

/*
 * IRET had unblocked NMIs before it faulted, and the fault came here instead
 * of to the guest: block them again. SDM, "NMI Unblocking Due to IRET".
 */
static void redo_nmi_blocking(bool unblocked)
{
	if (unblocked && !(vmcs_read(IDT_VECTORING_INFO_FIELD) & INTR_INFO_VALID_MASK))
		vmcs_write(GUEST_INTERRUPTIBILITY_INFO,
			   vmcs_read(GUEST_INTERRUPTIBILITY_INFO) | GUEST_INTR_STATE_NMI);
}

static int exit_debug_exception(struct mkvm_vcpu *v, u32 info)
{
	u64 causes = vmcs_read(EXIT_QUALIFICATION);

	if (mkvm_takes_debug_exceptions(v))
		;	/* the guest does not get it */
	else if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_PRIV_SW_EXCEPTION)
		vmx_skip_insn(v, vmcs_read(VM_EXIT_INSTRUCTION_LEN));	/* INT1 */
	else if ((vmcs_read(GUEST_RFLAGS) & X86_EFLAGS_TF) && !vmx_irq_allowed(v))
		/* VM entry demands BS with TF under an interrupt shadow. */
		vmcs_write(GUEST_PENDING_DBG_EXCEPTIONS,
			   (unsigned long)(vmcs_read(GUEST_PENDING_DBG_EXCEPTIONS) |
					   PENDING_DEBUG_BS));
	mkvm_queue_debug_exception(v, causes);
	return MKVM_RESUME;
}

static int exit_exception_or_nmi(struct mkvm_vcpu *v)
{
	u32 info = vmcs_read(VM_EXIT_INTR_INFO);
	u8 vector = info & INTR_INFO_VECTOR_MASK;

	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR)
		return MKVM_BREAK;	/* run.c gave it to the host at once */
	if (vector != X86_TRAP_DF)
		redo_nmi_blocking(info & INTR_INFO_UNBLOCK_NMI);
	switch (vector) {
	case X86_TRAP_MC:
		mkvm_host_machine_check();
		return MKVM_BREAK;
	case X86_TRAP_BP:
		mkvm_debug_exit(v, vector, 0);
		return MKVM_RESUME;
	case X86_TRAP_DB:
		return exit_debug_exception(v, info);
	case X86_TRAP_UD:
		return mkvm_exit_undefined(v);
	case X86_TRAP_AC:
		mkvm_queue_exception_error(v, vector, vmcs_read(VM_EXIT_INTR_ERROR_CODE));
		return MKVM_RESUME;
	}
	return unexpected_exit(v);
}

/* ---- control and debug registers ---- */

#define CR_NUMBER(qual)		((qual) & 15)
#define CR_ACCESS(qual)		((qual) >> 4 & 3)
#define CR_REGISTER(qual)	((qual) >> 8 & 15)
#define CR_LMSW_SOURCE(qual)	((u16)((qual) >> 16))
enum cr_access { CR_WRITE, CR_READ, CR_CLTS, CR_LMSW };

static int exit_cr_access(struct mkvm_vcpu *v)
{
	unsigned long qual = vmcs_read(EXIT_QUALIFICATION);
	enum mkvm_reg reg = array_index_nospec(CR_REGISTER(qual), 16);
	unsigned int cr = CR_NUMBER(qual);

	switch (CR_ACCESS(qual)) {
	case CR_WRITE:
		if (cr == 0 || cr == 4 || cr == 8)
			return mkvm_insn_write_cr(v, cr, mkvm_read_reg(v, reg));
		break;
	case CR_READ:
		if (cr != 8)
			break;
		mkvm_write_reg(v, reg, mkvm_get_cr8(v));
		return MKVM_RESUME;
	case CR_CLTS:
		return mkvm_insn_write_cr(v, 0, vmx_get_cr0(v) & ~(u64)X86_CR0_TS);
	case CR_LMSW:
		return mkvm_insn_write_cr(v, 0, mkvm_lmsw(vmx_get_cr0(v), CR_LMSW_SOURCE(qual)));
	}
	return mkvm_defer(v, unexpected_exit);	/* so that it is not skipped */
}

static int exit_mov_dr(struct mkvm_vcpu *v)
{
	unsigned long qual = vmcs_read(EXIT_QUALIFICATION);

	return mkvm_insn_mov_dr(v, qual & 7, qual & 16, array_index_nospec(CR_REGISTER(qual), 16));
}

/* ---- I/O and memory ---- */

#define IO_SIZE(qual)		(((qual) & 7) + 1)
#define IO_IN			BIT(3)
#define IO_STRING		BIT(4)
#define IO_REP			BIT(5)
#define IO_PORT(qual)		((u16)((qual) >> 16))

static int string_io(struct mkvm_vcpu *v, unsigned long qual)
{
	u32 info = vmcs_read(VMX_INSTRUCTION_INFO);

	v->pio.rep = qual & IO_REP;
	v->pio.addr_size = 2 << (info >> 7 & 3);
	v->pio.seg = v->pio.in ? MKVM_SEG_ES : info >> 15 & 7;
	return mkvm_defer(v, mkvm_pio_string);
}

static int exit_io(struct mkvm_vcpu *v)
{
	unsigned long qual;
	int next;

	v->pio.insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	qual = vmcs_read(EXIT_QUALIFICATION);
	v->pio.port = IO_PORT(qual);
	v->pio.size = IO_SIZE(qual);
	v->pio.in = qual & IO_IN;
	if (unlikely(qual & IO_STRING))
		return string_io(v, qual);
	next = mkvm_pio(v);
	if (next == MKVM_RESUME)
		skip_insn(v, v->pio.insn_len);
	return next;
}

/* SDM, table "Exit Qualification for EPT Violations": the access, bits 2:0. */
#define EPT_QUAL_LINEAR_VALID	BIT(7)
#define EPT_QUAL_TRANSLATED	BIT(8)	/* else it was the guest's page walk */
#define EPT_QUAL_NMI_UNBLOCKING	BIT(12)

/*
 * CPUs tell the instruction's length here, though the SDM does not promise it.
 * Other hypervisors, around this one, may have held to the SDM.
 */
static bool is_plain_write(const struct mkvm_vcpu *v)
{
	return v->fault.access == MKVM_ACCESS_WRITE && v->fault.of_operand &&
	       !v->fault.in_delivery && !boot_cpu_has(X86_FEATURE_HYPERVISOR);
}

static int map_apic_page(struct mkvm_vcpu *v)
{
	return mkvm_mmu_map_apic(v, vmx_apic_access_page);
}

static int exit_ept_violation(struct mkvm_vcpu *v)
{
	unsigned long qual = vmcs_read(EXIT_QUALIFICATION);

	BUILD_BUG_ON(MKVM_ACCESS_READ != 1 || MKVM_ACCESS_WRITE != 2 || MKVM_ACCESS_EXEC != 4);
	redo_nmi_blocking(qual & EPT_QUAL_NMI_UNBLOCKING);
	v->fault.gpa = vmcs_read(GUEST_PHYSICAL_ADDRESS);
	v->fault.access = qual & 7;
	v->fault.of_operand = (qual & EPT_QUAL_LINEAR_VALID) && (qual & EPT_QUAL_TRANSLATED) &&
			      !(qual & MKVM_ACCESS_EXEC);
	if (is_plain_write(v) && mkvm_bus_doorbell(v, v->fault.gpa)) {
		vmx_skip_insn(v, vmcs_read(VM_EXIT_INSTRUCTION_LEN));
		return MKVM_RESUME;
	}
	if (v->apic && mkvm_apic_wants_page(v, v->fault.gpa))
		return mkvm_defer(v, map_apic_page);
	return mkvm_fault(v);
}

/* Only a bug in mmu.c makes one: tell userspace, and the log, which GPA. */
static int exit_ept_misconfiguration(struct mkvm_vcpu *v)
{
	pr_warn_ratelimited("vCPU %d: EPT misconfiguration at GPA 0x%llx\n", v->id,
			    vmcs_read(GUEST_PHYSICAL_ADDRESS));
	return unexpected_exit(v);
}

/* A level-triggered interrupt's: the CPU has done all the rest. */
static int exit_eoi(struct mkvm_vcpu *v)
{
	mkvm_apic_after_eoi(v, vmcs_read(EXIT_QUALIFICATION));
	return MKVM_RESUME;
}

/* SDM, table "Exit Qualification for APIC-Access VM Exits": offset and kind of the access. */
#define APIC_GPA(qual)		(MKVM_APIC_BASE_DEFAULT + ((qual) & 0xfff))
#define APIC_ACCESS(qual)	((qual) >> 12 & 15)
enum apic_access { APIC_READ, APIC_WRITE };	/* the others are no operand's */

/* All accesses to an xAPIC's page but those of TPR, and writes to EOI and ICR's low half. */
static int exit_apic_access(struct mkvm_vcpu *v)
{
	unsigned long qual = vmcs_read(EXIT_QUALIFICATION);

	v->fault.gpa = APIC_GPA(qual);
	v->fault.access = APIC_ACCESS(qual) == APIC_WRITE ? MKVM_ACCESS_WRITE : MKVM_ACCESS_READ;
	v->fault.of_operand = APIC_ACCESS(qual) <= APIC_WRITE;
	return mkvm_fault(v);
}

/*
 * After a write that the CPU leaves half done. xAPIC: the low half of ICR, which holds the
 * value now. x2APIC: SELF IPI of a vector below 16, an error, whichever it is.
 */
static int exit_apic_write(struct mkvm_vcpu *v)
{
	u64 gpa = APIC_GPA(vmcs_read(EXIT_QUALIFICATION));
	u32 value;

	if (gpa == APIC_GPA(16 * MKVM_APIC_SELF_IPI)) {
		mkvm_apic_wrmsr(v, MKVM_X2APIC_MSR + MKVM_APIC_SELF_IPI, 0);
	} else {
		mkvm_apic_mmio(v, false, gpa, sizeof(value), &value);
		mkvm_apic_mmio(v, true, gpa, sizeof(value), &value);
	}
	return MKVM_RESUME;
}

/* Hot reasons first; a reason without a row is told to userspace. */
static const struct exit_rule exit_rules[] = {
	[EXIT_REASON_CPUID]			= { mkvm_insn_cpuid, SKIPS },
	[EXIT_REASON_EXTERNAL_INTERRUPT]	= { mkvm_exit_to_host },
	[EXIT_REASON_IO_INSTRUCTION]		= { exit_io },
	[EXIT_REASON_EPT_VIOLATION]		= { exit_ept_violation, IN_DELIVERY },
	[EXIT_REASON_HLT]			= { mkvm_halt, SKIPS },
	[EXIT_REASON_EOI_INDUCED]		= { exit_eoi },
	[EXIT_REASON_APIC_WRITE]		= { exit_apic_write },
	[EXIT_REASON_APIC_ACCESS]		= { exit_apic_access, IN_DELIVERY },
	[EXIT_REASON_MSR_READ]			= { mkvm_rdmsr, SKIPS },
	[EXIT_REASON_MSR_WRITE]			= { mkvm_wrmsr, SKIPS },
	[EXIT_REASON_CR_ACCESS]			= { exit_cr_access, SKIPS },
	[EXIT_REASON_DR_ACCESS]			= { exit_mov_dr, SKIPS },
	[EXIT_REASON_INTERRUPT_WINDOW]		= { mkvm_irq_window },
	[EXIT_REASON_NMI_WINDOW]		= { mkvm_insn_nothing },
	[EXIT_REASON_EXCEPTION_NMI]		= { exit_exception_or_nmi, IN_DELIVERY },
	[EXIT_REASON_PREEMPTION_TIMER]		= { mkvm_exit_to_host },
	[EXIT_REASON_PAUSE_INSTRUCTION]		= { mkvm_exit_to_host, SKIPS },
	[EXIT_REASON_TRIPLE_FAULT]		= { mkvm_exit_shutdown, IN_DELIVERY },
	[EXIT_REASON_EPT_MISCONFIG]		= { exit_ept_misconfiguration, IN_DELIVERY },
	[EXIT_REASON_TASK_SWITCH]		= { unexpected_exit, IN_DELIVERY },
	[EXIT_REASON_XSETBV]			= { mkvm_insn_xsetbv, SKIPS },
	[EXIT_REASON_VMCALL]			= { mkvm_insn_hypercall, SKIPS },
	[EXIT_REASON_RDPMC]			= { mkvm_insn_gp },	/* there is no counter */
	[EXIT_REASON_INVD]			= { mkvm_insn_nothing, SKIPS },
	[EXIT_REASON_WBINVD]			= { mkvm_insn_nothing, SKIPS },
	/* KVM lets these pass as no-ops too: old guests use them unasked. */
	[EXIT_REASON_MONITOR_INSTRUCTION]	= { mkvm_insn_mwait, SKIPS },
	[EXIT_REASON_MWAIT_INSTRUCTION]		= { mkvm_insn_mwait, SKIPS },
	/* What the guest sees is a CPU without VMX, SMX, SGX and what is newer. */
	[EXIT_REASON_GETSEC]			= { mkvm_insn_undefined },
	[EXIT_REASON_VMCLEAR ... EXIT_REASON_VMON] = { mkvm_insn_undefined },
	[EXIT_REASON_INVEPT]			= { mkvm_insn_undefined },
	[EXIT_REASON_INVVPID]			= { mkvm_insn_undefined },
	[EXIT_REASON_INVPCID ... EXIT_REASON_ENCLS] = { mkvm_insn_undefined },
	[EXIT_REASON_XSAVES ... EXIT_REASON_PCONFIG] = { mkvm_insn_undefined },
	[EXIT_REASON_UMWAIT ... EXIT_REASON_TPAUSE] = { mkvm_insn_undefined },
	[EXIT_REASON_ENCLV]			= { mkvm_insn_undefined },
};

int vmx_handle_exit(struct mkvm_vcpu *v)
{
	struct vmx_vcpu *vmx = to_vmx(v);
	u32 reason = (u16)vmx->exit_reason;
	const struct exit_rule *rule;
	int next;

	if (unlikely(vmx->exit_reason & VMX_EXIT_REASONS_FAILED_VMENTRY))
		return mkvm_defer(v, vmx_report_entry_failure);
	if (unlikely(v->injected))
		mkvm_event_delivered(v);
	if (unlikely(reason >= ARRAY_SIZE(exit_rules)))
		return unexpected_exit(v);
	reason = array_index_nospec(reason, ARRAY_SIZE(exit_rules));
	v->stats.exits[reason]++;
	rule = &exit_rules[reason];
	if (unlikely(!rule->handle))
		return unexpected_exit(v);
	if (rule->flags & IN_DELIVERY)
		vmx_requeue(v);
	next = rule->handle(v);
	if (next == MKVM_FAULT)
		return MKVM_RESUME;
	if (!(rule->flags & SKIPS) || next < 0)
		return next;
	if (next == MKVM_DEFER)
		v->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	else
		skip_insn(v, vmcs_read(VM_EXIT_INSTRUCTION_LEN));
	return next;
}
