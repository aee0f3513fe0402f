// SPDX-License-Identifier: GPL-2.0-only
/* Memory slot arithmetic. */
#include "slots.h"
#include <linux/errno.h>

#define PAGE_OFFSET_BITS	((1ull << MKVM_PAGE_SHIFT) - 1)

/* The first slot that ends after gfn; slots->nr: none. */
static u32 first_past(const struct mkvm_slots *slots, mkvm_gfn_t gfn)
{
	u32 low = 0, high = slots->nr;

	while (low < high) {
		u32 middle = low + (high - low) / 2;
		const struct mkvm_memslot *slot = &slots->slot[middle];

		if (slot->base_gfn + slot->npages <= gfn)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct mkvm_memslot *mkvm_slot_find(const struct mkvm_slots *slots, mkvm_gfn_t gfn)
{
	u32 i = first_past(slots, gfn);
	const struct mkvm_memslot *slot;

	if (i >= slots->nr)
		return NULL;
	slot = &slots->slot[array_index_nospec(i, slots->nr)];
	return slot->base_gfn > gfn ? NULL : slot;
}

const struct mkvm_memslot *mkvm_slot_by_id(const struct mkvm_slots *slots, u32 id)
{
	u32 i;

	for (i = 0; i < slots->nr; i++)
		if (slots->slot[i].id == id)
			return &slots->slot[i];
	return NULL;
}

/* What can be said of a region without looking at the slots. */
static bool region_valid(const struct kvm_userspace_memory_region *r)
{
	u64 offsets = r->memory_size | r->guest_phys_addr | r->userspace_addr;

	return !(r->flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY)) &&
	       !(offsets & PAGE_OFFSET_BITS) &&
	       mkvm_slot_id_valid(r->slot) &&
	       r->guest_phys_addr + r->memory_size >= r->guest_phys_addr &&
	       r->memory_size >> MKVM_PAGE_SHIFT <= MKVM_SLOT_MAX_PAGES;
}

static bool overlaps(const struct mkvm_slots *slots, const struct mkvm_memslot *wanted)
{
	mkvm_gfn_t end = wanted->base_gfn + wanted->npages;
	u32 i;

	for (i = first_past(slots, wanted->base_gfn); i < slots->nr; i++) {
		if (slots->slot[i].base_gfn >= end)
			return false;
		if (slots->slot[i].id != wanted->id)
			return true;
	}
	return false;
}

/* A live slot may move and may log; its size, its memory and the right to write stay. */
static int plan_existing(const struct mkvm_memslot *old, struct mkvm_slot_change *change)
{
	const struct mkvm_memslot *wanted = &change->new_slot;

	if (wanted->npages != old->npages || wanted->hva != old->hva ||
	    ((wanted->flags ^ old->flags) & KVM_MEM_READONLY))
		return -EINVAL;
	change->old = *old;
	if (wanted->base_gfn != old->base_gfn)
		change->kind = MKVM_SLOT_MOVE;
	else
		change->kind = wanted->flags == old->flags ? MKVM_SLOT_UNCHANGED : MKVM_SLOT_FLAGS;
	return 0;
}

static int plan_delete(const struct mkvm_memslot *old, struct mkvm_slot_change *change)
{
	if (!old)
		return -EINVAL;
	change->old = *old;
	change->kind = MKVM_SLOT_DELETE;
	return 0;
}

int mkvm_slots_plan(const struct mkvm_slots *slots, u64 gfn_limit,
		    const struct kvm_userspace_memory_region *r,
		    struct mkvm_slot_change *change)
{
	const struct mkvm_memslot *old;
	struct mkvm_memslot *wanted = &change->new_slot;
	u64 space = r->slot >> 16 ? MKVM_SMM_GFN : 0;
	int ret;

	if (!region_valid(r))
		return -EINVAL;
	old = mkvm_slot_by_id(slots, r->slot);
	if (!r->memory_size)
		return plan_delete(old, change);

	wanted->base_gfn = space + (r->guest_phys_addr >> MKVM_PAGE_SHIFT);
	wanted->npages = r->memory_size >> MKVM_PAGE_SHIFT;
	wanted->hva = (unsigned long)r->userspace_addr;
	wanted->flags = r->flags;
	wanted->id = r->slot;
	change->kind = MKVM_SLOT_CREATE;
	if (old) {
		ret = plan_existing(old, change);
		if (ret || change->kind == MKVM_SLOT_UNCHANGED)
			return ret;
	}
	if (wanted->base_gfn + wanted->npages > space + gfn_limit)
		return -EINVAL;
	if (overlaps(slots, wanted))
		return -EEXIST;
	return 0;
}

static void append(struct mkvm_slots *to, const struct mkvm_memslot *slot)
{
	to->slot[to->nr++] = *slot;
}

void mkvm_slots_apply(const struct mkvm_slots *from, const struct mkvm_slot_change *change,
		      struct mkvm_slots *to)
{
	bool adds = change->kind != MKVM_SLOT_DELETE;
	bool removes = change->kind != MKVM_SLOT_CREATE;
	u32 i;

	to->nr = 0;
	for (i = 0; i < from->nr; i++) {
		const struct mkvm_memslot *slot = &from->slot[i];

		if (removes && slot->id == change->old.id)
			continue;
		if (adds && slot->base_gfn > change->new_slot.base_gfn) {
			append(to, &change->new_slot);
			adds = false;
		}
		append(to, slot);
	}
	if (adds)
		append(to, &change->new_slot);
}

bool mkvm_slot_intersect(const struct mkvm_memslot *slot, unsigned long start,
			 unsigned long end, mkvm_gfn_t *first, mkvm_gfn_t *past)
{
	unsigned long slot_end = slot->hva + (unsigned long)(slot->npages << MKVM_PAGE_SHIFT);

	if (start < slot->hva)
		start = slot->hva;
	if (end > slot_end)
		end = slot_end;
	if (start >= end)
		return false;
	*first = slot->base_gfn + ((start - slot->hva) >> MKVM_PAGE_SHIFT);
	*past = slot->base_gfn + ((end - slot->hva + PAGE_OFFSET_BITS) >> MKVM_PAGE_SHIFT);
	return true;
}

bool mkvm_slot_allows_span(const struct mkvm_memslot *slot, mkvm_gfn_t gfn, u64 span)
{
	mkvm_gfn_t start = gfn & ~(span - 1);

	return start >= slot->base_gfn &&
	       start + span <= slot->base_gfn + slot->npages &&
	       !((slot->base_gfn ^ slot->hva >> MKVM_PAGE_SHIFT) & (span - 1));
}
