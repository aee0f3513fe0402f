// SPDX-License-Identifier: GPL-2.0-only
/* A local APIC without the world around it. */
#include "lapic.h"

/* Which bits a write may set, and who may access a register. */
#define XR	MKVM_BIT(0)	/* xAPIC: read, write */
#define XW	MKVM_BIT(1)
#define X2R	MKVM_BIT(2)	/* x2APIC */
#define X2W	MKVM_BIT(3)
#define RO	(XR | X2R)
#define RW	(XR | XW | X2R | X2W)

#define LVT(more)	{ 0x100ff | (more), RW }
#define LVT_MODE	0x700
#define LVT_PIN		(LVT_MODE | 0xa000)	/* polarity and trigger mode */

static const struct reg_rule {
	u32 mask;
	u8 rights;
} rules[MKVM_APIC_NR_REGS] = {
	[MKVM_APIC_ID]		= { 0xff000000, XR | XW | X2R },
	[MKVM_APIC_VERSION]	= { 0, RO },
	[MKVM_APIC_TPR]		= { 0xff, RW },
	[0x09]			= { 0, XR },		/* arbitration priority */
	[MKVM_APIC_PPR]		= { 0, RO },
	[MKVM_APIC_EOI]		= { 0, XW | X2W },
	[MKVM_APIC_LDR]		= { 0xff000000, XR | XW | X2R },
	[MKVM_APIC_DFR]		= { 0xf0000000, XR | XW },
	[MKVM_APIC_SVR]		= { 0x3ff | MKVM_APIC_NO_EOI_MSG, RW },
	[MKVM_APIC_ISR ... MKVM_APIC_ESR - 1] = { 0, RO },	/* and TMR, IRR */
	[MKVM_APIC_ESR]		= { 0, RW },
	[MKVM_APIC_ICR]		= { ~MKVM_BIT(12), RW },
	[MKVM_APIC_ICR2]	= { 0xff000000, XR | XW },
	[MKVM_APIC_LVTT]	= LVT(MKVM_APIC_LVT_PERIODIC | MKVM_APIC_LVT_DEADLINE),
	[0x33]			= LVT(LVT_MODE),	/* thermal sensor */
	[MKVM_APIC_LVTPC]	= LVT(LVT_MODE),
	[MKVM_APIC_LVT0]	= LVT(LVT_PIN),
	[MKVM_APIC_LVT1]	= LVT(LVT_PIN),
	[MKVM_APIC_LVTERR]	= LVT(0),
	[MKVM_APIC_TMICT]	= { ~0u, RW },
	[MKVM_APIC_TMCCT]	= { 0, RO },
	[MKVM_APIC_TDCR]	= { 0xb, RW },
	[MKVM_APIC_SELF_IPI]	= { 0, X2W },
};

/* Version 1.4 with six entries in the local vector table. */
#define VERSION		0x00050014

/* #GP in x2APIC mode. */
#define X2APIC_ICR_RESERVED	0xfff32000ull

#define MIN_PERIOD	200000	/* ns of a periodic timer, KVM's: the host has other work */

static u32 *reg(const struct mkvm_lapic *a, u32 nr)
{
	return &a->page->reg[nr].value;
}

/* ---- vectors in IRR, ISR and TMR ---- */

static u32 *word(const struct mkvm_lapic *a, u32 base, u8 vector)
{
	return reg(a, base + vector / 32);
}

static void set_vector(struct mkvm_lapic *a, u32 base, u8 vector, bool on)
{
	u32 bit = MKVM_BIT(vector % 32), *w = word(a, base, vector);

	*w = on ? *w | bit : *w & ~bit;
}

static bool test_vector(const struct mkvm_lapic *a, u32 base, u8 vector)
{
	return *word(a, base, vector) & MKVM_BIT(vector % 32);
}

/* -1: none. */
static int highest(const struct mkvm_lapic *a, u32 base)
{
	int i;

	for (i = 7; i >= 0; i--)
		if (*reg(a, base + (u32)i))
			return 32 * i + 31 - __builtin_clz(*reg(a, base + (u32)i));
	return -1;
}

