// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log: a bitmap per slot of the pages that the guest, or the kernel for
 * it, has written. A leaf of such a slot may only be written once its page's bit
 * is set: the fault that makes it writable sets the bit (mmu.c), and clearing the
 * bit makes the leaf unwritable again. KVM API, KVM_GET_DIRTY_LOG.
 */
#include "mkvm.h"

unsigned long *mkvm_dirty_alloc(struct mkvm_vm *vm, u64 npages)
{
	unsigned long *dirty = kvcalloc(BITS_TO_LONGS(npages), sizeof(*dirty), GFP_KERNEL_ACCOUNT);

	if (dirty && (vm->dirty_log_mode & KVM_DIRTY_LOG_INITIALLY_SET))
		bitmap_set(dirty, 0, npages);
	return dirty;
}

int mkvm_set_dirty_log_mode(struct mkvm_vm *vm, u64 mode)
{
	/* Initially set is nothing without the other: who would clear? */
	if (mode & ~MKVM_DIRTY_LOG_MODES || mode == KVM_DIRTY_LOG_INITIALLY_SET)
		return -EINVAL;
	guard(mutex)(&vm->slots_lock);
	vm->dirty_log_mode = mode;
	return 0;
}

/* Caller holds vm->slots_lock. */
static const struct mkvm_memslot *logging_slot(struct mkvm_vm *vm, u32 id)
{
	const struct mkvm_slots *slots =
		rcu_dereference_protected(vm->slots, lockdep_is_held(&vm->slots_lock));
	const struct mkvm_memslot *slot = mkvm_slot_by_id(slots, id);

	if (!mkvm_slot_id_valid(id))
		return ERR_PTR(-EINVAL);
	return slot && slot->dirty ? slot : ERR_PTR(-ENOENT);
}

/* Pages from one word of the bitmap on; user has their bits, rounded up to words. */
struct part {
	const struct mkvm_memslot *slot;
	u64 word, nr;
	unsigned long __user *user;
};

#define CHUNK	((u32)(PAGE_SIZE / sizeof(unsigned long)))	/* words */

/* One chunk of at most a page, so that neither vCPUs nor the host wait long for the lock. */
static int move_chunk(struct mkvm_vm *vm, const struct part *p, u32 nr, unsigned long *buf,
		      bool get)
{
	if (get)
		memset(buf, 0xff, nr * sizeof(*buf));
	else if (copy_from_user(buf, p->user, nr * sizeof(*buf)))
		return -EFAULT;
	mkvm_mmu_clear_dirty(vm, p->slot, p->word, nr, buf);
	return get && copy_to_user(p->user, buf, nr * sizeof(*buf)) ? -EFAULT : 0;
}

/* Clear what user says, or with get everything, of which user is told. */
static int clear_dirty(struct mkvm_vm *vm, struct part p, bool get)
{
	unsigned long *buf = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	int ret = buf ? 0 : -ENOMEM;

	while (!ret && p.nr) {
		u32 nr = min_t(u64, p.nr, CHUNK);

		ret = move_chunk(vm, &p, nr, buf, get);
		p.word += nr;
		p.user += nr;
		p.nr -= nr;
		cond_resched();
	}
	free_page((unsigned long)buf);
	return ret;
}

int mkvm_get_dirty_log(struct mkvm_vm *vm, void *arg)
{
	const struct kvm_dirty_log *log = arg;

	guard(mutex)(&vm->slots_lock);
	const struct mkvm_memslot *slot = logging_slot(vm, log->slot);
	struct part p = { .slot = slot, .user = log->dirty_bitmap };

	if (IS_ERR(slot))
		return PTR_ERR(slot);
	p.nr = BITS_TO_LONGS(slot->npages);
	if (!vm->dirty_log_mode)
		return clear_dirty(vm, p, true);
	return copy_to_user(p.user, slot->dirty, p.nr * sizeof(*slot->dirty)) ? -EFAULT : 0;
}

int mkvm_clear_dirty_log(struct mkvm_vm *vm, void *arg)
{
	const struct kvm_clear_dirty_log *log = arg;
	u64 first = log->first_page, nr = log->num_pages;

	guard(mutex)(&vm->slots_lock);
	const struct mkvm_memslot *slot = logging_slot(vm, log->slot);
	struct part p = { .slot = slot, .user = log->dirty_bitmap };

	if (first % BITS_PER_LONG)
		return -EINVAL;
	if (IS_ERR(slot))
		return PTR_ERR(slot);
	/* Whole words, but for the last one of the slot. */
	if (first > slot->npages || nr > slot->npages - first ||
	    (nr < slot->npages - first && nr % BITS_PER_LONG))
		return -EINVAL;
	p.word = array_index_nospec(first, slot->npages + 1) / BITS_PER_LONG;
	p.nr = BITS_TO_LONGS(nr);
	return clear_dirty(vm, p, false);
}
