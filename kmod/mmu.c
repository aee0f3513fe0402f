// SPDX-License-Identifier: GPL-2.0-only
/*
 * The second-stage page table: filled by faults, emptied by the MMU notifier and
 * by slot changes.
 *
 * No reference and no pin holds a mapped page. What keeps a mapping honest is
 * the notifier: the host says that it will change a range, we unmap it and flush
 * every vCPU before we answer. A fault that looked its page up before such an
 * invalidation sees that the sequence count moved and maps nothing; the guest
 * faults again.
 *
 * A slot change is one more invalidation: under mmu->lock the array is swapped,
 * the old range unmapped and the sequence moved. So the notifier, which reads
 * the array under the same lock, either still finds the old slot or finds
 * nothing left of it, and a fault that looked its page up through the old slot
 * maps nothing.
 */

#include <linux/cpu.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>

#include "vendor.h"

static void *alloc_table(void)
{
	return (void *)__get_free_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
}

static void *child_table(u64 entry)
{
	return __va(mkvm_pgtable_pa(entry));
}

static bool is_table(u64 entry, unsigned int level)
{
	const struct mkvm_pgtable_format *f = mkvm_vendor->pgtable;

	return mkvm_pgtable_is_present(f, entry) && !mkvm_pgtable_is_leaf(f, entry, level);
}

/* Of tables that no vCPU can reach any more. Depth is the number of levels. */
static void free_tables(u64 *table, unsigned int level)
{
	unsigned int i;

	for (i = 0; level > 1 && i < MKVM_PGTABLE_ENTRIES; i++)
		if (is_table(table[i], level))
			free_tables(child_table(table[i]), level - 1);
	free_page((unsigned long)table);
}

/* ---- unmapping ---- */

/*
 * Tables cut out of the page table wait here until no vCPU's paging-structure
 * cache knows them. The page's private word chains them: address and level.
 */
struct cut_tables {
	unsigned long head;
	bool writes_only;	/* leaves stay and lose the right to write; tables stay */
	bool changed;		/* some entry allows less now */
};

static void cut(struct cut_tables *c, u64 *entry, unsigned int level)
{
	u64 old = *entry, next = c->writes_only ? old & ~mkvm_vendor->pgtable->write : 0;

	c->changed |= next != old;
	WRITE_ONCE(*entry, next);
	if (!next && is_table(old, level)) {
		void *table = child_table(old);

		set_page_private(virt_to_page(table), c->head);
		c->head = (unsigned long)table | (level - 1);
	}
}

/* Cut [start, end) from a table that maps from base on; leaves are cut whole. */
static void cut_range(struct cut_tables *c, u64 *table, unsigned int level,
		      mkvm_gfn_t base, mkvm_gfn_t start, mkvm_gfn_t end)
{
	u64 span = mkvm_pgtable_span(level);
	unsigned int i = start > base ? mkvm_pgtable_index(start, level) : 0;

	for (; i < MKVM_PGTABLE_ENTRIES && base + i * span < end; i++) {
		mkvm_gfn_t first = base + i * span;

		if (!mkvm_pgtable_is_present(mkvm_vendor->pgtable, table[i]))
			continue;
		if (is_table(table[i], level) &&
		    (c->writes_only || first < start || first + span > end))
			cut_range(c, child_table(table[i]), level - 1, first, start, end);
		else
			cut(c, &table[i], level);
	}
}

/* All of one address space. */
static void cut_gfns(struct mkvm_vm *vm, struct cut_tables *c, mkvm_gfn_t start, mkvm_gfn_t end)
{
	lockdep_assert_held(&vm->mmu.lock);
	cut_range(c, vm->mmu.root[start >= MKVM_SMM_GFN], MKVM_PGTABLE_LEVELS,
		  start & MKVM_SMM_GFN, start, end);
}

/*
 * Flush, under the lock: another invalidation that finds its range already empty
 * must not return to the host while ours is still on its way. Then unlock and free.
 */
static void end_cut(struct mkvm_vm *vm, struct cut_tables *c) __releases(&vm->mmu.lock)
{
	if (c->changed)
		mkvm_request_all(vm, MKVM_REQ_TLB_FLUSH);
	spin_unlock(&vm->mmu.lock);
	while (c->head) {
		u64 *table = (u64 *)(c->head & PAGE_MASK);
		unsigned int level = c->head & ~PAGE_MASK;
		struct page *page = virt_to_page(table);

		c->head = page_private(page);
		set_page_private(page, 0);
		free_tables(table, level);
	}
}

