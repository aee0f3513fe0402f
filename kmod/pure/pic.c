// SPDX-License-Identifier: GPL-2.0-only
/* The 8259A pair. */
#include "pic.h"

#include "ioapic.h"

#define ICW1_SELECT	MKVM_BIT(4)
#define ICW1_ICW4	MKVM_BIT(0)
#define ICW1_SINGLE	MKVM_BIT(1)
#define ICW4_AUTO_EOI	MKVM_BIT(1)
#define ICW4_NESTED	MKVM_BIT(4)
#define OCW2_EOI	MKVM_BIT(5)
#define OCW2_SPECIFIC	MKVM_BIT(6)
#define OCW2_ROTATE	MKVM_BIT(7)
#define OCW3_SELECT	MKVM_BIT(3)
#define OCW3_READ_ISR	MKVM_BIT(0)
#define OCW3_READ	MKVM_BIT(1)
#define OCW3_POLL	MKVM_BIT(2)
#define OCW3_MASK	MKVM_BIT(5)
#define OCW3_SET_MASK	MKVM_BIT(6)

/* The bit of @pins that comes first in the rotated priority order, or -1. */
static int highest(const struct kvm_pic_state *c, u8 pins)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		if (pins & MKVM_BIT((c->priority_add + i) & 7))
			return (c->priority_add + i) & 7;
	return -1;
}

static void make_lowest(struct kvm_pic_state *c, int pin)
{
	c->priority_add = (pin + 1) & 7;
}

static u8 pins_in_service(const struct kvm_pic_state *c)
{
	return c->special_mask ? c->isr & ~c->imr : c->isr;
}

/* The request that the chip asks service for, or -1. */
static int request(const struct kvm_pic_state *c)
{
	u8 wanted = c->irr & ~c->imr, busy = pins_in_service(c);
	int pin = highest(c, wanted | busy);

	if (pin < 0 || !(wanted & MKVM_BIT(pin)))
		return -1;
	/* The secondary may interrupt itself: it has priorities of its own. */
	if (busy & MKVM_BIT(pin) && !(pin == MKVM_PIC_CASCADE && c->special_fully_nested_mode))
		return -1;
	return pin;
}

/*
 * Run after every change. The wire between the chips follows the secondary's INT in both
 * directions, like a level: INT stays up when the next request waits behind the served one.
 */
static void cascade(struct mkvm_pic *pic)
{
	u8 bit = MKVM_BIT(MKVM_PIC_CASCADE);

	if (request(&pic->chip[1]) >= 0)
		pic->chip[0].irr |= bit;
	else
		pic->chip[0].irr &= ~bit;
}

bool mkvm_pic_output(const struct mkvm_pic *pic)
{
	return request(&pic->chip[0]) >= 0;
}

/* IRQs 0, 1, 2, 8 and 13 belong to devices on the board: always edge. */
void mkvm_pic_reset(struct mkvm_pic *pic)
{
	*pic = (struct mkvm_pic){
		.chip = { { .imr = 0xff, .elcr_mask = 0xf8 }, { .imr = 0xff, .elcr_mask = 0xde } },
	};
}

/*
 * An edge stays requested after the line falls; the chip would turn that into
 * a spurious interrupt, but every board's devices hold their line.
 */
int mkvm_pic_set_irq(struct mkvm_pic *pic, unsigned int irq, bool high)
{
	struct kvm_pic_state *c = &pic->chip[irq >> 3 & 1];
	u8 bit = MKVM_BIT(irq & 7), level = c->elcr & bit;
	bool rises = high && (level || !(c->last_irr & bit)), waits = c->irr & bit;

	if (irq < MKVM_PIC_NR_IRQS && irq != MKVM_PIC_CASCADE) {
		if (rises)
			c->irr |= bit;
		else if (!high)
			c->irr &= ~level;
		c->last_irr = high ? c->last_irr | bit : c->last_irr & ~bit;
		cascade(pic);
	}
	if (c->imr & bit)
		return MKVM_PIN_IGNORED;
	return rises && waits ? MKVM_PIN_COALESCED : MKVM_PIN_DONE;
}

/* Section "Initialization Command Words 1 and 2 (ICW1, ICW2)": edges have to come again. */
static void write_icw1(struct kvm_pic_state *c, u8 value)
{
	*c = (struct kvm_pic_state){
		.last_irr = c->last_irr, .elcr = c->elcr, .elcr_mask = c->elcr_mask,
		.irr = c->last_irr & c->elcr, .irq_base = c->irq_base,
		.init_state = MKVM_PIC_ICW2, .init4 = !!(value & ICW1_ICW4),
	};
}

static void write_ocw2(struct kvm_pic_state *c, u8 value)
{
	int pin = value & OCW2_SPECIFIC ? value & 7 : highest(c, pins_in_service(c));

	if (!(value & (OCW2_EOI | OCW2_SPECIFIC))) {
		c->rotate_on_auto_eoi = !!(value & OCW2_ROTATE);
	} else if (pin >= 0) {
		if (value & OCW2_EOI)
			c->isr &= ~MKVM_BIT(pin);
		if (value & OCW2_ROTATE)
			make_lowest(c, pin);
	}
}

