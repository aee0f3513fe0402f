// SPDX-License-Identifier: GPL-2.0-only
/* x87, SSE and AVX state: the guest's is the guest's, the process's is the process's. */
#include "kselftest_harness.h"
#include "guest.h"

#include <cpuid.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

GUEST(halts, 64, "1: hlt; jmp 1b");
GUEST(fxsaves, 64, "fxsave " ARG(GUEST_DATA) "; hlt");
GUEST(sets_xmm, 64,
      "mov $0x1122334455667788, %rax; movq %rax, %xmm0; movq %rax, %xmm15;"
      "fninit; fld1; movl $0x1fa0, " ARG(GUEST_DATA) "; ldmxcsr " ARG(GUEST_DATA) ";"
      "movw $0x27f, " ARG(GUEST_DATA) "; fldcw " ARG(GUEST_DATA) "; hlt");
GUEST(keeps_xmm, 64,
      "mov $0xabcdef, %rax; movq %rax, %xmm7; fldpi;"
      "1: out %al, $0x10; movq %xmm7, %rbx; cmp %rax, %rbx; je 1b; hlt");
GUEST(uses_x87, 64, "fninit; fld1");
GUEST(uses_sse, 64, "xorps %xmm0, %xmm0");

static struct kvm_fpu get_fpu(struct vcpu *v)
{
	struct kvm_fpu fpu = { 0 };

	if (kvm(v->fd, KVM_GET_FPU, &fpu))
		die("KVM_GET_FPU");
	return fpu;
}

/*
 * SDM vol. 1, "Layout of the 64-bit-mode FXSAVE Map": FCW at 0, FSW at 2, FTW
 * at 4, ST at 32, XMM at 160. By SET_XSAVE, because KVM's SET_FPU leaves
 * XSTATE_BV alone: a component that is in its initial state stays there.
 */
static void set_fpu_image(struct vcpu *v, const u8 image[416])
{
	struct kvm_xsave x = { 0 };

	if (kvm(v->fd, KVM_GET_XSAVE, &x))
		die("KVM_GET_XSAVE");
	memcpy(x.region, image, 24);
	memcpy(&x.region[8], image + 32, 384);
	x.region[128] |= 3;
	if (kvm(v->fd, KVM_SET_XSAVE, &x))
		die("KVM_SET_XSAVE");
}

TEST(guest_starts_with_what_was_set)
{
	u8 in[416] = { 0x7f, 0x03, 0x00, 0x10, 0x81 }, *image;
	struct guest g;

	guest_long(&g, fxsaves);
	memset(in + 160, 0x5c, 256);
	memset(in + 32, 0x3f, 10);
	set_fpu_image(&g.cpu, in);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	image = g.vm.ram + GUEST_DATA;
	EXPECT_EQ(0, memcmp(image + 160, in + 160, 256));
	EXPECT_EQ(0, memcmp(image + 32, in + 32, 10));
	EXPECT_EQ(0, memcmp(image, in, 5));
}

GUEST(dirties_then_saves, 64,
      "fninit; fld1; pcmpeqd %xmm0, %xmm0; hlt; fxsave " ARG(GUEST_DATA) "; hlt");

TEST(set_fpu_changes_live_state)
{
	struct kvm_fpu fpu;
	struct guest g;

	guest_long(&g, dirties_then_saves);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	fpu = get_fpu(&g.cpu);
	memset(fpu.xmm, 0x5c, sizeof(fpu.xmm));
	memset(fpu.fpr[0], 0x3f, 10);
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_FPU, &fpu));
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(0, memcmp(g.vm.ram + GUEST_DATA + 160, fpu.xmm, 256));
	EXPECT_EQ(0, memcmp(g.vm.ram + GUEST_DATA + 32, fpu.fpr[0], 10));
}

TEST(userspace_reads_what_the_guest_set)
{
	static const u8 one[10] = { 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f };
	struct kvm_xsave xsave;
	struct kvm_fpu fpu;
	struct guest g;

	guest_long(&g, sets_xmm);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	fpu = get_fpu(&g.cpu);
	EXPECT_EQ(0x1122334455667788, *(u64 *)fpu.xmm[0]);
	EXPECT_EQ(0x1122334455667788, *(u64 *)fpu.xmm[15]);
	EXPECT_EQ(0, memcmp(fpu.fpr[0], one, 10));
	EXPECT_EQ(0x27f, fpu.fcw);
	ASSERT_EQ(0, kvm(g.cpu.fd, KVM_GET_XSAVE, &xsave));
	EXPECT_EQ(0x1fa0, xsave.region[6]);
}

