/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What irq/'s files but lapic.c share of a VM. A letter says what guards a member:
 *   [I] constant once the VM is published   [l] vm->lock, readers under srcu
 *
 * srcu is not vm->srcu, whose readers wait for pages: its readers run in any
 * context and never sleep.
 */
#ifndef MKVM_IRQ_BOARD_H
#define MKVM_IRQ_BOARD_H

#include "irq/irq.h"
#include "mkvm.h"

/* bus.c: what userspace has put on the bus. */
enum mkvm_range_kind { MKVM_DOORBELL_PIO, MKVM_DOORBELL_MMIO, MKVM_ZONE_PIO, MKVM_ZONE_MMIO,
		       MKVM_NR_RANGE_KINDS };

struct mkvm_range {
	u64 addr;
	u64 size;			/* a zone's; of a doorbell: of its accesses, 0: any */
	struct eventfd_ctx *eventfd;	/* doorbells */
	u64 value;			/* doorbells: rung by this value only, */
	bool any_value;			/* or by any */
};

/* Sorted by addr, and never changed once it is published. */
struct mkvm_ranges {
	u32 nr;
	struct mkvm_range range[];
};

struct mkvm_board {
	struct mkvm_vm *vm;		/* [I] */
	struct srcu_struct srcu;
	/* bus.c */
	struct mkvm_ranges __rcu *ranges[MKVM_NR_RANGE_KINDS];	/* [l] */
	spinlock_t ring_lock;		/* with interrupts off; of writers of the ring */
	struct page *ring;		/* [I] coalesced accesses; userspace writes here, too */
};

/* bus.c */
const struct mkvm_ranges *mkvm_bus_ranges(struct mkvm_vm *vm, enum mkvm_range_kind kind);
/* Caller holds vm->lock. When they return nobody uses the array from before. */
int mkvm_bus_insert(struct mkvm_vm *vm, enum mkvm_range_kind kind, const struct mkvm_range *range);
int mkvm_bus_remove(struct mkvm_vm *vm, enum mkvm_range_kind kind, u32 at);

/* The VM's requests, run by board.c. arg is a copy of userspace's struct. */
int mkvm_ioeventfd(struct mkvm_vm *vm, void *arg);
int mkvm_register_zone(struct mkvm_vm *vm, void *arg);
int mkvm_unregister_zone(struct mkvm_vm *vm, void *arg);

#endif /* MKVM_IRQ_BOARD_H */
