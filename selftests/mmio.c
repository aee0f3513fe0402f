// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions whose memory is a device's. Each runs twice: on memory, by the
 * CPU itself, and on MMIO that behaves like memory, by the module. Registers,
 * flags and memory must be the same afterwards; the exits in between are what
 * KVM makes of them, so all of it holds on /dev/kvm, too.
 */
#include "kselftest_harness.h"
#include "thread.h"

#define ARITHMETIC	0x8d5	/* CF PF AF ZF SF OF */
#define RFLAGS_DF	(1u << 10)
#define AREA		(2 * PAGE)
#define OTHER		0x1000	/* of the second operand, in its area */

/* Where the operands lie: A at (%ebx) and (%esi), B at (%edi). */
enum place { BOTH_RAM, A_MMIO, B_MMIO, BOTH_MMIO };

struct insn {
	const char *name;
	const u8 *code, *end;
	const char *trace;	/* the exits: r or w, and the size */
	enum place place;
	u8 bits;
};

/* The same text is other bytes in each mode: prefixes come and go. */
#define IN_MODE(id, bits, text)	GUEST(id##_##bits, bits, text);
#define IN_ALL(id, place, trace, text)					\
	IN_MODE(id, 16, text) IN_MODE(id, 32, text) IN_MODE(id, 64, text)
#define ROW(id, place, trace, text, bits) { text, id##_##bits, id##_##bits##_end, trace, place, bits },
#define ROWS(id, place, trace, text)					\
	ROW(id, place, trace, text, 16) ROW(id, place, trace, text, 32)	\
	ROW(id, place, trace, text, 64)

#define COMMON(X)							\
	X(mov_b, A_MMIO, "w1", "mov %al, (%ebx)")			\
	X(mov_bh, A_MMIO, "w1", "mov %ah, 3(%ebx)")			\
	X(mov_w, A_MMIO, "w2", "mov %ax, (%ebx)")			\
	X(mov_l, A_MMIO, "w4", "mov %eax, 5(%ebx)")			\
	X(mov_sib, A_MMIO, "w4", "mov %eax, 0x10(%ebx,%ecx,4)")		\
	X(mov_imm_b, A_MMIO, "w1", "movb $0x5a, (%ebx)")		\
	X(mov_imm_w, A_MMIO, "w2", "movw $0x1234, (%ebx)")		\
	X(mov_imm_l, A_MMIO, "w4", "movl $-2, (%ebx)")			\
	X(ld_b, A_MMIO, "r1", "mov (%ebx), %dl")			\
	X(ld_bh, A_MMIO, "r1", "mov (%ebx), %dh")			\
	X(ld_w, A_MMIO, "r2", "mov (%ebx), %dx")			\
	X(ld_l, A_MMIO, "r4", "mov 1(%ebx), %edx")			\
	X(movzx_b, A_MMIO, "r1", "movzbl 7(%ebx), %edx")		\
	X(movzx_bw, A_MMIO, "r1", "movzbw 7(%ebx), %dx")		\
	X(movzx_w, A_MMIO, "r2", "movzwl 6(%ebx), %edx")		\
	X(movsx_b, A_MMIO, "r1", "movsbl 7(%ebx), %edx")		\
	X(movsx_w, A_MMIO, "r2", "movswl 6(%ebx), %edx")		\
	X(movnti, A_MMIO, "w4", "movnti %eax, (%ebx)")			\
	X(add_m, A_MMIO, "r4w4", "add %eax, (%ebx)")			\
	X(or_m, A_MMIO, "r1w1", "or %al, (%ebx)")			\
	X(adc_m, A_MMIO, "r2w2", "adc %ax, (%ebx)")			\
	X(sbb_m, A_MMIO, "r4w4", "sbbl $-7, (%ebx)")			\
	X(and_m, A_MMIO, "r2w2", "andw $0x7ff0, (%ebx)")		\
	X(sub_m, A_MMIO, "r1w1", "subb $0x99, (%ebx)")			\
	X(xor_m, A_MMIO, "r4w4", "xor %edx, (%ebx)")			\
	X(lock_add, A_MMIO, "r4w4", "lock addl $1, (%ebx)")		\
	X(add_r, A_MMIO, "r4", "add (%ebx), %eax")			\
	X(adc_r, A_MMIO, "r1", "adc (%ebx), %ah")			\
	X(sub_r, A_MMIO, "r2", "sub (%ebx), %dx")			\
	X(and_r, A_MMIO, "r4", "and (%ebx), %edx")			\
	X(cmp_m, A_MMIO, "r4", "cmp %eax, (%ebx)")			\
	X(cmp_r, A_MMIO, "r1", "cmp (%ebx), %dl")			\
	X(cmp_imm, A_MMIO, "r2", "cmpw $0x1234, (%ebx)")		\
	X(test_m, A_MMIO, "r4", "test %eax, (%ebx)")			\
	X(test_imm, A_MMIO, "r1", "testb $0x80, 7(%ebx)")		\
	X(not_m, A_MMIO, "r4w4", "notl (%ebx)")				\
	X(neg_m, A_MMIO, "r2w2", "negw (%ebx)")				\
	X(inc_m, A_MMIO, "r1w1", "incb (%ebx)")				\
	X(dec_m, A_MMIO, "r4w4", "lock decl (%ebx)")			\
	X(bt_m, A_MMIO, "r4", "bt %ebp, 0x20(%ebx)")			\
	X(bts_m, A_MMIO, "r4w4", "bts %ecx, (%ebx)")			\
	X(btr_far, A_MMIO, "r2w2", "btr %bp, 0x20(%ebx)")		\
	X(btc_imm, A_MMIO, "r4w4", "lock btcl $31, (%ebx)")		\
	X(xchg_m, A_MMIO, "r4w4", "xchg %edx, (%ebx)")			\
	X(xchg_b, A_MMIO, "r1w1", "xchg %dh, (%ebx)")			\
	X(xadd_m, A_MMIO, "r2w2", "lock xadd %dx, (%ebx)")		\
	X(cmpxchg_ne, A_MMIO, "r4w4", "lock cmpxchg %edx, (%ebx)")	\
	X(cmpxchg_eq, A_MMIO, "r1w1", "cmpxchg %dl, 0x40(%ebx)")	\
	X(mov_neg, A_MMIO, "w4", "lea 4(%ebx), %ebx; movl %eax, -4(%ebx)")	\
	X(stos, B_MMIO, "w1", "stosb")					\
	X(stos_rep, B_MMIO, "w4w4w4", "rep stosl")			\
	X(stos_down, B_MMIO, "w2w2w2", "std; rep stosw")		\
	X(lods, A_MMIO, "r2", "lodsw")					\
	X(lods_rep, A_MMIO, "r1r1r1", "rep lodsb")			\
	X(movs_to, B_MMIO, "w4w4w4", "rep movsl")			\
	X(movs_from, A_MMIO, "r2r2r2", "rep movsw")			\
	X(movs_both, BOTH_MMIO, "r1w1r1w1r1w1", "rep movsb")		\
	X(cmps_one, BOTH_MMIO, "r4r4", "cmpsl")				\
	X(cmps_rep, BOTH_MMIO, "r1r1r1r1r1r1", "repe cmpsb")		\
	X(scas, B_MMIO, "r4", "scasl")					\
	X(scas_rep, B_MMIO, "r1r1r1", "repne scasb")			\
	X(push_m, A_MMIO, "r2", "pushw (%ebx)")				\
	X(pop_m, A_MMIO, "w2", "popw (%ebx)")				\
	X(movups_st, A_MMIO, "w8w8", "movups %xmm1, 1(%ebx)")		\
	X(movups_ld, A_MMIO, "r8r8", "movups 3(%ebx), %xmm2")		\
	X(movaps_st, A_MMIO, "w8w8", "movaps %xmm1, (%ebx)")		\
	X(movdqa_ld, A_MMIO, "r8r8", "movdqa 0x10(%ebx), %xmm2")	\
	X(movdqu_ld, A_MMIO, "r8r8", "movdqu 5(%ebx), %xmm2")		\
	X(movdqu_st, A_MMIO, "w8w8", "movdqu %xmm1, 9(%ebx)")		\
	X(movntdq, A_MMIO, "w8w8", "movntdq %xmm1, (%ebx)")

