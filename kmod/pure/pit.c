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
#define SPEAKER_WRITABLE	0x03u
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

static u64 elapsed(const struct mkvm_pit_channel *c, u64 tick)
{
	return c->counting ? tick - c->start : c->held;
}

/* OUT rises when this many ticks have passed; periodic modes: every so many. */
static u64 rise_after(const struct mkvm_pit_channel *c)
{
	return c->mode >= 4 ? c->count + 1ull : c->count;
}

/* Rising edges in the first @t ticks of this count. */
static u64 rises_in(const struct mkvm_pit_channel *c, u64 t)
{
	if (periodic(c))
		return c->count > 1 ? t / c->count : 0;
	return t >= rise_after(c);
}

static bool out(const struct mkvm_pit_channel *c, u64 tick)
{
	u64 t = elapsed(c, tick);

	if (!c->loaded)
		return c->mode != 0;
	switch (c->mode) {
	case 0:
	case 1:
		return t >= c->count;
	case 2:
		return !c->counting || t % c->count != c->count - 1;
	case 3:
		return !c->counting || t % c->count < (c->count + 1) / 2;
	default:
		return t != c->count;
	}
}

static void start(struct mkvm_pit_channel *c, u64 tick)
{
	c->count = c->reload;
	c->start = tick;
	c->held = 0;
	c->seen = tick;
	c->reload_at = 0;
	c->loaded = 1;
	c->counting = 1;
}

/* Counts the rising edges up to @tick within the count in progress. */
static void count_rises(struct mkvm_pit_channel *c, u64 tick)
{
	if (c->loaded && c->counting)
		c->rises += rises_in(c, tick - c->start) - rises_in(c, c->seen - c->start);
	c->seen = tick;
}

/* Catches up with time; every use of a channel starts with this. */
static void advance(struct mkvm_pit_channel *c, u64 tick)
{
	if (c->reload_at && tick >= c->reload_at) {
		u64 at = c->reload_at;

		count_rises(c, at);
		start(c, at);
	}
	count_rises(c, tick);
}

/* A write or a gate change moved OUT at once. */
static void note_rise(struct mkvm_pit_channel *c, bool before, u64 tick)
{
	if (!before && out(c, tick))
		c->rises++;
}

static u32 count_left(const struct mkvm_pit_channel *c, u64 tick)
{
	u64 t = elapsed(c, tick);
	u64 high = (c->count + 1) / 2;

	if (!c->loaded)
		return c->reload;
	if (c->mode == 2)
		return c->count - t % c->count;
	if (c->mode == 3) {	/* counts down by two, twice per period */
		t %= c->count;
		return (c->count & ~1u) - 2 * (u32)(t < high ? t : t - high);
	}
	/* One-shot modes count on below zero, with the width of the counter. */
	if (c->bcd)
		return (u32)((c->count + 10000 - t % 10000) % 10000);
	return (u32)(c->count - t);
}

/* As the guest reads it. */
static u16 visible_count(const struct mkvm_pit_channel *c, u64 tick)
{
	u32 left = count_left(c, tick);

	return c->bcd ? to_bcd(left % 10000) : (u16)left;
}

static void write_count(struct mkvm_pit_channel *c, u16 value, u64 tick)
{
	u32 count = c->bcd ? from_bcd(value) : value;

	if (!count)
		count = c->bcd ? 10000 : 0x10000;
	c->reload = count;
	c->written = 1;
	if (triggered(c))
		return;
	if (periodic(c) && c->loaded) {
		if (c->counting)
			c->reload_at = tick + c->count - (tick - c->start) % c->count;
		return;
	}
	start(c, tick);
	c->counting = c->gate;
}

/* In mode 0 the first byte of a count stops the old one and lowers OUT. */
static void write_first_byte(struct mkvm_pit_channel *c, u8 value)
{
	c->low_byte = value;
	c->write_high = 1;
	if (c->mode == 0) {
		c->loaded = 0;
		c->counting = 0;
	}
}

