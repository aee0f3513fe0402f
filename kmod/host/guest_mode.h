/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What Linux wants to be told when a CPU runs a guest: RCU and context tracking
 * that it may count as userspace, the irqsoff tracer and lockdep that interrupts
 * are not really off. KVM tells all of them at each entry. Where none of them
 * listens, only RCU's note of a quiescent state is left, and one for each stay
 * in the inner loop is enough: host interrupts end it. None at all where the way
 * leads to userspace: a tick finds the thread there, or in the guest.
 */
#ifndef MKVM_HOST_GUEST_MODE_H
#define MKVM_HOST_GUEST_MODE_H

#include <linux/context_tracking.h>
#include <linux/kvm_host.h>

static __always_inline bool mkvm_host_has_listeners(void)
{
	return IS_ENABLED(CONFIG_TRACE_IRQFLAGS) || context_tracking_enabled();
}

/* After a stay in the inner loop, interrupts off. */
static __always_inline void mkvm_host_note_guest(void)
{
	if (mkvm_host_has_listeners())
		return;
	guest_context_enter_irqoff();
	guest_context_exit_irqoff();
}

/* Around each VM entry; what is between the two must be noinstr. */
static __always_inline void mkvm_host_guest_enter(void)
{
	if (mkvm_host_has_listeners())
		guest_state_enter_irqoff();
}

static __always_inline void mkvm_host_guest_exit(void)
{
	if (mkvm_host_has_listeners())
		guest_state_exit_irqoff();
}

#endif /* MKVM_HOST_GUEST_MODE_H */
