/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * walk.c, fetch.c: guest memory as an instruction names it, by segment and offset or by
 * linear address, for what the kernel executes in the guest's place. May sleep;
 * within the run loop, with page faults off, these say -EAGAIN or -EFAULT instead.
 */
#ifndef MKVM_X86_GUEST_H
#define MKVM_X86_GUEST_H

#include "mkvm.h"
#include "pure/x86_bits.h"

/* What the functions below say besides 0 and errno: resume the guest, it has a fault to take. */
#define MKVM_FAULTED	1

/* From anywhere: within the run loop the vCPU is loaded, else it is loaded for that time. */
void mkvm_take_context(struct mkvm_vcpu *v, struct mkvm_guest_context *c);
void mkvm_take_segment(struct mkvm_vcpu *v, enum mkvm_seg seg);	/* into v->context */
void mkvm_set_arithmetic_flags(struct mkvm_vcpu *v, u64 rflags);
void mkvm_end_insn(struct mkvm_vcpu *v, u32 len);	/* now, or before the next entry */

static inline bool mkvm_is_64bit(const struct mkvm_guest_context *c)
{
	return (c->efer & MKVM_EFER_LMA) && c->seg[MKVM_SEG_CS].l;
}

/* All below are of v->context. Segment checks alone; false: mkvm_queue_segment_fault() is due. */
bool mkvm_linear(const struct mkvm_vcpu *v, enum mkvm_seg seg, u64 offset, u32 size, u32 access,
		 u64 *linear);
void mkvm_queue_segment_fault(struct mkvm_vcpu *v, enum mkvm_seg seg);

/* mkvm_walk(), and the page fault is queued. */
int mkvm_translate(struct mkvm_vcpu *v, u64 linear, u32 access, u64 *gpa);
/*
 * Read into data or write from it: at most one page long, may cross a page boundary.
 * Nothing is copied unless all of it is accessible. -ENXIO: some of it is no memory.
 */
int mkvm_access_linear(struct mkvm_vcpu *v, u64 linear, void *data, u32 len, u32 access);

/* mmio.c: the offset in its segment of v->insn's memory operand, with v->context. */
u64 mkvm_operand_offset(const struct mkvm_vcpu *v);

/*
 * fetch.c: the instruction at RIP, into v->insn and v->fetched. 0: decoded. -ENXIO: it is
 * no instruction that pure/insn.c knows, or there is no memory. MKVM_FAULTED: the guest
 * cannot fetch it either. -EAGAIN, -EFAULT: it takes to sleep, which the run loop must not.
 */
int mkvm_fetch_and_decode(struct mkvm_vcpu *v);

/*
 * The instruction's work cannot be done here: #UD at CPL 3, where a process must not end
 * its machine, else KVM_INTERNAL_ERROR_EMULATION with the first len bytes of v->fetched.
 */
int mkvm_emulation_failed(struct mkvm_vcpu *v, u32 len);

static inline u64 mkvm_size_mask(u32 bytes)
{
	return ~0ull >> (64 - 8 * bytes);
}

/* A write to a general register: 8 and 16 bits keep the rest, 32 bits clear it. */
static inline unsigned long mkvm_merge_reg(unsigned long old, u64 value, u32 size)
{
	switch (size) {
	case 1:
		return (old & ~0xfful) | (u8)value;
	case 2:
		return (old & ~0xfffful) | (u16)value;
	case 4:
		return (u32)value;
	default:
		return value;
	}
}

#endif /* MKVM_X86_GUEST_H */
