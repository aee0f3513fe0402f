// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's linear addresses: pure/segment.c and pure/pagewalk.c with guest
 * memory below and exceptions above.
 */

#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "x86/guest.h"
#include "x86/x86.h"
#include "pure/alu.h"
#include "pure/pagewalk.h"
#include "pure/segment.h"
#include "pure/x86_bits.h"

/* Memory that is not there at once is no fault of the guest's. */
static int or_again(const struct mkvm_vcpu *v, int ret)
{
	return ret == -EFAULT && v->in_loop ? -EAGAIN : ret;
}

static int read_entry(void *vcpu, u64 gpa, u64 *entry, u32 size)
{
	struct mkvm_vcpu *v = vcpu;
	struct mkvm_code *code = v->learns;
	int ret = or_again(v, mkvm_read_entry(v->vm, gpa, entry, size));

	if (code && !ret) {
		code->at[code->levels] = mkvm_guest_memory(v->vm, gpa);
		code->entry[code->levels++] = *entry;
	}
	return ret;
}

static int replace_entry(void *vcpu, u64 gpa, u64 old, u64 next, u32 size)
{
	struct mkvm_vcpu *v = vcpu;

	if (v->learns)
		v->learns->levels = 0;	/* the next time it is as it will be */
	return or_again(v, mkvm_cmpxchg_guest(v->vm, gpa, old, next, size));
}

/* One walk; what v->learns gets of it is complete when there are levels. */
static int walk_once(struct mkvm_vcpu *v, const struct mkvm_paging *paging,
		     const struct mkvm_pagewalk_memory *memory, u64 linear, u32 access, u64 *gpa,
		     u32 *error)
{
	struct mkvm_code *code = v->learns;
	int ret;

	if (code)
		code->levels = 0;
	ret = mkvm_pagewalk(paging, memory, linear, access, gpa, error);
	if (code && !ret)
		code->bytes_at = mkvm_guest_memory(v->vm, *gpa);
	return ret;
}

