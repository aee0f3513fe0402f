// SPDX-License-Identifier: GPL-2.0-only
/*
 * The work that a thread has to do before it enters a guest: reschedule, signals,
 * task work, rseq. The kernel has one function for it, made for KVM: up to 6.12
 * it notes a signal in the struct kvm_vcpu that it is given. Ours takes the note
 * and nobody reads it.
 */
#include <linux/kvm_host.h>

#include "host/compat.h"
#include "host/host.h"

#ifdef MKVM_HAVE_WORK_WITHOUT_VCPU

int mkvm_host_handle_work(void)
{
	return xfer_to_guest_mode_handle_work();
}

#else

int mkvm_host_handle_work(void)
{
	static struct kvm_vcpu notes;
	static struct kvm_run run;

	notes.run = &run;
	return xfer_to_guest_mode_handle_work(&notes);
}

#endif
