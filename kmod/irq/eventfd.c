// SPDX-License-Identifier: GPL-2.0-only
/* ioeventfds: a write of the guest's signals an eventfd. */
#include <linux/eventfd.h>

#include "irq/board.h"

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
