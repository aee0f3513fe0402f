// SPDX-License-Identifier: GPL-2.0-only
/* Life of what a VM has of irq/, and its requests. */
#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "irq/board.h"

int mkvm_board_init(struct mkvm_vm *vm)
{
	struct mkvm_board *board = kzalloc(sizeof(*board), GFP_KERNEL_ACCOUNT);
	int ret = -ENOMEM;

	if (!board)
		return ret;
	board->vm = vm;
	mkvm_chips_init(board);
	spin_lock_init(&board->irqfds_lock);
	INIT_LIST_HEAD(&board->irqfds[0]);
	INIT_LIST_HEAD(&board->irqfds[1]);
	spin_lock_init(&board->ring_lock);
	board->ring = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (board->ring)
		ret = init_srcu_struct(&board->srcu);
	if (!ret) {
		vm->board = board;
		return 0;
	}
	if (board->ring)
		__free_page(board->ring);
	kfree(board);
	return ret;
}

static void free_ranges(const struct mkvm_ranges *all)
{
	u32 i;

	for (i = 0; all && i < all->nr; i++)
		if (all->range[i].eventfd)
			eventfd_ctx_put(all->range[i].eventfd);
	kvfree(all);
}

/* Before the vCPUs go: irqfds and timers reach them. */
void mkvm_board_free(struct mkvm_vm *vm)
{
	struct mkvm_board *board = vm->board;
	int i;

	hrtimer_cancel(&board->pit_timer);
	mkvm_irqfds_free(vm);
	kvfree(rcu_dereference_protected(board->routes, true));
	for (i = 0; i < MKVM_NR_RANGE_KINDS; i++)
		free_ranges(rcu_dereference_protected(board->ranges[i], true));
	cleanup_srcu_struct(&board->srcu);
	__free_page(board->ring);
	kfree(board);
}

#define LOCKED	BIT(0)	/* run under vm->lock */
#define ANSWERS	BIT(1)	/* the struct is copied back */

/* size: not all numbers tell it. */
static const struct board_request {
	unsigned int cmd;
	u16 size;
	u8 flags;
	int (*run)(struct mkvm_vm *vm, void *arg);
} requests[] = {
	{ KVM_IRQ_LINE, sizeof(struct kvm_irq_level), 0, mkvm_irq_line },
	{ KVM_IRQ_LINE_STATUS, sizeof(struct kvm_irq_level), ANSWERS, mkvm_irq_line },
	{ KVM_SIGNAL_MSI, sizeof(struct kvm_msi), 0, mkvm_signal_msi },
	{ KVM_IRQFD, sizeof(struct kvm_irqfd), LOCKED, mkvm_irqfd },
	{ KVM_GET_IRQCHIP, sizeof(struct kvm_irqchip), ANSWERS, mkvm_get_irqchip },
	{ KVM_SET_IRQCHIP, sizeof(struct kvm_irqchip), 0, mkvm_set_irqchip },
	{ KVM_CREATE_PIT2, sizeof(struct kvm_pit_config), LOCKED, mkvm_create_pit },
	{ KVM_GET_PIT2, sizeof(struct kvm_pit_state2), ANSWERS, mkvm_get_pit },
	{ KVM_SET_PIT2, sizeof(struct kvm_pit_state2), 0, mkvm_set_pit },
	{ KVM_REINJECT_CONTROL, sizeof(struct kvm_reinject_control), 0, mkvm_reinject_control },
	{ KVM_IOEVENTFD, sizeof(struct kvm_ioeventfd), LOCKED, mkvm_ioeventfd },
	{ KVM_REGISTER_COALESCED_MMIO, sizeof(struct kvm_coalesced_mmio_zone), LOCKED,
	  mkvm_register_zone },
	{ KVM_UNREGISTER_COALESCED_MMIO, sizeof(struct kvm_coalesced_mmio_zone), LOCKED,
	  mkvm_unregister_zone },
};

static int call_request(struct mkvm_vm *vm, const struct board_request *request, void *arg)
{
	int ret;

	if (!(request->flags & LOCKED))
		return request->run(vm, arg);
	mutex_lock(&vm->lock);
	ret = request->run(vm, arg);
	mutex_unlock(&vm->lock);
	return ret;
}

static int run_request(struct mkvm_vm *vm, const struct board_request *request, void __user *user)
{
	u64 arg[sizeof(struct kvm_irqchip) / sizeof(u64)];	/* the largest */
	int ret;

	if (copy_from_user(arg, user, request->size))
		return -EFAULT;
	ret = call_request(vm, request, arg);
	if (!ret && (request->flags & ANSWERS) && copy_to_user(user, arg, request->size))
		return -EFAULT;
	return ret;
}

long mkvm_board_ioctl(struct mkvm_vm *vm, unsigned int cmd, void __user *user)
{
	size_t i;

	if (cmd == KVM_SET_GSI_ROUTING)
		return mkvm_set_gsi_routing(vm, user);
	for (i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].cmd == cmd)
			return run_request(vm, &requests[i], user);
	return -ENOTTY;
}
