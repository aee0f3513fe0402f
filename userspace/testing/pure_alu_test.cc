// SPDX-License-Identifier: GPL-2.0-only
//
// Every instruction with a memory and a register operand that the decoder claims is executed by
// this machine's CPU, too: the results and the flags that the SDM defines must be the same.
#include "alu.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <random>
#include <vector>

namespace {

using Bytes = std::vector<u8>;

constexpr u64 kCf = 1, kPf = 4, kAf = 16, kZf = 64, kSf = 128, kOf = 2048;
constexpr u64 kReserved = 2;

u64 cut(u64 value, unsigned size) { return size >= 8 ? value : value & ((1ull << 8 * size) - 1); }

// Clang's __builtin_cpu_supports() does not know this one.
bool cpu_has_movbe() {
  u32 eax = 1, ebx, ecx = 0, edx;
  asm("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  return ecx & 1u << 22;
}

// A page of code: the instruction, then RET.
class Cpu {
 public:
  Cpu()
      : code_(static_cast<u8*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {}
  ~Cpu() { munmap(code_, 4096); }
  Cpu(const Cpu&) = delete;
  Cpu& operator=(const Cpu&) = delete;

  // The memory operand is at (%rdi), the register is RCX. Keeps clear of the red zone.
  void run(const Bytes& insn, mkvm_operands* o) {
    std::memcpy(code_, insn.data(), insn.size());
    code_[insn.size()] = 0xc3;
    asm volatile(
        "sub $128, %%rsp\n\t"
        "push %[flags]\n\tpopfq\n\t"
        "call *%[code]\n\t"
        "pushfq\n\tpop %[flags]\n\t"
        "lea 128(%%rsp), %%rsp"
        : "+c"(o->reg), "+a"(o->acc), [flags] "+r"(o->rflags)
        : "D"(&o->mem), [code] "r"(code_)
        : "memory", "cc");
  }

 private:
  u8* code_;
};

u64 defined_flags(const mkvm_insn& insn) {
  switch (insn.op) {
    case MKVM_OP_BT:
    case MKVM_OP_BTS:
    case MKVM_OP_BTR:
    case MKVM_OP_BTC:
      return kCf | kZf;
    case MKVM_OP_AND:
    case MKVM_OP_OR:
    case MKVM_OP_XOR:
    case MKVM_OP_TEST:
      return kCf | kPf | kZf | kSf | kOf;
    default:
      return kCf | kPf | kAf | kZf | kSf | kOf;
  }
}

bool is_bit_op(const mkvm_insn& insn) { return insn.op >= MKVM_OP_BT && insn.op <= MKVM_OP_BTC; }

// Values that carry, borrow and overflow more often than random ones.
u64 interesting(std::mt19937_64& rng) {
  static constexpr u64 kEdges[] = {
      0,          1,          0x7f,  0x80,       0xff,       0x7fff, 0x8000, 0x7fffffff,
      0x80000000, 0xffffffff, ~0ull, 1ull << 63, ~0ull >> 1, 0x100,  0x10,   0xf};
  return rng() % 3 ? kEdges[rng() % std::size(kEdges)] : rng();
}

// What the executor does around mkvm_insn_execute(): operands as the instruction's sizes want.
void execute(const mkvm_insn& insn, mkvm_operands* o) {
  mkvm_operands in = *o;
  const bool imm = insn.flags & MKVM_INSN_IMM;
  in.mem = cut(in.mem, insn.mem_size);
  in.reg = cut(imm ? insn.imm : insn.high_byte ? in.reg >> 8 : in.reg, insn.reg_size);
  mkvm_insn_execute(&insn, &in);
  o->rflags = in.rflags;
  if (insn.flags & MKVM_INSN_WRITE) std::memcpy(&o->mem, &in.mem, insn.mem_size);
  const auto merge = [&](u64 old, u64 value) {
    if (insn.high_byte) return (old & ~0xff00ull) | value << 8;
    if (insn.reg_size == 4) return cut(value, 4);
    return (old & ~cut(~0ull, insn.reg_size)) | cut(value, insn.reg_size);
  };
  const bool compares = insn.op == MKVM_OP_CMP || insn.op == MKVM_OP_TEST;
  if (((insn.flags & MKVM_INSN_TO_REG) && !compares) || insn.op == MKVM_OP_XCHG ||
      insn.op == MKVM_OP_XADD)
    o->reg = merge(o->reg, in.reg);
  if (insn.op == MKVM_OP_CMPXCHG && !(in.rflags & kZf)) {
    o->acc = insn.reg_size == 4
                 ? in.acc
                 : (o->acc & ~cut(~0ull, insn.reg_size)) | cut(in.acc, insn.reg_size);
  }
}

void compare(Cpu& cpu, const Bytes& bytes, const mkvm_insn& insn, std::mt19937_64& rng) {
  mkvm_operands ours{interesting(rng), interesting(rng), interesting(rng),
                     (rng() & (MKVM_RFLAGS_ARITHMETIC)) | kReserved};
  if (rng() % 4 == 0) ours.acc = ours.mem;  // CMPXCHG finds what it wants
  // The address of a bit far away is another one: mmio.c's affair.
  if (is_bit_op(insn)) ours.reg %= 8 * insn.mem_size;
  mkvm_operands real = ours;
  execute(insn, &ours);
  cpu.run(bytes, &real);
  const auto what = ::testing::PrintToString(bytes);
  EXPECT_EQ(ours.mem, real.mem) << what;
  EXPECT_EQ(ours.reg, real.reg) << what;
  EXPECT_EQ(ours.acc, real.acc) << what;
  EXPECT_EQ(ours.rflags & defined_flags(insn), real.rflags & defined_flags(insn)) << what;
  EXPECT_EQ(ours.rflags & ~u64{MKVM_RFLAGS_ARITHMETIC}, kReserved) << what;
}

// [prefix] opcode /reg with (%rdi), then bytes for an immediate. Claimed, and of a kind that can
// run here: only RDI, RCX and RAX are ours.
bool decode(const Bytes& bytes, mkvm_insn* insn) {
  if (mkvm_insn_decode(bytes.data(), static_cast<u32>(bytes.size()), MKVM_INSN_64, insn) !=
      MKVM_INSN_OK)
    return false;
  const bool register_is_cx = (insn->flags & MKVM_INSN_IMM) || insn->reg == 1;
  const bool one_operand = insn->op == MKVM_OP_NOT || insn->op == MKVM_OP_NEG ||
                           insn->op == MKVM_OP_INC || insn->op == MKVM_OP_DEC;
  return insn->op < MKVM_OP_SSE && insn->base == 7 && (register_is_cx || one_operand) &&
         !(insn->flags & (MKVM_INSN_STACK | MKVM_INSN_SI | MKVM_INSN_DI));
}

TEST(Alu, AgreesWithTheCpu) {
  Cpu cpu;
  std::mt19937_64 rng(1);
  const bool has_movbe = cpu_has_movbe();
  int claimed = 0;
  for (const Bytes& prefix : {Bytes{}, Bytes{0x66}, Bytes{0x48}, Bytes{0xf0}, Bytes{0xf0, 0x48}})
    for (const Bytes& map : {Bytes{}, Bytes{0x0f}, Bytes{0x0f, 0x38}})
      for (unsigned opcode = 0; opcode < 256; ++opcode)
        for (unsigned reg = 0; reg < 8; ++reg) {
          Bytes bytes = prefix;
          bytes.insert(bytes.end(), map.begin(), map.end());
          bytes.insert(bytes.end(), {static_cast<u8>(opcode), static_cast<u8>(reg << 3 | 7)});
          for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<u8>(rng()));
          mkvm_insn insn;
          if (!decode(bytes, &insn)) continue;
          if (insn.op == MKVM_OP_MOVBE && !has_movbe) continue;
          bytes.resize(insn.len);
          ++claimed;
          for (int i = 0; i < 200; ++i) compare(cpu, bytes, insn, rng);
          if (HasFailure()) return;
        }
  EXPECT_GT(claimed, 250);
}

}  // namespace
