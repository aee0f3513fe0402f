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
#include "x86/x86.h"
#include "pure/alu.h"

/* ---- finding the operands ---- */

u64 mkvm_operand_offset(const struct mkvm_vcpu *v)
{
	const struct mkvm_insn *insn = v->insn;
	u64 offset = insn->disp;

	if (insn->rip_relative)
		offset += v->context.rip + insn->len;
	if (insn->base != MKVM_INSN_NO_REG)
		offset += v->regs[insn->base & 15];
	if (insn->index != MKVM_INSN_NO_REG)
		offset += v->regs[insn->index & 15] << insn->scale;
	return offset & mkvm_size_mask(insn->addr_size);
}

/* BT and its like with a register reach any bit from the operand on. */
static s64 bit_displacement(const struct mkvm_vcpu *v)
{
	const struct mkvm_insn *insn = v->insn;
	u32 unused = 64 - 8 * insn->mem_size;

	return ((s64)(v->regs[insn->reg & 15] << unused) >> unused >> 3) & -(s64)insn->mem_size;
}

/* Then the CPU has already translated it, with all checks. */
static bool is_faulting_access(const struct mkvm_vcpu *v, u64 linear, bool write)
{
	return v->fault.of_operand && write == !!(v->fault.access & MKVM_ACCESS_WRITE) &&
	       offset_in_page(v->fault.gpa) == offset_in_page(linear) &&
	       offset_in_page(linear) + v->insn->mem_size <= PAGE_SIZE;
}

/* The checks of seg:offset, and a walk unless the CPU had done one. */
static noinline int check_operand(struct mkvm_vcpu *v, struct mkvm_transfer *t, enum mkvm_seg seg,
				  u64 offset)
{
	u32 access = t->write ? MKVM_ACCESS_WRITE : MKVM_ACCESS_READ, size = v->insn->mem_size;
	u64 linear;
	int ret = 0;

	mkvm_take_segment(v, seg);
	if (!mkvm_linear(v, seg, offset, size, access, &linear)) {
		mkvm_queue_segment_fault(v, seg);
		return MKVM_FAULTED;
	}
	if ((v->insn->flags & MKVM_INSN_ALIGNED) && linear % 16) {
		mkvm_queue_exception_error(v, X86_TRAP_GP, 0);
		return MKVM_FAULTED;
	}
	t->split = min_t(u32, size, PAGE_SIZE - offset_in_page(linear));
	t->faulted = is_faulting_access(v, linear, t->write);
	if (!t->faulted)
		ret = mkvm_translate(v, linear, access, &t->gpa[0]);
	if (!ret && t->split < size)
		ret = mkvm_translate(v, linear + t->split, access, &t->gpa[1]);
	t->gpa[1] -= t->split;
	return ret;
}

/* A transfer to or from seg:offset. */
static int locate(struct mkvm_vcpu *v, struct mkvm_transfer *t, enum mkvm_seg seg, u64 offset,
		  bool write)
{
	bool flat = mkvm_is_64bit(&v->context) && seg < MKVM_SEG_FS;

	*t = (struct mkvm_transfer){
		.gpa = { v->fault.gpa }, .split = v->insn->mem_size, .write = write,
		.faulted = flat && is_faulting_access(v, offset, write),
	};
	return t->faulted ? 0 : check_operand(v, t, seg, offset);
}

static u32 stack_size(const struct mkvm_vcpu *v)
{
	return mkvm_is_64bit(&v->context) ? 8 : v->context.seg[MKVM_SEG_SS].db ? 4 : 2;
}

static bool is_compare_string(const struct mkvm_insn *insn)
{
	return insn->op == MKVM_OP_CMP && (insn->flags & MKVM_INSN_SI);
}

/* MOVS, CMPS, PUSH and POP: one operand is the instruction's, the other is implied. */
static int locate_two(struct mkvm_vcpu *v)
{
	const struct mkvm_insn *insn = v->insn;
	struct mkvm_transfer *t = v->mmio.transfer;
	u64 offset = mkvm_operand_offset(v);
	bool pop = false;
	enum mkvm_seg seg = MKVM_SEG_ES;
	u64 other = v->regs[MKVM_RDI] & mkvm_size_mask(insn->addr_size);
	int ret;

	if (insn->flags & MKVM_INSN_STACK) {
		pop = insn->flags & MKVM_INSN_WRITE;
		seg = MKVM_SEG_SS;
		other = v->regs[MKVM_RSP] - (pop ? 0 : insn->mem_size);
		other &= mkvm_size_mask(stack_size(v));
		/* POP computes the address with the new stack pointer. */
		if (pop && insn->base == MKVM_RSP)
			offset = (offset + insn->mem_size) & mkvm_size_mask(insn->addr_size);
	}
	if (is_compare_string(insn))
		v->fault.of_operand = false;	/* which of the two it was is not known */
	v->mmio.nr = 2;
	ret = locate(v, &t[pop], insn->seg, offset, pop);
	return ret ?: locate(v, &t[!pop], seg, other, !pop && !is_compare_string(insn));
}

