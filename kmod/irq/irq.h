/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt controllers in the kernel: what irq/'s files offer one another and
 * the core. The state machines are pure/lapic.c, ioapic.c, pic.c and pit.c; here
 * are the locks, timers and kicks around them.
 *
 *   devices, userspace --> mkvm_irq_set_gsi --> routes --> 8259 pair, I/O APIC or an MSI
 *                                                             |            |
 *   irq_lock of the VM: 8259 pair, I/O APIC, 8254             | INTR       | message
 *                                                             v            v
 *   lock of each local APIC                          mkvm_apic_extint  mkvm_apic_send
 *
 * Lock order: vm irq_lock > lock of a local APIC; both are taken with interrupts
 * off and never held over anything that sleeps. A local APIC lets go of its own
 * before it tells the I/O APIC of an EOI.
 */
#ifndef MKVM_IRQ_H
#define MKVM_IRQ_H

#include "mkvm.h"
#include "pure/lapic.h"

/* ---- lapic.c: local APICs, where the vCPUs wait ---- */

/*
 * Deliver a message; from is the sending vCPU, NULL for devices. Any context, does
 * not sleep. How many local APICs took it; 0: it coalesced with one that is
 * pending; -1: nobody is there.
 */
int mkvm_apic_send(struct mkvm_vm *vm, struct mkvm_vcpu *from, const struct mkvm_apic_message *m);
/*
 * The 8259s' INTR went high: whoever takes ExtINT is woken, and calls
 * mkvm_pic_intack. Under irq_lock.
 */
void mkvm_apic_extint(struct mkvm_vm *vm);
/* False: it was none to the local APIC's page. Does not sleep. */
bool mkvm_apic_mmio(struct mkvm_vcpu *v, bool write, u64 gpa, u32 len, void *data);
/* A write there by an instruction that nobody has decoded: was it an EOI? v has an APIC. */
bool mkvm_apic_eoi_at(struct mkvm_vcpu *v, u64 gpa);
/* MSRs 0x800-0x8ff and IA32_TSC_DEADLINE, IA32_APIC_BASE. True: #GP. The vCPU's own thread. */
bool mkvm_apic_rdmsr(struct mkvm_vcpu *v, u32 index, u64 *value);
bool mkvm_apic_wrmsr(struct mkvm_vcpu *v, u32 index, u64 value);
void mkvm_apic_set_base(struct mkvm_vcpu *v, u64 base);
static inline u64 mkvm_get_cr8(const struct mkvm_vcpu *v)
{
	return v->apic_page ? v->apic_page->reg[MKVM_APIC_TPR].value >> 4 : v->cr8;
}

void mkvm_set_cr8(struct mkvm_vcpu *v, u64 value);
/* KVM_GET_LAPIC, KVM_SET_LAPIC: EINVAL without an irqchip. */
int mkvm_get_lapic(struct mkvm_vcpu *v, void *page);
int mkvm_set_lapic(struct mkvm_vcpu *v, void *page);

/* With a VM's irqchip, when a vCPU is made; undone by mkvm_apic_free, also half-done. */
int mkvm_apic_create(struct mkvm_vcpu *v);
void mkvm_apic_free(struct mkvm_vcpu *v);
void mkvm_apic_reset(struct mkvm_vcpu *v, bool init);
void mkvm_apic_derive(struct mkvm_vcpu *v);	/* what CPUID allows */

/*
 * Is there an interrupt to inject? Says no at once without v->irq_look. Then the vector, once;
 * -1: it was the 8259s' and is gone.
 */
bool mkvm_apic_has_irq(struct mkvm_vcpu *v);
int mkvm_apic_take_irq(struct mkvm_vcpu *v);
/* After the VM exit with v->pv_eoi_offered: a guest that took the offer has ended its interrupt. */
void mkvm_apic_end_pv_eoi(struct mkvm_vcpu *v);
/* Has KVM_INTERRUPT room, and would its vector come through? Split: userspace is the 8259s. */
bool mkvm_apic_wants_extint(const struct mkvm_vcpu *v);
int mkvm_apic_give_extint(struct mkvm_vcpu *v, u8 vector);	/* EEXIST: one waits */

/*
 * Where the vendor can, the CPU delivers interrupts and ends them. Loaded, interrupts on: when
 * mode or base have changed. Loaded: before VM entry, with what has come; after an EOI that
 * exits. And does it, if there is one, need a page at gpa, which an access
 * missed (mkvm_mmu_map_apic)?
 */
void mkvm_apic_virtualize(struct mkvm_vcpu *v);
bool mkvm_apic_wants_page(struct mkvm_vcpu *v, u64 gpa);
void mkvm_apic_sync(struct mkvm_vcpu *v);
/* Loaded: before VM entry, after the look. While TPR holds back nothing, nobody asks for it. */
void mkvm_apic_let_cr8(struct mkvm_vcpu *v);
void mkvm_apic_after_eoi(struct mkvm_vcpu *v, u8 vector);

/* Wake it where it waits and force it out of the guest, without waiting for that. Any context. */
void mkvm_kick(struct mkvm_vcpu *v);
/*
 * HLT. With an irqchip the vCPU halts here, else userspace is told. Then the wait of a
 * vCPU that is not RUNNABLE: MKVM_RESUME when there is something to do, perhaps a signal;
 * MKVM_TO_USER when userspace has an interrupt to give.
 */
int mkvm_halt(struct mkvm_vcpu *v);
int mkvm_apic_wait(struct mkvm_vcpu *v);
/* INIT and start-up IPIs that came; changes mp_state. May sleep. */
void mkvm_apic_events(struct mkvm_vcpu *v);

/* ---- chips.c: 8259 pair, I/O APIC and 8254 ---- */

/* INTR of the 8259 pair; and the INTA cycle: the vector. Any context. */
bool mkvm_pic_pending(struct mkvm_vm *vm);
u8 mkvm_pic_intack(struct mkvm_vm *vm);
/*
 * A local APIC had an EOI for a level-triggered vector. With the split irqchip
 * the caller leaves to userspace (KVM_EXIT_IOAPIC_EOI) where this says true.
 */
bool mkvm_ioapic_eoi(struct mkvm_vm *vm, u8 vector);

/* ---- board.c: all of the above but the local APICs, of one VM ---- */

int mkvm_board_init(struct mkvm_vm *vm);
void mkvm_board_free(struct mkvm_vm *vm);	/* before the vCPUs */

/* ---- bus.c: who is behind a port or address: chips, ioeventfds, coalesced ranges ---- */

/*
 * One access of 1 to 8 bytes. 0: done; -EOPNOTSUPP: nobody, ask userspace. Does not sleep.
 * MMIO: mkvm_apic_mmio comes first.
 */
int mkvm_bus_pio(struct mkvm_vcpu *v, bool write, u16 port, u32 len, void *data);
int mkvm_bus_mmio(struct mkvm_vcpu *v, bool write, u64 gpa, u32 len, void *data);
/* A write there that nobody has decoded: was this all it had to do? Does not sleep. */
bool mkvm_bus_doorbell(struct mkvm_vcpu *v, u64 gpa);

/* ---- route.c: GSIs and MSIs ---- */

/*
 * Drive a GSI's input from one source (0 userspace, 1 the 8254, 2.. irqfds): the
 * line is the OR of all. Returns as mkvm_apic_send; below -1 an errno.
 */
int mkvm_irq_set_gsi(struct mkvm_vm *vm, u32 source, u32 gsi, bool level);

#endif /* MKVM_IRQ_H */
