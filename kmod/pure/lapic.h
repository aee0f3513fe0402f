/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A local APIC: its registers and what they decide. SDM vol. 3, chapter "Advanced
 * Programmable Interrupt Controller (APIC)". No locks, no timers: irq/lapic.c has
 * these, and does what the effects say. Times are nanoseconds of any clock that
 * does not go back; the APIC's bus runs at 1 GHz, as KVM's.
 */
#ifndef MKVM_PURE_LAPIC_H
#define MKVM_PURE_LAPIC_H

#include "pure.h"
#include "x86_bits.h"

/* An interrupt message on the APIC bus. Section "Interrupt Command Register (ICR)". */
struct mkvm_apic_message {
	u32 dest;	/* 8 bits; 32 where the sender is an x2APIC */
	u8 vector;
	u8 mode;	/* enum mkvm_apic_delivery */
	u8 shorthand;	/* 0 none, 1 self, 2 all, 3 all but self; IPIs only */
	bool logical;	/* destination mode */
	bool level;	/* trigger mode */
	bool assert;	/* false: INIT level de-assert, which does nothing */
};

enum mkvm_apic_delivery {
	MKVM_APIC_FIXED, MKVM_APIC_LOWEST, MKVM_APIC_SMI, MKVM_APIC_NMI = 4, MKVM_APIC_INIT,
	MKVM_APIC_SIPI, MKVM_APIC_EXTINT,
};

enum mkvm_apic_shorthand { MKVM_APIC_NONE, MKVM_APIC_SELF, MKVM_APIC_ALL, MKVM_APIC_OTHERS };

/* Numbers of registers: the offset in the page / 16, the x2APIC MSR - 0x800. */
enum {
	MKVM_APIC_ID = 0x02, MKVM_APIC_VERSION = 0x03, MKVM_APIC_TPR = 0x08, MKVM_APIC_PPR = 0x0a,
	MKVM_APIC_EOI = 0x0b, MKVM_APIC_LDR = 0x0d, MKVM_APIC_DFR = 0x0e, MKVM_APIC_SVR = 0x0f,
	MKVM_APIC_ISR = 0x10, MKVM_APIC_TMR = 0x18, MKVM_APIC_IRR = 0x20,	/* 8 words each */
	MKVM_APIC_ESR = 0x28, MKVM_APIC_ICR = 0x30, MKVM_APIC_ICR2 = 0x31, MKVM_APIC_LVTT = 0x32,
	MKVM_APIC_LVTPC = 0x34, MKVM_APIC_LVT0 = 0x35, MKVM_APIC_LVT1 = 0x36,
	MKVM_APIC_LVTERR = 0x37, MKVM_APIC_TMICT = 0x38, MKVM_APIC_TMCCT = 0x39,
	MKVM_APIC_TDCR = 0x3e, MKVM_APIC_SELF_IPI = 0x3f, MKVM_APIC_NR_REGS = 0x40,
};

#define MKVM_X2APIC_MSR	0x800u	/* and the 255 after it */

static inline bool mkvm_is_x2apic_msr(u32 index)
{
	return index - MKVM_X2APIC_MSR < 0x100;
}

/* SVR */
#define MKVM_APIC_SW_ENABLE	MKVM_BIT(8)
#define MKVM_APIC_NO_EOI_MSG	MKVM_BIT(12)	/* and of the version: there is such a bit */
#define MKVM_APIC_HAS_NO_EOI_MSG MKVM_BIT(24)
/* Entries of the local vector table */
#define MKVM_APIC_LVT_MASKED	MKVM_BIT(16)
#define MKVM_APIC_LVT_PERIODIC	MKVM_BIT(17)
#define MKVM_APIC_LVT_DEADLINE	MKVM_BIT(18)
/* ESR */
#define MKVM_APIC_SEND_ILLEGAL	MKVM_BIT(5)
#define MKVM_APIC_RECV_ILLEGAL	MKVM_BIT(6)
#define MKVM_APIC_BAD_REGISTER	MKVM_BIT(7)

/* Of IA32_APIC_BASE: ENABLE | X2APIC, 0 is off. */
#define MKVM_APIC_MODE(base)	((u32)(base) & (u32)(MKVM_APIC_BASE_ENABLE | MKVM_APIC_BASE_X2APIC))
#define MKVM_APIC_MODE_X	((u32)MKVM_APIC_BASE_ENABLE)
#define MKVM_APIC_MODE_X2	((u32)(MKVM_APIC_BASE_ENABLE | MKVM_APIC_BASE_X2APIC))

/* The page as KVM_GET_LAPIC has it: 32 bits every 16 bytes. */
struct mkvm_apic_page {
	struct {
		u32 value, unused[3];
	} reg[MKVM_APIC_NR_REGS];
};

struct mkvm_lapic {
	struct mkvm_apic_page *page;
	u32 id;			/* as x2APIC; the xAPIC's own is in its register */
	u32 mode;		/* MKVM_APIC_MODE() */
	bool has_deadline;	/* the guest's CPUID has TSC-deadline mode */
	u8 errors;		/* since ESR was written */
	/* Came, not yet in IRR, which the CPU itself may be changing; a bit per word of it. */
	u32 came[8];
	u8 came_words;
	u32 turns;		/* lowest-priority interrupts had: who had fewest is next */
	u64 expires;		/* the timer is due; 0: it is not running */
	u64 deadline;		/* IA32_TSC_DEADLINE; its moment is in expires */
};

