/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decoding of the instructions that may access MMIO: MOV between memory and a
 * register or from an immediate, MOVZX, MOVSX, MOVSXD. SDM vol. 2, chapter
 * "Instruction Format".
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

struct mkvm_insn {
	u8 len;			/* of the instruction, in bytes */
	bool write;		/* the memory operand is the destination */
	u8 mem_size;		/* of the memory operand: 1, 2, 4, 8 */
	u8 reg_size;		/* of the register operand: 1, 2, 4, 8 */
	u8 reg;			/* 0..15, the order of ModRM */
	bool high_byte;		/* reg is AH, CH, DH or BH: bits 15:8 of 0..3 */
	bool sign_extend;	/* from mem_size to reg_size, else zero-extend */
	bool has_imm;		/* the source is imm, not reg */
	u64 imm;		/* sign-extended to 64 bits */

	/* The memory operand: seg:(base + index << scale + disp), cut to addr_size. */
	u8 addr_size;		/* 2, 4, 8 */
	u8 seg;			/* 0..5: ES CS SS DS FS GS */
	u8 base, index;		/* 0..15 or MKVM_INSN_NO_REG */
	u8 scale;		/* 0..3 */
	bool rip_relative;	/* to the next instruction */
	s64 disp;
};

MKVM_PURE_BEGIN

enum mkvm_insn_status mkvm_insn_decode(const u8 *bytes, u32 len, enum mkvm_insn_mode mode,
				       struct mkvm_insn *insn);

/* LMSW with a memory operand, and nothing else: mem_size 2, reg without meaning. */
enum mkvm_insn_status mkvm_insn_decode_lmsw(const u8 *bytes, u32 len, enum mkvm_insn_mode mode,
					    struct mkvm_insn *insn);

MKVM_PURE_END

#endif /* MKVM_PURE_INSN_H */
