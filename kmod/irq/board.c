// SPDX-License-Identifier: GPL-2.0-only
/* Life of what a VM has of irq/. */
#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/slab.h>

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