/* KVM's emulator does not know these. */
#define OURS_ONLY(X)							\
	X(movss_ld, A_MMIO, "r4", "movss (%ebx), %xmm2")		\
	X(movsd_st, A_MMIO, "w8", "movsd %xmm1, (%ebx)")		\
	X(movd_ld, A_MMIO, "r4", "movd (%ebx), %xmm2")			\
	X(movd_st, A_MMIO, "w4", "movd %xmm1, (%ebx)")			\
	X(movq_ld, A_MMIO, "r8", "movq (%ebx), %xmm2")			\
	X(movq_st, A_MMIO, "w8", "movq %xmm1, (%ebx)")

/* Of one mode. QEMU's TCG mistakes MOVBE in 16-bit code. */
#define ONLY_64(X)							\
	X(mov_q, A_MMIO, "w8", "mov %rax, (%rbx)", 64)			\
	X(mov_q_imm, A_MMIO, "w8", "movq $-2, 8(%rbx)", 64)		\
	X(ld_q_rip, A_MMIO, "r8", "lea 1(%rip), %r8; mov (%rbx), %r9", 64) \
	X(movslq, A_MMIO, "r4", "movslq 4(%rbx), %rdx", 64)		\
	X(mov_spl, A_MMIO, "w1", "mov %sil, (%rbx)", 64)		\
	X(add_q, A_MMIO, "r8w8", "lock add %rdx, (%rbx,%rcx,8)", 64)	\
	X(xadd_q, A_MMIO, "r8w8", "xadd %rax, (%rbx)", 64)		\
	X(btc_q, A_MMIO, "r8w8", "btc %rbp, 0x20(%rbx)", 64)		\
	X(cmpxchg_q, A_MMIO, "r8w8", "cmpxchg %rcx, (%rbx)", 64)	\
	X(stosq, B_MMIO, "w8w8w8", "rep stosq", 64)			\
	X(stosl_67, B_MMIO, "w4w4w4", "rep stosl %eax, (%edi)", 64)	\
	X(movsq, B_MMIO, "w8", "movsq", 64)				\
	X(push_q, A_MMIO, "r8", "push (%rbx)", 64)			\
	X(pop_q, A_MMIO, "w8", "pop (%rbx)", 64)			\
	X(movbe_q, A_MMIO, "r8", "movbe (%rbx), %r10", 64)		\
	X(movbe_st, A_MMIO, "w4", "movbe %eax, (%rbx)", 64)		\
	X(movbe_l, A_MMIO, "r4", "movbe (%ebx), %edx", 32)		\
	X(mov_bx, A_MMIO, "w2", "mov %ax, 2(%bx)", 16)			\
	X(ld_bx_di, B_MMIO, "r1", "mov %es:(%di), %dl", 16)		\
	X(push_l, A_MMIO, "r4", "pushl (%bx)", 16)			\
	X(moffs_16, A_MMIO, "r2", "mov 0x100, %ax", 16)

#define ONE(id, place, trace, text, bits) IN_MODE(id, bits, text)

COMMON(IN_ALL)
OURS_ONLY(IN_ALL)
ONLY_64(ONE)

static const struct insn common[] = { COMMON(ROWS) ONLY_64(ROW) };
static const struct insn ours_only[] = { OURS_ONLY(ROWS) };

FIXTURE(mmio) {
	struct guest g;
	u8 device[AREA];	/* at GUEST_MMIO, and again every AREA bytes */
	char trace[64];
};

