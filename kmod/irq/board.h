/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What irq/'s files but lapic.c share of a VM. A letter says what guards a member:
 *   [I] constant once the VM is published   [l] vm->lock, readers under srcu
 *   [q] lock: "irq_lock of the VM", taken with interrupts off
 *   [e] irqfds_lock, with interrupts off; readers of the list under srcu
 *
 * srcu is not vm->srcu, whose readers wait for pages: its readers run in any
 * context and never sleep.
 */
#ifndef MKVM_IRQ_BOARD_H
#define MKVM_IRQ_BOARD_H

#include "irq/irq.h"
#include "pure/ioapic.h"
#include "pure/pic.h"
#include "pure/pit.h"

#define MKVM_MAX_ROUTES	4096

/* route.c: where a GSI goes. */
struct mkvm_route {
	u8 pin[KVM_NR_IRQCHIPS];	/* by KVM_IRQCHIP_*: the pin + 1; 0: none */
	bool msi;			/* else it is pins */
	u32 address, data;
};

/* Who drives a line; it is high while one of them says so. */
enum { MKVM_SOURCE_USER, MKVM_SOURCE_PIT, MKVM_SOURCE_RESAMPLED };

#define MKVM_DOORBELL_ROWS	64
#define MKVM_NR_LINES	(MKVM_PIC_NR_IRQS + MKVM_IOAPIC_PINS)

struct mkvm_board {
	struct mkvm_vm *vm;		/* [I] */
	struct srcu_struct srcu;
	/* chips.c */
	spinlock_t lock;
	struct mkvm_pic pic;		/* [q] */
	struct mkvm_ioapic ioapic;	/* [q] */
	u8 sources[MKVM_NR_LINES];	/* [q] bits, of each pin: 8259s, I/O APIC */
	bool intr;			/* [q], [a] readers: the 8259s' INTR */
	struct mkvm_pit pit;		/* [q] */
	u32 ticks;			/* [q] of the 8254, due or missed */
	u64 last_tick;			/* [q] when; ns, as the next */
	struct hrtimer pit_timer;	/* [q] starts it */
	bool has_pit, has_speaker;	/* [l] */
	bool reinject;			/* [q] missed ticks come later */
	/* route.c */
	struct mkvm_routes __rcu *routes;	/* [l] NULL: KVM's default */
	/* eventfd.c */
	spinlock_t irqfds_lock;
	struct hlist_head irqfds;	/* [e] */
	/* bus.c */
	struct hlist_head doorbells[MKVM_DOORBELL_ROWS];	/* [l] by address */
	struct hlist_head zones;	/* [l] */
	bool occupied;			/* [l], [a] readers: there has been one, or an 8254 */
	bool has_wildcard;		/* likewise: a doorbell of any length */
	spinlock_t ring_lock;		/* with interrupts off; of writers of the ring */
	struct page *ring;		/* [I] coalesced accesses; userspace writes here, too */
};

/* chips.c. pin: as in struct mkvm_route. Any context; what it returns is as mkvm_irq_set_gsi. */
int mkvm_set_pins(struct mkvm_vm *vm, u32 source, const u8 *pin, bool level);
/* One access; -EOPNOTSUPP: none of the chips is there. */
int mkvm_chips_pio(struct mkvm_vm *vm, bool write, u16 port, u32 len, void *data);
int mkvm_chips_mmio(struct mkvm_vm *vm, bool write, u64 gpa, u32 len, void *data);
void mkvm_chips_init(struct mkvm_board *board);

/* route.c. Any context. Returns as mkvm_apic_send. */
int mkvm_send_msi(struct mkvm_vm *vm, u32 address, u32 data);
struct mkvm_route mkvm_find_route(struct mkvm_vm *vm, u32 gsi);
/* Split irqchip: is vector that of a level-triggered MSI of a pin of userspace's I/O APIC? */
bool mkvm_eoi_of_routes(struct mkvm_vm *vm, u8 vector);

/* eventfd.c. A chip's pin had its EOI. Any context, without irq_lock. */
void mkvm_irqfds_resample(struct mkvm_vm *vm, u32 chip, u32 pin);
void mkvm_irqfds_free(struct mkvm_vm *vm);

/* bus.c */
void mkvm_bus_free(struct mkvm_board *board);

/* The VM's requests, run by vm.c. arg is a copy of userspace's struct. [l]: under vm->lock. */
int mkvm_ioeventfd(struct mkvm_vm *vm, void *arg);		/* [l] */
int mkvm_register_zone(struct mkvm_vm *vm, void *arg);		/* [l] */
int mkvm_unregister_zone(struct mkvm_vm *vm, void *arg);	/* [l] */
int mkvm_irqfd(struct mkvm_vm *vm, void *arg);			/* [l] */
int mkvm_signal_msi(struct mkvm_vm *vm, void *arg);
int mkvm_irq_line(struct mkvm_vm *vm, void *arg);
int mkvm_get_irqchip(struct mkvm_vm *vm, void *arg);
int mkvm_set_irqchip(struct mkvm_vm *vm, void *arg);
int mkvm_create_pit(struct mkvm_vm *vm, void *arg);		/* [l] */
int mkvm_get_pit(struct mkvm_vm *vm, void *arg);
int mkvm_set_pit(struct mkvm_vm *vm, void *arg);
int mkvm_reinject_control(struct mkvm_vm *vm, void *arg);
int mkvm_set_gsi_routing(struct mkvm_vm *vm, struct kvm_irq_routing __user *user);

#endif /* MKVM_IRQ_BOARD_H */