/* KVM_RUN between loading and storing all XMM registers, with nothing else in between */
static long run_with_xmm(int fd, const u8 in[16][16], u8 out[16][16])
{
	long ret = SYS_ioctl;

	asm volatile("movups 0x00(%[in]), %%xmm0; movups 0x10(%[in]), %%xmm1;"
		     "movups 0x20(%[in]), %%xmm2; movups 0x70(%[in]), %%xmm7;"
		     "movups 0x80(%[in]), %%xmm8; movups 0xf0(%[in]), %%xmm15;"
		     "xor %%edx, %%edx; syscall;"
		     "movups %%xmm0, 0x00(%[out]); movups %%xmm1, 0x10(%[out]);"
		     "movups %%xmm2, 0x20(%[out]); movups %%xmm7, 0x70(%[out]);"
		     "movups %%xmm8, 0x80(%[out]); movups %%xmm15, 0xf0(%[out]);"
		     : "+a"(ret)
		     : "D"((long)fd), "S"(KVM_RUN), [in] "r"(in), [out] "r"(out)
		     : "rdx", "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm7", "xmm8", "xmm15");
	return ret;
}

TEST(host_xmm_survives_the_guest)
{
	u8 in[16][16], out[16][16];
	struct guest g;

	memset(in, 0x77, sizeof(in));
	memset(out, 0x77, sizeof(out));
	guest_long(&g, sets_xmm);
	for (int i = 0; i < 20; i++) {
		in[0][0] = in[15][3] = i;
		out[0][0] = out[15][3] = i;
		jump_to(&g.cpu, GUEST_CODE);
		ASSERT_EQ(0, run_with_xmm(g.cpu.fd, in, out));
		ASSERT_EQ(KVM_EXIT_HLT, g.cpu.run->exit_reason);
		ASSERT_EQ(0, memcmp(in, out, sizeof(in)));
	}
}

/* CVE class: registers of the process must not be what a new guest finds. */
TEST(guest_does_not_see_the_hosts_xmm)
{
	u8 in[16][16], out[16][16];
	struct guest g;

	memset(in, 0x99, sizeof(in));
	guest_long(&g, fxsaves);
	ASSERT_EQ(0, run_with_xmm(g.cpu.fd, in, out));
	ASSERT_EQ(KVM_EXIT_HLT, g.cpu.run->exit_reason);
	for (int i = 0; i < 256; i++)
		ASSERT_EQ(0, g.vm.ram[GUEST_DATA + 160 + i]);
}

TEST(host_control_words_survive_the_guest)
{
	u32 mxcsr = 0x1f80 | 0x6000, mxcsr_after;
	u16 fcw = 0x77f, fcw_after;
	struct guest g;

	guest_long(&g, sets_xmm);
	asm volatile("ldmxcsr %0; fldcw %1" :: "m"(mxcsr), "m"(fcw));
	vcpu_run(&g.cpu);
	asm volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr_after), "=m"(fcw_after));
	EXPECT_EQ(mxcsr, mxcsr_after & ~0x3f);
	EXPECT_EQ(fcw, fcw_after);
	EXPECT_EQ(KVM_EXIT_HLT, g.cpu.run->exit_reason);
}

static volatile bool stop;

/* Another thread on the same CPUs that is always in the middle of something. */
static void *burn_fpu(void *arg)
{
	(void)arg;
	while (!stop)
		asm volatile("pcmpeqd %%xmm7, %%xmm7; pcmpeqd %%xmm0, %%xmm0; fninit; fldz; fstp %%st(0)"
			     ::: "xmm7", "xmm0", "st");
	return NULL;
}

TEST(guest_xmm_survives_exits_and_other_threads)
{
	pthread_t thread;
	struct guest g;

	guest_long(&g, keeps_xmm);
	pthread_create(&thread, NULL, burn_fpu, NULL);
	for (int i = 0; i < 300; i++) {
		asm volatile("pcmpeqd %%xmm7, %%xmm7" ::: "xmm7");
		ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
		if (i % 50 == 0)
			usleep(2000);
	}
	stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0xabcdef, *(u64 *)get_fpu(&g.cpu).xmm[7]);
}

TEST(two_guests_keep_their_own)
{
	struct guest g[2];

	for (int i = 0; i < 2; i++) {
		u8 image[416] = { 0x7f, 0x03 };

		guest_long(&g[i], halts);
		memset(image + 160, 0x11 * (i + 1), 256);
		set_fpu_image(&g[i].cpu, image);
	}
	for (int i = 0; i < 50; i++)
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g[i & 1].cpu));
	EXPECT_EQ(0x11, get_fpu(&g[0].cpu).xmm[9][9]);
	EXPECT_EQ(0x22, get_fpu(&g[1].cpu).xmm[9][9]);
}

