// SPDX-License-Identifier: GPL-2.0-only
/*
 * An access to guest physical memory that no slot holds: the instruction is
 * fetched, decoded (pure/insn.c) and executed here, each access to a device by
 * whoever is behind its address: the kernel (irq/bus.c) or, as KVM_EXIT_MMIO,
 * userspace. It ends when its last access is done, at the next KVM_RUN.
 *
 * First all operands are found, and the guest takes its faults. Then come at most
 * two transfers of up to 16 bytes, reads before writes; each is one access per
 * page and, to devices, per 8 bytes, and any of them may be to memory. Registers
 * change at the very end. REP is one round of this per item, with the guest
 * entered in between: RCX, RSI and RDI are all the progress there is.
 *
 * Most of it runs within the run loop, with interrupts and page faults off: what
 * needs to sleep says -EAGAIN or -EFAULT there and goes on in a deferred step.
 */
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "irq/irq.h"
#include "x86/guest.h"
#include "x86/x86.h"
#include "pure/alu.h"

/* ---- finding the operands ---- */

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
	return offset & mkvm_size_mask(insn->addr_size);
}

/* BT and its like with a register reach any bit from the operand on. */
static s64 bit_displacement(const struct mkvm_vcpu *v, const struct mkvm_insn *insn)
{
	u32 unused = 64 - 8 * insn->mem_size;

	if (insn->op < MKVM_OP_BT || insn->op > MKVM_OP_BTC || (insn->flags & MKVM_INSN_IMM))
		return 0;
	return ((s64)(v->regs[insn->reg & 15] << unused) >> unused >> 3) & -(s64)insn->mem_size;
}

/* Then the CPU has already translated it, with all checks. */
static bool is_faulting_access(const struct mkvm_vcpu *v, const struct mkvm_transfer *t, u64 linear)
{
	bool wrote = v->fault.access & MKVM_ACCESS_WRITE;

	return v->fault.of_operand && wrote == t->write && t->split == v->mmio.insn.mem_size &&
	       offset_in_page(v->fault.gpa) == offset_in_page(linear);
}

/* A transfer to or from seg:offset. */
static int locate(struct mkvm_vcpu *v, struct mkvm_guest_context *c, struct mkvm_transfer *t,
		  enum mkvm_seg seg, u64 offset, bool write)
{
	const struct mkvm_insn *insn = &v->mmio.insn;
	u32 access = write ? MKVM_ACCESS_WRITE : MKVM_ACCESS_READ;
	u64 linear = offset;
	int ret;

	t->write = write;
	t->split = min_t(u32, insn->mem_size, PAGE_SIZE - offset_in_page(offset));
	t->gpa[0] = v->fault.gpa;
	t->data[0] = 0;
	t->data[1] = 0;
	t->faulted = mkvm_is_64bit(c) && seg < MKVM_SEG_FS && is_faulting_access(v, t, linear);
	if (t->faulted)
		return 0;
	mkvm_take_segment(v, c, seg);
	if (!mkvm_linear(c, seg, offset, insn->mem_size, access, &linear)) {
		mkvm_queue_segment_fault(v, seg);
		return MKVM_FAULTED;
	}
	if ((insn->flags & MKVM_INSN_ALIGNED) && linear % 16) {
		mkvm_queue_exception_error(v, X86_TRAP_GP, 0);
		return MKVM_FAULTED;
	}
	t->split = min_t(u32, insn->mem_size, PAGE_SIZE - offset_in_page(linear));
	t->faulted = is_faulting_access(v, t, linear);
	ret = t->faulted ? 0 : mkvm_translate(v, c, linear, access, &t->gpa[0]);
	if (!ret && t->split < insn->mem_size)
		ret = mkvm_translate(v, c, linear + t->split, access, &t->gpa[1]);
	return ret;
}

static bool is_compare_string(const struct mkvm_insn *insn)
{
	return insn->op == MKVM_OP_CMP && (insn->flags & MKVM_INSN_SI);
}