static int locate_operands(struct mkvm_vcpu *v)
{
	const struct mkvm_insn *insn = v->insn;
	struct mkvm_transfer *t = v->mmio.transfer;
	u64 offset;
	int ret;

	if ((insn->flags & MKVM_INSN_STACK) ||
	    (insn->flags & MKVM_INSN_SI && insn->flags & MKVM_INSN_DI))
		return locate_two(v);
	offset = mkvm_operand_offset(v);
	if (insn->op >= MKVM_OP_BT && insn->op <= MKVM_OP_BTC && !(insn->flags & MKVM_INSN_IMM))
		offset = (offset + bit_displacement(v)) & mkvm_size_mask(insn->addr_size);
	ret = locate(v, t, insn->seg, offset, insn->flags & MKVM_INSN_WRITE);
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
	const struct mkvm_insn *insn = v->insn;
	u64 value = insn->flags & MKVM_INSN_IMM ? insn->imm : v->regs[insn->reg & 15];

	return (insn->high_byte ? value >> 8 : value) & mkvm_size_mask(insn->reg_size);
}

/* All but MOV and SSE: from what was read to the results. May be repeated. */
static void compute(const struct mkvm_vcpu *v, struct mkvm_operands *o)
{
	const struct mkvm_transfer *t = v->mmio.transfer;

	o->mem = t[0].data[0];
	o->reg = is_compare_string(v->insn) ? t[1].data[0] : source(v);
	o->acc = v->regs[MKVM_RAX];
	o->rflags = v->context.rflags;
	mkvm_insn_execute(v->insn, o);
}

static noinline u64 memory_result(const struct mkvm_vcpu *v)
{
	struct mkvm_operands o;

	compute(v, &o);
	return o.mem;
}

/* What a write that begins stores. */
static void take_data(struct mkvm_vcpu *v, struct mkvm_transfer *t)
{
	if (v->insn->op == MKVM_OP_SSE)
		memcpy(t->data, mkvm_fpu_xmm(v, v->insn->reg), sizeof(t->data));
	else if (v->insn->op != MKVM_OP_MOV)
		t->data[0] = memory_result(v);
	else
		t->data[0] = v->mmio.nr == 2 ? v->mmio.transfer[0].data[0] : source(v);
}

static void write_register(struct mkvm_vcpu *v, u64 value)
{
	const struct mkvm_insn *insn = v->insn;
	enum mkvm_reg reg = insn->reg & 15;
	unsigned long old = v->regs[reg];

	if (insn->high_byte)
		mkvm_write_reg(v, reg, (old & ~0xff00ul) | value << 8);
	else
		mkvm_write_reg(v, reg, mkvm_merge_reg(old, value, insn->reg_size));
}

/* All but MOV. RFLAGS as they are then. */
static noinline u64 commit_results(struct mkvm_vcpu *v)
{
	const struct mkvm_insn *insn = v->insn;
	bool keeps_reg = insn->op == MKVM_OP_CMP || insn->op == MKVM_OP_TEST;
	unsigned long *rax = &v->regs[MKVM_RAX];
	struct mkvm_operands o;

	if (insn->op == MKVM_OP_SSE) {
		if (insn->flags & MKVM_INSN_READ)
			memcpy(mkvm_fpu_xmm(v, insn->reg), v->mmio.transfer[0].data, 16);
		return v->context.rflags;
	}
	compute(v, &o);
	if (((insn->flags & MKVM_INSN_TO_REG) && !keeps_reg) || insn->op == MKVM_OP_XCHG ||
	    insn->op == MKVM_OP_XADD)
		write_register(v, o.reg);
	if (insn->op == MKVM_OP_CMPXCHG && !(o.rflags & X86_EFLAGS_ZF))
		*rax = mkvm_merge_reg(*rax, o.acc, insn->reg_size);
	if (insn->op <= MKVM_OP_CMPXCHG)
		mkvm_set_arithmetic_flags(v, o.rflags);
	return o.rflags;
}

static void advance_reg(struct mkvm_vcpu *v, enum mkvm_reg reg, s64 by, u32 size)
{
	mkvm_write_reg(v, reg, mkvm_merge_reg(v->regs[reg], v->regs[reg] + by, size));
}

/* False: the same instruction goes on with its next item. */
static bool advance_string(struct mkvm_vcpu *v, u64 rflags)
{
	const struct mkvm_insn *insn = v->insn;
	s64 by = v->context.rflags & X86_EFLAGS_DF ? -(s64)insn->mem_size : insn->mem_size;

	if (insn->flags & MKVM_INSN_SI)
		advance_reg(v, MKVM_RSI, by, insn->addr_size);
	if (insn->flags & MKVM_INSN_DI)
		advance_reg(v, MKVM_RDI, by, insn->addr_size);
	if (!insn->rep)
		return true;
	advance_reg(v, MKVM_RCX, -1, insn->addr_size);
	if (!(v->regs[MKVM_RCX] & mkvm_size_mask(insn->addr_size)))
		return true;
	return insn->op == MKVM_OP_CMP && !(rflags & X86_EFLAGS_ZF) == (insn->rep == 0xf3);
}