static void write_ocw3(struct kvm_pic_state *c, u8 value)
{
	if (value & OCW3_POLL)
		c->poll = 1;
	if (value & OCW3_READ)
		c->read_reg_select = value & OCW3_READ_ISR;
	if (value & OCW3_SET_MASK)
		c->special_mask = !!(value & OCW3_MASK);
}

static void write_data(struct kvm_pic_state *c, bool single, u8 value)
{
	u8 last = c->init4 ? MKVM_PIC_ICW4 : MKVM_PIC_READY;

	switch (c->init_state) {
	case MKVM_PIC_ICW2:
		c->irq_base = value & 0xf8;
		c->init_state = single ? last : MKVM_PIC_ICW3;
		break;
	case MKVM_PIC_ICW3:	/* the wiring of a PC is fixed: nothing to keep */
		c->init_state = last;
		break;
	case MKVM_PIC_ICW4:
		c->auto_eoi = !!(value & ICW4_AUTO_EOI);
		c->special_fully_nested_mode = !!(value & ICW4_NESTED);
		c->init_state = MKVM_PIC_READY;
		break;
	default:
		c->imr = value;
	}
}

static void write_chip(struct mkvm_pic *pic, unsigned int chip, bool data, u8 value)
{
	struct kvm_pic_state *c = &pic->chip[chip];

	if (data) {
		write_data(c, pic->single[chip], value);
	} else if (value & ICW1_SELECT) {
		pic->single[chip] = !!(value & ICW1_SINGLE);
		write_icw1(c, value);
	} else if (value & OCW3_SELECT) {
		write_ocw3(c, value);
	} else {
		write_ocw2(c, value);
	}
}

static void write_elcr(struct kvm_pic_state *c, u8 value)
{
	u8 changed = c->elcr ^ (value & c->elcr_mask);

	c->elcr ^= changed;
	c->irr = (c->irr & ~changed) | (c->last_irr & c->elcr & changed);
}

void mkvm_pic_write(struct mkvm_pic *pic, u16 port, u8 value)
{
	u8 odd = port & 1;

	switch (port - odd) {
	case MKVM_PIC_PRIMARY_PORT:
		write_chip(pic, 0, odd, value);
		break;
	case MKVM_PIC_SECONDARY_PORT:
		write_chip(pic, 1, odd, value);
		break;
	case MKVM_PIC_ELCR_PORT:
		write_elcr(&pic->chip[odd], value);
	}
	cascade(pic);
}

/* The request leaves IRR (a level stays as long as its line) and enters ISR. -1: none. */
static int serve(struct kvm_pic_state *c)
{
	int pin = request(c);
	u8 bit;

	if (pin < 0)
		return -1;
	bit = MKVM_BIT(pin);
	if (!(c->elcr & bit))
		c->irr &= ~bit;
	if (!c->auto_eoi)
		c->isr |= bit;
	else if (c->rotate_on_auto_eoi)
		make_lowest(c, pin);
	return pin;
}

/* Section "Poll Command": the read takes the place of INTA. */
static u8 read_chip(struct kvm_pic_state *c, bool data)
{
	int pin;

	if (c->poll) {
		c->poll = 0;
		pin = serve(c);
		return pin < 0 ? 0 : 0x80 | pin;
	}
	if (data)
		return c->imr;
	return c->read_reg_select ? c->isr : c->irr;
}

u8 mkvm_pic_read(struct mkvm_pic *pic, u16 port)
{
	u8 odd = port & 1, value = 0xff;

	switch (port - odd) {
	case MKVM_PIC_PRIMARY_PORT:
		value = read_chip(&pic->chip[0], odd);
		break;
	case MKVM_PIC_SECONDARY_PORT:
		value = read_chip(&pic->chip[1], odd);
		break;
	case MKVM_PIC_ELCR_PORT:
		value = pic->chip[odd].elcr;
	}
	cascade(pic);
	return value;
}

/* A request that went away is pin 7, with nothing in service. */
static u8 acknowledge(struct kvm_pic_state *c)
{
	int pin = serve(c);

	return c->irq_base + (pin < 0 ? 7 : pin);
}

u8 mkvm_pic_acknowledge(struct mkvm_pic *pic)
{
	bool secondary = request(&pic->chip[0]) == MKVM_PIC_CASCADE;
	u8 vector = acknowledge(&pic->chip[0]);

	if (secondary)
		vector = acknowledge(&pic->chip[1]);
	cascade(pic);
	return vector;
}

void mkvm_pic_set(struct mkvm_pic *pic, unsigned int chip, const struct kvm_pic_state *state)
{
	u8 elcr_mask = pic->chip[chip].elcr_mask;

	pic->single[chip] = 0;
	pic->chip[chip] = (struct kvm_pic_state){
		.last_irr = state->last_irr, .irr = state->irr, .imr = state->imr,
		.isr = state->isr, .priority_add = state->priority_add & 7,
		.irq_base = state->irq_base & 0xf8, .read_reg_select = !!state->read_reg_select,
		.poll = !!state->poll, .special_mask = !!state->special_mask,
		.init_state = state->init_state & 3, .auto_eoi = !!state->auto_eoi,
		.rotate_on_auto_eoi = !!state->rotate_on_auto_eoi, .init4 = !!state->init4,
		.special_fully_nested_mode = !!state->special_fully_nested_mode,
		.elcr = state->elcr & elcr_mask, .elcr_mask = elcr_mask,
	};
	cascade(pic);
}
