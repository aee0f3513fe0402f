// SPDX-License-Identifier: GPL-2.0-only
/*
 * One function per exit code, and the table that finds it. APM vol. 2, appendix
 * "SVM Intercept Exit Codes".
 *
 * Handlers say MKVM_RESUME, or why the loop must be left; what may sleep they
 * defer (mkvm_defer). Where a rule needs an instruction's length or operand
 * that the CPU does not tell, the instruction is fetched first. Where that has to
 * sleep, the handler runs deferred, with the vCPU loaded and interrupts on.
 */
#include "svm/svm.h"

struct svm_exit_rule {
	int (*handle)(struct mkvm_vcpu *v);
	u8 flags;
};

#define SKIPS		BIT(0)	/* the instruction is done then, unless it is deferred or faulted */
#define NEEDS_INSN	BIT(1)	/* v->insn is used */

/*
 * Advance RIP as the end of an instruction does: the interrupt shadow ends, and
 * a single-stepping guest gets its #DB. Loaded.
 */
void svm_skip_insn(struct mkvm_vcpu *v, u32 len)
{
	struct mkvm_vmcb *vmcb = to_svm(v)->vmcb;

	v->regs[MKVM_RIP] += len;
	vmcb->interrupt_state &= ~MKVM_SVM_SHADOW;
	if (unlikely(svm_get_rflags(v) & X86_EFLAGS_TF))
		mkvm_queue_debug_exception(v, DR_STEP);
}

static u32 insn_len(const struct mkvm_vcpu *v)
{
	return v->insn ? v->insn->len : to_svm(v)->vmcb->next_rip - v->regs[MKVM_RIP];
}

static int unexpected_exit(struct mkvm_vcpu *v)
{
	return mkvm_unexpected_exit(v, to_svm(v)->vmcb->exit_code);
}

/* ---- exceptions, interrupts and windows ---- */

static int exit_debug_exception(struct mkvm_vcpu *v)
{
	struct svm_vcpu *svm = to_svm(v);
	u64 causes = svm->vmcb->dr6;

	svm->vmcb->dr6 = MKVM_DR6_RESET;
	svm_changed(svm, MKVM_SVM_CLEAN_DR);
	if (!svm_was_our_step(v))
		mkvm_queue_debug_exception(v, causes);
	return MKVM_RESUME;
}

static int exit_breakpoint(struct mkvm_vcpu *v)
{
	mkvm_debug_exit(v, X86_TRAP_BP, 0);
	return MKVM_RESUME;
}

static int exit_int1(struct mkvm_vcpu *v)
{
	svm_skip_insn(v, insn_len(v));
	mkvm_queue_debug_exception(v, 0);
	return MKVM_RESUME;
}

static int exit_alignment_check(struct mkvm_vcpu *v)
{
	mkvm_queue_exception_error(v, X86_TRAP_AC, to_svm(v)->vmcb->exit_info_1);
	return MKVM_RESUME;
}

static int exit_machine_check(struct mkvm_vcpu *v)
{
	mkvm_host_machine_check();
	return MKVM_BREAK;
}

/* ---- instructions ---- */

static int exit_msr(struct mkvm_vcpu *v)
{
	return to_svm(v)->vmcb->exit_info_1 & 1 ? mkvm_wrmsr(v) : mkvm_rdmsr(v);
}

#define OPCODE_CLTS	0x0f06
#define OPCODE_GROUP_7	0x0f01	/* SMSW is /4, LMSW /6 */

static int exit_cr_write(struct mkvm_vcpu *v)
{
	unsigned int cr = to_svm(v)->vmcb->exit_code & 15;
	u64 value = mkvm_read_reg(v, v->insn->reg & 15);

	if (v->insn->opcode == OPCODE_CLTS)
		value = svm_get_cr0(v) & ~(u64)X86_CR0_TS;
	else if (v->insn->opcode == OPCODE_GROUP_7)
		value = mkvm_lmsw(svm_get_cr0(v), value);
	return mkvm_insn_write_cr(v, cr, value);
}

