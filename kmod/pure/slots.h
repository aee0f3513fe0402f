/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest physical address space as userspace lays it: slots, kept as a
 * sorted array that a change copies. KVM API, KVM_SET_USER_MEMORY_REGION.
 */
#ifndef MKVM_PURE_SLOTS_H
#define MKVM_PURE_SLOTS_H

#include "pure.h"
#include <linux/kvm.h>

#define MKVM_MAX_SLOTS		509	/* user slots, ids 0..508, as many as KVM once had */
#define MKVM_SLOT_MAX_PAGES	((1ull << 31) - 1)
#define MKVM_PAGE_SHIFT		12

/*
 * A guest frame number: GPA >> 12. Address space 1, which a vCPU in System Management
 * Mode sees, lies above all that the second-stage page table's four levels can name: one
 * array of slots, one kind of number for both.
 */
typedef u64 mkvm_gfn_t;
#define MKVM_SMM_GFN		(1ull << 36)
#define MKVM_ADDRESS_SPACES	2

struct mkvm_memslot {
	mkvm_gfn_t base_gfn;
	u64 npages;
	unsigned long hva;	/* page aligned, in the VM's mm */
	u32 flags;		/* KVM_MEM_* */
	u32 id;			/* as in the request: the upper half is the address space */
	unsigned long *dirty;	/* with KVM_MEM_LOG_DIRTY_PAGES: bit per page; else NULL */
};

/* An immutable sorted array; a change publishes a new one. */
struct mkvm_slots {
	u32 nr;
	struct mkvm_memslot slot[];	/* ascending base_gfn, never overlapping */
};

enum mkvm_slot_change_kind {
	MKVM_SLOT_UNCHANGED,
	MKVM_SLOT_CREATE,
	MKVM_SLOT_DELETE,
	MKVM_SLOT_MOVE,		/* to another GPA */
	MKVM_SLOT_FLAGS,	/* starts or stops to log */
};

struct mkvm_slot_change {
	enum mkvm_slot_change_kind kind;
	struct mkvm_memslot old;	/* all but CREATE: else empty */
	struct mkvm_memslot new_slot;	/* all but DELETE; the caller gives it its bitmap */
};

MKVM_PURE_BEGIN

/* NULL: no slot holds gfn. */
const struct mkvm_memslot *mkvm_slot_find(const struct mkvm_slots *slots, mkvm_gfn_t gfn);

/* Of a slot that may exist: its address space, and its number there. */
static inline bool mkvm_slot_id_valid(u32 id)
{
	return id >> 16 < MKVM_ADDRESS_SPACES && (id & 0xffff) < MKVM_MAX_SLOTS;
}

const struct mkvm_memslot *mkvm_slot_by_id(const struct mkvm_slots *slots, u32 id);

/*
 * Check @region against @slots; @gfn_limit is the first gfn that the machine
 * cannot name. 0 and what to do in @change, or an errno as KVM gives it: -EEXIST
 * for an overlap, -EINVAL for everything else. That the user memory lies in the
 * user's half is the caller's to check, before.
 */
int mkvm_slots_plan(const struct mkvm_slots *slots, u64 gfn_limit,
		    const struct kvm_userspace_memory_region *region,
		    struct mkvm_slot_change *change);

/* @to has room for @from->nr + 1 slots. */
void mkvm_slots_apply(const struct mkvm_slots *from, const struct mkvm_slot_change *change,
		      struct mkvm_slots *to);

/* Its number in the slot that holds it; gfn may lack the address space. */
static inline u64 mkvm_slot_page(const struct mkvm_memslot *slot, mkvm_gfn_t gfn)
{
	return (gfn - slot->base_gfn) & (MKVM_SMM_GFN - 1);
}

static inline unsigned long mkvm_slot_hva(const struct mkvm_memslot *slot, mkvm_gfn_t gfn)
{
	u64 page = array_index_nospec(mkvm_slot_page(slot, gfn), slot->npages);

	return slot->hva + (unsigned long)(page << MKVM_PAGE_SHIFT);
}

/* The gfns that @slot shows of the host's [start, end); false: none. */
bool mkvm_slot_intersect(const struct mkvm_memslot *slot, unsigned long start,
			 unsigned long end, mkvm_gfn_t *first, mkvm_gfn_t *past);

/*
 * May [gfn, gfn + span) around @gfn be mapped by one large leaf: does it lie in
 * the slot, and is the host memory behind it aligned alike?
 */
bool mkvm_slot_allows_span(const struct mkvm_memslot *slot, mkvm_gfn_t gfn, u64 span);

MKVM_PURE_END

#endif /* MKVM_PURE_SLOTS_H */
