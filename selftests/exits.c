// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions that leave the guest, or must not: what comes back to the guest
 * and to userspace for each.
 */
#include "kselftest_harness.h"
#include "guest.h"

FIXTURE(insn) {
	struct guest g;
};

FIXTURE_SETUP(insn)
{
	guest_start(&self->g, set_long_mode, "", 0);
}

FIXTURE_TEARDOWN(insn)
{
	guest_close(&self->g);
}

/* What a TRY() did: it ran to its end, or raised that exception. */
#define EXPECT_OUTCOME(end, trap, code, did) do {			\
	struct outcome did_ = (did);					\
	EXPECT_EQ(end, did_.exit) TH_LOG(#did);				\
	EXPECT_EQ(trap, did_.vector) TH_LOG(#did);			\
	EXPECT_EQ(code, did_.error) TH_LOG(#did);			\
} while (0)

#define EXPECT_COMPLETES(out)	EXPECT_OUTCOME(KVM_EXIT_HLT, NO_TRAP, 0, out)
#define EXPECT_TRAP(which, out)	EXPECT_OUTCOME(KVM_EXIT_HLT, which, 0, out)
#define EXPECT_GP(out)		EXPECT_TRAP(GP_VECTOR, out)

/* ---- CPUID ---- */

GUEST(cpuid, 64, "cpuid");

TEST_F(insn, cpuid_answers_as_set)
{
	struct cpuid_table t = { .nent = 3, .entries = {
		{ .function = 0, .eax = 7, .ebx = 0x11, .ecx = 0x22, .edx = 0x33 },
		{ .function = 7, .index = 0, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		  .eax = 1, .ebx = 0x1234 },
		{ .function = 7, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		  .edx = 0x5678 },
	} };
	struct kvm_regs in = { .rax = 0xffffffff00000000, .rbx = -1ull };
	struct outcome out;

	ASSERT_EQ(0, kvm(self->g.cpu.fd, KVM_SET_CPUID2, &t));
	out = TRY(&self->g, cpuid, &in);
	EXPECT_COMPLETES(out);
	EXPECT_EQ(7, out.regs.rax);
	EXPECT_EQ(0x11, out.regs.rbx);	/* the upper halves are cleared */
	EXPECT_EQ(0x22, out.regs.rcx);
	EXPECT_EQ(0x33, out.regs.rdx);
	in = (struct kvm_regs){ .rax = 7 };
	out = TRY(&self->g, cpuid, &in);
	EXPECT_EQ(0x1234, out.regs.rbx);
	in.rcx = 1;
	out = TRY(&self->g, cpuid, &in);
	EXPECT_EQ(0x5678, out.regs.rdx);
	in.rcx = 2;
	out = TRY(&self->g, cpuid, &in);
	EXPECT_EQ(0, out.regs.rax | out.regs.rbx | out.regs.rcx | out.regs.rdx);
	in = (struct kvm_regs){ .rax = 5 };	/* in range, not in the table */
	out = TRY(&self->g, cpuid, &in);
	EXPECT_EQ(0, out.regs.rax | out.regs.rbx | out.regs.rcx | out.regs.rdx);
}

TEST_F(insn, cpuid_shows_osxsave_as_cr4_has_it)
{
	struct kvm_sregs s = get_sregs(&self->g.cpu);
	struct kvm_regs in = { .rax = 1 };
	struct outcome out;

	out = TRY(&self->g, cpuid, &in);
	if (!(out.regs.rcx & (1 << 26)))
		SKIP(return, "no XSAVE");
	EXPECT_FALSE(out.regs.rcx & (1 << 27));
	s.cr4 |= X86_CR4_OSXSAVE;
	set_sregs(&self->g.cpu, &s);
	out = TRY(&self->g, cpuid, &in);
	EXPECT_TRUE(out.regs.rcx & (1 << 27));
}

/* ---- Ports ---- */

static void *io_data(struct vcpu *v)
{
	return (u8 *)v->run + v->run->io.data_offset;
}

#define EXPECT_IO(v, dir, bytes, number) do {				\
	ASSERT_EQ(KVM_EXIT_IO, guest_run(v));				\
	EXPECT_EQ(dir, (v)->run->io.direction);				\
	EXPECT_EQ(bytes, (v)->run->io.size);				\
	EXPECT_EQ(number, (v)->run->io.port);				\
	EXPECT_EQ(1, (v)->run->io.count);				\
	EXPECT_LE(PAGE, (v)->run->io.data_offset);			\
} while (0)

GUEST(outs_of_each_width, 64,
      "mov $0x44332211, %eax; mov $0x1234, %edx;"
      "out %al, %dx; out %ax, %dx; out %eax, %dx;"
      "out %al, $0x70; out %ax, $0x72; out %eax, $0x74; hlt");

TEST(out_of_each_width)
{
	struct guest g;
	struct vcpu *v = &g.cpu;

	guest_long(&g, outs_of_each_width);
	EXPECT_IO(v, KVM_EXIT_IO_OUT, 1, 0x1234);
	EXPECT_EQ(0x11, *(u8 *)io_data(v));
	EXPECT_IO(v, KVM_EXIT_IO_OUT, 2, 0x1234);
	EXPECT_EQ(0x2211, *(u16 *)io_data(v));
	EXPECT_IO(v, KVM_EXIT_IO_OUT, 4, 0x1234);
	EXPECT_EQ(0x44332211, *(u32 *)io_data(v));
	EXPECT_IO(v, KVM_EXIT_IO_OUT, 1, 0x70);
	EXPECT_IO(v, KVM_EXIT_IO_OUT, 2, 0x72);
	EXPECT_IO(v, KVM_EXIT_IO_OUT, 4, 0x74);
	EXPECT_EQ(0x44332211, *(u32 *)io_data(v));
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(v));
}

