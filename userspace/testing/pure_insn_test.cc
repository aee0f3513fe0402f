// SPDX-License-Identifier: GPL-2.0-only
#include "insn.h"

#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace {

using Bytes = std::vector<u8>;

enum { kEs, kCs, kSs, kDs, kFs, kGs };
enum { kAx, kCx, kDx, kBx, kSp, kBp, kSi, kDi };
constexpr u8 kNone = MKVM_INSN_NO_REG;

mkvm_insn_status status(const Bytes& bytes, mkvm_insn_mode mode) {
  mkvm_insn insn;
  return mkvm_insn_decode(bytes.data(), static_cast<u32>(bytes.size()), mode, &insn);
}

mkvm_insn decode(const Bytes& bytes, mkvm_insn_mode mode = MKVM_INSN_64) {
  mkvm_insn insn;
  EXPECT_EQ(mkvm_insn_decode(bytes.data(), static_cast<u32>(bytes.size()), mode, &insn),
            MKVM_INSN_OK);
  EXPECT_EQ(insn.len, bytes.size());
  return insn;
}

void expect_operands(const mkvm_insn& insn, bool write, u8 mem_size, u8 reg, u8 reg_size) {
  EXPECT_EQ((insn.flags & MKVM_INSN_WRITE) != 0, write);
  EXPECT_EQ(insn.mem_size, mem_size);
  EXPECT_EQ(insn.reg, reg);
  EXPECT_EQ(insn.reg_size, reg_size);
}

TEST(Insn, LoadsAndStoresOfEachSize) {
  expect_operands(decode({0x8b, 0x07}), false, 4, kAx, 4);
  expect_operands(decode({0x48, 0x8b, 0x0f}), false, 8, kCx, 8);
  expect_operands(decode({0x66, 0x8b, 0x17}), false, 2, kDx, 2);
  expect_operands(decode({0x8a, 0x1f}), false, 1, kBx, 1);
  expect_operands(decode({0x89, 0x07}), true, 4, kAx, 4);
  expect_operands(decode({0x4c, 0x89, 0x3f}), true, 8, 15, 8);
  expect_operands(decode({0x88, 0x07}), true, 1, kAx, 1);
}

TEST(Insn, SixteenBitCodeSwapsTheMeaningOfThePrefixes) {
  expect_operands(decode({0x8b, 0x07}, MKVM_INSN_16), false, 2, kAx, 2);
  expect_operands(decode({0x66, 0x8b, 0x07}, MKVM_INSN_16), false, 4, kAx, 4);
  EXPECT_EQ(decode({0x67, 0x8b, 0x00}, MKVM_INSN_16).addr_size, 4);
  EXPECT_EQ(decode({0x67, 0x8b, 0x07}, MKVM_INSN_32).addr_size, 2);
  EXPECT_EQ(decode({0x67, 0x8b, 0x07}, MKVM_INSN_64).addr_size, 4);
}

TEST(Insn, HighByteRegistersNeedTheAbsenceOfRex) {
  const auto ah = decode({0x88, 0x27});
  EXPECT_TRUE(ah.high_byte);
  EXPECT_EQ(ah.reg, kAx);
  const auto spl = decode({0x40, 0x88, 0x27});
  EXPECT_FALSE(spl.high_byte);
  EXPECT_EQ(spl.reg, kSp);
}

TEST(Insn, RexCountsOnlyRightBeforeTheOpcode) {
  expect_operands(decode({0x4f, 0x66, 0x8b, 0x07}), false, 2, kAx, 2);
  expect_operands(decode({0x41, 0x48, 0x8b, 0x07}), false, 8, kAx, 8);
}

TEST(Insn, Immediates) {
  auto insn = decode({0xc7, 0x07, 0xfe, 0xff, 0xff, 0xff});
  expect_operands(insn, true, 4, 0, 4);
  EXPECT_TRUE(insn.flags & MKVM_INSN_IMM);
  insn = decode({0x48, 0xc7, 0x07, 0xfe, 0xff, 0xff, 0xff});
  EXPECT_EQ(insn.mem_size, 8);
  EXPECT_EQ(insn.imm, ~1ull);
  EXPECT_EQ(decode({0xc6, 0x07, 0x42}).imm, 0x42u);
  EXPECT_EQ(decode({0x66, 0xc7, 0x07, 0x34, 0x12}).imm, 0x1234u);
  EXPECT_EQ(status({0xc7, 0x0f, 0, 0, 0, 0}, MKVM_INSN_64), MKVM_INSN_UNKNOWN);  // /1
}

TEST(Insn, Extensions) {
  auto insn = decode({0x0f, 0xb6, 0x07});
  expect_operands(insn, false, 1, kAx, 4);
  EXPECT_EQ(insn.op, MKVM_OP_MOV);
  insn = decode({0x48, 0x0f, 0xbf, 0x0f});
  expect_operands(insn, false, 2, kCx, 8);
  EXPECT_EQ(insn.op, MKVM_OP_MOVSX);
  insn = decode({0x48, 0x63, 0x07});
  expect_operands(insn, false, 4, kAx, 8);
  EXPECT_EQ(insn.op, MKVM_OP_MOVSX);
  EXPECT_EQ(status({0x63, 0x07}, MKVM_INSN_32), MKVM_INSN_UNKNOWN);  // ARPL
}

