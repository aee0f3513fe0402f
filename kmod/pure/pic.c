// SPDX-License-Identifier: GPL-2.0-only
/* The 8259A pair. */
#include "pic.h"

#define ICW1_SELECT	MKVM_BIT(4)
#define ICW1_ICW4	MKVM_BIT(0)
#define ICW1_SINGLE	MKVM_BIT(1)
#define ICW4_AUTO_EOI	MKVM_BIT(1)
#define ICW4_NESTED	MKVM_BIT(4)
#define OCW3_SELECT	MKVM_BIT(3)
#define OCW3_READ_ISR	MKVM_BIT(0)
#define OCW3_READ	MKVM_BIT(1)
#define OCW3_POLL	MKVM_BIT(2)
#define OCW3_MASK	MKVM_BIT(5)
#define OCW3_SET_MASK	MKVM_BIT(6)

/* OCW2 bits 7:5: rotate, specific level, end of interrupt */
enum ocw2 {
	OCW2_ROTATE_AUTO_OFF,
	OCW2_EOI,
	OCW2_NOTHING,
	OCW2_SPECIFIC_EOI,
	OCW2_ROTATE_AUTO_ON,
	OCW2_ROTATE_EOI,
	OCW2_SET_PRIORITY,
	OCW2_ROTATE_SPECIFIC_EOI,
};

/* IRQs 0, 1, 2, 8 and 13 belong to devices on the board: always edge. */
static const u8 elcr_writable[2] = { 0xf8, 0xde };

/* The bit of @pins that comes first in the rotated priority order, or -1. */
static int highest(const struct mkvm_pic_chip *c, u8 pins)
{
	unsigned int i;

	for (i = 1; i <= 8; i++)
		if (pins & MKVM_BIT((c->lowest + i) & 7))
			return (c->lowest + i) & 7;
	return -1;
}

/* 0 is served first. */
static unsigned int rank(const struct mkvm_pic_chip *c, int pin)
{
	return (pin - c->lowest - 1) & 7;
}

static u8 pins_in_service(const struct mkvm_pic_chip *c)
{
	return c->special_mask ? c->isr & ~c->imr : c->isr;
}

/* The request that the chip asks service for, or -1. */
static int request(const struct mkvm_pic_chip *c)
{
	int wanted = highest(c, c->irr & ~c->imr);
	int busy = highest(c, pins_in_service(c));

	if (wanted < 0 || busy < 0 || rank(c, wanted) < rank(c, busy))
		return wanted;
	/* The secondary may interrupt itself: it has priorities of its own. */
	if (wanted == busy && wanted == MKVM_PIC_CASCADE && c->fully_nested)
		return wanted;
	return -1;
}

/*
 * An edge stays requested after the line falls; the chip would turn that into
 * a spurious interrupt, but every board's devices hold their line.
 */
static void set_pin(struct mkvm_pic_chip *c, unsigned int pin, bool high)
{
	u8 bit = MKVM_BIT(pin);

	if (c->elcr & bit)
		c->irr = high ? c->irr | bit : c->irr & ~bit;
	else if (high && !(c->line & bit))
		c->irr |= bit;
	c->line = high ? c->line | bit : c->line & ~bit;
}

/*
 * The wire between the chips follows the secondary's INT in both directions,
 * like a level: INT stays up when the next request waits behind the served one.
 */
static void cascade(struct mkvm_pic *pic)
{
	struct mkvm_pic_chip *primary = &pic->chip[0];
	u8 bit = MKVM_BIT(MKVM_PIC_CASCADE);

	if (request(&pic->chip[1]) >= 0)
		primary->irr |= bit;
	else
		primary->irr &= ~bit;
}

/* Run after every change: passes on the secondary's INT, tells of INTR's. */
static u32 settle(struct mkvm_pic *pic, bool before)
{
	cascade(pic);
	return mkvm_pic_output(pic) == before ? 0 : MKVM_PIC_OUTPUT;
}

bool mkvm_pic_output(const struct mkvm_pic *pic)
{
	return request(&pic->chip[0]) >= 0;
}

void mkvm_pic_reset(struct mkvm_pic *pic)
{
	unsigned int i;

	memset(pic, 0, sizeof(*pic));
	for (i = 0; i < 2; i++) {
		pic->chip[i].lowest = 7;
		pic->chip[i].imr = 0xff;
	}
}

u32 mkvm_pic_set_irq(struct mkvm_pic *pic, unsigned int irq, bool high)
{
	bool before = mkvm_pic_output(pic);

	if (irq >= MKVM_PIC_NR_IRQS || irq == MKVM_PIC_CASCADE)
		return 0;
	set_pin(&pic->chip[irq >> 3], irq & 7, high);
	return settle(pic, before);
}

