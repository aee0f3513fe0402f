// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfds: a write of the guest's signals an eventfd; and irqfds: an eventfd's
 * signal is an interrupt.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "irq/board.h"
#include "host/compat.h"

/* ---- ioeventfd ---- */

static bool collides(const struct mkvm_range *a, const struct mkvm_range *b)
{
	return a->addr == b->addr &&
	       (!a->size || !b->size ||
		(a->size == b->size &&
		 (a->any_value || b->any_value || a->value == b->value)));
}

static int assign_doorbell(struct mkvm_vm *vm, enum mkvm_range_kind kind,
			   const struct mkvm_range *range)
{
	const struct mkvm_ranges *all = mkvm_bus_ranges(vm, kind);
	u32 i;

	for (i = 0; all && i < all->nr; i++)
		if (collides(&all->range[i], range))
			return -EEXIST;
	return mkvm_bus_insert(vm, kind, range);
}

static int deassign_doorbell(struct mkvm_vm *vm, enum mkvm_range_kind kind,
			     const struct mkvm_range *range)
{
	const struct mkvm_ranges *all = mkvm_bus_ranges(vm, kind);
	const struct mkvm_range *r;
	int ret;
	u32 i;

	for (i = 0; all && i < all->nr; i++) {
		r = &all->range[i];
		if (r->addr != range->addr || r->size != range->size ||
		    r->eventfd != range->eventfd || r->any_value != range->any_value ||
		    (!r->any_value && r->value != range->value))
			continue;
		ret = mkvm_bus_remove(vm, kind, i);
		if (!ret)
			eventfd_ctx_put(range->eventfd);	/* the array's reference */
		return ret;
	}
	return -ENOENT;
}

static bool ioeventfd_valid(const struct kvm_ioeventfd *args)
{
	const u32 known = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO |
			  KVM_IOEVENTFD_FLAG_DEASSIGN;

	return !(args->flags & ~known) && args->addr + args->len >= args->addr &&
	       (args->len ? is_power_of_2(args->len) && args->len <= 8 :
			    !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH));
}

int mkvm_ioeventfd(struct mkvm_vm *vm, void *arg)
{
	const struct kvm_ioeventfd *args = arg;
	bool pio = args->flags & KVM_IOEVENTFD_FLAG_PIO;
	bool deassign = args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN;
	enum mkvm_range_kind kind = pio ? MKVM_DOORBELL_PIO : MKVM_DOORBELL_MMIO;
	struct mkvm_range range = {
		.addr = args->addr, .size = args->len, .value = args->datamatch,
		.any_value = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH),
	};
	int ret;

	if (!deassign && !ioeventfd_valid(args))
		return -EINVAL;
	range.eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(range.eventfd))
		return PTR_ERR(range.eventfd);
	ret = deassign ? deassign_doorbell(vm, kind, &range) : assign_doorbell(vm, kind, &range);
	if (deassign || ret)
		eventfd_ctx_put(range.eventfd);
	return ret;
}

/* ---- irqfd: an eventfd's signal is an interrupt ---- */