GUEST(ins_of_each_width, 64,
      "mov $0x1234, %edx; mov $-1, %rax; in %dx, %al; mov %rax, %r8;"
      "mov $-1, %rax; in %dx, %ax; mov %rax, %r9;"
      "mov $-1, %rax; in %dx, %eax; mov %rax, %r10; in $0x71, %al; hlt");

TEST(in_of_each_width)
{
	struct kvm_regs regs;
	struct guest g;
	struct vcpu *v = &g.cpu;

	guest_long(&g, ins_of_each_width);
	for (int size = 1; size <= 4; size *= 2) {
		EXPECT_IO(v, KVM_EXIT_IO_IN, size, 0x1234);
		*(u32 *)io_data(v) = 0xa1b2c3d4;
	}
	EXPECT_IO(v, KVM_EXIT_IO_IN, 1, 0x71);
	*(u8 *)io_data(v) = 0x5a;
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(v));
	regs = get_regs(v);
	EXPECT_EQ(0xffffffffffffffd4, regs.r8);
	EXPECT_EQ(0xffffffffffffc3d4, regs.r9);
	EXPECT_EQ(0xa1b2c3d4, regs.r10);
	EXPECT_EQ(0xa1b2c35a, regs.rax);
}

/* Serve a guest's string I/O until it halts; `bytes` go out or come in. */
static size_t serve_string(struct guest *g, u16 port, u8 *bytes, size_t room)
{
	struct kvm_run *run = g->cpu.run;
	size_t done = 0;

	while (guest_run(&g->cpu) == KVM_EXIT_IO) {
		size_t n = run->io.size * run->io.count;

		if (run->io.port != port || done + n > room || run->io.data_offset + n > 2 * PAGE)
			die("port 0x%x, %zu bytes", run->io.port, n);
		if (run->io.direction == KVM_EXIT_IO_OUT)
			memcpy(bytes + done, io_data(&g->cpu), n);
		else
			memcpy(io_data(&g->cpu), bytes + done, n);
		done += n;
	}
	if (run->exit_reason != KVM_EXIT_HLT)
		die("exit %s", exit_name(run->exit_reason));
	return done;
}

static struct kvm_regs string_regs(u64 address, u64 count, bool down)
{
	return (struct kvm_regs){
		.rip = GUEST_CODE, .rsp = GUEST_STACK, .rdx = 0x3f8, .rcx = count,
		.rsi = address, .rdi = address, .rflags = RFLAGS_FIXED | (down ? 1 << 10 : 0),
	};
}

GUEST(outsb, 64, "outsb; outsb; hlt");
GUEST(rep_outsb, 64, "rep outsb; hlt");
GUEST(rep_outsw, 64, "rep outsw; hlt");
GUEST(rep_outsl, 64, "rep outsl; hlt");
GUEST(rep_insb, 64, "rep insb; hlt");
GUEST(rep_insw, 64, "rep insw; hlt");
GUEST(rep_insl, 64, "rep insl; hlt");

TEST(string_out)
{
	struct kvm_regs regs = string_regs(GUEST_DATA, 0, false);
	struct guest g;
	u8 got[16];

	guest_long(&g, outsb);
	set_regs(&g.cpu, &regs);
	memcpy(g.vm.ram + GUEST_DATA, "ab", 2);
	ASSERT_EQ(2, serve_string(&g, 0x3f8, got, sizeof(got)));
	EXPECT_EQ(0, memcmp(got, "ab", 2));
	EXPECT_EQ(GUEST_DATA + 2, get_regs(&g.cpu).rsi);
}

FIXTURE(rep) {
	struct guest g;
};

FIXTURE_VARIANT(rep) {
	const u8 *out, *in;
	int size;
};

FIXTURE_VARIANT_ADD(rep, byte) { .out = rep_outsb, .in = rep_insb, .size = 1 };
FIXTURE_VARIANT_ADD(rep, word) { .out = rep_outsw, .in = rep_insw, .size = 2 };
FIXTURE_VARIANT_ADD(rep, dword) { .out = rep_outsl, .in = rep_insl, .size = 4 };

FIXTURE_SETUP(rep)
{
	guest_start(&self->g, set_long_mode, "", 0);
	for (int i = 0; i < 4 * PAGE; i++)
		self->g.vm.ram[GUEST_DATA + i] = i * 7 + (i >> 8);
}

FIXTURE_TEARDOWN(rep)
{
	guest_close(&self->g);
}

static void start_string(struct guest *g, const u8 *code, struct kvm_regs regs)
{
	guest_code(g, code, 4);
	set_regs(&g->cpu, &regs);
}

/* Across a page boundary, upwards */
TEST_F(rep, outs)
{
	u8 *from = self->g.vm.ram + GUEST_DATA + PAGE - 64, got[400];
	size_t n = 50 * variant->size;

	start_string(&self->g, variant->out, string_regs(GUEST_DATA + PAGE - 64, 50, false));
	ASSERT_EQ(n, serve_string(&self->g, 0x3f8, got, sizeof(got)));
	EXPECT_EQ(0, memcmp(from, got, n));
	EXPECT_EQ(0, get_regs(&self->g.cpu).rcx);
	EXPECT_EQ(GUEST_DATA + PAGE - 64 + n, get_regs(&self->g.cpu).rsi);
}

TEST_F(rep, outs_down)
{
	size_t size = variant->size;
	u8 *from = self->g.vm.ram + GUEST_DATA + PAGE, got[400];

	start_string(&self->g, variant->out, string_regs(GUEST_DATA + PAGE, 20, true));
	ASSERT_EQ(20 * size, serve_string(&self->g, 0x3f8, got, sizeof(got)));
	for (int i = 0; i < 20; i++)
		ASSERT_EQ(0, memcmp(from - i * size, got + i * size, size));
	EXPECT_EQ(GUEST_DATA + PAGE - 20 * size, get_regs(&self->g.cpu).rsi);
}