#define APIC_GFN	(MKVM_APIC_BASE_DEFAULT >> PAGE_SHIFT)

/* Where logging starts with all pages dirty, no write will be news. */
void mkvm_mmu_replace_slots(struct mkvm_vm *vm, struct mkvm_slots *next,
			    const struct mkvm_slot_change *change)
{
	const struct mkvm_memslot *old = &change->old;
	struct cut_tables c = {
		.writes_only = change->kind == MKVM_SLOT_FLAGS && change->new_slot.dirty,
	};

	lockdep_assert_held(&vm->slots_lock);
	spin_lock(&vm->mmu.lock);
	rcu_assign_pointer(vm->slots, next);
	smp_wmb();	/* the array before the count: pairs with resolve() */
	WRITE_ONCE(vm->mmu.inval_seq, vm->mmu.inval_seq + 1);
	if (!c.writes_only || !(vm->dirty_log_mode & KVM_DIRTY_LOG_INITIALLY_SET))
		cut_gfns(vm, &c, old->base_gfn, old->base_gfn + old->npages);
	if (!c.writes_only)
		cut_gfns(vm, &c, APIC_GFN, APIC_GFN + 1);	/* the new one may be there */
	end_cut(vm, &c);
}

void mkvm_mmu_hide_apic(struct mkvm_vm *vm)
{
	struct cut_tables c = {};

	spin_lock(&vm->mmu.lock);
	WRITE_ONCE(vm->mmu.apic_hidden, true);
	smp_wmb();	/* pairs with mkvm_mmu_map_apic() */
	WRITE_ONCE(vm->mmu.inval_seq, vm->mmu.inval_seq + 1);
	cut_gfns(vm, &c, APIC_GFN, APIC_GFN + 1);
	end_cut(vm, &c);
}

void mkvm_mmu_clear_dirty(struct mkvm_vm *vm, const struct mkvm_memslot *slot,
			  u64 word, u32 nr, unsigned long *mask)
{
	mkvm_gfn_t base = slot->base_gfn + word * BITS_PER_LONG;
	atomic_long_t *dirty = (atomic_long_t *)&slot->dirty[word];
	struct cut_tables c = { .writes_only = true };
	unsigned long start, end;
	u32 i;

	spin_lock(&vm->mmu.lock);
	for (i = 0; i < nr; i++)
		mask[i] &= atomic_long_fetch_andnot(mask[i], &dirty[i]);
	for_each_set_bitrange(start, end, mask, nr * BITS_PER_LONG)
		cut_gfns(vm, &c, base + start, base + end);
	end_cut(vm, &c);
}

/* ---- MMU notifier ---- */

static int inval_start(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	struct mkvm_vm *vm = container_of(notifier, struct mkvm_vm, mmu.notifier);
	const struct mkvm_slots *slots;
	struct cut_tables c = {};
	mkvm_gfn_t first, past;
	u32 i;

	spin_lock(&vm->mmu.lock);
	vm->mmu.inval_running++;
	slots = rcu_dereference_protected(vm->slots, lockdep_is_held(&vm->mmu.lock));
	for (i = 0; i < slots->nr; i++)
		if (mkvm_slot_intersect(&slots->slot[i], range->start, range->end, &first, &past))
			cut_gfns(vm, &c, first, past);
	end_cut(vm, &c);
	return 0;
}

static void inval_end(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	struct mkvm_mmu *mmu = container_of(notifier, struct mkvm_mmu, notifier);

	spin_lock(&mmu->lock);
	WRITE_ONCE(mmu->inval_seq, mmu->inval_seq + 1);
	mmu->inval_running--;
	spin_unlock(&mmu->lock);
}

/* The mm goes away, with or without its VM: every page goes back. */
static void mm_release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct mkvm_vm *vm = container_of(notifier, struct mkvm_vm, mmu.notifier);
	struct cut_tables c = {};

	spin_lock(&vm->mmu.lock);
	cut_gfns(vm, &c, 0, MKVM_SMM_GFN);
	cut_gfns(vm, &c, MKVM_SMM_GFN, 2 * MKVM_SMM_GFN);
	end_cut(vm, &c);
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start	= inval_start,
	.invalidate_range_end	= inval_end,
	.release		= mm_release,
};

/* ---- mapping ---- */

/*
 * A guest that touches page after page is met ahead, by as many pages as it has
 * just touched and at most so many: a VM exit for each would cost more than the
 * pages, and a guest that stops has at most doubled what it used.
 */
