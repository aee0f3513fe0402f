// SPDX-License-Identifier: GPL-2.0-only
/* The decoder: prefixes, a table per opcode map, ModRM and immediates. */
#include "insn.h"

enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };
enum { REG_AX = 0, REG_BX = 3, REG_SP = 4, REG_BP = 5, REG_SI = 6, REG_DI = 7 };

#define REX_W	MKVM_BIT(3)
#define REX_R	MKVM_BIT(2)
#define REX_X	MKVM_BIT(1)
#define REX_B	MKVM_BIT(0)

struct decoder {
	const u8 *bytes;
	u32 len, pos;
	bool truncated;		/* ran out of bytes: all that was read since is 0 */
	enum mkvm_insn_mode mode;
	struct {
		bool operand_size, address_size, lock;
		u8 rep;		/* the last of 0xf2 and 0xf3; 0: none */
		u8 seg;		/* 0..5, or MKVM_INSN_NO_REG: no override */
		u8 rex;		/* 0: none, or another prefix follows it */
	} prefix;
	struct mkvm_insn *insn;
};

/* ---- the opcodes ---- */

/* Of rules only; mkvm_insn.flags has what is left of them. */
#define BYTE	MKVM_BIT(8)	/* operands of one byte; else the operand size */
#define MODRM	MKVM_BIT(9)
#define GROUP	MKVM_BIT(10)	/* op is enum group, ModRM chooses */
#define LOCK	MKVM_BIT(11)	/* may be locked */
#define SHORT	MKVM_BIT(12)	/* the immediate is a byte */
#define MOFFS	MKVM_BIT(13)	/* an absolute offset for a memory operand */
#define NO_PREFIX MKVM_BIT(14)	/* neither 66 nor F2 nor F3 */

#define R	MKVM_INSN_READ
#define W	MKVM_INSN_WRITE
#define RW	(R | W | LOCK)
#define TO_REG	MKVM_INSN_TO_REG
#define IMM	MKVM_INSN_IMM
#define SI	MKVM_INSN_SI
#define DI	MKVM_INSN_DI
#define STACK	MKVM_INSN_STACK

/* What an opcode means; flags 0: not one of ours. */
struct rule {
	u8 op;
	u16 flags;
};

enum group { GROUP_80, GROUP_8F, GROUP_C6, GROUP_F6, GROUP_FE, GROUP_0FBA };

static const struct rule groups[][8] = {
	[GROUP_80] = {
		{ MKVM_OP_ADD, RW }, { MKVM_OP_OR, RW }, { MKVM_OP_ADC, RW }, { MKVM_OP_SBB, RW },
		{ MKVM_OP_AND, RW }, { MKVM_OP_SUB, RW }, { MKVM_OP_XOR, RW }, { MKVM_OP_CMP, R },
	},
	[GROUP_8F] = { { MKVM_OP_MOV, W | STACK } },
	[GROUP_C6] = { { MKVM_OP_MOV, W } },
	[GROUP_F6] = {
		[0] = { MKVM_OP_TEST, R | IMM },
		[2] = { MKVM_OP_NOT, RW }, { MKVM_OP_NEG, RW },
	},
	[GROUP_FE] = {
		{ MKVM_OP_INC, RW }, { MKVM_OP_DEC, RW }, [6] = { MKVM_OP_MOV, R | STACK },
	},
	[GROUP_0FBA] = {
		[4] = { MKVM_OP_BT, R }, { MKVM_OP_BTS, RW },
		{ MKVM_OP_BTR, RW }, { MKVM_OP_BTC, RW },
	},
};

/* Even opcodes are of bytes, the odd ones behind them of words and more. */
#define PAIR(opcode, op, flags)						\
	[opcode] = { op, (flags) | BYTE }, [(opcode) + 1] = { op, flags }
#define ALU(op, written)						\
	PAIR(8 * (op), op, MODRM | (written)),				\
	PAIR(8 * (op) + 2, op, MODRM | R | TO_REG)