static void write_channel(struct mkvm_pit_channel *c, u8 value, u64 tick)
{
	bool before = out(c, tick);

	if (c->access == ACCESS_BOTH && !c->write_high) {
		write_first_byte(c, value);
	} else if (c->access == ACCESS_BOTH) {
		c->write_high = 0;
		write_count(c, c->low_byte | value << 8, tick);
	} else {
		write_count(c, c->access == ACCESS_HIGH ? value << 8 : value, tick);
	}
	note_rise(c, before, tick);
}

static void latch_count(struct mkvm_pit_channel *c, u64 tick)
{
	if (c->latched_bytes)
		return;		/* ignored until the first one is read */
	c->latched = visible_count(c, tick);
	c->latched_bytes = c->access == ACCESS_BOTH ? 2 : 1;
	c->read_high = 0;
}

static void latch_status(struct mkvm_pit_channel *c, u64 tick)
{
	bool waiting = !c->loaded || c->reload != c->count;

	if (c->status_latched)
		return;
	c->status = (out(c, tick) ? STATUS_OUT : 0) | (waiting ? STATUS_NULL_COUNT : 0) |
		    c->access << 4 | c->mode << 1 | c->bcd;
	c->status_latched = 1;
}

static void read_back(struct mkvm_pit *pit, u8 value, u64 tick)
{
	unsigned int i;

	for (i = 0; i < MKVM_PIT_CHANNELS; i++) {
		struct mkvm_pit_channel *c = &pit->channel[i];

		if (!(value & MKVM_BIT(i + 1)))
			continue;
		advance(c, tick);
		if (!(value & READ_BACK_NO_COUNT))
			latch_count(c, tick);
		if (!(value & READ_BACK_NO_STATUS))
			latch_status(c, tick);
	}
}

static void set_mode(struct mkvm_pit_channel *c, u8 value, u64 tick)
{
	bool before = out(c, tick);

	c->access = value >> 4 & 3;
	c->mode = value >> 1 & 7;
	if (c->mode > 5)
		c->mode -= 4;	/* bit 2 is "don't care" for modes 2 and 3 */
	c->bcd = value & 1;
	c->loaded = 0;
	c->counting = 0;
	c->written = 0;
	c->reload_at = 0;
	c->held = 0;
	c->write_high = 0;
	c->read_high = 0;
	c->latched_bytes = 0;
	c->status_latched = 0;
	note_rise(c, before, tick);
}

static void write_control(struct mkvm_pit *pit, u8 value, u64 tick)
{
	unsigned int select = value >> 6;

	if (select == 3) {
		read_back(pit, value, tick);
		return;
	}
	select = array_index_nospec(select, MKVM_PIT_CHANNELS);
	advance(&pit->channel[select], tick);
	if (value >> 4 & 3)
		set_mode(&pit->channel[select], value, tick);
	else
		latch_count(&pit->channel[select], tick);
}

void mkvm_pit_reset(struct mkvm_pit *pit)
{
	unsigned int i;

	memset(pit, 0, sizeof(*pit));
	for (i = 0; i < MKVM_PIT_CHANNELS; i++) {
		pit->channel[i].mode = 3;
		pit->channel[i].access = ACCESS_BOTH;
		pit->channel[i].count = 0x10000;
		pit->channel[i].reload = 0x10000;
		pit->channel[i].gate = i != 2;
	}
}

void mkvm_pit_write(struct mkvm_pit *pit, unsigned int offset, u8 value, u64 now)
{
	u64 tick = to_ticks(now);

	if (offset >= MKVM_PIT_CHANNELS) {
		write_control(pit, value, tick);
		return;
	}
	offset = array_index_nospec(offset, MKVM_PIT_CHANNELS);
	advance(&pit->channel[offset], tick);
	write_channel(&pit->channel[offset], value, tick);
}

