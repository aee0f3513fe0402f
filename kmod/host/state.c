// SPDX-License-Identifier: GPL-2.0-only
#include <linux/smp.h>
#include <asm/cpu_entry_area.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/fsgsbase.h>

#include "host/compat.h"
#include "host/state.h"

static unsigned long read_fs_base(void)
{
	unsigned long base;

	if (static_cpu_has(X86_FEATURE_FSGSBASE))
		return rdfsbase();
	rdmsrq(MSR_FS_BASE, base);
	return base;
}

/*
 * A thread of a 64-bit program has null selectors: then there is nothing to do.
 * The LDT comes first, the others may point into it.
 */
static void restore_segments(const struct mkvm_host_state *s)
{
	if (unlikely(s->ldt))
		asm volatile("lldt %0" : : "rm" (s->ldt));
	if (unlikely(s->ds | s->es)) {
		loadsegment(ds, s->ds);
		loadsegment(es, s->es);
	}
	if (unlikely(s->fs)) {
		loadsegment(fs, s->fs);
		wrmsrq(MSR_FS_BASE, s->fs_base);
	}
	if (unlikely(s->gs))
		load_gs_index(s->gs);
}

void mkvm_host_breakpoints_save(struct mkvm_host_breakpoints *b)
{
	int i;

	b->active = hw_breakpoint_active();
	if (likely(!b->active))
		return;
	for (i = 0; i < 4; i++)
		get_debugreg(b->dr[i], i);
	get_debugreg(b->dr6, 6);
	get_debugreg(b->dr7, 7);
	set_debugreg(0ul, 7);
}

/*
 * What perf installed on this CPU meanwhile is armed when its event is next
 * scheduled: the kernel's own restore function is not for modules everywhere.
 */
void mkvm_host_breakpoints_restore(const struct mkvm_host_breakpoints *b)
{
	int i;

	if (likely(!b->active))
		return;
	for (i = 0; i < 4; i++)
		set_debugreg(b->dr[i], i);
	set_debugreg(b->dr6, 6);
	set_debugreg(b->dr7, 7);
}

void mkvm_host_state_save(struct mkvm_host_state *s)
{
	savesegment(ds, s->ds);
	savesegment(es, s->es);
	savesegment(fs, s->fs);
	savesegment(gs, s->gs);
	store_ldt(s->ldt);
	s->fs_base = read_fs_base();
	mkvm_host_breakpoints_save(&s->breakpoints);
	s->debugctl = get_debugctlmsr();
}

void mkvm_host_state_restore(const struct mkvm_host_state *s)
{
	/* VM exit sets the limits of GDTR to 64 KiB and of TR to the TSS without I/O bitmap. */
	load_fixmap_gdt(smp_processor_id());
	invalidate_tss_limit();
	restore_segments(s);
	mkvm_host_breakpoints_restore(&s->breakpoints);
	if (unlikely(s->debugctl))
		update_debugctlmsr(s->debugctl);
}

void mkvm_host_area(struct mkvm_host_area *area)
{
	int cpu = smp_processor_id();
	struct desc_ptr idt;

	store_idt(&idt);
	area->idt_base = idt.address;
	area->gdt_base = (unsigned long)get_current_gdt_ro();
	area->tr_base = (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss;
	rdmsrq(MSR_GS_BASE, area->gs_base);
	rdmsr(MSR_IA32_SYSENTER_CS, area->sysenter_cs, idt.size);
	rdmsrq(MSR_IA32_SYSENTER_ESP, area->sysenter_esp);
	rdmsrq(MSR_IA32_SYSENTER_EIP, area->sysenter_eip);
}
