/* SPDX-License-Identifier: GPL-2.0-only */
/* What an instruction that mkvm_insn_decode() knows does to its operands and to RFLAGS. */
#ifndef MKVM_PURE_ALU_H
#define MKVM_PURE_ALU_H

#include "insn.h"

#define MKVM_RFLAGS_ZF		MKVM_BIT(6)
#define MKVM_RFLAGS_ARITHMETIC	0x8d5u	/* CF, PF, AF, ZF, SF, OF */

/* In and out, zero-extended from the instruction's sizes. */
struct mkvm_operands {
	u64 mem;		/* the memory operand */
	u64 reg;		/* the register or the immediate */
	u64 acc;		/* RAX, for CMPXCHG */
	u64 rflags;
};

MKVM_PURE_BEGIN

/*
 * All but SSE, LMSW and SPECIAL. What is undefined by the SDM stays as it was
 * (BT and its like) or becomes 0 (AF of logical instructions), as on real CPUs.
 */
void mkvm_insn_execute(const struct mkvm_insn *insn, struct mkvm_operands *o);

MKVM_PURE_END

#endif /* MKVM_PURE_ALU_H */
