// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8259 pair, the I/O APIC and the 8254: locks and a timer around pure/pic.c,
 * ioapic.c and pit.c.
 */
#include <linux/hrtimer.h>
#include <linux/nospec.h>

#include "irq/board.h"
#include "host/compat.h"

/* ---- the I/O APIC ---- */

static struct mkvm_apic_message message_of(u64 entry)
{
	return (struct mkvm_apic_message){
		.dest = MKVM_RTE_DEST(entry),
		.vector = MKVM_RTE_VECTOR(entry),
		.mode = MKVM_RTE_MODE(entry),
		.logical = entry & MKVM_RTE_LOGICAL,
		.level = entry & MKVM_RTE_LEVEL,
		.assert = true,
	};
}

/* Under irq_lock */
static int send_pin(struct mkvm_vm *vm, u32 pin)
{
	struct mkvm_apic_message m = message_of(vm->board->ioapic.entry[pin]);

	return mkvm_apic_send(vm, NULL, &m);
}

static void send_pins(struct mkvm_vm *vm, unsigned long due)
{
	u32 pin;

	for_each_set_bit(pin, &due, MKVM_IOAPIC_PINS)
		send_pin(vm, pin);
}

static int set_ioapic_pin(struct mkvm_vm *vm, u32 pin, bool high)
{
	int ret = mkvm_ioapic_set_pin(&vm->board->ioapic, pin, high);

	return ret == MKVM_PIN_DUE ? send_pin(vm, pin) : ret;
}

/*
 * Remote IRR stays set while the eventfds are told: a line that rises again
 * meanwhile waits for the end, and nothing comes back here from below.
 */
bool mkvm_ioapic_eoi(struct mkvm_vm *vm, u8 vector)
{
	struct mkvm_board *board = vm->board;
	unsigned long flags, pins;
	u32 pin;

	if (vm->irqchip != MKVM_IRQCHIP_KERNEL)
		return mkvm_eoi_of_routes(vm, vector);
	spin_lock_irqsave(&board->lock, flags);
	pins = mkvm_ioapic_acknowledged(&board->ioapic, vector);
	spin_unlock_irqrestore(&board->lock, flags);
	for_each_set_bit(pin, &pins, MKVM_IOAPIC_PINS)
		mkvm_irqfds_resample(vm, KVM_IRQCHIP_IOAPIC, pin);
	spin_lock_irqsave(&board->lock, flags);
	send_pins(vm, mkvm_ioapic_end(&board->ioapic, pins));
	spin_unlock_irqrestore(&board->lock, flags);
	return false;
}

int mkvm_chips_mmio(struct mkvm_vm *vm, bool write, u64 gpa, u32 len, void *data)
{
	struct mkvm_board *board = vm->board;
	u64 offset = gpa - MKVM_IOAPIC_BASE, value = 0;
	unsigned long flags;

	if (vm->irqchip != MKVM_IRQCHIP_KERNEL || offset > MKVM_IOAPIC_SIZE - len)
		return -EOPNOTSUPP;
	if (write)
		memcpy(&value, data, len);
	spin_lock_irqsave(&board->lock, flags);
	if (write)
		send_pins(vm, mkvm_ioapic_write(&board->ioapic, offset, value));
	else
		value = mkvm_ioapic_read(&board->ioapic, offset);
	spin_unlock_irqrestore(&board->lock, flags);
	if (!write)
		memcpy(data, &value, len);
	return 0;
}

/* ---- the 8259 pair ---- */

/* After each change of it, under irq_lock. */
static void pic_changed(struct mkvm_vm *vm, u32 effects)
{
	struct mkvm_board *board = vm->board;

	if (!(effects & MKVM_PIC_OUTPUT))
		return;
	WRITE_ONCE(board->intr, mkvm_pic_output(&board->pic));
	if (board->intr)
		mkvm_apic_extint(vm);
}

