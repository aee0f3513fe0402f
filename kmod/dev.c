// SPDX-License-Identifier: GPL-2.0-only
/* The system fd: /dev/minikvm itself. What it answers is the same for all. */
#include "irq/board.h"
#include "x86/x86.h"

void *mkvm_arg_in(unsigned int cmd, const void __user *user)
{
	if (_IOC_DIR(cmd) & _IOC_WRITE)
		return memdup_user(user, _IOC_SIZE(cmd));
	return kzalloc(_IOC_SIZE(cmd), GFP_KERNEL_ACCOUNT) ?: ERR_PTR(-ENOMEM);
}

long mkvm_arg_out(unsigned int cmd, void __user *user, void *arg, long ret)
{
	if (!ret && _IOC_DIR(cmd) & _IOC_READ && copy_to_user(user, arg, _IOC_SIZE(cmd)))
		ret = -EFAULT;
	kfree(arg);
	return ret;
}

/* Those that are there, and have no more to say: memory, CPUs, MSRs, interrupts, and the rest. */
static const u16 plain_caps[] = {
	KVM_CAP_USER_MEMORY, KVM_CAP_DESTROY_MEMORY_REGION_WORKS, KVM_CAP_READONLY_MEM,
	KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, KVM_CAP_SYNC_MMU, KVM_CAP_SET_TSS_ADDR,
	KVM_CAP_SET_IDENTITY_MAP_ADDR,

	KVM_CAP_EXT_CPUID, KVM_CAP_MP_STATE, KVM_CAP_SREGS2, KVM_CAP_VCPU_EVENTS,
	KVM_CAP_DEBUGREGS, KVM_CAP_SET_GUEST_DEBUG, KVM_CAP_X86_ROBUST_SINGLESTEP,
	KVM_CAP_VCPU_ATTRIBUTES, KVM_CAP_GET_TSC_KHZ, KVM_CAP_KVMCLOCK_CTRL,
	KVM_CAP_ENFORCE_PV_FEATURE_CPUID, KVM_CAP_HLT, KVM_CAP_IMMEDIATE_EXIT, KVM_CAP_X86_SMM,
	KVM_CAP_INTERNAL_ERROR_DATA, KVM_CAP_SET_BOOT_CPU_ID,

	KVM_CAP_GET_MSR_FEATURES, KVM_CAP_MSR_PLATFORM_INFO, KVM_CAP_X86_USER_SPACE_MSR,
	KVM_CAP_X86_MSR_FILTER,

	KVM_CAP_IRQCHIP, KVM_CAP_SPLIT_IRQCHIP, KVM_CAP_IRQ_INJECT_STATUS, KVM_CAP_USER_NMI,
	KVM_CAP_PIT2, KVM_CAP_PIT_STATE2, KVM_CAP_REINJECT_CONTROL, KVM_CAP_TSC_DEADLINE_TIMER,
	KVM_CAP_SIGNAL_MSI, KVM_CAP_IRQFD, KVM_CAP_IRQFD_RESAMPLE, KVM_CAP_IOEVENTFD,
	KVM_CAP_IOEVENTFD_ANY_LENGTH, KVM_CAP_COALESCED_PIO,

	KVM_CAP_CHECK_EXTENSION_VM, KVM_CAP_ENABLE_CAP, KVM_CAP_ENABLE_CAP_VM,
	KVM_CAP_BINARY_STATS_FD,
};