static const struct rule one_byte[256] = {
	ALU(MKVM_OP_ADD, RW), ALU(MKVM_OP_OR, RW), ALU(MKVM_OP_ADC, RW), ALU(MKVM_OP_SBB, RW),
	ALU(MKVM_OP_AND, RW), ALU(MKVM_OP_SUB, RW), ALU(MKVM_OP_XOR, RW), ALU(MKVM_OP_CMP, R),
	[0x63] = { MKVM_OP_MOVSX, MODRM | R | TO_REG },
	PAIR(0x80, GROUP_80, MODRM | GROUP | IMM),
	[0x83] = { GROUP_80, MODRM | GROUP | IMM | SHORT },
	PAIR(0x84, MKVM_OP_TEST, MODRM | R),
	PAIR(0x86, MKVM_OP_XCHG, MODRM | RW),
	PAIR(0x88, MKVM_OP_MOV, MODRM | W),
	PAIR(0x8a, MKVM_OP_MOV, MODRM | R | TO_REG),
	[0x8f] = { GROUP_8F, MODRM | GROUP },
	PAIR(0xa0, MKVM_OP_MOV, MOFFS | R | TO_REG),
	PAIR(0xa2, MKVM_OP_MOV, MOFFS | W),
	PAIR(0xa4, MKVM_OP_MOV, SI | DI | R | W),		/* MOVS */
	PAIR(0xa6, MKVM_OP_CMP, SI | DI | R),			/* CMPS */
	PAIR(0xaa, MKVM_OP_MOV, DI | W),			/* STOS */
	PAIR(0xac, MKVM_OP_MOV, SI | R | TO_REG),		/* LODS */
	PAIR(0xae, MKVM_OP_CMP, DI | R | TO_REG),		/* SCAS */
	PAIR(0xc6, GROUP_C6, MODRM | GROUP | IMM),
	PAIR(0xf6, GROUP_F6, MODRM | GROUP),
	PAIR(0xfe, GROUP_FE, MODRM | GROUP),
};

static const struct rule two_byte[256] = {
	[0xa3] = { MKVM_OP_BT, MODRM | R },
	[0xab] = { MKVM_OP_BTS, MODRM | RW },
	[0xb3] = { MKVM_OP_BTR, MODRM | RW },
	[0xbb] = { MKVM_OP_BTC, MODRM | RW },
	[0xba] = { GROUP_0FBA, MODRM | GROUP | IMM | SHORT },
	PAIR(0xb0, MKVM_OP_CMPXCHG, MODRM | RW),
	[0xb6] = { MKVM_OP_MOV, MODRM | R | TO_REG },		/* MOVZX */
	[0xb7] = { MKVM_OP_MOV, MODRM | R | TO_REG },
	[0xbe] = { MKVM_OP_MOVSX, MODRM | R | TO_REG },
	[0xbf] = { MKVM_OP_MOVSX, MODRM | R | TO_REG },
	PAIR(0xc0, MKVM_OP_XADD, MODRM | RW),
	[0xc3] = { MKVM_OP_MOV, MODRM | W | NO_PREFIX },	/* MOVNTI */
};

/* MOVs of XMM registers: the last of F2 and F3, else 66, chooses. */
static const struct {
	u8 opcode, prefix, size;
	u16 flags;
} sse_rules[] = {
	{ 0x10, 0, 16, R }, { 0x10, 0x66, 16, R }, { 0x10, 0xf3, 4, R }, { 0x10, 0xf2, 8, R },
	{ 0x11, 0, 16, W }, { 0x11, 0x66, 16, W }, { 0x11, 0xf3, 4, W }, { 0x11, 0xf2, 8, W },
	{ 0x28, 0, 16, R | MKVM_INSN_ALIGNED }, { 0x28, 0x66, 16, R | MKVM_INSN_ALIGNED },
	{ 0x29, 0, 16, W | MKVM_INSN_ALIGNED }, { 0x29, 0x66, 16, W | MKVM_INSN_ALIGNED },
	{ 0x2b, 0, 16, W | MKVM_INSN_ALIGNED }, { 0x2b, 0x66, 16, W | MKVM_INSN_ALIGNED },
	{ 0x6e, 0x66, 4, R }, { 0x7e, 0x66, 4, W },	/* MOVD; of 8 bytes with REX.W */
	{ 0x7e, 0xf3, 8, R }, { 0xd6, 0x66, 8, W },	/* MOVQ */
	{ 0x6f, 0x66, 16, R | MKVM_INSN_ALIGNED }, { 0x6f, 0xf3, 16, R },
	{ 0x7f, 0x66, 16, W | MKVM_INSN_ALIGNED }, { 0x7f, 0xf3, 16, W },
	{ 0xe7, 0x66, 16, W | MKVM_INSN_ALIGNED },	/* MOVNTDQ */
};

