/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The prefixes in front of an opcode. SDM vol. 2, sections "Instruction
 * Prefixes" and "REX Prefixes".
 */
#ifndef MKVM_PURE_PREFIX_H
#define MKVM_PURE_PREFIX_H

#include "pure.h"
#include "insn.h"

#define MKVM_REX_W	MKVM_BIT(3)
#define MKVM_REX_R	MKVM_BIT(2)
#define MKVM_REX_X	MKVM_BIT(1)
#define MKVM_REX_B	MKVM_BIT(0)

struct mkvm_prefixes {
	bool operand_size, address_size, lock;
	u8 rep;			/* the last of 0xf2 and 0xf3; 0: none */
	u8 seg;			/* 0..5, or MKVM_INSN_NO_REG: no override */
	u8 rex;			/* 0: none, or another prefix follows it */
};

MKVM_PURE_BEGIN

/* Returns where the opcode is; @len: there is none. */
u32 mkvm_prefixes_take(const u8 *bytes, u32 len, enum mkvm_insn_mode mode,
		       struct mkvm_prefixes *p);

/* In bytes: 2, 4 or 8. */
static inline u8 mkvm_address_size(const struct mkvm_prefixes *p, enum mkvm_insn_mode mode)
{
	if (mode == MKVM_INSN_64)
		return p->address_size ? 4 : 8;
	return (mode == MKVM_INSN_16) != p->address_size ? 2 : 4;
}

MKVM_PURE_END

#endif /* MKVM_PURE_PREFIX_H */
