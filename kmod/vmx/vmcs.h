/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMCS as an object that moves between states and CPUs, and the VMX
 * instructions that work on the current one. SDM vol. 3, chapter "Virtual
 * Machine Control Structures", figure "States of VMCS X":
 *
 *	           vmcs_load                       VMLAUNCH, which
 *	inactive ------------> active, current,  ----------------> launched
 *	clear    <------------ clear               the caller notes
 *	    ^      vmcs_clear                                          |
 *	    `------------------ vmcs_clear ----------------------------'
 *
 * Loading another VMCS leaves this one active and not current; loading it on
 * another CPU clears it on the old one first.
 */
#ifndef MKVM_VMX_VMCS_H
#define MKVM_VMX_VMCS_H

#include <linux/build_bug.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <minikvm.h>
#include <asm/asm.h>
#include <asm/vmx.h>

#include "host/compat.h"

struct vmx_vmcs {
	void *region;		/* constant: one page */
	u64 pa;			/* constant: of region */
	int cpu;		/* active on this CPU, -1: inactive; only that CPU changes it */
	bool initialized;	/* has seen its first VMCLEAR */
	bool launched;		/* the caller sets it after a VMLAUNCH that led to a VM exit */
	struct list_head node;	/* in the list of cpu while active */
};

/* Once, before anything else here. */
void vmcs_setup(void);

int vmcs_alloc(struct vmx_vmcs *vmcs);
/* Clears it wherever it is active. Sleeps not, but needs interrupts on. */
void vmcs_free(struct vmx_vmcs *vmcs);

/* The current VMCS of each CPU, or NULL. */
DECLARE_PER_CPU(struct vmx_vmcs *, vmcs_current);

/*
 * Make the VMCS current on this CPU, where VMX is on. Preemption off, interrupts
 * on. Where VMPTRLD fails, no VMCS is current and the log says how.
 */
void vmcs_load(struct vmx_vmcs *vmcs);

/* Make it inactive and clear, from any CPU; the same contexts as vmcs_load. */
void vmcs_clear(struct vmx_vmcs *vmcs);

/* All that are active on this CPU. Interrupts off, or NMI in a crash. */
void vmcs_clear_all_here(void);

/* The VM-instruction error by name, for the log; "no current VMCS" without one. */
const char *vmcs_instruction_error(void);

/* ---- counting accesses: MKVM_DEBUG only ---- */

#ifdef MKVM_DEBUG
struct vmcs_counts {
	u64 reads, writes;
};
DECLARE_PER_CPU(struct vmcs_counts, vmcs_counts);
#define vmcs_count(what)	__this_cpu_inc(vmcs_counts.what)
#else
#define vmcs_count(what)	do { } while (0)
#endif

/* Add the accesses made on this CPU since the last call to stats; NULL forgets them. */
static inline void vmcs_counts_take(struct mkvm_vcpu_stats *stats)
{
#ifdef MKVM_DEBUG
	struct vmcs_counts *counts = this_cpu_ptr(&vmcs_counts);

	if (stats) {
		stats->vmreads += counts->reads;
		stats->vmwrites += counts->writes;
	}
	*counts = (struct vmcs_counts){};
#endif
}

/* ---- accessors of the current VMCS ---- */

/*
 * Out of line: tell of a failed instruction, once in a while. A fault means
 * that VMX is off on this CPU, and is silent when the host is going down.
 */
void vmx_insn_failed(const char *insn, u64 operand);
void vmx_insn_faulted(const char *insn);

/* Any field by number, for dumps; others use vmcs_read(). */
static __always_inline unsigned long vmcs_read_raw(unsigned long field)
{
	unsigned long value;

	vmcs_count(reads);
	asm_goto_output("1: vmread %[field], %[value]\n\t"
			"jbe %l[failed]\n\t"
			_ASM_EXTABLE(1b, %l[faulted])
			: [value] "=r" (value) : [field] "r" (field) : "cc" : failed, faulted);
	return value;
failed:
	vmx_insn_failed("VMREAD", field);
	return 0;
faulted:
	vmx_insn_faulted("VMREAD");
	return 0;
}

static __always_inline void vmcs_write_raw(unsigned long field, unsigned long value)
{
	vmcs_count(writes);
	asm goto("1: vmwrite %[value], %[field]\n\t"
		 "jbe %l[failed]\n\t"
		 _ASM_EXTABLE(1b, %l[faulted])
		 : : [value] "rm" (value), [field] "r" (field) : "cc" : failed, faulted);
	return;
failed:
	vmx_insn_failed("VMWRITE", field);
	return;
faulted:
	vmx_insn_faulted("VMWRITE");
}

/* Like vmcs_read_raw, but says nothing where this CPU lacks the field. */
static __always_inline bool vmcs_try_read(unsigned long field, u64 *value)
{
	unsigned long v;

	asm_goto_output("1: vmread %[field], %[value]\n\t"
			"jbe %l[failed]\n\t"
			_ASM_EXTABLE(1b, %l[failed])
			: [value] "=r" (v) : [field] "r" (field) : "cc" : failed);
	*value = v;
	return true;
failed:
	return false;
}

/*
 * An encoding tells the field's width, which decides the C type, and its area.
 * SDM vol. 3, section "Encoding of VMCS Fields" names the bits.
 */
#define VMCS_WIDTH(field)	((field) >> 13 & 3)	/* 16, 64, 32 bits, natural width */
#define VMCS_AREA(field)	((field) >> 10 & 3)	/* control, exit information, guest, host */
#define VMCS_EXIT_INFO		1
#define vmcs_type(field) \
	typeof(__builtin_choose_expr(VMCS_WIDTH(field) == 0, (u16)0, \
	       __builtin_choose_expr(VMCS_WIDTH(field) == 1, (u64)0, \
	       __builtin_choose_expr(VMCS_WIDTH(field) == 2, (u32)0, 0ul))))

#define vmcs_read(field)	((vmcs_type(field))vmcs_read_raw(field))

#define vmcs_write(field, value) do {							\
	BUILD_BUG_ON_MSG(sizeof(value) > sizeof(vmcs_type(field)),			\
			 #value " does not fit " #field);				\
	BUILD_BUG_ON_MSG(VMCS_AREA(field) == VMCS_EXIT_INFO,			\
			 #field " is read-only");					\
	vmcs_write_raw(field, (vmcs_type(field))(value));				\
} while (0)

/* ---- INVEPT and INVVPID. SDM vol. 3, section "Operations that Invalidate Cached Mappings" ---- */

enum vmx_invalidate_type {
	VMX_INVALIDATE_SINGLE = 1,	/* one EPTP, or one VPID */
	VMX_INVALIDATE_ALL = 2,
};

/* True: it failed, and the log says so. */
bool vmx_invept(enum vmx_invalidate_type type, u64 eptp);
bool vmx_invvpid(enum vmx_invalidate_type type, u16 vpid);

#endif /* MKVM_VMX_VMCS_H */