TEST_F(rep, ins)
{
	u8 *to = self->g.vm.ram + GUEST_DATA + PAGE - 64, bytes[400];
	size_t n = 50 * variant->size;

	for (int i = 0; i < sizeof(bytes); i++)
		bytes[i] = i ^ 0x5a;
	start_string(&self->g, variant->in, string_regs(GUEST_DATA + PAGE - 64, 50, false));
	ASSERT_EQ(n, serve_string(&self->g, 0x3f8, bytes, sizeof(bytes)));
	EXPECT_EQ(0, memcmp(to, bytes, n));
	EXPECT_EQ(0, get_regs(&self->g.cpu).rcx);
	EXPECT_EQ(GUEST_DATA + PAGE - 64 + n, get_regs(&self->g.cpu).rdi);
}

TEST_F(rep, ins_down)
{
	size_t size = variant->size;
	u8 *to = self->g.vm.ram + GUEST_DATA + PAGE, bytes[400];

	for (int i = 0; i < sizeof(bytes); i++)
		bytes[i] = i ^ 0xa5;
	start_string(&self->g, variant->in, string_regs(GUEST_DATA + PAGE, 20, true));
	ASSERT_EQ(20 * size, serve_string(&self->g, 0x3f8, bytes, sizeof(bytes)));
	for (int i = 0; i < 20; i++)
		ASSERT_EQ(0, memcmp(to - i * size, bytes + i * size, size));
}

TEST_F(rep, count_zero_does_nothing)
{
	u8 none[1];

	start_string(&self->g, variant->out, string_regs(GUEST_DATA, 0, false));
	EXPECT_EQ(0, serve_string(&self->g, 0x3f8, none, 1));
	start_string(&self->g, variant->in, string_regs(GUEST_DATA, 0, false));
	EXPECT_EQ(0, serve_string(&self->g, 0x3f8, none, 1));
}

/* A long transfer needs more than the one page that the run area has for it. */
TEST_F(rep, ins_of_three_pages)
{
	size_t n = 3 * PAGE;
	u8 *bytes = map_anon(n);

	for (int i = 0; i < n; i++)
		bytes[i] = i * 13;
	start_string(&self->g, variant->in,
		     string_regs(GUEST_DATA, n / variant->size, false));
	ASSERT_EQ(n, serve_string(&self->g, 0x3f8, bytes, n));
	EXPECT_EQ(0, memcmp(self->g.vm.ram + GUEST_DATA, bytes, n));
}

GUEST(sweep_out, 64, "xor %edx, %edx; 1: out %al, %dx; inc %dx; jnz 1b; hlt");