/* Section "Initialization Command Words 1 and 2 (ICW1, ICW2)". */
static void write_icw1(struct mkvm_pic_chip *c, u8 value)
{
	c->irr = c->line & c->elcr;	/* edges have to come again */
	c->isr = 0;
	c->imr = 0;
	c->lowest = 7;
	c->auto_eoi = 0;
	c->fully_nested = 0;
	c->rotate_auto_eoi = 0;
	c->special_mask = 0;
	c->poll = 0;
	c->read_isr = 0;
	c->single = !!(value & ICW1_SINGLE);
	c->expect_icw4 = !!(value & ICW1_ICW4);
	c->step = MKVM_PIC_ICW2;
}

static void end_of_interrupt(struct mkvm_pic_chip *c, int pin, bool rotate)
{
	if (pin < 0)
		return;
	c->isr &= ~MKVM_BIT(pin);
	if (rotate)
		c->lowest = pin;
}

static void write_ocw2(struct mkvm_pic_chip *c, u8 value)
{
	int pin = value & 7;

	switch ((enum ocw2)(value >> 5)) {
	case OCW2_ROTATE_AUTO_OFF:
		c->rotate_auto_eoi = 0;
		break;
	case OCW2_ROTATE_AUTO_ON:
		c->rotate_auto_eoi = 1;
		break;
	case OCW2_EOI:
		end_of_interrupt(c, highest(c, pins_in_service(c)), false);
		break;
	case OCW2_ROTATE_EOI:
		end_of_interrupt(c, highest(c, pins_in_service(c)), true);
		break;
	case OCW2_SPECIFIC_EOI:
		end_of_interrupt(c, pin, false);
		break;
	case OCW2_ROTATE_SPECIFIC_EOI:
		end_of_interrupt(c, pin, true);
		break;
	case OCW2_SET_PRIORITY:
		c->lowest = pin;
		break;
	case OCW2_NOTHING:
		break;
	}
}

static void write_ocw3(struct mkvm_pic_chip *c, u8 value)
{
	if (value & OCW3_POLL)
		c->poll = 1;
	if (value & OCW3_READ)
		c->read_isr = value & OCW3_READ_ISR;
	if (value & OCW3_SET_MASK)
		c->special_mask = !!(value & OCW3_MASK);
}

static void write_command(struct mkvm_pic_chip *c, u8 value)
{
	if (value & ICW1_SELECT)
		write_icw1(c, value);
	else if (value & OCW3_SELECT)
		write_ocw3(c, value);
	else
		write_ocw2(c, value);
}

static void write_data(struct mkvm_pic_chip *c, u8 value)
{
	switch (c->step) {
	case MKVM_PIC_ICW2:
		c->vector_base = value & 0xf8;
		if (!c->single)
			c->step = MKVM_PIC_ICW3;
		else
			c->step = c->expect_icw4 ? MKVM_PIC_ICW4 : MKVM_PIC_READY;
		break;
	case MKVM_PIC_ICW3:	/* the wiring of a PC is fixed: nothing to keep */
		c->step = c->expect_icw4 ? MKVM_PIC_ICW4 : MKVM_PIC_READY;
		break;
	case MKVM_PIC_ICW4:
		c->auto_eoi = !!(value & ICW4_AUTO_EOI);
		c->fully_nested = !!(value & ICW4_NESTED);
		c->step = MKVM_PIC_READY;
		break;
	default:
		c->imr = value;
	}
}

static void write_elcr(struct mkvm_pic_chip *c, u8 value)
{
	u8 changed = c->elcr ^ value;

	c->elcr = value;
	c->irr = (c->irr & ~changed) | (c->line & c->elcr & changed);
}

u32 mkvm_pic_write(struct mkvm_pic *pic, u16 port, u8 value)
{
	bool before = mkvm_pic_output(pic);

	switch (port) {
	case MKVM_PIC_PRIMARY_PORT:
	case MKVM_PIC_SECONDARY_PORT:
		write_command(&pic->chip[port == MKVM_PIC_SECONDARY_PORT], value);
		break;
	case MKVM_PIC_PRIMARY_PORT + 1:
	case MKVM_PIC_SECONDARY_PORT + 1:
		write_data(&pic->chip[port == MKVM_PIC_SECONDARY_PORT + 1], value);
		break;
	case MKVM_PIC_ELCR_PORT:
	case MKVM_PIC_ELCR_PORT + 1:
		write_elcr(&pic->chip[port & 1], value & elcr_writable[port & 1]);
		break;
	default:
		return 0;
	}
	return settle(pic, before);
}

/* The request leaves IRR (a level stays as long as its line) and enters ISR. */
static void serve(struct mkvm_pic_chip *c, int pin)
{
	u8 bit = MKVM_BIT(pin);

	if (!(c->elcr & bit))
		c->irr &= ~bit;
	if (!c->auto_eoi)
		c->isr |= bit;
	else if (c->rotate_auto_eoi)
		c->lowest = pin;
}

