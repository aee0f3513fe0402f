// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is behind a port or an MMIO address: ioeventfds (doorbells), the chips, and
 * zones whose writes are collected in a ring for userspace (coalesced MMIO).
 */
#include "irq/board.h"

#define MAX_ZONES	1000	/* as KVM */

/* What userspace has put on the bus: in a row of board->doorbells or in ->zones, and constant. */
struct mkvm_range {
	struct hlist_node link;
	bool pio;
	u64 addr;
	u64 size;			/* a zone's; of a doorbell: of its accesses, 0: any */
	struct eventfd_ctx *eventfd;	/* NULL: a zone */
	bool any_value;			/* a doorbell is rung by any value, */
	u64 value;			/* or by this only */
};

static struct hlist_head *row_of(struct mkvm_board *board, u64 addr)
{
	return &board->doorbells[hash_64(addr, ilog2(MKVM_DOORBELL_ROWS))];
}

/* Caller holds vm->lock, and leaves range's eventfd here. */
static int insert_range(struct mkvm_vm *vm, struct hlist_head *list, const struct mkvm_range *range)
{
	struct mkvm_range *copy = kmemdup(range, sizeof(*range), GFP_KERNEL_ACCOUNT);

	if (!copy)
		return -ENOMEM;
	hlist_add_head_rcu(&copy->link, list);
	WRITE_ONCE(vm->board->occupied, true);
	if (!range->size)
		WRITE_ONCE(vm->board->has_wildcard, true);
	return 0;
}

static void free_range(struct mkvm_range *r)
{
	if (r->eventfd)
		eventfd_ctx_put(r->eventfd);
	kfree(r);
}

/* Caller holds vm->lock. When it returns nobody uses the range. */
static void remove_range(struct mkvm_vm *vm, struct mkvm_range *r)
{
	hlist_del_rcu(&r->link);
	synchronize_srcu_expedited(&vm->board->srcu);
	free_range(r);
}

static void free_ranges(struct hlist_head *list)
{
	struct mkvm_range *r;
	struct hlist_node *next;

	hlist_for_each_entry_safe(r, next, list, link)
		free_range(r);
}

void mkvm_bus_free(struct mkvm_board *board)
{
	u32 i;

	for (i = 0; i < MKVM_DOORBELL_ROWS; i++)
		free_ranges(&board->doorbells[i]);
	free_ranges(&board->zones);
}

/* ---- doorbells ---- */

/* Would one write ring both? */
static bool collides(const struct mkvm_range *a, const struct mkvm_range *b)
{
	if (a->pio != b->pio || a->addr != b->addr)
		return false;
	return !a->size || !b->size ||
	       (a->size == b->size && (a->any_value || b->any_value || a->value == b->value));
}

static int set_doorbell(struct mkvm_vm *vm, const struct mkvm_range *range, bool deassign)
{
	struct hlist_head *row = row_of(vm->board, range->addr);
	struct mkvm_range *r;

	hlist_for_each_entry(r, row, link) {
		if (!collides(r, range))
			continue;
		if (!deassign)
			return -EEXIST;
		if (r->eventfd == range->eventfd && r->size == range->size &&
		    r->any_value == range->any_value) {
			remove_range(vm, r);
			return 0;
		}
	}
	return deassign ? -ENOENT : insert_range(vm, row, range);
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
	bool deassign = args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN;
	struct mkvm_range range = {
		.pio = args->flags & KVM_IOEVENTFD_FLAG_PIO, .addr = args->addr, .size = args->len,
		.any_value = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH),
		.value = args->datamatch,
	};
	int ret;

	if (!deassign && !ioeventfd_valid(args))
		return -EINVAL;
	range.eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(range.eventfd))
		return PTR_ERR(range.eventfd);
	ret = set_doorbell(vm, &range, deassign);
	if (deassign || ret)
		eventfd_ctx_put(range.eventfd);
	return ret;
}

/* len 0: only those of any length. Under srcu. */
static const struct mkvm_range *find_doorbell(struct mkvm_board *board, bool pio, u64 addr,
					      u32 len, const void *data)
{
	const struct mkvm_range *r;
	u64 value = 0;

	memcpy(&value, data, len);
	hlist_for_each_entry_srcu(r, row_of(board, addr), link, srcu_read_lock_held(&board->srcu))
		if (r->pio == pio && r->addr == addr &&
		    (!r->size || (r->size == len && (r->any_value || r->value == value))))
			return r;
	return NULL;
}

bool mkvm_bus_doorbell(struct mkvm_vcpu *v, u64 gpa)
{
	struct mkvm_board *board = v->vm->board;
	const struct mkvm_range *r;
	int idx;

	if (v->apic && mkvm_apic_eoi_at(v, gpa))
		return true;
	if (!READ_ONCE(board->has_wildcard))
		return false;
	idx = srcu_read_lock(&board->srcu);
	r = find_doorbell(board, false, gpa, 0, NULL);
	if (r && !mkvm_is_device(v, gpa))
		r = NULL;
	if (r)
		mkvm_eventfd_signal(r->eventfd);
	srcu_read_unlock(&board->srcu, idx);
	return r;
}

