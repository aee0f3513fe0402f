// SPDX-License-Identifier: GPL-2.0-only
/* The names of exit reasons. */
#include "vmx_bits.h"

const char *mkvm_exit_reason_name(u32 basic_reason)
{
	static const char * const names[MKVM_EXIT_NR_REASONS] = {
#define MKVM_EXIT_ROW(number, name, text) [number] = text,
		MKVM_EXIT_REASONS(MKVM_EXIT_ROW)
#undef MKVM_EXIT_ROW
	};

	if (basic_reason >= ARRAY_SIZE(names) || !names[basic_reason])
		return "unknown";
	return names[basic_reason];
}