static int exit_cr_read(struct mkvm_vcpu *v)
{
	const struct svm_vcpu *svm = to_svm(v);
	unsigned int cr = svm->vmcb->exit_code & 15;
	u64 value = cr == 8 ? mkvm_get_cr8(v) : cr == 4 ? svm->cr4 : svm_get_cr0(v);

	mkvm_write_reg(v, v->insn->reg & 15, value);
	return MKVM_RESUME;
}

static int exit_mov_dr(struct mkvm_vcpu *v)
{
	u64 code = to_svm(v)->vmcb->exit_code;

	return mkvm_insn_mov_dr(v, code & 15, code < SVM_EXIT_WRITE_DR0, v->insn->reg & 15);
}

/* ---- I/O and memory ---- */

static void look_at_io(struct mkvm_vcpu *v)
{
	const struct mkvm_vmcb *vmcb = to_svm(v)->vmcb;
	u32 info = vmcb->exit_info_1;

	v->pio.port = MKVM_SVM_IOIO_PORT(info);
	v->pio.size = MKVM_SVM_IOIO_SIZE(info);
	v->pio.in = info & MKVM_SVM_IOIO_IN;
	v->pio.insn_len = vmcb->exit_info_2 - v->regs[MKVM_RIP];
}

static int exit_io(struct mkvm_vcpu *v)
{
	int next;

	look_at_io(v);
	next = mkvm_pio(v);
	if (next == MKVM_RESUME)
		svm_skip_insn(v, v->pio.insn_len);
	return next;
}

/* INS and OUTS: fetched, because not every CPU tells the segment and the address size. */
static int exit_string_io(struct mkvm_vcpu *v)
{
	u32 info = to_svm(v)->vmcb->exit_info_1;

	look_at_io(v);
	v->pio.rep = info & MKVM_SVM_IOIO_REP;
	v->pio.addr_size = v->insn->addr_size;
	v->pio.seg = v->pio.in ? MKVM_SEG_ES : v->insn->seg;
	return mkvm_defer(v, mkvm_pio_string);
}

static int exit_nested_page_fault(struct mkvm_vcpu *v)
{
	const struct mkvm_vmcb *vmcb = to_svm(v)->vmcb;
	u64 info = vmcb->exit_info_1;

	/* Only a bug in mmu.c makes one: tell userspace, and the log, which GPA. */
	if (unlikely(info & MKVM_SVM_NPF_RESERVED)) {
		pr_warn_ratelimited("vCPU %d: reserved bits in the nested page table at GPA 0x%llx\n",
				    v->id, vmcb->exit_info_2);
		return unexpected_exit(v);
	}
	v->fault.gpa = vmcb->exit_info_2;
	v->fault.access = info & MKVM_SVM_NPF_FETCH ? MKVM_ACCESS_EXEC :
			  info & MKVM_SVM_NPF_WRITE ? MKVM_ACCESS_WRITE : MKVM_ACCESS_READ;
	v->fault.of_operand = (info & MKVM_SVM_NPF_FINAL) && !(info & MKVM_SVM_NPF_FETCH);
	return mkvm_fault(v);
}

/* Two rows that no exit code has: NPF is far from the others, string I/O has the code of IOIO. */
enum { ROW_NPF = MKVM_STATS_NPF, ROW_STRING_IO };