/* CVE-2017-1000407: no port reaches the host's hardware. */
TEST(every_port_exits)
{
	struct guest g;
	u32 port = 0;

	guest_long(&g, sweep_out);
	for (; port < 65536; port++) {
		ASSERT_EQ(0, vcpu_run(&g.cpu));
		ASSERT_EQ(KVM_EXIT_IO, g.cpu.run->exit_reason);
		ASSERT_EQ(port, g.cpu.run->io.port);
	}
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

GUEST(sweep_in, 64, "xor %edx, %edx; 1: in %dx, %al; add $251, %dx; jnz 1b; hlt");

TEST(a_sample_of_ports_exits_on_in)
{
	struct guest g;
	u16 port = 0;

	guest_long(&g, sweep_in);
	for (int i = 0; i < 2000; i++, port += 251) {
		ASSERT_EQ(0, vcpu_run(&g.cpu));
		ASSERT_EQ(KVM_EXIT_IO, g.cpu.run->exit_reason);
		ASSERT_EQ(port, g.cpu.run->io.port);
		ASSERT_EQ(KVM_EXIT_IO_IN, g.cpu.run->io.direction);
	}
}

GUEST(real_mode_io, 16,
      "mov $0x3f8, %dx; mov $0x41, %al; out %al, %dx; in %dx, %ax;"
      "mov $4, %cx; mov $0x8000, %si; rep outsb; hlt");

TEST(ports_in_real_mode)
{
	struct guest g;
	u8 got[8];

	guest_real(&g, real_mode_io);
	memcpy(g.vm.ram + 0x8000, "real", 4);
	EXPECT_IO(&g.cpu, KVM_EXIT_IO_OUT, 1, 0x3f8);
	EXPECT_EQ(0x41, *(u8 *)io_data(&g.cpu));
	EXPECT_IO(&g.cpu, KVM_EXIT_IO_IN, 2, 0x3f8);
	*(u16 *)io_data(&g.cpu) = 0xbeef;
	EXPECT_EQ(4, serve_string(&g, 0x3f8, got, sizeof(got)));
	EXPECT_EQ(0, memcmp(got, "real", 4));
	EXPECT_EQ(0xbeef, get_regs(&g.cpu).rax & 0xffff);
}

/* ---- Control registers ---- */

GUEST(mov_to_cr0, 64, "mov %rax, %cr0");
GUEST(mov_to_cr3, 64, "mov %rax, %cr3");
GUEST(mov_to_cr4, 64, "mov %rax, %cr4");
GUEST(mov_to_cr8, 64, "mov %rax, %cr8");
GUEST(mov_from_cr0, 64, "mov %cr0, %rax");
GUEST(mov_from_cr2, 64, "mov %rax, %cr2; mov %cr2, %rbx");
GUEST(mov_from_cr3, 64, "mov %cr3, %rax");
GUEST(mov_from_cr4, 64, "mov %cr4, %rax");
GUEST(mov_from_cr8, 64, "mov %cr8, %rax");
GUEST(mov_from_cr1, 64, ".byte 0x0f, 0x20, 0xc8");
GUEST(mov_to_cr5, 64, ".byte 0x0f, 0x22, 0xe8");
GUEST(mov_to_cr7, 64, ".byte 0x0f, 0x22, 0xf8");

#define WITH_RAX(value) (&(struct kvm_regs){ .rax = (value) })

TEST_F(insn, control_registers_read_as_set)
{
	struct kvm_sregs s = get_sregs(&self->g.cpu);

	EXPECT_EQ(s.cr0, TRY(&self->g, mov_from_cr0, NULL).regs.rax);
	EXPECT_EQ(0x1234, TRY(&self->g, mov_from_cr2, WITH_RAX(0x1234)).regs.rbx);
	EXPECT_EQ(s.cr3, TRY(&self->g, mov_from_cr3, NULL).regs.rax);
	EXPECT_EQ(s.cr4, TRY(&self->g, mov_from_cr4, NULL).regs.rax);
	EXPECT_EQ(s.cr8, TRY(&self->g, mov_from_cr8, NULL).regs.rax);
}

TEST_F(insn, cr0_writes)
{
	struct guest *g = &self->g;
	u64 cr0 = get_sregs(&g->cpu).cr0;

	EXPECT_COMPLETES(TRY(g, mov_to_cr0, WITH_RAX(cr0 | X86_CR0_TS)));
	EXPECT_EQ(cr0 | X86_CR0_TS, get_sregs(&g->cpu).cr0);
	EXPECT_COMPLETES(TRY(g, mov_to_cr0, WITH_RAX(cr0 | X86_CR0_CD | X86_CR0_NW)));
	EXPECT_EQ(cr0 | X86_CR0_CD | X86_CR0_NW, TRY(g, mov_from_cr0, NULL).regs.rax);
	EXPECT_COMPLETES(TRY(g, mov_to_cr0, WITH_RAX(cr0 & ~X86_CR0_WP)));
	EXPECT_EQ(cr0 & ~X86_CR0_WP, TRY(g, mov_from_cr0, NULL).regs.rax);
}

TEST_F(insn, impossible_cr0_is_gp)
{
	struct guest *g = &self->g;
	u64 cr0 = get_sregs(&g->cpu).cr0;

	EXPECT_GP(TRY(g, mov_to_cr0, WITH_RAX(cr0 | X86_CR0_NW)));
	EXPECT_GP(TRY(g, mov_to_cr0, WITH_RAX(cr0 & ~X86_CR0_PE)));
	EXPECT_EQ(cr0, get_sregs(&g->cpu).cr0);
}

TEST_F(insn, cr3_writes)
{
	struct guest *g = &self->g;

	EXPECT_COMPLETES(TRY(g, mov_to_cr3, WITH_RAX(GUEST_PML4)));
	EXPECT_COMPLETES(TRY(g, mov_to_cr3, WITH_RAX(GUEST_PML4 | 0x18)));	/* PWT, PCD */
	EXPECT_EQ(GUEST_PML4 | 0x18, get_sregs(&g->cpu).cr3);
}

TEST_F(insn, reserved_upper_bits_are_gp)
{
	struct guest *g = &self->g;
	struct kvm_sregs s = get_sregs(&g->cpu);

	if (on_tcg())
		SKIP(return, "QEMU's TCG does not check reserved bits of MOV to CR");
	EXPECT_GP(TRY(g, mov_to_cr0, WITH_RAX(s.cr0 | 1ull << 32)));
	EXPECT_GP(TRY(g, mov_to_cr0, WITH_RAX(s.cr0 | 1ull << 63)));
	EXPECT_GP(TRY(g, mov_to_cr3, WITH_RAX(GUEST_PML4 | 1ull << 62)));
	EXPECT_GP(TRY(g, mov_to_cr3, WITH_RAX(GUEST_PML4 | 1ull << 63)));	/* no PCIDE */
	EXPECT_GP(TRY(g, mov_to_cr3, WITH_RAX(GUEST_PML4 | 1ull << 52)));
	EXPECT_GP(TRY(g, mov_to_cr4, WITH_RAX(s.cr4 | 1ull << 40)));
	EXPECT_EQ(GUEST_PML4, get_sregs(&g->cpu).cr3);
}

TEST_F(insn, cr4_writes)
{
	struct guest *g = &self->g;
	u64 cr4 = get_sregs(&g->cpu).cr4;

	EXPECT_COMPLETES(TRY(g, mov_to_cr4, WITH_RAX(cr4 | X86_CR4_PGE | X86_CR4_DE)));
	EXPECT_EQ(cr4 | X86_CR4_PGE | X86_CR4_DE, TRY(g, mov_from_cr4, NULL).regs.rax);
	EXPECT_EQ(cr4 | X86_CR4_PGE | X86_CR4_DE, get_sregs(&g->cpu).cr4);
	EXPECT_COMPLETES(TRY(g, mov_to_cr4, WITH_RAX(cr4)));
	EXPECT_EQ(cr4, TRY(g, mov_from_cr4, NULL).regs.rax);
}

TEST_F(insn, impossible_cr4_is_gp)
{
	struct guest *g = &self->g;
	u64 cr4 = get_sregs(&g->cpu).cr4;
	struct cpuid_table t;

	EXPECT_GP(TRY(g, mov_to_cr4, WITH_RAX(cr4 & ~X86_CR4_PAE)));
	EXPECT_GP(TRY(g, mov_to_cr4, WITH_RAX(cr4 | 1ull << 15)));
	EXPECT_GP(TRY(g, mov_to_cr4, WITH_RAX(cr4 | 1ull << 31)));
	supported_cpuid(&t);
	if (!(find_cpuid(&t, 1, 0)->ecx & (1 << 5))) {
		EXPECT_GP(TRY(g, mov_to_cr4, WITH_RAX(cr4 | X86_CR4_VMXE)));
	}
	EXPECT_EQ(cr4, get_sregs(&g->cpu).cr4);
}

/* VT-x keeps CR4.VMXE set for real: the guest and userspace must not see it. */
TEST_F(insn, cr4_vmxe_is_not_shown)
{
	EXPECT_EQ(0, get_sregs(&self->g.cpu).cr4 & X86_CR4_VMXE);
	EXPECT_EQ(0, TRY(&self->g, mov_from_cr4, NULL).regs.rax & X86_CR4_VMXE);
}

TEST_F(insn, cr8_reads_and_writes)
{
	struct guest *g = &self->g;

	EXPECT_COMPLETES(TRY(g, mov_to_cr8, WITH_RAX(9)));
	EXPECT_EQ(9, get_sregs(&g->cpu).cr8);
	EXPECT_EQ(9, g->cpu.run->cr8);
	EXPECT_EQ(9, TRY(g, mov_from_cr8, NULL).regs.rax);
	EXPECT_GP(TRY(g, mov_to_cr8, WITH_RAX(16)));
	if (!on_stock_kvm()) {		/* looks at the low byte only */
		EXPECT_GP(TRY(g, mov_to_cr8, WITH_RAX(1ull << 63)));
	}
	EXPECT_EQ(9, get_sregs(&g->cpu).cr8);
}

/* Userspace has the APIC, so it wants to know: where the CPU tells at all. */
TEST_F(insn, lower_cr8_may_exit_as_set_tpr)
{
	struct guest *g = &self->g;
	struct outcome out;

	EXPECT_COMPLETES(TRY(g, mov_to_cr8, WITH_RAX(9)));
	out = TRY(g, mov_to_cr8, WITH_RAX(3));
	EXPECT_TRUE(out.exit == KVM_EXIT_HLT || out.exit == KVM_EXIT_SET_TPR);
	EXPECT_EQ(NO_TRAP, out.vector);
	EXPECT_EQ(3, g->cpu.run->cr8);
	if (out.exit == KVM_EXIT_SET_TPR) {
		EXPECT_EQ(GUEST_CODE + 4, out.regs.rip);
		EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g->cpu));
	}
}