/* MOVS, CMPS, PUSH and POP: one operand is the instruction's, the other is implied. */
static int locate_two(struct mkvm_vcpu *v, struct mkvm_guest_context *c)
{
	const struct mkvm_insn *insn = &v->mmio.insn;
	struct mkvm_transfer *t = v->mmio.transfer;
	u64 offset = mkvm_operand_offset(v, c, insn);
	bool pop = false;
	enum mkvm_seg seg = MKVM_SEG_ES;
	u64 other = v->regs[MKVM_RDI] & mkvm_size_mask(insn->addr_size);
	int ret;

	if (insn->flags & MKVM_INSN_STACK) {
		pop = insn->flags & MKVM_INSN_WRITE;
		seg = MKVM_SEG_SS;
		other = v->regs[MKVM_RSP] - (pop ? 0 : insn->mem_size);
		other &= mkvm_size_mask(v->mmio.stack_size);
		/* POP computes the address with the new stack pointer. */
		if (pop && insn->base == MKVM_RSP)
			offset = (offset + insn->mem_size) & mkvm_size_mask(insn->addr_size);
	}
	if (is_compare_string(insn))
		v->fault.of_operand = false;	/* which of the two it was is not known */
	v->mmio.nr = 2;
	ret = locate(v, c, &t[pop], insn->seg, offset, pop);
	return ret ?: locate(v, c, &t[!pop], seg, other, !pop && !is_compare_string(insn));
}

static int locate_operands(struct mkvm_vcpu *v, struct mkvm_guest_context *c)
{
	const struct mkvm_insn *insn = &v->mmio.insn;
	struct mkvm_transfer *t = v->mmio.transfer;
	u64 offset;
	int ret;

	if ((insn->flags & MKVM_INSN_STACK) ||
	    (insn->flags & MKVM_INSN_SI && insn->flags & MKVM_INSN_DI))
		return locate_two(v, c);
	offset = (mkvm_operand_offset(v, c, insn) + bit_displacement(v, insn)) &
		 mkvm_size_mask(insn->addr_size);
	ret = locate(v, c, t, insn->seg, offset, insn->flags & MKVM_INSN_WRITE);
	v->mmio.nr = 1;
	if (insn->flags & MKVM_INSN_WRITE && insn->flags & MKVM_INSN_READ) {
		t[1] = t[0];
		t[0].write = false;
		v->mmio.nr = 2;
	}
	return ret;
}

/* ---- the operation ---- */

static u64 source(const struct mkvm_vcpu *v)
{
	const struct mkvm_insn *insn = &v->mmio.insn;
	u64 value = insn->flags & MKVM_INSN_IMM ? insn->imm : v->regs[insn->reg & 15];

	return (insn->high_byte ? value >> 8 : value) & mkvm_size_mask(insn->reg_size);
}

/* From what was read to what is written; changes no register and may be repeated. */
static void compute(struct mkvm_vcpu *v, struct mkvm_operands *o)
{
	const struct mkvm_insn *insn = &v->mmio.insn;
	struct mkvm_transfer *t = v->mmio.transfer, *last = &t[v->mmio.nr - 1];

	if (insn->op == MKVM_OP_SSE) {
		if (last->write)
			memcpy(last->data, mkvm_fpu_xmm(v, insn->reg), sizeof(last->data));
		return;
	}
	if (insn->op == MKVM_OP_MOV && v->mmio.nr == 1 && !(insn->flags & MKVM_INSN_TO_REG)) {
		t->data[0] = source(v);
		return;
	}
	o->mem = t->data[0];
	o->reg = is_compare_string(insn) ? t[1].data[0] : source(v);
	o->acc = v->regs[MKVM_RAX];
	o->rflags = v->mmio.rflags;
	if (insn->op != MKVM_OP_MOV || v->mmio.nr == 1)
		mkvm_insn_execute(insn, o);
	if (last->write)
		last->data[0] = o->mem;
}

static void write_register(struct mkvm_vcpu *v, u64 value)
{
	const struct mkvm_insn *insn = &v->mmio.insn;
	enum mkvm_reg reg = insn->reg & 15;
	unsigned long old = v->regs[reg];

	if (insn->high_byte)
		mkvm_write_reg(v, reg, (old & ~0xff00ul) | value << 8);
	else
		mkvm_write_reg(v, reg, mkvm_merge_reg(old, value, insn->reg_size));
}

static void commit_results(struct mkvm_vcpu *v, const struct mkvm_operands *o)
{
	const struct mkvm_insn *insn = &v->mmio.insn;
	unsigned long *rax = &v->regs[MKVM_RAX];
	bool keeps_reg = insn->op == MKVM_OP_CMP || insn->op == MKVM_OP_TEST;

	if (insn->op == MKVM_OP_SSE) {
		if (insn->flags & MKVM_INSN_READ)
			memcpy(mkvm_fpu_xmm(v, insn->reg), v->mmio.transfer[0].data, 16);
		return;
	}
	if (((insn->flags & MKVM_INSN_TO_REG) && !keeps_reg) || insn->op == MKVM_OP_XCHG ||
	    insn->op == MKVM_OP_XADD)
		write_register(v, o->reg);
	if (insn->op == MKVM_OP_CMPXCHG && !(o->rflags & X86_EFLAGS_ZF))
		*rax = mkvm_merge_reg(*rax, o->acc, insn->reg_size);
	if (insn->op <= MKVM_OP_CMPXCHG)
		mkvm_set_arithmetic_flags(v, o->rflags);
}