/* ---- coalesced writes ---- */

/* Userspace may write anything into the ring: the index is bounded, the rest is only data. */
static int put_into_ring(struct mkvm_board *board, bool pio, u64 addr, u32 len, const void *data)
{
	struct kvm_coalesced_mmio_ring *ring = page_address(board->ring);
	struct kvm_coalesced_mmio *entry;
	unsigned long flags;
	u32 last, next;
	int ret = -EOPNOTSUPP;

	spin_lock_irqsave(&board->ring_lock, flags);
	last = READ_ONCE(ring->last);
	next = (last + 1) % KVM_COALESCED_MMIO_MAX;
	if (last < KVM_COALESCED_MMIO_MAX && next != READ_ONCE(ring->first)) {
		entry = &ring->coalesced_mmio[array_index_nospec(last, KVM_COALESCED_MMIO_MAX)];
		entry->phys_addr = addr;
		entry->len = len;
		entry->pio = pio;
		memcpy(entry->data, data, len);
		smp_store_release(&ring->last, next);	/* userspace reads the entry after it */
		ret = 0;
	}
	spin_unlock_irqrestore(&board->ring_lock, flags);
	return ret;
}

static bool is_zone_of(const struct mkvm_range *r, bool pio, u64 addr, u64 len)
{
	return r->pio == pio && addr >= r->addr && len <= r->size &&
	       addr - r->addr <= r->size - len;
}

static int coalesce(struct mkvm_board *board, bool pio, u64 addr, u32 len, const void *data)
{
	const struct mkvm_range *r;

	hlist_for_each_entry_srcu(r, &board->zones, link, srcu_read_lock_held(&board->srcu))
		if (is_zone_of(r, pio, addr, len))
			return put_into_ring(board, pio, addr, len, data);
	return -EOPNOTSUPP;
}

int mkvm_register_zone(struct mkvm_vm *vm, void *arg)
{
	const struct kvm_coalesced_mmio_zone *zone = arg;
	struct mkvm_range range = { .pio = zone->pio, .addr = zone->addr, .size = zone->size };
	const struct mkvm_range *r;
	u32 nr = 0;

	if (zone->pio > 1)
		return -EINVAL;
	hlist_for_each_entry(r, &vm->board->zones, link)
		nr += r->pio == range.pio;
	return nr < MAX_ZONES ? insert_range(vm, &vm->board->zones, &range) : -ENOSPC;
}

/* All zones that have the given range in them. */
int mkvm_unregister_zone(struct mkvm_vm *vm, void *arg)
{
	const struct kvm_coalesced_mmio_zone *zone = arg;
	struct hlist_node *next;
	struct mkvm_range *r;

	if (zone->pio > 1)
		return -EINVAL;
	hlist_for_each_entry_safe(r, next, &vm->board->zones, link)
		if (is_zone_of(r, zone->pio, zone->addr, zone->size))
			remove_range(vm, r);
	return 0;
}

/* ---- accesses ---- */

static int access_chips(struct mkvm_vm *vm, bool pio, bool write, u64 addr, u32 len, void *data)
{
	return pio ? mkvm_chips_pio(vm, write, addr, len, data) :
		     mkvm_chips_mmio(vm, write, addr, len, data);
}

static int access(struct mkvm_vm *vm, bool pio, bool write, u64 addr, u32 len, void *data)
{
	struct mkvm_board *board = vm->board;
	const struct mkvm_range *doorbell;
	int idx, ret = 0;

	if (!write || !READ_ONCE(board->occupied))
		return access_chips(vm, pio, write, addr, len, data);
	idx = srcu_read_lock(&board->srcu);
	doorbell = find_doorbell(board, pio, addr, len, data);
	if (doorbell)
		mkvm_eventfd_signal(doorbell->eventfd);
	else
		ret = access_chips(vm, pio, write, addr, len, data);
	if (ret)
		ret = coalesce(board, pio, addr, len, data);
	srcu_read_unlock(&board->srcu, idx);
	return ret;
}

static noinline int ask_all_pio(struct mkvm_vcpu *v, bool write, u16 port, u32 len, void *data)
{
	return access(v->vm, true, write, port, len, data);
}

/* All chips but the 8254 come with local APICs. */
int mkvm_bus_pio(struct mkvm_vcpu *v, bool write, u16 port, u32 len, void *data)
{
	if (!v->apic && !READ_ONCE(v->vm->board->occupied))
		return -EOPNOTSUPP;
	return ask_all_pio(v, write, port, len, data);
}

static noinline int ask_all(struct mkvm_vcpu *v, bool write, u64 gpa, u32 len, void *data)
{
	if (mkvm_apic_mmio(v, write, gpa, len, data))
		return 0;
	return access(v->vm, false, write, gpa, len, data);
}

int mkvm_bus_mmio(struct mkvm_vcpu *v, bool write, u64 gpa, u32 len, void *data)
{
	if (!v->apic && !READ_ONCE(v->vm->board->occupied))
		return -EOPNOTSUPP;
	return ask_all(v, write, gpa, len, data);
}
