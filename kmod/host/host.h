/* SPDX-License-Identifier: GPL-2.0-only */
/* What minikvm takes from Linux that moves from one kernel to the next. */
#ifndef MKVM_HOST_HOST_H
#define MKVM_HOST_HOST_H

#include <linux/percpu.h>
#include <linux/types.h>
#include <asm/msr.h>

struct mkvm_vendor;
struct page;

/* ---- virt.c: the one owner of hardware virtualization ---- */

/*
 * Turn virtualization on, on every CPU that is online or comes online, until
 * released; all CPUs or none. Follows CPU hotplug, suspend, reboot, kexec and
 * crash. -EBUSY when another hypervisor has it; the log says which and what to
 * do. Process context.
 */
int mkvm_host_claim(const struct mkvm_vendor *vendor);
void mkvm_host_release(void);

DECLARE_PER_CPU(bool, mkvm_host_virt_on);
extern bool mkvm_host_stopping;

/* Is virtualization on, on this CPU? Preemption off. */
static __always_inline bool mkvm_host_cpu_on(void)
{
	return __this_cpu_read(mkvm_host_virt_on);
}

/*
 * Reboot, kexec or crash: virtualization has gone off under whatever still
 * runs, so that its instructions fault, which nobody needs to hear about.
 */
static __always_inline bool mkvm_host_going_down(void)
{
	return READ_ONCE(mkvm_host_stopping);
}

/* What the TSC was at suspend, less what it was at resume, summed up. */
extern u64 mkvm_host_tsc_lost;

/* The TSC, but it stands still in suspend instead of starting again. */
static __always_inline u64 mkvm_host_tsc(void)
{
	return rdtsc() + READ_ONCE(mkvm_host_tsc_lost);
}

/* ---- enable.c: CR4.VMXE, and who executes VMXON; EFER.SVME ---- */

/* Once, before the first of the others; name for the log. Process context. */
int mkvm_host_enable_setup(const char *name);
/*
 * Make VMXON, or the instructions of AMD-V, possible on this CPU, interrupts off.
 * -EBUSY: another hypervisor has it. Where the kernel itself owns VMX operation,
 * it is on afterwards.
 */
int mkvm_host_vmx_get(void);
int mkvm_host_svm_get(void);
/* After VMXOFF, where VMXON was ours. Also in NMI context. */
void mkvm_host_vmx_put(void);
void mkvm_host_svm_put(void);
/* VMXON and VMXOFF are ours to execute, not the kernel's. */
static inline bool mkvm_host_vmx_is_ours(void)
{
	return !__is_defined(MKVM_HAVE_X86_VIRT_REF);
}

/* ---- work.c ---- */

/* Reschedule, task work, rseq: 0, or -EINTR when a signal waits. May sleep. */
int mkvm_host_handle_work(void);

/* ---- page.c ---- */

/*
 * The page at hva, with a reference, and its content on the way as long as it
 * takes: 1, or -EINTR when a signal waits, or another error. May sleep.
 */
int mkvm_host_wait_for_page(unsigned long hva, bool write, struct page **page);

/* ---- nmi.c: events that arrived as a VM exit and are the host's ---- */

/* Can mkvm_host_nmi work on this host? Else -EOPNOTSUPP, and the log says why. */
int mkvm_host_nmi_check(void);
/* The NMI that caused the VM exit. Interrupts off, before anything can be instrumented. */
void mkvm_host_nmi(void);
/* The machine check that caused the VM exit. Interrupts off. */
void mkvm_host_machine_check(void);

#endif /* MKVM_HOST_HOST_H */