static void take_in(struct mkvm_lapic *a)
{
	int i;

	for (; a->came_words; a->came_words &= a->came_words - 1) {
		i = __builtin_ctz(a->came_words);
		*reg(a, MKVM_APIC_IRR + (u32)i) |= a->came[i];
		a->came[i] = 0;
	}
}

/* Section "Task and Processor Priorities". */
static u32 update_ppr(struct mkvm_lapic *a)
{
	u32 tpr = *reg(a, MKVM_APIC_TPR);
	int isr = highest(a, MKVM_APIC_ISR);
	u32 in_service = isr < 0 ? 0 : (u32)isr & 0xf0;

	*reg(a, MKVM_APIC_PPR) = in_service > (tpr & 0xf0) ? in_service : tpr;
	return *reg(a, MKVM_APIC_PPR);
}

int mkvm_lapic_pending(struct mkvm_lapic *a)
{
	u32 ppr = update_ppr(a);
	int irr;

	take_in(a);
	irr = highest(a, MKVM_APIC_IRR);
	return a->mode && irr >= 0 && ((u32)irr & 0xf0) > (ppr & 0xf0) ? irr : -1;
}

int mkvm_lapic_take(struct mkvm_lapic *a)
{
	int vector = mkvm_lapic_pending(a);

	if (vector >= 0) {
		set_vector(a, MKVM_APIC_IRR, (u8)vector, false);
		set_vector(a, MKVM_APIC_ISR, (u8)vector, true);
		update_ppr(a);
	}
	return vector;
}

static u32 look(struct mkvm_lapic *a)
{
	return mkvm_lapic_pending(a) >= 0 ? MKVM_APIC_DO_LOOK : 0;
}

u16 mkvm_lapic_status(struct mkvm_lapic *a, u64 eoi_exits[4])
{
	int isr = highest(a, MKVM_APIC_ISR), irr;
	u32 i;

	take_in(a);
	irr = highest(a, MKVM_APIC_IRR);
	for (i = 0; i < 4; i++)
		eoi_exits[i] = *reg(a, MKVM_APIC_TMR + 2 * i) |
			       (u64)*reg(a, MKVM_APIC_TMR + 2 * i + 1) << 32;
	return (u16)((irr < 0 ? 0 : irr) | (isr < 0 ? 0 : isr) << 8);
}

bool mkvm_lapic_tells_eoi(const struct mkvm_lapic *a, u8 vector)
{
	return test_vector(a, MKVM_APIC_TMR, vector) &&
	       !(*reg(a, MKVM_APIC_SVR) & MKVM_APIC_NO_EOI_MSG);
}

bool mkvm_lapic_has_irr(const struct mkvm_lapic *a)
{
	return a->came_words || highest(a, MKVM_APIC_IRR) >= 0;
}

bool mkvm_lapic_eoi_is_private(const struct mkvm_lapic *a)
{
	int vector = highest(a, MKVM_APIC_ISR);

	return vector >= 0 && !mkvm_lapic_tells_eoi(a, (u8)vector) && !mkvm_lapic_has_irr(a);
}

static u32 end_of_interrupt(struct mkvm_lapic *a)
{
	int vector = highest(a, MKVM_APIC_ISR);

	if (vector < 0)
		return 0;
	set_vector(a, MKVM_APIC_ISR, (u8)vector, false);
	return look(a) |
	       (mkvm_lapic_tells_eoi(a, (u8)vector) ? MKVM_APIC_DO_EOI | (u32)vector : 0);
}

/* ---- what comes in ---- */

static u32 deliver(struct mkvm_lapic *a, u8 vector, bool level)
{
	u32 bit = MKVM_BIT(vector % 32);

	if ((*word(a, MKVM_APIC_IRR, vector) | a->came[vector / 32]) & bit)
		return 0;
	a->came[vector / 32] |= bit;
	a->came_words |= (u8)(1u << vector / 32);
	set_vector(a, MKVM_APIC_TMR, vector, level);
	return MKVM_APIC_DO_LOOK;
}