#define MAX_AHEAD	8

struct mapping {
	const struct mkvm_memslot *slot;
	mkvm_gfn_t gfn;
	struct page *pages[MAX_AHEAD];	/* behind gfn, gfn + 1, ... */
	u32 nr;
	u32 access;		/* what the guest wanted of gfn */
	bool writable;		/* the host lets the guest write */
};

/*
 * A guest may hang CPUs with this erratum by changing the size of a page that it
 * executes from. Such a CPU gets large leaves for data only; code is mapped by
 * 4-KiB leaves. Not on hosts that want no mitigations: it costs a fault per page.
 */
static bool large_leaf_no_exec(void)
{
	return boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off();
}

/*
 * The level at which the host's own page table maps hva. Interrupts are off, so
 * no table goes away under us: freeing one waits for an interrupt here, or for
 * RCU.
 */
static unsigned int host_level(struct mm_struct *mm, unsigned long hva)
{
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	guard(irqsave)();
	pgd = READ_ONCE(*pgd_offset(mm, hva));
	if (pgd_none(pgd))
		return 1;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (!p4d_present(p4d))
		return 1;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (!pud_present(pud) || pud_leaf(pud))
		return pud_present(pud) ? 3 : 1;
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	return pmd_present(pmd) && pmd_leaf(pmd) ? 2 : 1;
}

/* The largest leaf that host memory, slot and CPU allow. */
static unsigned int leaf_level(struct mkvm_vm *vm, const struct mapping *m)
{
	unsigned int level;

	if (!PageCompound(m->pages[0]) || m->slot->dirty)
		return 1;
	if (large_leaf_no_exec() && (m->access & MKVM_ACCESS_EXEC))
		return 1;
	level = min_t(unsigned int, MKVM_PGTABLE_MAX_LEAF,
		      host_level(vm->mm, mkvm_slot_hva(m->slot, m->gfn)));
	while (level > 1 && !mkvm_slot_allows_span(m->slot, m->gfn, mkvm_pgtable_span(level)))
		level--;
	return level;
}

static u64 leaf_for(const struct mapping *m, u32 i, unsigned int level)
{
	u64 offset = ((m->gfn + i) & (mkvm_pgtable_span(level) - 1)) << PAGE_SHIFT;
	u32 access = MKVM_ACCESS_READ;

	if (m->writable)
		access |= MKVM_ACCESS_WRITE;
	if (level == 1 || !large_leaf_no_exec())
		access |= MKVM_ACCESS_EXEC;
	return mkvm_pgtable_make_leaf(mkvm_vendor->pgtable, page_to_phys(m->pages[i]) - offset,
				      level, access);
}

/* Entry now leads elsewhere, or nowhere. */
static void replace_entry(struct mkvm_vm *vm, u64 *entry, u64 next)
{
	WRITE_ONCE(*entry, next);
	mkvm_request_all(vm, MKVM_REQ_TLB_FLUSH);
}

static void set_leaf(struct mkvm_vm *vm, u64 *entry, u64 leaf, u32 access)
{
	const struct mkvm_pgtable_format *f = mkvm_vendor->pgtable;
	u64 old = *entry;

	if (!mkvm_pgtable_is_present(f, old))
		WRITE_ONCE(*entry, leaf);
	else if (mkvm_pgtable_pa(old) != mkvm_pgtable_pa(leaf))
		replace_entry(vm, entry, leaf);
	else if (!mkvm_pgtable_allows(f, old, access))
		WRITE_ONCE(*entry, leaf);	/* more rights: the fault has flushed the old */
	/* else another vCPU was faster */
}

/*
 * Walk down to where the leaf of page i belongs. A table that is already there
 * wins over a larger leaf: when its range becomes one host page, the notifier
 * cuts it out. -EAGAIN: a table is missing and *spare is NULL; else *spare may
 * be used up.
 */
static int map(struct mkvm_vm *vm, const struct mapping *m, u32 i, unsigned int target,
	       void **spare)
{
	const struct mkvm_pgtable_format *f = mkvm_vendor->pgtable;
	u64 *table = vm->mmu.root[m->gfn >= MKVM_SMM_GFN];
	unsigned int level;

	lockdep_assert_held(&vm->mmu.lock);
	for (level = MKVM_PGTABLE_LEVELS;; level--) {
		u64 *entry = &table[mkvm_pgtable_index(m->gfn + i, level)];

		if (!is_table(*entry, level)) {
			if (level <= target) {
				set_leaf(vm, entry, leaf_for(m, i, level), m->access);
				return 0;
			}
			if (!*spare)
				return -EAGAIN;
			/* A large leaf that no longer fits goes; it comes back as small ones. */
			if (mkvm_pgtable_is_present(f, *entry))
				replace_entry(vm, entry, 0);
			WRITE_ONCE(*entry, mkvm_pgtable_make_table(f, __pa(*spare)));
			*spare = NULL;
		}
		table = child_table(*entry);
	}
}