struct mkvm_irqfd {
	struct mkvm_vm *vm;		/* [I], as all but link */
	u32 gsi;
	struct eventfd_ctx *eventfd;
	struct eventfd_ctx *resample;	/* signalled when the guest is done; NULL: edge */
	struct list_head link;		/* [e] in board->irqfds */
	bool gone;			/* [e] taken out of there, by who frees it */
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

static bool resampled(struct mkvm_board *board, u32 gsi)
{
	const struct mkvm_irqfd *f;

	list_for_each_entry(f, &board->irqfds[1], link)
		if (f->gsi == gsi)
			return true;
	return false;
}

/* Nobody sees it any more. All irqfds with resampling drive a line as one. */
static void irqfd_free(struct mkvm_irqfd *f)
{
	struct mkvm_board *board = f->vm->board;
	bool lower;

	if (f->resample) {
		spin_lock_irq(&board->irqfds_lock);
		lower = !resampled(board, f->gsi);
		spin_unlock_irq(&board->irqfds_lock);
		if (lower)
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
	if (f->gone)
		return false;
	f->gone = true;
	list_del_rcu(&f->link);
	return true;
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
	int i;

	for (i = 0; i < ARRAY_SIZE(board->irqfds); i++)
		list_for_each_entry(f, &board->irqfds[i], link)
			if (f->eventfd == eventfd)
				return f;
	return NULL;
}

static int publish_irqfd(struct mkvm_irqfd *f)
{
	struct mkvm_board *board = f->vm->board;
	int ret = 0;

	spin_lock_irq(&board->irqfds_lock);
	if (find_irqfd(board, f->eventfd))
		ret = -EBUSY;
	else
		list_add_tail_rcu(&f->link, &board->irqfds[!!f->resample]);
	spin_unlock_irq(&board->irqfds_lock);
	return ret;
}

/* file stays open meanwhile, so that no close comes between the steps; and vm->lock is held. */
static int start_irqfd(struct mkvm_irqfd *f, struct file *file)
{
	int ret;

	f->eventfd = eventfd_ctx_fileget(file);
	if (IS_ERR(f->eventfd))
		return PTR_ERR(f->eventfd);
	init_waitqueue_func_entry(&f->wait, irqfd_wake);
	init_poll_funcptr(&f->poll, irqfd_queued);
	ret = publish_irqfd(f);
	if (ret)
		eventfd_ctx_put(f->eventfd);
	else if (vfs_poll(file, &f->poll) & EPOLLIN)
		inject(f);		/* signalled before it was ours */
	return ret;
}

static int assign_irqfd(struct mkvm_vm *vm, const struct kvm_irqfd *args)
{
	struct mkvm_irqfd *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	struct file *file = NULL;
	int ret;

	if (!f)
		return -ENOMEM;
	f->vm = vm;
	f->gsi = args->gsi;
	file = eventfd_fget(args->fd);
	ret = PTR_ERR_OR_ZERO(file);
	if (ret)
		goto free;
	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE)
		f->resample = eventfd_ctx_fdget(args->resamplefd);
	ret = PTR_ERR_OR_ZERO(f->resample);
	if (ret)
		goto file;
	ret = start_irqfd(f, file);
	if (ret && f->resample)
		eventfd_ctx_put(f->resample);
file:
	fput(file);
free:
	if (ret)
		kfree(f);
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
	int i;

	for (i = 0; i < ARRAY_SIZE(board->irqfds); i++)
		for (;;) {
			spin_lock_irq(&board->irqfds_lock);
			f = list_first_entry_or_null(&board->irqfds[i], struct mkvm_irqfd, link);
			if (f)
				take_out(f);
			spin_unlock_irq(&board->irqfds_lock);
			if (!f)
				break;
			irqfd_shut_down(f);
		}
	srcu_barrier(&board->srcu);
}

static bool drives(struct mkvm_vm *vm, u32 gsi, u32 chip, u32 pin)
{
	struct mkvm_route route = mkvm_find_route(vm, gsi);

	return !route.msi && route.pin[chip] == pin + 1;
}

/* All lines go down before the first owner hears of it, and may raise its own again. */
void mkvm_irqfds_resample(struct mkvm_vm *vm, u32 chip, u32 pin)
{
	struct mkvm_board *board = vm->board;
	int idx = srcu_read_lock(&board->srcu);
	struct mkvm_irqfd *f;

	list_for_each_entry_srcu(f, &board->irqfds[1], link, srcu_read_lock_held(&board->srcu))
		if (drives(vm, f->gsi, chip, pin))
			mkvm_irq_set_gsi(vm, MKVM_SOURCE_RESAMPLED, f->gsi, false);
	list_for_each_entry_srcu(f, &board->irqfds[1], link, srcu_read_lock_held(&board->srcu))
		if (drives(vm, f->gsi, chip, pin))
			mkvm_eventfd_signal(f->resample);
	srcu_read_unlock(&board->srcu, idx);
}