/* What KVM_IRQ_LINE_STATUS tells of a pin is what the chip's registers told before. */
static int set_pic_pin(struct mkvm_vm *vm, u32 irq, bool high)
{
	const struct mkvm_pic_chip *c = &vm->board->pic.chip[irq / 8];
	u8 bit = BIT(irq % 8);
	bool masked = c->imr & bit, waits = c->irr & bit, edge = !(c->elcr & bit);
	bool rises = high && !(edge && (c->line & bit));

	pic_changed(vm, mkvm_pic_set_irq(&vm->board->pic, irq, high));
	return masked ? -1 : !(rises && waits);
}

bool mkvm_pic_pending(struct mkvm_vm *vm)
{
	return READ_ONCE(vm->board->intr);
}

u8 mkvm_pic_intack(struct mkvm_vm *vm)
{
	unsigned long flags;
	u32 effects;
	u8 vector;

	spin_lock_irqsave(&vm->board->lock, flags);
	vector = mkvm_pic_acknowledge(&vm->board->pic, &effects);
	pic_changed(vm, effects);
	spin_unlock_irqrestore(&vm->board->lock, flags);
	return vector;
}

static u32 pins_in_service(const struct mkvm_board *board)
{
	return board->pic.chip[0].isr | board->pic.chip[1].isr << 8;
}

static void pic_io(struct mkvm_vm *vm, bool write, u16 port, u32 len, u8 *data)
{
	struct mkvm_board *board = vm->board;
	unsigned long flags, ended;
	u32 effects, pin;

	if (len != 1) {			/* as KVM */
		if (!write)
			memset(data, 0, len);
		return;
	}
	spin_lock_irqsave(&board->lock, flags);
	ended = pins_in_service(board);
	if (write)
		effects = mkvm_pic_write(&board->pic, port, READ_ONCE(*data));
	else
		*data = mkvm_pic_read(&board->pic, port, &effects);
	ended &= ~pins_in_service(board);
	pic_changed(vm, effects);
	spin_unlock_irqrestore(&board->lock, flags);
	for_each_set_bit(pin, &ended, MKVM_PIC_NR_IRQS)
		mkvm_irqfds_resample(vm, pin / 8, pin % 8);
}

/* ---- lines ---- */

int mkvm_set_pins(struct mkvm_vm *vm, u32 source, const u8 *pin, bool level)
{
	struct mkvm_board *board = vm->board;
	u32 chip, line, bit = BIT(source);
	unsigned long flags;
	int sum = -1, ret;

	spin_lock_irqsave(&board->lock, flags);
	for (chip = 0; chip < KVM_NR_IRQCHIPS; chip++) {
		if (!pin[chip])
			continue;
		line = 8 * chip + pin[chip] - 1;	/* the I/O APIC's are behind the 16 */
		board->sources[line] &= ~bit;
		board->sources[line] |= level ? bit : 0;
		ret = chip == KVM_IRQCHIP_IOAPIC ?
			set_ioapic_pin(vm, pin[chip] - 1, board->sources[line]) :
			set_pic_pin(vm, line, board->sources[line]);
		if (ret >= 0)
			sum = max(sum, 0) + ret;
	}
	spin_unlock_irqrestore(&board->lock, flags);
	return sum;
}

/* ---- the 8254 ---- */

#define PIT_GSI		0
#define MIN_TICK	200000		/* ns; no guest makes the host's timers fire more often */
#define MAX_TICKS	1000u		/* that wait: more are lost */

/*
 * Ticks that the guest had no time for come at half the interval, and at least
 * every millisecond, until it has caught up. Under irq_lock.
 */
static void pit_arm(struct mkvm_board *board, u64 now)
{
	u64 at = mkvm_pit_next_collect(&board->pit, now);

	if (board->pit_flags & KVM_PIT_FLAGS_HPET_LEGACY)
		at = MKVM_PIT_NEVER;
	else if (board->ticks)
		at = now + min_t(u64, at - now, 2 * NSEC_PER_MSEC) / 2;
	if (at == MKVM_PIT_NEVER)
		hrtimer_try_to_cancel(&board->pit_timer);
	else
		hrtimer_start(&board->pit_timer, max(at, board->last_tick + MIN_TICK),
			      HRTIMER_MODE_ABS_HARD);
}