FIXTURE_SETUP(mmio)
{
	guest_start(&self->g, set_long_mode, "", 0);
	guest_try(&self->g, NULL, 0, NULL);	/* KVM forgets XMM registers set before the first run */
}

FIXTURE_TEARDOWN(mmio)
{
	guest_close(&self->g);
}

static void serve(struct kvm_run *run, u8 *device)
{
	for (u32 i = 0; i < run->mmio.len && i < 8; i++) {
		u8 *byte = &device[(run->mmio.phys_addr + i) % AREA];

		if (run->mmio.is_write)
			*byte = run->mmio.data[i];
		else
			run->mmio.data[i] = *byte;
	}
}

/* Until something else than MMIO comes. */
static u32 run_served(struct __test_metadata *_metadata, FIXTURE_DATA(mmio) *self)
{
	struct kvm_run *run = self->g.cpu.run;
	size_t at = 0;
	u32 exit;

	self->trace[0] = 0;
	while ((exit = guest_run(&self->g.cpu)) == KVM_EXIT_MMIO) {
		ASSERT_LT(at + 4, sizeof(self->trace)) TH_LOG("%s", self->trace);
		at += sprintf(self->trace + at, "%c%u", run->mmio.is_write ? 'w' : 'r',
			      run->mmio.len);
		serve(run, self->device);
	}
	return exit;
}

struct result {
	struct kvm_regs regs;
	struct kvm_fpu fpu;
	u8 mem[AREA];
};

static void fill(u8 *mem)
{
	for (u32 i = 0; i < AREA; i++)
		mem[i] = i * 37 + 0x91;
	mem[0x140] = 0x88;	/* AL, for CMPXCHG */
	mem[OTHER + 0x102] = mem[0x102] ^ 1;	/* where REPE CMPSB ends, but for what is equal */
	memcpy(mem + OTHER + 0x100, mem + 0x100, 2);
	mem[OTHER + 0x202] = 0x88;	/* AL, for REPNE SCASB */
}

static void set_mode(struct vcpu *v, u8 bits, u64 a, u64 b)
{
	struct kvm_sregs s;

	bits == 16 ? set_real_mode(v) : bits == 32 ? set_protected_mode(v) : set_long_mode(v);
	s = get_sregs(v);
	s.cr4 |= X86_CR4_OSFXSR;
	if (bits == 16) {	/* EBX, ESI and EDI have offsets only */
		s.ds.base = a;
		s.es.base = b;
	}
	set_sregs(v, &s);
}

static void set_fpu(struct vcpu *v)
{
	struct kvm_fpu fpu = { .fcw = 0x37f, .mxcsr = 0x1f80 };

	for (int i = 0; i < 16 * 16; i++)
		fpu.xmm[i / 16][i % 16] = i * 5 + 1;
	kvm(v->fd, KVM_SET_FPU, &fpu);
}

/* Operands A in area a, B in area b, both of which hold what fill() says. */
static void prepare(FIXTURE_DATA(mmio) *self, const struct insn *insn, u64 a, u64 b)
{
	static const u8 hlt = 0xf4;
	struct guest *g = &self->g;
	u64 len = insn->end - insn->code;
	u64 base_a = insn->bits == 16 ? 0 : a, base_b = insn->bits == 16 ? 0 : b;
	struct kvm_regs regs;

	set_mode(&g->cpu, insn->bits, a, b);
	set_fpu(&g->cpu);
	guest_code(g, insn->code, len);
	g->vm.ram[GUEST_CODE + len] = hlt;
	fill(self->device);
	fill(g->vm.ram + GUEST_DATA);
	memset(g->vm.ram + GUEST_STACK - 256, 0x3c, 256);
	regs = get_regs(&g->cpu);
	regs.rsp -= 64;
	regs.rbx = base_a + 0x100;
	regs.rsi = base_a + 0x100;
	regs.rdi = base_b + OTHER + 0x100 + (strstr(insn->name, "scasb") ? 0x100 : 0);
	regs.rax = 0x1122334455667788;
	regs.rdx = 0x8070605040302013;
	regs.rbp = -70ll;	/* a bit in front of the operand */
	regs.rcx = strstr(insn->name, "cmpsb") ? 9 : strstr(insn->name, "scasb") ? 8 : 3;
	regs.rflags |= 1;	/* CF */
	set_regs(&g->cpu, &regs);
}

static u64 area(bool mmio)
{
	return mmio ? GUEST_MMIO : GUEST_DATA;
}

static void run_insn(struct __test_metadata *_metadata, FIXTURE_DATA(mmio) *self,
		     const struct insn *insn, enum place place, struct result *r)
{
	u64 a = area(place & A_MMIO), b = area(place & B_MMIO);

	prepare(self, insn, a, b);
	ASSERT_EQ(KVM_EXIT_HLT, run_served(_metadata, self)) TH_LOG("%s/%u", insn->name, insn->bits);
	memset(r, 0, sizeof(*r));
	r->regs = get_regs(&self->g.cpu);
	kvm(self->g.cpu.fd, KVM_GET_FPU, &r->fpu);
	/* Both areas were alike; what one run changes it changes in one of them. */
	for (u32 i = 0; i < AREA; i++)
		r->mem[i] = self->device[i] ^ self->g.vm.ram[GUEST_DATA + i];
	if (insn->bits == 16)
		return;
	/* Which area it was is no difference. */
	r->regs.rbx -= a;
	r->regs.rsi -= a;
	r->regs.rdi -= b;
}

static u64 undefined_flags(const char *name)
{
	if (name[0] == 'b' || !strncmp(name, "lock bt", 7))
		return ARITHMETIC & ~0x41;
	return !strncmp(name, "and", 3) || !strncmp(name, "or", 2) || !strncmp(name, "xor", 3) ||
	       !strncmp(name, "test", 4) ? 0x10 : 0;
}

