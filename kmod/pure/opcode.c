// SPDX-License-Identifier: GPL-2.0-only
/* The decoder of instructions that exit without their length. */
#include "opcode.h"
#include "prefix.h"

#define SEG_DS	3

struct decoder {
	const u8 *bytes;
	u32 len, pos;
	bool truncated;		/* ran out of bytes: what was read since is 0 */
	struct mkvm_prefixes prefix;
	struct mkvm_opcode *op;
};

static u8 take(struct decoder *d)
{
	if (d->pos == d->len) {
		d->truncated = true;
		return 0;
	}
	return d->bytes[d->pos++];
}

/* ---- false: none of ours ---- */

static void set_reg(struct decoder *d)
{
	d->op->reg = (d->op->modrm & 7) | (d->prefix.rex & MKVM_REX_B ? 8 : 0);
}

/* The control or debug register; REX.R makes it 8 to 15. */
static u8 special_reg(const struct decoder *d)
{
	return (d->op->modrm >> 3 & 7) | (d->prefix.rex & MKVM_REX_R ? 8 : 0);
}

/* APM vol. 3, "MOV CRn": LOCK makes CR8 of CR0; whatever mod is, the operand is a register. */
static bool take_mov_cr(struct decoder *d)
{
	u8 cr;

	d->op->modrm = take(d);
	set_reg(d);
	cr = special_reg(d);
	if (d->prefix.lock)
		return cr == 0;
	return cr == 0 || (cr >= 2 && cr <= 4) || cr == 8;
}

static bool take_mov_dr(struct decoder *d)
{
	d->op->modrm = take(d);
	set_reg(d);
	return special_reg(d) < 8;
}

/* A memory operand is LGDT, INVLPG and others, which are long or not intercepted. */
static bool take_group(struct decoder *d)
{
	u8 extension;

	d->op->modrm = take(d);
	extension = d->op->modrm >> 3 & 7;
	if (extension == 4 || extension == 6)	/* SMSW, LMSW */
		set_reg(d);
	return d->op->modrm >> 6 == 3;
}

static bool take_two_byte(struct decoder *d)
{
	d->op->opcode = 0x0f00 | take(d);
	switch (d->op->opcode) {
	case 0x0f01:
		return take_group(d);
	case 0x0f20: case 0x0f22:
		return take_mov_cr(d);
	case 0x0f21: case 0x0f23:
		return take_mov_dr(d);
	case 0x0f06:				/* CLTS */
	case 0x0f08: case 0x0f09:		/* INVD; WBINVD, with F3 WBNOINVD */
	case 0x0f30: case 0x0f31:		/* WRMSR, RDTSC */
	case 0x0f32: case 0x0f33:		/* RDMSR, RDPMC */
	case 0x0fa2: case 0x0faa:		/* CPUID, RSM */
		return true;
	default:
		return false;
	}
}

static bool take_insn(struct decoder *d)
{
	d->op->opcode = take(d);
	switch (d->op->opcode) {
	case 0x0f:
		return take_two_byte(d);
	case 0x90:				/* PAUSE; else NOP, and XCHG with R8 */
		return d->prefix.rep == 0xf3 && !(d->prefix.rex & MKVM_REX_B);
	case 0x6c: case 0x6d: case 0x6e: case 0x6f:	/* INS, OUTS */
	case 0xf1: case 0xf4:			/* INT1, HLT */
		return true;
	default:
		return false;
	}
}

static bool takes_lock(const struct mkvm_opcode *op)
{
	return op->opcode == 0x0f20 || op->opcode == 0x0f22;
}

enum mkvm_opcode_status mkvm_opcode_decode(const u8 *bytes, u32 len, enum mkvm_insn_mode mode,
					   struct mkvm_opcode *op)
{
	struct decoder d = {
		.bytes = bytes, .op = op,
		.len = len > MKVM_INSN_MAX_LEN ? MKVM_INSN_MAX_LEN : len,
	};
	bool known;

	*op = (struct mkvm_opcode){ .reg = MKVM_INSN_NO_REG, .seg = SEG_DS };
	d.pos = mkvm_prefixes_take(bytes, d.len, mode, &d.prefix);
	if (d.prefix.seg != MKVM_INSN_NO_REG)
		op->seg = d.prefix.seg;
	op->addr_size = mkvm_address_size(&d.prefix, mode);
	known = take_insn(&d);
	op->len = (u8)d.pos;
	if (d.truncated)
		return len < MKVM_INSN_MAX_LEN ? MKVM_OPCODE_TRUNCATED : MKVM_OPCODE_UNKNOWN;
	return known && (!d.prefix.lock || takes_lock(op)) ? MKVM_OPCODE_OK : MKVM_OPCODE_UNKNOWN;
}
