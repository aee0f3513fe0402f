/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Length and register of an intercepted instruction, for CPUs without NRIPS and
 * decode assists. The caller knows from the exit code which instruction it is;
 * this knows those of which the VMCB tells too little. APM vol. 3, chapter
 * "Instruction Encoding".
 */
#ifndef MKVM_PURE_OPCODE_H
#define MKVM_PURE_OPCODE_H

#include "pure.h"
#include "insn.h"

enum mkvm_opcode_status {
	MKVM_OPCODE_OK,
	MKVM_OPCODE_TRUNCATED,	/* more bytes are needed to tell */
	MKVM_OPCODE_UNKNOWN,	/* not one of ours, or not an instruction */
};

struct mkvm_opcode {
	u8 len;			/* of the instruction, in bytes */
	u8 reg;			/* 0..15: general register of MOV CR, MOV DR, LMSW and SMSW */
	u8 seg;			/* 0..5: ES CS SS DS FS GS, for INS and OUTS */
	u8 addr_size;		/* bytes: 2, 4 or 8, for INS and OUTS */
	u16 opcode;		/* 0xf4, 0x0fa2 */
	u8 modrm;		/* of 0x0f01 and of MOV CR and MOV DR, else 0 */
};

MKVM_PURE_BEGIN

/*
 * CPUID, HLT, RDMSR, WRMSR, RDPMC, RDTSC, INVD, WBINVD, WBNOINVD, PAUSE, RSM,
 * CLTS, INT1, INS, OUTS, MOV CR, MOV DR, and 0F 01 with a register operand:
 * VMRUN, VMMCALL, XSETBV, LMSW, SMSW and their neighbours.
 */
enum mkvm_opcode_status mkvm_opcode_decode(const u8 *bytes, u32 len, enum mkvm_insn_mode mode,
					   struct mkvm_opcode *op);

MKVM_PURE_END

#endif /* MKVM_PURE_OPCODE_H */