TEST_F(insn, reserved_control_registers_are_ud)
{
	EXPECT_TRAP(UD_VECTOR, TRY(&self->g, mov_from_cr1, NULL));
	EXPECT_TRAP(UD_VECTOR, TRY(&self->g, mov_to_cr5, NULL));
	EXPECT_TRAP(UD_VECTOR, TRY(&self->g, mov_to_cr7, NULL));
}

GUEST(clts, 64, "clts");
GUEST(lmsw, 64, "lmsw %ax");
GUEST(lmsw_memory, 64, "lmsw (%rbx)");
GUEST(smsw, 64, "smsw %rax");

TEST_F(insn, clts_and_lmsw)
{
	struct guest *g = &self->g;
	u64 cr0 = get_sregs(&g->cpu).cr0;
	struct kvm_regs in = { .rbx = GUEST_DATA };

	EXPECT_COMPLETES(TRY(g, lmsw, WITH_RAX(0xf)));		/* PE, MP, EM, TS */
	EXPECT_EQ(cr0 | X86_CR0_EM | X86_CR0_TS, get_sregs(&g->cpu).cr0);
	EXPECT_COMPLETES(TRY(g, clts, NULL));
	EXPECT_EQ(cr0 | X86_CR0_EM, get_sregs(&g->cpu).cr0);
	*(u16 *)(g->vm.ram + GUEST_DATA) = 0xffe2;	/* only the low four bits count */
	EXPECT_COMPLETES(TRY(g, lmsw_memory, &in));
	EXPECT_EQ(cr0, get_sregs(&g->cpu).cr0);		/* PE stays */
	EXPECT_EQ(cr0, TRY(g, smsw, NULL).regs.rax);
}

/* ---- XSETBV ---- */

GUEST(xsetbv, 64, "xsetbv");
GUEST(xgetbv, 64, "xgetbv");

TEST_F(insn, xsetbv)
{
	struct kvm_sregs s = get_sregs(&self->g.cpu);
	struct guest *g = &self->g;
	struct kvm_xcrs xcrs = { 0 };

	if (!host_has_xsave())
		SKIP(return, "no XSAVE in the host");
	if (on_tcg())
		SKIP(return, "QEMU's TCG does not intercept XSETBV: it changes the host's XCR0");
	s.cr4 |= X86_CR4_OSXSAVE;
	set_sregs(&g->cpu, &s);
	EXPECT_COMPLETES(TRY(g, xsetbv, WITH_RAX(3)));
	EXPECT_EQ(3, TRY(g, xgetbv, NULL).regs.rax);
	ASSERT_EQ(0, kvm(g->cpu.fd, KVM_GET_XCRS, &xcrs));
	EXPECT_EQ(3, xcrs.xcrs[0].value);
}

TEST_F(insn, impossible_xsetbv_is_gp)
{
	struct kvm_sregs s = get_sregs(&self->g.cpu);
	struct guest *g = &self->g;
	struct kvm_regs in = { .rcx = 1, .rax = 3 };

	EXPECT_TRAP(UD_VECTOR, TRY(g, xsetbv, WITH_RAX(3)));	/* no OSXSAVE */
	if (!host_has_xsave())
		SKIP(return, "no XSAVE in the host");
	s.cr4 |= X86_CR4_OSXSAVE;
	set_sregs(&g->cpu, &s);
	EXPECT_GP(TRY(g, xsetbv, WITH_RAX(0)));
	EXPECT_GP(TRY(g, xsetbv, WITH_RAX(2)));
	EXPECT_GP(TRY(g, xsetbv, WITH_RAX(5)));			/* AVX without SSE */
	EXPECT_GP(TRY(g, xsetbv, WITH_RAX(1 << 30 | 3)));
	EXPECT_GP(TRY(g, xsetbv, &in));				/* XCR1 */
	in = (struct kvm_regs){ .rax = 3, .rdx = 1u << 31 };
	EXPECT_GP(TRY(g, xsetbv, &in));
	EXPECT_EQ(1, TRY(g, xgetbv, NULL).regs.rax);
}

