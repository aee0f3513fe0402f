/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small guests: a VM with memory and one vCPU in the mode that a test wants,
 * and what it did. Guest code is assembly in the test's own source, by GUEST().
 */
#ifndef SELFTESTS_GUEST_H
#define SELFTESTS_GUEST_H

#include "layout.h"
#include "vm.h"

struct guest {
	struct vm vm;
	struct vcpu cpu;
};

/* What the handlers in traps.S write. */
struct trap_log {
	u32 count;
	u32 vector;		/* of the last one, as are the next three */
	u64 error;
	u64 rip;
	u64 cr2;
	u32 hits[256];		/* per vector */
	u8 order[256];		/* vectors in order of arrival */
};

#define NO_TRAP 256

/* What one instruction did. */
struct outcome {
	u32 exit;		/* KVM_EXIT_HLT if it ran to its end or trapped */
	u32 vector;		/* or NO_TRAP */
	u64 error;
	struct kvm_regs regs;	/* afterwards */
};

#define NMI_VECTOR 2	/* <asm/kvm.h> names the exceptions */

#define X86_CR0_PE	(1ull << 0)
#define X86_CR0_MP	(1ull << 1)
#define X86_CR0_EM	(1ull << 2)
#define X86_CR0_TS	(1ull << 3)
#define X86_CR0_ET	(1ull << 4)
#define X86_CR0_NE	(1ull << 5)
#define X86_CR0_WP	(1ull << 16)
#define X86_CR0_NW	(1ull << 29)
#define X86_CR0_CD	(1ull << 30)
#define X86_CR0_PG	(1ull << 31)
#define X86_CR4_TSD	(1ull << 2)
#define X86_CR4_DE	(1ull << 3)
#define X86_CR4_PAE	(1ull << 5)
#define X86_CR4_PGE	(1ull << 7)
#define X86_CR4_OSFXSR	(1ull << 9)
#define X86_CR4_OSXMMEXCPT (1ull << 10)
#define X86_CR4_VMXE	(1ull << 13)
#define X86_CR4_PCIDE	(1ull << 17)
#define X86_CR4_OSXSAVE	(1ull << 18)
#define X86_EFER_SCE	(1ull << 0)
#define X86_EFER_LME	(1ull << 8)
#define X86_EFER_LMA	(1ull << 10)
#define X86_EFER_NX	(1ull << 11)
#define RFLAGS_FIXED	(1ull << 1)
#define RFLAGS_IF	(1ull << 9)

#define MSR_APICBASE	0x1b
#define MSR_SYSENTER_CS	0x174
#define MSR_SYSENTER_ESP 0x175
#define MSR_SYSENTER_EIP 0x176
#define MSR_PAT		0x277
#define MSR_EFER	0xc0000080
#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_CSTAR	0xc0000083
#define MSR_SFMASK	0xc0000084
#define MSR_FS_BASE	0xc0000100
#define MSR_GS_BASE	0xc0000101
#define MSR_KERNEL_GS	0xc0000102
#define MSR_TSC_AUX	0xc0000103

/*
 * GUEST(name, bits, "assembly"): code for the guest, loaded at GUEST_CODE. It
 * is assembled in this program, so it must not depend on its address.
 */
#define GUEST(name, bits, text)						\
	asm(".pushsection .rodata\n.balign 16\n.code" #bits "\n" #name ":\n" text \
	    "\n" #name "_end:\n.code64\n.popsection\n");		\
	extern const u8 name[], name##_end[]
/*
 * One interrupt first, so that no delivery finds a page untouched: where the CPU itself delivers
 * a local APIC's, Bochs 2.7 tells of another event after the VM exit that this would be.
 */
#define WARM_UP		"int $0x20; movl $0, 0xc000;"	/* GUEST_TRAPS: count */
#define ARG(x)		ARG_(x)		/* a number from layout.h in a GUEST() text */
#define ARG_(x)		#x

/* A VM of GUEST_RAM bytes whose vCPU 0 is about to run `name` in that mode. */
#define guest_real(g, name)	guest_start(g, set_real_mode, name, name##_end - name)
#define guest_protected(g, name) guest_start(g, set_protected_mode, name, name##_end - name)
#define guest_long(g, name)	guest_start(g, set_long_mode, name, name##_end - name)

void guest_start(struct guest *g, void (*set_mode)(struct vcpu *), const void *code, size_t len);
void guest_close(struct guest *g);
void guest_tables(struct vm *vm);	/* GDT, IDT, TSS, page tables, handlers */
void guest_code(struct guest *g, const void *code, size_t len);

/* Modes: segments, control registers, RIP, RSP; RFLAGS.IF is clear. */
void set_real_mode(struct vcpu *v);
void set_protected_mode(struct vcpu *v);
void set_long_mode(struct vcpu *v);

struct kvm_regs get_regs(struct vcpu *v);
void set_regs(struct vcpu *v, const struct kvm_regs *regs);
struct kvm_sregs get_sregs(struct vcpu *v);
void set_sregs(struct vcpu *v, const struct kvm_sregs *sregs);
void jump_to(struct vcpu *v, u64 rip);	/* also RFLAGS to its reset value */

/* KVM_RUN that must succeed; returns the exit reason. An exception that the
 * guest did not expect ends the test. */
u32 guest_run(struct vcpu *v);
const char *exit_name(u32 reason);

volatile struct trap_log *traps(struct guest *g);

/* Run one instruction in 64-bit kernel mode with these registers (RIP, RSP, R15 are ours). */
struct outcome guest_try(struct guest *g, const void *insn, size_t len, const struct kvm_regs *in);
#define TRY(g, name, in) guest_try(g, name, name##_end - name, in)

/* The same at CPL 3; the exit is KVM_EXIT_MMIO (R14 is ours, too). Leaves user segments. */
struct outcome guest_try_user(struct guest *g, const void *insn, size_t len,
			      const struct kvm_regs *in);
#define TRY_USER(g, name, in) guest_try_user(g, name, name##_end - name, in)

#endif
