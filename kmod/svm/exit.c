// SPDX-License-Identifier: GPL-2.0-only
/*
 * One function per exit code, and the table that finds it. APM vol. 2, appendix
 * "SVM Intercept Exit Codes".
 *
 * Handlers say MKVM_RESUME, or why the loop must be left; what may sleep they
 * defer (mkvm_defer). Where a handler needs an instruction's length or operand
 * that the CPU does not tell, the instruction is fetched first, which may sleep:
 * the handler then runs deferred, with the vCPU loaded and interrupts on.
 */
#include <linux/nospec.h>
#include <asm/trapnr.h>

#include "svm/svm.h"
#include "host/host.h"
#include "x86/guest.h"
#include "x86/x86.h"

struct svm_exit_rule {
	int (*handle)(struct mkvm_vcpu *v);
	u8 flags;
};

#define SKIPS		BIT(0)	/* done with the instruction when the guest resumes */
#define NEEDS_LENGTH	BIT(1)	/* svm_insn_len() is used */
#define NEEDS_INSN	BIT(2)	/* svm->insn is used */

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
		mkvm_queue_single_step(v);
}

static u32 insn_len(const struct mkvm_vcpu *v)
{
	const struct svm_vcpu *svm = to_svm(v);

	return svm->insn.len ? svm->insn.len : svm->vmcb->next_rip - v->regs[MKVM_RIP];
}

