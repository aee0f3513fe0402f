// SPDX-License-Identifier: GPL-2.0-only
/* The decoder of MOV and its relatives. */
#include "insn.h"
#include "prefix.h"

enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };
enum { REG_BX = 3, REG_SP = 4, REG_BP = 5, REG_SI = 6, REG_DI = 7 };

struct decoder {
	const u8 *bytes;
	u32 len, pos;
	bool truncated;		/* ran out of bytes: all that was read since is 0 */
	enum mkvm_insn_mode mode;
	struct mkvm_prefixes prefix;
	u8 modrm;
	struct mkvm_insn *insn;
};

static u64 take(struct decoder *d, unsigned int size)
{
	u64 value = 0;
	unsigned int i;

	if (d->pos + size > d->len) {
		d->truncated = true;
		return 0;
	}
	for (i = 0; i < size; i++)
		value |= (u64)d->bytes[d->pos++] << (8 * i);
	return value;
}

static s64 take_signed(struct decoder *d, unsigned int size)
{
	unsigned int unused = 64 - 8 * size;

	return (s64)(take(d, size) << unused) >> unused;
}

/* ---- prefixes ---- */

/* Returns the first opcode byte. */
static u8 take_prefixes(struct decoder *d)
{
	d->pos = mkvm_prefixes_take(d->bytes, d->len, d->mode, &d->prefix);
	return (u8)take(d, 1);
}

static u8 operand_size(const struct decoder *d)
{
	if (d->prefix.rex & MKVM_REX_W)
		return 8;
	return (d->mode == MKVM_INSN_16) != d->prefix.operand_size ? 2 : 4;
}

static void set_seg(struct decoder *d, u8 by_default)
{
	d->insn->seg = d->prefix.seg == MKVM_INSN_NO_REG ? by_default : d->prefix.seg;
}

/* ---- the memory operand ---- */

/* SDM, table "16-Bit Addressing Forms with the ModR/M Byte". */
static void take_memory16(struct decoder *d)
{
	static const u8 base[8] = { REG_BX, REG_BX, REG_BP, REG_BP,
				    REG_SI, REG_DI, REG_BP, REG_BX };
	struct mkvm_insn *insn = d->insn;
	u8 mod = d->modrm >> 6, rm = d->modrm & 7;

	insn->base = base[rm];
	if (rm < 4)
		insn->index = rm & 1 ? REG_DI : REG_SI;
	if (mod == 0 && rm == 6) {
		insn->base = MKVM_INSN_NO_REG;
		insn->disp = take_signed(d, 2);
	} else if (mod) {
		insn->disp = take_signed(d, mod);
	}
	set_seg(d, insn->base == REG_BP ? SEG_SS : SEG_DS);
}

/* SDM, table "32-Bit Addressing Forms with the SIB Byte". */
static void take_sib(struct decoder *d, u8 mod)
{
	struct mkvm_insn *insn = d->insn;
	u8 sib = (u8)take(d, 1);
	u8 index = (sib >> 3 & 7) | (d->prefix.rex & MKVM_REX_X ? 8 : 0);

	insn->scale = sib >> 6;
	if (index != REG_SP)
		insn->index = index;
	insn->base = (sib & 7) | (d->prefix.rex & MKVM_REX_B ? 8 : 0);
	if ((sib & 7) == REG_BP && mod == 0) {
		insn->base = MKVM_INSN_NO_REG;
		insn->disp = take_signed(d, 4);
	}
}

static void take_memory(struct decoder *d)
{
	struct mkvm_insn *insn = d->insn;
	u8 mod = d->modrm >> 6, rm = d->modrm & 7;

	if (rm == REG_SP) {
		take_sib(d, mod);
	} else if (mod == 0 && rm == REG_BP) {
		insn->rip_relative = d->mode == MKVM_INSN_64;
		insn->disp = take_signed(d, 4);
	} else {
		insn->base = rm | (d->prefix.rex & MKVM_REX_B ? 8 : 0);
	}
	if (mod)
		insn->disp = take_signed(d, mod == 1 ? 1 : 4);
	set_seg(d, insn->base == REG_SP || insn->base == REG_BP ? SEG_SS : SEG_DS);
}

/* ---- the register operand ---- */

static void set_reg(struct decoder *d, u8 reg, u8 size)
{
	struct mkvm_insn *insn = d->insn;

	insn->reg = reg;
	insn->reg_size = size;
	/* Without REX, 4..7 of the byte registers are AH, CH, DH, BH. */
	if (size == 1 && !d->prefix.rex && reg >= 4) {
		insn->reg = reg - 4;
		insn->high_byte = true;
	}
}

