// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8259 pair, the I/O APIC and the 8254: locks and a timer around pure/pic.c,
 * ioapic.c and pit.c.
 */
#include "irq/board.h"

/* ---- the I/O APIC ---- */

/* A redirection entry is an MSI whose address and data lie otherwise. Under irq_lock. */
static int send_pin(struct mkvm_vm *vm, u32 pin)
{
	u64 entry = vm->board->ioapic.entry[pin];
	u32 address = MKVM_RTE_DEST(entry) << 12 | (entry & MKVM_RTE_LOGICAL ? BIT(2) : 0);

	return mkvm_send_msi(vm, address, entry & MKVM_RTE_MSI_DATA);
}

static void send_pins(struct mkvm_vm *vm, unsigned long due)
{
	u32 pin;

	for_each_set_bit(pin, &due, MKVM_IOAPIC_PINS)
		send_pin(vm, pin);
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
static void pic_changed(struct mkvm_vm *vm)
{
	bool before = vm->board->intr;

	WRITE_ONCE(vm->board->intr, mkvm_pic_output(&vm->board->pic));
	if (vm->board->intr && !before)
		mkvm_apic_extint(vm);
}

bool mkvm_pic_pending(struct mkvm_vm *vm)
{
	return READ_ONCE(vm->board->intr);
}

u8 mkvm_pic_intack(struct mkvm_vm *vm)
{
	unsigned long flags;
	u8 vector;

	spin_lock_irqsave(&vm->board->lock, flags);
	vector = mkvm_pic_acknowledge(&vm->board->pic);
	pic_changed(vm);
	spin_unlock_irqrestore(&vm->board->lock, flags);
	return vector;
}

static u32 pins_in_service(const struct mkvm_board *board)
{
	return board->pic.chip[0].isr | board->pic.chip[1].isr << 8;
}

static void pic_io(struct mkvm_vm *vm, bool write, u16 port, u8 *value)
{
	struct mkvm_board *board = vm->board;
	unsigned long flags, ended;
	u32 pin;

	spin_lock_irqsave(&board->lock, flags);
	ended = pins_in_service(board);
	if (write)
		mkvm_pic_write(&board->pic, port, *value);
	else
		*value = mkvm_pic_read(&board->pic, port);
	ended &= ~pins_in_service(board);
	pic_changed(vm);
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
		if (chip != KVM_IRQCHIP_IOAPIC)
			ret = mkvm_pic_set_irq(&board->pic, line, board->sources[line]);
		else
			ret = mkvm_ioapic_set_pin(&board->ioapic, pin[chip] - 1,
						  board->sources[line]);
		if (ret == MKVM_PIN_DUE)
			ret = send_pin(vm, pin[chip] - 1);
		if (ret >= 0)
			sum = max(sum, 0) + ret;
	}
	pic_changed(vm);
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
static void pit_arm(struct mkvm_board *board)
{
	u64 now = ktime_get_ns(), at = mkvm_pit_next_collect(&board->pit, now);

	if (board->pit.flags & KVM_PIT_FLAGS_HPET_LEGACY)
		at = MKVM_PIT_NEVER;
	else if (board->ticks)
		at = now + min_t(u64, at - now, 2 * NSEC_PER_MSEC) / 2;
	if (at == MKVM_PIT_NEVER)
		hrtimer_try_to_cancel(&board->pit_timer);
	else
		hrtimer_start(&board->pit_timer, max(at, board->last_tick + MIN_TICK),
			      HRTIMER_MODE_ABS_HARD);
}

/* The input of IRQ 0 gets an edge: a tick that nobody could take is kept or forgotten. */
static enum hrtimer_restart pit_timer_fired(struct hrtimer *timer)
{
	struct mkvm_board *board = container_of(timer, struct mkvm_board, pit_timer);
	int ret = -1;
	u64 ticks;

	spin_lock(&board->lock);
	board->last_tick = ktime_get_ns();
	ticks = board->ticks + mkvm_pit_collect(&board->pit, board->last_tick);
	board->ticks = min_t(u64, ticks, MAX_TICKS);
	spin_unlock(&board->lock);
	if (ticks) {
		ret = mkvm_irq_set_gsi(board->vm, MKVM_SOURCE_PIT, PIT_GSI, true);
		mkvm_irq_set_gsi(board->vm, MKVM_SOURCE_PIT, PIT_GSI, false);
	}
	spin_lock(&board->lock);
	if (ret < 0 || !board->reinject)
		board->ticks = 0;
	else if (ret && board->ticks)
		board->ticks--;
	pit_arm(board);
	spin_unlock(&board->lock);
	return HRTIMER_NORESTART;
}

static void pit_io(struct mkvm_board *board, bool write, u16 port, u8 *value)
{
	bool speaker = port == MKVM_PIT_SPEAKER_PORT;
	u32 offset = port - MKVM_PIT_PORT;
	unsigned long flags;
	u64 now;

	spin_lock_irqsave(&board->lock, flags);
	now = ktime_get_ns();
	if (write && speaker) {
		mkvm_pit_write_speaker(&board->pit, *value, now);
	} else if (write) {
		mkvm_pit_write(&board->pit, offset, *value, now);
		board->ticks = 0;
		pit_arm(board);
	} else {
		*value = speaker ? mkvm_pit_read_speaker(&board->pit, now) :
				   mkvm_pit_read(&board->pit, offset, now);
	}
	spin_unlock_irqrestore(&board->lock, flags);
}

int mkvm_chips_pio(struct mkvm_vm *vm, bool write, u16 port, u32 len, void *data)
{
	struct mkvm_board *board = vm->board;
	u8 *first = data, value = write ? READ_ONCE(*first) : 0;

	switch (port) {
	case MKVM_PIC_PRIMARY_PORT ... MKVM_PIC_PRIMARY_PORT + 1:
	case MKVM_PIC_SECONDARY_PORT ... MKVM_PIC_SECONDARY_PORT + 1:
	case MKVM_PIC_ELCR_PORT ... MKVM_PIC_ELCR_PORT + 1:
		if (vm->irqchip != MKVM_IRQCHIP_KERNEL || (port & 1) + len > 2)
			return -EOPNOTSUPP;
		if (len == 1)		/* as KVM */
			pic_io(vm, write, port, &value);
		break;
	case MKVM_PIT_PORT ... MKVM_PIT_PORT + 3:
		if (!board->has_pit || (port & 3) + len > 4)
			return -EOPNOTSUPP;
		pit_io(board, write, port, &value);
		break;
	case MKVM_PIT_SPEAKER_PORT:
		if (!board->has_speaker)
			return -EOPNOTSUPP;
		pit_io(board, write, port, &value);
		break;
	default:
		return -EOPNOTSUPP;
	}
	if (!write) {
		memset(data, 0, len);
		*first = value;
	}
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
		chip->chip.pic = board->pic.chip[array_index_nospec(id, 2)];
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
		mkvm_pic_set(&board->pic, array_index_nospec(id, 2), &chip->chip.pic);
	pic_changed(vm);
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
	WRITE_ONCE(vm->board->occupied, true);
	return 0;
}

int mkvm_get_pit(struct mkvm_vm *vm, void *arg)
{
	if (!vm->board->has_pit)
		return -ENXIO;
	spin_lock_irq(&vm->board->lock);
	mkvm_pit_get(&vm->board->pit, arg);
	spin_unlock_irq(&vm->board->lock);
	return 0;
}

int mkvm_set_pit(struct mkvm_vm *vm, void *arg)
{
	struct mkvm_board *board = vm->board;

	if (!board->has_pit)
		return -ENXIO;
	spin_lock_irq(&board->lock);
	mkvm_pit_set(&board->pit, arg, ktime_get_ns());
	board->ticks = 0;
	pit_arm(board);
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
	spin_lock_init(&board->lock);
	mkvm_pic_reset(&board->pic);
	mkvm_ioapic_reset(&board->ioapic);
	mkvm_pit_reset(&board->pit);
	board->reinject = true;
	mkvm_host_timer_init(&board->pit_timer, pit_timer_fired, CLOCK_MONOTONIC,
			     HRTIMER_MODE_ABS_HARD);
}