/* ---- bytes and prefixes ---- */

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

static bool is_legacy_prefix(struct decoder *d, u8 byte)
{
	switch (byte) {
	case 0x66:
		d->prefix.operand_size = true;
		return true;
	case 0x67:
		d->prefix.address_size = true;
		return true;
	case 0x26: case 0x2e: case 0x36: case 0x3e:
		if (d->mode != MKVM_INSN_64)	/* there only FS and GS have a base */
			d->prefix.seg = byte >> 3 & 3;
		return true;
	case 0x64: case 0x65:
		d->prefix.seg = byte - 0x64 + SEG_FS;
		return true;
	case 0xf0:
		d->prefix.lock = true;
		return true;
	case 0xf2: case 0xf3:
		d->prefix.rep = byte;
		return true;
	default:
		return false;
	}
}

/* A REX prefix counts only right before the opcode. */
static void take_prefixes(struct decoder *d)
{
	d->prefix.seg = MKVM_INSN_NO_REG;
	for (; d->pos < d->len; d->pos++) {
		u8 byte = d->bytes[d->pos];

		if (is_legacy_prefix(d, byte))
			d->prefix.rex = 0;
		else if (d->mode == MKVM_INSN_64 && (byte & 0xf0) == 0x40)
			d->prefix.rex = byte;
		else
			break;
	}
	if (d->mode == MKVM_INSN_64)
		d->insn->addr_size = d->prefix.address_size ? 4 : 8;
	else
		d->insn->addr_size = (d->mode == MKVM_INSN_16) != d->prefix.address_size ? 2 : 4;
}

static u8 operand_size(const struct decoder *d, u16 flags)
{
	bool word = (d->mode == MKVM_INSN_16) != d->prefix.operand_size;

	if (flags & BYTE)
		return 1;
	if (d->prefix.rex & REX_W)
		return 8;
	if (word && !(flags & NO_PREFIX))
		return 2;
	return d->mode == MKVM_INSN_64 && (flags & STACK) ? 8 : 4;
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
	u8 mod = insn->modrm >> 6, rm = insn->modrm & 7;

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
	u8 index = (sib >> 3 & 7) | (d->prefix.rex & REX_X ? 8 : 0);

	insn->scale = sib >> 6;
	if (index != REG_SP)
		insn->index = index;
	insn->base = (sib & 7) | (d->prefix.rex & REX_B ? 8 : 0);
	if ((sib & 7) == REG_BP && mod == 0) {
		insn->base = MKVM_INSN_NO_REG;
		insn->disp = take_signed(d, 4);
	}
}

static void take_memory32(struct decoder *d)
{
	struct mkvm_insn *insn = d->insn;
	u8 mod = insn->modrm >> 6, rm = insn->modrm & 7;

	if (rm == REG_SP) {
		take_sib(d, mod);
	} else if (mod == 0 && rm == REG_BP) {
		insn->rip_relative = d->mode == MKVM_INSN_64;
		insn->disp = take_signed(d, 4);
	} else {
		insn->base = rm | (d->prefix.rex & REX_B ? 8 : 0);
	}
	if (mod)
		insn->disp = take_signed(d, mod == 1 ? 1 : 4);
	set_seg(d, insn->base == REG_SP || insn->base == REG_BP ? SEG_SS : SEG_DS);
}

static void take_memory(struct decoder *d)
{
	if (d->insn->addr_size == 2)
		take_memory16(d);
	else
		take_memory32(d);
}

static void set_string(struct decoder *d)
{
	bool source = d->insn->flags & SI;

	d->insn->base = source ? REG_SI : REG_DI;
	d->insn->seg = SEG_ES;
	if (source)
		set_seg(d, SEG_DS);
	d->insn->rep = d->prefix.rep;
}