/* False: the operand is a register and the instruction not ours. */
static bool take_modrm(struct decoder *d, u8 mem_size, u8 reg_size)
{
	d->modrm = (u8)take(d, 1);
	if (d->truncated)
		return true;
	if (d->modrm >> 6 == 3)
		return false;
	d->insn->mem_size = mem_size;
	set_reg(d, (d->modrm >> 3 & 7) | (d->prefix.rex & MKVM_REX_R ? 8 : 0), reg_size);
	if (d->insn->addr_size == 2)
		take_memory16(d);
	else
		take_memory(d);
	return true;
}

/* ---- opcodes; false: none of ours ---- */

/* MOV between the accumulator and an absolute offset. */
static bool take_moffs(struct decoder *d, u8 size, bool write)
{
	d->insn->write = write;
	d->insn->mem_size = size;
	d->insn->reg_size = size;
	d->insn->reg = 0;
	d->insn->disp = (s64)take(d, d->insn->addr_size);
	set_seg(d, SEG_DS);
	return true;
}

static bool take_immediate(struct decoder *d, u8 size)
{
	if (!take_modrm(d, size, size))
		return false;
	if (!d->truncated && (d->modrm >> 3 & 7))
		return false;
	d->insn->write = true;
	d->insn->has_imm = true;
	d->insn->high_byte = false;
	d->insn->imm = (u64)take_signed(d, size == 8 ? 4 : size);
	return true;
}

/* MOVZX and MOVSX */
static bool take_two_byte(struct decoder *d)
{
	u8 opcode = (u8)take(d, 1);

	if ((opcode & 0xf6) != 0xb6)
		return false;
	d->insn->sign_extend = opcode & 8;
	return take_modrm(d, opcode & 1 ? 2 : 1, operand_size(d));
}

static bool take_insn(struct decoder *d)
{
	u8 opcode = take_prefixes(d);
	u8 size;

	if (d->prefix.lock)		/* #UD: no MOV takes it */
		return false;
	d->insn->addr_size = mkvm_address_size(&d->prefix, d->mode);
	size = opcode & 1 ? operand_size(d) : 1;
	switch (opcode) {
	case 0x88: case 0x89:
		d->insn->write = true;
		return take_modrm(d, size, size);
	case 0x8a: case 0x8b:
		return take_modrm(d, size, size);
	case 0xa0: case 0xa1:
		return take_moffs(d, size, false);
	case 0xa2: case 0xa3:
		return take_moffs(d, size, true);
	case 0xc6: case 0xc7:
		return take_immediate(d, size);
	case 0x63:					/* MOVSXD; elsewhere ARPL */
		d->insn->sign_extend = true;
		return d->mode == MKVM_INSN_64 &&
		       take_modrm(d, operand_size(d) == 2 ? 2 : 4, operand_size(d));
	case 0x0f:
		return take_two_byte(d);
	default:
		return false;
	}
}

static bool take_lmsw(struct decoder *d)
{
	u16 opcode = (u16)(take_prefixes(d) << 8 | take(d, 1));

	d->insn->addr_size = mkvm_address_size(&d->prefix, d->mode);
	return opcode == 0x0f01 && !d->prefix.lock && take_modrm(d, 2, 2) &&
	       (d->truncated || (d->modrm >> 3 & 7) == 6);
}

static enum mkvm_insn_status decode(const u8 *bytes, u32 len, enum mkvm_insn_mode mode,
				    struct mkvm_insn *insn, bool (*take_one)(struct decoder *))
{
	struct decoder d = {
		.bytes = bytes, .mode = mode, .insn = insn,
		.len = len > MKVM_INSN_MAX_LEN ? MKVM_INSN_MAX_LEN : len,
	};
	bool known;

	*insn = (struct mkvm_insn){ .base = MKVM_INSN_NO_REG, .index = MKVM_INSN_NO_REG };
	known = take_one(&d);
	insn->len = (u8)d.pos;
	if (d.truncated)
		return len < MKVM_INSN_MAX_LEN ? MKVM_INSN_TRUNCATED : MKVM_INSN_UNKNOWN;
	return known ? MKVM_INSN_OK : MKVM_INSN_UNKNOWN;
}

enum mkvm_insn_status mkvm_insn_decode(const u8 *bytes, u32 len, enum mkvm_insn_mode mode,
				       struct mkvm_insn *insn)
{
	return decode(bytes, len, mode, insn, take_insn);
}

enum mkvm_insn_status mkvm_insn_decode_lmsw(const u8 *bytes, u32 len, enum mkvm_insn_mode mode,
					    struct mkvm_insn *insn)
{
	return decode(bytes, len, mode, insn, take_lmsw);
}
