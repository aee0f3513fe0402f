/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The I/O APIC: 24 pins and a redirection entry for each. Intel, "82093AA I/O
 * Advanced Programmable Interrupt Controller (IOAPIC)" (order 290566).
 *
 * Plain data and no side effects. Calls that return "pins due" have noted that
 * the interrupt message of each of these pins is on its way: the caller, who
 * owns the lock, sends them, each as its redirection entry says.
 */
#ifndef MKVM_PURE_IOAPIC_H
#define MKVM_PURE_IOAPIC_H

#include <linux/kvm.h>

#include "pure.h"

#define MKVM_IOAPIC_BASE	0xfec00000ull
#define MKVM_IOAPIC_SIZE	0x100u
#define MKVM_IOAPIC_PINS	24u

/* Redirection entry; the destination is in bits 63:56. */
#define MKVM_RTE_VECTOR(e)	((u8)(e))
#define MKVM_RTE_MODE(e)	((u8)((e) >> 8 & 7))
#define MKVM_RTE_LOGICAL	BIT_ULL(11)
#define MKVM_RTE_PENDING	BIT_ULL(12)	/* delivery status; read-only */
#define MKVM_RTE_REMOTE_IRR	BIT_ULL(14)	/* level: waits for its EOI; read-only */
#define MKVM_RTE_LEVEL		BIT_ULL(15)
#define MKVM_RTE_MASKED		BIT_ULL(16)
#define MKVM_RTE_MSI_DATA	0x87ffull	/* in the places of an MSI's data */
#define MKVM_RTE_DEST(e)	((u8)((e) >> 56))

/* What mkvm_ioapic_set_pin says; KVM_IRQ_LINE_STATUS passes on the first three. */
#define MKVM_PIN_IGNORED	(-1)	/* masked, or waits for its EOI */
#define MKVM_PIN_COALESCED	0	/* the edge before it was not taken yet */
#define MKVM_PIN_DONE		1
#define MKVM_PIN_DUE		2	/* as for "pins due" above */

struct mkvm_ioapic {
	u64 entry[MKVM_IOAPIC_PINS];
	u32 high;		/* pins whose line is high */
	u32 delivered;		/* of those, edges whose message went out */
	u8 select;		/* index register */
	u8 id;			/* 4 bits */
};

MKVM_PURE_BEGIN

/* Power-on: all pins masked. */
void mkvm_ioapic_reset(struct mkvm_ioapic *io);

/* @pin is below MKVM_IOAPIC_PINS. */
int mkvm_ioapic_set_pin(struct mkvm_ioapic *io, u32 pin, bool high);

/* @offset: 0x00 the index register, 0x10 the window; others are 0 and ignored. */
u32 mkvm_ioapic_read(const struct mkvm_ioapic *io, u32 offset);
u32 mkvm_ioapic_write(struct mkvm_ioapic *io, u32 offset, u32 value);	/* pins due */

/* The level-triggered pins that an EOI for @vector is for. */
u32 mkvm_ioapic_acknowledged(const struct mkvm_ioapic *io, u8 vector);
/* They had it. Those whose line is still high are due again. */
u32 mkvm_ioapic_end(struct mkvm_ioapic *io, u32 pins);

/* KVM's form. Any state is taken, fields cut to their width; pins due. */
void mkvm_ioapic_get(const struct mkvm_ioapic *io, struct kvm_ioapic_state *state);
u32 mkvm_ioapic_set(struct mkvm_ioapic *io, const struct kvm_ioapic_state *state);

MKVM_PURE_END

#endif /* MKVM_PURE_IOAPIC_H */