/* ---- Instructions that simply work ---- */

GUEST(wbinvd, 64, "wbinvd");
GUEST(invd, 64, "invd");
GUEST(invlpg, 64, "invlpg (%rax)");
GUEST(invlpg_odd, 64, "mov $0x8000000000000000, %rax; invlpg (%rax)");
GUEST(pauses, 64, "mov $1000, %ecx; 1: pause; loop 1b");
GUEST(table_registers, 64,
      "sgdt " ARG(GUEST_DATA) "; sidt " ARG(GUEST_DATA) "+16; str %ax; sldt %bx;"
      "lgdt " ARG(GUEST_DATA) "; lidt " ARG(GUEST_DATA) "+16");

TEST_F(insn, harmless_ones_complete)
{
	struct guest *g = &self->g;

	EXPECT_COMPLETES(TRY(g, wbinvd, NULL));
	EXPECT_COMPLETES(TRY(g, invd, NULL));
	EXPECT_COMPLETES(TRY(g, invlpg, WITH_RAX(0x1000)));
	EXPECT_COMPLETES(TRY(g, invlpg, WITH_RAX(0x7fff00000000)));	/* not mapped */
	EXPECT_COMPLETES(TRY(g, invlpg_odd, NULL));
	EXPECT_COMPLETES(TRY(g, pauses, NULL));
}

TEST_F(insn, descriptor_table_registers)
{
	struct outcome out = TRY(&self->g, table_registers, NULL);
	u8 *data = self->g.vm.ram + GUEST_DATA;

	EXPECT_COMPLETES(out);
	EXPECT_EQ(GUEST_TR, out.regs.rax & 0xffff);
	EXPECT_EQ(0, out.regs.rbx & 0xffff);
	EXPECT_EQ(0x3f, *(u16 *)data);
	EXPECT_EQ(GUEST_GDT, *(u64 *)(data + 2));
	EXPECT_EQ(0xfff, *(u16 *)(data + 16));
	EXPECT_EQ(GUEST_IDT, *(u64 *)(data + 18));
}

GUEST(rdtsc_twice, 64,
      "rdtsc; shl $32, %rdx; lea (%rax,%rdx), %rbx; rdtsc; shl $32, %rdx; or %rdx, %rax");

TEST_F(insn, rdtsc_grows)
{
	struct outcome out = TRY(&self->g, rdtsc_twice, NULL);

	EXPECT_COMPLETES(out);
	EXPECT_LT(out.regs.rbx, out.regs.rax);
}

GUEST(rdtscp, 64, "rdtscp");

TEST_F(insn, rdtscp_follows_cpuid)
{
	struct outcome out;
	struct cpuid_table t;

	supported_cpuid(&t);
	if (find_cpuid(&t, 0x80000001, 0)->edx & (1 << 27)) {
		ASSERT_EQ(1, set_msr(&self->g.cpu, MSR_TSC_AUX, 0x4321));
		out = TRY(&self->g, rdtscp, NULL);
		EXPECT_COMPLETES(out);
		EXPECT_EQ(0x4321, out.regs.rcx);
	} else if (!cpu_is_amd()) {
		/* SVM cannot refuse it where the CPU has it */
		EXPECT_TRAP(UD_VECTOR, TRY(&self->g, rdtscp, NULL));
	}
}

/* KVM runs both as NOP unless a quirk is off; #UD is right for a guest without MWAIT. */
GUEST(monitor, 64, "monitor");
GUEST(mwait, 64, "mwait");

TEST_F(insn, monitor_and_mwait_do_not_hang)
{
	struct outcome out = TRY(&self->g, monitor, WITH_RAX(GUEST_DATA));

	EXPECT_EQ(KVM_EXIT_HLT, out.exit);
	EXPECT_TRUE(out.vector == NO_TRAP || out.vector == UD_VECTOR);
	out = TRY(&self->g, mwait, NULL);
	EXPECT_EQ(KVM_EXIT_HLT, out.exit);
	EXPECT_TRUE(out.vector == NO_TRAP || out.vector == UD_VECTOR);
}

/* ---- Hypercalls ---- */

GUEST(vmcall, 64, "vmcall");
GUEST(vmmcall, 64, "vmmcall");

TEST_F(insn, unknown_hypercall_is_enosys)
{
	struct guest *g = &self->g;
	struct outcome out;

	out = cpu_is_amd() ? TRY(g, vmmcall, WITH_RAX(9999)) : TRY(g, vmcall, WITH_RAX(9999));
	EXPECT_COMPLETES(out);
	EXPECT_EQ(-1000, (long)out.regs.rax);		/* -KVM_ENOSYS */
}

/* A quirk of KVM's: the other vendor's instruction is replaced in the guest's memory. */
TEST_F(insn, hypercall_of_the_other_vendor)
{
	struct kvm_enable_cap no_quirk = {
		.cap = KVM_CAP_DISABLE_QUIRKS2, .args = { KVM_X86_QUIRK_FIX_HYPERCALL_INSN },
	};
	const u8 *ours = cpu_is_amd() ? vmmcall : vmcall, *theirs = cpu_is_amd() ? vmcall : vmmcall;
	struct kvm_regs yield = { .rax = 11 };		/* KVM_HC_SCHED_YIELD */
	struct guest *g = &self->g;
	struct outcome out;

	out = guest_try(g, theirs, 3, &yield);
	EXPECT_COMPLETES(out);
	EXPECT_EQ(0, out.regs.rax);
	EXPECT_EQ(0, memcmp(g->vm.ram + GUEST_CODE, ours, 3));
	ASSERT_EQ(0, kvm(g->vm.fd, KVM_ENABLE_CAP, &no_quirk));
	EXPECT_TRAP(UD_VECTOR, guest_try(g, theirs, 3, &yield));
	EXPECT_EQ(0, memcmp(g->vm.ram + GUEST_CODE, theirs, 3));
}

