// SPDX-License-Identifier: GPL-2.0-only
/* The guest's instruction at RIP: fetched once, everything is derived from that copy. */
#include <linux/mm.h>

#include "x86/guest.h"
#include "x86/x86.h"

/* Fetch until there are len bytes. MKVM_FAULTED: the guest cannot fetch them either. */
static int fetch(struct mkvm_vcpu *v, const struct mkvm_guest_context *c, struct mkvm_fetched *f,
		 u32 len)
{
	u32 more = len - f->len;
	u64 linear;
	int ret;

	if (!mkvm_linear(c, MKVM_SEG_CS, c->rip + f->len, more, MKVM_ACCESS_EXEC, &linear)) {
		mkvm_queue_segment_fault(v, MKVM_SEG_CS);
		return MKVM_FAULTED;
	}
	ret = mkvm_read_linear(v, c, linear, f->bytes + f->len, more, MKVM_ACCESS_EXEC);
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

/* Then one byte more until it is an instruction: no fault for what it does not reach. */
int mkvm_fetch_and_decode(struct mkvm_vcpu *v, const struct mkvm_guest_context *c,
			  struct mkvm_fetched *f, struct mkvm_insn *insn)
{
	u32 want = fetch_ahead(c);
	enum mkvm_insn_status status;
	int ret;

	for (;; want++) {
		ret = fetch(v, c, f, want);
		if (ret)
			return ret;
		status = mkvm_insn_decode(f->bytes, f->len, insn_mode(c), insn);
		if (status == MKVM_INSN_OK)
			return 0;
		if (status != MKVM_INSN_TRUNCATED || want >= MKVM_INSN_MAX_LEN)
			return -ENXIO;
	}
}
