// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"

#include <stdio.h>
#include <string.h>

extern const u8 guest_stubs[], guest_stubs_end[];

_Static_assert(offsetof(struct trap_log, hits) == TRAP_HITS, "layout.h");
_Static_assert(offsetof(struct trap_log, order) == TRAP_ORDER, "layout.h");

struct kvm_regs get_regs(struct vcpu *v)
{
	struct kvm_regs regs = { 0 };
	int ret = kvm(v->fd, KVM_GET_REGS, &regs);

	if (ret)
		die("KVM_GET_REGS: %d", ret);
	return regs;
}

void set_regs(struct vcpu *v, const struct kvm_regs *regs)
{
	int ret = kvm(v->fd, KVM_SET_REGS, regs);

	if (ret)
		die("KVM_SET_REGS: %d", ret);
}

struct kvm_sregs get_sregs(struct vcpu *v)
{
	struct kvm_sregs sregs = { 0 };
	int ret = kvm(v->fd, KVM_GET_SREGS, &sregs);

	if (ret)
		die("KVM_GET_SREGS: %d", ret);
	return sregs;
}

void set_sregs(struct vcpu *v, const struct kvm_sregs *sregs)
{
	int ret = kvm(v->fd, KVM_SET_SREGS, sregs);

	if (ret)
		die("KVM_SET_SREGS: %d", ret);
}

void jump_to(struct vcpu *v, u64 rip)
{
	struct kvm_regs regs = get_regs(v);

	regs.rip = rip;
	regs.rflags = RFLAGS_FIXED;
	set_regs(v, &regs);
}

static void start_at(struct vcpu *v, u64 rip, u64 rsp)
{
	struct kvm_regs regs = { .rip = rip, .rsp = rsp, .rflags = RFLAGS_FIXED };

	set_regs(v, &regs);
}

static void all_data_segments(struct kvm_sregs *s, struct kvm_segment seg)
{
	s->ds = s->es = s->fs = s->gs = s->ss = seg;
}

void set_real_mode(struct vcpu *v)
{
	struct kvm_sregs s = get_sregs(v);
	struct kvm_segment flat = { .limit = 0xffff, .type = 3, .present = 1, .s = 1 };

	all_data_segments(&s, flat);
	s.cs = flat;
	s.cs.type = 11;
	s.cs.selector = GUEST_CODE >> 4;
	s.cs.base = GUEST_CODE;
	s.cr0 = X86_CR0_ET | X86_CR0_NE;
	s.cr4 = s.efer = 0;
	set_sregs(v, &s);
	start_at(v, 0, GUEST_STACK - 16);	/* SP has 16 bits */
}

static struct kvm_segment flat_data(void)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = GUEST_DS, .type = 3,
		.present = 1, .db = 1, .s = 1, .g = 1,
	};
}

static struct kvm_segment flat_code(u16 selector, bool is64)
{
	struct kvm_segment seg = flat_data();

	seg.selector = selector;
	seg.type = 11;
	seg.db = !is64;
	seg.l = is64;
	return seg;
}

static void set_tables(struct kvm_sregs *s)
{
	s->gdt.base = GUEST_GDT;
	s->gdt.limit = 0x3f;
	s->idt.base = GUEST_IDT;
	s->idt.limit = 0xfff;
	s->tr = (struct kvm_segment){
		.base = GUEST_TSS, .limit = 0x67, .selector = GUEST_TR, .type = 11, .present = 1,
	};
	s->ldt = (struct kvm_segment){ .unusable = 1 };
}

void set_protected_mode(struct vcpu *v)
{
	struct kvm_sregs s = get_sregs(v);

	all_data_segments(&s, flat_data());
	s.cs = flat_code(GUEST_CS32, false);
	set_tables(&s);
	s.cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE;
	s.cr4 = s.efer = 0;
	set_sregs(v, &s);
	start_at(v, GUEST_CODE, GUEST_STACK);
}

void set_long_mode(struct vcpu *v)
{
	struct kvm_sregs s = get_sregs(v);

	all_data_segments(&s, flat_data());
	s.cs = flat_code(GUEST_CS64, true);
	set_tables(&s);
	s.cr0 = X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_PG;
	s.cr3 = GUEST_PML4;
	s.cr4 = X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	s.efer = X86_EFER_LME | X86_EFER_LMA | X86_EFER_SCE | X86_EFER_NX;
	set_sregs(v, &s);
	start_at(v, GUEST_CODE, GUEST_STACK);
}

/* SDM vol. 3, "64-Bit Mode IDT": offset in three parts, type 14 is an interrupt gate. */
static void fill_idt(u64 *idt)
{
	for (u64 i = 0; i < 256; i++) {
		u64 to = GUEST_STUBS + 16 * i;

		idt[2 * i] = (to & 0xffff) | (GUEST_CS64 << 16) | (0x8eull << 40) |
			     ((to >> 16 & 0xffff) << 48);
		idt[2 * i + 1] = to >> 32;
	}
}

static void fill_page_tables(u8 *ram)
{
	u64 *pml4 = (u64 *)(ram + GUEST_PML4);
	u64 *pdpt = (u64 *)(ram + GUEST_PDPT);
	u64 *pd = (u64 *)(ram + GUEST_PD);

	/* Present, writable, user (the tests of CPL 3); 0x80: a page of 2 MiB */
	pml4[0] = GUEST_PDPT | 7;
	for (u64 i = 0; i < 4; i++)
		pdpt[i] = (GUEST_PD + i * PAGE) | 7;
	for (u64 i = 0; i < 4 * 512; i++)
		pd[i] = i * 2 * MIB | 0x80 | 7;
}