static void check_insn(struct __test_metadata *_metadata, FIXTURE_DATA(mmio) *self,
		       const struct insn *insn)
{
	struct result cpu, ours;
	u64 *left = (u64 *)&cpu.regs, *right = (u64 *)&ours.regs;

	run_insn(_metadata, self, insn, BOTH_RAM, &cpu);
	ASSERT_STREQ("", self->trace);
	run_insn(_metadata, self, insn, insn->place, &ours);
	EXPECT_STREQ(insn->trace, self->trace) TH_LOG("%s/%u", insn->name, insn->bits);
	cpu.regs.rflags &= ~undefined_flags(insn->name);
	ours.regs.rflags &= ~undefined_flags(insn->name);
	for (int i = 0; i < sizeof(cpu.regs) / 8; i++) {
		EXPECT_EQ(left[i], right[i]) TH_LOG("%s/%u: reg %d", insn->name, insn->bits, i);
	}
	for (int i = 0; i < AREA; i++) {
		ASSERT_EQ(cpu.mem[i], ours.mem[i]) TH_LOG("%s/%u: %x", insn->name, insn->bits, i);
	}
	EXPECT_EQ(0, memcmp(cpu.fpu.xmm, ours.fpu.xmm, sizeof(cpu.fpu.xmm)))
		TH_LOG("%s/%u: XMM", insn->name, insn->bits);
}

static void check_all(struct __test_metadata *_metadata, FIXTURE_DATA(mmio) *self,
		      const struct insn *insns, int nr, u8 bits)
{
	for (int i = 0; i < nr; i++)
		if (insns[i].bits == bits)
			check_insn(_metadata, self, &insns[i]);
}

TEST_F(mmio, each_instruction_in_64_bit_mode)
{
	check_all(_metadata, self, common, ARRAY_SIZE(common), 64);
}

TEST_F(mmio, each_instruction_in_32_bit_mode)
{
	check_all(_metadata, self, common, ARRAY_SIZE(common), 32);
}

TEST_F(mmio, each_instruction_in_16_bit_mode)
{
	check_all(_metadata, self, common, ARRAY_SIZE(common), 16);
}

TEST_F(mmio, moves_that_kvm_does_not_know)
{
	if (on_stock_kvm())
		SKIP(return, "an internal error there");
	for (u8 bits = 16; bits <= 64; bits *= 2)
		check_all(_metadata, self, ours_only, ARRAY_SIZE(ours_only), bits);
}

GUEST(moffs64, 64, "movabs %eax, 0xd0000100");

TEST_F(mmio, absolute_offset)
{
	struct kvm_regs in = { .rax = 0x12345678 };

	ASSERT_EQ(KVM_EXIT_MMIO, TRY(&self->g, moffs64, &in).exit);
	EXPECT_EQ(0xd0000100, self->g.cpu.run->mmio.phys_addr);
	EXPECT_EQ(0x12345678, *(u32 *)self->g.cpu.run->mmio.data);
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&self->g.cpu));
}

/* ---- Pages ---- */

GUEST(store16, 64, "movups %xmm1, (%rbx)");
GUEST(load16, 64, "movups (%rbx), %xmm2");
GUEST(rmw, 64, "addl $0x01010101, (%rbx)");
GUEST(movsb, 64, "movsb");

/* Class 14, CVE-2017-17741, CVE-2014-0049: pieces of an access. Guards: device_len(), left(). */
TEST_F(mmio, sixteen_bytes_across_a_page)
{
	static const char *const first[16] = { [1] = "w1w8w7", [4] = "w4w8w4", [8] = "w8w8",
					       [12] = "w8w4w4", [15] = "w8w7w1" };
	struct kvm_fpu fpu;

	for (u32 n = 1; n < 16; n++) {
		struct kvm_regs in = { .rbx = GUEST_MMIO + PAGE - n };

		memset(self->device, 0xee, AREA);
		set_fpu(&self->g.cpu);
		ASSERT_EQ(KVM_EXIT_MMIO, TRY(&self->g, store16, &in).exit);
		serve(self->g.cpu.run, self->device);
		self->trace[0] = 0;
		ASSERT_EQ(KVM_EXIT_HLT, run_served(_metadata, self));
		if (first[n])
			EXPECT_STREQ(first[n] + 2, self->trace) TH_LOG("%u", n);
		kvm(self->g.cpu.fd, KVM_GET_FPU, &fpu);
		EXPECT_EQ(0, memcmp(self->device + PAGE - n, fpu.xmm[1], 16)) TH_LOG("%u", n);
		EXPECT_EQ(0xee, self->device[PAGE - n - 1]);
		EXPECT_EQ(0xee, self->device[PAGE - n + 16]);

		ASSERT_EQ(KVM_EXIT_MMIO, TRY(&self->g, load16, &in).exit);
		serve(self->g.cpu.run, self->device);
		ASSERT_EQ(KVM_EXIT_HLT, run_served(_metadata, self));
		kvm(self->g.cpu.fd, KVM_GET_FPU, &fpu);
		EXPECT_EQ(0, memcmp(fpu.xmm[1], fpu.xmm[2], 16)) TH_LOG("%u", n);
	}
}

/* One part memory, the other a device's: before and behind the slot's end. */
TEST_F(mmio, across_the_end_of_memory)
{
	struct kvm_regs in = { .rbx = GUEST_RAM - 2 };
	u8 *end = self->g.vm.ram + GUEST_RAM - 2;

	fill(self->device);
	memcpy(end, "\x10\x20", 2);
	ASSERT_EQ(KVM_EXIT_MMIO, TRY(&self->g, rmw, &in).exit);
	EXPECT_EQ(GUEST_RAM, self->g.cpu.run->mmio.phys_addr);
	EXPECT_EQ(2, self->g.cpu.run->mmio.len);
	serve(self->g.cpu.run, self->device);
	ASSERT_EQ(KVM_EXIT_HLT, run_served(_metadata, self));
	EXPECT_STREQ("w2", self->trace);
	EXPECT_EQ(0x11, end[0]);
	EXPECT_EQ(0x21, end[1]);
	EXPECT_EQ(0x92, self->device[0]);
	EXPECT_EQ(0xb7, self->device[1]);
}