static int skip_and_resume(struct mkvm_vcpu *v)
{
	svm_skip_insn(v, insn_len(v));
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
	skip_and_resume(v);
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

/* Interrupts, NMIs and SMIs came to the host with STGI, or come when interrupts are on. */
static int exit_to_host(struct mkvm_vcpu *v)
{
	return MKVM_BREAK;
}

static int exit_iret(struct mkvm_vcpu *v)
{
	svm_iret_ahead(v);
	return MKVM_RESUME;
}

static int exit_shutdown(struct mkvm_vcpu *v)
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

static int exit_vmmcall(struct mkvm_vcpu *v)
{
	mkvm_hypercall(v);
	return MKVM_RESUME;
}

static int exit_msr(struct mkvm_vcpu *v)
{
	int next = to_svm(v)->vmcb->exit_info_1 & 1 ? mkvm_wrmsr(v) : mkvm_rdmsr(v);

	if (next != MKVM_TO_USER)
		return skip_or_gp(v, next);
	v->msr.insn_len = insn_len(v);
	return next;
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

static int exit_mwait(struct mkvm_vcpu *v)
{
	return mkvm_mwait_undefined(v) ? exit_undefined(v) : skip_and_resume(v);
}

/* ---- control and debug registers ---- */

#define OPCODE_CLTS	0x0f06
#define OPCODE_GROUP_7	0x0f01	/* SMSW is /4, LMSW /6 */

/* CR0 and CR4 may need the PDPTEs from guest memory: the write is deferred. */
static int write_cr(struct mkvm_vcpu *v, unsigned int cr, u64 value)
{
	v->cr.number = cr;
	v->cr.value = value;
	v->cr.insn_len = insn_len(v);
	return mkvm_defer(v, mkvm_write_cr);
}

static int write_cr8(struct mkvm_vcpu *v, u64 value)
{
	int next;

	skip_or_gp(v, mkvm_write_cr8(v, value, &next));
	return next;
}

/* LMSW sets PE, never clears it, and reaches no further than TS. */
static u64 lmsw(u64 cr0, u64 source)
{
	return (cr0 & ~0xeull) | (source & 0xf);
}

static int exit_cr_write(struct mkvm_vcpu *v)
{
	const struct svm_vcpu *svm = to_svm(v);
	unsigned int cr = svm->vmcb->exit_code & 15;
	u64 cr0 = svm_get_cr0(v), value = mkvm_read_reg(v, svm->insn.reg & 15);

	if (svm->insn.opcode == OPCODE_CLTS)
		return write_cr(v, 0, cr0 & ~(u64)X86_CR0_TS);
	if (svm->insn.opcode == OPCODE_GROUP_7)
		return write_cr(v, 0, lmsw(cr0, value));
	return cr == 8 ? write_cr8(v, value) : write_cr(v, cr, value);
}

static int exit_cr_read(struct mkvm_vcpu *v)
{
	const struct svm_vcpu *svm = to_svm(v);
	unsigned int cr = svm->vmcb->exit_code & 15;
	u64 value = cr == 8 ? mkvm_get_cr8(v) : cr == 4 ? svm->cr4 : svm_get_cr0(v);

	mkvm_write_reg(v, svm->insn.reg & 15, value);
	return skip_and_resume(v);
}

static int exit_mov_dr(struct mkvm_vcpu *v)
{
	const struct svm_vcpu *svm = to_svm(v);
	u64 code = svm->vmcb->exit_code;
	bool read = code < MKVM_SVM_EXIT_DR_WRITE(0);

	if (mkvm_mov_dr(v, code & 15, read, svm->insn.reg & 15))
		return MKVM_RESUME;	/* it queued #UD, #GP or #DB */
	return skip_and_resume(v);
}

/* ---- I/O and memory ---- */

static void look_at_io(struct mkvm_vcpu *v)
{
	const struct svm_vcpu *svm = to_svm(v);
	u32 info = svm->vmcb->exit_info_1;

	v->pio.port = MKVM_SVM_IOIO_PORT(info);
	v->pio.size = MKVM_SVM_IOIO_SIZE(info);
	v->pio.in = info & MKVM_SVM_IOIO_IN;
	v->pio.insn_len = svm->vmcb->exit_info_2 - v->regs[MKVM_RIP];
	v->pio.string = info & MKVM_SVM_IOIO_STRING;
}

static int exit_io(struct mkvm_vcpu *v)
{
	look_at_io(v);
	return mkvm_pio(v);
}

/* INS and OUTS: fetched, because not every CPU tells the segment and the address size. */
static int exit_string_io(struct mkvm_vcpu *v)
{
	const struct svm_vcpu *svm = to_svm(v);
	u32 info = svm->vmcb->exit_info_1;

	look_at_io(v);
	v->pio.rep = info & MKVM_SVM_IOIO_REP;
	v->pio.addr_size = svm->insn.addr_size;
	v->pio.seg = v->pio.in ? MKVM_SEG_ES : svm->insn.seg;
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

static const struct svm_exit_rule exit_rules[] = {
	[MKVM_SVM_EXIT_CPUID]		= { exit_cpuid, SKIPS },
	[MKVM_SVM_EXIT_INTR]		= { exit_to_host },
	[MKVM_SVM_EXIT_IOIO]		= { exit_io },
	[ROW_STRING_IO]			= { exit_string_io, NEEDS_INSN },
	[ROW_NPF]			= { exit_nested_page_fault },
	[MKVM_SVM_EXIT_HLT]		= { exit_hlt, NEEDS_LENGTH },
	[MKVM_SVM_EXIT_MSR]		= { exit_msr, NEEDS_LENGTH },
	[MKVM_SVM_EXIT_VINTR]		= { mkvm_irq_window },
	[MKVM_SVM_EXIT_NMI]		= { exit_to_host },
	[MKVM_SVM_EXIT_SMI]		= { exit_to_host },
	[MKVM_SVM_EXIT_INIT]		= { exit_to_host },
	[MKVM_SVM_EXIT_IRET]		= { exit_iret },
	[MKVM_SVM_EXIT_CR_READ(0)]	= { exit_cr_read, NEEDS_INSN },
	[MKVM_SVM_EXIT_CR_READ(4)]	= { exit_cr_read, NEEDS_INSN },
	[MKVM_SVM_EXIT_CR_READ(8)]	= { exit_cr_read, NEEDS_INSN },
	[MKVM_SVM_EXIT_CR_WRITE(0)]	= { exit_cr_write, NEEDS_INSN },
	[MKVM_SVM_EXIT_CR_WRITE(4)]	= { exit_cr_write, NEEDS_INSN },
	[MKVM_SVM_EXIT_CR_WRITE(8)]	= { exit_cr_write, NEEDS_INSN },
	[MKVM_SVM_EXIT_DR_READ(0) ... MKVM_SVM_EXIT_DR_WRITE(15)] = { exit_mov_dr, NEEDS_INSN },
	[MKVM_SVM_EXIT_EXCEPTION(X86_TRAP_DB)] = { exit_debug_exception },
	[MKVM_SVM_EXIT_EXCEPTION(X86_TRAP_BP)] = { exit_breakpoint },
	[MKVM_SVM_EXIT_EXCEPTION(X86_TRAP_AC)] = { exit_alignment_check },
	[MKVM_SVM_EXIT_EXCEPTION(X86_TRAP_MC)] = { exit_machine_check },
	[MKVM_SVM_EXIT_SHUTDOWN]	= { exit_shutdown },
	[MKVM_SVM_EXIT_ICEBP]		= { exit_int1, NEEDS_LENGTH },
	[MKVM_SVM_EXIT_XSETBV]		= { exit_xsetbv, NEEDS_LENGTH },
	[MKVM_SVM_EXIT_VMMCALL]		= { exit_vmmcall, SKIPS },
	[MKVM_SVM_EXIT_RDPMC]		= { exit_rdpmc },
	[MKVM_SVM_EXIT_INVD]		= { exit_done, SKIPS },
	[MKVM_SVM_EXIT_WBINVD]		= { exit_done, SKIPS },
	/* KVM lets these pass as no-ops too: old guests use them unasked. */
	[MKVM_SVM_EXIT_MONITOR]		= { exit_mwait, NEEDS_LENGTH },
	[MKVM_SVM_EXIT_MWAIT]		= { exit_mwait, NEEDS_LENGTH },
	/* A CPU without SVM or SMM, and without what is newer, is what the guest sees. */
	[MKVM_SVM_EXIT_RSM]		= { exit_undefined },
	[MKVM_SVM_EXIT_INVLPGA]		= { exit_undefined },
	[MKVM_SVM_EXIT_VMRUN]		= { exit_undefined },
	[MKVM_SVM_EXIT_VMLOAD]		= { exit_undefined },
	[MKVM_SVM_EXIT_VMSAVE]		= { exit_undefined },
	[MKVM_SVM_EXIT_STGI]		= { exit_undefined },
	[MKVM_SVM_EXIT_CLGI]		= { exit_undefined },
	[MKVM_SVM_EXIT_SKINIT]		= { exit_undefined },
	[MKVM_SVM_EXIT_RDPRU]		= { exit_undefined },
	[MKVM_SVM_EXIT_INVLPGB]		= { exit_undefined },
	[MKVM_SVM_EXIT_INVLPGB_ILLEGAL]	= { exit_undefined },
	[MKVM_SVM_EXIT_MCOMMIT]		= { exit_undefined },
	[MKVM_SVM_EXIT_TLBSYNC]		= { exit_undefined },
};

/* NULL: an exit code without a row. Counts the exit. */
static const struct svm_exit_rule *find_rule(struct mkvm_vcpu *v)
{
	const struct mkvm_vmcb *vmcb = to_svm(v)->vmcb;
	u64 row = vmcb->exit_code;

	if (row == MKVM_SVM_EXIT_NPF)
		row = ROW_NPF;
	else if (unlikely(row >= ROW_NPF))
		return NULL;
	row = array_index_nospec(row, ARRAY_SIZE(exit_rules));
	v->stats.exits[row]++;
	if (row == MKVM_SVM_EXIT_IOIO && (vmcb->exit_info_1 & MKVM_SVM_IOIO_STRING))
		row = ROW_STRING_IO;
	return exit_rules[row].handle ? &exit_rules[row] : NULL;
}

static int handle(struct mkvm_vcpu *v, const struct svm_exit_rule *rule)
{
	int next = rule->handle(v);

	if (rule->flags & SKIPS && next >= 0)
		skip_and_resume(v);
	return next;
}

/* LMSW from memory, the one write to CR0 that is not from a register. */
static int lmsw_memory(struct mkvm_vcpu *v, struct mkvm_guest_context *c)
{
	const struct mkvm_insn *insn = &to_svm(v)->insn;
	u64 linear;
	u16 value;
	int ret;

	mkvm_take_segment(v, c, insn->seg);
	if (!mkvm_linear(c, insn->seg, mkvm_operand_offset(v, c, insn), sizeof(value),
			 MKVM_ACCESS_READ, &linear)) {
		mkvm_queue_segment_fault(v, insn->seg);
		return MKVM_RESUME;
	}
	ret = mkvm_read_linear(v, c, linear, &value, sizeof(value), MKVM_ACCESS_READ);
	if (ret)
		return ret < 0 ? ret : MKVM_RESUME;
	write_cr(v, 0, lmsw(c->cr0, value));
	return mkvm_write_cr(v);
}

/* Deferred: first the instruction, then its handler. */
static int fetch_and_handle(struct mkvm_vcpu *v)
{
	struct svm_vcpu *svm = to_svm(v);
	struct mkvm_guest_context c;
	struct mkvm_fetched f = {};
	int next;

	mkvm_take_context(v, &c);
	next = mkvm_fetch_and_decode(v, &c, &f, &svm->insn);
	if (!next && svm->insn.op == MKVM_OP_LMSW &&
	    svm->vmcb->exit_code == MKVM_SVM_EXIT_CR_WRITE(0)) {
		next = lmsw_memory(v, &c);
		if (next != -ENXIO)
			return next;
	} else if (!next && svm->insn.op != MKVM_OP_SPECIAL) {
		next = -ENXIO;
	}
	if (next == -ENXIO)
		return mkvm_emulation_failed(v, &c, f.bytes, f.len);
	if (next)
		return next < 0 ? next : MKVM_RESUME;
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

	if (unlikely(svm->vmcb->exit_code == MKVM_SVM_EXIT_INVALID))
		return mkvm_defer(v, svm_report_entry_failure);
	if (unlikely(v->injected))
		mkvm_event_delivered(v);
	v->fault.in_delivery = false;
	if (unlikely(svm->vmcb->exit_int_info & MKVM_SVM_EVENT_VALID))
		svm_requeue(v);
	if (unlikely(svm->iret == SVM_IRET_AHEAD))
		svm_note_iret(v);
	rule = find_rule(v);
	if (unlikely(!rule))
		return unexpected_exit(v);
	svm->insn.len = 0;
	svm->rule = rule;
	if (rule->flags & NEEDS_INSN ||
	    (rule->flags & (NEEDS_LENGTH | SKIPS) && !svm_host.next_rip))
		return mkvm_defer(v, fetch_and_handle);
	return handle(v, rule);
}
