/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PC's pair of 8259A interrupt controllers with the edge/level registers.
 * Intel, "8259A Programmable Interrupt Controller" (order 231468) and "82371AB
 * PCI ISA IDE Xcelerator", sections on the interrupt controller.
 *
 * Plain data and no side effects: after each call that may change the state, the
 * caller, who owns the lock, asks mkvm_pic_output() for INTR.
 */
#ifndef MKVM_PURE_PIC_H
#define MKVM_PURE_PIC_H

#include <linux/kvm.h>

#include "pure.h"

#define MKVM_PIC_PRIMARY_PORT	0x20	/* and 0x21 */
#define MKVM_PIC_SECONDARY_PORT	0xa0	/* and 0xa1 */
#define MKVM_PIC_ELCR_PORT	0x4d0	/* and 0x4d1 */

#define MKVM_PIC_NR_IRQS	16
#define MKVM_PIC_CASCADE	2	/* the primary's pin that the secondary drives */

/* Which byte of the initialization sequence port+1 expects. */
enum mkvm_pic_step {
	MKVM_PIC_READY,		/* none: port+1 is the mask register */
	MKVM_PIC_ICW2,
	MKVM_PIC_ICW3,
	MKVM_PIC_ICW4,
};

/*
 * A chip's registers are in KVM's form: last_irr the level of the input pins, priority_add the
 * pin that comes first, irq_base the vector of pin 0, init_state an enum mkvm_pic_step.
 */
struct mkvm_pic {
	struct kvm_pic_state chip[2];	/* primary, secondary */
	u8 single[2];			/* ICW1: no cascade, so no ICW3 */
};

MKVM_PURE_BEGIN

/* Power-on. All requests are masked until the guest initializes the chips. */
void mkvm_pic_reset(struct mkvm_pic *pic);

/*
 * Drive input pin @irq, 0 to 15; the cascade pin is not driven from outside. Returns
 * MKVM_PIN_IGNORED, _COALESCED or _DONE of ioapic.h.
 */
int mkvm_pic_set_irq(struct mkvm_pic *pic, unsigned int irq, bool high);

/* @port: 0x20, 0x21, 0xa0, 0xa1, 0x4d0 or 0x4d1; others do nothing / read 0xff. */
void mkvm_pic_write(struct mkvm_pic *pic, u16 port, u8 value);
u8 mkvm_pic_read(struct mkvm_pic *pic, u16 port);

/* The level of INTR, the CPU's interrupt pin. */
bool mkvm_pic_output(const struct mkvm_pic *pic);

/*
 * The CPU's interrupt-acknowledge cycle: returns the vector, that of IRQ7 or
 * IRQ15 when the request went away meanwhile.
 */
u8 mkvm_pic_acknowledge(struct mkvm_pic *pic);

/* Any state of one chip is taken, fields cut to their width. */
void mkvm_pic_set(struct mkvm_pic *pic, unsigned int chip, const struct kvm_pic_state *state);

MKVM_PURE_END

#endif /* MKVM_PURE_PIC_H */
