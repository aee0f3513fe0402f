// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8254. Two simplifications against the manual: a count is loaded at the
 * write, not at the clock pulse after it, and a new count in mode 3 waits for
 * the end of the period, not of the half period.
 */
#include "pit.h"

#define NSEC_PER_SECOND		1000000000ull
#define REFRESH_HALF_PERIOD	15085u	/* ns; what software measures on port 0x61 */

#define ACCESS_LOW		1
#define ACCESS_HIGH		2
#define ACCESS_BOTH		3

#define READ_BACK_NO_COUNT	MKVM_BIT(5)
#define READ_BACK_NO_STATUS	MKVM_BIT(4)
#define STATUS_OUT		MKVM_BIT(7)
#define STATUS_NULL_COUNT	MKVM_BIT(6)

#define SPEAKER_GATE		MKVM_BIT(0)
#define SPEAKER_DATA		KVM_PIT_FLAGS_SPEAKER_DATA_ON	/* the same bit */
#define SPEAKER_REFRESH		MKVM_BIT(4)
#define SPEAKER_OUT		MKVM_BIT(5)

/* Seconds and rest apart: the product would not fit 64 bits after 4 hours. */
static u64 to_ticks(u64 ns)
{
	return ns / NSEC_PER_SECOND * MKVM_PIT_HZ +
	       ns % NSEC_PER_SECOND * MKVM_PIT_HZ / NSEC_PER_SECOND;
}

/* The first nanosecond of that tick. */
static u64 to_ns(u64 ticks)
{
	return ticks / MKVM_PIT_HZ * NSEC_PER_SECOND +
	       (ticks % MKVM_PIT_HZ * NSEC_PER_SECOND + MKVM_PIT_HZ - 1) / MKVM_PIT_HZ;
}

static u32 from_bcd(u16 v)
{
	return (v >> 12) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15);
}

static u16 to_bcd(u32 v)
{
	return (v / 1000 % 10) << 12 | (v / 100 % 10) << 8 | (v / 10 % 10) << 4 | v % 10;
}

/* Modes 2 and 3 start over by themselves and stop while the gate is low. */
static bool periodic(const struct mkvm_pit_channel *c)
{
	return c->mode == 2 || c->mode == 3;
}

/* Modes 1 and 5 start when the gate rises; its level does not matter. */
static bool triggered(const struct mkvm_pit_channel *c)
{
	return c->mode == 1 || c->mode == 5;
}

static bool counting(const struct mkvm_pit_channel *c)
{
	return c->loaded && (c->gate || triggered(c));
}

/* OUT rises when this many ticks of the count have passed; a period of 1 has no edges. */
static u64 rise_after(const struct mkvm_pit_channel *c)
{
	if (periodic(c) && c->count == 1)
		return 0;
	return c->mode >= 4 ? c->count + 1ull : c->count;
}

static bool out(const struct mkvm_pit_channel *c)
{
	if (!c->loaded)
		return c->mode != 0;
	switch (c->mode) {
	case 0:
	case 1:
		return c->elapsed >= c->count;
	case 2:
		return !c->gate || c->elapsed != c->count - 1;
	case 3:
		return !c->gate || c->elapsed < (c->count + 1) / 2;
	default:
		return c->elapsed != c->count;
	}
}

static void start(struct mkvm_pit_channel *c)
{
	c->count = c->reload;
	c->elapsed = 0;
	c->loaded = 1;
}

/* Catches up with time; every use of a channel starts with this. */
static void advance(struct mkvm_pit_channel *c, u64 now)
{
	u64 tick = to_ticks(now), t = c->elapsed + tick - c->now;

	c->now = tick;
	if (!counting(c))
		return;
	if (c->elapsed < rise_after(c) && t >= rise_after(c))
		c->rises++;
	if (periodic(c) && t >= c->count) {
		t -= c->count;
		c->count = c->reload;	/* one that was written waited for this */
		if (c->count > 1)
			c->rises += t / c->count;
		t %= c->count;
	}
	c->elapsed = t;
}

static struct mkvm_pit_channel at(const struct mkvm_pit *pit, unsigned int channel, u64 now)
{
	struct mkvm_pit_channel c = pit->channel[channel];

	advance(&c, now);
	return c;
}

/* As the guest reads it. Modes that do not start over count on below zero. */
static u16 visible_count(const struct mkvm_pit_channel *c)
{
	u32 width = c->bcd ? 10000 : 0x10000, left = c->reload;

	if (c->loaded && c->mode == 3)	/* down by two, twice per period */
		left = (c->count & ~1u) - 2 * (u32)(c->elapsed % ((c->count + 1) / 2));
	else if (c->loaded)
		left = c->count + width - (u32)(c->elapsed % width);
	left %= width;
	return c->bcd ? to_bcd(left) : (u16)left;
}