#define WINDOW	(1024 * MIB)	/* linear addresses that only this test maps */

static u64 *window_entry(struct guest *g)
{
	return (u64 *)(g->vm.ram + GUEST_PD + PAGE);
}

static void map_window(struct guest *g, u64 entry)
{
	struct kvm_sregs s = get_sregs(&g->cpu);

	*window_entry(g) = entry;
	set_sregs(&g->cpu, &s);	/* flushes */
}

/* The walk of what the CPU has not walked itself, and its accessed and dirty flags. */
TEST_F(mmio, the_other_operand_is_walked)
{
	struct kvm_regs in = { .rsi = GUEST_MMIO, .rdi = WINDOW + GUEST_DATA };
	u64 *entry = window_entry(&self->g);

	fill(self->device);
	map_window(&self->g, 0 | 0x83);
	ASSERT_EQ(KVM_EXIT_MMIO, TRY(&self->g, movsb, &in).exit);
	serve(self->g.cpu.run, self->device);
	ASSERT_EQ(KVM_EXIT_HLT, run_served(_metadata, self));
	EXPECT_EQ(self->device[0], self->g.vm.ram[GUEST_DATA]);
	EXPECT_EQ(0xe3, *entry & 0xfff);
}

/* The device is not read for a destination that cannot be written. KVM reads it first. */
TEST_F(mmio, page_fault_of_the_other_operand)
{
	struct kvm_regs in = { .rsi = GUEST_MMIO, .rdi = WINDOW + GUEST_DATA };
	struct outcome out;

	if (on_stock_kvm())
		SKIP(return, "KVM reads the device, then faults");
	map_window(&self->g, 0 | 0x81);		/* read-only */
	out = TRY(&self->g, movsb, &in);
	EXPECT_EQ(KVM_EXIT_HLT, out.exit);
	EXPECT_EQ(14, out.vector);
	EXPECT_EQ(3, out.error);
	EXPECT_EQ(WINDOW + GUEST_DATA, traps(&self->g)->cr2);
	EXPECT_EQ(GUEST_MMIO, out.regs.rsi);
}

/* Class 16: not canonical, found before any access. Guard: mkvm_linear() in locate(). */
TEST_F(mmio, general_protection_of_the_other_operand)
{
	struct kvm_regs in = { .rsi = GUEST_MMIO, .rdi = 1ull << 60 };
	struct outcome out;

	if (on_stock_kvm())
		SKIP(return, "KVM reads the device, then faults");
	out = TRY(&self->g, movsb, &in);
	EXPECT_EQ(KVM_EXIT_HLT, out.exit);
	EXPECT_EQ(13, out.vector);
}

/* ---- What userspace does between the exits ---- */

GUEST(stosl, 64, "rep stosl");
GUEST(load, 64, "mov (%rbx), %rax");

/* The guard is that RCX and RDI are all the progress there is: advance_string(). */
TEST_F(mmio, string_stops_in_the_middle)
{
	struct kvm_regs in = { .rdi = GUEST_MMIO, .rcx = 5, .rax = 7 };
	struct kvm_regs regs;

	ASSERT_EQ(KVM_EXIT_MMIO, TRY(&self->g, stosl, &in).exit);
	ASSERT_EQ(KVM_EXIT_MMIO, guest_run(&self->g.cpu));
	EXPECT_EQ(GUEST_MMIO + 4, self->g.cpu.run->mmio.phys_addr);
	self->g.cpu.run->immediate_exit = 1;
	for (int i = 0; i < 3; i++)	/* KVM may have more pieces to tell of */
		if (vcpu_run(&self->g.cpu) == -EINTR)
			break;
	self->g.cpu.run->immediate_exit = 0;
	regs = get_regs(&self->g.cpu);
	EXPECT_EQ(GUEST_CODE, regs.rip);
	EXPECT_EQ(in.rcx * 4, regs.rcx * 4 + (regs.rdi - GUEST_MMIO));
	/* The rest, from another vCPU's point of view: only registers count. */
	regs.rcx = 1;
	set_regs(&self->g.cpu, &regs);
	ASSERT_EQ(KVM_EXIT_HLT, run_served(_metadata, self));
	EXPECT_EQ(0, get_regs(&self->g.cpu).rcx);
}

/* The guard is that vcpu.c drops v->complete with a new RIP. */
TEST_F(mmio, new_rip_abandons_a_read)
{
	struct kvm_regs in = { .rbx = GUEST_MMIO, .rax = 5 }, regs;

	if (on_stock_kvm())
		SKIP(return, "KVM completes into the new registers");
	ASSERT_EQ(KVM_EXIT_MMIO, TRY(&self->g, load, &in).exit);
	regs = get_regs(&self->g.cpu);
	regs.rip = GUEST_CODE + 3;
	set_regs(&self->g.cpu, &regs);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&self->g.cpu));
	EXPECT_EQ(5, get_regs(&self->g.cpu).rax);
}

GUEST(loads16, 64, "1: movups (%rbx), %xmm2; jmp 1b");

static void *scribble(void *arg)
{
	struct guest_thread *t = arg;
	struct kvm_run *run = t->cpu->run;

	for (u32 i = 1; !t->stop; i = i * 1664525 + 1013904223) {
		run->mmio.len = i;
		run->mmio.phys_addr = (u64)i << 20;
		run->mmio.is_write = i >> 7;
		run->exit_reason = 40 + i % 40;
	}
	return NULL;
}