/* A large leaf holds the pages ahead, too: they lie in one range of 2 MiB. */
static int map_all(struct mkvm_vm *vm, const struct mapping *m, void **spare)
{
	unsigned int target = leaf_level(vm, m);
	int ret = 0;
	u32 i;

	for (i = 0; !ret && i < (target == 1 ? m->nr : 1); i++)
		ret = map(vm, m, i, target, spare);
	if (!ret && m->writable)
		mkvm_mark_dirty(m->slot, m->gfn);
	return ret;
}

/* Has what was looked up since the count was seq not been taken away? */
static bool is_current(struct mkvm_vm *vm, unsigned long seq)
{
	lockdep_assert_held(&vm->mmu.lock);
	return !vm->mmu.inval_running && vm->mmu.inval_seq == seq;
}

static int map_if_current(struct mkvm_vm *vm, const struct mapping *m, unsigned long seq)
{
	void *spare = NULL;
	int ret;

	for (;;) {
		ret = 0;	/* stale: the guest just faults again */
		spin_lock(&vm->mmu.lock);
		if (is_current(vm, seq))
			ret = map_all(vm, m, &spare);
		spin_unlock(&vm->mmu.lock);
		if (ret != -EAGAIN)
			break;
		spare = alloc_table();
		if (!spare)
			return -ENOMEM;
	}
	free_page((unsigned long)spare);
	return ret;
}

static u64 *find_small_leaf(struct mkvm_vm *vm, mkvm_gfn_t gfn)
{
	u64 *table = vm->mmu.root[gfn >= MKVM_SMM_GFN];
	unsigned int level;

	for (level = MKVM_PGTABLE_LEVELS; level > 1; level--) {
		u64 entry = table[mkvm_pgtable_index(gfn, level)];

		if (!is_table(entry, level))
			return NULL;
		table = child_table(entry);
	}
	return &table[mkvm_pgtable_index(gfn, level)];
}

/*
 * A leaf that may not be written since its page's dirty bit was fetched gets the right back.
 * The host has not taken the page: then the leaf would be gone.
 */
static bool write_again(struct mkvm_vm *vm, const struct mapping *m, unsigned long seq)
{
	u64 *leaf;
	bool ret;

	spin_lock(&vm->mmu.lock);
	leaf = is_current(vm, seq) ? find_small_leaf(vm, m->gfn) : NULL;
	ret = leaf && *leaf & MKVM_PGTABLE_HOST_WRITES;
	if (ret) {
		WRITE_ONCE(*leaf, *leaf | mkvm_vendor->pgtable->write);
		mkvm_mark_dirty(m->slot, m->gfn);
	}
	spin_unlock(&vm->mmu.lock);
	return ret;
}

/*
 * Up to nr pages from hva on, with a reference for as long as it takes to map
 * them. A read gets a writable mapping only where the host already has one, and
 * the slot need not hear of writes: anything else would break copy-on-write and
 * KSM sharing for nothing. Memory without struct page (VM_PFNMAP, VM_IO) is
 * refused by GUP.
 */
static int get_host_pages(struct mapping *m, unsigned long hva, u32 nr)
{
	unsigned int flags = FOLL_WRITE;
	int ret = 0;

	if (m->access & MKVM_ACCESS_WRITE || !m->slot->flags)
		ret = get_user_pages_fast_only(hva, nr, flags, m->pages);
	m->writable = m->access & MKVM_ACCESS_WRITE || ret > 0;
	if (!m->writable) {
		flags = 0;
		nr = 1;
		ret = get_user_pages_fast_only(hva, nr, flags, m->pages);
	}
	/* Only the page that the guest wants is worth waiting for disk or userfaultfd. */
	if (ret <= 0)
		ret = get_user_pages_unlocked(hva, nr, m->pages, flags | FOLL_NOWAIT);
	if (ret <= 0)
		ret = mkvm_host_wait_for_page(hva, m->writable, m->pages);
	m->nr = max(ret, 0);
	return ret > 0 ? 0 : ret == -EINTR ? ret : -EFAULT;
}