static void pit_start(struct mkvm_board *board, u64 now)
{
	board->ticks = 0;
	pit_arm(board, now);
}

/* The input of IRQ 0, as an edge: a tick that nobody could take is kept or forgotten. */
static void pit_tick(struct mkvm_vm *vm)
{
	struct mkvm_board *board = vm->board;
	int ret = mkvm_irq_set_gsi(vm, MKVM_SOURCE_PIT, PIT_GSI, true);

	mkvm_irq_set_gsi(vm, MKVM_SOURCE_PIT, PIT_GSI, false);
	spin_lock(&board->lock);
	if (ret < 0 || !board->reinject)
		board->ticks = 0;
	else if (ret && board->ticks)
		board->ticks--;
	spin_unlock(&board->lock);
}

static enum hrtimer_restart pit_timer_fired(struct hrtimer *timer)
{
	struct mkvm_board *board = container_of(timer, struct mkvm_board, pit_timer);
	u64 now = ktime_get_ns();
	u32 ticks;

	spin_lock(&board->lock);
	ticks = min_t(u64, board->ticks + mkvm_pit_collect(&board->pit, now), MAX_TICKS);
	board->ticks = ticks;
	board->last_tick = now;
	spin_unlock(&board->lock);
	if (ticks)
		pit_tick(board->vm);
	spin_lock(&board->lock);
	pit_arm(board, now);
	spin_unlock(&board->lock);
	return HRTIMER_NORESTART;
}

static void pit_io(struct mkvm_board *board, bool write, u16 port, u32 len, u8 *data)
{
	bool speaker = port == MKVM_PIT_SPEAKER_PORT;
	u32 offset = port - MKVM_PIT_PORT;
	u8 value = READ_ONCE(*data);
	unsigned long flags;
	u64 now;

	spin_lock_irqsave(&board->lock, flags);
	now = ktime_get_ns();
	if (write && speaker)
		mkvm_pit_write_speaker(&board->pit, value, now);
	else if (write)
		mkvm_pit_write(&board->pit, offset, value, now);
	else
		value = speaker ? mkvm_pit_read_speaker(&board->pit, now) :
				  mkvm_pit_read(&board->pit, offset, now);
	if (write && !speaker)
		pit_start(board, now);
	spin_unlock_irqrestore(&board->lock, flags);
	if (write)
		return;
	memset(data, 0, len);
	*data = value;
}

int mkvm_chips_pio(struct mkvm_vm *vm, bool write, u16 port, u32 len, void *data)
{
	struct mkvm_board *board = vm->board;
	bool in_range;

	switch (port) {
	case MKVM_PIC_PRIMARY_PORT ... MKVM_PIC_PRIMARY_PORT + 1:
	case MKVM_PIC_SECONDARY_PORT ... MKVM_PIC_SECONDARY_PORT + 1:
	case MKVM_PIC_ELCR_PORT ... MKVM_PIC_ELCR_PORT + 1:
		if (vm->irqchip != MKVM_IRQCHIP_KERNEL || (port & 1) + len > 2)
			return -EOPNOTSUPP;
		pic_io(vm, write, port, len, data);
		return 0;
	case MKVM_PIT_PORT ... MKVM_PIT_PORT + 3:
		in_range = board->has_pit && (port & 3) + len <= 4;
		break;
	default:
		in_range = port == MKVM_PIT_SPEAKER_PORT && board->has_speaker;
	}
	if (!in_range)
		return -EOPNOTSUPP;
	pit_io(board, write, port, len, data);
	return 0;
}

/* ---- requests ---- */

int mkvm_get_irqchip(struct mkvm_vm *vm, void *arg)
{
	struct mkvm_board *board = vm->board;
	struct kvm_irqchip *chip = arg;
	u32 id = chip->chip_id;

	if (vm->irqchip != MKVM_IRQCHIP_KERNEL)
		return -ENXIO;
	if (id >= KVM_NR_IRQCHIPS)
		return -EINVAL;
	memset(&chip->chip, 0, sizeof(chip->chip));
	spin_lock_irq(&board->lock);
	if (id == KVM_IRQCHIP_IOAPIC)
		mkvm_ioapic_get(&board->ioapic, &chip->chip.ioapic);
	else
		mkvm_pic_get(&board->pic, array_index_nospec(id, 2), &chip->chip.pic);
	spin_unlock_irq(&board->lock);
	return 0;
}