/* Class 12, CVE-2021-3501: complete_mmio() takes the length from v->mmio, never from kvm_run. */
TEST_F(mmio, kvm_run_is_scribbled_on)
{
	struct kvm_regs in = { .rbx = GUEST_MMIO + PAGE - 5 };
	struct guest_thread t = { .cpu = &self->g.cpu };

	TRY(&self->g, loads16, &in);
	ASSERT_EQ(0, pthread_create(&t.thread, NULL, scribble, &t));
	for (int i = 0; i < 300; i++) {
		ASSERT_EQ(0, vcpu_run(&self->g.cpu));
	}
	t.stop = true;
	pthread_join(t.thread, NULL);
	ASSERT_EQ(KVM_EXIT_MMIO, guest_run(&self->g.cpu));
	EXPECT_GE(8, self->g.cpu.run->mmio.len);
}

/* ---- What cannot be executed ---- */

GUEST(fnsave, 64, "fnsave (%rbx)");
GUEST(sgdt, 64, "sgdt (%rbx)");
GUEST(store_l, 64, "mov %ecx, (%rbx)");

TEST_F(mmio, unknown_instruction_is_an_internal_error)
{
	struct kvm_regs in = { .rbx = GUEST_MMIO };
	struct kvm_run *run = self->g.cpu.run;

	ASSERT_EQ(KVM_EXIT_INTERNAL_ERROR, TRY(&self->g, fnsave, &in).exit);
	EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION, run->emulation_failure.suberror);
	EXPECT_LE(3, run->emulation_failure.ndata);
	EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES,
		  run->emulation_failure.flags);
	EXPECT_LE(2, run->emulation_failure.insn_size);
	EXPECT_EQ(0, memcmp(run->emulation_failure.insn_bytes, fnsave, fnsave_end - fnsave));
	EXPECT_EQ(GUEST_CODE, get_regs(&self->g.cpu).rip);
}

/* Class 17, CVE-2014-7842: a process does not end its machine. Guard: mkvm_emulation_failed(). */
TEST_F(mmio, unknown_instruction_of_a_process_is_ud)
{
	struct kvm_regs in = { .rbx = GUEST_MMIO };
	struct outcome out = TRY_USER(&self->g, fnsave, &in);

	EXPECT_EQ(KVM_EXIT_MMIO, out.exit);
	EXPECT_EQ(6, out.vector);
}

/* Class 16, CVE-2018-10853: SGDT is not one of ours: take_0f01(), and the CPL as above. */
TEST_F(mmio, descriptor_table_of_a_process)
{
	struct kvm_regs in = { .rbx = GUEST_MMIO };
	struct outcome out;

	if (on_stock_kvm())
		SKIP(return, "KVM executes SGDT");
	out = TRY_USER(&self->g, sgdt, &in);
	EXPECT_EQ(KVM_EXIT_MMIO, out.exit);
	EXPECT_EQ(6, out.vector);
}

/* Class 16: the other operand of a process. Guard: mkvm_walk() is told who asks. */
TEST_F(mmio, supervisor_memory_of_a_process)
{
	struct kvm_regs in = { .rsi = GUEST_MMIO, .rdi = WINDOW + GUEST_DATA };
	struct outcome out;

	if (on_stock_kvm())
		SKIP(return, "KVM reads the device, then faults");
	map_window(&self->g, 0 | 0x83);
	out = TRY_USER(&self->g, movsb, &in);
	EXPECT_EQ(KVM_EXIT_MMIO, out.exit);
	EXPECT_EQ(PF_VECTOR, out.vector);
	EXPECT_EQ(7, out.error);
}

/* Class 27: nobody is at the local APIC's page. Guards: mkvm_apic_mmio(), mkvm_apic_eoi_at(). */
TEST_F(mmio, lapic_page_without_an_irqchip)
{
	struct kvm_regs in = { .rbx = 0xfee00020 };

	ASSERT_EQ(KVM_EXIT_MMIO, TRY(&self->g, load, &in).exit);
	EXPECT_EQ(0xfee00020, self->g.cpu.run->mmio.phys_addr);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&self->g.cpu));
	in.rbx = 0xfee000b0;
	in.rcx = 1;
	ASSERT_EQ(KVM_EXIT_MMIO, TRY(&self->g, store_l, &in).exit);
	EXPECT_EQ(0xfee000b0, self->g.cpu.run->mmio.phys_addr);
	ASSERT_EQ(KVM_EXIT_HLT, guest_run(&self->g.cpu));
}

/* Points the window elsewhere; its code is executed from the old place, which the CPU still knows. */
GUEST(moves_away, 64, "mov %rdx, (%r8); mov (%rbx), %rax; hlt; hlt; hlt; hlt; hlt; hlt");
GUEST(other_hlt, 64, "hlt");
GUEST(other_cpuid, 64, "cpuid");
GUEST(other_lmsw, 64, "lmsw %ax");
GUEST(other_lmsw_mem, 64, "lmsw (%rbx)");
GUEST(other_mov, 64, "mov %eax, %ecx");
GUEST(other_group, 64, "notl %ecx");
GUEST(other_no_group, 64, ".byte 0xff, 0x3b");
GUEST(other_fpu, 64, "fnsave (%rbx)");
GUEST(other_rep, 64, "rep stosb");
GUEST(other_sse, 64, "movups (%rbx), %xmm1");
GUEST(other_aligned, 64, "movaps 8(%rbx), %xmm1");

static u32 run_other(struct guest *g, const u8 *other, size_t len, u64 cr4)
{
	struct kvm_regs regs = {
		.rip = WINDOW + GUEST_CODE, .rsp = GUEST_STACK, .r15 = GUEST_CODE + 0x100,
		.rbx = GUEST_MMIO, .r8 = GUEST_PD + PAGE, .rdx = (2 * MIB) | 0x83,
		.rdi = GUEST_MMIO, .rflags = RFLAGS_FIXED,
	};
	struct kvm_sregs s;
	u32 exit;

	guest_code(g, moves_away, moves_away_end - moves_away);
	memset(g->vm.ram + GUEST_CODE + 0x100, 0xf4, 16);
	memset(g->vm.ram + GUEST_CODE + 2 * MIB, 0xf4, 64);
	memcpy(g->vm.ram + GUEST_CODE + 2 * MIB + 3, other, len);
	set_long_mode(&g->cpu);
	map_window(g, 0 | 0x83);
	s = get_sregs(&g->cpu);
	s.cr4 = (s.cr4 & ~X86_CR4_OSFXSR) | cr4;
	set_sregs(&g->cpu, &s);
	set_regs(&g->cpu, &regs);
	traps(g)->vector = NO_TRAP;
	exit = guest_run(&g->cpu);
	return traps(g)->vector == NO_TRAP ? exit : 0x100 + traps(g)->vector;
}
#define OTHER_CODE(g, name, cr4) run_other(g, name, name##_end - name, cr4)

