// SPDX-License-Identifier: GPL-2.0-only
/*
 * One function per reason for a VM exit, and the table that finds it.
 * SDM vol. 3, chapter "VM Exits", and appendix "VMX Basic Exit Reasons".
 *
 * Handlers run with interrupts off and the VMCS current. They say MKVM_RESUME,
 * or why the loop must be left; what may sleep they defer (mkvm_defer).
 */
#include <linux/nospec.h>
#include <asm/trapnr.h>

#include "vmx/vmx.h"
#include "host/host.h"
#include "irq/irq.h"
#include "x86/x86.h"

/* What <asm/vmx.h> lacks. */
#define EXIT_REASON_GETSEC	11
#define EXIT_REASON_RSM		17
#define EXIT_REASON_PCONFIG	65
#define EXIT_REASON_ENCLV	70
#define PENDING_DEBUG_BS	BIT(14)

struct exit_rule {
	int (*handle)(struct mkvm_vcpu *v);
	u8 flags;
};

#define SKIPS		BIT(0)	/* done with the instruction when the guest resumes */
#define IN_DELIVERY	BIT(1)	/* may have interrupted the delivery of an event */

/*
 * Advance RIP as the end of an instruction does: the interrupt shadow ends, and
 * a single-stepping guest gets its #DB. Loaded.
 */
void vmx_skip_insn(struct mkvm_vcpu *v, u32 len)
{
	u32 state = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);

	if (unlikely(v->regs_avail & BIT(MKVM_RIP)))
		mkvm_write_rip(v, v->regs[MKVM_RIP] + len);
	else
		vmcs_write(GUEST_RIP, vmcs_read(GUEST_RIP) + len);
	if (state & (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS))
		vmcs_write(GUEST_INTERRUPTIBILITY_INFO,
			   state & ~(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS));
	if (unlikely(vmcs_read(GUEST_RFLAGS) & X86_EFLAGS_TF))
		mkvm_queue_single_step(v);
}

static int skip_and_resume(struct mkvm_vcpu *v)
{
	vmx_skip_insn(v, vmcs_read(VM_EXIT_INSTRUCTION_LEN));
	return MKVM_RESUME;
}

/* SKIPS is for what never fails; these decide by the result: true is #GP(0). */
static int skip_or_gp(struct mkvm_vcpu *v, bool fault)
{
	if (!fault)
		return skip_and_resume(v);
	mkvm_queue_exception_error(v, X86_TRAP_GP, 0);
	return MKVM_RESUME;
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
	case X86_TRAP_AC:
		mkvm_queue_exception_error(v, vector, vmcs_read(VM_EXIT_INTR_ERROR_CODE));
		return MKVM_RESUME;
	}
	return unexpected_exit(v);
}

static int exit_to_host(struct mkvm_vcpu *v)
{
	return MKVM_BREAK;
}

static int exit_resume(struct mkvm_vcpu *v)
{
	return MKVM_RESUME;
}

static int exit_triple_fault(struct mkvm_vcpu *v)
{
	return mkvm_exit_to_user(v, KVM_EXIT_SHUTDOWN);
}

/* ---- instructions ---- */

static int exit_cpuid(struct mkvm_vcpu *v)
{
	mkvm_cpuid(v);
	return MKVM_RESUME;
}

static int exit_hlt(struct mkvm_vcpu *v)
{
	skip_and_resume(v);
	return mkvm_halt(v);
}

static int exit_undefined(struct mkvm_vcpu *v)
{
	mkvm_queue_exception(v, X86_TRAP_UD);
	return MKVM_RESUME;
}

static int exit_rdpmc(struct mkvm_vcpu *v)
{
	return skip_or_gp(v, true);	/* CPUID offers no counter */
}

static int exit_vmcall(struct mkvm_vcpu *v)
{
	mkvm_hypercall(v);
	return MKVM_RESUME;
}

static int finish_msr(struct mkvm_vcpu *v, int next)
{
	if (next != MKVM_TO_USER)
		return skip_or_gp(v, next);
	v->msr.insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	return next;
}

static int exit_rdmsr(struct mkvm_vcpu *v)
{
	return finish_msr(v, mkvm_rdmsr(v));
}

static int exit_wrmsr(struct mkvm_vcpu *v)
{
	return finish_msr(v, mkvm_wrmsr(v));
}

static int exit_xsetbv(struct mkvm_vcpu *v)
{
	return skip_or_gp(v, mkvm_xsetbv(v));
}