int mkvm_set_irqchip(struct mkvm_vm *vm, void *arg)
{
	struct mkvm_board *board = vm->board;
	const struct kvm_irqchip *chip = arg;
	u32 id = chip->chip_id;

	if (vm->irqchip != MKVM_IRQCHIP_KERNEL)
		return -ENXIO;
	if (id >= KVM_NR_IRQCHIPS)
		return -EINVAL;
	spin_lock_irq(&board->lock);
	if (id == KVM_IRQCHIP_IOAPIC)
		send_pins(vm, mkvm_ioapic_set(&board->ioapic, &chip->chip.ioapic));
	else
		pic_changed(vm, mkvm_pic_set(&board->pic, array_index_nospec(id, 2),
					     &chip->chip.pic));
	spin_unlock_irq(&board->lock);
	return 0;
}

int mkvm_create_pit(struct mkvm_vm *vm, void *arg)
{
	const struct kvm_pit_config *config = arg;

	if (vm->board->has_pit)
		return -EEXIST;
	vm->board->has_speaker = config->flags & KVM_PIT_SPEAKER_DUMMY;
	WRITE_ONCE(vm->board->has_pit, true);
	return 0;
}

/* KVM_GET_PIT's struct is the beginning of KVM_GET_PIT2's. */
int mkvm_get_pit(struct mkvm_vm *vm, void *arg)
{
	struct mkvm_board *board = vm->board;
	struct kvm_pit_state2 *state = arg;

	if (!board->has_pit)
		return -ENXIO;
	memset(state, 0, sizeof(*state));
	spin_lock_irq(&board->lock);
	mkvm_pit_get(&board->pit, state->channels);
	state->flags = board->pit_flags & KVM_PIT_FLAGS_HPET_LEGACY;
	if (board->pit.speaker & 2)
		state->flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	spin_unlock_irq(&board->lock);
	return 0;
}

int mkvm_set_pit(struct mkvm_vm *vm, void *arg)
{
	struct mkvm_board *board = vm->board;
	const struct kvm_pit_state2 *state = arg;
	u64 now = ktime_get_ns();

	if (!board->has_pit)
		return -ENXIO;
	spin_lock_irq(&board->lock);
	mkvm_pit_set(&board->pit, state->channels, now);
	board->pit.speaker = board->pit.channel[2].gate |
			     (state->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON);
	board->pit_flags = state->flags;
	pit_start(board, now);
	spin_unlock_irq(&board->lock);
	return 0;
}

int mkvm_reinject_control(struct mkvm_vm *vm, void *arg)
{
	const struct kvm_reinject_control *control = arg;

	if (!vm->board->has_pit)
		return -ENXIO;
	WRITE_ONCE(vm->board->reinject, control->pit_reinject);
	return 0;
}

void mkvm_chips_init(struct mkvm_board *board)
{
	mkvm_bus_announce(board, MKVM_PIC_PRIMARY_PORT, MKVM_PIC_PRIMARY_PORT);
	mkvm_bus_announce(board, MKVM_PIC_SECONDARY_PORT, MKVM_PIC_SECONDARY_PORT);
	mkvm_bus_announce(board, MKVM_PIC_ELCR_PORT, MKVM_PIC_ELCR_PORT);
	mkvm_bus_announce(board, MKVM_PIT_PORT, MKVM_PIT_PORT);
	mkvm_bus_announce(board, MKVM_PIT_SPEAKER_PORT, MKVM_PIT_SPEAKER_PORT);
	spin_lock_init(&board->lock);
	mkvm_pic_reset(&board->pic);
	mkvm_ioapic_reset(&board->ioapic);
	mkvm_pit_reset(&board->pit);
	board->reinject = true;
	mkvm_host_timer_init(&board->pit_timer, pit_timer_fired, CLOCK_MONOTONIC,
			     HRTIMER_MODE_ABS_HARD);
}
