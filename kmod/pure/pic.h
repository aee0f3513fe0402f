/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PC's pair of 8259A interrupt controllers with the edge/level registers.
 * Intel, "8259A Programmable Interrupt Controller" (order 231468) and "82371AB
 * PCI ISA IDE Xcelerator", sections on the interrupt controller.
 *
 * Plain data and no side effects: every call returns what changed outside, and
 * the caller, who owns the lock, acts on it.
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

/* Effects */
#define MKVM_PIC_OUTPUT		MKVM_BIT(0)	/* INTR changed: ask mkvm_pic_output() */

/* Which byte of the initialization sequence port+1 expects. */
enum mkvm_pic_step {
	MKVM_PIC_READY,		/* none: port+1 is the mask register */
	MKVM_PIC_ICW2,
	MKVM_PIC_ICW3,
	MKVM_PIC_ICW4,
};

struct mkvm_pic_chip {
	u8 irr;			/* interrupt request register */
	u8 isr;			/* in-service register */
	u8 imr;			/* interrupt mask register */
	u8 line;		/* level of the input pins */
	u8 elcr;		/* 1: level-triggered */
	u8 vector_base;		/* ICW2, low 3 bits clear */
	u8 lowest;		/* the pin with the lowest priority; 7 unless rotated */
	u8 step;		/* enum mkvm_pic_step */
	u8 single;		/* ICW1: no cascade, so no ICW3 */
	u8 expect_icw4;		/* ICW1: an ICW4 follows */
	u8 auto_eoi;		/* ICW4 */
	u8 fully_nested;	/* ICW4: special fully nested mode */
	u8 rotate_auto_eoi;	/* OCW2 */
	u8 special_mask;	/* OCW3 */
	u8 poll;		/* OCW3: the next read acknowledges */
	u8 read_isr;		/* OCW3: reads give ISR, not IRR */
};

struct mkvm_pic {
	struct mkvm_pic_chip chip[2];	/* primary, secondary */
};

MKVM_PURE_BEGIN

/* Power-on. All requests are masked until the guest initializes the chips. */
void mkvm_pic_reset(struct mkvm_pic *pic);

/* Drive input pin @irq, 0 to 15; the cascade pin is not driven from outside. */
u32 mkvm_pic_set_irq(struct mkvm_pic *pic, unsigned int irq, bool high);

/* @port: 0x20, 0x21, 0xa0, 0xa1, 0x4d0 or 0x4d1; others do nothing / read 0xff. */
u32 mkvm_pic_write(struct mkvm_pic *pic, u16 port, u8 value);
u8 mkvm_pic_read(struct mkvm_pic *pic, u16 port, u32 *effects);

/* The level of INTR, the CPU's interrupt pin. */
bool mkvm_pic_output(const struct mkvm_pic *pic);

/*
 * The CPU's interrupt-acknowledge cycle: returns the vector, that of IRQ7 or
 * IRQ15 when the request went away meanwhile.
 */
u8 mkvm_pic_acknowledge(struct mkvm_pic *pic, u32 *effects);

/* KVM's form of one chip. Any state is taken, fields cut to their width. */
void mkvm_pic_get(const struct mkvm_pic *pic, unsigned int chip, struct kvm_pic_state *state);
u32 mkvm_pic_set(struct mkvm_pic *pic, unsigned int chip, const struct kvm_pic_state *state);

/* Could the chips be in this state? For restoring untrusted state. */
bool mkvm_pic_valid(const struct mkvm_pic *pic);

MKVM_PURE_END

#endif /* MKVM_PURE_PIC_H */
