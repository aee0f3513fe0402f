// SPDX-License-Identifier: GPL-2.0-only
/*
 * The owner of hardware virtualization on this machine: on, on all CPUs, from
 * claim to release, whatever happens to the CPUs in between.
 *
 *	CPU goes offline, comes online	CPU hotplug state
 *	suspend, hibernation		the same for all CPUs but one, syscore for that one
 *	reboot, halt, planned kexec	reboot notifier, syscore shutdown
 *	crash, kdump, reboot -f		emergency callback
 */
#include <linux/cpu.h>
#include <linux/reboot.h>
#include <linux/syscore_ops.h>
#include <asm/reboot.h>

#include "vendor.h"

DEFINE_PER_CPU(bool, mkvm_host_virt_on);
bool mkvm_host_stopping;
u64 mkvm_host_tsc_lost;

static const struct mkvm_vendor *owner;
static enum cpuhp_state hotplug_state;

/* ---- one CPU, interrupts off ---- */

static int start_this_cpu(void)
{
	int ret;

	if (mkvm_host_going_down())
		return 0;
	/* True first: a crash in the middle of cpu_on must find the half-done work. */
	__this_cpu_write(mkvm_host_virt_on, true);
	ret = owner->cpu_on();
	if (ret)
		__this_cpu_write(mkvm_host_virt_on, false);
	return ret;
}

static void stop_this_cpu_virt(void *unused)
{
	if (!__this_cpu_read(mkvm_host_virt_on))
		return;
	__this_cpu_write(mkvm_host_virt_on, false);
	owner->cpu_off();
}

/* ---- hotplug: on the CPU in question, in its hotplug thread ---- */

static int cpu_online_virt(unsigned int cpu)
{
	guard(irqsave)();
	return start_this_cpu();
}

/* Tasks may still run here afterwards: mkvm_host_cpu_on() turns their vCPUs away. */
static int cpu_offline_virt(unsigned int cpu)
{
	guard(irqsave)();
	stop_this_cpu_virt(NULL);
	return 0;
}

/* ---- suspend, reboot ---- */

#ifdef MKVM_HAVE_SYSCORE_DATA
#define SYSCORE_ARGUMENTS	void *unused
#else
#define SYSCORE_ARGUMENTS	void
#endif

/* The other CPUs are offline, interrupts are off. */
static int suspend(SYSCORE_ARGUMENTS)
{
	stop_this_cpu_virt(NULL);
	WRITE_ONCE(mkvm_host_tsc_lost, mkvm_host_tsc());
	return 0;
}

static void resume(SYSCORE_ARGUMENTS)
{
	WRITE_ONCE(mkvm_host_tsc_lost, mkvm_host_tsc_lost - rdtsc());
	if (start_this_cpu())
		pr_err("%s did not come back after suspend: vCPUs will not run on CPU %d\n",
		       owner->name, smp_processor_id());
}

/*
 * Processes still run on all CPUs, and some may be in a guest. The flag comes
 * first, so that a CPU which comes online now stays as it is.
 */
static void stop_all_cpus(void)
{
	WRITE_ONCE(mkvm_host_stopping, true);
	on_each_cpu(stop_this_cpu_virt, NULL, true);
}

static void shutdown(SYSCORE_ARGUMENTS)
{
	stop_all_cpus();
}

/*
 * Earlier than syscore shutdown, which misses nobody but which kexec does not
 * call before 6.8: the new kernel's first write to CR4 would fault in VMX
 * operation.
 */
static int reboot_begins(struct notifier_block *nb, unsigned long how, void *command)
{
	stop_all_cpus();
	return NOTIFY_DONE;
}

static struct notifier_block reboot_notifier = { .notifier_call = reboot_begins };

#ifdef MKVM_HAVE_SYSCORE_DATA
static const struct syscore_ops syscore_ops = {
	.suspend = suspend, .resume = resume, .shutdown = shutdown,
};

