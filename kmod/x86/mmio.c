// SPDX-License-Identifier: GPL-2.0-only
/*
 * An access to guest physical memory that no slot holds: the instruction is
 * fetched and decoded, userspace does the access as KVM_EXIT_MMIO, and the
 * instruction ends at the next KVM_RUN. pure/insn.c says which instructions.
 *
 * An operand that crosses a page boundary is two accesses, and one of the two
 * may be to memory.
 */
#include <linux/mm.h>

#include "irq/irq.h"
#include "x86/guest.h"
#include "x86/x86.h"

static enum mkvm_insn_status decode(const struct mkvm_fetched *f, enum mkvm_insn_mode mode,
				    void *insn)
{
	return mkvm_insn_decode(f->bytes, f->len, mode, insn);
}

/* ---- its memory operand ---- */

u64 mkvm_operand_offset(const struct mkvm_vcpu *v, const struct mkvm_guest_context *c,
			const struct mkvm_insn *insn)
{
	u64 offset = insn->disp;

	if (insn->rip_relative)
		offset += c->rip + insn->len;
	if (insn->base != MKVM_INSN_NO_REG)
		offset += v->regs[insn->base & 15];
	if (insn->index != MKVM_INSN_NO_REG)
		offset += v->regs[insn->index & 15] << insn->scale;
	return insn->addr_size == 8 ? offset : offset & (BIT_ULL(8 * insn->addr_size) - 1);
}

/* Then the CPU has already translated it, with all checks. */
static bool is_faulting_access(const struct mkvm_vcpu *v, u64 linear)
{
	bool wrote = v->fault.access & MKVM_ACCESS_WRITE;

	return v->fault.of_operand && wrote == v->mmio.insn.write &&
	       offset_in_page(v->fault.gpa) == offset_in_page(linear);
}

static int locate_operand(struct mkvm_vcpu *v, const struct mkvm_guest_context *c)
{
	const struct mkvm_insn *insn = &v->mmio.insn;
	u32 access = insn->write ? MKVM_ACCESS_WRITE : MKVM_ACCESS_READ;
	u64 linear;
	int ret;

	if (!mkvm_linear(c, insn->seg, mkvm_operand_offset(v, c, insn), insn->mem_size, access,
			 &linear)) {
		mkvm_queue_segment_fault(v, insn->seg);
		return MKVM_FAULTED;
	}
	v->mmio.done = 0;
	v->mmio.split = min_t(u32, insn->mem_size, PAGE_SIZE - offset_in_page(linear));
	if (v->mmio.split == insn->mem_size && is_faulting_access(v, linear)) {
		v->mmio.gpa[0] = v->fault.gpa;
		return 0;
	}
	ret = mkvm_translate(v, c, linear, access, &v->mmio.gpa[0]);
	if (!ret && v->mmio.split < insn->mem_size)
		ret = mkvm_translate(v, c, linear + v->mmio.split, access, &v->mmio.gpa[1]);
	return ret;
}

/* ---- its register operand ---- */

static void read_source(struct mkvm_vcpu *v)
{
	const struct mkvm_insn *insn = &v->mmio.insn;
	u64 value = insn->has_imm ? insn->imm : v->regs[insn->reg & 15];

	if (insn->high_byte)
		value >>= 8;
	memcpy(v->mmio.data, &value, sizeof(value));
}

static u64 extend(u64 value, const struct mkvm_insn *insn)
{
	u32 unused = 64 - 8 * insn->mem_size;

	if (insn->sign_extend)
		return (u64)((s64)(value << unused) >> unused);
	return value << unused >> unused;
}

static void write_destination(struct mkvm_vcpu *v)
{
	const struct mkvm_insn *insn = &v->mmio.insn;
	enum mkvm_reg reg = insn->reg & 15;
	unsigned long old = v->regs[reg];
	u64 value;

	memcpy(&value, v->mmio.data, sizeof(value));
	value = extend(value, insn);
	if (insn->high_byte)
		mkvm_write_reg(v, reg, (old & ~0xff00ul) | value << 8);
	else
		mkvm_write_reg(v, reg, mkvm_merge_reg(old, value, insn->reg_size));
}

/* ---- the access ---- */

static u64 part_gpa(const struct mkvm_vcpu *v)
{
	return v->mmio.gpa[v->mmio.done ? 1 : 0];
}

static u32 part_len(const struct mkvm_vcpu *v)
{
	return v->mmio.done ? v->mmio.insn.mem_size - v->mmio.split : v->mmio.split;
}

static int access_memory(struct mkvm_vcpu *v)
{
	u8 *data = v->mmio.data + v->mmio.done;

	if (v->mmio.insn.write)
		return mkvm_write_guest(v->vm, part_gpa(v), data, part_len(v));
	return mkvm_read_guest(v->vm, part_gpa(v), data, part_len(v));
}

static int complete_mmio(struct mkvm_vcpu *v);

static int exit_to_user(struct mkvm_vcpu *v)
{
	struct kvm_run *run = v->run;

	v->complete = complete_mmio;
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = part_gpa(v);
	run->mmio.len = part_len(v);
	run->mmio.is_write = v->mmio.insn.write;
	memcpy(run->mmio.data, v->mmio.data + v->mmio.done, part_len(v));
	return MKVM_TO_USER;
}

static int do_rest(struct mkvm_vcpu *v)
{
	const struct mkvm_insn *insn = &v->mmio.insn;
	int ret;

	while (v->mmio.done < insn->mem_size) {
		ret = access_memory(v);
		if (ret == -ENXIO)
			ret = mkvm_bus_mmio(v, insn->write, part_gpa(v), part_len(v),
					    v->mmio.data + v->mmio.done);
		if (ret == -EOPNOTSUPP)
			return exit_to_user(v);
		if (ret)
			return ret;
		v->mmio.done += part_len(v);
	}
	if (!insn->write)
		write_destination(v);
	v->skip_len = insn->len;
	return MKVM_RESUME;
}

/* kvm_run is userspace's: only the data is taken from there. */
static int complete_mmio(struct mkvm_vcpu *v)
{
	if (!v->mmio.insn.write)
		memcpy(v->mmio.data + v->mmio.done, v->run->mmio.data, part_len(v));
	v->mmio.done += part_len(v);
	return do_rest(v);
}

/* An IDT, a GDT, a TSS or a stack outside of memory: nothing that RIP tells of. */
static int delivery_failed(struct mkvm_vcpu *v)
{
	v->run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	v->run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	v->run->internal.ndata = 1;
	v->run->internal.data[0] = v->fault.gpa;
	return MKVM_TO_USER;
}

int mkvm_mmio(struct mkvm_vcpu *v)
{
	struct mkvm_guest_context c;
	struct mkvm_fetched f = {};
	int ret;

	if (v->fault.in_delivery)
		return delivery_failed(v);
	mkvm_take_context(v, &c);
	ret = mkvm_fetch_and_decode(v, &c, &f, decode, &v->mmio.insn);
	if (ret == -ENXIO)
		return mkvm_emulation_failed(v, &c, f.bytes, f.len);
	if (!ret)
		ret = locate_operand(v, &c);
	if (ret)
		return ret < 0 ? ret : MKVM_RESUME;
	if (v->mmio.insn.write)
		read_source(v);
	return do_rest(v);
}