static u8 read_latched(struct mkvm_pit_channel *c)
{
	bool high = c->access == ACCESS_HIGH || c->latched_bytes == 1;

	if (c->access == ACCESS_LOW)
		high = false;
	c->latched_bytes--;
	return high ? c->latched >> 8 : c->latched & 0xff;
}

static u8 read_channel(struct mkvm_pit_channel *c, u64 tick)
{
	u16 count = visible_count(c, tick);
	bool high = c->access == ACCESS_HIGH;

	if (c->status_latched) {
		c->status_latched = 0;
		return c->status;
	}
	if (c->latched_bytes)
		return read_latched(c);
	if (c->access == ACCESS_BOTH) {
		high = c->read_high;
		c->read_high = !c->read_high;
	}
	return high ? count >> 8 : count & 0xff;
}

u8 mkvm_pit_read(struct mkvm_pit *pit, unsigned int offset, u64 now)
{
	u64 tick = to_ticks(now);

	if (offset >= MKVM_PIT_CHANNELS)
		return 0xff;	/* the control word cannot be read */
	offset = array_index_nospec(offset, MKVM_PIT_CHANNELS);
	advance(&pit->channel[offset], tick);
	return read_channel(&pit->channel[offset], tick);
}

static void raise_gate(struct mkvm_pit_channel *c, u64 tick)
{
	if (triggered(c) || periodic(c)) {
		if (c->written)
			start(c, tick);
	} else if (c->loaded) {
		c->start = tick - c->held;
		c->counting = 1;
	}
}

static void lower_gate(struct mkvm_pit_channel *c, u64 tick)
{
	if (triggered(c))
		return;
	c->held = elapsed(c, tick);
	c->counting = 0;
	c->reload_at = 0;	/* the rising gate loads it */
}

void mkvm_pit_set_gate(struct mkvm_pit *pit, unsigned int channel, bool high, u64 now)
{
	struct mkvm_pit_channel *c;
	u64 tick = to_ticks(now);
	bool before;

	if (channel >= MKVM_PIT_CHANNELS || pit->channel[channel].gate == high)
		return;
	c = &pit->channel[channel];
	advance(c, tick);
	before = out(c, tick);
	c->gate = high;
	if (high)
		raise_gate(c, tick);
	else
		lower_gate(c, tick);
	note_rise(c, before, tick);
}

bool mkvm_pit_output(const struct mkvm_pit *pit, unsigned int channel, u64 now)
{
	struct mkvm_pit_channel c;

	if (channel >= MKVM_PIT_CHANNELS)
		return false;
	c = pit->channel[channel];
	advance(&c, to_ticks(now));
	return out(&c, to_ticks(now));
}

void mkvm_pit_write_speaker(struct mkvm_pit *pit, u8 value, u64 now)
{
	pit->speaker = value & SPEAKER_WRITABLE;
	mkvm_pit_set_gate(pit, 2, value & SPEAKER_GATE, now);
}

u8 mkvm_pit_read_speaker(const struct mkvm_pit *pit, u64 now)
{
	u8 value = pit->speaker;

	if (now / REFRESH_HALF_PERIOD & 1)
		value |= SPEAKER_REFRESH;
	if (mkvm_pit_output(pit, 2, now))
		value |= SPEAKER_OUT;
	return value;
}

u64 mkvm_pit_collect(struct mkvm_pit *pit, u64 now)
{
	struct mkvm_pit_channel *c = &pit->channel[0];
	u64 rises;

	advance(c, to_ticks(now));
	rises = c->rises;
	c->rises = 0;
	return rises;
}

u64 mkvm_pit_next_collect(const struct mkvm_pit *pit, u64 now)
{
	struct mkvm_pit_channel c = pit->channel[0];
	u64 tick = to_ticks(now), t;

	advance(&c, tick);
	if (c.rises)		/* a timer set for later would lose them */
		return now;
	t = elapsed(&c, tick);
	if (!c.loaded || !c.counting)
		return MKVM_PIT_NEVER;
	if (!periodic(&c))
		return t < rise_after(&c) ? to_ns(c.start + rise_after(&c)) : MKVM_PIT_NEVER;
	if (c.count == 1)
		return MKVM_PIT_NEVER;
	return to_ns(tick + c.count - t % c.count);
}

