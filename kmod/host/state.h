/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of the host a VM exit destroys or does not bring back, beyond what the
 * VMCS's host-state area restores. SDM vol. 3, chapter "VM Exits", section
 * "Loading Host State".
 */
#ifndef MKVM_HOST_STATE_H
#define MKVM_HOST_STATE_H

#include <linux/types.h>

/* The host's breakpoints: neither vendor's VM exit brings DR0-DR3, DR6 and DR7 back. */
struct mkvm_host_breakpoints {
	bool active;			/* there are some, and they are in here */
	unsigned long dr[4], dr6, dr7;
};

/*
 * As the two below. After save the host's breakpoints are disarmed, so that
 * guest addresses may go into DR0-DR3.
 */
void mkvm_host_breakpoints_save(struct mkvm_host_breakpoints *b);
void mkvm_host_breakpoints_restore(const struct mkvm_host_breakpoints *b);

/* VT-x: of the running thread and this CPU, while guests may run here. */
struct mkvm_host_state {
	u16 ds, es, fs, gs, ldt;	/* selectors; VM exit loads null ones */
	unsigned long fs_base;		/* for HOST_FS_BASE */
	struct mkvm_host_breakpoints breakpoints;
	unsigned long debugctl;		/* VM exit clears it */
};

/*
 * Save before the first VM entry, restore after the last VM exit, with
 * preemption off in between and on the same thread. Restore before
 * MSR_KERNEL_GS_BASE is: loading a GS selector overwrites it.
 */
void mkvm_host_state_save(struct mkvm_host_state *s);
void mkvm_host_state_restore(const struct mkvm_host_state *s);

/* What the host-state area holds of a CPU; never changes while it is online. */
struct mkvm_host_area {
	unsigned long tr_base, gdt_base, idt_base, gs_base;
	u32 sysenter_cs;
	unsigned long sysenter_esp, sysenter_eip;
};

/* Of this CPU; preemption off. */
void mkvm_host_area(struct mkvm_host_area *area);

#endif /* MKVM_HOST_STATE_H */