/* ---- the register operand ---- */

static u8 modrm_reg(const struct decoder *d)
{
	return (d->insn->modrm >> 3 & 7) | (d->prefix.rex & REX_R ? 8 : 0);
}

static u8 modrm_rm(const struct decoder *d)
{
	return (d->insn->modrm & 7) | (d->prefix.rex & REX_B ? 8 : 0);
}

/* Without REX, 4..7 of the byte registers are AH, CH, DH, BH. */
static void set_reg(struct decoder *d, u8 reg)
{
	d->insn->high_byte = d->insn->reg_size == 1 && !d->prefix.rex && reg >= 4;
	d->insn->reg = d->insn->high_byte ? reg - 4 : reg;
}

/* ---- instructions; false: none of ours ---- */

/* The size in memory where it is not that of the register. */
static u8 source_size(const struct mkvm_insn *insn)
{
	switch (insn->opcode) {
	case 0x0fb6: case 0x0fbe:
		return 1;
	case 0x0fb7: case 0x0fbf:
		return 2;
	case 0x63:
		return insn->reg_size == 2 ? 2 : 4;
	default:
		return insn->reg_size;
	}
}

static bool take_operands(struct decoder *d, u16 flags)
{
	struct mkvm_insn *insn = d->insn;

	insn->flags = (u8)flags;
	insn->reg_size = operand_size(d, flags);
	insn->mem_size = source_size(insn);
	if (flags & MODRM) {
		take_memory(d);
		set_reg(d, modrm_reg(d));
	} else {
		insn->reg = REG_AX;
		set_seg(d, SEG_DS);
	}
	if (flags & MOFFS)
		insn->disp = (s64)take(d, insn->addr_size);
	if (flags & (SI | DI))
		set_string(d);
	if (flags & (IMM | STACK))
		set_reg(d, REG_AX);
	if (flags & IMM)
		insn->imm = (u64)take_signed(d, flags & SHORT ? 1 : insn->reg_size == 8 ? 4 :
						insn->reg_size);
	return !d->prefix.lock || (flags & LOCK);
}

static bool take_by_rule(struct decoder *d, struct rule rule)
{
	if (rule.flags & MODRM) {
		d->insn->modrm = (u8)take(d, 1);
		if (d->insn->modrm >> 6 == 3)
			return false;
	}
	if (rule.flags & GROUP) {
		struct rule chosen = groups[rule.op][d->insn->modrm >> 3 & 7];

		if (!chosen.flags || ((chosen.flags & STACK) && (rule.flags & BYTE)))
			return d->truncated;
		rule.op = chosen.op;
		rule.flags |= chosen.flags;
	}
	if ((rule.flags & NO_PREFIX) && (d->prefix.rep || d->prefix.operand_size))
		return false;
	d->insn->op = rule.op;
	return take_operands(d, rule.flags);
}

static bool take_sse(struct decoder *d)
{
	u8 prefix = d->prefix.rep ? d->prefix.rep : d->prefix.operand_size ? 0x66 : 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sse_rules); i++) {
		if (sse_rules[i].opcode != (u8)d->insn->opcode || sse_rules[i].prefix != prefix)
			continue;
		if (!take_by_rule(d, (struct rule){ MKVM_OP_SSE, MODRM | sse_rules[i].flags }))
			return false;
		d->insn->mem_size = sse_rules[i].size;
		if (d->insn->mem_size == 4 && prefix == 0x66 && (d->prefix.rex & REX_W))
			d->insn->mem_size = 8;
		return true;
	}
	return false;
}

static bool take_movbe(struct decoder *d)
{
	u8 opcode = (u8)take(d, 1);

	if (d->truncated)
		return true;
	if ((opcode & 0xfe) != 0xf0 || d->prefix.rep)
		return false;
	return take_by_rule(d, (struct rule){ MKVM_OP_MOVBE,
					      opcode & 1 ? MODRM | W : MODRM | R | TO_REG });
}

/* ---- what has no memory operand ---- */

/*
 * APM vol. 3, "MOV CRn": LOCK makes CR8 of CR0; whatever mod is, the operand is a
 * register.
 */