/*
 * The guest will write without our seeing it, so the host learns now that the
 * pages are dirty. GUP has marked them accessed.
 */
static void put_host_pages(const struct mapping *m)
{
	u32 i;

	for (i = 0; i < m->nr; i++) {
		if (m->writable && !PageDirty(m->pages[i]))
			SetPageDirty(m->pages[i]);
		put_page(m->pages[i]);
	}
}

/*
 * How many pages from gfn on to map: in the slot, in one range of 2 MiB. Not more
 * than was asked for where each page that may be written counts as written.
 */
static u32 look_ahead(struct mkvm_vcpu *v, const struct mkvm_memslot *slot, mkvm_gfn_t gfn)
{
	u64 in_slot = slot->base_gfn + slot->npages - gfn;
	u64 in_range = mkvm_pgtable_span(2) - (gfn & (mkvm_pgtable_span(2) - 1));

	if (slot->dirty)
		return 1;
	v->ahead.nr = gfn == v->ahead.gfn ? clamp(2 * v->ahead.nr, 1u, (u32)MAX_AHEAD) : 1;
	return min3(in_slot, in_range, (u64)v->ahead.nr);
}

/* Caller holds vm->srcu. */
static int resolve(struct mkvm_vcpu *v, mkvm_gfn_t gfn, u32 access)
{
	struct mkvm_vm *vm = v->vm;
	struct mapping m = { .gfn = gfn | mkvm_space(v), .access = access };
	unsigned long seq = READ_ONCE(vm->mmu.inval_seq);
	int ret;

	smp_rmb();	/* the count before everything that it vouches for */
	m.slot = mkvm_find_slot(v, gfn);
	if (!m.slot || (m.slot->flags & KVM_MEM_READONLY && access & MKVM_ACCESS_WRITE))
		return -ENXIO;
	if (m.slot->dirty && access & MKVM_ACCESS_WRITE && write_again(vm, &m, seq))
		return MKVM_RESUME;
	ret = get_host_pages(&m, mkvm_slot_hva(m.slot, gfn), look_ahead(v, m.slot, m.gfn));
	if (ret)	/* a signal: the next round finds it, then the guest faults again */
		return ret == -EINTR ? MKVM_RESUME : ret;
	ret = map_if_current(vm, &m, seq);
	put_host_pages(&m);
	v->ahead.gfn = m.gfn + m.nr;
	return ret ?: MKVM_RESUME;
}

int mkvm_mmu_fault(struct mkvm_vcpu *v, u64 gpa, u32 access)
{
	int idx = srcu_read_lock(&v->vm->srcu);
	int ret = resolve(v, gpa >> PAGE_SHIFT, access);

	srcu_read_unlock(&v->vm->srcu, idx);
	return ret;
}

int mkvm_mmu_map_apic(struct mkvm_vcpu *v, struct page *page)
{
	struct mkvm_vm *vm = v->vm;
	static const struct mkvm_memslot none;
	struct mapping m = {
		.slot = &none, .gfn = APIC_GFN, .pages = { page }, .nr = 1, .writable = true,
	};
	unsigned long seq = READ_ONCE(vm->mmu.inval_seq);

	smp_rmb();	/* as in resolve() */
	if (READ_ONCE(vm->mmu.apic_hidden) || mkvm_guest_memory(v, MKVM_APIC_BASE_DEFAULT))
		return MKVM_RESUME;
	return map_if_current(vm, &m, seq) ?: MKVM_RESUME;
}

/* ---- life ---- */

int mkvm_mmu_init(struct mkvm_vm *vm)
{
	struct mkvm_mmu *mmu = &vm->mmu;
	int ret;

	spin_lock_init(&mmu->lock);
	mmu->root[0] = alloc_table();
	mmu->root[1] = alloc_table();
	mmu->notifier.ops = &notifier_ops;
	ret = -ENOMEM;
	if (mmu->root[0] && mmu->root[1])
		ret = mmu_notifier_register(&mmu->notifier, vm->mm);
	if (ret) {
		free_page((unsigned long)mmu->root[0]);
		free_page((unsigned long)mmu->root[1]);
	}
	return ret;
}

void mkvm_mmu_free(struct mkvm_vm *vm)
{
	mmu_notifier_unregister(&vm->mmu.notifier, vm->mm);
	free_tables(vm->mmu.root[0], MKVM_PGTABLE_LEVELS);
	free_tables(vm->mmu.root[1], MKVM_PGTABLE_LEVELS);
}
