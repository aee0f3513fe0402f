/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PC's 8254 timer and the port 0x61 bits that belong to it. Intel, "8254
 * Programmable Interval Timer" (order 231164).
 *
 * Time comes from the caller, in nanoseconds since any fixed moment, and never
 * goes back. Nothing runs by itself: the caller arms a timer for
 * mkvm_pit_next_collect() and then collects the edges of IRQ0. Rearm after every
 * write.
 */
#ifndef MKVM_PURE_PIT_H
#define MKVM_PURE_PIT_H

#include <linux/kvm.h>

#include "pure.h"

#define MKVM_PIT_PORT		0x40	/* to 0x43 */
#define MKVM_PIT_SPEAKER_PORT	0x61
#define MKVM_PIT_HZ		1193182u
#define MKVM_PIT_CHANNELS	3
#define MKVM_PIT_NEVER		(~0ull)

struct mkvm_pit_channel {
	u64 now;	/* time has passed for this channel up to this tick */
	u64 elapsed;	/* ticks that the count in progress had; modes 2 and 3: its period */
	u64 rises;	/* of OUT, not collected yet */
	u32 count;	/* in progress: 1 to 0x10000 */
	u32 reload;	/* last written, or as long */
	u16 latched;	/* by a counter-latch or read-back command */
	u8 status;	/* latched by a read-back command */
	u8 mode;	/* 0 to 5 */
	u8 bcd;
	u8 access;	/* control word bits 5:4: 1 low byte, 2 high, 3 low then high */
	u8 gate;
	u8 written;	/* reload is the guest's; triggers may load it */
	u8 loaded;	/* count is in progress, or held up by the gate */
	u8 low_byte;	/* first byte of an access-3 write */
	u8 write_high;	/* access 3: next write is the second byte */
	u8 read_high;	/* access 3: next read is the second byte */
	u8 count_latched;	/* reads give latched */
	u8 status_latched;
	u8 pad[2];
};

struct mkvm_pit {
	struct mkvm_pit_channel channel[MKVM_PIT_CHANNELS];
	u32 flags;	/* as KVM's: port 0x61 bit 1, and one that only the caller knows */
	u32 pad;
};

MKVM_PURE_BEGIN

/* Power-on: nothing counts; the gates of channels 0 and 1 are tied high. */
void mkvm_pit_reset(struct mkvm_pit *pit);

/* @offset: 0 to 2 the channels, 3 the control word. */
void mkvm_pit_write(struct mkvm_pit *pit, unsigned int offset, u8 value, u64 now);
u8 mkvm_pit_read(struct mkvm_pit *pit, unsigned int offset, u64 now);

bool mkvm_pit_output(const struct mkvm_pit *pit, unsigned int channel, u64 now);

/* Port 0x61: channel 2's gate is bit 0. Reads also give the refresh toggle (4) and OUT2 (5). */
void mkvm_pit_write_speaker(struct mkvm_pit *pit, u8 value, u64 now);
u8 mkvm_pit_read_speaker(const struct mkvm_pit *pit, u64 now);

/*
 * Rising edges of channel 0's OUT, the input of IRQ0, since the last call. More
 * than one means that the caller was late.
 */
u64 mkvm_pit_collect(struct mkvm_pit *pit, u64 now);

/* When to collect: @now if edges wait, channel 0's next rise, or MKVM_PIT_NEVER. */
u64 mkvm_pit_next_collect(const struct mkvm_pit *pit, u64 now);

/*
 * KVM's form, in which a count has no progress: mkvm_pit_set starts each anew.
 * Any state is taken; with a count of 0, or a mode above 5 as KVM has it after
 * power-on, the count was not written yet. mkvm_pit_get says so by the mode.
 */
void mkvm_pit_get(const struct mkvm_pit *pit, struct kvm_pit_state2 *state);
void mkvm_pit_set(struct mkvm_pit *pit, const struct kvm_pit_state2 *state, u64 now);

MKVM_PURE_END

#endif /* MKVM_PURE_PIT_H */