static bool take_mov_cr(struct decoder *d)
{
	u8 cr = modrm_reg(d);

	d->insn->reg = modrm_rm(d);
	if (d->prefix.lock)
		return cr == 0;
	return cr == 0 || (cr >= 2 && cr <= 4) || cr == 8;
}

/* Of those with a memory operand only LMSW is short and intercepted. */
static bool take_0f01(struct decoder *d)
{
	u8 extension = d->insn->modrm >> 3 & 7;

	if (d->insn->modrm >> 6 == 3) {
		if (extension == 4 || extension == 6)	/* SMSW, LMSW */
			d->insn->reg = modrm_rm(d);
		return true;
	}
	if (extension != 6)
		return false;
	d->insn->op = MKVM_OP_LMSW;
	d->insn->flags = R;
	d->insn->mem_size = 2;
	take_memory(d);
	return true;
}

static bool take_special(struct decoder *d)
{
	d->insn->op = MKVM_OP_SPECIAL;
	switch (d->insn->opcode) {
	case 0x0f20: case 0x0f22:
		d->insn->modrm = (u8)take(d, 1);
		return take_mov_cr(d);
	case 0x0f21: case 0x0f23:
		d->insn->modrm = (u8)take(d, 1);
		d->insn->reg = modrm_rm(d);
		return modrm_reg(d) < 8 && !d->prefix.lock;
	case 0x0f01:
		d->insn->modrm = (u8)take(d, 1);
		return take_0f01(d) && !d->prefix.lock;
	case 0x90:				/* PAUSE; else NOP, and XCHG with R8 */
		return d->prefix.rep == 0xf3 && !(d->prefix.rex & REX_B) && !d->prefix.lock;
	case 0x6c: case 0x6d: case 0x6e: case 0x6f:	/* INS, OUTS */
		set_seg(d, SEG_DS);
		return !d->prefix.lock;
	case 0xf1: case 0xf4:			/* INT1, HLT */
	case 0x0f06:				/* CLTS */
	case 0x0f08: case 0x0f09:		/* INVD; WBINVD, with F3 WBNOINVD */
	case 0x0f30: case 0x0f31:		/* WRMSR, RDTSC */
	case 0x0f32: case 0x0f33:		/* RDMSR, RDPMC */
	case 0x0fa2: case 0x0faa:		/* CPUID, RSM */
		return !d->prefix.lock;
	default:
		return false;
	}
}

static bool take_insn(struct decoder *d)
{
	u8 opcode = (u8)take(d, 1);
	const struct rule *rules = one_byte;

	d->insn->opcode = opcode;
	if (opcode == 0x0f) {
		opcode = (u8)take(d, 1);
		d->insn->opcode = 0x0f00 | opcode;
		rules = two_byte;
	}
	if (d->truncated)
		return true;
	if (d->insn->opcode == 0x63 && d->mode != MKVM_INSN_64)
		return false;			/* ARPL */
	opcode = array_index_nospec(opcode, 256);
	if (rules[opcode].flags)
		return take_by_rule(d, rules[opcode]);
	if (d->insn->opcode == 0x0f38)
		return take_movbe(d);
	return take_special(d) || (rules == two_byte && take_sse(d));
}

enum mkvm_insn_status mkvm_insn_decode(const u8 *bytes, u32 len, enum mkvm_insn_mode mode,
				       struct mkvm_insn *insn)
{
	struct decoder d = {
		.bytes = bytes, .mode = mode, .insn = insn,
		.len = len > MKVM_INSN_MAX_LEN ? MKVM_INSN_MAX_LEN : len,
	};
	bool known;

	*insn = (struct mkvm_insn){
		.reg = MKVM_INSN_NO_REG, .base = MKVM_INSN_NO_REG, .index = MKVM_INSN_NO_REG,
	};
	take_prefixes(&d);
	known = take_insn(&d);
	insn->len = (u8)d.pos;
	if (d.truncated)
		return len < MKVM_INSN_MAX_LEN ? MKVM_INSN_TRUNCATED : MKVM_INSN_UNKNOWN;
	return known ? MKVM_INSN_OK : MKVM_INSN_UNKNOWN;
}
