/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt controllers in the kernel: what irq/'s files offer one another and
 * the core. The state machines are pure/lapic.c, ioapic.c, pic.c and pit.c; here
 * are the locks, timers and kicks around them.
 *
 *   devices, userspace --> mkvm_irq_set_gsi --> routes --> 8259 pair, I/O APIC or an MSI
 *                                                             |            |
 *   irq_lock of the VM: 8259 pair, I/O APIC, 8254             | INTR       | message
 *                                                             v            v
 *   lock of each local APIC                          mkvm_apic_extint  mkvm_apic_send
 *
 * Lock order: vm irq_lock > lock of a local APIC; both are taken with interrupts
 * off and never held over anything that sleeps. A local APIC lets go of its own
 * before it tells the I/O APIC of an EOI.
 */
#ifndef MKVM_IRQ_H
#define MKVM_IRQ_H

#include <linux/types.h>

struct mkvm_vm;
struct mkvm_vcpu;

/* An interrupt message on the APIC bus. SDM vol. 3, "Interrupt Command Register (ICR)". */
struct mkvm_apic_message {
	u32 dest;	/* 8 bits; 32 where the sender is an x2APIC */
	u8 vector;
	u8 mode;	/* 0 fixed, 1 lowest priority, 2 SMI, 4 NMI, 5 INIT, 6 SIPI, 7 ExtINT */
	u8 shorthand;	/* 0 none, 1 self, 2 all, 3 all but self; IPIs only */
	bool logical;	/* destination mode */
	bool level;	/* trigger mode */
	bool assert;	/* false: INIT level de-assert, which does nothing */
};

/* ---- lapic.c: local APICs, where the vCPUs wait ---- */

/*
 * Deliver a message; from is the sending vCPU, NULL for devices. Any context, does
 * not sleep. How many local APICs took it; 0: it coalesced with one that is
 * pending; -1: nobody is there.
 */
int mkvm_apic_send(struct mkvm_vm *vm, struct mkvm_vcpu *from, const struct mkvm_apic_message *m);
/*
 * The 8259s' INTR went high: whoever takes ExtINT is woken, and calls
 * mkvm_pic_intack. Under irq_lock.
 */
void mkvm_apic_extint(struct mkvm_vm *vm);
/* An access to a local APIC's page? -EOPNOTSUPP: no. Does not sleep. */
int mkvm_apic_mmio(struct mkvm_vcpu *v, bool write, u64 gpa, u32 len, void *data);

/* ---- chips.c: 8259 pair, I/O APIC and 8254 ---- */

/* INTR of the 8259 pair; and the INTA cycle: the vector. Any context. */
bool mkvm_pic_pending(struct mkvm_vm *vm);
u8 mkvm_pic_intack(struct mkvm_vm *vm);
/*
 * A local APIC had an EOI for a level-triggered vector. With the split irqchip
 * the caller leaves to userspace (KVM_EXIT_IOAPIC_EOI) where this says true.
 */
bool mkvm_ioapic_eoi(struct mkvm_vm *vm, u8 vector);

/* ---- board.c: all of the above but the local APICs, of one VM ---- */

int mkvm_board_init(struct mkvm_vm *vm);
void mkvm_board_free(struct mkvm_vm *vm);	/* before the vCPUs */
long mkvm_board_ioctl(struct mkvm_vm *vm, unsigned int cmd, void __user *user);

/* ---- bus.c: who is behind a port or address: chips, ioeventfds, coalesced ranges ---- */

/* One access of 1 to 8 bytes. 0: done; -EOPNOTSUPP: nobody, ask userspace. Does not sleep. */
int mkvm_bus_pio(struct mkvm_vcpu *v, bool write, u16 port, u32 len, void *data);
int mkvm_bus_mmio(struct mkvm_vcpu *v, bool write, u64 gpa, u32 len, void *data);
/* A write there that nobody has decoded: was this all it had to do? Does not sleep. */
bool mkvm_bus_doorbell(struct mkvm_vcpu *v, u64 gpa);

/* ---- route.c: GSIs and MSIs ---- */

/*
 * Drive a GSI's input from one source (0 userspace, 1 the 8254, 2.. irqfds): the
 * line is the OR of all. Returns as mkvm_apic_send; below -1 an errno.
 */
int mkvm_irq_set_gsi(struct mkvm_vm *vm, u32 source, u32 gsi, bool level);

#endif /* MKVM_IRQ_H */