/* The vector of the entry for errors may itself be illegal: that is noted, not told. */
u32 mkvm_lapic_error(struct mkvm_lapic *a, u8 error)
{
	u32 lvt = *reg(a, MKVM_APIC_LVTERR);

	a->errors |= error;
	if (lvt & MKVM_APIC_LVT_MASKED)
		return 0;
	if ((lvt & 0xff) < 16) {
		a->errors |= MKVM_APIC_RECV_ILLEGAL;
		return 0;
	}
	return deliver(a, (u8)lvt, false);
}

u32 mkvm_lapic_accept(struct mkvm_lapic *a, u8 vector, bool level)
{
	if (!mkvm_lapic_sw_enabled(a))
		return 0;
	if (vector < 16)
		return mkvm_lapic_error(a, MKVM_APIC_RECV_ILLEGAL);
	return deliver(a, vector, level);
}

bool mkvm_lapic_takes_extint(const struct mkvm_lapic *a)
{
	u32 lvt = *reg(a, MKVM_APIC_LVT0);

	return !a->mode || (!(lvt & MKVM_APIC_LVT_MASKED) &&
			    (lvt & LVT_MODE) == MKVM_APIC_EXTINT << 8);
}

/* ---- who it is for ---- */

static bool matches_logical(const struct mkvm_lapic *a, u32 dest)
{
	u32 ldr = *reg(a, MKVM_APIC_LDR);

	if (a->mode == MKVM_APIC_MODE_X2)
		return ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff);
	ldr >>= 24;
	switch (*reg(a, MKVM_APIC_DFR) >> 28) {
	case 0xf:
		return dest <= 0xff && (ldr & dest);		/* flat */
	case 0:
		return dest <= 0xff && ldr >> 4 == dest >> 4 && (ldr & dest & 0xf);
	default:
		return false;
	}
}

/* Section "Determining IPI Destination"; a device's 0xff is everybody's, x2APIC or not. */
static bool matches_dest(const struct mkvm_lapic *a, const struct mkvm_apic_message *m, bool is_ipi)
{
	bool x2apic = a->mode == MKVM_APIC_MODE_X2;

	if (m->dest == (x2apic ? ~0u : 0xff) || (!is_ipi && m->dest == 0xff))
		return true;
	if (m->logical)
		return matches_logical(a, m->dest);
	return m->dest == (x2apic ? a->id : *reg(a, MKVM_APIC_ID) >> 24);
}

bool mkvm_lapic_matches(const struct mkvm_lapic *a, const struct mkvm_apic_message *m, bool is_ipi,
			bool self)
{
	if (!a->mode)
		return false;
	if (m->mode == MKVM_APIC_LOWEST && !mkvm_lapic_sw_enabled(a))
		return false;
	switch (m->shorthand) {
	case MKVM_APIC_SELF:
		return self;
	case MKVM_APIC_ALL:
		return true;
	case MKVM_APIC_OTHERS:
		return !self;
	default:
		return matches_dest(a, m, is_ipi);
	}
}

bool mkvm_lapic_before(const struct mkvm_lapic *a, const struct mkvm_lapic *b)
{
	u32 class_a = *reg(a, MKVM_APIC_PPR) >> 4, class_b = *reg(b, MKVM_APIC_PPR) >> 4;

	return class_a < class_b || (class_a == class_b && a->turns < b->turns);
}

void mkvm_lapic_icr(const struct mkvm_lapic *a, struct mkvm_apic_message *m)
{
	u32 icr = *reg(a, MKVM_APIC_ICR), dest = *reg(a, MKVM_APIC_ICR2);

	*m = (struct mkvm_apic_message){
		.dest = a->mode == MKVM_APIC_MODE_X2 ? dest : dest >> 24,
		.vector = (u8)icr, .mode = icr >> 8 & 7, .logical = icr & MKVM_BIT(11),
		.assert = icr & MKVM_BIT(14), .level = icr & MKVM_BIT(15),
		.shorthand = icr >> 18 & 3,
	};
}

/* ---- the timer ---- */

/* Section "Divide Configuration Register": 2 to 128, and 1. Never 0. */
static u32 divide_shift(const struct mkvm_lapic *a)
{
	u32 tdcr = *reg(a, MKVM_APIC_TDCR);

	return ((tdcr & 3) + (tdcr >> 1 & 4) + 1) & 7;
}

