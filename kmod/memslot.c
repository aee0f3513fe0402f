// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM's memory slots, and copies to and from guest memory through them.
 *
 * The slots are one immutable sorted array under vm->srcu; pure/slots.c knows
 * what KVM accepts and how an array follows from the one before. mmu.c swaps
 * them, so that no mapping outlives its slot.
 */
#include "vendor.h"

static struct mkvm_slots *alloc_slots(u32 nr)
{
	struct mkvm_slots *slots;

	return kvzalloc(struct_size(slots, slot, nr), GFP_KERNEL_ACCOUNT);
}

int mkvm_slots_init(struct mkvm_vm *vm)
{
	struct mkvm_slots *none = alloc_slots(0);

	RCU_INIT_POINTER(vm->slots, none);
	return none ? 0 : -ENOMEM;
}

void mkvm_slots_free(struct mkvm_vm *vm)
{
	struct mkvm_slots *slots = rcu_dereference_protected(vm->slots, true);
	u32 i;	/* nobody else is left */

	for (i = 0; i < slots->nr; i++)
		kvfree(slots->slot[i].dirty);
	kvfree(slots);
}

static int change_slots(struct mkvm_vm *vm, struct mkvm_slots *slots,
			struct mkvm_slot_change *change)
{
	bool logs = change->new_slot.flags & KVM_MEM_LOG_DIRTY_PAGES;
	unsigned long *old = change->old.dirty, *dirty = logs ? old : NULL;
	struct mkvm_slots *next = alloc_slots(slots->nr + 1);

	if (next && logs && !old)
		dirty = mkvm_dirty_alloc(vm, change->new_slot.npages);
	if (!next || (logs && !dirty)) {
		kvfree(next);
		return -ENOMEM;
	}
	change->new_slot.dirty = dirty;
	mkvm_slots_apply(slots, change, next);
	mkvm_mmu_replace_slots(vm, next, change);
	WRITE_ONCE(vm->slots_version, vm->slots_version + 1);
	/* Whoever still copies through the old array finishes before we return. */
	synchronize_srcu_expedited(&vm->srcu);
	kvfree(slots);
	if (old != dirty)
		kvfree(old);
	return 0;
}

int mkvm_set_memory_region(struct mkvm_vm *vm, void *arg)
{
	const struct kvm_userspace_memory_region *region = arg;
	u64 host_limit = 1ull << (boot_cpu_data.x86_phys_bits - PAGE_SHIFT);
	u64 gfn_limit = min(host_limit, MKVM_PGTABLE_GFN_LIMIT);
	struct mkvm_slot_change change = {};
	struct mkvm_slots *slots;
	int ret;

	/* TASK_SIZE_MAX refuses tagged addresses, too: the MMU notifier's are untagged. */
	if (region->memory_size > TASK_SIZE_MAX ||
	    region->userspace_addr > TASK_SIZE_MAX - region->memory_size)
		return -EINVAL;
	guard(mutex)(&vm->slots_lock);
	slots = rcu_dereference_protected(vm->slots, lockdep_is_held(&vm->slots_lock));
	ret = mkvm_slots_plan(slots, gfn_limit, region, &change);
	return ret || change.kind == MKVM_SLOT_UNCHANGED ? ret : change_slots(vm, slots, &change);
}

/* ---- copies ---- */

/* No guest can name what lies in the other address space. */
const struct mkvm_memslot *mkvm_find_slot(struct mkvm_vcpu *v, mkvm_gfn_t gfn)
{
	const struct mkvm_slots *slots = srcu_dereference(v->vm->slots, &v->vm->srcu);

	return gfn < MKVM_SMM_GFN ? mkvm_slot_find(slots, gfn | mkvm_space(v)) : NULL;
}

static const struct mkvm_memslot *find_slot(struct mkvm_vcpu *v, u64 gpa)
{
	return mkvm_find_slot(v, gpa >> PAGE_SHIFT);
}

static void __user *guest_to_user(const struct mkvm_memslot *slot, u64 gpa)
{
	return (void __user *)(mkvm_slot_hva(slot, gpa >> PAGE_SHIFT) + offset_in_page(gpa));
}

const void __user *mkvm_guest_memory(struct mkvm_vcpu *v, u64 gpa)
{
	int idx = srcu_read_lock(&v->vm->srcu);
	const struct mkvm_memslot *slot = find_slot(v, gpa);
	const void __user *at = slot ? guest_to_user(slot, gpa) : NULL;

	srcu_read_unlock(&v->vm->srcu, idx);
	return at;
}

/* Within a page. Logged after the write: a log fetched in between is not the last. */
static int copy_some(struct mkvm_vcpu *v, u64 gpa, void *data, size_t len, bool write)
{
	const struct mkvm_memslot *slot = find_slot(v, gpa);

	if (!slot || (write && slot->flags & KVM_MEM_READONLY))
		return -ENXIO;
	if (!write)
		return copy_from_user(data, guest_to_user(slot, gpa), len) ? -EFAULT : 0;
	if (copy_to_user(guest_to_user(slot, gpa), data, len))
		return -EFAULT;
	mkvm_mark_dirty(slot, gpa >> PAGE_SHIFT);
	return 0;
}

static int copy_guest(struct mkvm_vcpu *v, u64 gpa, void *data, size_t len, bool write)
{
	int idx = srcu_read_lock(&v->vm->srcu);
	int ret = 0;

	while (len && !ret) {
		size_t chunk = min_t(size_t, len, PAGE_SIZE - offset_in_page(gpa));

		ret = copy_some(v, gpa, data, chunk, write);
		gpa += chunk;
		data += chunk;
		len -= chunk;
	}
	srcu_read_unlock(&v->vm->srcu, idx);
	return ret;
}

int mkvm_read_guest(struct mkvm_vcpu *v, u64 gpa, void *data, size_t len)
{
	return copy_guest(v, gpa, data, len, false);
}

int mkvm_write_guest(struct mkvm_vcpu *v, u64 gpa, const void *data, size_t len)
{
	return copy_guest(v, gpa, (void *)data, len, true);
}

int mkvm_read_entry(struct mkvm_vcpu *v, u64 gpa, u64 *value, u32 size)
{
	int idx = srcu_read_lock(&v->vm->srcu);
	const struct mkvm_memslot *slot = find_slot(v, gpa);
	int ret = -ENXIO;

	if (slot && size == sizeof(u32))
		ret = get_user(*value, (const u32 __user *)guest_to_user(slot, gpa));
	else if (slot)
		ret = get_user(*value, (const u64 __user *)guest_to_user(slot, gpa));
	srcu_read_unlock(&v->vm->srcu, idx);
	return ret;
}

int mkvm_cmpxchg_guest(struct mkvm_vcpu *v, u64 gpa, u64 old, u64 next, u32 size)
{
	int idx = srcu_read_lock(&v->vm->srcu);
	const struct mkvm_memslot *slot = find_slot(v, gpa);
	void __user *at = slot ? guest_to_user(slot, gpa) : NULL;
	u32 old32 = old;
	int ret;

	if (!slot)
		ret = -ENXIO;
	else if (slot->flags & KVM_MEM_READONLY)
		ret = 0;
	else if (size == sizeof(u32))
		ret = __try_cmpxchg_user((u32 __user *)at, &old32, (u32)next, fault32);
	else
		ret = __try_cmpxchg_user((u64 __user *)at, &old, next, fault64);
	if (!ret)
		mkvm_mark_dirty(slot, gpa >> PAGE_SHIFT);
	srcu_read_unlock(&v->vm->srcu, idx);
	return ret > 0 ? -EAGAIN : ret;	/* 1: the old value was not there */
}