TEST_F(insn, hypercall_from_user_mode_is_eperm)
{
	struct guest *g = &self->g;
	struct outcome out;

	out = cpu_is_amd() ? TRY_USER(g, vmmcall, WITH_RAX(9999)) :
			     TRY_USER(g, vmcall, WITH_RAX(9999));
	EXPECT_EQ(KVM_EXIT_MMIO, out.exit);
	EXPECT_EQ(NO_TRAP, out.vector);
	EXPECT_EQ(-1, (long)out.regs.rax);		/* -KVM_EPERM */
}

/* ---- #UD ---- */

struct bytes {
	const char *name;
	u8 len;
	u8 code[10];
};

static const struct bytes vmx_insns[] = {
	{ "VMXON (%rax)", 4, { 0xf3, 0x0f, 0xc7, 0x30 } },
	{ "VMXOFF", 3, { 0x0f, 0x01, 0xc4 } },
	{ "VMLAUNCH", 3, { 0x0f, 0x01, 0xc2 } },
	{ "VMRESUME", 3, { 0x0f, 0x01, 0xc3 } },
	{ "VMCLEAR (%rax)", 4, { 0x66, 0x0f, 0xc7, 0x30 } },
	{ "VMPTRLD (%rax)", 3, { 0x0f, 0xc7, 0x30 } },
	{ "VMPTRST (%rax)", 3, { 0x0f, 0xc7, 0x38 } },
	{ "VMREAD %rax, %rbx", 3, { 0x0f, 0x78, 0xc3 } },
	{ "VMWRITE %rbx, %rax", 3, { 0x0f, 0x79, 0xc3 } },
	{ "VMFUNC", 3, { 0x0f, 0x01, 0xd4 } },
	{ "INVEPT (%rax), %rbx", 5, { 0x66, 0x0f, 0x38, 0x80, 0x18 } },
	{ "INVVPID (%rax), %rbx", 5, { 0x66, 0x0f, 0x38, 0x81, 0x18 } },
};

static const struct bytes svm_insns[] = {
	{ "VMRUN", 3, { 0x0f, 0x01, 0xd8 } },
	{ "VMLOAD", 3, { 0x0f, 0x01, 0xda } },
	{ "VMSAVE", 3, { 0x0f, 0x01, 0xdb } },
	{ "STGI", 3, { 0x0f, 0x01, 0xdc } },
	{ "CLGI", 3, { 0x0f, 0x01, 0xdd } },
	{ "SKINIT", 3, { 0x0f, 0x01, 0xde } },
	{ "INVLPGA", 3, { 0x0f, 0x01, 0xdf } },
};

static const struct bytes other_insns[] = {
	{ "UD2", 2, { 0x0f, 0x0b } },
	{ "UD1", 3, { 0x0f, 0xb9, 0xc0 } },
	{ "UD0", 3, { 0x0f, 0xff, 0xc0 } },
	{ "RSM", 2, { 0x0f, 0xaa } },
	{ "GETSEC", 2, { 0x0f, 0x37 } },
	{ "ENCLS", 3, { 0x0f, 0x01, 0xcf } },
	{ "ENCLV", 3, { 0x0f, 0x01, 0xc0 } },
	{ "PCONFIG", 3, { 0x0f, 0x01, 0xc5 } },
};

static void expect_ud(struct __test_metadata *_metadata, struct guest *g,
		      const struct bytes *insns, int n)
{
	for (int i = 0; i < n; i++) {
		struct kvm_regs in = { .rax = GUEST_DATA };
		struct outcome out = guest_try(g, insns[i].code, insns[i].len, &in);

		EXPECT_EQ(KVM_EXIT_HLT, out.exit) TH_LOG("%s", insns[i].name);
		EXPECT_EQ(UD_VECTOR, out.vector) TH_LOG("%s", insns[i].name);
	}
}

/* CVE-2014-3645, CVE-2014-3646: every one of them has its own exit reason. */
TEST_F(insn, vmx_instructions_are_ud)
{
	expect_ud(_metadata, &self->g, vmx_insns, ARRAY_SIZE(vmx_insns));
}

TEST_F(insn, svm_instructions_are_ud)
{
	expect_ud(_metadata, &self->g, svm_insns, ARRAY_SIZE(svm_insns));
}

TEST_F(insn, undefined_instructions_are_ud)
{
	expect_ud(_metadata, &self->g, other_insns, ARRAY_SIZE(other_insns));
}

GUEST(rdpmc, 64, "rdpmc");

TEST_F(insn, rdpmc_of_no_counter_is_gp)
{
	EXPECT_GP(TRY(&self->g, rdpmc, &(struct kvm_regs){ .rcx = 0x3fffffff }));
}

/* ---- Exceptions of the guest's own ---- */

GUEST(divide, 64, "xor %ecx, %ecx; mov $1, %eax; div %ecx");
GUEST(int3, 64, "int3");
GUEST(int_0x77, 64, "int $0x77");
GUEST(non_canonical_load, 64, "mov $0x800000000000, %rbx; mov (%rbx), %rax");
GUEST(non_canonical_push, 64, "mov %rsp, %rcx; mov $0x800000000000, %rsp; push %rax; mov %rcx, %rsp");
GUEST(unmapped_load, 64, "mov $0x123456789000, %rbx; mov (%rbx), %rax");
GUEST(bad_selector, 64, "mov $0x47, %eax; mov %eax, %ds");

