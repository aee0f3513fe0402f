/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel interfaces that were renamed: the new name, on every kernel. */
#ifndef MKVM_HOST_COMPAT_H
#define MKVM_HOST_COMPAT_H

#include <linux/compiler.h>
#include <linux/eventfd.h>
#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/smp.h>
#include <asm/msr.h>

#ifdef MKVM_HAVE_ENTRY_VIRT	/* since 6.17 or so */
#include <linux/entry-virt.h>
#else
#include <linux/entry-kvm.h>
#endif

#ifdef MKVM_HAVE_CPUID_API	/* since 6.16 or so; cpuid_count() was in asm/processor.h */
#include <asm/cpuid/api.h>
#else
#include <asm/processor.h>
#endif

#ifndef rdmsrq			/* until 6.15 */
#define rdmsrq			rdmsrl
#define rdmsrq_safe		rdmsrl_safe
#define wrmsrq			wrmsrl
#define native_wrmsrq		native_wrmsrl
#endif

/* Since 6.11 the kernel gives other names to what userspace may change under it. */
#ifndef HINT_UNSAFE_IN_KVM
#define HINT_UNSAFE_IN_KVM(member)	member
#endif

#ifdef smp_send_reschedule	/* a macro that traces, since 6.4 */
#define mkvm_host_reschedule	arch_smp_send_reschedule
#else
#define mkvm_host_reschedule	smp_send_reschedule
#endif

#ifdef MKVM_HAVE_HRTIMER_SETUP	/* since 6.13 */
#define mkvm_host_timer_init	hrtimer_setup
#else
#define mkvm_host_timer_init(timer, fn, clock, mode) \
	(hrtimer_init(timer, clock, mode), (void)((timer)->function = (fn)))
#endif

#ifndef asm_goto_output
#define asm_goto_output(x...)	asm volatile goto(x)
#endif

#ifdef MKVM_HAVE_EVENTFD_COUNT	/* until 6.7 */
#define mkvm_eventfd_signal(ctx)	eventfd_signal(ctx, 1)
#else
#define mkvm_eventfd_signal(ctx)	eventfd_signal(ctx)
#endif

#endif /* MKVM_HOST_COMPAT_H */