/* A whole VM's devices are emulated: there is no cache to write back for it. */
static int exit_done(struct mkvm_vcpu *v)
{
	return MKVM_RESUME;
}

static int exit_pause(struct mkvm_vcpu *v)
{
	return MKVM_BREAK;
}

static int exit_mwait(struct mkvm_vcpu *v)
{
	return mkvm_mwait_undefined(v) ? exit_undefined(v) : skip_and_resume(v);
}

/* ---- control and debug registers ---- */

#define CR_NUMBER(qual)		((qual) & 15)
#define CR_ACCESS(qual)		((qual) >> 4 & 3)
#define CR_REGISTER(qual)	((qual) >> 8 & 15)
#define CR_LMSW_SOURCE(qual)	((u16)((qual) >> 16))
enum cr_access { CR_WRITE, CR_READ, CR_CLTS, CR_LMSW };

static int write_cr8(struct mkvm_vcpu *v, u64 value)
{
	int next;

	skip_or_gp(v, mkvm_write_cr8(v, value, &next));
	return next;
}

/* CR0 and CR4 may need the PDPTEs from guest memory: the write is deferred. */
static int write_cr(struct mkvm_vcpu *v, unsigned int cr, u64 value)
{
	v->cr.number = cr;
	v->cr.value = value;
	v->cr.insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	return mkvm_defer(v, mkvm_write_cr);
}

static int exit_lmsw(struct mkvm_vcpu *v, u16 source)
{
	u64 cr0 = mkvm_vendor->get_cr0(v);

	/* LMSW sets PE, never clears it, and reaches no further than TS. */
	return write_cr(v, 0, (cr0 & ~0xeull) | (source & 0xf));
}

static int exit_cr_access(struct mkvm_vcpu *v)
{
	unsigned long qual = vmcs_read(EXIT_QUALIFICATION);
	enum mkvm_reg reg = array_index_nospec(CR_REGISTER(qual), 16);
	unsigned int cr = CR_NUMBER(qual);

	switch (CR_ACCESS(qual)) {
	case CR_WRITE:
		if (cr == 8)
			return write_cr8(v, mkvm_read_reg(v, reg));
		if (cr == 0 || cr == 4)
			return write_cr(v, cr, mkvm_read_reg(v, reg));
		break;
	case CR_READ:
		if (cr != 8)
			break;
		mkvm_write_reg(v, reg, mkvm_get_cr8(v));
		return skip_and_resume(v);
	case CR_CLTS:
		return write_cr(v, 0, mkvm_vendor->get_cr0(v) & ~(u64)X86_CR0_TS);
	case CR_LMSW:
		return exit_lmsw(v, CR_LMSW_SOURCE(qual));
	}
	return unexpected_exit(v);
}

static int exit_mov_dr(struct mkvm_vcpu *v)
{
	unsigned long qual = vmcs_read(EXIT_QUALIFICATION);
	enum mkvm_reg reg = array_index_nospec(CR_REGISTER(qual), 16);

	if (mkvm_mov_dr(v, qual & 7, qual & 16, reg))
		return MKVM_RESUME;	/* it queued #UD, #GP or #DB */
	return skip_and_resume(v);
}

/* ---- I/O and memory ---- */

#define IO_SIZE(qual)		(((qual) & 7) + 1)
#define IO_IN			BIT(3)
#define IO_STRING		BIT(4)
#define IO_REP			BIT(5)
#define IO_PORT(qual)		((u16)((qual) >> 16))