TEST_F(insn, guest_exceptions_reach_the_guest)
{
	struct guest *g = &self->g;

	EXPECT_TRAP(DE_VECTOR, TRY(g, divide, NULL));
	EXPECT_TRAP(BP_VECTOR, TRY(g, int3, NULL));
	EXPECT_TRAP(0x77, TRY(g, int_0x77, NULL));
	EXPECT_GP(TRY(g, non_canonical_load, NULL));
	EXPECT_OUTCOME(KVM_EXIT_HLT, GP_VECTOR, 0x44, TRY(g, bad_selector, NULL));
	EXPECT_TRAP(PF_VECTOR, TRY(g, unmapped_load, NULL));
	EXPECT_EQ(0x123456789000, traps(g)->cr2);
	EXPECT_EQ(0x123456789000, get_sregs(&g->cpu).cr2);
}

/* ---- User mode ---- */

GUEST(out_0x80, 64, "out %al, $0x80");
GUEST(rdmsr, 64, "rdmsr");
GUEST(hlt, 64, "hlt");
GUEST(mov_cr3_rax, 64, "mov %cr3, %rax");

#define EXPECT_USER_GP(out)	EXPECT_OUTCOME(KVM_EXIT_MMIO, GP_VECTOR, 0, out)

TEST_F(insn, privileged_ones_are_gp_in_user_mode)
{
	struct guest *g = &self->g;

	EXPECT_USER_GP(TRY_USER(g, hlt, NULL));
	EXPECT_USER_GP(TRY_USER(g, out_0x80, NULL));
	EXPECT_USER_GP(TRY_USER(g, rdmsr, &(struct kvm_regs){ .rcx = MSR_APICBASE }));
	EXPECT_USER_GP(TRY_USER(g, mov_cr3_rax, NULL));
	EXPECT_USER_GP(TRY_USER(g, wbinvd, NULL));
	EXPECT_USER_GP(TRY_USER(g, invd, NULL));
	EXPECT_USER_GP(TRY_USER(g, invlpg, NULL));
	EXPECT_USER_GP(TRY_USER(g, clts, NULL));
}

TEST_F(insn, cpuid_works_in_user_mode)
{
	struct outcome out = TRY_USER(&self->g, cpuid, NULL);

	EXPECT_EQ(KVM_EXIT_MMIO, out.exit);
	EXPECT_EQ(NO_TRAP, out.vector);
	EXPECT_LT(0, out.regs.rax);
}

/* From ring 3 by SYSCALL to LSTAR, which is where this code's HLT is. */
GUEST(do_syscall, 64, "syscall; 1: jmp 1b; .balign 16; mov %rcx, %rbx; hlt");

TEST_F(insn, syscall_uses_the_guests_msrs)
{
	struct vcpu *v = &self->g.cpu;
	struct outcome out;

	set_msr(v, MSR_STAR, (u64)GUEST_CS64 << 32);
	set_msr(v, MSR_LSTAR, GUEST_CODE + 16);
	set_msr(v, MSR_SFMASK, 0x200);
	out = TRY_USER(&self->g, do_syscall, NULL);
	EXPECT_EQ(KVM_EXIT_HLT, out.exit);
	EXPECT_EQ(GUEST_CODE + 2, out.regs.rbx);
	EXPECT_EQ(GUEST_CS64, get_sregs(v).cs.selector);
}

/* ---- Single-step ---- */

GUEST(stepped, 64,
      "pushfq; orl $0x100, (%rsp); popfq;"
      "nop; xor %eax, %eax; cpuid; nop; pushfq; andl $~0x100, (%rsp); popfq; nop");

/* An instruction that the hypervisor completes must trap like any other. */
TEST_F(insn, single_step_over_cpuid)
{
	struct outcome out = TRY(&self->g, stepped, NULL);

	EXPECT_EQ(KVM_EXIT_HLT, out.exit);
	EXPECT_EQ(DB_VECTOR, out.vector);
	EXPECT_EQ(7, traps(&self->g)->hits[DB_VECTOR]);
}

/* ---- The end of a guest ---- */

GUEST(ud2, 64, "ud2");

TEST_F(insn, triple_fault_is_shutdown)
{
	struct kvm_sregs s = get_sregs(&self->g.cpu), broken = s;

	broken.idt.limit = 0;
	set_sregs(&self->g.cpu, &broken);
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, TRY(&self->g, ud2, NULL).exit);
	/* Userspace may put it on its feet again. */
	set_long_mode(&self->g.cpu);
	s.cr4 = get_sregs(&self->g.cpu).cr4;
	EXPECT_TRAP(UD_VECTOR, TRY(&self->g, ud2, NULL));
}

/* A jump to a TSS: emulated or reported, but KVM_RUN returns. */
GUEST(task_switch, 32, "ljmp $0x28, $0");

TEST(task_switch_returns)
{
	struct guest g;
	u64 *gdt;
	int ret;

	guest_protected(&g, task_switch);
	gdt = (u64 *)(g.vm.ram + GUEST_GDT);
	gdt[5] = 0x0000890200000067;		/* available 32-bit TSS at GUEST_DATA */
	g.vm.ram[GUEST_STUBS] = 0xf4;
	*(u32 *)(g.vm.ram + GUEST_DATA + 0x20) = GUEST_STUBS;		/* EIP */
	for (int i = 0; i < 6; i++)
		*(u32 *)(g.vm.ram + GUEST_DATA + 0x48 + 4 * i) = i == 1 ? GUEST_CS32 : GUEST_DS;
	ret = vcpu_run(&g.cpu);
	EXPECT_TRUE(ret <= 0);
	TH_LOG("%d, exit %s", ret, exit_name(g.cpu.run->exit_reason));
}

TEST_HARNESS_MAIN