/*
 * Classes 15 and 16, CVE-2016-8630: the instruction that is decoded accesses no memory, or may
 * not do so. Guards: `op >= MKVM_OP_LMSW` in mkvm_mmio(), ModRM's mod and empty groups in
 * take_by_rule(), RCX, sse_fault() and alignment in start() and locate().
 */
TEST_F(mmio, other_code_than_what_faulted)
{
	struct guest *g = &self->g;

	if (on_stock_kvm())
		SKIP(return, "KVM's emulator executes all of these");
	OTHER_CODE(g, other_hlt, 0);	/* second-stage faults: the CPU forgets the old place */
	EXPECT_EQ(KVM_EXIT_INTERNAL_ERROR, OTHER_CODE(g, other_hlt, 0));
	EXPECT_EQ(KVM_EXIT_INTERNAL_ERROR, OTHER_CODE(g, other_cpuid, 0));
	EXPECT_EQ(KVM_EXIT_INTERNAL_ERROR, OTHER_CODE(g, other_lmsw, 0));
	EXPECT_EQ(KVM_EXIT_INTERNAL_ERROR, OTHER_CODE(g, other_lmsw_mem, 0));
	EXPECT_EQ(KVM_EXIT_INTERNAL_ERROR, OTHER_CODE(g, other_mov, 0));
	EXPECT_EQ(KVM_EXIT_INTERNAL_ERROR, OTHER_CODE(g, other_group, 0));
	EXPECT_EQ(KVM_EXIT_INTERNAL_ERROR, OTHER_CODE(g, other_no_group, 0));
	EXPECT_EQ(KVM_EXIT_INTERNAL_ERROR, OTHER_CODE(g, other_fpu, 0));
	EXPECT_EQ(WINDOW + GUEST_CODE + 3, get_regs(&g->cpu).rip);
	EXPECT_EQ(KVM_EXIT_HLT, OTHER_CODE(g, other_rep, 0));
	EXPECT_EQ(0, get_regs(&g->cpu).rcx);
	EXPECT_EQ(0x100 + UD_VECTOR, OTHER_CODE(g, other_sse, 0));
	EXPECT_EQ(KVM_EXIT_MMIO, OTHER_CODE(g, other_sse, X86_CR4_OSFXSR));
	EXPECT_EQ(0x100 + GP_VECTOR, OTHER_CODE(g, other_aligned, X86_CR4_OSFXSR));
}

GUEST(loops, 64,
      "1: mov %eax, (%rbx); addl $1, (%rbx); mov 0x10(%rbx), %rax; rep stosb; nop; nop; jmp 1b");

struct rewriter {
	u8 *code;
	volatile bool stop;
};

/* The code of a guest that makes MMIO exits: now and then another byte, mostly the right one. */
static void *rewrite(void *arg)
{
	struct rewriter *r = arg;

	for (u32 i = 1; !r->stop; i = i * 1664525 + 1013904223) {
		u32 at = (i >> 8) % (loops_end - loops);

		*(volatile u8 *)&r->code[at] = i >> 28 ? loops[at] : i >> 16;
	}
	return NULL;
}

/*
 * Class 15, CVE-2016-8630, CVE-2022-1852: everything follows from one copy of the bytes
 * (struct mkvm_fetched), and what it claims has an operation (pure/insn.c).
 */
TEST_F(mmio, code_is_rewritten_between_fault_and_decode)
{
	struct guest *g = &self->g;
	struct rewriter r = { .code = g->vm.ram + GUEST_CODE };
	struct kvm_regs in = { .rbx = GUEST_MMIO, .rdi = GUEST_MMIO, .rcx = 2 };
	pthread_t thread;
	u32 mmio = 0;

	ASSERT_EQ(0, pthread_create(&thread, NULL, rewrite, &r));
	for (int i = 0; i < 800; i++) {
		struct kvm_regs regs = in;

		if (i % 8 == 0) {
			regs.rip = GUEST_CODE;
			regs.rsp = GUEST_STACK;
			regs.rflags = RFLAGS_FIXED;
			set_long_mode(&g->cpu);
			set_regs(&g->cpu, &regs);
		}
		interrupt_run_after(5000);
		if (!vcpu_run(&g->cpu) && g->cpu.run->exit_reason == KVM_EXIT_MMIO) {
			serve(g->cpu.run, self->device);
			mmio++;
		}
	}
	r.stop = true;
	pthread_join(thread, NULL);
	EXPECT_LT(10, mmio);
}

/* ---- Instructions that are remembered: fetch.c ---- */

#define ALIAS		0x40000000ull	/* linear: mapped by the tables below, not one to one */
#define TABLE(i)	(GUEST_DATA + 0x10000 + (i) * PAGE)
#define CODE(i)		(GUEST_DATA + 0x20000 + (i) * PAGE)
#define PTE		3ull		/* present, writable */
#define OTHER_SLOT	(64 * MIB)

GUEST(store4, 64, "1: mov %eax, (%rbx); invlpg (%rcx); jmp 1b");
GUEST(store1, 64, "1: mov %al, (%rbx); invlpg (%rcx); jmp 1b");
GUEST(store4_stale, 64, "1: mov %eax, (%rbx); nop; nop; nop; jmp 1b");
GUEST(turns_to_store1, 64,
      "lea 1f(%rip), %rdx; movb $0x89, (%rdx); mov $3, %ecx;"	/* the page is dirty */
      "1: mov %eax, (%rbx); dec %ecx; jnz 1b; movb $0x88, (%rdx); jmp 1b");