static int exit_io(struct mkvm_vcpu *v)
{
	unsigned long qual = vmcs_read(EXIT_QUALIFICATION);
	u32 info;

	v->pio.port = IO_PORT(qual);
	v->pio.size = IO_SIZE(qual);
	v->pio.in = qual & IO_IN;
	v->pio.insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	v->pio.string = qual & IO_STRING;
	if (!v->pio.string)
		return mkvm_pio(v);

	info = vmcs_read(VMX_INSTRUCTION_INFO);
	v->pio.rep = qual & IO_REP;
	v->pio.addr_size = 2 << (info >> 7 & 3);
	v->pio.seg = v->pio.in ? MKVM_SEG_ES : info >> 15 & 7;
	return mkvm_defer(v, mkvm_pio_string);
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

static int exit_ept_violation(struct mkvm_vcpu *v)
{
	unsigned long qual = vmcs_read(EXIT_QUALIFICATION);

	BUILD_BUG_ON(MKVM_ACCESS_READ != 1 || MKVM_ACCESS_WRITE != 2 || MKVM_ACCESS_EXEC != 4);
	redo_nmi_blocking(qual & EPT_QUAL_NMI_UNBLOCKING);
	v->fault.gpa = vmcs_read(GUEST_PHYSICAL_ADDRESS);
	v->fault.access = qual & 7;
	v->fault.of_operand = (qual & EPT_QUAL_LINEAR_VALID) && (qual & EPT_QUAL_TRANSLATED) &&
			      !(qual & MKVM_ACCESS_EXEC);
	if (is_plain_write(v) && mkvm_bus_doorbell(v, v->fault.gpa))
		return skip_and_resume(v);
	return mkvm_fault(v);
}

/* Only a bug in mmu.c makes one: tell userspace, and the log, which GPA. */
static int exit_ept_misconfiguration(struct mkvm_vcpu *v)
{
	pr_warn_ratelimited("vCPU %d: EPT misconfiguration at GPA 0x%llx\n", v->id,
			    vmcs_read(GUEST_PHYSICAL_ADDRESS));
	return unexpected_exit(v);
}

/* Hot reasons first; a reason without a row is told to userspace. */
static const struct exit_rule exit_rules[] = {
	[EXIT_REASON_CPUID]		= { exit_cpuid, SKIPS },
	[EXIT_REASON_EXTERNAL_INTERRUPT]	= { exit_to_host },
	[EXIT_REASON_IO_INSTRUCTION]	= { exit_io },
	[EXIT_REASON_EPT_VIOLATION]	= { exit_ept_violation, IN_DELIVERY },
	[EXIT_REASON_HLT]			= { exit_hlt },
	[EXIT_REASON_MSR_READ]		= { exit_rdmsr },
	[EXIT_REASON_MSR_WRITE]		= { exit_wrmsr },
	[EXIT_REASON_CR_ACCESS]		= { exit_cr_access },
	[EXIT_REASON_DR_ACCESS]		= { exit_mov_dr },
	[EXIT_REASON_INTERRUPT_WINDOW]	= { mkvm_irq_window },
	[EXIT_REASON_NMI_WINDOW]		= { exit_resume },
	[EXIT_REASON_EXCEPTION_NMI]	= { exit_exception_or_nmi, IN_DELIVERY },
	[EXIT_REASON_PREEMPTION_TIMER]	= { exit_to_host },
	[EXIT_REASON_PAUSE_INSTRUCTION]		= { exit_pause, SKIPS },
	[EXIT_REASON_TRIPLE_FAULT]	= { exit_triple_fault, IN_DELIVERY },
	[EXIT_REASON_EPT_MISCONFIG] = { exit_ept_misconfiguration, IN_DELIVERY },
	[EXIT_REASON_TASK_SWITCH]		= { unexpected_exit, IN_DELIVERY },
	[EXIT_REASON_XSETBV]		= { exit_xsetbv },
	[EXIT_REASON_VMCALL]		= { exit_vmcall, SKIPS },
	[EXIT_REASON_RDPMC]		= { exit_rdpmc },
	[EXIT_REASON_INVD]		= { exit_done, SKIPS },
	[EXIT_REASON_WBINVD]		= { exit_done, SKIPS },
	/* KVM lets these pass as no-ops too: old guests use them unasked. */
	[EXIT_REASON_MONITOR_INSTRUCTION]		= { exit_mwait },
	[EXIT_REASON_MWAIT_INSTRUCTION]		= { exit_mwait },
	/* What the guest sees is a CPU without VMX, SMX, SGX, SMM and what is newer. */
	[EXIT_REASON_GETSEC]		= { exit_undefined },
	[EXIT_REASON_RSM]		= { exit_undefined },
	[EXIT_REASON_VMCLEAR ... EXIT_REASON_VMON] = { exit_undefined },
	[EXIT_REASON_INVEPT]		= { exit_undefined },
	[EXIT_REASON_INVVPID]		= { exit_undefined },
	[EXIT_REASON_INVPCID ... EXIT_REASON_ENCLS] = { exit_undefined },
	[EXIT_REASON_XSAVES ... EXIT_REASON_PCONFIG] = { exit_undefined },
	[EXIT_REASON_UMWAIT ... EXIT_REASON_TPAUSE] = { exit_undefined },
	[EXIT_REASON_ENCLV]		= { exit_undefined },
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
	if (rule->flags & SKIPS && next >= 0)
		skip_and_resume(v);
	return next;
}
