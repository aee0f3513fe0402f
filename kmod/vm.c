// SPDX-License-Identifier: GPL-2.0-only
/* The VM fd: life of a VM and its ioctls. */
#include <linux/anon_inodes.h>
#include <linux/sched/mm.h>

#include "irq/board.h"
#include "x86/x86.h"

/* ---- life ---- */

static void vm_free(struct mkvm_vm *vm)
{
	mkvm_msr_filter_free(rcu_dereference_protected(vm->msr_filter, true));
	mmdrop(vm->mm);
	kvfree(vm);
}

/* In bring-up order. */
static struct mkvm_vm *vm_create(void)
{
	struct mkvm_vm *vm = kvzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!vm)
		return ERR_PTR(-ENOMEM);
	refcount_set(&vm->refs, 1);
	mutex_init(&vm->lock);
	mutex_init(&vm->slots_lock);
	mmgrab(current->mm);
	vm->mm = current->mm;
	mkvm_clock_init(vm);
	ret = init_srcu_struct(&vm->srcu);
	if (ret)
		goto free;
	ret = mkvm_board_init(vm);
	if (ret)
		goto srcu;
	ret = mkvm_slots_init(vm);
	if (ret)
		goto board;
	ret = mkvm_mmu_init(vm);
	if (!ret)
		return vm;
	mkvm_slots_free(vm);
board:
	mkvm_board_free(vm);
srcu:
	cleanup_srcu_struct(&vm->srcu);
free:
	vm_free(vm);
	return ERR_PTR(ret);
}

void mkvm_vm_put(struct mkvm_vm *vm)
{
	u32 i;

	if (!refcount_dec_and_test(&vm->refs))
		return;
	mkvm_mmu_free(vm);	/* first: the MMU notifier kicks vCPUs, */
	mkvm_board_free(vm);	/* and so do devices */
	for (i = 0; i < vm->nr_vcpus; i++)
		mkvm_vcpu_free(vm->vcpus[i]);
	mkvm_slots_free(vm);
	cleanup_srcu_struct(&vm->srcu);
	vm_free(vm);
}

