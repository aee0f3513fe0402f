/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where things are in a guest of the selftests. The 32-bit and 64-bit guests
 * map guest-virtual to guest-physical one to one, so these are both.
 * Included by C and by assembly.
 */
#ifndef SELFTESTS_LAYOUT_H
#define SELFTESTS_LAYOUT_H

#define GUEST_GDT	0x1000
#define GUEST_IDT	0x2000
#define GUEST_TSS	0x3000
#define GUEST_PML4	0x4000
#define GUEST_PDPT	0x5000
#define GUEST_PD	0x6000		/* four: 4 GiB in pages of 2 MiB */
#define GUEST_STUBS	0xa000		/* one stub of 16 bytes per vector */
#define GUEST_TRAPS	0xc000		/* struct trap_log */
#define GUEST_STACK	0x10000		/* grows down from here */
#define GUEST_CODE	0x10000
#define GUEST_DATA	0x20000		/* nothing lives from here up */
#define GUEST_RAM	0x400000	/* size of the usual guest's memory */
#define GUEST_MMIO	0xd0000000	/* no slot is ever here */

/* Selectors */
#define GUEST_CS64	0x08
#define GUEST_DS	0x10
#define GUEST_CS32	0x18
#define GUEST_TR	0x20		/* two entries */
#define GUEST_UDS	0x33		/* user data and 64-bit user code */
#define GUEST_UCS	0x3b

/* OUT here, AL = vector, tells of an exception nobody asked for. */
#define PORT_UNEXPECTED	0xee

/* Offsets in struct trap_log, for the stubs */
#define TRAP_COUNT	0
#define TRAP_VECTOR	4
#define TRAP_ERROR	8
#define TRAP_RIP	16
#define TRAP_CR2	24
#define TRAP_HITS	32
#define TRAP_ORDER	(32 + 4 * 256)

#endif
