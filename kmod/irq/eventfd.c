// SPDX-License-Identifier: GPL-2.0-only
/* irqfds: an eventfd's signal is an interrupt. */
#include <linux/file.h>
#include <linux/poll.h>

#include "irq/board.h"

struct mkvm_irqfd {
	struct mkvm_vm *vm;		/* [I], as all but link */
	u32 gsi;
	struct eventfd_ctx *eventfd;
	struct eventfd_ctx *resample;	/* level: signalled when the guest is done; NULL: edge */
	struct hlist_node link;		/* [e] in board->irqfds, until somebody frees it */
	wait_queue_entry_t wait;
	wait_queue_head_t *queue;	/* the eventfd's */
	poll_table poll;
	struct rcu_head rcu;
};

/* Any context, interrupts off or on. */
static void inject(const struct mkvm_irqfd *f)
{
	if (f->resample) {
		mkvm_irq_set_gsi(f->vm, MKVM_SOURCE_RESAMPLED, f->gsi, true);
		return;
	}
	mkvm_irq_set_gsi(f->vm, MKVM_SOURCE_USER, f->gsi, true);
	mkvm_irq_set_gsi(f->vm, MKVM_SOURCE_USER, f->gsi, false);
}

/* Nobody sees it any more. All irqfds with resampling drive a line as one. */
static void irqfd_free(struct mkvm_irqfd *f)
{
	struct mkvm_board *board = f->vm->board;
	const struct mkvm_irqfd *other;
	bool last = true;

	if (f->resample) {
		spin_lock_irq(&board->irqfds_lock);
		hlist_for_each_entry(other, &board->irqfds, link)
			last &= !other->resample || other->gsi != f->gsi;
		spin_unlock_irq(&board->irqfds_lock);
		if (last)
			mkvm_irq_set_gsi(f->vm, MKVM_SOURCE_RESAMPLED, f->gsi, false);
		eventfd_ctx_put(f->resample);
	}
	eventfd_ctx_put(f->eventfd);
	kfree(f);
}

static void irqfd_free_rcu(struct rcu_head *rcu)
{
	irqfd_free(container_of(rcu, struct mkvm_irqfd, rcu));
}

/* False: another one frees it. Under irqfds_lock. */
static bool take_out(struct mkvm_irqfd *f)
{
	bool ours = !hlist_unhashed(&f->link);

	hlist_del_init_rcu(&f->link);
	return ours;
}

/* What take_out() gave to a thread. */
static void irqfd_shut_down(struct mkvm_irqfd *f)
{
	u64 count;

	eventfd_ctx_remove_wait_queue(f->eventfd, &f->wait, &count);
	synchronize_srcu_expedited(&f->vm->board->srcu);
	irqfd_free(f);
}

/*
 * The eventfd was signalled, or its last file is closed. Its queue's lock is held
 * and interrupts are off: nothing here waits, and what frees the irqfd after a
 * close is waited for when the VM goes (mkvm_irqfds_free).
 */
static int irqfd_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct mkvm_irqfd *f = container_of(wait, struct mkvm_irqfd, wait);
	struct mkvm_board *board = f->vm->board;
	__poll_t events = key_to_poll(key);
	unsigned long flags;
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(f->eventfd, &count);
		inject(f);
	}
	if (events & EPOLLHUP) {
		spin_lock_irqsave(&board->irqfds_lock, flags);
		if (take_out(f)) {
			__remove_wait_queue(f->queue, wait);
			call_srcu(&board->srcu, &f->rcu, irqfd_free_rcu);
		}
		spin_unlock_irqrestore(&board->irqfds_lock, flags);
	}
	return !!(events & EPOLLIN);
}

static void irqfd_queued(struct file *file, wait_queue_head_t *queue, poll_table *poll)
{
	struct mkvm_irqfd *f = container_of(poll, struct mkvm_irqfd, poll);

	f->queue = queue;
	add_wait_queue_priority(queue, &f->wait);
}

/* The one of this eventfd; there is at most one. Under irqfds_lock. */
static struct mkvm_irqfd *find_irqfd(struct mkvm_board *board, const struct eventfd_ctx *eventfd)
{
	struct mkvm_irqfd *f;

	hlist_for_each_entry(f, &board->irqfds, link)
		if (f->eventfd == eventfd)
			return f;
	return NULL;
}