/* SDM vol. 3, "Control Registers": TS and EM of the guest are the guest's affair. */
TEST(cr0_ts_and_em_raise_nm)
{
	struct kvm_sregs s;
	struct guest g;

	guest_start(&g, set_long_mode, "", 0);
	s = get_sregs(&g.cpu);
	s.cr0 |= X86_CR0_TS;
	set_sregs(&g.cpu, &s);
	EXPECT_EQ(NM_VECTOR, TRY(&g, uses_x87, NULL).vector);
	EXPECT_EQ(NM_VECTOR, TRY(&g, uses_sse, NULL).vector);
	s.cr0 &= ~X86_CR0_TS;
	set_sregs(&g.cpu, &s);
	EXPECT_EQ(NO_TRAP, TRY(&g, uses_x87, NULL).vector);
	EXPECT_EQ(NO_TRAP, TRY(&g, uses_sse, NULL).vector);
	s.cr0 |= X86_CR0_EM;
	set_sregs(&g.cpu, &s);
	EXPECT_EQ(NM_VECTOR, TRY(&g, uses_x87, NULL).vector);
	EXPECT_EQ(UD_VECTOR, TRY(&g, uses_sse, NULL).vector);
}

TEST(no_osfxsr_makes_sse_ud)
{
	struct kvm_sregs s;
	struct guest g;

	guest_start(&g, set_long_mode, "", 0);
	s = get_sregs(&g.cpu);
	s.cr4 &= ~X86_CR4_OSFXSR;
	set_sregs(&g.cpu, &s);
	EXPECT_EQ(UD_VECTOR, TRY(&g, uses_sse, NULL).vector);
}

/* ---- AVX ---- */

static bool have_avx(void)
{
	unsigned int a, b, c = 0, d;

	__get_cpuid(1, &a, &b, &c, &d);
	return host_has_xsave() && (c & bit_AVX);
}

GUEST(sets_ymm, 64,
      "xor %ecx, %ecx; xor %edx, %edx; mov $7, %eax; xsetbv;"
      "vpcmpeqd %xmm3, %xmm3, %xmm3; vinsertf128 $1, %xmm3, %ymm3, %ymm3; hlt;"
      "1: vmovups %ymm3, " ARG(GUEST_DATA) "; hlt; jmp 1b");

__attribute__((target("avx"))) static void host_ymm(struct vcpu *v, u8 in[32], u8 out[32])
{
	asm volatile("vmovups (%0), %%ymm3" :: "r"(in) : "xmm3");
	ioctl(v->fd, KVM_RUN, 0);
	asm volatile("vmovups %%ymm3, (%0)" :: "r"(out) : "memory");
}

TEST(upper_halves_of_ymm_are_separate)
{
	u8 in[32], out[32];
	struct kvm_sregs s;
	struct guest g;

	if (!have_avx())
		SKIP(return, "no AVX");
	if (on_tcg())
		SKIP(return, "QEMU's TCG does not intercept XSETBV: it changes the host's XCR0");
	memset(in, 0x42, sizeof(in));
	guest_long(&g, sets_ymm);
	s = get_sregs(&g.cpu);
	s.cr4 |= X86_CR4_OSXSAVE;
	set_sregs(&g.cpu, &s);
	host_ymm(&g.cpu, in, out);
	ASSERT_EQ(KVM_EXIT_HLT, g.cpu.run->exit_reason);
	EXPECT_EQ(0, memcmp(in, out, 32));
	host_ymm(&g.cpu, in, out);
	ASSERT_EQ(KVM_EXIT_HLT, g.cpu.run->exit_reason);
	for (int i = 0; i < 32; i++)
		ASSERT_EQ(0xff, g.vm.ram[GUEST_DATA + i]);
}

static u64 host_xcr0(void)
{
	u32 a, d;

	asm volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return (u64)d << 32 | a;
}

/* CVE-2014-3690's class: XCR0 is the host's again when userspace looks. */
TEST(host_xcr0_survives_the_guest)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .value = 1 } } };
	struct kvm_sregs s;
	struct guest g;
	u64 before;

	if (!host_has_xsave())
		SKIP(return, "no XSAVE in the host");
	before = host_xcr0();
	guest_long(&g, halts);
	s = get_sregs(&g.cpu);
	s.cr4 |= X86_CR4_OSXSAVE;
	set_sregs(&g.cpu, &s);
	for (u64 value = 1; value <= 3; value += 2) {
		xcrs.xcrs[0].value = value;
		ASSERT_EQ(0, kvm(g.cpu.fd, KVM_SET_XCRS, &xcrs));
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
		EXPECT_EQ(before, host_xcr0());
	}
}

TEST_HARNESS_MAIN