static void advance_reg(struct mkvm_vcpu *v, enum mkvm_reg reg, s64 by, u32 size)
{
	mkvm_write_reg(v, reg, mkvm_merge_reg(v->regs[reg], v->regs[reg] + by, size));
}

/* False: the same instruction goes on with its next item. */
static bool advance_string(struct mkvm_vcpu *v, const struct mkvm_operands *o)
{
	const struct mkvm_insn *insn = &v->mmio.insn;
	s64 by = v->mmio.rflags & X86_EFLAGS_DF ? -(s64)insn->mem_size : insn->mem_size;

	if (insn->flags & MKVM_INSN_SI)
		advance_reg(v, MKVM_RSI, by, insn->addr_size);
	if (insn->flags & MKVM_INSN_DI)
		advance_reg(v, MKVM_RDI, by, insn->addr_size);
	if (!insn->rep)
		return true;
	advance_reg(v, MKVM_RCX, -1, insn->addr_size);
	if (!(v->regs[MKVM_RCX] & mkvm_size_mask(insn->addr_size)))
		return true;
	return insn->op == MKVM_OP_CMP && !(o->rflags & X86_EFLAGS_ZF) == (insn->rep == 0xf3);
}

static int finish(struct mkvm_vcpu *v)
{
	const struct mkvm_insn *insn = &v->mmio.insn;
	bool stored = insn->op == MKVM_OP_MOV && !(insn->flags & MKVM_INSN_TO_REG);
	struct mkvm_operands o = {};
	s64 size = insn->mem_size;
	bool done = true;

	if (!stored) {
		compute(v, &o);
		commit_results(v, &o);
	}
	if (insn->flags & (MKVM_INSN_SI | MKVM_INSN_DI))
		done = advance_string(v, &o);
	if (insn->flags & MKVM_INSN_STACK)
		advance_reg(v, MKVM_RSP, insn->flags & MKVM_INSN_WRITE ? size : -size,
			    v->mmio.stack_size);
	if (done)
		mkvm_end_insn(v, insn->len);
	return MKVM_RESUME;
}

/* ---- the accesses ---- */

static int complete_mmio(struct mkvm_vcpu *v);
static int go_on(struct mkvm_vcpu *v);

/* Bytes of the transfer that are left in this page. */
static u32 left(const struct mkvm_vcpu *v, const struct mkvm_transfer *t)
{
	return (v->mmio.done < t->split ? t->split : v->mmio.insn.mem_size) - v->mmio.done;
}

static u32 device_len(const struct mkvm_vcpu *v, const struct mkvm_transfer *t)
{
	return min_t(u32, left(v, t), sizeof(v->run->mmio.data));
}

static void *transfer_data(struct mkvm_vcpu *v, struct mkvm_transfer *t)
{
	return (u8 *)t->data + v->mmio.done;
}

static int exit_to_user(struct mkvm_vcpu *v, struct mkvm_transfer *t, u64 gpa, u32 len)
{
	struct kvm_run *run = v->run;

	v->complete = complete_mmio;
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = t->write;
	memcpy(run->mmio.data, transfer_data(v, t), len);
	return MKVM_TO_USER;
}

/* Memory where there is some, a device else: 0, MKVM_TO_USER or an errno. */
static int access_piece(struct mkvm_vcpu *v, struct mkvm_transfer *t)
{
	bool second = v->mmio.done >= t->split;
	u64 gpa = t->gpa[second] + v->mmio.done - (second ? t->split : 0);
	void *data = transfer_data(v, t);
	u32 len = left(v, t);
	int ret = -ENXIO;

	if (!t->faulted)
		ret = t->write ? mkvm_write_guest(v->vm, gpa, data, len) :
				 mkvm_read_guest(v->vm, gpa, data, len);
	if (ret == -ENXIO) {
		len = device_len(v, t);
		ret = mkvm_bus_mmio(v, t->write, gpa, len, data);
		if (ret == -EOPNOTSUPP)
			return exit_to_user(v, t, gpa, len);
	}
	if (!ret)
		v->mmio.done += len;
	return ret;
}

static int do_transfer(struct mkvm_vcpu *v, struct mkvm_transfer *t)
{
	struct mkvm_operands o = {};
	int ret = 0;

	if (t->write && !v->mmio.done)
		compute(v, &o);
	while (!ret && v->mmio.done < v->mmio.insn.mem_size)
		ret = access_piece(v, t);
	return ret;
}

