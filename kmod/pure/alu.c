// SPDX-License-Identifier: GPL-2.0-only
/* Results and flags. SDM vol. 2, "Operation" and "Flags Affected" of each instruction. */
#include "alu.h"

#define CF	MKVM_BIT(0)
#define PF	MKVM_BIT(2)
#define AF	MKVM_BIT(4)
#define ZF	MKVM_RFLAGS_ZF
#define SF	MKVM_BIT(7)
#define OF	MKVM_BIT(11)

static u64 cut(u64 value, u32 size)
{
	return value << (64 - 8 * size) >> (64 - 8 * size);
}

static u64 sign_extend(u64 value, u32 size)
{
	return (u64)((s64)(value << (64 - 8 * size)) >> (64 - 8 * size));
}

static bool sign(u64 value, u32 size)
{
	return value >> (8 * size - 1) & 1;
}

static void set_flags(u64 *rflags, u32 which, u32 value)
{
	*rflags = (*rflags & ~(u64)which) | (value & which);
}

/* SF, ZF, PF follow from the result; carry, overflow and AF are the caller's. */
static void result_flags(u64 *rflags, u64 result, u32 size, u32 others)
{
	u8 nibble = (u8)((result ^ result >> 4) & 15);

	if (!(0x6996 >> nibble & 1))
		others |= PF;
	if (!result)
		others |= ZF;
	if (sign(result, size))
		others |= SF;
	set_flags(rflags, MKVM_RFLAGS_ARITHMETIC, others);
}

/* The carries out of each bit position tell CF and AF; those into and out of the last, OF. */
static u64 carry_flags(u64 *rflags, u64 result, u64 carries, u64 overflow, u32 size)
{
	result = cut(result, size);
	result_flags(rflags, result, size, (sign(carries, size) ? CF : 0) |
		     (carries & 8 ? AF : 0) | (sign(overflow, size) ? OF : 0));
	return result;
}

static u64 add(u32 size, u64 a, u64 b, u64 carry, u64 *rflags)
{
	u64 sum = a + b + carry;

	return carry_flags(rflags, sum, (a & b) | ((a | b) & ~sum), (a ^ sum) & (b ^ sum), size);
}

static u64 subtract(u32 size, u64 a, u64 b, u64 borrow, u64 *rflags)
{
	u64 difference = a - b - borrow;

	return carry_flags(rflags, difference, (~a & b) | (~(a ^ b) & difference),
			   (a ^ b) & (a ^ difference), size);
}

static u64 logical(u32 size, u64 result, u64 *rflags)
{
	result_flags(rflags, result, size, 0);
	return result;
}

static u64 bit_test(enum mkvm_op op, u32 size, u64 value, u64 offset, u64 *rflags)
{
	u64 bit = 1ull << (offset & (8 * size - 1));

	set_flags(rflags, CF, value & bit ? CF : 0);
	switch (op) {
	case MKVM_OP_BTS:
		return value | bit;
	case MKVM_OP_BTR:
		return value & ~bit;
	case MKVM_OP_BTC:
		return value ^ bit;
	default:
		return value;
	}
}

/* INC and DEC leave the carry alone. */
static u64 keep_carry(u64 result, u64 before, u64 *rflags)
{
	set_flags(rflags, CF, (u32)before);
	return result;
}

/* The first operand's new value: of CMP, TEST and BT the old one. */
static u64 alu(enum mkvm_op op, u32 size, u64 a, u64 b, u64 *rflags)
{
	u64 before = *rflags;

	switch (op) {
	case MKVM_OP_ADD:
		return add(size, a, b, 0, rflags);
	case MKVM_OP_ADC:
		return add(size, a, b, before & CF, rflags);
	case MKVM_OP_SUB:
		return subtract(size, a, b, 0, rflags);
	case MKVM_OP_SBB:
		return subtract(size, a, b, before & CF, rflags);
	case MKVM_OP_CMP:
		subtract(size, a, b, 0, rflags);
		return a;
	case MKVM_OP_NEG:
		return subtract(size, 0, a, 0, rflags);
	case MKVM_OP_INC:
		return keep_carry(add(size, a, 1, 0, rflags), before, rflags);
	case MKVM_OP_DEC:
		return keep_carry(subtract(size, a, 1, 0, rflags), before, rflags);
	case MKVM_OP_AND:
		return logical(size, a & b, rflags);
	case MKVM_OP_OR:
		return logical(size, a | b, rflags);
	case MKVM_OP_XOR:
		return logical(size, a ^ b, rflags);
	case MKVM_OP_TEST:
		logical(size, a & b, rflags);
		return a;
	case MKVM_OP_NOT:
		return cut(~a, size);
	default:
		return bit_test(op, size, a, b, rflags);
	}
}

static u64 swap_bytes(u64 value, u32 size)
{
	return __builtin_bswap64(value) >> (64 - 8 * size);
}

static void compare_and_exchange(u32 size, struct mkvm_operands *o)
{
	alu(MKVM_OP_CMP, size, cut(o->acc, size), o->mem, &o->rflags);
	if (o->rflags & ZF)
		o->mem = o->reg;
	else
		o->acc = o->mem;
}

void mkvm_insn_execute(const struct mkvm_insn *insn, struct mkvm_operands *o)
{
	u32 size = insn->mem_size;
	bool to_reg = insn->flags & MKVM_INSN_TO_REG;
	u64 *first = to_reg ? &o->reg : &o->mem, second = to_reg ? o->mem : o->reg;
	u64 old = o->mem;

	switch (insn->op) {
	case MKVM_OP_MOV:
		*first = second;
		break;
	case MKVM_OP_MOVSX:
		o->reg = cut(sign_extend(o->mem, size), insn->reg_size);
		break;
	case MKVM_OP_MOVBE:
		*first = swap_bytes(second, size);
		break;
	case MKVM_OP_XCHG:
		o->mem = o->reg;
		o->reg = old;
		break;
	case MKVM_OP_XADD:
		o->mem = alu(MKVM_OP_ADD, size, o->mem, o->reg, &o->rflags);
		o->reg = old;
		break;
	case MKVM_OP_CMPXCHG:
		compare_and_exchange(size, o);
		break;
	default:
		*first = alu(insn->op, size, *first, second, &o->rflags);
	}
}
