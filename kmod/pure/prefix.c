// SPDX-License-Identifier: GPL-2.0-only
/* Instruction prefixes, for the two decoders. */
#include "prefix.h"

#define SEG_FS	4

static bool is_legacy(struct mkvm_prefixes *p, enum mkvm_insn_mode mode, u8 byte)
{
	switch (byte) {
	case 0x66:
		p->operand_size = true;
		return true;
	case 0x67:
		p->address_size = true;
		return true;
	case 0x26: case 0x2e: case 0x36: case 0x3e:
		if (mode != MKVM_INSN_64)	/* there only FS and GS have a base */
			p->seg = byte >> 3 & 3;
		return true;
	case 0x64: case 0x65:
		p->seg = byte - 0x64 + SEG_FS;
		return true;
	case 0xf0:
		p->lock = true;
		return true;
	case 0xf2: case 0xf3:
		p->rep = byte;
		return true;
	default:
		return false;
	}
}

/* A REX prefix counts only right before the opcode. */
u32 mkvm_prefixes_take(const u8 *bytes, u32 len, enum mkvm_insn_mode mode,
		       struct mkvm_prefixes *p)
{
	u32 i;

	*p = (struct mkvm_prefixes){ .seg = MKVM_INSN_NO_REG };
	for (i = 0; i < len; i++) {
		if (is_legacy(p, mode, bytes[i]))
			p->rex = 0;
		else if (mode == MKVM_INSN_64 && (bytes[i] & 0xf0) == 0x40)
			p->rex = bytes[i];
		else
			break;
	}
	return i;
}
