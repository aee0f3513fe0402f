// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cost of the ways out of a guest, in ticks of the time-stamp counter for one
 * round trip, guest and host together. Under an emulator that counts a tick per
 * instruction these are instruction counts.
 *
 *	bench OP TICKS
 *	vmcs OP VMREADS VMWRITES	per exit; from a module that counts them
 */
#include "guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <x86intrin.h>

#define PAGES 512		/* of the page test; 2 MiB from TOUCH_GPA on */
#define TOUCH_GPA (64 * MIB)

/* Loops for ever: each round leaves to userspace. */
GUEST(pio_out, 64, "mov $0x80, %edx; 1: out %al, %dx; jmp 1b");
GUEST(pio_in, 64, "mov $0x80, %edx; 1: in %dx, %al; jmp 1b");
GUEST(mmio_write, 64, "1: mov %eax, (%rbx); jmp 1b");
GUEST(mmio_read, 64, "1: mov (%rbx), %eax; jmp 1b");
GUEST(hlt, 64, "1: hlt; jmp 1b");

/* RSI rounds, timed by the guest itself: HLT with the ticks in RAX */
#define TIMED(body)							\
	"rdtsc; shl $32, %rdx; lea (%rax,%rdx), %r8;"			\
	"1:" body "; dec %esi; jnz 1b;"					\
	"rdtsc; shl $32, %rdx; add %rdx, %rax; sub %r8, %rax; hlt"

GUEST(nothing, 64, TIMED("nop"));
GUEST(cpuid, 64, TIMED("xor %eax, %eax; cpuid"));
GUEST(rdmsr, 64, TIMED("mov $0x1b, %ecx; rdmsr"));
GUEST(vmcall, 64, TIMED("mov $9999, %eax; vmcall"));
GUEST(vmmcall, 64, TIMED("mov $9999, %eax; vmmcall"));
GUEST(touch, 64, TIMED("mov %rsi, (%rbx); add $4096, %rbx"));

struct op {
	const char *name;
	const u8 *code, *end;
	u32 rounds;
	bool in_guest;		/* timed there */
	u32 exit;		/* else: how each round ends */
};

#define IN_GUEST(op, guest)	{ op, guest, guest##_end, 2000, true, KVM_EXIT_HLT }
#define TO_USER(op, guest, how)	{ op, guest, guest##_end, 1000, false, how }

static const struct op ops[] = {
	IN_GUEST("nothing", nothing),
	IN_GUEST("cpuid", cpuid),
	IN_GUEST("hypercall", vmcall),	/* vmmcall on AMD-V */
	IN_GUEST("rdmsr", rdmsr),
	TO_USER("pio-out", pio_out, KVM_EXIT_IO),
	TO_USER("pio-in", pio_in, KVM_EXIT_IO),
	TO_USER("mmio-write", mmio_write, KVM_EXIT_MMIO),
	TO_USER("mmio-read", mmio_read, KVM_EXIT_MMIO),
	TO_USER("hlt", hlt, KVM_EXIT_HLT),
};

static struct mkvm_vcpu_stats stats(struct vcpu *v)
{
	struct mkvm_vcpu_stats s = { 0 };

	kvm(v->fd, MKVM_GET_STATS, &s);		/* zeroes where there are none */
	return s;
}

static void print_vmcs(const char *name, struct mkvm_vcpu_stats from, struct mkvm_vcpu_stats to)
{
	double exits = to.entries - from.entries;

	if (to.vmreads + to.vmwrites)
		printf("vmcs %s %.2f %.2f\n", name, (to.vmreads - from.vmreads) / exits,
		       (to.vmwrites - from.vmwrites) / exits);
}

static void prepare(struct guest *g, const struct op *op, u32 rounds)
{
	struct kvm_regs regs = {
		.rip = GUEST_CODE, .rsp = GUEST_STACK, .rflags = RFLAGS_FIXED,
		.rsi = rounds, .rbx = GUEST_MMIO,
	};

	guest_code(g, op->code, op->end - op->code);
	set_regs(&g->cpu, &regs);
}

static u64 timed_by_guest(struct guest *g, const struct op *op, u32 rounds)
{
	prepare(g, op, rounds);
	if (guest_run(&g->cpu) != KVM_EXIT_HLT)
		die("%s: exit %s", op->name, exit_name(g->cpu.run->exit_reason));
	return get_regs(&g->cpu).rax / rounds;
}

static u64 timed_by_host(struct guest *g, const struct op *op, u32 rounds)
{
	u64 start;

	prepare(g, op, rounds);
	start = __rdtsc();
	for (u32 i = 0; i < rounds; i++)
		if (vcpu_run(&g->cpu) || g->cpu.run->exit_reason != op->exit)
			die("%s: exit %s", op->name, exit_name(g->cpu.run->exit_reason));
	return (__rdtsc() - start) / rounds;
}

/* The least of three, after a warm-up. */
static void measure(const struct op *op)
{
	u64 (*timed)(struct guest *, const struct op *, u32) =
		op->in_guest ? timed_by_guest : timed_by_host;
	struct mkvm_vcpu_stats before;
	u64 best = ~0ull;
	struct guest g;

	guest_start(&g, set_long_mode, op->code, op->end - op->code);
	timed(&g, op, 10);
	before = stats(&g.cpu);
	for (int i = 0; i < 3; i++) {
		u64 ticks = timed(&g, op, op->rounds);

		best = ticks < best ? ticks : best;
	}
	printf("bench %s %lu\n", op->name, best);
	print_vmcs(op->name, before, stats(&g.cpu));
	fflush(stdout);
	guest_close(&g);
}

/* Pages that the process has, and the guest touches for the first time */
static void measure_page(const char *name, bool present)
{
	struct op op = { name, touch, touch_end, PAGES, true, KVM_EXIT_HLT };
	u8 *mem = map_anon_aligned(PAGES * PAGE, 2 * MIB);
	struct mkvm_vcpu_stats before;
	struct kvm_regs regs;
	struct guest g;

	madvise(mem, PAGES * PAGE, MADV_NOHUGEPAGE);
	for (u64 i = 0; present && i < PAGES; i++)
		mem[i * PAGE] = 1;
	guest_start(&g, set_long_mode, touch, touch_end - touch);
	if (vm_slot(&g.vm, 1, 0, TOUCH_GPA, PAGES * PAGE, mem))
		die("slot");
	prepare(&g, &op, PAGES);
	regs = get_regs(&g.cpu);
	regs.rbx = TOUCH_GPA;
	set_regs(&g.cpu, &regs);
	before = stats(&g.cpu);
	if (guest_run(&g.cpu) != KVM_EXIT_HLT)
		die("%s", name);
	printf("bench %s %llu\n", name, get_regs(&g.cpu).rax / PAGES);
	print_vmcs(name, before, stats(&g.cpu));
	guest_close(&g);
	munmap(mem, PAGES * PAGE);
}

int main(void)
{
	setenv("MINIKVM_TEST_SECONDS", "60", 0);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		struct op op = ops[i];

		if (op.code == vmcall && cpu_is_amd()) {
			op.code = vmmcall;
			op.end = vmmcall_end;
		}
		measure(&op);
	}
	measure_page("page-map", true);
	measure_page("page-touch", false);	/* the process has to get the page, too */
	return 0;
}
