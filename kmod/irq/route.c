// SPDX-License-Identifier: GPL-2.0-only
/* GSIs: which pins of which chips a GSI drives, or which message (MSI) it sends. */
#include "irq/board.h"

struct mkvm_routes {
	struct mkvm_route gsi[MKVM_MAX_ROUTES];
};

/* Until userspace sets routes: to the pin of the I/O APIC, and the first 16 to the 8259s, too. */
static struct mkvm_route default_route(const struct mkvm_vm *vm, u32 gsi)
{
	struct mkvm_route route = {};

	if (vm->irqchip != MKVM_IRQCHIP_KERNEL || gsi >= MKVM_IOAPIC_PINS)
		return route;
	gsi = array_index_nospec(gsi, MKVM_IOAPIC_PINS);
	route.pin[KVM_IRQCHIP_IOAPIC] = gsi + 1;
	if (gsi < MKVM_PIC_NR_IRQS)
		route.pin[gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE] = gsi % 8 + 1;
	return route;
}

struct mkvm_route mkvm_find_route(struct mkvm_vm *vm, u32 gsi)
{
	struct mkvm_route route = {};
	const struct mkvm_routes *routes;
	int idx = srcu_read_lock(&vm->board->srcu);

	routes = srcu_dereference(vm->board->routes, &vm->board->srcu);
	if (!routes)
		route = default_route(vm, gsi);
	else if (gsi < MKVM_MAX_ROUTES)
		route = routes->gsi[array_index_nospec(gsi, MKVM_MAX_ROUTES)];
	srcu_read_unlock(&vm->board->srcu, idx);
	return route;
}

/* ---- MSIs: SDM vol. 3, "Message Signalled Interrupts" ---- */

static struct mkvm_apic_message decode_msi(u32 address, u32 data)
{
	bool redirect = address & BIT(3);	/* to whichever has the lowest priority */
	u8 mode = data >> 8 & 7;

	return (struct mkvm_apic_message){
		.dest = address >> 12 & 0xff, .logical = address & BIT(2), .vector = data,
		.mode = redirect && mode == MKVM_APIC_FIXED ? MKVM_APIC_LOWEST : mode,
		.level = data & BIT(15), .assert = true,
	};
}

int mkvm_send_msi(struct mkvm_vm *vm, u32 address, u32 data)
{
	struct mkvm_apic_message m = decode_msi(address, data);

	return mkvm_apic_send(vm, NULL, &m);
}

bool mkvm_eoi_of_routes(struct mkvm_vm *vm, u8 vector)
{
	int idx = srcu_read_lock(&vm->board->srcu);
	const struct mkvm_routes *routes = srcu_dereference(vm->board->routes, &vm->board->srcu);
	u32 gsi, pins = routes ? min_t(u32, vm->ioapic_pins, MKVM_MAX_ROUTES) : 0;
	struct mkvm_apic_message m;
	bool found = false;

	for (gsi = 0; gsi < pins && !found; gsi++) {
		m = decode_msi(routes->gsi[gsi].address, routes->gsi[gsi].data);
		found = routes->gsi[gsi].msi && m.level && m.vector == vector;
	}
	srcu_read_unlock(&vm->board->srcu, idx);
	return found;
}

int mkvm_signal_msi(struct mkvm_vm *vm, void *arg)
{
	const struct kvm_msi *msi = arg;

	if (!vm->irqchip || (msi->flags & ~KVM_MSI_VALID_DEVID))
		return -EINVAL;
	return mkvm_send_msi(vm, msi->address_lo, msi->data);
}

/* ---- lines ---- */

int mkvm_irq_set_gsi(struct mkvm_vm *vm, u32 source, u32 gsi, bool level)
{
	struct mkvm_route route = mkvm_find_route(vm, gsi);

	if (route.msi)
		return level ? mkvm_send_msi(vm, route.address, route.data) : -1;
	return mkvm_set_pins(vm, source, route.pin, level);
}

int mkvm_irq_line(struct mkvm_vm *vm, void *arg)
{
	struct kvm_irq_level *line = arg;

	if (!vm->irqchip)
		return -ENXIO;
	line->status = mkvm_irq_set_gsi(vm, MKVM_SOURCE_USER, line->irq, line->level);
	return 0;
}

/* ---- the table ---- */

/* A GSI is one message, or a pin each of some chips. */
static int add_route(struct mkvm_vm *vm, struct mkvm_routes *routes,
		     const struct kvm_irq_routing_entry *e)
{
	u32 chip = e->u.irqchip.irqchip, pin = e->u.irqchip.pin;
	struct mkvm_route *route;

	if (e->gsi >= MKVM_MAX_ROUTES)
		return -EINVAL;
	route = &routes->gsi[array_index_nospec(e->gsi, MKVM_MAX_ROUTES)];
	if (route->msi)
		return -EINVAL;
	if (e->type == KVM_IRQ_ROUTING_MSI) {
		if (e->flags & ~KVM_MSI_VALID_DEVID || memchr_inv(route, 0, sizeof(*route)))
			return -EINVAL;
		route->msi = true;
		route->address = e->u.msi.address_lo;
		route->data = e->u.msi.data;
		return 0;
	}
	if (e->type != KVM_IRQ_ROUTING_IRQCHIP || vm->irqchip != MKVM_IRQCHIP_KERNEL || e->flags ||
	    chip >= KVM_NR_IRQCHIPS || pin >= (chip == KVM_IRQCHIP_IOAPIC ? MKVM_IOAPIC_PINS : 8))
		return -EINVAL;
	chip = array_index_nospec(chip, KVM_NR_IRQCHIPS);
	if (route->pin[chip])
		return -EINVAL;
	route->pin[chip] = pin + 1;
	return 0;
}

static void publish(struct mkvm_vm *vm, struct mkvm_routes *next)
{
	struct mkvm_routes *old;

	mutex_lock(&vm->lock);
	old = rcu_replace_pointer(vm->board->routes, next, lockdep_is_held(&vm->lock));
	mutex_unlock(&vm->lock);
	synchronize_srcu_expedited(&vm->board->srcu);
	kvfree(old);
}

int mkvm_set_gsi_routing(struct mkvm_vm *vm, struct kvm_irq_routing __user *user)
{
	struct kvm_irq_routing_entry *entries;
	struct kvm_irq_routing head;
	struct mkvm_routes *routes;
	int ret = 0;
	u32 i;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (!vm->irqchip || head.nr > MKVM_MAX_ROUTES || head.flags)
		return -EINVAL;
	entries = vmemdup_user(user->entries, array_size(sizeof(*entries), head.nr));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	routes = kvzalloc(sizeof(*routes), GFP_KERNEL_ACCOUNT);
	if (!routes)
		ret = -ENOMEM;
	for (i = 0; i < head.nr && !ret; i++)
		ret = add_route(vm, routes, &entries[i]);
	kvfree(entries);
	if (ret)
		kvfree(routes);
	else
		publish(vm, routes);
	return ret;
}