static bool is_deadline(const struct mkvm_lapic *a)
{
	return *reg(a, MKVM_APIC_LVTT) & MKVM_APIC_LVT_DEADLINE;
}

static bool is_periodic(const struct mkvm_lapic *a)
{
	return *reg(a, MKVM_APIC_LVTT) & MKVM_APIC_LVT_PERIODIC;
}

static u32 stop_timer(struct mkvm_lapic *a)
{
	a->expires = 0;
	a->deadline = 0;
	return MKVM_APIC_DO_TIMER;
}

/* ns; 0: the timer has no count to start with. */
static u64 period(const struct mkvm_lapic *a)
{
	u64 ns = (u64)*reg(a, MKVM_APIC_TMICT) << divide_shift(a);

	return ns && ns < MIN_PERIOD && is_periodic(a) ? MIN_PERIOD : ns;
}

/* left: ns that the count has yet to go. */
static u32 start_timer(struct mkvm_lapic *a, u64 left, u64 now)
{
	u64 whole = period(a);

	if (!whole)
		return stop_timer(a);
	a->expires = now + (left < whole ? left : whole);
	return MKVM_APIC_DO_TIMER;
}

static u64 time_left(const struct mkvm_lapic *a, u64 now)
{
	return a->expires > now ? a->expires - now : 0;
}

static u32 current_count(const struct mkvm_lapic *a, u64 now)
{
	return is_deadline(a) ? 0 : (u32)(time_left(a, now) >> divide_shift(a));
}

/* The count goes on from where it is, slower or faster. */
static u32 write_divide(struct mkvm_lapic *a, u32 value, u64 now)
{
	u64 count = time_left(a, now) >> divide_shift(a);
	bool running = a->expires && !is_deadline(a);

	*reg(a, MKVM_APIC_TDCR) = value;
	return running ? start_timer(a, count << divide_shift(a), now) : 0;
}

/* A change to or from deadline mode disarms: section "TSC-Deadline Mode". */
static u32 write_lvtt(struct mkvm_lapic *a, u32 value)
{
	u32 changed = *reg(a, MKVM_APIC_LVTT) ^ value;

	*reg(a, MKVM_APIC_LVTT) = value;
	if (!(changed & MKVM_APIC_LVT_DEADLINE))
		return 0;
	*reg(a, MKVM_APIC_TMICT) = 0;
	return stop_timer(a);
}

u32 mkvm_lapic_set_deadline(struct mkvm_lapic *a, u64 deadline, u64 expires)
{
	if (!a->mode || !is_deadline(a))
		return 0;
	a->deadline = deadline;
	a->expires = deadline ? expires : 0;
	return MKVM_APIC_DO_TIMER;
}

u32 mkvm_lapic_expire(struct mkvm_lapic *a, u64 now)
{
	u32 lvtt = *reg(a, MKVM_APIC_LVTT), effects = MKVM_APIC_DO_TIMER;
	u64 ns = period(a);

	if (!a->expires || now < a->expires)
		return 0;
	a->deadline = 0;
	if (is_periodic(a) && !is_deadline(a) && ns)
		a->expires += ns * (1 + (now - a->expires) / ns);
	else
		a->expires = 0;
	if (!(lvtt & MKVM_APIC_LVT_MASKED))
		effects |= mkvm_lapic_accept(a, (u8)lvtt, false);
	return effects;
}

/* ---- registers ---- */

static void mask_lvt(struct mkvm_lapic *a)
{
	u32 nr;

	for (nr = MKVM_APIC_LVTT; nr <= MKVM_APIC_LVTERR; nr++)
		*reg(a, nr) |= MKVM_APIC_LVT_MASKED;
}

/* What of it the register holds. */
static u32 writable(const struct mkvm_lapic *a, u32 nr, u32 value)
{
	value &= rules[nr].mask;
	if (nr == MKVM_APIC_LVTT && !a->has_deadline)
		value &= ~MKVM_APIC_LVT_DEADLINE;
	if (nr == MKVM_APIC_SVR && !(*reg(a, MKVM_APIC_VERSION) & MKVM_APIC_HAS_NO_EOI_MSG))
		value &= ~MKVM_APIC_NO_EOI_MSG;
	if (nr == MKVM_APIC_DFR)
		value |= 0x0fffffff;
	return value;
}

