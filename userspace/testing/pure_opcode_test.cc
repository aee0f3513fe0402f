// SPDX-License-Identifier: GPL-2.0-only
#include "opcode.h"

#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace {

using Bytes = std::vector<u8>;

constexpr u8 kNone = MKVM_INSN_NO_REG;
constexpr u8 kDs = 3;

mkvm_opcode_status status(const Bytes& bytes, mkvm_insn_mode mode = MKVM_INSN_64) {
  mkvm_opcode op;
  return mkvm_opcode_decode(bytes.data(), static_cast<u32>(bytes.size()), mode, &op);
}

mkvm_opcode decode(const Bytes& bytes, mkvm_insn_mode mode = MKVM_INSN_64) {
  mkvm_opcode op;
  EXPECT_EQ(mkvm_opcode_decode(bytes.data(), static_cast<u32>(bytes.size()), mode, &op),
            MKVM_OPCODE_OK);
  EXPECT_EQ(op.len, bytes.size());
  return op;
}

struct Plain {
  const char* name;
  Bytes bytes;
  u16 opcode;
  u8 modrm;
};

void PrintTo(const Plain& p, std::ostream* os) { *os << p.name; }

class OpcodePlain : public ::testing::TestWithParam<Plain> {};

TEST_P(OpcodePlain, IsKnownInEveryMode) {
  for (const auto mode : {MKVM_INSN_16, MKVM_INSN_32, MKVM_INSN_64}) {
    const auto op = decode(GetParam().bytes, mode);
    EXPECT_EQ(op.opcode, GetParam().opcode);
    EXPECT_EQ(op.modrm, GetParam().modrm);
    EXPECT_EQ(op.reg, kNone);
    EXPECT_EQ(op.seg, kDs);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Opcode, OpcodePlain,
    ::testing::Values(
        Plain{"Cpuid", {0x0f, 0xa2}, 0x0fa2, 0}, Plain{"Hlt", {0xf4}, 0xf4, 0},
        Plain{"Rdmsr", {0x0f, 0x32}, 0x0f32, 0}, Plain{"Wrmsr", {0x0f, 0x30}, 0x0f30, 0},
        Plain{"Rdtsc", {0x0f, 0x31}, 0x0f31, 0}, Plain{"Rdpmc", {0x0f, 0x33}, 0x0f33, 0},
        Plain{"Invd", {0x0f, 0x08}, 0x0f08, 0}, Plain{"Wbinvd", {0x0f, 0x09}, 0x0f09, 0},
        Plain{"Wbnoinvd", {0xf3, 0x0f, 0x09}, 0x0f09, 0}, Plain{"Pause", {0xf3, 0x90}, 0x90, 0},
        Plain{"Rsm", {0x0f, 0xaa}, 0x0faa, 0}, Plain{"Clts", {0x0f, 0x06}, 0x0f06, 0},
        Plain{"Int1", {0xf1}, 0xf1, 0}, Plain{"Insb", {0x6c}, 0x6c, 0},
        Plain{"RepOutsd", {0xf3, 0x6f}, 0x6f, 0}, Plain{"Vmrun", {0x0f, 0x01, 0xd8}, 0x0f01, 0xd8},
        Plain{"Vmmcall", {0x0f, 0x01, 0xd9}, 0x0f01, 0xd9},
        Plain{"Vmload", {0x0f, 0x01, 0xda}, 0x0f01, 0xda},
        Plain{"Vmsave", {0x0f, 0x01, 0xdb}, 0x0f01, 0xdb},
        Plain{"Stgi", {0x0f, 0x01, 0xdc}, 0x0f01, 0xdc},
        Plain{"Clgi", {0x0f, 0x01, 0xdd}, 0x0f01, 0xdd},
        Plain{"Skinit", {0x0f, 0x01, 0xde}, 0x0f01, 0xde},
        Plain{"Invlpga", {0x0f, 0x01, 0xdf}, 0x0f01, 0xdf},
        Plain{"Monitor", {0x0f, 0x01, 0xc8}, 0x0f01, 0xc8},
        Plain{"Mwait", {0x0f, 0x01, 0xc9}, 0x0f01, 0xc9},
        Plain{"Xsetbv", {0x0f, 0x01, 0xd1}, 0x0f01, 0xd1},
        Plain{"Rdtscp", {0x0f, 0x01, 0xf9}, 0x0f01, 0xf9},
        Plain{"Rdpru", {0x0f, 0x01, 0xfd}, 0x0f01, 0xfd}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Opcode, MovCrAndDrNameTheirGeneralRegister) {
  EXPECT_EQ(decode({0x0f, 0x20, 0xc3}).reg, 3);                // mov %cr0, %rbx
  EXPECT_EQ(decode({0x0f, 0x22, 0xdf}).reg, 7);                // mov %rdi, %cr3
  EXPECT_EQ(decode({0x41, 0x0f, 0x22, 0xe7}).reg, 15);         // mov %r15, %cr4
  EXPECT_EQ(decode({0x44, 0x0f, 0x22, 0xc1}).reg, 1);          // mov %rcx, %cr8
  EXPECT_EQ(decode({0x45, 0x0f, 0x20, 0xc0}).reg, 8);          // mov %cr8, %r8
  EXPECT_EQ(decode({0x0f, 0x21, 0xfa}, MKVM_INSN_32).reg, 2);  // mov %db7, %edx
  EXPECT_EQ(decode({0x41, 0x0f, 0x23, 0xf4}).reg, 12);         // mov %r12, %db6
}

TEST(Opcode, MovCrIgnoresMod) {
  for (const u8 mod : {0x00, 0x40, 0x80, 0xc0}) {
    EXPECT_EQ(decode({0x0f, 0x22, static_cast<u8>(mod | 0x1c)}).reg, 4);
    EXPECT_EQ(decode({0x0f, 0x21, static_cast<u8>(mod | 0x3d)}, MKVM_INSN_32).reg, 5);
  }
}

TEST(Opcode, LockIsCr8AndNothingElse) {
  EXPECT_EQ(decode({0xf0, 0x0f, 0x22, 0xc1}, MKVM_INSN_32).reg, 1);  // lock mov %ecx, %cr0
  EXPECT_EQ(decode({0xf0, 0x41, 0x0f, 0x20, 0xc1}).reg, 9);
  EXPECT_EQ(status({0xf0, 0x0f, 0x22, 0xd9}), MKVM_OPCODE_UNKNOWN);  // CR3
  EXPECT_EQ(status({0xf0, 0x0f, 0x23, 0xc1}), MKVM_OPCODE_UNKNOWN);  // DR0
  EXPECT_EQ(status({0xf0, 0x0f, 0xa2}), MKVM_OPCODE_UNKNOWN);
  EXPECT_EQ(status({0xf0, 0xf4}), MKVM_OPCODE_UNKNOWN);
}

TEST(Opcode, RegistersThatDoNotExist) {
  for (const u8 cr : {1, 5, 6, 7})
    EXPECT_EQ(status({0x0f, 0x20, static_cast<u8>(0xc0 | cr << 3)}), MKVM_OPCODE_UNKNOWN);
  EXPECT_EQ(status({0x44, 0x0f, 0x20, 0xc8}), MKVM_OPCODE_UNKNOWN);  // CR9
  EXPECT_EQ(status({0x44, 0x0f, 0x21, 0xc0}), MKVM_OPCODE_UNKNOWN);  // DR8
}

TEST(Opcode, LmswAndSmswOfARegister) {
  EXPECT_EQ(decode({0x0f, 0x01, 0xf3}).reg, 3);         // lmsw %bx
  EXPECT_EQ(decode({0x41, 0x0f, 0x01, 0xe2}).reg, 10);  // smsw %r10d
  EXPECT_EQ(status({0x0f, 0x01, 0x33}), MKVM_OPCODE_UNKNOWN) << "of memory";
  EXPECT_EQ(status({0x0f, 0x01, 0x23}), MKVM_OPCODE_UNKNOWN) << "of memory";
}

TEST(Opcode, SegmentOfAString) {
  EXPECT_EQ(decode({0x26, 0x6e}, MKVM_INSN_16).seg, 0);
  EXPECT_EQ(decode({0x2e, 0xf3, 0x6e}, MKVM_INSN_32).seg, 1);
  EXPECT_EQ(decode({0x36, 0x6f}, MKVM_INSN_32).seg, 2);
  EXPECT_EQ(decode({0x64, 0x48, 0x6e}).seg, 4);
  EXPECT_EQ(decode({0x65, 0x66, 0x6f}).seg, 5);
  EXPECT_EQ(decode({0x2e, 0x6e}).seg, kDs) << "ignored in 64-bit mode";
}

TEST(Opcode, RexCountsOnlyRightBeforeTheOpcodeAndOnlyIn64BitMode) {
  EXPECT_EQ(decode({0x41, 0x66, 0x0f, 0x20, 0xc0}).reg, 0);
  EXPECT_EQ(decode({0x40, 0x41, 0x0f, 0x20, 0xc0}).reg, 8);
  EXPECT_EQ(status({0x41, 0x0f, 0x20, 0xc0}, MKVM_INSN_32), MKVM_OPCODE_UNKNOWN);
}

TEST(Opcode, PauseIsTheNopWithF3) {
  EXPECT_EQ(status({0x90}), MKVM_OPCODE_UNKNOWN);
  EXPECT_EQ(status({0xf2, 0x90}), MKVM_OPCODE_UNKNOWN);
  EXPECT_EQ(status({0xf3, 0x41, 0x90}), MKVM_OPCODE_UNKNOWN) << "XCHG with R8";
  EXPECT_EQ(decode({0xf3, 0x66, 0x48, 0x90}).opcode, 0x90);
}

TEST(Opcode, WhatIsNotOursIsUnknown) {
  for (const Bytes& bytes : {Bytes{0x0f, 0x0b}, Bytes{0xcf}, Bytes{0x0f, 0x05}, Bytes{0x8b, 0xc0},
                             Bytes{0x0f, 0x00, 0xc0}, Bytes{0x0f, 0x24, 0xc0}, Bytes{0xe4, 0x20}})
    EXPECT_EQ(status(bytes), MKVM_OPCODE_UNKNOWN);
}

TEST(Opcode, EveryPrefixOfAnInsnIsTruncated) {
  const Bytes whole = {0x66, 0x65, 0xf3, 0x41, 0x0f, 0x22, 0xc0};
  for (size_t n = 0; n < whole.size(); ++n)
    EXPECT_EQ(status({whole.begin(), whole.begin() + n}), MKVM_OPCODE_TRUNCATED) << n;
  EXPECT_EQ(decode(whole).reg, 8);
}

TEST(Opcode, FifteenBytesAreTheLimit) {
  Bytes bytes(13, 0x2e);
  bytes.insert(bytes.end(), {0x0f, 0xa2});
  decode(bytes);
  bytes.insert(bytes.begin(), 0x2e);
  EXPECT_EQ(status(bytes), MKVM_OPCODE_UNKNOWN);
  EXPECT_EQ(status(Bytes(15, 0x2e)), MKVM_OPCODE_UNKNOWN);
  EXPECT_EQ(status(Bytes(14, 0x2e)), MKVM_OPCODE_TRUNCATED);
}

// ---- against Zydis ----

struct Oracle {
  ZydisDecodedInstruction insn;
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;
  bool valid;
};

Oracle ask(std::span<const u8> bytes, mkvm_insn_mode mode) {
  static constexpr std::array kModes = {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32,
                                        ZYDIS_MACHINE_MODE_LONG_64};
  static constexpr std::array kWidths = {ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32,
                                         ZYDIS_STACK_WIDTH_64};
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, kModes[mode], kWidths[mode]);
  Oracle o{};
  o.valid = ZYAN_SUCCESS(
      ZydisDecoderDecodeFull(&decoder, bytes.data(), bytes.size(), &o.insn, o.operands.data()));
  return o;
}

bool is_special(ZydisRegister reg) {
  const auto reg_class = ZydisRegisterGetClass(reg);
  return reg_class == ZYDIS_REGCLASS_CONTROL || reg_class == ZYDIS_REGCLASS_DEBUG;
}

bool is_move_of_special(const Oracle& o) {
  return o.insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
         (is_special(o.operands[0].reg.value) || is_special(o.operands[1].reg.value));
}

bool has_register_operand(const Oracle& o) {
  return o.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER;
}

// Is it what we claim to know?
bool is_ours(const Oracle& o) {
  static constexpr std::array kMnemonics = {
      ZYDIS_MNEMONIC_CPUID, ZYDIS_MNEMONIC_HLT,   ZYDIS_MNEMONIC_RDMSR, ZYDIS_MNEMONIC_WRMSR,
      ZYDIS_MNEMONIC_RDPMC, ZYDIS_MNEMONIC_RDTSC, ZYDIS_MNEMONIC_INVD,  ZYDIS_MNEMONIC_WBINVD,
      ZYDIS_MNEMONIC_PAUSE, ZYDIS_MNEMONIC_RSM,   ZYDIS_MNEMONIC_CLTS,  ZYDIS_MNEMONIC_INT1,
      ZYDIS_MNEMONIC_INSB,  ZYDIS_MNEMONIC_INSW,  ZYDIS_MNEMONIC_INSD,  ZYDIS_MNEMONIC_OUTSB,
      ZYDIS_MNEMONIC_OUTSW, ZYDIS_MNEMONIC_OUTSD};
  if (!o.valid) return false;
  if (std::ranges::find(kMnemonics, o.insn.mnemonic) != kMnemonics.end()) return true;
  if (is_move_of_special(o)) return true;
  return o.insn.opcode_map == ZYDIS_OPCODE_MAP_0F && o.insn.opcode == 0x01 &&
         o.insn.raw.modrm.mod == 3;
}

// Zydis knows 0F 01 by its single instructions and rejects the rest, and it does not know LOCK as
// AMD's way to CR8.
bool is_beyond_zydis(const mkvm_opcode& op, const Bytes& bytes) {
  const bool lock =
      std::find(bytes.begin(), bytes.begin() + op.len, 0xf0) != bytes.begin() + op.len;
  return op.opcode == 0x0f01 || (lock && (op.opcode | 2) == 0x0f22);
}

u8 general_register(const Oracle& o) {
  const bool first = is_special(o.operands[0].reg.value);
  return static_cast<u8>(ZydisRegisterGetId(o.operands[first ? 1 : 0].reg.value));
}

bool names_register(const Oracle& o) {
  return is_move_of_special(o) ||
         ((o.insn.mnemonic == ZYDIS_MNEMONIC_LMSW || o.insn.mnemonic == ZYDIS_MNEMONIC_SMSW) &&
          has_register_operand(o));
}

void expect_same(const mkvm_opcode& ours, const Oracle& o) {
  EXPECT_EQ(ours.len, o.insn.length);
  EXPECT_EQ(ours.opcode & 0xff, o.insn.opcode);
  EXPECT_EQ(ours.reg, names_register(o) ? general_register(o) : kNone);
  const bool outs =
      o.insn.mnemonic >= ZYDIS_MNEMONIC_OUTSB && o.insn.mnemonic <= ZYDIS_MNEMONIC_OUTSW;
  EXPECT_TRUE(!outs || ours.seg == o.operands[1].mem.segment - ZYDIS_REGISTER_ES);
}

// Returns whether it was one that both know.
bool compare(const Bytes& bytes, mkvm_insn_mode mode) {
  const Oracle oracle = ask(bytes, mode);
  mkvm_opcode op;
  const bool known =
      mkvm_opcode_decode(bytes.data(), MKVM_INSN_MAX_LEN, mode, &op) == MKVM_OPCODE_OK;
  if (known && !oracle.valid && is_beyond_zydis(op, bytes)) return false;
  EXPECT_EQ(known, is_ours(oracle));
  if (known && oracle.valid) expect_same(op, oracle);
  if (::testing::Test::HasFailure())
    ADD_FAILURE() << ::testing::PrintToString(bytes) << " mode " << mode;
  return known && oracle.valid;
}

constexpr std::array<u8, 14> kPrefixes = {0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64,
                                          0x65, 0xf2, 0xf3, 0xf0, 0x48, 0x41, 0x44};

Bytes random_insn(std::mt19937& rng) {
  static constexpr std::array<u8, 8> kOneByte = {0xf4, 0xf1, 0x90, 0x6c, 0x6d, 0x6e, 0x6f, 0xcf};
  static constexpr std::array<u8, 14> kTwoByte = {0xa2, 0x32, 0x30, 0x33, 0x31, 0x08, 0x09,
                                                  0xaa, 0x01, 0x20, 0x21, 0x22, 0x23, 0x06};
  Bytes bytes;
  for (auto n = rng() % 4; n > 0; --n) bytes.push_back(kPrefixes[rng() % kPrefixes.size()]);
  if (rng() % 8 == 0) {
    bytes.push_back(static_cast<u8>(rng()));
  } else if (rng() % 4 == 0) {
    bytes.push_back(kOneByte[rng() % kOneByte.size()]);
  } else {
    bytes.push_back(0x0f);
    bytes.push_back(rng() % 8 ? kTwoByte[rng() % kTwoByte.size()] : static_cast<u8>(rng()));
  }
  while (bytes.size() < MKVM_INSN_MAX_LEN) bytes.push_back(static_cast<u8>(rng()));
  return bytes;
}

TEST(Opcode, AgreesWithZydis) {
  std::mt19937 rng(1);
  int ours = 0;
  for (int i = 0; i < 30000 && !::testing::Test::HasFailure(); ++i)
    ours += compare(random_insn(rng), static_cast<mkvm_insn_mode>(rng() % 3));
  EXPECT_GT(ours, 8000);
}

// Every pair of prefixes before every byte that can follow the opcode.
TEST(Opcode, AgreesWithZydisOnEveryModrm) {
  for (const u8 first : kPrefixes)
    for (const u8 second : kPrefixes)
      for (const u8 opcode : {0x01, 0x20, 0x22, 0x23})
        for (unsigned modrm = 0; modrm < 256; modrm += 3) {
          Bytes bytes{first, second, 0x0f, opcode, static_cast<u8>(modrm)};
          bytes.resize(MKVM_INSN_MAX_LEN, 0x90);
          compare(bytes, static_cast<mkvm_insn_mode>(modrm % 3));
          if (::testing::Test::HasFailure()) return;
        }
}

}  // namespace