static void write_count(struct mkvm_pit_channel *c, u16 value)
{
	c->reload = c->bcd ? from_bcd(value) : value;
	if (!c->reload)
		c->reload = c->bcd ? 10000 : 0x10000;
	c->written = 1;
	if (!triggered(c) && !(periodic(c) && c->loaded))
		start(c);
}

/* In mode 0 the first byte of a count stops the old one and lowers OUT. */
static void write_channel(struct mkvm_pit_channel *c, u8 value)
{
	if (c->access != ACCESS_BOTH) {
		write_count(c, c->access == ACCESS_HIGH ? value << 8 : value);
	} else if (c->write_high) {
		c->write_high = 0;
		write_count(c, c->low_byte | value << 8);
	} else {
		c->low_byte = value;
		c->write_high = 1;
		if (c->mode == 0)
			c->loaded = 0;
	}
}

static void latch_count(struct mkvm_pit_channel *c)
{
	if (c->count_latched)
		return;		/* ignored until the first one is read */
	c->latched = visible_count(c);
	c->count_latched = 1;
	c->read_high = 0;
}

static void latch_status(struct mkvm_pit_channel *c)
{
	bool waiting = !c->loaded || c->reload != c->count;

	if (c->status_latched)
		return;
	c->status = (out(c) ? STATUS_OUT : 0) | (waiting ? STATUS_NULL_COUNT : 0) |
		    c->access << 4 | c->mode << 1 | c->bcd;
	c->status_latched = 1;
}

static void read_back(struct mkvm_pit *pit, u8 value, u64 now)
{
	unsigned int i;

	for (i = 0; i < MKVM_PIT_CHANNELS; i++) {
		if (!(value & MKVM_BIT(i + 1)))
			continue;
		advance(&pit->channel[i], now);
		if (!(value & READ_BACK_NO_COUNT))
			latch_count(&pit->channel[i]);
		if (!(value & READ_BACK_NO_STATUS))
			latch_status(&pit->channel[i]);
	}
}

static void write_control(struct mkvm_pit_channel *c, u8 value)
{
	u8 access = value >> 4 & 3, mode = value >> 1 & 7;

	if (!access) {
		latch_count(c);
		return;
	}
	*c = (struct mkvm_pit_channel){
		.now = c->now, .rises = c->rises, .count = c->reload, .reload = c->reload,
		.gate = c->gate, .access = access, .bcd = value & 1,
		.mode = mode > 5 ? mode - 4 : mode,	/* bit 2: "don't care" for 2 and 3 */
	};
}

void mkvm_pit_reset(struct mkvm_pit *pit)
{
	unsigned int i;

	memset(pit, 0, sizeof(*pit));
	for (i = 0; i < MKVM_PIT_CHANNELS; i++)
		pit->channel[i] = (struct mkvm_pit_channel){
			.mode = 3, .access = ACCESS_BOTH, .count = 0x10000, .reload = 0x10000,
			.gate = i != 2,
		};
}

void mkvm_pit_write(struct mkvm_pit *pit, unsigned int offset, u8 value, u64 now)
{
	bool control = offset >= MKVM_PIT_CHANNELS, before;
	unsigned int select = control ? value >> 6 : offset;
	struct mkvm_pit_channel *c;

	if (select >= MKVM_PIT_CHANNELS) {
		read_back(pit, value, now);
		return;
	}
	c = &pit->channel[array_index_nospec(select, MKVM_PIT_CHANNELS)];
	advance(c, now);
	before = out(c);
	if (control)
		write_control(c, value);
	else
		write_channel(c, value);
	if (!before && out(c))
		c->rises++;	/* at once */
}

u8 mkvm_pit_read(struct mkvm_pit *pit, unsigned int offset, u64 now)
{
	struct mkvm_pit_channel *c;
	bool high;
	u16 count;

	if (offset >= MKVM_PIT_CHANNELS)
		return 0xff;	/* the control word cannot be read */
	c = &pit->channel[array_index_nospec(offset, MKVM_PIT_CHANNELS)];
	advance(c, now);
	if (c->status_latched) {
		c->status_latched = 0;
		return c->status;
	}
	count = c->count_latched ? c->latched : visible_count(c);
	high = c->access == ACCESS_HIGH || c->read_high;
	c->read_high = c->access == ACCESS_BOTH && !c->read_high;
	if (!c->read_high)
		c->count_latched = 0;	/* that was its last byte */
	return high ? count >> 8 : count & 0xff;
}