static u64 *table(FIXTURE_DATA(mmio) *self, u64 gpa)
{
	return (u64 *)(self->g.vm.ram + gpa);
}

/* Code of 4 and of 1 byte a store in two pages; ALIAS is the first. Then: RIP there. */
static void start_at_alias(FIXTURE_DATA(mmio) *self, const u8 *first)
{
	struct kvm_regs regs = { .rip = ALIAS, .rsp = GUEST_STACK, .rflags = RFLAGS_FIXED,
				 .rbx = GUEST_MMIO, .rcx = ALIAS };

	memcpy(self->g.vm.ram + CODE(0), first, store4_end - store4);
	memcpy(self->g.vm.ram + CODE(1), store1, store1_end - store1);
	for (int i = 0; i < 2; i++)
		*table(self, TABLE(i)) = CODE(i) | PTE;
	*table(self, GUEST_PD + PAGE) = TABLE(0) | PTE;
	set_regs(&self->g.cpu, &regs);
}

/* Go on; the size of the store that leaves. */
static u32 next_store(struct __test_metadata *_metadata, FIXTURE_DATA(mmio) *self)
{
	EXPECT_EQ(KVM_EXIT_MMIO, guest_run(&self->g.cpu));
	EXPECT_EQ(1, self->g.cpu.run->mmio.is_write);
	return self->g.cpu.run->mmio.len;
}

static void expect_stores(struct __test_metadata *_metadata, FIXTURE_DATA(mmio) *self, u32 len)
{
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(len, next_store(_metadata, self));
}

#define EXPECT_STORES(len)	expect_stores(_metadata, self, len)

/* The guards are the comparisons in same_memory(): first of the bytes, */
TEST_F(mmio, code_that_changes_itself)
{
	struct kvm_regs in = { .rbx = GUEST_MMIO };

	EXPECT_EQ(KVM_EXIT_MMIO, TRY(&self->g, turns_to_store1, &in).exit);
	EXPECT_EQ(4, self->g.cpu.run->mmio.len);
	EXPECT_EQ(4, next_store(_metadata, self));
	EXPECT_EQ(4, next_store(_metadata, self));
	EXPECT_STORES(1);
}

TEST_F(mmio, code_that_userspace_changes)
{
	start_at_alias(self, store4);
	EXPECT_STORES(4);
	memcpy(self->g.vm.ram + CODE(0), store1, store1_end - store1);
	EXPECT_STORES(1);
}

/* then of the entries. */
TEST_F(mmio, code_in_another_page_after_invlpg)
{
	start_at_alias(self, store4);
	EXPECT_STORES(4);
	*table(self, TABLE(0)) = CODE(1) | PTE;
	EXPECT_STORES(1);
	*table(self, TABLE(0)) = CODE(0) | PTE;
	EXPECT_STORES(4);
	*table(self, GUEST_PD + PAGE) = TABLE(1) | PTE;
	EXPECT_STORES(1);
}

/* Without INVLPG the CPU may use either, and what is executed is one of them. */
TEST_F(mmio, code_in_another_page_without_invlpg)
{
	u32 len;

	start_at_alias(self, store4_stale);
	EXPECT_STORES(4);
	*table(self, TABLE(0)) = CODE(1) | PTE;
	for (int i = 0; i < 3; i++) {
		len = next_store(_metadata, self);
		EXPECT_TRUE(len == 1 || len == 4);
	}
}

/* A page fault, not what was there. The guard is that of the entries, too. */
TEST_F(mmio, code_that_is_unmapped)
{
	struct kvm_run *run = self->g.cpu.run;

	start_at_alias(self, store4);
	EXPECT_STORES(4);
	*table(self, TABLE(0)) = 0;
	EXPECT_EQ(0, vcpu_run(&self->g.cpu));
	EXPECT_EQ(KVM_EXIT_IO, run->exit_reason);
	EXPECT_EQ(PORT_UNEXPECTED, run->io.port);
	EXPECT_EQ(14, *((u8 *)run + run->io.data_offset));	/* the vector */
}

/* The guards are cr3 and slots_version in is_known(). */
TEST_F(mmio, code_of_another_cr3)
{
	struct kvm_sregs sregs;

	start_at_alias(self, store4);
	EXPECT_STORES(4);
	*table(self, TABLE(2)) = TABLE(3) | PTE;
	memcpy(table(self, TABLE(3)), table(self, GUEST_PDPT), PAGE);
	memcpy(table(self, TABLE(4)), table(self, GUEST_PD + PAGE), PAGE);
	table(self, TABLE(3))[1] = TABLE(4) | PTE;
	*table(self, TABLE(4)) = TABLE(1) | PTE;
	sregs = get_sregs(&self->g.cpu);
	sregs.cr3 = TABLE(2);
	set_sregs(&self->g.cpu, &sregs);
	EXPECT_STORES(1);
}

TEST_F(mmio, code_in_another_slot)
{
	u8 *mem = map_anon_aligned(2 * PAGE, PAGE);

	start_at_alias(self, store4);
	memcpy(mem, store4, store4_end - store4);
	memcpy(mem + PAGE, store1, store1_end - store1);
	*table(self, TABLE(0)) = OTHER_SLOT | PTE;
	ASSERT_EQ(0, vm_slot(&self->g.vm, 1, 0, OTHER_SLOT, PAGE, mem));
	EXPECT_STORES(4);
	ASSERT_EQ(0, vm_slot(&self->g.vm, 1, 0, OTHER_SLOT, 0, mem));
	ASSERT_EQ(0, vm_slot(&self->g.vm, 1, 0, OTHER_SLOT, PAGE, mem + PAGE));
	EXPECT_STORES(1);
	munmap(mem, 2 * PAGE);
}

TEST_HARNESS_MAIN
