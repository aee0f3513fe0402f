// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cost of the ways out of a guest, in ticks of the time-stamp counter for one
 * round trip, guest and host together. Under an emulator that counts a tick per
 * instruction these are instruction counts.
 *
 *	bench OP TICKS
 *	vmcs OP VMREADS VMWRITES	per exit; from a module that counts them
 */
#include "thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#define PAGES 512		/* of the page test; 2 MiB from TOUCH_GPA on */
#define TOUCH_GPA (64 * MIB)
#define DOORBELL_PORT 0x680
#define APIC_PAGE 0xfee00000
#define READY	(GUEST_DATA + 0x1000)	/* the second vCPU says so */

/* Loops for ever: each round leaves to userspace. */
GUEST(pio_out, 64, "mov $0x80, %edx; 1: out %al, %dx; jmp 1b");
GUEST(pio_in, 64, "mov $0x80, %edx; 1: in %dx, %al; jmp 1b");
GUEST(mmio_write, 64, "1: mov %eax, (%rbx); jmp 1b");
GUEST(mmio_read, 64, "1: mov (%rbx), %eax; jmp 1b");
GUEST(hlt, 64, "1: hlt; jmp 1b");

/*
 * RSI rounds, timed by the guest itself: OUT with the ticks in RAX. (HLT would
 * not leave to userspace where local APICs are in the kernel.)
 */
#define TIMED(body)							\
	"rdtsc; shl $32, %rdx; lea (%rax,%rdx), %r8;"			\
	"1:" body "; dec %esi; jnz 1b;"					\
	"rdtsc; shl $32, %rdx; add %rdx, %rax; sub %r8, %rax; out %al, $0x80"

GUEST(nothing, 64, TIMED("nop"));
GUEST(cpuid, 64, TIMED("xor %eax, %eax; cpuid"));
GUEST(rdmsr, 64, TIMED("mov $0x1b, %ecx; rdmsr"));
GUEST(vmcall, 64, TIMED("mov $9999, %eax; vmcall"));
GUEST(vmmcall, 64, TIMED("mov $9999, %eax; vmmcall"));
GUEST(touch, 64, TIMED("mov %rsi, (%rbx); add $4096, %rbx"));
GUEST(pio_doorbell, 64, TIMED("mov $" ARG(DOORBELL_PORT) ", %edx; out %ax, %dx"));
GUEST(mmio_doorbell, 64, TIMED("mov %ax, (%rbx)"));

/* RBX: the local APIC's registers. Enabled by its spurious-interrupt vector register. */
#define APIC(body)	WARM_UP "movl $0x1ff, 0xf0(%rbx);" body
#define EOI		"movl $0, 0xb0(%rbx);"
#define WAIT		"sti; hlt; cli;"
#define SEND_TO(id)	"movl $" #id " << 24, 0x310(%rbx); movl $0x40f0, 0x300(%rbx);"
GUEST(eoi, 64, APIC(TIMED(EOI)));
GUEST(tpr, 64, APIC(TIMED("movl $0x20, 0x80(%rbx); mov 0x80(%rbx), %eax")));
GUEST(cr8, 64, TIMED("mov %cr8, %rax; mov %rax, %cr8"));
GUEST(self_ipi, 64, APIC(TIMED("movl $0x440f0, 0x300(%rbx); sti; nop; nop; cli;" EOI)));
GUEST(timer, 64, APIC("movl $0xf1, 0x320(%rbx); movl $0xb, 0x3e0(%rbx);"
		      TIMED("movl $1, 0x380(%rbx);" WAIT EOI)));
GUEST(ipi, 64, APIC(TIMED(SEND_TO(1) WAIT EOI)));
GUEST(ipi_answer, 64, APIC("movb $1, " ARG(READY) "; 1:" WAIT EOI SEND_TO(0) "jmp 1b"));

enum { PLAIN, WILDCARD, EXACT, LOCAL_APIC };	/* the doorbells: any length, 16 bits */