bool mkvm_pit_output(const struct mkvm_pit *pit, unsigned int channel, u64 now)
{
	struct mkvm_pit_channel c = at(pit, channel, now);

	return out(&c);
}

void mkvm_pit_write_speaker(struct mkvm_pit *pit, u8 value, u64 now)
{
	struct mkvm_pit_channel *c = &pit->channel[2];
	bool rises = value & SPEAKER_GATE && !c->gate;

	pit->flags = (pit->flags & ~SPEAKER_DATA) | (value & SPEAKER_DATA);
	advance(c, now);
	c->gate = value & SPEAKER_GATE;
	if (rises && c->written && (triggered(c) || periodic(c)))
		start(c);
}

u8 mkvm_pit_read_speaker(const struct mkvm_pit *pit, u64 now)
{
	u8 value = pit->channel[2].gate | (pit->flags & SPEAKER_DATA);

	if (now / REFRESH_HALF_PERIOD & 1)
		value |= SPEAKER_REFRESH;
	if (mkvm_pit_output(pit, 2, now))
		value |= SPEAKER_OUT;
	return value;
}

u64 mkvm_pit_collect(struct mkvm_pit *pit, u64 now)
{
	u64 rises;

	advance(&pit->channel[0], now);
	rises = pit->channel[0].rises;
	pit->channel[0].rises = 0;
	return rises;
}

u64 mkvm_pit_next_collect(const struct mkvm_pit *pit, u64 now)
{
	struct mkvm_pit_channel c = at(pit, 0, now);

	if (c.rises)		/* a timer set for later would lose them */
		return now;
	if (!counting(&c) || c.elapsed >= rise_after(&c))
		return MKVM_PIT_NEVER;
	return to_ns(c.now + rise_after(&c) - c.elapsed);
}

/* KVM has the access modes as states, and one more for the high byte of both. */
#define SECOND_BYTE	4

/* KVM's mode is 0xff before the first count. A count is never 0: QEMU divides by it. */
#define NOT_WRITTEN	0xf8

void mkvm_pit_get(const struct mkvm_pit *pit, struct kvm_pit_state2 *state)
{
	const struct mkvm_pit_channel *c;
	unsigned int i;

	*state = (struct kvm_pit_state2){ .flags = pit->flags };
	for (i = 0; i < MKVM_PIT_CHANNELS; i++) {
		c = &pit->channel[i];
		state->channels[i] = (struct kvm_pit_channel_state){
			.count = c->reload, .latched_count = c->latched,
			.count_latched = !c->count_latched ? 0 :
					 c->read_high ? ACCESS_HIGH : c->access,
			.status_latched = c->status_latched, .status = c->status,
			.read_state = c->read_high && !c->count_latched ? SECOND_BYTE : c->access,
			.write_state = c->write_high ? SECOND_BYTE : c->access,
			.write_latch = c->low_byte, .rw_mode = c->access,
			.mode = c->written ? c->mode : NOT_WRITTEN | c->mode,
			.bcd = c->bcd, .gate = c->gate,
			.count_load_time = to_ns(c->now - c->elapsed),
		};
	}
}

static void set_channel(struct mkvm_pit_channel *c, const struct kvm_pit_channel_state *state,
			u64 now)
{
	u8 access = state->rw_mode & 3 ?: ACCESS_BOTH, mode = state->mode & 7;
	bool both = access == ACCESS_BOTH;

	*c = (struct mkvm_pit_channel){
		.now = to_ticks(now), .latched = state->latched_count, .status = state->status,
		.mode = mode > 5 ? 3 : mode, .bcd = !!state->bcd, .access = access,
		.gate = !!state->gate, .low_byte = state->write_latch,
		.write_high = both && state->write_state == SECOND_BYTE,
		.read_high = both && (state->count_latched ? state->count_latched == ACCESS_HIGH :
							     state->read_state == SECOND_BYTE),
		.count_latched = !!state->count_latched, .status_latched = !!state->status_latched,
		.written = state->count && state->mode <= 5,
	};
	c->reload = state->count && state->count <= 0x10000 ? state->count : 0x10000;
	c->count = c->reload;
	if (c->written && (c->gate || !triggered(c)))
		start(c);
}

void mkvm_pit_set(struct mkvm_pit *pit, const struct kvm_pit_state2 *state, u64 now)
{
	unsigned int i;

	pit->flags = state->flags & (KVM_PIT_FLAGS_HPET_LEGACY | KVM_PIT_FLAGS_SPEAKER_DATA_ON);
	for (i = 0; i < MKVM_PIT_CHANNELS; i++)
		set_channel(&pit->channel[i], &state->channels[i], now);
}