/* What is intercepted, too: svm_init_controls. Not task switches: the CPU does them by itself. */
static const struct svm_exit_rule exit_rules[] = {
	[SVM_EXIT_CPUID]	= { mkvm_insn_cpuid, SKIPS },
	[SVM_EXIT_INTR]		= { mkvm_exit_to_host },
	[SVM_EXIT_IOIO]		= { exit_io },
	[ROW_STRING_IO]			= { exit_string_io, NEEDS_INSN },
	[ROW_NPF]			= { exit_nested_page_fault },
	[SVM_EXIT_HLT]		= { mkvm_halt, SKIPS },
	[SVM_EXIT_MSR]		= { exit_msr, SKIPS },
	[SVM_EXIT_VINTR]	= { mkvm_irq_window },
	[SVM_EXIT_NMI]		= { mkvm_exit_to_host },
	[SVM_EXIT_SMI]		= { mkvm_exit_to_host },
	[SVM_EXIT_INIT]		= { mkvm_exit_to_host },
	[SVM_EXIT_IRET]		= { svm_exit_iret },
	[SVM_EXIT_READ_CR0]	= { exit_cr_read, SKIPS | NEEDS_INSN },
	[SVM_EXIT_READ_CR4]	= { exit_cr_read, SKIPS | NEEDS_INSN },
	[SVM_EXIT_READ_CR8]	= { exit_cr_read, SKIPS | NEEDS_INSN },
	[SVM_EXIT_WRITE_CR0]	= { exit_cr_write, SKIPS | NEEDS_INSN },
	[SVM_EXIT_WRITE_CR4]	= { exit_cr_write, SKIPS | NEEDS_INSN },
	[SVM_EXIT_WRITE_CR8]	= { exit_cr_write, SKIPS | NEEDS_INSN },
	[SVM_EXIT_READ_DR0 ... SVM_EXIT_EXCP_BASE - 1] = { exit_mov_dr, SKIPS | NEEDS_INSN },
	[SVM_EXIT_EXCP_BASE + X86_TRAP_DB] = { exit_debug_exception },
	[SVM_EXIT_EXCP_BASE + X86_TRAP_BP] = { exit_breakpoint },
	[SVM_EXIT_EXCP_BASE + X86_TRAP_UD] = { mkvm_exit_undefined },
	[SVM_EXIT_EXCP_BASE + X86_TRAP_AC] = { exit_alignment_check },
	[SVM_EXIT_EXCP_BASE + X86_TRAP_MC] = { exit_machine_check },
	[SVM_EXIT_FERR_FREEZE]	= { unexpected_exit },
	[SVM_EXIT_SHUTDOWN]	= { mkvm_exit_shutdown },
	[SVM_EXIT_ICEBP]	= { exit_int1, NEEDS_INSN },
	[SVM_EXIT_XSETBV]	= { mkvm_insn_xsetbv, SKIPS },
	[SVM_EXIT_VMMCALL]	= { mkvm_insn_hypercall, SKIPS },
	[SVM_EXIT_RDPMC]	= { mkvm_insn_gp },	/* CPUID offers no counter */
	[SVM_EXIT_INVD]		= { mkvm_insn_nothing, SKIPS },
	[SVM_EXIT_WBINVD]	= { mkvm_insn_nothing, SKIPS },
	/* KVM lets these pass as no-ops too: old guests use them unasked. */
	[SVM_EXIT_MONITOR]	= { mkvm_insn_mwait, SKIPS },
	[SVM_EXIT_MWAIT]	= { mkvm_insn_mwait, SKIPS },
	[SVM_EXIT_RSM]		= { mkvm_insn_rsm },
	/* A CPU without SVM, and without what is newer, is what the guest sees. */
	[SVM_EXIT_INVLPGA]	= { mkvm_insn_undefined },
	[SVM_EXIT_VMRUN]	= { mkvm_insn_undefined },
	[SVM_EXIT_VMLOAD ... SVM_EXIT_SKINIT] = { mkvm_insn_undefined },
	[SVM_EXIT_RDPRU]	= { mkvm_insn_undefined },
	[MKVM_SVM_EXIT_INVLPGB]	= { mkvm_insn_undefined },
	[MKVM_SVM_EXIT_INVLPGB_ILLEGAL] = { mkvm_insn_undefined },
	[MKVM_SVM_EXIT_MCOMMIT ... MKVM_SVM_EXIT_TLBSYNC] = { mkvm_insn_undefined },
};

bool svm_has_rule(u32 code)
{
	return code < ROW_NPF && exit_rules[code].handle;
}

/* NULL: an exit code without a row. Counts the exit. */
static const struct svm_exit_rule *find_rule(struct mkvm_vcpu *v)
{
	const struct mkvm_vmcb *vmcb = to_svm(v)->vmcb;
	u64 row = vmcb->exit_code;

	if (row == SVM_EXIT_NPF)
		row = ROW_NPF;
	else if (unlikely(row >= ROW_NPF))
		return NULL;
	row = array_index_nospec(row, ARRAY_SIZE(exit_rules));
	v->stats.exits[row]++;
	if (row == SVM_EXIT_IOIO && (vmcb->exit_info_1 & MKVM_SVM_IOIO_STRING))
		row = ROW_STRING_IO;
	return exit_rules[row].handle ? &exit_rules[row] : NULL;
}

