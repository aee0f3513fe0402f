// SPDX-License-Identifier: GPL-2.0-only
/*
 * An access to guest physical memory that no slot holds: the instruction is
 * fetched and decoded, userspace does the access as KVM_EXIT_MMIO, and the
 * instruction ends at the next KVM_RUN.
 */
#define pr_fmt(fmt) "minikvm: " fmt

#include <linux/mm.h>

#include "x86/guest.h"
#include "x86/x86.h"

int mkvm_mmio(struct mkvm_vcpu *v)
{
	struct mkvm_guest_context c;

	mkvm_take_context(v, &c);
	return mkvm_emulation_failed(v, &c, NULL, 0);
}