struct op {
	const char *name;
	const u8 *code, *end;
	u32 rounds;
	bool in_guest;		/* timed there */
	u32 exit;		/* how that, or else each round, ends */
	int needs;
};

#define IN_GUEST(op, guest, what) { op, guest, guest##_end, 2000, true, KVM_EXIT_IO, what }
#define TO_USER(op, guest, how)	{ op, guest, guest##_end, 1000, false, how, PLAIN }

static const struct op ops[] = {
	IN_GUEST("nothing", nothing, PLAIN),
	IN_GUEST("cpuid", cpuid, PLAIN),
	IN_GUEST("hypercall", vmcall, PLAIN),	/* vmmcall on AMD-V */
	IN_GUEST("rdmsr", rdmsr, PLAIN),
	TO_USER("pio-out", pio_out, KVM_EXIT_IO),
	TO_USER("pio-in", pio_in, KVM_EXIT_IO),
	TO_USER("mmio-write", mmio_write, KVM_EXIT_MMIO),
	TO_USER("mmio-read", mmio_read, KVM_EXIT_MMIO),
	TO_USER("hlt", hlt, KVM_EXIT_HLT),
	IN_GUEST("pio-doorbell", pio_doorbell, EXACT),
	IN_GUEST("mmio-doorbell", mmio_doorbell, EXACT),
	IN_GUEST("mmio-doorbell-any", mmio_doorbell, WILDCARD),
	IN_GUEST("eoi", eoi, LOCAL_APIC),
	IN_GUEST("tpr", tpr, LOCAL_APIC),	/* a write and a read, and so by CR8 */
	IN_GUEST("cr8", cr8, LOCAL_APIC),
	IN_GUEST("self-ipi", self_ipi, LOCAL_APIC),
	IN_GUEST("timer", timer, LOCAL_APIC),
	IN_GUEST("ipi", ipi, LOCAL_APIC),
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
		.rsi = rounds, .rbx = op->needs == LOCAL_APIC ? APIC_PAGE : GUEST_MMIO,
	};

	guest_code(g, op->code, op->end - op->code);
	set_regs(&g->cpu, &regs);
}

static u64 timed_by_guest(struct guest *g, const struct op *op, u32 rounds)
{
	prepare(g, op, rounds);
	if (guest_run(&g->cpu) != KVM_EXIT_IO)
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

/* A port and an address that only set an eventfd. */
static void add_doorbells(struct guest *g, bool any_length)
{
	struct kvm_ioeventfd port = { .addr = DOORBELL_PORT, .len = 2,
				      .flags = KVM_IOEVENTFD_FLAG_PIO };
	struct kvm_ioeventfd memory = { .addr = GUEST_MMIO, .len = any_length ? 0 : 2 };

	port.fd = memory.fd = eventfd(0, EFD_CLOEXEC);
	if (kvm(g->vm.fd, KVM_IOEVENTFD, &port) || kvm(g->vm.fd, KVM_IOEVENTFD, &memory))
		die("KVM_IOEVENTFD");
	close(port.fd);
}

static void start(struct guest *g, const struct op *op)
{
	vm_create(&g->vm, GUEST_RAM);
	if (op->needs == LOCAL_APIC && kvm(g->vm.fd, KVM_CREATE_IRQCHIP, NULL))
		die("KVM_CREATE_IRQCHIP");
	if (op->needs == WILDCARD || op->needs == EXACT)
		add_doorbells(g, op->needs == WILDCARD);
	vcpu_create(&g->cpu, &g->vm, 0);
	guest_tables(&g->vm);
	set_long_mode(&g->cpu);
}

/* The other end of "ipi": a vCPU in a thread, ready for the first one. */
static void start_answering(struct guest *g, struct vcpu *other, struct guest_thread *t)
{
	struct kvm_regs regs = {
		.rip = GUEST_DATA, .rsp = GUEST_DATA + PAGE, .rflags = RFLAGS_FIXED,
		.rbx = APIC_PAGE,
	};
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };

	vcpu_create(other, &g->vm, 1);
	if (kvm(other->fd, KVM_SET_MP_STATE, &runnable))
		die("KVM_SET_MP_STATE");
	memcpy(g->vm.ram + GUEST_DATA, ipi_answer, ipi_answer_end - ipi_answer);
	set_long_mode(other);
	set_regs(other, &regs);
	start_thread(t, other);
	while (!*(volatile u8 *)(g->vm.ram + READY))
		usleep(1000);
}