static int finish(struct mkvm_vcpu *v)
{
	const struct mkvm_insn *insn = v->insn;
	u64 rflags = v->context.rflags;
	s64 size = insn->mem_size;
	bool done = true;

	if (insn->op != MKVM_OP_MOV)
		rflags = commit_results(v);
	else if (insn->flags & MKVM_INSN_TO_REG)
		write_register(v, v->mmio.transfer[0].data[0]);
	if (insn->flags & (MKVM_INSN_SI | MKVM_INSN_DI))
		done = advance_string(v, rflags);
	if (insn->flags & MKVM_INSN_STACK)
		advance_reg(v, MKVM_RSP, insn->flags & MKVM_INSN_WRITE ? size : -size,
			    stack_size(v));
	if (done)
		mkvm_end_insn(v, insn->len);
	return MKVM_RESUME;
}

/* ---- the accesses ---- */

static int complete_mmio(struct mkvm_vcpu *v);

static int exit_to_user(struct mkvm_vcpu *v, bool write, u64 gpa, u32 len, const void *data)
{
	struct kvm_run *run = v->run;

	v->mmio.asked = len;
	v->complete = complete_mmio;
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = write;
	memcpy(run->mmio.data, data, len);
	return MKVM_TO_USER;
}

/* Up to a page's end. Memory where there is some, else a device: 0, MKVM_TO_USER, an errno. */
static int access_piece(struct mkvm_vcpu *v, struct mkvm_transfer *t)
{
	bool second = v->mmio.done >= t->split;
	u32 len = (second ? v->insn->mem_size : t->split) - v->mmio.done;
	u64 gpa = t->gpa[second] + v->mmio.done;
	void *data = (u8 *)t->data + v->mmio.done;
	int ret = -ENXIO;

	if (!t->faulted)
		ret = t->write ? mkvm_write_guest(v, gpa, data, len) :
				 mkvm_read_guest(v, gpa, data, len);
	if (ret == -ENXIO) {
		len = min_t(u32, len, sizeof(v->run->mmio.data));
		ret = mkvm_bus_mmio(v, t->write, gpa, len, data);
		if (ret == -EOPNOTSUPP)
			return exit_to_user(v, t->write, gpa, len, data);
	}
	if (!ret)
		v->mmio.done += len;
	return ret;
}

static int go_on(struct mkvm_vcpu *v)
{
	struct mkvm_transfer *t;
	int ret;

	for (; v->mmio.now < v->mmio.nr; v->mmio.now++, v->mmio.done = 0) {
		t = &v->mmio.transfer[v->mmio.now];
		if (t->write && !v->mmio.done)
			take_data(v, t);
		while (v->mmio.done < v->insn->mem_size) {
			ret = access_piece(v, t);
			if (ret)
				return ret;
		}
	}
	return finish(v);
}

/* kvm_run is userspace's: only the data is taken from there. */
static int complete_mmio(struct mkvm_vcpu *v)
{
	struct mkvm_transfer *t = &v->mmio.transfer[v->mmio.now];

	if (!t->write)
		memcpy((u8 *)t->data + v->mmio.done, v->run->mmio.data, v->mmio.asked);
	v->mmio.done += v->mmio.asked;
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
static int sse_fault(struct mkvm_vcpu *v)
{
	const struct mkvm_guest_context *c = &v->context;

	if ((c->cr0 & X86_CR0_EM) || !(c->cr4 & X86_CR4_OSFXSR))
		mkvm_queue_exception(v, X86_TRAP_UD);
	else if (c->cr0 & X86_CR0_TS)
		mkvm_queue_exception(v, X86_TRAP_NM);
	else
		return 0;
	return MKVM_FAULTED;
}

static int start(struct mkvm_vcpu *v)
{
	const struct mkvm_insn *insn = v->insn;

	if (insn->rep && !(v->regs[MKVM_RCX] & mkvm_size_mask(insn->addr_size))) {
		mkvm_end_insn(v, insn->len);
		return MKVM_FAULTED;	/* nothing to do: the code is not what it was */
	}
	if (insn->op == MKVM_OP_SSE) {
		if (v->in_loop)
			return -EAGAIN;	/* the registers are in the CPU */
		if (sse_fault(v))
			return MKVM_FAULTED;
	}
	return locate_operands(v);
}

int mkvm_mmio(struct mkvm_vcpu *v)
{
	int ret;

	v->mmio.now = 0;
	v->mmio.done = 0;
	if (v->fault.in_delivery)
		return delivery_failed(v);
	mkvm_take_context(v, &v->context);
	ret = mkvm_fetch_and_decode(v);
	if (ret == -ENXIO || (!ret && v->insn->op >= MKVM_OP_LMSW))
		return mkvm_emulation_failed(v, v->fetched.len);
	if (!ret)
		ret = start(v);
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
	if (mkvm_guest_memory(v, gpa))
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