static int publish_irqfd(struct mkvm_irqfd *f)
{
	struct mkvm_board *board = f->vm->board;
	bool busy;

	spin_lock_irq(&board->irqfds_lock);
	busy = find_irqfd(board, f->eventfd);
	if (!busy)
		hlist_add_head_rcu(&f->link, &board->irqfds);
	spin_unlock_irq(&board->irqfds_lock);
	return busy ? -EBUSY : 0;
}

/* The eventfd's file stays open, so that no close comes between the steps; and vm->lock is held. */
static int assign_irqfd(struct mkvm_vm *vm, const struct kvm_irqfd *args)
{
	struct file *file = eventfd_fget(args->fd);
	struct mkvm_irqfd *f;
	int ret = -ENOMEM;

	if (IS_ERR(file))
		return PTR_ERR(file);
	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		goto out;
	f->vm = vm;
	f->gsi = args->gsi;
	f->eventfd = eventfd_ctx_fileget(file);
	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE)
		f->resample = eventfd_ctx_fdget(args->resamplefd);
	init_waitqueue_func_entry(&f->wait, irqfd_wake);
	init_poll_funcptr(&f->poll, irqfd_queued);
	ret = PTR_ERR_OR_ZERO(f->resample) ?: publish_irqfd(f);
	if (!ret) {
		if (vfs_poll(file, &f->poll) & EPOLLIN)
			inject(f);	/* signalled before it was ours */
		goto out;
	}
	if (!IS_ERR_OR_NULL(f->resample))
		eventfd_ctx_put(f->resample);
	eventfd_ctx_put(f->eventfd);
	kfree(f);
out:
	fput(file);
	return ret;
}

static int deassign_irqfd(struct mkvm_vm *vm, const struct kvm_irqfd *args)
{
	struct mkvm_board *board = vm->board;
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);
	struct mkvm_irqfd *f;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	spin_lock_irq(&board->irqfds_lock);
	f = find_irqfd(board, eventfd);
	if (f && (f->gsi != args->gsi || !take_out(f)))
		f = NULL;
	spin_unlock_irq(&board->irqfds_lock);
	if (f)
		irqfd_shut_down(f);
	eventfd_ctx_put(eventfd);
	return 0;
}

int mkvm_irqfd(struct mkvm_vm *vm, void *arg)
{
	const struct kvm_irqfd *args = arg;
	bool resample = args->flags & KVM_IRQFD_FLAG_RESAMPLE;

	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return deassign_irqfd(vm, args);
	if (!vm->irqchip || (resample && vm->irqchip != MKVM_IRQCHIP_KERNEL))
		return -EINVAL;
	return assign_irqfd(vm, args);
}

void mkvm_irqfds_free(struct mkvm_vm *vm)
{
	struct mkvm_board *board = vm->board;
	struct mkvm_irqfd *f;

	do {
		spin_lock_irq(&board->irqfds_lock);
		f = hlist_entry_safe(board->irqfds.first, struct mkvm_irqfd, link);
		if (f)
			take_out(f);
		spin_unlock_irq(&board->irqfds_lock);
		if (f)
			irqfd_shut_down(f);
	} while (f);
	srcu_barrier(&board->srcu);
}

/* With resampling, and of this pin? */
static bool drives(const struct mkvm_irqfd *f, u32 chip, u32 pin)
{
	struct mkvm_route route;

	if (!f->resample)
		return false;
	route = mkvm_find_route(f->vm, f->gsi);
	return !route.msi && route.pin[chip] == pin + 1;
}

/* All lines go down before the first owner hears of it, and may raise its own again. */
void mkvm_irqfds_resample(struct mkvm_vm *vm, u32 chip, u32 pin)
{
	struct mkvm_board *board = vm->board;
	int idx = srcu_read_lock(&board->srcu);
	struct mkvm_irqfd *f;

	hlist_for_each_entry_srcu(f, &board->irqfds, link, srcu_read_lock_held(&board->srcu))
		if (drives(f, chip, pin))
			mkvm_irq_set_gsi(vm, MKVM_SOURCE_RESAMPLED, f->gsi, false);
	hlist_for_each_entry_srcu(f, &board->irqfds, link, srcu_read_lock_held(&board->srcu))
		if (drives(f, chip, pin))
			mkvm_eventfd_signal(f->resample);
	srcu_read_unlock(&board->srcu, idx);
}