static u32 send_ipi(struct mkvm_lapic *a)
{
	u32 icr = *reg(a, MKVM_APIC_ICR);

	if ((icr >> 8 & 7) <= MKVM_APIC_LOWEST && (icr & 0xff) < 16)
		return mkvm_lapic_error(a, MKVM_APIC_SEND_ILLEGAL);
	return MKVM_APIC_DO_IPI;
}

u32 mkvm_lapic_write(struct mkvm_lapic *a, u32 nr, u32 value, u64 now)
{
	if (!rules[nr].rights)
		return mkvm_lapic_error(a, MKVM_APIC_BAD_REGISTER);
	if (!(rules[nr].rights & (XW | X2W)))
		return 0;
	value = writable(a, nr, value);
	if (nr >= MKVM_APIC_LVTT && nr <= MKVM_APIC_LVTERR &&
	    !(*reg(a, MKVM_APIC_SVR) & MKVM_APIC_SW_ENABLE))
		value |= MKVM_APIC_LVT_MASKED;
	switch (nr) {
	case MKVM_APIC_EOI:
		return end_of_interrupt(a);
	case MKVM_APIC_ESR:
		*reg(a, nr) = a->errors;
		a->errors = 0;
		return 0;
	case MKVM_APIC_LVTT:
		return write_lvtt(a, value);
	case MKVM_APIC_TMICT:
		if (is_deadline(a))
			return 0;
		*reg(a, nr) = value;
		return start_timer(a, ~0ull, now);
	case MKVM_APIC_TDCR:
		return write_divide(a, value, now);
	}
	*reg(a, nr) = value;
	if (nr == MKVM_APIC_SVR && !(value & MKVM_APIC_SW_ENABLE))
		mask_lvt(a);
	return nr == MKVM_APIC_ICR ? send_ipi(a) :
	       nr == MKVM_APIC_LVT0 ? MKVM_APIC_DO_LOOK : look(a);
}

u32 mkvm_lapic_read(struct mkvm_lapic *a, u32 nr, u64 now)
{
	switch (nr) {
	case MKVM_APIC_TMCCT:
		return current_count(a, now);
	case MKVM_APIC_IRR ... MKVM_APIC_IRR + 7:
		take_in(a);
		break;
	case 0x09:	/* no bus, no arbitration: the priority is all there is of it */
	case MKVM_APIC_PPR:
		return update_ppr(a);
	}
	if (!rules[nr].rights)
		mkvm_lapic_error(a, MKVM_APIC_BAD_REGISTER);
	return rules[nr].rights & (XR | X2R) ? *reg(a, nr) : 0;
}

static bool x2apic_has(const struct mkvm_lapic *a, u32 nr, u8 right)
{
	return a->mode == MKVM_APIC_MODE_X2 && nr < MKVM_APIC_NR_REGS &&
	       (rules[array_index_nospec(nr, MKVM_APIC_NR_REGS)].rights & right);
}

u32 mkvm_lapic_rdmsr(struct mkvm_lapic *a, u32 nr, u64 *value, u64 now)
{
	if (!x2apic_has(a, nr, X2R))
		return MKVM_APIC_DO_GP;
	nr = array_index_nospec(nr, MKVM_APIC_NR_REGS);
	*value = nr == MKVM_APIC_ID ? a->id : mkvm_lapic_read(a, nr, now);
	if (nr == MKVM_APIC_ICR)
		*value |= (u64)*reg(a, MKVM_APIC_ICR2) << 32;
	return 0;
}

