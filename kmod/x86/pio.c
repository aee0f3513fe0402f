// SPDX-License-Identifier: GPL-2.0-only
/*
 * IN, OUT, INS and OUTS, executed by userspace: KVM_EXIT_IO, the data in page 1
 * of the vCPU's mapping. The instruction ends at the next KVM_RUN, unless
 * KVM_SET_REGS has moved RIP: an OUT that resets the machine has no end.
 *
 * Userspace writes kvm_run and the data page at any time: what decides anything
 * here stays in v->pio, and the data is only data.
 */
#include "x86/x86.h"

static int exit_to_user(struct mkvm_vcpu *v, u32 count, int (*complete)(struct mkvm_vcpu *))
{
	struct kvm_run *run = v->run;

	v->pio.count = count;
	v->complete = complete;
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = v->pio.in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = v->pio.size;
	run->io.port = v->pio.port;
	run->io.count = count;
	run->io.data_offset = PAGE_SIZE;
	return MKVM_TO_USER;
}

static int complete_pio(struct mkvm_vcpu *v)
{
	unsigned long *rax = &v->regs[MKVM_RAX];

	if (v->pio.in)
		*rax = mkvm_merge_reg(*rax, READ_ONCE(*(u32 *)v->pio_data), v->pio.size);
	v->skip_len = v->pio.insn_len;
	return MKVM_RESUME;
}

/* IN and OUT. Loaded, interrupts off. The caller skips the instruction if it is done. */
int mkvm_pio(struct mkvm_vcpu *v)
{
	unsigned long *rax = &v->regs[MKVM_RAX];

	v->pio.data = *rax;
	if (!mkvm_bus_pio(v, !v->pio.in, v->pio.port, v->pio.size, &v->pio.data)) {
		if (v->pio.in)
			*rax = mkvm_merge_reg(*rax, v->pio.data, v->pio.size);
		return MKVM_RESUME;
	}
	if (!v->pio.in)
		WRITE_ONCE(*(u32 *)v->pio_data, v->pio.data);
	return exit_to_user(v, 1, complete_pio);
}

/* ---- INS and OUTS ---- */

/* The instruction as its registers have it now; they are the only progress it has. */
struct string_io {
	enum mkvm_reg reg;	/* of the memory operand's offset */
	u32 access;
	u64 mask;		/* by address size */
	u64 offset;
	u64 left;		/* items */
	bool down;
};

static void look_at_string(struct mkvm_vcpu *v, struct string_io *s)
{
	mkvm_take_context(v, &v->context);
	mkvm_take_segment(v, v->pio.seg);
	s->reg = v->pio.in ? MKVM_RDI : MKVM_RSI;
	s->access = v->pio.in ? MKVM_ACCESS_WRITE : MKVM_ACCESS_READ;
	s->mask = mkvm_size_mask(v->pio.addr_size);
	s->offset = v->regs[s->reg] & s->mask;
	s->left = v->pio.rep ? v->regs[MKVM_RCX] & s->mask : 1;
	s->down = v->context.rflags & X86_EFLAGS_DF;
}

/* n items are done: the registers that count them, and RIP when they were the last. */
static void advance(struct mkvm_vcpu *v, struct string_io *s, u32 n)
{
	u64 bytes = (u64)n * v->pio.size;

	s->offset = (s->down ? s->offset - bytes : s->offset + bytes) & s->mask;
	s->left -= n;
	v->regs[s->reg] = mkvm_merge_reg(v->regs[s->reg], s->offset, v->pio.addr_size);
	if (v->pio.rep)
		v->regs[MKVM_RCX] = mkvm_merge_reg(v->regs[MKVM_RCX], s->left, v->pio.addr_size);
	if (!s->left)
		v->skip_len = v->pio.insn_len;
}

/*
 * How many items, from the first one at linear on, fault together or not at all:
 * upwards, in one page, within the segment. Otherwise it is one at a time.
 */
static u32 run_length(const struct mkvm_vcpu *v, const struct string_io *s, u64 linear)
{
	u32 size = v->pio.size;
	u64 n = min_t(u64, s->left, (PAGE_SIZE - offset_in_page(linear)) / size);

	if (s->down || n <= 1 || s->mask - s->offset < n * size)
		return 1;
	return mkvm_linear(v, v->pio.seg, s->offset, n * size, s->access, &linear) ? n : 1;
}

static int first_run(struct mkvm_vcpu *v, const struct string_io *s, u64 *linear, u32 *n)
{
	if (!mkvm_linear(v, v->pio.seg, s->offset, v->pio.size, s->access, linear)) {
		mkvm_queue_segment_fault(v, v->pio.seg);
		return MKVM_FAULTED;
	}
	*n = run_length(v, s, *linear);
	return 0;
}

/* 0 and errno as they are; the guest takes its fault at the next entry. */
static int resume_or_error(struct mkvm_vcpu *v, int ret)
{
	if (ret == -ENXIO)
		return mkvm_emulation_failed(v, 0);	/* port to MMIO */
	return ret < 0 ? ret : MKVM_RESUME;
}

/* Store what userspace read from the port; stops where the guest's memory faults. */
static int store_items(struct mkvm_vcpu *v, struct string_io *s, u32 count)
{
	u8 *data = v->pio_data;
	u64 linear;
	u32 n;
	int ret;

	while (count) {
		ret = first_run(v, s, &linear, &n);
		if (ret)
			return ret;
		n = min(n, count);
		ret = mkvm_access_linear(v, linear, data, n * v->pio.size, s->access);
		if (ret)
			return ret;
		advance(v, s, n);
		data += n * v->pio.size;
		count -= n;
	}
	return 0;
}

/*
 * Userspace may have set the registers meanwhile: count is as many items as the
 * data page has, RCX how many the instruction still wants.
 */
static int complete_string(struct mkvm_vcpu *v)
{
	struct string_io s;
	u32 count;

	look_at_string(v, &s);
	count = min_t(u64, v->pio.count, s.left);
	if (v->pio.in && count)
		return resume_or_error(v, store_items(v, &s, count));
	advance(v, &s, count);
	return MKVM_RESUME;
}

/* Who has the port takes all items. */
static int bus_items(struct mkvm_vcpu *v, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (mkvm_bus_pio(v, !v->pio.in, v->pio.port, v->pio.size,
				 v->pio_data + i * v->pio.size) && !i)
			return -EOPNOTSUPP;
	v->pio.count = n;
	return 0;
}

/*
 * One KVM_EXIT_IO per run of items. The guest's faults come first: no port is
 * read for memory that cannot be written. Between two runs the guest is entered
 * again, at the same RIP, so that it gets its interrupts.
 */
int mkvm_pio_string(struct mkvm_vcpu *v)
{
	struct string_io s;
	u64 linear, gpa;
	u32 n;
	int ret;

	look_at_string(v, &s);
	if (!s.left) {
		advance(v, &s, 0);
		return MKVM_RESUME;
	}
	ret = first_run(v, &s, &linear, &n);
	if (ret)
		return resume_or_error(v, ret);
	if (v->pio.in)
		ret = mkvm_translate(v, linear, s.access, &gpa);
	else
		ret = mkvm_access_linear(v, linear, v->pio_data, n * v->pio.size, s.access);
	if (ret)
		return resume_or_error(v, ret);
	return bus_items(v, n) ? exit_to_user(v, n, complete_string) : complete_string(v);
}