/* KVM's states: 1 low byte, 2 high, 3 low then high, 4 the high one of these. */
static u8 access_state(const struct mkvm_pit_channel *c, bool second)
{
	return c->access == ACCESS_BOTH && second ? 4 : c->access;
}

/* KVM's mode is 0xff before the first count. A count is never 0: QEMU divides by it. */
#define NOT_WRITTEN	0xf8

void mkvm_pit_get(const struct mkvm_pit *pit, struct kvm_pit_channel_state *state)
{
	const struct mkvm_pit_channel *c;

	for (c = pit->channel; c < pit->channel + MKVM_PIT_CHANNELS; c++, state++)
		*state = (struct kvm_pit_channel_state){
			.count = c->reload, .latched_count = c->latched,
			.count_latched = c->latched_bytes == 1 && c->access != ACCESS_LOW ?
					 ACCESS_HIGH : c->latched_bytes == 2 ? ACCESS_BOTH :
					 c->latched_bytes,
			.status_latched = c->status_latched, .status = c->status,
			.read_state = access_state(c, c->read_high),
			.write_state = access_state(c, c->write_high),
			.write_latch = c->low_byte, .rw_mode = c->access,
			.mode = c->written ? c->mode : NOT_WRITTEN | c->mode,
			.bcd = c->bcd, .gate = c->gate,
			.count_load_time = to_ns(c->start),
		};
}

static void set_channel(struct mkvm_pit_channel *c, const struct kvm_pit_channel_state *state,
			u64 tick)
{
	*c = (struct mkvm_pit_channel){
		.seen = tick, .latched = state->latched_count, .status = state->status,
		.mode = (state->mode & 7) > 5 ? 3 : state->mode & 7, .bcd = !!state->bcd,
		.access = state->rw_mode & 3 ?: ACCESS_BOTH, .gate = !!state->gate,
		.low_byte = state->write_latch, .write_high = state->write_state == 4,
		.read_high = state->read_state == 4, .status_latched = !!state->status_latched,
	};
	if (state->count_latched)
		c->latched_bytes = state->count_latched == ACCESS_BOTH ? 2 : 1;
	c->reload = state->count && state->count <= 0x10000 ? state->count : 0x10000;
	c->count = c->reload;
	c->written = state->count && state->mode <= 5;
	if (!c->written || (triggered(c) && !c->gate))
		return;
	start(c, tick);
	c->counting = c->gate;
}

void mkvm_pit_set(struct mkvm_pit *pit, const struct kvm_pit_channel_state *state, u64 now)
{
	unsigned int i;

	for (i = 0; i < MKVM_PIT_CHANNELS; i++)
		set_channel(&pit->channel[i], &state[i], to_ticks(now));
}

static bool channel_valid(const struct mkvm_pit_channel *c)
{
	return c->mode <= 5 && c->bcd <= 1 && c->access >= 1 && c->access <= 3 &&
	       c->gate <= 1 && c->loaded <= 1 && c->counting <= 1 && c->written <= 1 &&
	       c->write_high <= 1 && c->read_high <= 1 && c->latched_bytes <= 2 &&
	       c->status_latched <= 1 && c->start <= c->seen &&
	       c->count >= 1 && c->count <= 0x10000 &&
	       c->reload >= 1 && c->reload <= 0x10000 &&
	       (!c->counting || c->loaded);
}

bool mkvm_pit_valid(const struct mkvm_pit *pit)
{
	unsigned int i;

	for (i = 0; i < MKVM_PIT_CHANNELS; i++)
		if (!channel_valid(&pit->channel[i]))
			return false;
	return !(pit->speaker & ~SPEAKER_WRITABLE);
}
