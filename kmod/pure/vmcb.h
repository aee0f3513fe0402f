/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMCB, AMD-V's control block in memory: control area and state-save area.
 * APM vol. 2, appendix "VMCB Layout". The kernel's struct vmcb has other names in
 * newer kernels; the exit codes are <asm/svm.h>'s, which is uapi. Reserved parts
 * are named by their offset.
 */
#ifndef MKVM_PURE_VMCB_H
#define MKVM_PURE_VMCB_H

#include "pure.h"
#include <asm/svm.h>

/* ---- intercepts ---- */

/* CR and DR accesses: reads in the low half, writes in the high half, one bit per register. */
#define MKVM_SVM_READ(n)	MKVM_BIT(n)
#define MKVM_SVM_WRITE(n)	MKVM_BIT(16 + (n))

/* mkvm_vmcb.intercept[]: word 0 is for exit codes from 0x60 on, 1 from 0x80, 2 from 0xa0. */
#define MKVM_SVM_INTERCEPTS	3
#define MKVM_SVM_INTERCEPT_WORD(code)	(((code) - 0x60) / 32)
#define MKVM_SVM_INTERCEPT_BIT(code)	MKVM_BIT(((code) - 0x60) % 32)

/* ---- exit codes: those that <asm/svm.h> lacks ---- */

#define MKVM_SVM_EXIT_INVLPGB		0xa0
#define MKVM_SVM_EXIT_INVLPGB_ILLEGAL	0xa1
#define MKVM_SVM_EXIT_MCOMMIT		0xa3
#define MKVM_SVM_EXIT_TLBSYNC		0xa4
#define MKVM_SVM_EXIT_INVALID		(~0ull)	/* VMRUN refused the VMCB */

/* EXITINFO1 of IOIO. EXITINFO2 is the RIP of the next instruction. */
#define MKVM_SVM_IOIO_IN		MKVM_BIT(0)
#define MKVM_SVM_IOIO_STRING		MKVM_BIT(2)
#define MKVM_SVM_IOIO_REP		MKVM_BIT(3)
#define MKVM_SVM_IOIO_SIZE(info)	((info) >> 4 & 7)	/* bytes: 1, 2 or 4 */
#define MKVM_SVM_IOIO_PORT(info)	((u16)((info) >> 16))

/* EXITINFO1 of NPF: a page-fault error code and who made the access. EXITINFO2 is the GPA. */
#define MKVM_SVM_NPF_WRITE		BIT_ULL(1)
#define MKVM_SVM_NPF_RESERVED		BIT_ULL(3)
#define MKVM_SVM_NPF_FETCH		BIT_ULL(4)
#define MKVM_SVM_NPF_FINAL		BIT_ULL(32)	/* not of the walk of the guest's tables */

/* ---- bits of control fields ---- */

/* EVENTINJ and EXITINTINFO; vector in 7:0, error code in 63:32. */
#define MKVM_SVM_EVENT_TYPE		(7u << 8)
#define MKVM_SVM_EVENT_INTR		(0u << 8)
#define MKVM_SVM_EVENT_NMI		(2u << 8)
#define MKVM_SVM_EVENT_EXCEPTION	(3u << 8)
#define MKVM_SVM_EVENT_SOFTWARE		(4u << 8)	/* INT n */
#define MKVM_SVM_EVENT_ERROR_CODE	MKVM_BIT(11)
#define MKVM_SVM_EVENT_VALID		MKVM_BIT(31)

/* mkvm_vmcb.tlb_control */
#define MKVM_SVM_TLB_NOTHING		0
#define MKVM_SVM_TLB_FLUSH_ALL		1	/* of every ASID */

#define MKVM_SVM_INT_V_TPR		0xfu
#define MKVM_SVM_INT_V_IRQ		MKVM_BIT(8)
#define MKVM_SVM_INT_V_PRIO(n)		((u32)(n) << 16)
#define MKVM_SVM_INT_V_IGN_TPR		MKVM_BIT(20)
#define MKVM_SVM_INT_V_MASKING		MKVM_BIT(24)

#define MKVM_SVM_SHADOW			BIT_ULL(0)	/* mkvm_vmcb.interrupt_state */
#define MKVM_SVM_NP_ENABLE		BIT_ULL(0)	/* mkvm_vmcb.nested_control */