void guest_tables(struct vm *vm)
{
	static const u64 gdt[] = {
		0,
		0x00af9b000000ffff,	/* GUEST_CS64 */
		0x00cf93000000ffff,	/* GUEST_DS */
		0x00cf9b000000ffff,	/* GUEST_CS32 */
		0x0000890000000067 | (u64)GUEST_TSS << 16,	/* GUEST_TR */
		0,
		0x00cff3000000ffff,	/* GUEST_UDS */
		0x00affb000000ffff,	/* GUEST_UCS */
	};
	u64 rsp0 = GUEST_STACK;

	memcpy(vm->ram + GUEST_GDT, gdt, sizeof(gdt));
	memcpy(vm->ram + GUEST_TSS + 4, &rsp0, sizeof(rsp0));
	vm->ram[GUEST_TSS + 0x66] = 0x68;	/* no I/O permission bitmap */
	memcpy(vm->ram + GUEST_STUBS, guest_stubs, guest_stubs_end - guest_stubs);
	fill_idt((u64 *)(vm->ram + GUEST_IDT));
	fill_page_tables(vm->ram);
}

void guest_code(struct guest *g, const void *code, size_t len)
{
	memcpy(g->vm.ram + GUEST_CODE, code, len);
}

void guest_start(struct guest *g, void (*set_mode)(struct vcpu *), const void *code, size_t len)
{
	vm_create(&g->vm, GUEST_RAM);
	vcpu_create(&g->cpu, &g->vm, 0);
	guest_tables(&g->vm);
	guest_code(g, code, len);
	set_mode(&g->cpu);
}

void guest_close(struct guest *g)
{
	vcpu_close(&g->cpu);
	vm_close(&g->vm);
}

volatile struct trap_log *traps(struct guest *g)
{
	return (struct trap_log *)(g->vm.ram + GUEST_TRAPS);
}

const char *exit_name(u32 reason)
{
	static const char *const names[] = {
		[KVM_EXIT_UNKNOWN] = "UNKNOWN", [KVM_EXIT_EXCEPTION] = "EXCEPTION",
		[KVM_EXIT_IO] = "IO", [KVM_EXIT_HYPERCALL] = "HYPERCALL",
		[KVM_EXIT_DEBUG] = "DEBUG", [KVM_EXIT_HLT] = "HLT", [KVM_EXIT_MMIO] = "MMIO",
		[KVM_EXIT_IRQ_WINDOW_OPEN] = "IRQ_WINDOW_OPEN", [KVM_EXIT_SHUTDOWN] = "SHUTDOWN",
		[KVM_EXIT_FAIL_ENTRY] = "FAIL_ENTRY", [KVM_EXIT_INTR] = "INTR",
		[KVM_EXIT_INTERNAL_ERROR] = "INTERNAL_ERROR",
	};

	if (reason >= sizeof(names) / sizeof(names[0]) || !names[reason])
		return "?";
	return names[reason];
}

u32 guest_run(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	int ret = vcpu_run(v);

	if (ret)
		die("KVM_RUN: %d", ret);
	if (run->exit_reason == KVM_EXIT_IO && run->io.port == PORT_UNEXPECTED)
		die("unexpected exception %u in the guest at rip 0x%llx",
		    *((u8 *)run + run->io.data_offset), get_regs(v).rip);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR || run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		fprintf(stderr, "# exit %s at rip 0x%llx, suberror or reason 0x%llx\n",
			exit_name(run->exit_reason), get_regs(v).rip,
			run->exit_reason == KVM_EXIT_FAIL_ENTRY ?
			run->fail_entry.hardware_entry_failure_reason : run->internal.suberror);
	return run->exit_reason;
}

/* `last` ends the run: what follows the instruction, and where handlers return to. */
static struct outcome try_insn(struct guest *g, const void *insn, size_t len,
			       struct kvm_regs regs, const void *last, size_t last_len)
{
	struct outcome out;

	guest_code(g, insn, len);
	memcpy(g->vm.ram + GUEST_CODE + len, last, last_len);
	regs.rip = GUEST_CODE;
	regs.r15 = GUEST_CODE + len;
	regs.rflags |= RFLAGS_FIXED;
	set_regs(&g->cpu, &regs);
	traps(g)->vector = NO_TRAP;
	traps(g)->error = 0;
	out.exit = guest_run(&g->cpu);
	out.vector = traps(g)->vector;
	out.error = traps(g)->error;
	out.regs = get_regs(&g->cpu);
	return out;
}

struct outcome guest_try(struct guest *g, const void *insn, size_t len, const struct kvm_regs *in)
{
	static const u8 hlt[] = { 0xf4 };
	struct kvm_regs regs = in ? *in : (struct kvm_regs){ 0 };

	regs.rsp = GUEST_STACK;
	return try_insn(g, insn, len, regs, hlt, sizeof(hlt));
}

struct outcome guest_try_user(struct guest *g, const void *insn, size_t len,
			      const struct kvm_regs *in)
{
	static const u8 mov_al_r14[] = { 0x41, 0x88, 0x06 };	/* mov %al, (%r14) */
	struct kvm_regs regs = in ? *in : (struct kvm_regs){ 0 };
	struct kvm_sregs s = get_sregs(&g->cpu);

	s.cs = flat_code(GUEST_UCS, true);
	s.ss = flat_data();
	s.ss.selector = GUEST_UDS;
	s.cs.dpl = s.ss.dpl = 3;
	set_sregs(&g->cpu, &s);
	regs.rsp = GUEST_STACK - 0x1000;
	regs.r14 = GUEST_MMIO;
	return try_insn(g, insn, len, regs, mov_al_r14, sizeof(mov_al_r14));
}