/* KVM_CREATE_VM: the new fd. Once it is installed anybody may close it. */
long mkvm_vm_create(unsigned long type)
{
	struct mkvm_vm *vm;
	long fd;

	if (type)
		return -EINVAL;
	vm = vm_create();
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	fd = anon_inode_getfd("minikvm-vm", &mkvm_vm_fops, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		mkvm_vm_put(vm);
	return fd;
}

int mkvm_vm_release(struct inode *inode, struct file *file)
{
	mkvm_vm_put(file->private_data);
	return 0;
}

/* ---- forcing vCPUs out of the guest ---- */

/* The IPI is the point: who is in the guest leaves it to take this. */
static void kicked(void *unused)
{
}

/*
 * vCPUs in the guest are found after the requests are set, with the barrier
 * that mkvm_guest_mode_enter pairs with; the IPI is waited for, so that nobody
 * returns from here while an old translation is in use.
 */
void mkvm_request_all(struct mkvm_vm *vm, unsigned int request)
{
	/* Pairs with publish() in vcpu.c: who is counted is complete. */
	u32 i, nr = smp_load_acquire(&vm->nr_vcpus);
	struct mkvm_vcpu *v;
	int cpu;

	for (i = 0; i < nr; i++)
		set_bit(request, &vm->vcpus[i]->requests);
	smp_mb();	/* pairs with smp_store_mb in mkvm_guest_mode_enter */
	for (i = 0; i < nr; i++) {
		v = vm->vcpus[i];
		cpu = READ_ONCE(v->cpu);
		if (READ_ONCE(v->mode) == MKVM_IN_GUEST && cpu >= 0)
			smp_call_function_single(cpu, kicked, NULL, 1);
	}
}

/* ---- ioctls ---- */

/* A page that KVM needs without unrestricted guest. */
static int set_identity_map_addr(struct mkvm_vm *vm, void *arg)
{
	return vm->nr_vcpus ? -EINVAL : 0;
}

/* An irqchip is chosen once, before the first vCPU. */
static int create_irqchip(struct mkvm_vm *vm, enum mkvm_irqchip irqchip, u32 pins)
{
	guard(mutex)(&vm->lock);
	if (vm->irqchip)
		return -EEXIST;
	if (vm->nr_vcpus)
		return irqchip == MKVM_IRQCHIP_SPLIT ? -EEXIST : -EINVAL;	/* as KVM */
	vm->ioapic_pins = pins;
	vm->irqchip = irqchip;
	return 0;
}

#define MAX_IOAPIC_PINS	4096	/* of userspace's, with the split irqchip */

static int set_max_vcpu_id(struct mkvm_vm *vm, u64 max)
{
	guard(mutex)(&vm->lock);
	if (max > MKVM_MAX_VCPU_ID || (vm->max_vcpu_id && vm->max_vcpu_id != max))
		return -EINVAL;
	vm->max_vcpu_id = max;
	return 0;
}

static int enable_cap(struct mkvm_vm *vm, void *arg)
{
	const struct kvm_enable_cap *cap = arg;

	if (cap->flags)
		return -EINVAL;
	switch (cap->cap) {
	case KVM_CAP_MSR_PLATFORM_INFO:
		WRITE_ONCE(vm->no_platform_info, !cap->args[0]);
		return 0;
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return mkvm_set_dirty_log_mode(vm, cap->args[0]);
	case KVM_CAP_SPLIT_IRQCHIP:
		if (cap->args[0] > MAX_IOAPIC_PINS)
			return -EINVAL;
		return create_irqchip(vm, MKVM_IRQCHIP_SPLIT, cap->args[0]);
	case KVM_CAP_DISABLE_QUIRKS2:
		if (cap->args[0] & ~(u64)MKVM_QUIRKS)
			return -EINVAL;
		WRITE_ONCE(vm->disabled_quirks, cap->args[0]);
		return 0;
	case KVM_CAP_X86_USER_SPACE_MSR:
		if (cap->args[0] & ~(u64)MKVM_USER_MSRS)
			return -EINVAL;
		WRITE_ONCE(vm->user_msrs, cap->args[0]);
		return 0;
	case KVM_CAP_MAX_VCPU_ID:
		return set_max_vcpu_id(vm, cap->args[0]);
	default:
		return -EINVAL;
	}
}

static int set_boot_cpu_id(struct mkvm_vm *vm, unsigned long id)
{
	guard(mutex)(&vm->lock);
	if (vm->nr_vcpus)
		return -EBUSY;
	vm->boot_cpu_id = id;
	return 0;
}

#define LOCKED	true

/* A struct each, whose size and direction the number says; what else there is: vm_ioctl. */
static const struct vm_request {
	unsigned int cmd;
	int (*run)(struct mkvm_vm *vm, void *arg);
	bool locked;		/* run under vm->lock */
	unsigned int as;	/* what the number should have said */
} requests[] = {
	{ KVM_SET_USER_MEMORY_REGION,	mkvm_set_memory_region },
	{ KVM_GET_DIRTY_LOG,		mkvm_get_dirty_log },
	{ KVM_CLEAR_DIRTY_LOG,		mkvm_clear_dirty_log },
	{ KVM_SET_IDENTITY_MAP_ADDR,	set_identity_map_addr, LOCKED },
	{ KVM_ENABLE_CAP,		enable_cap },
	{ KVM_X86_SET_MSR_FILTER,	mkvm_set_msr_filter },
	{ KVM_GET_CLOCK,		mkvm_get_clock },
	{ KVM_SET_CLOCK,		mkvm_set_clock },
	{ KVM_IRQ_LINE,			mkvm_irq_line },
	{ KVM_IRQ_LINE_STATUS,		mkvm_irq_line },
	{ KVM_SIGNAL_MSI,		mkvm_signal_msi },
	{ KVM_IRQFD,			mkvm_irqfd, LOCKED },
	{ KVM_GET_IRQCHIP,		mkvm_get_irqchip },
	{ KVM_SET_IRQCHIP,		mkvm_set_irqchip,
	  .as = _IOW(KVMIO, 0x63, struct kvm_irqchip) },
	{ KVM_CREATE_PIT2,		mkvm_create_pit, LOCKED },
	{ KVM_GET_PIT2,			mkvm_get_pit },
	{ KVM_SET_PIT2,			mkvm_set_pit },
	{ KVM_REINJECT_CONTROL,		mkvm_reinject_control,
	  .as = _IOW(KVMIO, 0x71, struct kvm_reinject_control) },
	{ KVM_IOEVENTFD,		mkvm_ioeventfd, LOCKED },
	{ KVM_REGISTER_COALESCED_MMIO,	mkvm_register_zone, LOCKED },
	{ KVM_UNREGISTER_COALESCED_MMIO, mkvm_unregister_zone, LOCKED },
};

static int call_request(struct mkvm_vm *vm, const struct vm_request *request, void *arg)
{
	if (!request->locked)
		return request->run(vm, arg);
	guard(mutex)(&vm->lock);
	return request->run(vm, arg);
}

static long fixed_size_ioctl(struct mkvm_vm *vm, unsigned int cmd, void __user *user)
{
	const struct vm_request *request = requests;
	void *arg;

	while (request->cmd != cmd)
		if (++request == requests + ARRAY_SIZE(requests))
			return -ENOTTY;
	cmd = request->as ?: cmd;
	arg = mkvm_arg_in(cmd, user);
	return IS_ERR(arg) ? PTR_ERR(arg) :
	       mkvm_arg_out(cmd, user, arg, call_request(vm, request, arg));
}

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct mkvm_vm *vm = file->private_data;

	if (vm->mm != current->mm)
		return -EIO;
	switch (cmd) {
	case KVM_CREATE_VCPU:
		return mkvm_vcpu_create(vm, arg);
	case KVM_CHECK_EXTENSION:
		return mkvm_check_extension(arg);
	case KVM_SET_NR_MMU_PAGES:	/* of shadow page tables, which there are none */
		return arg < 64 ? -EINVAL : 0;
	case KVM_GET_STATS_FD:
		return mkvm_stats_fd(vm, NULL);
	case KVM_SET_TSS_ADDR:		/* of three pages that we need not, either */
		return arg > U32_MAX - 3 * PAGE_SIZE ? -EINVAL : 0;
	case KVM_CREATE_IRQCHIP:
		return create_irqchip(vm, MKVM_IRQCHIP_KERNEL, 0);
	case KVM_SET_BOOT_CPU_ID:
		return set_boot_cpu_id(vm, arg);
	case KVM_SET_GSI_ROUTING:
		return mkvm_set_gsi_routing(vm, (void __user *)arg);
	default:
		return fixed_size_ioctl(vm, cmd, (void __user *)arg);
	}
}

const struct file_operations mkvm_vm_fops = {
	.owner		= THIS_MODULE,
	.release	= mkvm_vm_release,
	.unlocked_ioctl	= vm_ioctl,
	.llseek		= noop_llseek,
};