static struct syscore syscore = { .ops = &syscore_ops };
#else
static struct syscore_ops syscore = {
	.suspend = suspend, .resume = resume, .shutdown = shutdown,
};

#define register_syscore	register_syscore_ops
#define unregister_syscore	unregister_syscore_ops
#endif

/* ---- crash ---- */

#if !defined(MKVM_HAVE_EMERGENCY_CALLBACK) || \
	!(IS_ENABLED(CONFIG_KVM_INTEL) || IS_ENABLED(CONFIG_KVM_AMD))
/* Before 6.1.170 and from 7.1 the kernel does VMXOFF itself when it finds CR4.VMXE set. */
static void cpu_emergency_register_virt_callback(void (*callback)(void)) {}
static void cpu_emergency_unregister_virt_callback(void (*callback)(void)) {}
#endif

/*
 * On each CPU, often in NMI context, and nothing returns from it: no lock, no
 * log. Without it a crash kernel cannot start: INIT is blocked in VMX operation.
 */
static void emergency(void)
{
	WRITE_ONCE(mkvm_host_stopping, true);
	stop_this_cpu_virt(NULL);
}

/* ---- keeping KVM out, and being kept out by it ---- */

/*
 * KVM's own slot among the hotplug states, held without callbacks. Two can not
 * hold it, so this is a lock that KVM honours on kernels which know nothing of
 * minikvm: without it both could be about to claim, and both would want the one
 * emergency callback. KVM holds it while it is loaded (6.1) or while it has
 * virtualization on (6.12). A KVM that comes later gets EBUSY from it, after a
 * warning of the kernel's: it tries to register its emergency callback first.
 */
#ifdef MKVM_HAVE_KVM_STARTING
#define KVM_SLOT	CPUHP_AP_KVM_STARTING
#define KVM_ADVICE	"modprobe -r kvm_intel kvm_amd"
#elif defined(MKVM_HAVE_KVM_ONLINE)
#define KVM_SLOT	CPUHP_AP_KVM_ONLINE
#define KVM_ADVICE	"modprobe -r kvm_intel kvm_amd, or load kvm with enable_virt_at_load=0 and stop its VMs"
#else
#define KVM_SLOT	CPUHP_INVALID
#define KVM_ADVICE	""
#endif

static int lock_out_kvm(void)
{
	int ret = 0;

	if (KVM_SLOT != CPUHP_INVALID)
		ret = cpuhp_setup_state_nocalls(KVM_SLOT, "minikvm:instead-of-kvm", NULL, NULL);
	if (ret)
		pr_err("%s is in use by KVM: " KVM_ADVICE "\n", owner->name);
	return ret;
}

/* ---- claim and release ---- */

static int start_all_cpus(void)
{
	int ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "minikvm:online", cpu_online_virt,
				    cpu_offline_virt);

	if (ret < 0)
		return ret;
	hotplug_state = ret;
	/* A reboot that began before register_syscore may have passed us by. */
	if (system_state >= SYSTEM_HALT) {
		cpuhp_remove_state(hotplug_state);
		return -EBUSY;
	}
	return 0;
}

static void release_all_but_cpus(void)
{
	unregister_reboot_notifier(&reboot_notifier);
	unregister_syscore(&syscore);
	cpu_emergency_unregister_virt_callback(emergency);
	if (KVM_SLOT != CPUHP_INVALID)
		cpuhp_remove_state_nocalls(KVM_SLOT);
}

int mkvm_host_claim(const struct mkvm_vendor *vendor)
{
	int ret;

	owner = vendor;
	ret = mkvm_host_nmi_check() ?: mkvm_host_enable_setup(owner->name) ?: lock_out_kvm();
	if (ret)
		return ret;
	cpu_emergency_register_virt_callback(emergency);
	register_syscore(&syscore);
	register_reboot_notifier(&reboot_notifier);
	ret = start_all_cpus();
	if (ret)
		release_all_but_cpus();
	return ret;
}

void mkvm_host_release(void)
{
	cpuhp_remove_state(hotplug_state);
	release_all_but_cpus();
}
