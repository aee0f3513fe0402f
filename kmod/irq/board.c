// SPDX-License-Identifier: GPL-2.0-only
/* Life of what a VM has of irq/. */
#include "irq/board.h"

int mkvm_board_init(struct mkvm_vm *vm)
{
	struct mkvm_board *board = kzalloc(sizeof(*board), GFP_KERNEL_ACCOUNT);

	if (!board)
		return -ENOMEM;
	board->vm = vm;
	mkvm_chips_init(board);
	spin_lock_init(&board->irqfds_lock);
	spin_lock_init(&board->ring_lock);
	board->ring = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!board->ring || init_srcu_struct(&board->srcu))
		goto fail;
	vm->board = board;
	return 0;
fail:
	if (board->ring)
		__free_page(board->ring);
	kfree(board);
	return -ENOMEM;
}

/* Before the vCPUs go: irqfds and timers reach them. */
void mkvm_board_free(struct mkvm_vm *vm)
{
	struct mkvm_board *board = vm->board;

	hrtimer_cancel(&board->pit_timer);
	mkvm_irqfds_free(vm);
	kvfree(rcu_dereference_protected(board->routes, true));
	mkvm_bus_free(board);
	cleanup_srcu_struct(&board->srcu);
	__free_page(board->ring);
	kfree(board);
}