/* Clean bits: set where the VMCB's group has not changed since the last VMRUN here. */
#define MKVM_SVM_CLEAN_INTERCEPTS	MKVM_BIT(0)	/* and TSC offset, pause filter */
#define MKVM_SVM_CLEAN_PERMISSIONS	MKVM_BIT(1)	/* IOPM and MSRPM bases */
#define MKVM_SVM_CLEAN_ASID		MKVM_BIT(2)
#define MKVM_SVM_CLEAN_INTERRUPT	MKVM_BIT(3)	/* V_TPR .. V_INTR_VECTOR */
#define MKVM_SVM_CLEAN_NESTED		MKVM_BIT(4)	/* nested_control, nested_cr3, g_pat */
#define MKVM_SVM_CLEAN_CR		MKVM_BIT(5)	/* CR0, CR3, CR4, EFER */
#define MKVM_SVM_CLEAN_DR		MKVM_BIT(6)
#define MKVM_SVM_CLEAN_TABLES		MKVM_BIT(7)	/* GDTR, IDTR */
#define MKVM_SVM_CLEAN_SEGMENTS		MKVM_BIT(8)	/* CS DS SS ES, CPL */
#define MKVM_SVM_CLEAN_CR2		MKVM_BIT(9)
#define MKVM_SVM_CLEAN_ALL		0x3ffu

#define MKVM_EFER_SVME			BIT_ULL(12)

#define MKVM_SVM_ATTR_L			MKVM_BIT(9)	/* mkvm_vmcb_segment.attr */

/* ---- layout ---- */

struct mkvm_vmcb_segment {
	u16 selector;
	u16 attr;
	u32 limit;
	u64 base;
};

struct mkvm_vmcb {
	/* Control area */
	u32 intercept_cr;		/* MKVM_SVM_READ, MKVM_SVM_WRITE */
	u32 intercept_dr;
	u32 intercept_exceptions;	/* bit per vector */
	u32 intercept[MKVM_SVM_INTERCEPTS];
	u8 reserved_018[0x03c - 0x018];
	u16 pause_threshold;
	u16 pause_count;
	u64 iopm_pa;
	u64 msrpm_pa;
	u64 tsc_offset;
	u32 asid;
	u8 tlb_control;			/* MKVM_SVM_TLB_* */
	u8 reserved_05d[3];
	u32 interrupt_control;		/* MKVM_SVM_INT_* */
	u32 interrupt_vector;
	u64 interrupt_state;
	u64 exit_code;
	u64 exit_info_1;
	u64 exit_info_2;
	u64 exit_int_info;
	u64 nested_control;
	u8 reserved_098[0x0a8 - 0x098];
	u64 event_inj;
	u64 nested_cr3;
	u64 lbr_control;
	u32 clean;			/* MKVM_SVM_CLEAN_* */
	u32 reserved_0c4;
	u64 next_rip;			/* needs CPUID 8000_000A EDX.NRIPS */
	u8 insn_len;			/* with decode assists: bytes in insn[] */
	u8 insn[15];
	u8 reserved_0e0[0x400 - 0x0e0];

	/* State-save area */
	struct mkvm_vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u8 reserved_4a0[0x4cb - 0x4a0];
	u8 cpl;
	u32 reserved_4cc;
	u64 efer;
	u8 reserved_4d8[0x548 - 0x4d8];
	u64 cr4;
	u64 cr3;
	u64 cr0;
	u64 dr7;
	u64 dr6;
	u64 rflags;
	u64 rip;
	u8 reserved_580[0x5d8 - 0x580];
	u64 rsp;
	u8 reserved_5e0[0x5f8 - 0x5e0];
	u64 rax;
	u64 star;
	u64 lstar;
	u64 cstar;
	u64 sfmask;
	u64 kernel_gs_base;
	u64 sysenter_cs;
	u64 sysenter_esp;
	u64 sysenter_eip;
	u64 cr2;
	u8 reserved_648[0x668 - 0x648];
	u64 g_pat;
	u64 debugctl;
	u8 reserved_678[0x1000 - 0x678];
};

static_assert(sizeof(struct mkvm_vmcb) == 4096, "a VMCB is a page");

#endif /* MKVM_PURE_VMCB_H */