TEST(Insn, AbsoluteOffsets) {
  auto insn = decode({0xa1, 1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(static_cast<u64>(insn.disp), 0x0807060504030201u);
  EXPECT_EQ(insn.base, kNone);
  insn = decode({0xa2, 0x34, 0x12}, MKVM_INSN_16);
  expect_operands(insn, true, 1, kAx, 1);
  EXPECT_EQ(insn.disp, 0x1234);
}

TEST(Insn, SixteenBitAddressing) {
  const std::array<std::array<u8, 3>, 8> forms = {{{kBx, kSi, kDs},
                                                   {kBx, kDi, kDs},
                                                   {kBp, kSi, kSs},
                                                   {kBp, kDi, kSs},
                                                   {kSi, kNone, kDs},
                                                   {kDi, kNone, kDs},
                                                   {kBp, kNone, kSs},
                                                   {kBx, kNone, kDs}}};
  for (u8 rm = 0; rm < 8; ++rm) {
    const auto insn = decode({0x8a, static_cast<u8>(0x40 | rm), 0xff}, MKVM_INSN_16);
    EXPECT_EQ(insn.base, forms[rm][0]);
    EXPECT_EQ(insn.index, forms[rm][1]);
    EXPECT_EQ(insn.seg, forms[rm][2]);
    EXPECT_EQ(insn.disp, -1);
  }
  const auto direct = decode({0x8a, 0x06, 0x34, 0xf2}, MKVM_INSN_16);
  EXPECT_EQ(direct.base, kNone);
  EXPECT_EQ(static_cast<u16>(direct.disp), 0xf234);
}

TEST(Insn, SibAndRipRelative) {
  auto insn = decode({0x8b, 0x44, 0xc8, 0x10});  // [rax + rcx*8 + 16]
  EXPECT_EQ(insn.base, kAx);
  EXPECT_EQ(insn.index, kCx);
  EXPECT_EQ(insn.scale, 3);
  EXPECT_EQ(insn.disp, 16);
  insn = decode({0x8b, 0x05, 0xfc, 0xff, 0xff, 0xff});
  EXPECT_TRUE(insn.rip_relative);
  EXPECT_EQ(insn.disp, -4);
  insn = decode({0x8b, 0x05, 0xfc, 0xff, 0xff, 0xff}, MKVM_INSN_32);
  EXPECT_FALSE(insn.rip_relative);
}

TEST(Insn, SegmentOverrides) {
  EXPECT_EQ(decode({0x64, 0x8b, 0x07}).seg, kFs);
  EXPECT_EQ(decode({0x65, 0x8b, 0x07}).seg, kGs);
  EXPECT_EQ(decode({0x2e, 0x8b, 0x07}, MKVM_INSN_32).seg, kCs);
  EXPECT_EQ(decode({0x26, 0x8b, 0x07}, MKVM_INSN_64).seg, kDs);  // ignored there
  EXPECT_EQ(decode({0x8b, 0x04, 0x24}).seg, kSs);
}

TEST(Insn, WhatIsNotOursIsUnknown) {
  for (const Bytes& bytes :
       {Bytes{0x8b, 0xc0}, Bytes{0xf0, 0x89, 0x07}, Bytes{0x90}, Bytes{0x0f, 0x0b},
        Bytes{0x8e, 0x07}, Bytes{0x0f, 0x12, 0x07}, Bytes{0xff, 0x17}, Bytes{0x0f, 0x01, 0x07},
        Bytes{0xcf}, Bytes{0x0f, 0x05}, Bytes{0x0f, 0x00, 0xc0}, Bytes{0xe4, 0x20}})
    EXPECT_EQ(status(bytes, MKVM_INSN_64), MKVM_INSN_UNKNOWN);
}

TEST(Insn, LmswFromMemory) {
  auto insn = decode({0x0f, 0x01, 0x33});  // lmsw (%rbx)
  EXPECT_EQ(insn.op, MKVM_OP_LMSW);
  EXPECT_EQ(insn.mem_size, 2);
  EXPECT_EQ(insn.flags, MKVM_INSN_READ);
  EXPECT_EQ(insn.base, kBx);
  insn = decode({0x64, 0x41, 0x0f, 0x01, 0x70, 0x08});
  EXPECT_EQ(insn.seg, kFs);
  EXPECT_EQ(insn.base, 8);
  EXPECT_EQ(insn.disp, 8);
  insn = decode({0x0f, 0x01, 0x36, 0x34, 0x12}, MKVM_INSN_16);
  EXPECT_EQ(insn.addr_size, 2);
  EXPECT_EQ(insn.disp, 0x1234);
  EXPECT_EQ(status({0x0f, 0x01, 0x23}, MKVM_INSN_64), MKVM_INSN_UNKNOWN);  // SMSW
  EXPECT_EQ(status({0xf0, 0x0f, 0x01, 0x33}, MKVM_INSN_64), MKVM_INSN_UNKNOWN);
}

TEST(Insn, LockIsForWhatReadsModifiesAndWrites) {
  for (const Bytes& bytes : {Bytes{0x01, 0x07}, Bytes{0x83, 0x2f, 1}, Bytes{0xf7, 0x17},
                             Bytes{0xff, 0x0f}, Bytes{0x0f, 0xab, 0x07}, Bytes{0x87, 0x07},
                             Bytes{0x0f, 0xb1, 0x07}, Bytes{0x0f, 0xc1, 0x07}}) {
    Bytes locked{0xf0};
    locked.insert(locked.end(), bytes.begin(), bytes.end());
    EXPECT_EQ(decode(locked).op, decode(bytes).op);
  }
  for (const Bytes& bytes :
       {Bytes{0xf0, 0x03, 0x07}, Bytes{0xf0, 0x39, 0x07}, Bytes{0xf0, 0x83, 0x3f, 1},
        Bytes{0xf0, 0x0f, 0xa3, 0x07}, Bytes{0xf0, 0xaa}, Bytes{0xf0, 0xff, 0x37}})
    EXPECT_EQ(status(bytes, MKVM_INSN_64), MKVM_INSN_UNKNOWN);
}

TEST(Insn, Strings) {
  auto insn = decode({0xf3, 0x64, 0x48, 0xa5});  // rep movsq %fs:(%rsi), (%rdi)
  EXPECT_EQ(insn.op, MKVM_OP_MOV);
  EXPECT_EQ(insn.flags, MKVM_INSN_READ | MKVM_INSN_WRITE | MKVM_INSN_SI | MKVM_INSN_DI);
  EXPECT_EQ(insn.rep, 0xf3);
  EXPECT_EQ(insn.mem_size, 8);
  EXPECT_EQ(insn.base, kSi);
  EXPECT_EQ(insn.seg, kFs);
  insn = decode({0x64, 0xaa});  // stosb
  EXPECT_EQ(insn.base, kDi);
  EXPECT_EQ(insn.seg, kEs) << "takes no override";
  EXPECT_EQ(insn.rep, 0);
  EXPECT_EQ(decode({0xf2, 0x89, 0x07}).rep, 0) << "no string";
}

TEST(Insn, PushAndPopAre64BitsWideIn64BitMode) {
  EXPECT_EQ(decode({0xff, 0x37}).mem_size, 8);
  EXPECT_EQ(decode({0x66, 0x8f, 0x07}).mem_size, 2);
  EXPECT_EQ(decode({0xff, 0x37}, MKVM_INSN_32).mem_size, 4);
  EXPECT_EQ(status({0xfe, 0x37}, MKVM_INSN_64), MKVM_INSN_UNKNOWN);
}

TEST(Insn, EveryPrefixOfAnInsnIsTruncated) {
  const Bytes whole = {0x66, 0x65, 0x43, 0xc7, 0x84, 0xc8, 1, 2, 3, 4, 5, 6};
  for (size_t n = 0; n < whole.size(); ++n)
    EXPECT_EQ(status({whole.begin(), whole.begin() + n}, MKVM_INSN_64), MKVM_INSN_TRUNCATED) << n;
  decode(whole);
}

TEST(Insn, FifteenBytesAreTheLimit) {
  Bytes bytes(13, 0x66);
  bytes.insert(bytes.end(), {0x8b, 0x07});
  decode(bytes);
  bytes.insert(bytes.begin(), 0x66);
  EXPECT_EQ(status(bytes, MKVM_INSN_64), MKVM_INSN_UNKNOWN);
}

// ---- what has no memory operand ----

struct Plain {
  const char* name;
  Bytes bytes;
  u16 opcode;
  u8 modrm;
};

void PrintTo(const Plain& p, std::ostream* os) { *os << p.name; }

class InsnPlain : public ::testing::TestWithParam<Plain> {};

TEST_P(InsnPlain, IsKnownInEveryMode) {
  for (const auto mode : {MKVM_INSN_16, MKVM_INSN_32, MKVM_INSN_64}) {
    const auto op = decode(GetParam().bytes, mode);
    EXPECT_EQ(op.opcode, GetParam().opcode);
    EXPECT_EQ(op.modrm, GetParam().modrm);
    EXPECT_EQ(op.reg, kNone);
    EXPECT_EQ(op.op, MKVM_OP_SPECIAL);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Insn, InsnPlain,
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

TEST(InsnSpecial, MovCrAndDrNameTheirGeneralRegister) {
  EXPECT_EQ(decode({0x0f, 0x20, 0xc3}).reg, 3);                // mov %cr0, %rbx
  EXPECT_EQ(decode({0x0f, 0x22, 0xdf}).reg, 7);                // mov %rdi, %cr3
  EXPECT_EQ(decode({0x41, 0x0f, 0x22, 0xe7}).reg, 15);         // mov %r15, %cr4
  EXPECT_EQ(decode({0x44, 0x0f, 0x22, 0xc1}).reg, 1);          // mov %rcx, %cr8
  EXPECT_EQ(decode({0x45, 0x0f, 0x20, 0xc0}).reg, 8);          // mov %cr8, %r8
  EXPECT_EQ(decode({0x0f, 0x21, 0xfa}, MKVM_INSN_32).reg, 2);  // mov %db7, %edx
  EXPECT_EQ(decode({0x41, 0x0f, 0x23, 0xf4}).reg, 12);         // mov %r12, %db6
}

TEST(InsnSpecial, MovCrIgnoresMod) {
  for (const u8 mod : {0x00, 0x40, 0x80, 0xc0}) {
    EXPECT_EQ(decode({0x0f, 0x22, static_cast<u8>(mod | 0x1c)}).reg, 4);
    EXPECT_EQ(decode({0x0f, 0x21, static_cast<u8>(mod | 0x3d)}, MKVM_INSN_32).reg, 5);
  }
}

TEST(InsnSpecial, LockIsCr8AndNothingElse) {
  EXPECT_EQ(decode({0xf0, 0x0f, 0x22, 0xc1}, MKVM_INSN_32).reg, 1);  // lock mov %ecx, %cr0
  EXPECT_EQ(decode({0xf0, 0x41, 0x0f, 0x20, 0xc1}).reg, 9);
  EXPECT_EQ(status({0xf0, 0x0f, 0x22, 0xd9}, MKVM_INSN_64), MKVM_INSN_UNKNOWN);  // CR3
  EXPECT_EQ(status({0xf0, 0x0f, 0x23, 0xc1}, MKVM_INSN_64), MKVM_INSN_UNKNOWN);  // DR0
  EXPECT_EQ(status({0xf0, 0x0f, 0xa2}, MKVM_INSN_64), MKVM_INSN_UNKNOWN);
  EXPECT_EQ(status({0xf0, 0xf4}, MKVM_INSN_64), MKVM_INSN_UNKNOWN);
}

TEST(InsnSpecial, RegistersThatDoNotExist) {
  for (const u8 cr : {1, 5, 6, 7})
    EXPECT_EQ(status({0x0f, 0x20, static_cast<u8>(0xc0 | cr << 3)}, MKVM_INSN_64),
              MKVM_INSN_UNKNOWN);
  EXPECT_EQ(status({0x44, 0x0f, 0x20, 0xc8}, MKVM_INSN_64), MKVM_INSN_UNKNOWN);  // CR9
  EXPECT_EQ(status({0x44, 0x0f, 0x21, 0xc0}, MKVM_INSN_64), MKVM_INSN_UNKNOWN);  // DR8
}

TEST(InsnSpecial, LmswAndSmswOfARegister) {
  EXPECT_EQ(decode({0x0f, 0x01, 0xf3}).reg, 3);         // lmsw %bx
  EXPECT_EQ(decode({0x41, 0x0f, 0x01, 0xe2}).reg, 10);  // smsw %r10d
  EXPECT_EQ(status({0x0f, 0x01, 0x23}, MKVM_INSN_64), MKVM_INSN_UNKNOWN) << "of memory";
}

TEST(InsnSpecial, SegmentOfAString) {
  EXPECT_EQ(decode({0x26, 0x6e}, MKVM_INSN_16).seg, 0);
  EXPECT_EQ(decode({0x2e, 0xf3, 0x6e}, MKVM_INSN_32).seg, 1);
  EXPECT_EQ(decode({0x36, 0x6f}, MKVM_INSN_32).seg, 2);
  EXPECT_EQ(decode({0x64, 0x48, 0x6e}).seg, 4);
  EXPECT_EQ(decode({0x65, 0x66, 0x6f}).seg, 5);
  EXPECT_EQ(decode({0x2e, 0x6e}).seg, kDs) << "ignored in 64-bit mode";
}

TEST(InsnSpecial, RexCountsOnlyRightBeforeTheOpcodeAndOnlyIn64BitMode) {
  EXPECT_EQ(decode({0x41, 0x66, 0x0f, 0x20, 0xc0}).reg, 0);
  EXPECT_EQ(decode({0x40, 0x41, 0x0f, 0x20, 0xc0}).reg, 8);
  EXPECT_EQ(status({0x41, 0x0f, 0x20, 0xc0}, MKVM_INSN_32), MKVM_INSN_UNKNOWN);
}

TEST(InsnSpecial, PauseIsTheNopWithF3) {
  EXPECT_EQ(status({0x90}, MKVM_INSN_64), MKVM_INSN_UNKNOWN);
  EXPECT_EQ(status({0xf2, 0x90}, MKVM_INSN_64), MKVM_INSN_UNKNOWN);
  EXPECT_EQ(status({0xf3, 0x41, 0x90}, MKVM_INSN_64), MKVM_INSN_UNKNOWN) << "XCHG with R8";
  EXPECT_EQ(decode({0xf3, 0x66, 0x48, 0x90}).opcode, 0x90);
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

std::span<const ZydisDecodedOperand> operands(const Oracle& o) {
  return {o.operands.data(), o.insn.operand_count};
}

const ZydisDecodedOperand* find(const Oracle& o, ZydisOperandType type, auto&& pred) {
  for (const auto& operand : operands(o))
    if (operand.type == type && pred(operand)) return &operand;
  return nullptr;
}

bool is_explicit(const ZydisDecodedOperand& operand) {
  return operand.visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT;
}

bool is_special_reg(ZydisRegister reg) {
  const auto reg_class = ZydisRegisterGetClass(reg);
  return reg_class == ZYDIS_REGCLASS_CONTROL || reg_class == ZYDIS_REGCLASS_DEBUG;
}

bool is_move_of_special(const Oracle& o) {
  return o.insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
         (is_special_reg(o.operands[0].reg.value) || is_special_reg(o.operands[1].reg.value));
}

// What Zydis calls the operations; nothing: not one of ours.
std::optional<mkvm_op> op_of(const Oracle& o) {
  static const std::map<ZydisMnemonic, mkvm_op> kOps = {
      {ZYDIS_MNEMONIC_ADD, MKVM_OP_ADD},         {ZYDIS_MNEMONIC_OR, MKVM_OP_OR},
      {ZYDIS_MNEMONIC_ADC, MKVM_OP_ADC},         {ZYDIS_MNEMONIC_SBB, MKVM_OP_SBB},
      {ZYDIS_MNEMONIC_AND, MKVM_OP_AND},         {ZYDIS_MNEMONIC_SUB, MKVM_OP_SUB},
      {ZYDIS_MNEMONIC_XOR, MKVM_OP_XOR},         {ZYDIS_MNEMONIC_CMP, MKVM_OP_CMP},
      {ZYDIS_MNEMONIC_BT, MKVM_OP_BT},           {ZYDIS_MNEMONIC_BTS, MKVM_OP_BTS},
      {ZYDIS_MNEMONIC_BTR, MKVM_OP_BTR},         {ZYDIS_MNEMONIC_BTC, MKVM_OP_BTC},
      {ZYDIS_MNEMONIC_TEST, MKVM_OP_TEST},       {ZYDIS_MNEMONIC_NOT, MKVM_OP_NOT},
      {ZYDIS_MNEMONIC_NEG, MKVM_OP_NEG},         {ZYDIS_MNEMONIC_INC, MKVM_OP_INC},
      {ZYDIS_MNEMONIC_DEC, MKVM_OP_DEC},         {ZYDIS_MNEMONIC_XADD, MKVM_OP_XADD},
      {ZYDIS_MNEMONIC_CMPXCHG, MKVM_OP_CMPXCHG}, {ZYDIS_MNEMONIC_XCHG, MKVM_OP_XCHG},
      {ZYDIS_MNEMONIC_MOV, MKVM_OP_MOV},         {ZYDIS_MNEMONIC_MOVZX, MKVM_OP_MOV},
      {ZYDIS_MNEMONIC_MOVNTI, MKVM_OP_MOV},      {ZYDIS_MNEMONIC_PUSH, MKVM_OP_MOV},
      {ZYDIS_MNEMONIC_POP, MKVM_OP_MOV},         {ZYDIS_MNEMONIC_STOSB, MKVM_OP_MOV},
      {ZYDIS_MNEMONIC_STOSW, MKVM_OP_MOV},       {ZYDIS_MNEMONIC_STOSD, MKVM_OP_MOV},
      {ZYDIS_MNEMONIC_STOSQ, MKVM_OP_MOV},       {ZYDIS_MNEMONIC_LODSB, MKVM_OP_MOV},
      {ZYDIS_MNEMONIC_LODSW, MKVM_OP_MOV},       {ZYDIS_MNEMONIC_LODSD, MKVM_OP_MOV},
      {ZYDIS_MNEMONIC_LODSQ, MKVM_OP_MOV},       {ZYDIS_MNEMONIC_MOVSB, MKVM_OP_MOV},
      {ZYDIS_MNEMONIC_MOVSW, MKVM_OP_MOV},       {ZYDIS_MNEMONIC_MOVSQ, MKVM_OP_MOV},
      {ZYDIS_MNEMONIC_SCASB, MKVM_OP_CMP},       {ZYDIS_MNEMONIC_SCASW, MKVM_OP_CMP},
      {ZYDIS_MNEMONIC_SCASD, MKVM_OP_CMP},       {ZYDIS_MNEMONIC_SCASQ, MKVM_OP_CMP},
      {ZYDIS_MNEMONIC_CMPSB, MKVM_OP_CMP},       {ZYDIS_MNEMONIC_CMPSW, MKVM_OP_CMP},
      {ZYDIS_MNEMONIC_CMPSQ, MKVM_OP_CMP},       {ZYDIS_MNEMONIC_MOVSX, MKVM_OP_MOVSX},
      {ZYDIS_MNEMONIC_MOVSXD, MKVM_OP_MOVSX},    {ZYDIS_MNEMONIC_MOVBE, MKVM_OP_MOVBE},
      {ZYDIS_MNEMONIC_MOVUPS, MKVM_OP_SSE},      {ZYDIS_MNEMONIC_MOVUPD, MKVM_OP_SSE},
      {ZYDIS_MNEMONIC_MOVSS, MKVM_OP_SSE},       {ZYDIS_MNEMONIC_MOVAPS, MKVM_OP_SSE},
      {ZYDIS_MNEMONIC_MOVAPD, MKVM_OP_SSE},      {ZYDIS_MNEMONIC_MOVNTPS, MKVM_OP_SSE},
      {ZYDIS_MNEMONIC_MOVNTPD, MKVM_OP_SSE},     {ZYDIS_MNEMONIC_MOVD, MKVM_OP_SSE},
      {ZYDIS_MNEMONIC_MOVQ, MKVM_OP_SSE},        {ZYDIS_MNEMONIC_MOVDQA, MKVM_OP_SSE},
      {ZYDIS_MNEMONIC_MOVDQU, MKVM_OP_SSE},      {ZYDIS_MNEMONIC_MOVNTDQ, MKVM_OP_SSE},
      {ZYDIS_MNEMONIC_LMSW, MKVM_OP_LMSW},       {ZYDIS_MNEMONIC_CPUID, MKVM_OP_SPECIAL},
      {ZYDIS_MNEMONIC_HLT, MKVM_OP_SPECIAL},     {ZYDIS_MNEMONIC_RDMSR, MKVM_OP_SPECIAL},
      {ZYDIS_MNEMONIC_WRMSR, MKVM_OP_SPECIAL},   {ZYDIS_MNEMONIC_RDPMC, MKVM_OP_SPECIAL},
      {ZYDIS_MNEMONIC_RDTSC, MKVM_OP_SPECIAL},   {ZYDIS_MNEMONIC_INVD, MKVM_OP_SPECIAL},
      {ZYDIS_MNEMONIC_WBINVD, MKVM_OP_SPECIAL},  {ZYDIS_MNEMONIC_PAUSE, MKVM_OP_SPECIAL},
      {ZYDIS_MNEMONIC_RSM, MKVM_OP_SPECIAL},     {ZYDIS_MNEMONIC_CLTS, MKVM_OP_SPECIAL},
      {ZYDIS_MNEMONIC_INT1, MKVM_OP_SPECIAL},    {ZYDIS_MNEMONIC_INSB, MKVM_OP_SPECIAL},
      {ZYDIS_MNEMONIC_INSW, MKVM_OP_SPECIAL},    {ZYDIS_MNEMONIC_INSD, MKVM_OP_SPECIAL},
      {ZYDIS_MNEMONIC_OUTSB, MKVM_OP_SPECIAL},   {ZYDIS_MNEMONIC_OUTSW, MKVM_OP_SPECIAL},
      {ZYDIS_MNEMONIC_OUTSD, MKVM_OP_SPECIAL}};
  const bool group_0f01 = o.insn.opcode_map == ZYDIS_OPCODE_MAP_0F && o.insn.opcode == 0x01;
  if (is_move_of_special(o) || (group_0f01 && o.insn.raw.modrm.mod == 3)) return MKVM_OP_SPECIAL;
  // The names of an SSE and a string instruction
  if (o.insn.mnemonic == ZYDIS_MNEMONIC_MOVSD)
    return o.insn.opcode_map == ZYDIS_OPCODE_MAP_0F ? MKVM_OP_SSE : MKVM_OP_MOV;
  if (o.insn.mnemonic == ZYDIS_MNEMONIC_CMPSD && o.insn.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
    return MKVM_OP_CMP;
  const auto found = kOps.find(o.insn.mnemonic);
  return found == kOps.end() ? std::nullopt : std::optional(found->second);
}

bool has_register_of(const Oracle& o, ZydisRegisterClass reg_class) {
  return find(o, ZYDIS_OPERAND_TYPE_REGISTER, [&](const auto& operand) {
    return is_explicit(operand) && ZydisRegisterGetClass(operand.reg.value) == reg_class;
  });
}

// What Zydis takes and we do not claim: MMX and segment registers, AVX, aliases that no assembler
// makes (82, F6 /1), stack operations without a memory operand of their own.
bool is_left_out(const Oracle& o) {
  if (o.insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) return true;
  if (has_register_of(o, ZYDIS_REGCLASS_MMX) || has_register_of(o, ZYDIS_REGCLASS_SEGMENT))
    return true;
  if (o.insn.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT) return false;
  return o.insn.opcode == 0x82 || ((o.insn.opcode & 0xfe) == 0xf6 && o.insn.raw.modrm.reg == 1);
}

bool is_ours(const Oracle& o) {
  const auto op = o.valid ? op_of(o) : std::nullopt;
  if (!op || is_left_out(o)) return false;
  if (*op == MKVM_OP_SPECIAL) return true;
  const bool string = o.insn.meta.category == ZYDIS_CATEGORY_STRINGOP;
  return find(o, ZYDIS_OPERAND_TYPE_MEMORY,
              [&](const auto& m) { return string || is_explicit(m); });
}

// Zydis numbers the byte registers AL..BL, AH..BH, SPL..DIL, R8B..R15B.
u8 reg_number(ZydisRegister reg) {
  if (reg == ZYDIS_REGISTER_NONE) return kNone;
  const auto id = static_cast<u8>(ZydisRegisterGetId(reg));
  return ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_GPR8 && id >= 8 ? id - 4 : id;
}

// ES CS SS DS FS GS is the order of both.
u8 seg_number(ZydisRegister reg) { return static_cast<u8>(reg - ZYDIS_REGISTER_ES); }

u64 cut(u64 value, unsigned size) { return size >= 8 ? value : value & ((1ull << 8 * size) - 1); }

// The operand that ours describes: the explicit one, else by its register.
const ZydisDecodedOperand* primary_memory(const mkvm_insn& ours, const Oracle& o) {
  if (const auto* m = find(o, ZYDIS_OPERAND_TYPE_MEMORY, is_explicit)) return m;
  return find(o, ZYDIS_OPERAND_TYPE_MEMORY,
              [&](const auto& m) { return reg_number(m.mem.base) == ours.base; });
}

void expect_same_memory(const mkvm_insn& ours, const Oracle& o) {
  const auto* mem = primary_memory(ours, o);
  ASSERT_TRUE(mem);
  const bool rip = mem->mem.base == ZYDIS_REGISTER_RIP || mem->mem.base == ZYDIS_REGISTER_EIP;
  const bool copies = (ours.flags & (MKVM_INSN_SI | MKVM_INSN_DI)) ==
                      (MKVM_INSN_SI | MKVM_INSN_DI);  // WRITE is of the other operand
  EXPECT_EQ(ours.mem_size * 8, mem->size);
  EXPECT_EQ(ours.addr_size * 8, o.insn.address_width);
  EXPECT_EQ(ours.rip_relative, rip);
  EXPECT_EQ(ours.base, rip ? kNone : reg_number(mem->mem.base));
  EXPECT_EQ(ours.index, reg_number(mem->mem.index));
  EXPECT_TRUE(ours.index == kNone || mem->mem.scale == 0 || 1 << ours.scale == mem->mem.scale);
  EXPECT_EQ(ours.seg, seg_number(mem->mem.segment));
  EXPECT_EQ(cut(static_cast<u64>(ours.disp), ours.addr_size),
            cut(static_cast<u64>(mem->mem.disp.value), ours.addr_size));
  EXPECT_EQ((ours.flags & MKVM_INSN_READ) != 0,
            (mem->actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0);
  EXPECT_EQ((ours.flags & MKVM_INSN_WRITE) != 0 && !copies,
            (mem->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0);
}

// The register operand: the explicit one, or the accumulator.
void expect_same_register(const mkvm_insn& ours, const Oracle& o) {
  const auto* imm = find(o, ZYDIS_OPERAND_TYPE_IMMEDIATE, is_explicit);
  EXPECT_EQ((ours.flags & MKVM_INSN_IMM) != 0, imm != nullptr);
  if (imm) {
    const bool bit = ours.op >= MKVM_OP_BT && ours.op <= MKVM_OP_BTC;  // of a byte, unsigned
    const unsigned size = bit ? 1 : ours.mem_size;
    EXPECT_EQ(cut(ours.imm, size), cut(imm->imm.value.u, size));
    return;
  }
  const auto* reg = find(o, ZYDIS_OPERAND_TYPE_REGISTER, is_explicit);
  if (!reg && (ours.flags & (MKVM_INSN_SI | MKVM_INSN_DI)))
    reg = find(o, ZYDIS_OPERAND_TYPE_REGISTER, [](const auto& operand) {
      return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, operand.reg.value) ==
             ZYDIS_REGISTER_RAX;
    });
  if (!reg) return;
  const auto value = reg->reg.value;
  const bool high = value >= ZYDIS_REGISTER_AH && value <= ZYDIS_REGISTER_BH;
  EXPECT_EQ(ours.high_byte, high);
  EXPECT_EQ(ours.reg, high ? value - ZYDIS_REGISTER_AH : reg_number(value));
  if (ours.op == MKVM_OP_SSE) return;
  EXPECT_EQ(ours.reg_size * 8, reg->size);
  EXPECT_EQ((ours.flags & MKVM_INSN_TO_REG) != 0, reg->id < primary_memory(ours, o)->id);
}

void expect_same_special(const mkvm_insn& ours, const Oracle& o) {
  const bool lmsw =
      o.insn.mnemonic == ZYDIS_MNEMONIC_LMSW || o.insn.mnemonic == ZYDIS_MNEMONIC_SMSW;
  const auto* reg = find(o, ZYDIS_OPERAND_TYPE_REGISTER, [&](const auto& operand) {
    return is_explicit(operand) && !is_special_reg(operand.reg.value);
  });
  const bool named = is_move_of_special(o) || lmsw;
  EXPECT_EQ(ours.opcode & 0xff, o.insn.opcode);
  EXPECT_EQ(ours.reg, named ? reg_number(reg->reg.value) : kNone);
  const bool outs =
      o.insn.mnemonic >= ZYDIS_MNEMONIC_OUTSB && o.insn.mnemonic <= ZYDIS_MNEMONIC_OUTSW;
  EXPECT_TRUE(!outs || ours.seg == seg_number(o.operands[1].mem.segment));
}

void expect_same(const mkvm_insn& ours, const Oracle& o) {
  EXPECT_EQ(ours.len, o.insn.length);
  EXPECT_EQ(ours.op, op_of(o));
  if (ours.op == MKVM_OP_SPECIAL) return expect_same_special(ours, o);
  // MOVSXD of 16 bits reads 16 by the SDM and 32 by Zydis 4.0, which also finds R13 where a SIB
  // byte says "no base" and REX.B does not matter.
  const auto& raw = o.insn.raw;
  const bool r13 = ours.addr_size != 2 && raw.modrm.mod == 0 && raw.modrm.rm == 4 &&
                   raw.sib.base == 5 && raw.rex.B;
  if (r13 || (o.insn.mnemonic == ZYDIS_MNEMONIC_MOVSXD && ours.reg_size == 2)) return;
  expect_same_memory(ours, o);
  if (ours.op != MKVM_OP_LMSW) expect_same_register(ours, o);
}

// Zydis knows 0F 01 by its single instructions and rejects the rest, and it does not know LOCK as
// AMD's way to CR8.
bool is_beyond_zydis(const mkvm_insn& ours) {
  return ours.op == MKVM_OP_SPECIAL && (ours.opcode == 0x0f01 || (ours.opcode | 2) == 0x0f22);
}

// Returns whether it was one that both know.
bool compare(const Bytes& bytes, mkvm_insn_mode mode) {
  const Oracle oracle = ask(bytes, mode);
  mkvm_insn insn;
  const bool known =
      mkvm_insn_decode(bytes.data(), static_cast<u32>(bytes.size()), mode, &insn) == MKVM_INSN_OK;
  if (known && !oracle.valid && is_beyond_zydis(insn)) return false;
  EXPECT_EQ(known, is_ours(oracle));
  if (known && oracle.valid) expect_same(insn, oracle);
  if (::testing::Test::HasFailure())
    ADD_FAILURE() << ::testing::PrintToString(bytes) << " mode " << mode << " "
                  << (oracle.valid ? ZydisMnemonicGetString(oracle.insn.mnemonic) : "invalid");
  return known && oracle.valid;
}

constexpr std::array<u8, 14> kPrefixes = {0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64,
                                          0x65, 0xf2, 0xf3, 0xf0, 0x48, 0x41, 0x44};

Bytes random_prefixes(std::mt19937& rng) {
  Bytes bytes;
  for (auto n = rng() % 4; n > 0; --n) bytes.push_back(kPrefixes[rng() % kPrefixes.size()]);
  return bytes;
}

void fill(Bytes& bytes, std::mt19937& rng) {
  while (bytes.size() < MKVM_INSN_MAX_LEN) bytes.push_back(static_cast<u8>(rng()));
}

// Any opcode of the two maps, and MOVBE.
Bytes random_insn(std::mt19937& rng) {
  Bytes bytes = random_prefixes(rng);
  if (rng() % 2) bytes.push_back(0x0f);
  if (rng() % 64 == 0) bytes.insert(bytes.end(), {0x0f, 0x38, static_cast<u8>(0xf0 | rng() % 2)});
  bytes.push_back(static_cast<u8>(rng()));
  fill(bytes, rng);
  return bytes;
}

TEST(Insn, AgreesWithZydisOnRandomInstructions) {
  std::mt19937 rng(1);
  int ours = 0;
  for (int i = 0; i < 60000 && !::testing::Test::HasFailure(); ++i)
    ours += compare(random_insn(rng), static_cast<mkvm_insn_mode>(rng() % 3));
  EXPECT_GT(ours, 6000);
}

// What is ours, with a byte or two changed, or one left out or put in.
TEST(Insn, AgreesWithZydisOnMutations) {
  std::mt19937 rng(2);
  int ours = 0;
  for (int i = 0; i < 40000 && !::testing::Test::HasFailure(); ++i) {
    const auto mode = static_cast<mkvm_insn_mode>(rng() % 3);
    Bytes bytes = random_insn(rng);
    if (!is_ours(ask(bytes, mode))) continue;
    const auto at = bytes.begin() + rng() % 6;
    if (rng() % 4 == 0)
      bytes.erase(at);
    else if (rng() % 4 == 0)
      bytes.insert(at, kPrefixes[rng() % kPrefixes.size()]);
    else
      *at ^= 1u << rng() % 8;
    bytes.resize(MKVM_INSN_MAX_LEN);
    ours += compare(bytes, mode);
  }
  EXPECT_GT(ours, 2000);
}

// Each opcode with each prefix, and every form of ModRM now and then.
TEST(Insn, AgreesWithZydisOnEveryOpcode) {
  std::mt19937 rng(3);
  for (const u8 prefix : kPrefixes)
    for (unsigned opcode = 0; opcode < 512; ++opcode)
      for (unsigned modrm = rng() % 16; modrm < 256; modrm += 8 + rng() % 16) {
        Bytes bytes{prefix};
        if (opcode >= 256) bytes.push_back(0x0f);
        bytes.insert(bytes.end(), {static_cast<u8>(opcode), static_cast<u8>(modrm)});
        fill(bytes, rng);
        compare(bytes, static_cast<mkvm_insn_mode>(rng() % 3));
        if (::testing::Test::HasFailure()) return;
      }
}

// CVE-2016-8630, CVE-2022-1852: whatever the bytes, a claimed instruction has an operation that
// the tables know, sizes that exist and registers in range, however few bytes there are.
TEST(Insn, GarbageIsNeverHalfDecoded) {
  std::mt19937 rng(4);
  for (int i = 0; i < 200000; ++i) {
    Bytes bytes(1 + rng() % 20);
    for (auto& byte : bytes) byte = static_cast<u8>(rng());
    mkvm_insn insn;
    const auto mode = static_cast<mkvm_insn_mode>(rng() % 3);
    if (mkvm_insn_decode(bytes.data(), static_cast<u32>(bytes.size()), mode, &insn) != MKVM_INSN_OK)
      continue;
    ASSERT_LE(insn.len, std::min<size_t>(bytes.size(), MKVM_INSN_MAX_LEN));
    ASSERT_LE(insn.op, MKVM_OP_SPECIAL);
    ASSERT_LT(insn.seg, 6);
    if (insn.op == MKVM_OP_SPECIAL) continue;
    ASSERT_TRUE(insn.flags & (MKVM_INSN_READ | MKVM_INSN_WRITE));
    ASSERT_TRUE(std::has_single_bit(insn.mem_size)) << +insn.mem_size;
    ASSERT_LE(insn.mem_size, insn.op == MKVM_OP_SSE ? 16 : 8);
    ASSERT_TRUE(insn.reg < 16 || insn.reg == kNone);
  }
}

}  // namespace