int mkvm_walk(struct mkvm_vcpu *v, const struct mkvm_guest_context *c, u64 linear,
	      u32 access, u64 *gpa, u32 *error)
{
	const struct mkvm_pagewalk_memory memory = { v, read_entry, replace_entry };
	const struct mkvm_paging paging = {
		.cr0 = c->cr0, .cr3 = c->cr3, .cr4 = c->cr4, .efer = c->efer,
		.user = c->cpl == 3, .ac = c->rflags & X86_EFLAGS_AC,
		.maxphyaddr = v->guest_cpu.maxphyaddr,
	};
	int ret;

	while ((ret = walk_once(v, &paging, &memory, linear, access, gpa, error)) == -EAGAIN) {
		if (v->in_loop)
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return ret;
}

static void load(struct mkvm_vcpu *v)
{
	if (!v->in_loop)
		mkvm_vcpu_load(v);
}

static void put(struct mkvm_vcpu *v)
{
	if (!v->in_loop)
		mkvm_vcpu_put(v);
}

void mkvm_take_context(struct mkvm_vcpu *v, struct mkvm_guest_context *c)
{
	load(v);
	mkvm_get_context(v, c);
	put(v);
}

void mkvm_take_segment(struct mkvm_vcpu *v, struct mkvm_guest_context *c, enum mkvm_seg seg)
{
	if (!mkvm_is_64bit(c) || seg < MKVM_SEG_FS)
		return;
	load(v);
	mkvm_vendor->get_segment(v, seg, &c->seg[seg]);
	put(v);
}

void mkvm_set_arithmetic_flags(struct mkvm_vcpu *v, u64 rflags)
{
	load(v);
	mkvm_vendor->set_rflags(v, (mkvm_vendor->get_rflags(v) & ~(u64)MKVM_RFLAGS_ARITHMETIC) |
				   (rflags & MKVM_RFLAGS_ARITHMETIC));
	put(v);
}

void mkvm_end_insn(struct mkvm_vcpu *v, u32 len)
{
	if (v->in_loop)
		mkvm_vendor->skip_insn(v, len);
	else
		v->skip_len = len;
}

bool mkvm_is_64bit(const struct mkvm_guest_context *c)
{
	return (c->efer & MKVM_EFER_LMA) && c->seg[MKVM_SEG_CS].l;
}

static enum mkvm_segment_rules segment_rules(const struct mkvm_guest_context *c)
{
	if (mkvm_is_64bit(c))
		return c->cr4 & X86_CR4_LA57 ? MKVM_SEGMENT_LONG57 : MKVM_SEGMENT_LONG;
	if (!(c->cr0 & X86_CR0_PE) || (c->rflags & X86_EFLAGS_VM))
		return MKVM_SEGMENT_REAL;
	return MKVM_SEGMENT_PROTECTED;
}

bool mkvm_linear(const struct mkvm_guest_context *c, enum mkvm_seg seg, u64 offset, u32 size,
		 u32 access, u64 *linear)
{
	bool flat = seg != MKVM_SEG_FS && seg != MKVM_SEG_GS;

	return mkvm_segment_linear(&c->seg[seg], segment_rules(c), flat, offset, size, access,
				   linear);
}

void mkvm_queue_segment_fault(struct mkvm_vcpu *v, enum mkvm_seg seg)
{
	mkvm_queue_exception_error(v, seg == MKVM_SEG_SS ? X86_TRAP_SS : X86_TRAP_GP, 0);
}

int mkvm_translate(struct mkvm_vcpu *v, const struct mkvm_guest_context *c, u64 linear,
		   u32 access, u64 *gpa)
{
	u32 error;
	int ret = mkvm_walk(v, c, linear, access, gpa, &error);

	if (ret != -EFAULT)
		return ret;
	mkvm_queue_page_fault(v, linear, error);
	return MKVM_FAULTED;
}

/* An operand of at most one page: the part up to the page boundary, and the rest. */
struct span {
	u64 gpa[2];
	u32 len[2];
};

static int translate_span(struct mkvm_vcpu *v, const struct mkvm_guest_context *c, u64 linear,
			  u32 len, u32 access, struct span *s)
{
	int ret;

	s->len[0] = min_t(u32, len, PAGE_SIZE - offset_in_page(linear));
	s->len[1] = len - s->len[0];
	ret = mkvm_translate(v, c, linear, access, &s->gpa[0]);
	if (!ret && s->len[1])
		ret = mkvm_translate(v, c, linear + s->len[0], access, &s->gpa[1]);
	return ret;
}

int mkvm_read_linear(struct mkvm_vcpu *v, const struct mkvm_guest_context *c, u64 linear,
		     void *data, u32 len, u32 access)
{
	struct span s;
	int ret = translate_span(v, c, linear, len, access, &s);

	if (ret)
		return ret;
	ret = mkvm_read_guest(v->vm, s.gpa[0], data, s.len[0]);
	if (!ret && s.len[1])
		ret = mkvm_read_guest(v->vm, s.gpa[1], data + s.len[0], s.len[1]);
	return ret;
}

int mkvm_write_linear(struct mkvm_vcpu *v, const struct mkvm_guest_context *c, u64 linear,
		      const void *data, u32 len)
{
	struct span s;
	int ret = translate_span(v, c, linear, len, MKVM_ACCESS_WRITE, &s);

	if (ret)
		return ret;
	ret = mkvm_write_guest(v->vm, s.gpa[0], data, s.len[0]);
	if (!ret && s.len[1])
		ret = mkvm_write_guest(v->vm, s.gpa[1], data + s.len[0], s.len[1]);
	return ret;
}

int mkvm_emulation_failed(struct mkvm_vcpu *v, const struct mkvm_guest_context *c,
			  const u8 *bytes, u32 len)
{
	struct kvm_run *run = v->run;

	if (c->cpl == 3) {
		mkvm_queue_exception(v, X86_TRAP_UD);
		return MKVM_RESUME;
	}
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.flags =
		len ? KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES : 0;
	run->emulation_failure.ndata = len ? 3 : 1;	/* 64-bit words from flags on */
	run->emulation_failure.insn_size = len;
	memset(run->emulation_failure.insn_bytes, 0x90, sizeof(run->emulation_failure.insn_bytes));
	if (len)
		memcpy(run->emulation_failure.insn_bytes, bytes, len);
	return MKVM_TO_USER;
}
