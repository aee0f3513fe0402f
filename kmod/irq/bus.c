// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is behind a port or an MMIO address: ioeventfds (doorbells), the chips, and
 * zones whose writes are collected in a ring for userspace (coalesced MMIO).
 */
#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>

#include "irq/board.h"
#include "host/compat.h"

#define MAX_ZONES	1000	/* as KVM */

/* ---- the sorted arrays ---- */

/* Under board->srcu or vm->lock; NULL is an empty one. */
const struct mkvm_ranges *mkvm_bus_ranges(struct mkvm_vm *vm, enum mkvm_range_kind kind)
{
	return srcu_dereference_check(vm->board->ranges[kind], &vm->board->srcu,
				      lockdep_is_held(&vm->lock));
}

/* The first one at addr or behind it. */
static u32 first_at(const struct mkvm_ranges *all, u64 addr)
{
	u32 low = 0, high = all ? all->nr : 0;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (all->range[middle].addr < addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* A copy of all with nr entries, those up to at in their places. */
static struct mkvm_ranges *copy_ranges(const struct mkvm_ranges *all, u32 nr, u32 at)
{
	struct mkvm_ranges *copy = kvzalloc(struct_size(copy, range, nr), GFP_KERNEL_ACCOUNT);

	if (!copy)
		return NULL;
	copy->nr = nr;
	if (at)
		memcpy(copy->range, all->range, at * sizeof(copy->range[0]));
	return copy;
}

static void publish(struct mkvm_vm *vm, enum mkvm_range_kind kind, struct mkvm_ranges *next)
{
	const struct mkvm_ranges *old = mkvm_bus_ranges(vm, kind);

	rcu_assign_pointer(vm->board->ranges[kind], next);
	synchronize_srcu_expedited(&vm->board->srcu);
	kvfree(old);
}

void mkvm_bus_announce(struct mkvm_board *board, u64 first_port, u64 last_port)
{
	u64 i;

	for (i = first_port / 16; i <= min_t(u64, last_port, U16_MAX) / 16; i++)
		set_bit(i, board->ports);
}

int mkvm_bus_insert(struct mkvm_vm *vm, enum mkvm_range_kind kind, const struct mkvm_range *range)
{
	const struct mkvm_ranges *all = mkvm_bus_ranges(vm, kind);
	u32 nr = all ? all->nr : 0, at = first_at(all, range->addr);
	struct mkvm_ranges *next = copy_ranges(all, nr + 1, at);

	if (!next)
		return -ENOMEM;
	next->range[at] = *range;
	if (at < nr)
		memcpy(next->range + at + 1, all->range + at, (nr - at) * sizeof(*range));
	if (kind == MKVM_DOORBELL_PIO || kind == MKVM_ZONE_PIO)
		mkvm_bus_announce(vm->board, range->addr, range->addr + range->size);
	if (kind == MKVM_DOORBELL_MMIO && !range->size)
		WRITE_ONCE(vm->board->has_wildcard, true);
	publish(vm, kind, next);
	return 0;
}

int mkvm_bus_remove(struct mkvm_vm *vm, enum mkvm_range_kind kind, u32 at)
{
	const struct mkvm_ranges *all = mkvm_bus_ranges(vm, kind);
	struct mkvm_ranges *next = copy_ranges(all, all->nr - 1, at);

	if (!next)
		return -ENOMEM;
	memcpy(next->range + at, all->range + at + 1, (next->nr - at) * sizeof(all->range[0]));
	publish(vm, kind, next);
	return 0;
}

/* ---- doorbells ---- */

/* len 0: of any length and value. */
static int ring_doorbell(struct mkvm_vm *vm, enum mkvm_range_kind kind, u64 addr, u32 len,
			 const void *data)
{
	const struct mkvm_ranges *all = mkvm_bus_ranges(vm, kind);
	const struct mkvm_range *r;
	u64 value = 0;
	u32 i;

	if (!all)
		return -EOPNOTSUPP;
	memcpy(&value, data, len);
	for (i = first_at(all, addr); i < all->nr && all->range[i].addr == addr; i++) {
		r = &all->range[i];
		if (r->size && (r->size != len || !(r->any_value || r->value == value)))
			continue;
		mkvm_eventfd_signal(r->eventfd);
		return 0;
	}
	return -EOPNOTSUPP;
}

bool mkvm_bus_doorbell(struct mkvm_vcpu *v, u64 gpa)
{
	struct mkvm_vm *vm = v->vm;
	int idx, ret;

	if (v->apic && mkvm_apic_eoi_at(v, gpa))
		return true;
	if (!READ_ONCE(vm->board->has_wildcard) || !mkvm_is_device(v, gpa))
		return false;
	idx = srcu_read_lock(&vm->board->srcu);
	ret = ring_doorbell(vm, MKVM_DOORBELL_MMIO, gpa, 0, NULL);
	srcu_read_unlock(&vm->board->srcu, idx);
	return !ret;
}

/* ---- coalesced writes ---- */

/* Userspace may write anything into the ring: the index is bounded, the rest is only data. */
static int put_into_ring(struct mkvm_board *board, u64 addr, u32 len, const void *data, bool pio)
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

static bool covers(const struct mkvm_range *zone, u64 addr, u64 len)
{
	return addr >= zone->addr && len <= zone->size && addr - zone->addr <= zone->size - len;
}

static int coalesce(struct mkvm_vm *vm, enum mkvm_range_kind kind, u64 addr, u32 len,
		    const void *data)
{
	const struct mkvm_ranges *all = mkvm_bus_ranges(vm, kind);
	u32 i;

	for (i = 0; all && i < all->nr && all->range[i].addr <= addr; i++)
		if (covers(&all->range[i], addr, len))
			return put_into_ring(vm->board, addr, len, data, kind == MKVM_ZONE_PIO);
	return -EOPNOTSUPP;
}

int mkvm_register_zone(struct mkvm_vm *vm, void *arg)
{
	const struct kvm_coalesced_mmio_zone *zone = arg;
	struct mkvm_range range = { .addr = zone->addr, .size = zone->size };
	enum mkvm_range_kind kind = zone->pio ? MKVM_ZONE_PIO : MKVM_ZONE_MMIO;
	const struct mkvm_ranges *all = mkvm_bus_ranges(vm, kind);

	if (zone->pio > 1)
		return -EINVAL;
	if (all && all->nr == MAX_ZONES)
		return -ENOSPC;
	return mkvm_bus_insert(vm, kind, &range);
}

/* All zones that have the given range in them. */
int mkvm_unregister_zone(struct mkvm_vm *vm, void *arg)
{
	const struct kvm_coalesced_mmio_zone *zone = arg;
	enum mkvm_range_kind kind = zone->pio ? MKVM_ZONE_PIO : MKVM_ZONE_MMIO;
	const struct mkvm_ranges *all = mkvm_bus_ranges(vm, kind);
	u32 i = 0;
	int ret = 0;

	if (zone->pio > 1)
		return -EINVAL;
	while (!ret && all && i < all->nr) {
		if (covers(&all->range[i], zone->addr, zone->size)) {
			ret = mkvm_bus_remove(vm, kind, i);
			all = mkvm_bus_ranges(vm, kind);
		} else {
			i++;
		}
	}
	return ret;
}

/* ---- accesses ---- */

int mkvm_bus_pio(struct mkvm_vcpu *v, bool write, u16 port, u32 len, void *data)
{
	struct mkvm_vm *vm = v->vm;
	int idx, ret = -EOPNOTSUPP;

	if (!test_bit(port / 16, vm->board->ports))
		return ret;
	idx = srcu_read_lock(&vm->board->srcu);
	if (write)
		ret = ring_doorbell(vm, MKVM_DOORBELL_PIO, port, len, data);
	if (ret)
		ret = mkvm_chips_pio(vm, write, port, len, data);
	if (ret && write)
		ret = coalesce(vm, MKVM_ZONE_PIO, port, len, data);
	srcu_read_unlock(&vm->board->srcu, idx);
	return ret;
}

static bool has_ranges(const struct mkvm_board *board, enum mkvm_range_kind kind)
{
	return rcu_access_pointer(board->ranges[kind]);
}

static noinline int ask_all(struct mkvm_vcpu *v, bool write, u64 gpa, u32 len, void *data)
{
	struct mkvm_vm *vm = v->vm;
	int idx, ret = -EOPNOTSUPP;

	if (v->apic)
		ret = mkvm_apic_mmio(v, write, gpa, len, data);
	if (ret != -EOPNOTSUPP)
		return ret;
	idx = srcu_read_lock(&vm->board->srcu);
	if (write)
		ret = ring_doorbell(vm, MKVM_DOORBELL_MMIO, gpa, len, data);
	if (ret)
		ret = mkvm_chips_mmio(vm, write, gpa, len, data);
	if (ret && write)
		ret = coalesce(vm, MKVM_ZONE_MMIO, gpa, len, data);
	srcu_read_unlock(&vm->board->srcu, idx);
	return ret;
}

/* The one chip with memory, the I/O APIC, comes with local APICs. */
int mkvm_bus_mmio(struct mkvm_vcpu *v, bool write, u64 gpa, u32 len, void *data)
{
	if (!v->apic && !has_ranges(v->vm->board, MKVM_DOORBELL_MMIO) &&
	    !has_ranges(v->vm->board, MKVM_ZONE_MMIO))
		return -EOPNOTSUPP;
	return ask_all(v, write, gpa, len, data);
}
