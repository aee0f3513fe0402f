// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's instruction at RIP: fetched once, everything is derived from that copy.
 * Some that were decoded before are remembered, and are good as long as the entries of
 * the guest's page tables and the bytes are the same: both are read anew each time.
 */
#include "x86/x86.h"

/* Fetch until there are len bytes. MKVM_FAULTED: the guest cannot fetch them either. */
static int fetch(struct mkvm_vcpu *v, u32 len)
{
	struct mkvm_fetched *f = &v->fetched;
	u32 more = len - f->len;
	u64 linear;
	int ret;

	if (!mkvm_linear(v, MKVM_SEG_CS, v->context.rip + f->len, more, MKVM_ACCESS_EXEC,
			 &linear)) {
		mkvm_queue_segment_fault(v, MKVM_SEG_CS);
		return MKVM_FAULTED;
	}
	ret = mkvm_access_linear(v, linear, f->bytes + f->len, more, MKVM_ACCESS_EXEC);
	if (!ret)
		f->len = len;
	return ret;
}

static enum mkvm_insn_mode insn_mode(const struct mkvm_guest_context *c)
{
	if (mkvm_is_64bit(c))
		return MKVM_INSN_64;
	return c->seg[MKVM_SEG_CS].db ? MKVM_INSN_32 : MKVM_INSN_16;
}

/* How many bytes there are to fetch at once: in this page, within the segment. */
static u32 fetch_ahead(const struct mkvm_guest_context *c)
{
	u64 base = mkvm_is_64bit(c) ? 0 : c->seg[MKVM_SEG_CS].base;
	u32 len = min_t(u32, MKVM_INSN_MAX_LEN, PAGE_SIZE - offset_in_page(base + c->rip));

	if (!mkvm_is_64bit(c) && c->rip < c->seg[MKVM_SEG_CS].limit)
		len = min_t(u64, len, c->seg[MKVM_SEG_CS].limit - c->rip + 1);
	return len;
}

/* ---- instructions remembered ---- */

#define WINDOW	(2 * sizeof(u64))	/* read at once, holds the longest */

/*
 * Memory that may be gone is only compared: see mkvm_guest_memory(). By pointers, as
 * kernels with UBSAN would call its handler for an array's bounds where they may not.
 */
static bool same_memory(const struct mkvm_code *code)
{
	const u64 *entry = code->entry, *bytes = code->bytes, *mask = code->mask;
	const u64 __user *const *at = code->at;
	u64 value, diff = 0;
	u32 i;

	if (!user_access_begin(code->bytes_at, WINDOW))
		return false;
	for (i = 0; i < code->levels; i++) {
		unsafe_get_user(value, at[i], fault);
		diff |= value ^ entry[i];
	}
	for (i = 0; i < ARRAY_SIZE(code->bytes); i++) {
		unsafe_get_user(value, code->bytes_at + i, fault);
		diff |= (value ^ bytes[i]) & mask[i];
	}
	user_access_end();
	return !diff;
fault:
	user_access_end();
	return false;
}

/* Is it what the guest would fetch and we would decode? Page faults off, or may sleep. */
static bool is_known(const struct mkvm_vcpu *v, const struct mkvm_code *code)
{
	const struct mkvm_guest_context *c = &v->context;
	u64 diff = (c->rip ^ code->rip) | (c->cr3 ^ code->cr3) | (c->cr0 ^ code->cr0) |
		   (c->cr4 ^ code->cr4) | (c->efer ^ code->efer) | (c->cpl ^ code->cpl) |
		   (v->guest_cpu.maxphyaddr ^ code->maxphyaddr) |
		   (READ_ONCE(v->vm->slots_version) ^ code->slots_version);

	return code->valid && !diff && same_memory(code);
}

/* NULL: not to be remembered. Paging is on and has entries of 8 bytes. */
static struct mkvm_code *place_for(struct mkvm_vcpu *v)
{
	u64 rip = v->context.rip;

	if (!mkvm_is_64bit(&v->context) || offset_in_page(rip) > PAGE_SIZE - WINDOW)
		return NULL;
	return &v->code[(rip ^ rip >> 4) & (MKVM_NR_CODE - 1)];
}

/* Before the walk, which adds its entries. */
static void begin_to_learn(struct mkvm_vcpu *v, struct mkvm_code *code)
{
	const struct mkvm_guest_context *c = &v->context;

	*code = (struct mkvm_code){
		.cr0 = c->cr0, .cr3 = c->cr3, .cr4 = c->cr4, .efer = c->efer, .rip = c->rip,
		.cpl = c->cpl, .maxphyaddr = v->guest_cpu.maxphyaddr,
		.slots_version = READ_ONCE(v->vm->slots_version),
	};
	v->learns = code;
}

static void learn(struct mkvm_code *code, const struct mkvm_fetched *f)
{
	memcpy(code->bytes, f->bytes, f->len);
	memset(code->mask, 0xff, f->insn.len);
	code->insn = f->insn;
	code->valid = code->levels && code->bytes_at;
}

/* ---- */

/* Then one byte more until it is an instruction: no fault for what it does not reach. */
static int fetch_and_decode(struct mkvm_vcpu *v)
{
	enum mkvm_insn_mode mode = insn_mode(&v->context);
	struct mkvm_fetched *f = &v->fetched;
	u32 want = fetch_ahead(&v->context);
	enum mkvm_insn_status status;
	int ret;

	for (f->len = 0;; want++) {
		ret = fetch(v, want);
		if (ret)
			return ret;
		status = mkvm_insn_decode(f->bytes, f->len, mode, &f->insn);
		if (status == MKVM_INSN_OK)
			return 0;
		if (status != MKVM_INSN_TRUNCATED || want >= MKVM_INSN_MAX_LEN)
			return -ENXIO;
	}
}

/* Out of line for what is on its stack. */
static noinline int fetch_anew(struct mkvm_vcpu *v, struct mkvm_code *code)
{
	int ret;

	if (code)
		begin_to_learn(v, code);
	ret = fetch_and_decode(v);
	v->learns = NULL;
	if (code && !ret)
		learn(code, &v->fetched);
	v->insn = &v->fetched.insn;
	return ret;
}

int mkvm_fetch_and_decode(struct mkvm_vcpu *v)
{
	struct mkvm_code *code = place_for(v);

	if (!code || !is_known(v, code))
		return fetch_anew(v, code);
	memcpy(v->fetched.bytes, code->bytes, sizeof(v->fetched.bytes));
	v->fetched.len = code->insn.len;
	v->insn = &code->insn;
	return 0;
}
