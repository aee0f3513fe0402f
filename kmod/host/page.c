// SPDX-License-Identifier: GPL-2.0-only
/*
 * A page that has to be waited for: it comes from a disk, or from a thread that
 * serves this memory through userfaultfd and may take for ever. So a signal
 * must end the wait, and not only one that kills.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "host/host.h"

#ifdef MKVM_HAVE_FOLL_INTERRUPTIBLE

int mkvm_host_wait_for_page(unsigned long hva, bool write, struct page **page)
{
	return get_user_pages_unlocked(hva, 1, page, FOLL_INTERRUPTIBLE | (write ? FOLL_WRITE : 0));
}

#else

/* Here get_user_pages waits killably; a page fault of our own does better. */
static int fault_in(struct mm_struct *mm, unsigned long hva, bool write)
{
	unsigned int flags = FAULT_FLAG_DEFAULT | (write ? FAULT_FLAG_WRITE : 0);
	struct vm_area_struct *vma;
	vm_fault_t ret;

	for (;;) {
		if (mmap_read_lock_killable(mm))
			return -EINTR;
		vma = vma_lookup(mm, hva);
		if (!vma || !(vma->vm_flags & (write ? VM_WRITE : VM_READ)))
			break;
		ret = handle_mm_fault(vma, hva, flags, NULL);
		if (ret & VM_FAULT_COMPLETED)
			return 0;	/* and the lock is dropped */
		if (!(ret & VM_FAULT_RETRY))
			break;
		/* The lock is dropped here, too. */
		if (signal_pending(current))
			return -EINTR;
		flags |= FAULT_FLAG_TRIED;
	}
	mmap_read_unlock(mm);
	return 0;	/* if it went wrong, get_user_pages finds out how */
}

int mkvm_host_wait_for_page(unsigned long hva, bool write, struct page **page)
{
	int ret = fault_in(current->mm, hva, write);

	return ret ?: get_user_pages_fast(hva, 1, write ? FOLL_WRITE : 0, page);
}

#endif