static int handle(struct mkvm_vcpu *v, const struct svm_exit_rule *rule)
{
	int next = rule->handle(v);

	if (next == MKVM_FAULT)
		return MKVM_RESUME;
	if (!(rule->flags & SKIPS) || next < 0)
		return next;
	if (next == MKVM_DEFER)
		v->insn_len = insn_len(v);
	else
		svm_skip_insn(v, insn_len(v));
	return next;
}

/* LMSW from memory, the one write to CR0 that is not from a register. */
static int lmsw_memory(struct mkvm_vcpu *v)
{
	const struct mkvm_insn *insn = v->insn;
	u64 linear;
	u16 value;
	int ret;

	mkvm_take_segment(v, insn->seg);
	if (!mkvm_linear(v, insn->seg, mkvm_operand_offset(v), sizeof(value),
			 MKVM_ACCESS_READ, &linear)) {
		mkvm_queue_segment_fault(v, insn->seg);
		return MKVM_RESUME;
	}
	ret = mkvm_access_linear(v, linear, &value, sizeof(value), MKVM_ACCESS_READ);
	if (ret)
		return ret < 0 ? ret : MKVM_RESUME;
	v->insn_len = insn->len;
	mkvm_insn_write_cr(v, 0, mkvm_lmsw(v->context.cr0, value));
	return mkvm_write_cr(v);
}

/*
 * First the instruction, then its handler. In the run loop, with page faults off, it
 * is deferred if that has to sleep.
 */
static int fetch_and_handle(struct mkvm_vcpu *v)
{
	struct svm_vcpu *svm = to_svm(v);
	int next;

	mkvm_take_context(v, &v->context);
	next = mkvm_fetch_and_decode(v);
	if (v->in_loop && (next == -EAGAIN || next == -EFAULT ||
			   (!next && v->insn->op == MKVM_OP_LMSW)))
		return mkvm_defer(v, fetch_and_handle);
	if (!next && v->insn->op == MKVM_OP_LMSW &&
	    svm->vmcb->exit_code == SVM_EXIT_WRITE_CR0) {
		next = lmsw_memory(v);
		if (next != -ENXIO)
			return next;
	} else if (!next && v->insn->op != MKVM_OP_SPECIAL) {
		next = -ENXIO;
	}
	if (next == -ENXIO)
		return mkvm_emulation_failed(v, v->fetched.len);
	if (next)
		return next < 0 ? next : MKVM_RESUME;
	if (v->in_loop)
		return handle(v, svm->rule);
	mkvm_vcpu_load(v);
	next = handle(v, to_svm(v)->rule);
	mkvm_vcpu_put(v);
	if (next == MKVM_DEFER)
		next = v->deferred(v);
	return next;
}

int svm_handle_exit(struct mkvm_vcpu *v)
{
	struct svm_vcpu *svm = to_svm(v);
	const struct svm_exit_rule *rule;
	int next;

	if (unlikely(svm->vmcb->exit_code == MKVM_SVM_EXIT_INVALID))
		return mkvm_defer(v, svm_report_entry_failure);
	if (unlikely(v->injected))
		mkvm_event_delivered(v);
	v->fault.in_delivery = false;
	if (unlikely(svm->vmcb->exit_int_info & MKVM_SVM_EVENT_VALID))
		svm_requeue(v);
	if (unlikely(svm->iret_ahead))
		svm_note_iret(v);
	rule = find_rule(v);
	if (unlikely(!rule))
		return unexpected_exit(v);
	v->insn = NULL;
	svm->rule = rule;
	if (!(rule->flags & NEEDS_INSN) && (!(rule->flags & SKIPS) || svm_host.next_rip))
		return handle(v, rule);
	pagefault_disable();
	next = fetch_and_handle(v);
	pagefault_enable();
	return next;
}