/* Section "Poll Command": the read takes the place of INTA. */
static u8 poll(struct mkvm_pic_chip *c)
{
	int pin = request(c);

	c->poll = 0;
	if (pin < 0)
		return 0;
	serve(c, pin);
	return 0x80 | pin;
}

static u8 read_chip(struct mkvm_pic_chip *c, bool data)
{
	if (c->poll)
		return poll(c);
	if (data)
		return c->imr;
	return c->read_isr ? c->isr : c->irr;
}

u8 mkvm_pic_read(struct mkvm_pic *pic, u16 port, u32 *effects)
{
	bool before = mkvm_pic_output(pic);
	u8 value = 0xff;

	switch (port) {
	case MKVM_PIC_PRIMARY_PORT:
	case MKVM_PIC_PRIMARY_PORT + 1:
		value = read_chip(&pic->chip[0], port & 1);
		break;
	case MKVM_PIC_SECONDARY_PORT:
	case MKVM_PIC_SECONDARY_PORT + 1:
		value = read_chip(&pic->chip[1], port & 1);
		break;
	case MKVM_PIC_ELCR_PORT:
	case MKVM_PIC_ELCR_PORT + 1:
		value = pic->chip[port & 1].elcr;
		break;
	}
	*effects = settle(pic, before);
	return value;
}

/* Returns the pin to report: 7, and nothing in service, for a spurious one. */
static int acknowledge(struct mkvm_pic_chip *c)
{
	int pin = request(c);

	if (pin < 0)
		return 7;
	serve(c, pin);
	return pin;
}

u8 mkvm_pic_acknowledge(struct mkvm_pic *pic, u32 *effects)
{
	bool before = mkvm_pic_output(pic);
	int pin = acknowledge(&pic->chip[0]);
	u8 vector = pic->chip[0].vector_base + pin;

	if (pin == MKVM_PIC_CASCADE)
		vector = pic->chip[1].vector_base + acknowledge(&pic->chip[1]);
	*effects = settle(pic, before);
	return vector;
}

void mkvm_pic_get(const struct mkvm_pic *pic, unsigned int chip, struct kvm_pic_state *state)
{
	const struct mkvm_pic_chip *c = &pic->chip[chip];

	*state = (struct kvm_pic_state){
		.last_irr = c->line, .irr = c->irr, .imr = c->imr, .isr = c->isr,
		.priority_add = (c->lowest + 1) & 7, .irq_base = c->vector_base,
		.read_reg_select = c->read_isr, .poll = c->poll, .special_mask = c->special_mask,
		.init_state = c->step, .auto_eoi = c->auto_eoi,
		.rotate_on_auto_eoi = c->rotate_auto_eoi,
		.special_fully_nested_mode = c->fully_nested, .init4 = c->expect_icw4,
		.elcr = c->elcr, .elcr_mask = elcr_writable[chip],
	};
}

u32 mkvm_pic_set(struct mkvm_pic *pic, unsigned int chip, const struct kvm_pic_state *state)
{
	bool before = mkvm_pic_output(pic);

	pic->chip[chip] = (struct mkvm_pic_chip){
		.line = state->last_irr, .irr = state->irr, .imr = state->imr, .isr = state->isr,
		.lowest = (state->priority_add - 1) & 7, .vector_base = state->irq_base & 0xf8,
		.read_isr = !!state->read_reg_select, .poll = !!state->poll,
		.special_mask = !!state->special_mask, .step = state->init_state & 3,
		.auto_eoi = !!state->auto_eoi, .rotate_auto_eoi = !!state->rotate_on_auto_eoi,
		.fully_nested = !!state->special_fully_nested_mode, .expect_icw4 = !!state->init4,
		.elcr = state->elcr & elcr_writable[chip],
	};
	return settle(pic, before);
}

static bool chip_valid(const struct mkvm_pic_chip *c, u8 elcr_mask)
{
	return c->lowest <= 7 && c->step <= MKVM_PIC_ICW4 &&
	       !(c->vector_base & 7) && !(c->elcr & ~elcr_mask) &&
	       c->single <= 1 && c->expect_icw4 <= 1 && c->auto_eoi <= 1 &&
	       c->fully_nested <= 1 && c->rotate_auto_eoi <= 1 &&
	       c->special_mask <= 1 && c->poll <= 1 && c->read_isr <= 1;
}

bool mkvm_pic_valid(const struct mkvm_pic *pic)
{
	return chip_valid(&pic->chip[0], elcr_writable[0]) &&
	       chip_valid(&pic->chip[1], elcr_writable[1]);
}
