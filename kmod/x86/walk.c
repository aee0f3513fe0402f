// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's linear addresses: pure/segment.c and pure/pagewalk.c with guest
 * memory below and exceptions above.
 */
#include "x86/x86.h"
#include "pure/alu.h"
#include "pure/pagewalk.h"
#include "pure/segment.h"

/* Memory that is not there at once is no fault of the guest's. */
static int or_again(const struct mkvm_vcpu *v, int ret)
{
	return ret == -EFAULT && v->in_loop ? -EAGAIN : ret;
}

static int read_entry(void *vcpu, u64 gpa, u64 *entry, u32 size)
{
	struct mkvm_vcpu *v = vcpu;
	struct mkvm_code *code = v->learns;
	int ret = or_again(v, mkvm_read_entry(v, gpa, entry, size));

	if (code && !ret) {
		code->at[code->levels] = mkvm_guest_memory(v, gpa);
		code->entry[code->levels++] = *entry;
	}
	return ret;
}

static int replace_entry(void *vcpu, u64 gpa, u64 old, u64 next, u32 size)
{
	struct mkvm_vcpu *v = vcpu;

	if (v->learns)
		v->learns->levels = 0;	/* the next time it is as it will be */
	return or_again(v, mkvm_cmpxchg_guest(v, gpa, old, next, size));
}

/* What v->learns gets of the walk is complete when there are levels. */
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

	for (;;) {
		if (v->learns)
			v->learns->levels = 0;
		ret = mkvm_pagewalk(&paging, &memory, linear, access, gpa, error);
		if (ret != -EAGAIN || v->in_loop)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	if (v->learns && !ret)
		v->learns->bytes_at = mkvm_guest_memory(v, *gpa);
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
	enum mkvm_seg seg;

	load(v);
	mkvm_vendor->get_context(v, c);
	c->rip = mkvm_read_rip(v);
	mkvm_read_reg(v, MKVM_RSP);	/* into regs[], for address operands */
	for (seg = MKVM_SEG_ES; !mkvm_is_64bit(c) && seg <= MKVM_SEG_GS; seg++)
		mkvm_vendor->get_segment(v, seg, &c->seg[seg]);
	put(v);
}

void mkvm_take_segment(struct mkvm_vcpu *v, enum mkvm_seg seg)
{
	if (!mkvm_is_64bit(&v->context) || seg < MKVM_SEG_FS)
		return;
	load(v);
	mkvm_vendor->get_segment(v, seg, &v->context.seg[seg]);
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

static enum mkvm_segment_rules segment_rules(const struct mkvm_guest_context *c)
{
	if (mkvm_is_64bit(c))
		return c->cr4 & X86_CR4_LA57 ? MKVM_SEGMENT_LONG57 : MKVM_SEGMENT_LONG;
	if (!(c->cr0 & X86_CR0_PE) || (c->rflags & X86_EFLAGS_VM))
		return MKVM_SEGMENT_REAL;
	return MKVM_SEGMENT_PROTECTED;
}

bool mkvm_linear(const struct mkvm_vcpu *v, enum mkvm_seg seg, u64 offset, u32 size, u32 access,
		 u64 *linear)
{
	const struct mkvm_guest_context *c = &v->context;
	bool flat = seg != MKVM_SEG_FS && seg != MKVM_SEG_GS;

	return mkvm_segment_linear(&c->seg[seg], segment_rules(c), flat, offset, size, access,
				   linear);
}

void mkvm_queue_segment_fault(struct mkvm_vcpu *v, enum mkvm_seg seg)
{
	mkvm_queue_exception_error(v, seg == MKVM_SEG_SS ? X86_TRAP_SS : X86_TRAP_GP, 0);
}

int mkvm_translate(struct mkvm_vcpu *v, u64 linear, u32 access, u64 *gpa)
{
	u32 error;
	int ret = mkvm_walk(v, &v->context, linear, access, gpa, &error);

	if (ret != -EFAULT)
		return ret;
	mkvm_queue_page_fault(v, linear, error);
	return MKVM_FAULTED;
}

static int copy(struct mkvm_vcpu *v, u64 gpa, void *data, u32 len, u32 access)
{
	return access & MKVM_ACCESS_WRITE ? mkvm_write_guest(v, gpa, data, len) :
					    mkvm_read_guest(v, gpa, data, len);
}

int mkvm_access_linear(struct mkvm_vcpu *v, u64 linear, void *data, u32 len, u32 access)
{
	u32 first = min_t(u32, len, PAGE_SIZE - offset_in_page(linear));
	u64 gpa[2];
	int ret = mkvm_translate(v, linear, access, &gpa[0]);

	if (!ret && first < len)
		ret = mkvm_translate(v, linear + first, access, &gpa[1]);
	if (!ret)
		ret = copy(v, gpa[0], data, first, access);
	if (!ret && first < len)
		ret = copy(v, gpa[1], data + first, len - first, access);
	return ret;
}

int mkvm_emulation_failed(struct mkvm_vcpu *v, u32 len)
{
	struct kvm_run *run = v->run;

	if (v->context.cpl == 3) {
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
		memcpy(run->emulation_failure.insn_bytes, v->fetched.bytes, len);
	return MKVM_TO_USER;
}
