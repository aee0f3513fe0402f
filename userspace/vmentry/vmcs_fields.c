// SPDX-License-Identifier: GPL-2.0-only
/* Lookup in the table of vmcs_fields.h. */
#include "vmcs_fields.h"

const struct mkvm_vmcs_field_info mkvm_vmcs_fields[] = {
#define MKVM_VMCS_ROW(encoding, name, area, text) \
	{ encoding, MKVM_VMCS_##area, #name, text },
	MKVM_VMCS_FIELDS(MKVM_VMCS_ROW)
#undef MKVM_VMCS_ROW
};

const unsigned int mkvm_vmcs_nr_fields = ARRAY_SIZE(mkvm_vmcs_fields);

const struct mkvm_vmcs_field_info *mkvm_vmcs_field_find(u32 encoding)
{
	unsigned int low = 0, high = ARRAY_SIZE(mkvm_vmcs_fields);

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (mkvm_vmcs_fields[mid].encoding == encoding)
			return &mkvm_vmcs_fields[mid];
		if (mkvm_vmcs_fields[mid].encoding < encoding)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

unsigned int mkvm_vmcs_field_bits(u32 encoding)
{
	switch (MKVM_VMCS_WIDTH(encoding)) {
	case MKVM_VMCS_16BIT:
		return 16;
	case MKVM_VMCS_32BIT:
		return 32;
	default:
		return 64;
	}
}

const char *mkvm_vmcs_area_name(u32 area)
{
	static const char * const names[MKVM_VMCS_NR_AREAS] = {
		[MKVM_VMCS_CONTROL]	= "control",
		[MKVM_VMCS_EXIT_INFO]	= "exit information",
		[MKVM_VMCS_GUEST]	= "guest state",
		[MKVM_VMCS_HOST]	= "host state",
	};

	return area < MKVM_VMCS_NR_AREAS ? names[area] : "unknown area";
}