/* The least of three, after a warm-up. */
static void measure(const struct op *op)
{
	u64 (*timed)(struct guest *, const struct op *, u32) =
		op->in_guest ? timed_by_guest : timed_by_host;
	struct mkvm_vcpu_stats before;
	struct guest_thread answers;
	struct vcpu other;
	u64 best = ~0ull;
	struct guest g;

	start(&g, op);
	if (op->code == ipi)
		start_answering(&g, &other, &answers);
	timed(&g, op, 10);
	before = stats(&g.cpu);
	for (int i = 0; i < 3; i++) {
		u64 ticks = timed(&g, op, op->rounds);

		best = ticks < best ? ticks : best;
	}
	printf("bench %s %lu\n", op->name, best);
	print_vmcs(op->name, before, stats(&g.cpu));
	fflush(stdout);
	if (op->code == ipi) {
		stop_thread(&answers);
		vcpu_close(&other);
	}
	guest_close(&g);
}

static u64 touch_all(struct guest *g, const struct op *op)
{
	struct kvm_regs regs;

	prepare(g, op, PAGES);
	regs = get_regs(&g->cpu);
	regs.rbx = TOUCH_GPA;
	set_regs(&g->cpu, &regs);
	if (guest_run(&g->cpu) != KVM_EXIT_IO)
		die("%s", op->name);
	return get_regs(&g->cpu).rax / PAGES;
}

/* The process has the pages, or has them to get, too; logged: the guest writes them again. */
enum page_kind { PRESENT, MISSING, LOGGED };

/* Pages that the guest touches for the first time, or after its dirty log was fetched */
static void measure_page(const char *name, enum page_kind kind)
{
	struct op op = { name, touch, touch_end, PAGES, true, KVM_EXIT_IO, PLAIN };
	u8 *mem = map_anon_aligned(PAGES * PAGE, 2 * MIB);
	u64 bitmap[PAGES / 64];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	struct mkvm_vcpu_stats before;
	struct guest g;

	madvise(mem, PAGES * PAGE, MADV_NOHUGEPAGE);
	for (u64 i = 0; kind != MISSING && i < PAGES; i++)
		mem[i * PAGE] = 1;
	guest_start(&g, set_long_mode, touch, touch_end - touch);
	if (vm_slot(&g.vm, 1, kind == LOGGED ? KVM_MEM_LOG_DIRTY_PAGES : 0, TOUCH_GPA,
		    PAGES * PAGE, mem))
		die("slot");
	if (kind == LOGGED) {
		touch_all(&g, &op);
		if (kvm(g.vm.fd, KVM_GET_DIRTY_LOG, &log))
			die("KVM_GET_DIRTY_LOG");
	}
	before = stats(&g.cpu);
	printf("bench %s %lu\n", name, touch_all(&g, &op));
	print_vmcs(name, before, stats(&g.cpu));
	guest_close(&g);
	munmap(mem, PAGES * PAGE);
}

int main(void)
{
	int device = open_device();

	setenv("MINIKVM_TEST_SECONDS", "60", 0);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		struct op op = ops[i];

		if (op.needs && !cap(device, op.needs == LOCAL_APIC ? KVM_CAP_IRQCHIP :
						      KVM_CAP_IOEVENTFD))
			continue;
		if (op.code == vmcall && cpu_is_amd()) {
			op.code = vmmcall;
			op.end = vmmcall_end;
		}
		measure(&op);
	}
	measure_page("page-map", PRESENT);
	measure_page("page-touch", MISSING);
	measure_page("page-dirty", LOGGED);
	return 0;
}