u32 mkvm_lapic_wrmsr(struct mkvm_lapic *a, u32 nr, u64 value, u64 now)
{
	bool zero_only = nr == MKVM_APIC_EOI || nr == MKVM_APIC_ESR;

	if (!x2apic_has(a, nr, X2W) || (zero_only && value) ||
	    (value & (nr == MKVM_APIC_ICR ? X2APIC_ICR_RESERVED : ~0xffffffffull)))
		return MKVM_APIC_DO_GP;
	nr = array_index_nospec(nr, MKVM_APIC_NR_REGS);
	if (nr == MKVM_APIC_SELF_IPI)
		return value & 0xff & ~15u ? mkvm_lapic_accept(a, (u8)value, false) :
					     mkvm_lapic_error(a, MKVM_APIC_SEND_ILLEGAL);
	if (nr == MKVM_APIC_ICR)
		*reg(a, MKVM_APIC_ICR2) = (u32)(value >> 32);
	return mkvm_lapic_write(a, nr, (u32)value, now);
}

/* ---- modes, reset, and the state as a whole ---- */

/* Section "Deriving Logical x2APIC ID from the Local x2APIC ID". */
static void derive_ldr(struct mkvm_lapic *a)
{
	if (a->mode == MKVM_APIC_MODE_X2)
		*reg(a, MKVM_APIC_LDR) = a->id >> 4 << 16 | MKVM_BIT(a->id & 15);
}

bool mkvm_lapic_may_change(u32 mode, u32 next)
{
	if (mode == MKVM_APIC_MODE_X2)
		return next == mode || !next;
	return mode || next != MKVM_APIC_MODE_X2;
}

u32 mkvm_lapic_set_mode(struct mkvm_lapic *a, u32 mode)
{
	if (!a->mode || mode == MKVM_APIC_MODE_X2)
		*reg(a, MKVM_APIC_ID) = a->id << 24;
	a->mode = mode;
	derive_ldr(a);
	return MKVM_APIC_DO_LOOK;
}

u32 mkvm_lapic_reset(struct mkvm_lapic *a, bool init, bool bsp, bool no_eoi_msg)
{
	u32 id = init ? *reg(a, MKVM_APIC_ID) : a->id << 24;

	take_in(a);
	memset(a->page, 0, sizeof(*a->page));
	stop_timer(a);
	a->errors = 0;
	*reg(a, MKVM_APIC_ID) = id;
	*reg(a, MKVM_APIC_VERSION) = VERSION | (no_eoi_msg ? MKVM_APIC_HAS_NO_EOI_MSG : 0);
	*reg(a, MKVM_APIC_DFR) = ~0u;
	*reg(a, MKVM_APIC_SVR) = 0xff;
	mask_lvt(a);
	if (bsp)
		*reg(a, MKVM_APIC_LVT0) = MKVM_APIC_EXTINT << 8;
	derive_ldr(a);
	return MKVM_APIC_DO_TIMER | MKVM_APIC_DO_LOOK;
}

void mkvm_lapic_get(struct mkvm_lapic *a, struct mkvm_apic_page *out, u64 now)
{
	update_ppr(a);
	take_in(a);
	*out = *a->page;
	out->reg[MKVM_APIC_TMCCT].value = current_count(a, now);
}

/* Bits of vectors below 16 are kept: they have no priority that PPR would let through. */
u32 mkvm_lapic_set(struct mkvm_lapic *a, const struct mkvm_apic_page *in, u64 now)
{
	u64 left = (u64)in->reg[MKVM_APIC_TMCCT].value;
	u32 nr;

	take_in(a);
	for (nr = 0; nr < MKVM_APIC_NR_REGS; nr++)
		if (rules[nr].mask)
			*reg(a, nr) = writable(a, nr, in->reg[nr].value);
		else if (nr >= MKVM_APIC_ISR && nr < MKVM_APIC_ESR)
			*reg(a, nr) = in->reg[nr].value;
	*reg(a, MKVM_APIC_ESR) = in->reg[MKVM_APIC_ESR].value & 0xff;
	if (a->mode == MKVM_APIC_MODE_X2) {
		*reg(a, MKVM_APIC_ICR2) = in->reg[MKVM_APIC_ICR2].value;
		*reg(a, MKVM_APIC_ID) = a->id << 24;
		derive_ldr(a);
	}
	stop_timer(a);
	left <<= divide_shift(a);
	if (is_deadline(a) || (!left && !is_periodic(a)))
		return MKVM_APIC_DO_TIMER | MKVM_APIC_DO_LOOK;
	return start_timer(a, left ? left : ~0ull, now) | MKVM_APIC_DO_LOOK;
}
