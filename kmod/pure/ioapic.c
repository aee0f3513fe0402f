// SPDX-License-Identifier: GPL-2.0-only
/* The I/O APIC. */
#include "ioapic.h"

#define REG_ID		0x00
#define REG_VERSION	0x01
#define REG_ARBITRATION	0x02
#define REG_ENTRIES	0x10	/* two registers each, low half first */

#define VERSION		((MKVM_IOAPIC_PINS - 1) << 16 | 0x11)
#define READ_ONLY	(MKVM_RTE_REMOTE_IRR | MKVM_RTE_PENDING)
#define ALL_PINS	(MKVM_BIT(MKVM_IOAPIC_PINS) - 1)

/* A message is owed for a pin that is high; is it free to go? Then it goes. */
static bool deliver(struct mkvm_ioapic *io, u32 pin)
{
	u64 *entry = &io->entry[pin];

	if (*entry & MKVM_RTE_MASKED)
		return false;
	if (!(*entry & MKVM_RTE_LEVEL)) {
		io->delivered |= MKVM_BIT(pin);
		return true;
	}
	if (*entry & MKVM_RTE_REMOTE_IRR)
		return false;
	*entry |= MKVM_RTE_REMOTE_IRR;
	return true;
}

static u32 deliver_level(struct mkvm_ioapic *io, u32 pin)
{
	if (!(io->entry[pin] & MKVM_RTE_LEVEL) || !(io->high & MKVM_BIT(pin)))
		return 0;
	return deliver(io, pin) ? MKVM_BIT(pin) : 0;
}

void mkvm_ioapic_reset(struct mkvm_ioapic *io)
{
	u32 pin;

	memset(io, 0, sizeof(*io));
	for (pin = 0; pin < MKVM_IOAPIC_PINS; pin++)
		io->entry[pin] = MKVM_RTE_MASKED;
}

int mkvm_ioapic_set_pin(struct mkvm_ioapic *io, u32 pin, bool high)
{
	u32 bit = MKVM_BIT(pin), before = io->high;

	if (!high) {
		io->high &= ~bit;
		io->delivered &= ~bit;
		return MKVM_PIN_DONE;
	}
	io->high |= bit;
	if (!(io->entry[pin] & MKVM_RTE_LEVEL) && (before & bit))
		return MKVM_PIN_COALESCED;
	return deliver(io, pin) ? MKVM_PIN_DUE : MKVM_PIN_IGNORED;
}

static u32 read_window(const struct mkvm_ioapic *io)
{
	u32 pin = ((u32)io->select - REG_ENTRIES) / 2;
	u64 entry = ~0ull;

	switch (io->select) {
	case REG_VERSION:
		return VERSION;
	case REG_ID:
	case REG_ARBITRATION:
		return (u32)io->id << 24;
	}
	if (pin < MKVM_IOAPIC_PINS)
		entry = io->entry[array_index_nospec(pin, MKVM_IOAPIC_PINS)];
	return io->select & 1 ? entry >> 32 : (u32)entry;
}

u32 mkvm_ioapic_read(const struct mkvm_ioapic *io, u32 offset)
{
	if (offset == 0x10)
		return read_window(io);
	return offset ? 0 : io->select;
}

/*
 * The I/O APIC has no EOI register: systems clear Remote IRR by making the pin
 * edge-triggered for a moment.
 */
static u32 write_entry(struct mkvm_ioapic *io, u32 pin, u32 value)
{
	u64 *entry, old;

	if (pin >= MKVM_IOAPIC_PINS)
		return 0;
	pin = array_index_nospec(pin, MKVM_IOAPIC_PINS);
	entry = &io->entry[pin];
	old = *entry;
	if (io->select & 1)
		*entry = (u32)old | (u64)value << 32;
	else
		*entry = (old & ~0xffffffffull) | (value & ~READ_ONLY) | (old & READ_ONLY);
	if (!(*entry & MKVM_RTE_LEVEL))
		*entry &= ~MKVM_RTE_REMOTE_IRR;
	return deliver_level(io, pin);
}

u32 mkvm_ioapic_write(struct mkvm_ioapic *io, u32 offset, u32 value)
{
	if (!offset)
		io->select = value;
	if (offset != 0x10)
		return 0;
	if (io->select == REG_ID)
		io->id = value >> 24 & 15;
	return write_entry(io, ((u32)io->select - REG_ENTRIES) / 2, value);
}

u32 mkvm_ioapic_acknowledged(const struct mkvm_ioapic *io, u8 vector)
{
	u32 pin, pins = 0;

	for (pin = 0; pin < MKVM_IOAPIC_PINS; pin++)
		if ((io->entry[pin] & MKVM_RTE_LEVEL) && MKVM_RTE_VECTOR(io->entry[pin]) == vector)
			pins |= MKVM_BIT(pin);
	return pins;
}

u32 mkvm_ioapic_end(struct mkvm_ioapic *io, u32 pins)
{
	u32 pin, due = 0;

	for (pin = 0; pin < MKVM_IOAPIC_PINS; pin++) {
		if (!(pins & MKVM_BIT(pin)))
			continue;
		io->entry[pin] &= ~MKVM_RTE_REMOTE_IRR;
		due |= deliver_level(io, pin);
	}
	return due;
}

/* An edge that went out is no request any more: who restores must not see it twice. */
void mkvm_ioapic_get(const struct mkvm_ioapic *io, struct kvm_ioapic_state *state)
{
	u32 pin;

	memset(state, 0, sizeof(*state));
	state->base_address = MKVM_IOAPIC_BASE;
	state->ioregsel = io->select;
	state->id = io->id;
	state->irr = io->high & ~io->delivered;
	for (pin = 0; pin < MKVM_IOAPIC_PINS; pin++)
		state->redirtbl[pin].bits = io->entry[pin];
}

u32 mkvm_ioapic_set(struct mkvm_ioapic *io, const struct kvm_ioapic_state *state)
{
	u32 pin, due = 0;

	io->select = state->ioregsel;
	io->id = state->id & 15;
	io->high = state->irr & ALL_PINS;
	io->delivered = 0;
	for (pin = 0; pin < MKVM_IOAPIC_PINS; pin++)
		io->entry[pin] = state->redirtbl[pin].bits;
	for (pin = 0; pin < MKVM_IOAPIC_PINS; pin++)
		if ((io->high & MKVM_BIT(pin)) && deliver(io, pin))
			due |= MKVM_BIT(pin);
	return due;
}