/* Whatever is not here is absent: 0. docs/abi.md has the same table. */
int mkvm_check_extension(unsigned long cap)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(plain_caps); i++)
		if (cap == plain_caps[i])
			return 1;
	switch (cap) {
	case KVM_CAP_MULTI_ADDRESS_SPACE:
		return MKVM_ADDRESS_SPACES;
	case KVM_CAP_IRQ_ROUTING:
		return MKVM_MAX_ROUTES;
	case KVM_CAP_COALESCED_MMIO:
		return MKVM_RING_PAGE;
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return MKVM_DIRTY_LOG_MODES;
	case KVM_CAP_XSAVE:
	case KVM_CAP_XCRS:
		return !!mkvm_fpu_features;
	case KVM_CAP_XSAVE2:
		return sizeof(struct kvm_xsave);
	case KVM_CAP_DISABLE_QUIRKS2:
		return MKVM_QUIRKS;
	case KVM_CAP_SYNC_REGS:
		return KVM_SYNC_X86_VALID_FIELDS;
	case KVM_CAP_ADJUST_CLOCK:
		return KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
	case KVM_CAP_MCE:
		return MKVM_MCE_BANKS;
	case KVM_CAP_INTR_SHADOW:
		return KVM_X86_SHADOW_INT_MOV_SS | KVM_X86_SHADOW_INT_STI;
	case KVM_CAP_NR_VCPUS:
		return min_t(int, num_online_cpus(), MKVM_MAX_VCPUS);
	case KVM_CAP_MAX_VCPUS:
		return MKVM_MAX_VCPUS;
	case KVM_CAP_MAX_VCPU_ID:
		return MKVM_MAX_VCPU_ID;
	case KVM_CAP_NR_MEMSLOTS:
		return MKVM_MAX_SLOTS;
	default:
		return 0;
	}
}

int mkvm_put_cpuid(struct kvm_cpuid2 __user *user, const struct kvm_cpuid_entry2 *entries, u32 nr)
{
	u32 room;

	if (get_user(room, &user->nent))
		return -EFAULT;
	if (room < nr)
		return -E2BIG;
	return copy_to_user(user->entries, entries, nr * sizeof(*entries)) ||
	       put_user(nr, &user->nent) ? -EFAULT : 0;
}

static int get_supported_cpuid(struct kvm_cpuid2 __user *user)
{
	struct kvm_cpuid_entry2 *entries;
	int ret;

	entries = kvcalloc(MKVM_MAX_CPUID, sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (!entries)
		return -ENOMEM;
	ret = mkvm_supported_cpuid(entries, MKVM_MAX_CPUID);
	if (ret >= 0)
		ret = mkvm_put_cpuid(user, entries, ret);
	kvfree(entries);
	return ret;
}

#define MSR_LIST_MAX	256

/* nmsrs says how many there are even when the room was too small. */
static int get_msr_list(struct kvm_msr_list __user *user, u8 flag)
{
	u32 *list __free(kfree) = kcalloc(MSR_LIST_MAX, sizeof(*list), GFP_KERNEL);
	struct mkvm_guest_cpu cpu;
	u32 room, nr;

	if (!list)
		return -ENOMEM;
	mkvm_most_capable_cpu(&cpu);
	nr = mkvm_msr_list(&cpu, flag, list, MSR_LIST_MAX);
	if (get_user(room, &user->nmsrs) || put_user(nr, &user->nmsrs))
		return -EFAULT;
	if (room < nr)
		return -E2BIG;
	return copy_to_user(user->indices, list, nr * sizeof(*list)) ? -EFAULT : 0;
}

static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case KVM_GET_API_VERSION:
		return arg ? -EINVAL : KVM_API_VERSION;
	case KVM_CREATE_VM:
		return mkvm_vm_create(arg);
	case KVM_CHECK_EXTENSION:
		return mkvm_check_extension(arg);
	case KVM_GET_VCPU_MMAP_SIZE:
		return arg ? -EINVAL : MKVM_VCPU_PAGES * PAGE_SIZE;
	case KVM_GET_SUPPORTED_CPUID:
		return get_supported_cpuid(user);
	case KVM_GET_MSR_INDEX_LIST:
		return get_msr_list(user, MKVM_MSR_LISTED);
	case KVM_GET_MSR_FEATURE_INDEX_LIST:
		return get_msr_list(user, MKVM_MSR_FEATURE);
	case KVM_GET_MSRS:
		return mkvm_msrs_ioctl(NULL, user, false);
	case KVM_X86_GET_MCE_CAP_SUPPORTED:
		return put_user(MKVM_MCG_CAPS, (u64 __user *)user) ? -EFAULT : 0;
	default:
		return -EINVAL;		/* what KVM's system fd says */
	}
}

const struct file_operations mkvm_dev_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= dev_ioctl,
	.llseek		= noop_llseek,
};