/* What the caller has to do. */
#define MKVM_APIC_DO_TIMER	MKVM_BIT(8)	/* expires has changed */
#define MKVM_APIC_DO_LOOK	MKVM_BIT(9)	/* mkvm_lapic_pending() may say something new */
#define MKVM_APIC_DO_IPI	MKVM_BIT(10)	/* send mkvm_lapic_icr() */
#define MKVM_APIC_DO_EOI	MKVM_BIT(11)	/* level-triggered; the vector is in bits 7:0 */
#define MKVM_APIC_DO_GP		MKVM_BIT(12)	/* the MSR access faults; nothing was done */

MKVM_PURE_BEGIN

/* RESET, or INIT, which keeps mode and ID. bsp: LINT0 takes the 8259's interrupts, as in KVM. */
u32 mkvm_lapic_reset(struct mkvm_lapic *a, bool init, bool bsp, bool no_eoi_msg);

/* A mode that WRMSR may change to? SDM, section "x2APIC State Transitions". */
bool mkvm_lapic_may_change(u32 mode, u32 next);
/* To any mode; userspace restores what it likes. */
u32 mkvm_lapic_set_mode(struct mkvm_lapic *a, u32 mode);

/* The page's registers; reg < MKVM_APIC_NR_REGS. What is not there reads 0 and takes no write. */
u32 mkvm_lapic_read(struct mkvm_lapic *a, u32 reg, u64 now);
u32 mkvm_lapic_write(struct mkvm_lapic *a, u32 reg, u32 value, u64 now);
/* x2APIC MSRs; reg < 0x100. Effects. */
u32 mkvm_lapic_rdmsr(struct mkvm_lapic *a, u32 reg, u64 *value, u64 now);
u32 mkvm_lapic_wrmsr(struct mkvm_lapic *a, u32 reg, u64 value, u64 now);

/* IA32_TSC_DEADLINE, which is reached at expires (not 0). Ignored in other timer modes. */
u32 mkvm_lapic_set_deadline(struct mkvm_lapic *a, u64 deadline, u64 expires);
/* The timer's moment may have come. */
u32 mkvm_lapic_expire(struct mkvm_lapic *a, u64 now);

/* The message that ICR asks for. */
void mkvm_lapic_icr(const struct mkvm_lapic *a, struct mkvm_apic_message *m);
/* Is it for this APIC, whose own message it is where self is set? is_ipi: and not a device's. */
bool mkvm_lapic_matches(const struct mkvm_lapic *a, const struct mkvm_apic_message *m, bool is_ipi,
			bool self);
/* Should a rather than b have the lowest-priority interrupt that is for both? */
bool mkvm_lapic_before(const struct mkvm_lapic *a, const struct mkvm_lapic *b);
static inline bool mkvm_lapic_sw_enabled(const struct mkvm_lapic *a)
{
	return a->mode && (a->page->reg[MKVM_APIC_SVR].value & MKVM_APIC_SW_ENABLE);
}

/* A fixed interrupt. MKVM_APIC_DO_LOOK: it is new; without, it coalesced or was not taken. */
u32 mkvm_lapic_accept(struct mkvm_lapic *a, u8 vector, bool level);
/* An interrupt was sent with a vector below 16: these do not exist. */
u32 mkvm_lapic_error(struct mkvm_lapic *a, u8 error);

/* The vector that the CPU should take now, or -1; the same, and it is taken. Update PPR. */
int mkvm_lapic_pending(struct mkvm_lapic *a);
int mkvm_lapic_take(struct mkvm_lapic *a);
/*
 * Instead of these two, where the CPU delivers from the page. Status is RVI and SVI: SDM vol. 3,
 * section "Guest Interrupt Status"; eoi_exits has a bit for each vector whose EOI has effects.
 */
u16 mkvm_lapic_status(struct mkvm_lapic *a, u64 eoi_exits[4]);
/* Is there one that waits, pending or not? */
bool mkvm_lapic_has_irr(const struct mkvm_lapic *a);
/* Would an EOI now end an interrupt and do no more: nobody hears of it, none waits behind it? */
bool mkvm_lapic_eoi_is_private(const struct mkvm_lapic *a);
/* Do I/O APICs hear of the vector's EOI? */
bool mkvm_lapic_tells_eoi(const struct mkvm_lapic *a, u8 vector);
/* Does LINT0 pass on the 8259's interrupts? */
bool mkvm_lapic_takes_extint(const struct mkvm_lapic *a);

/* KVM_GET_LAPIC and KVM_SET_LAPIC; whatever the page holds is made into a possible state. */
void mkvm_lapic_get(struct mkvm_lapic *a, struct mkvm_apic_page *out, u64 now);
u32 mkvm_lapic_set(struct mkvm_lapic *a, const struct mkvm_apic_page *in, u64 now);

MKVM_PURE_END

#endif /* MKVM_PURE_LAPIC_H */
