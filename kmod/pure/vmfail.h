/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MKVM_PURE_VMFAIL_H
#define MKVM_PURE_VMFAIL_H

#include "pure.h"

MKVM_PURE_BEGIN

/*
 * The VM-instruction error field in words. SDM vol. 3, section "VM Instruction
 * Error Numbers". "unknown" when the SDM knows none.
 */
const char *mkvm_vm_instruction_error_name(u32 error);

MKVM_PURE_END

#endif /* MKVM_PURE_VMFAIL_H */
