/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instruction decoder: what touches memory and may therefore be executed
 * here when the memory is a device's, and what CPUs without NRIPS and decode
 * assists intercept without telling its length. SDM vol. 2, chapter "Instruction
 * Format"; APM vol. 3, chapter "Instruction Encoding".
 */
#ifndef MKVM_PURE_INSN_H
#define MKVM_PURE_INSN_H

#include "pure.h"

#define MKVM_INSN_MAX_LEN	15
#define MKVM_INSN_NO_REG	0xff

/* The default operand and address size of the code: CS.L, CS.D. */
enum mkvm_insn_mode { MKVM_INSN_16, MKVM_INSN_32, MKVM_INSN_64 };

enum mkvm_insn_status {
	MKVM_INSN_OK,
	MKVM_INSN_TRUNCATED,	/* more bytes are needed to tell */
	MKVM_INSN_UNKNOWN,	/* not one of ours, or not an instruction */
};

/* The order of the first two groups is that of their encodings. */
enum mkvm_op {
	MKVM_OP_ADD, MKVM_OP_OR, MKVM_OP_ADC, MKVM_OP_SBB,
	MKVM_OP_AND, MKVM_OP_SUB, MKVM_OP_XOR, MKVM_OP_CMP,
	MKVM_OP_BT, MKVM_OP_BTS, MKVM_OP_BTR, MKVM_OP_BTC,
	MKVM_OP_TEST, MKVM_OP_NOT, MKVM_OP_NEG, MKVM_OP_INC, MKVM_OP_DEC,
	MKVM_OP_XADD, MKVM_OP_CMPXCHG,	/* up to here RFLAGS change, but for NOT */
	MKVM_OP_XCHG,
	MKVM_OP_MOV,		/* also MOVZX, MOVNTI, STOS, LODS, MOVS, PUSH and POP */
	MKVM_OP_MOVSX, MKVM_OP_MOVBE,
	MKVM_OP_SSE,		/* MOVs of XMM registers: reg is one; the rest of it becomes 0 */
	MKVM_OP_LMSW,		/* of memory */
	MKVM_OP_SPECIAL,	/* no memory operand: opcode tells */
};

/* mkvm_insn.flags */
#define MKVM_INSN_READ		MKVM_BIT(0)	/* the memory operand is read */
#define MKVM_INSN_WRITE		MKVM_BIT(1)	/* it is written; with READ after that */
#define MKVM_INSN_TO_REG	MKVM_BIT(2)	/* the register is first operand and destination */
#define MKVM_INSN_IMM		MKVM_BIT(3)	/* imm takes the register's place */
#define MKVM_INSN_SI		MKVM_BIT(4)	/* string: the operand is DS:rSI, or */
#define MKVM_INSN_DI		MKVM_BIT(5)	/* ES:rDI; with both that is the second operand */
#define MKVM_INSN_STACK		MKVM_BIT(6)	/* PUSH (reads) or POP (writes) */
#define MKVM_INSN_ALIGNED	MKVM_BIT(7)	/* #GP(0) unless on a 16-byte boundary */

struct mkvm_insn {
	u8 len;			/* of the instruction, in bytes */
	u8 op;			/* enum mkvm_op */
	u16 flags;
	u16 opcode;		/* 0x89, 0x0fa2 */
	u8 modrm;		/* 0: none */
	u8 rep;			/* string: 0xf2, 0xf3, 0 */

	u8 mem_size;		/* of the memory operand: 1, 2, 4, 8, 16 */
	u8 reg_size;		/* of the register operand: 1, 2, 4, 8 */
	u8 reg;			/* 0..15, the order of ModRM; MKVM_INSN_NO_REG */
	bool high_byte;		/* reg is AH, CH, DH or BH: bits 15:8 of 0..3 */
	u64 imm;		/* sign-extended to 64 bits */

	/* The memory operand: seg:(base + index << scale + disp), cut to addr_size. */
	u8 addr_size;		/* 2, 4, 8; of INS and OUTS, too */
	u8 seg;			/* 0..5: ES CS SS DS FS GS; of OUTS, too */
	u8 base, index;		/* 0..15 or MKVM_INSN_NO_REG */
	u8 scale;		/* 0..3 */
	bool rip_relative;	/* to the next instruction */
	s64 disp;
};

MKVM_PURE_BEGIN

/*
 * SPECIAL are CPUID, HLT, RDMSR, WRMSR, RDPMC, RDTSC, INVD, WBINVD, WBNOINVD,
 * PAUSE, RSM, CLTS, INT1, INS, OUTS, MOV CR, MOV DR (reg is the general register)
 * and 0F 01 with a register operand: VMRUN, VMMCALL, XSETBV, LMSW, SMSW (of these
 * two reg is it) and their neighbours.
 */
enum mkvm_insn_status mkvm_insn_decode(const u8 *bytes, u32 len, enum mkvm_insn_mode mode,
				       struct mkvm_insn *insn);

MKVM_PURE_END

#endif /* MKVM_PURE_INSN_H */