static int go_on(struct mkvm_vcpu *v)
{
	int ret;

	for (; v->mmio.now < v->mmio.nr; v->mmio.now++, v->mmio.done = 0) {
		ret = do_transfer(v, &v->mmio.transfer[v->mmio.now]);
		if (ret)
			return ret;
	}
	return finish(v);
}

/* kvm_run is userspace's: only the data is taken from there. */
static int complete_mmio(struct mkvm_vcpu *v)
{
	struct mkvm_transfer *t = &v->mmio.transfer[v->mmio.now];
	u32 len = device_len(v, t);

	if (!t->write)
		memcpy(transfer_data(v, t), v->run->mmio.data, len);
	v->mmio.done += len;
	return go_on(v);
}

/* ---- the instruction ---- */

/* An IDT, a GDT, a TSS or a stack outside of memory: nothing that RIP tells of. */
static int delivery_failed(struct mkvm_vcpu *v)
{
	v->run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	v->run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	v->run->internal.ndata = 1;
	v->run->internal.data[0] = v->fault.gpa;
	return MKVM_TO_USER;
}

/* SDM vol. 2, "Exceptions Type 4": what the guest wrote there since may be SSE when that is off. */
static int sse_fault(struct mkvm_vcpu *v, const struct mkvm_guest_context *c)
{
	if ((c->cr0 & X86_CR0_EM) || !(c->cr4 & X86_CR4_OSFXSR))
		mkvm_queue_exception(v, X86_TRAP_UD);
	else if (c->cr0 & X86_CR0_TS)
		mkvm_queue_exception(v, X86_TRAP_NM);
	else
		return 0;
	return MKVM_FAULTED;
}

static int start(struct mkvm_vcpu *v, struct mkvm_guest_context *c)
{
	const struct mkvm_insn *insn = &v->mmio.insn;
	const struct kvm_segment *ss = &c->seg[MKVM_SEG_SS];

	v->mmio.rflags = c->rflags;
	v->mmio.stack_size = mkvm_is_64bit(c) ? 8 : ss->db ? 4 : 2;
	if (insn->rep && !(v->regs[MKVM_RCX] & mkvm_size_mask(insn->addr_size))) {
		mkvm_end_insn(v, insn->len);
		return MKVM_FAULTED;	/* nothing to do: the code is not what it was */
	}
	if (insn->op == MKVM_OP_SSE) {
		if (v->in_loop)
			return -EAGAIN;	/* the registers are in the CPU */
		if (sse_fault(v, c))
			return MKVM_FAULTED;
	}
	return locate_operands(v, c);
}

int mkvm_mmio(struct mkvm_vcpu *v)
{
	struct mkvm_guest_context *c = &v->context;
	struct mkvm_fetched f = {};
	int ret;

	v->mmio.now = 0;
	v->mmio.done = 0;
	if (v->fault.in_delivery)
		return delivery_failed(v);
	mkvm_take_context(v, c);
	ret = mkvm_fetch_and_decode(v, c, &f, &v->mmio.insn);
	if (ret == -ENXIO || (!ret && v->mmio.insn.op >= MKVM_OP_LMSW))
		return mkvm_emulation_failed(v, c, f.bytes, f.len);
	if (!ret)
		ret = start(v, c);
	if (ret)
		return ret < 0 ? ret : MKVM_RESUME;
	return go_on(v);
}

bool mkvm_is_device(struct mkvm_vcpu *v, u64 gpa)
{
	u64 version = READ_ONCE(v->vm->slots_version);
	mkvm_gfn_t gfn = gpa >> PAGE_SHIFT;

	if (v->no_slot.gfn == gfn && v->no_slot.version == version)
		return true;
	if (mkvm_is_memory(v->vm, gpa))
		return false;
	v->no_slot.gfn = gfn;
	v->no_slot.version = version;
	return true;
}

/*
 * Within the run loop: interrupts are off, and a page that is not there is no
 * reason to sleep. What has begun goes on where it is.
 */
int mkvm_fault(struct mkvm_vcpu *v)
{
	int ret;

	if (!mkvm_is_device(v, v->fault.gpa))
		return mkvm_defer(v, mkvm_handle_fault);
	pagefault_disable();
	ret = mkvm_mmio(v);
	pagefault_enable();
	if (ret != -EAGAIN && ret != -EFAULT)
		return ret;
	return mkvm_defer(v, v->mmio.now || v->mmio.done ? go_on : mkvm_handle_fault);
}
