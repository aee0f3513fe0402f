// SPDX-License-Identifier: GPL-2.0-only
#include "insn.h"

#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <span>
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
  EXPECT_EQ(insn.write, write);
  EXPECT_EQ(insn.mem_size, mem_size);
  EXPECT_EQ(insn.reg, reg);
  EXPECT_EQ(insn.reg_size, reg_size);
}

mkvm_insn_status lmsw(const Bytes& bytes, mkvm_insn_mode mode, mkvm_insn* insn) {
  return mkvm_insn_decode_lmsw(bytes.data(), static_cast<u32>(bytes.size()), mode, insn);
}

TEST(Insn, LmswFromMemory) {
  mkvm_insn insn;
  ASSERT_EQ(lmsw({0x0f, 0x01, 0x33}, MKVM_INSN_64, &insn), MKVM_INSN_OK);  // lmsw (%rbx)
  EXPECT_EQ(insn.len, 3);
  EXPECT_EQ(insn.mem_size, 2);
  EXPECT_FALSE(insn.write);
  EXPECT_EQ(insn.base, kBx);
  ASSERT_EQ(lmsw({0x64, 0x41, 0x0f, 0x01, 0x70, 0x08}, MKVM_INSN_64, &insn), MKVM_INSN_OK);
  EXPECT_EQ(insn.len, 6);
  EXPECT_EQ(insn.seg, kFs);
  EXPECT_EQ(insn.base, 8);
  EXPECT_EQ(insn.disp, 8);
  ASSERT_EQ(lmsw({0x0f, 0x01, 0x36, 0x34, 0x12}, MKVM_INSN_16, &insn), MKVM_INSN_OK);
  EXPECT_EQ(insn.addr_size, 2);
  EXPECT_EQ(insn.disp, 0x1234);
}

TEST(Insn, LmswIsNothingElse) {
  mkvm_insn insn;
  EXPECT_EQ(lmsw({0x0f, 0x01, 0xf0}, MKVM_INSN_64, &insn), MKVM_INSN_UNKNOWN);  // of a register
  EXPECT_EQ(lmsw({0x0f, 0x01, 0x23}, MKVM_INSN_64, &insn), MKVM_INSN_UNKNOWN);  // SMSW
  EXPECT_EQ(lmsw({0xf0, 0x0f, 0x01, 0x33}, MKVM_INSN_64, &insn), MKVM_INSN_UNKNOWN);
  EXPECT_EQ(lmsw({0x8b, 0x07, 0x00}, MKVM_INSN_64, &insn), MKVM_INSN_UNKNOWN);
  EXPECT_EQ(lmsw({0x0f, 0x01}, MKVM_INSN_64, &insn), MKVM_INSN_TRUNCATED);
  EXPECT_EQ(status({0x0f, 0x01, 0x33}, MKVM_INSN_64), MKVM_INSN_UNKNOWN);  // no MMIO by LMSW
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
  EXPECT_TRUE(insn.has_imm);
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
  EXPECT_FALSE(insn.sign_extend);
  insn = decode({0x48, 0x0f, 0xbf, 0x0f});
  expect_operands(insn, false, 2, kCx, 8);
  EXPECT_TRUE(insn.sign_extend);
  insn = decode({0x48, 0x63, 0x07});
  expect_operands(insn, false, 4, kAx, 8);
  EXPECT_TRUE(insn.sign_extend);
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
        Bytes{0x8e, 0x07}, Bytes{0x87, 0x07}, Bytes{0x0f, 0x10, 0x07}})
    EXPECT_EQ(status(bytes, MKVM_INSN_64), MKVM_INSN_UNKNOWN);
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

// Zydis numbers the byte registers AL..BL, AH..BH, SPL..DIL, R8B..R15B.
u8 reg_number(ZydisRegister reg) {
  if (reg == ZYDIS_REGISTER_NONE) return kNone;
  const auto id = static_cast<u8>(ZydisRegisterGetId(reg));
  return ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_GPR8 && id >= 8 ? id - 4 : id;
}

// ES CS SS DS FS GS is the order of both.
u8 seg_number(ZydisRegister reg) { return static_cast<u8>(reg - ZYDIS_REGISTER_ES); }

void expect_same_memory(const mkvm_insn& ours, const Oracle& o, const ZydisDecodedOperand& mem) {
  const bool rip = mem.mem.base == ZYDIS_REGISTER_RIP || mem.mem.base == ZYDIS_REGISTER_EIP;
  EXPECT_EQ(ours.mem_size * 8, mem.size);
  EXPECT_EQ(ours.addr_size * 8, o.insn.address_width);
  EXPECT_EQ(ours.rip_relative, rip);
  EXPECT_EQ(ours.base, rip ? kNone : reg_number(mem.mem.base));
  EXPECT_EQ(ours.index, reg_number(mem.mem.index));
  EXPECT_TRUE(ours.index == kNone || mem.mem.scale == 0 || 1 << ours.scale == mem.mem.scale);
  EXPECT_EQ(ours.seg, seg_number(mem.mem.segment));
  const u64 mask = ours.addr_size == 8 ? ~0ull : (1ull << (8 * ours.addr_size)) - 1;
  EXPECT_EQ(static_cast<u64>(ours.disp) & mask, static_cast<u64>(mem.mem.disp.value) & mask);
}

void expect_same(const mkvm_insn& ours, const Oracle& o) {
  const bool write = o.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
  const auto& other = o.operands[write ? 1 : 0];
  EXPECT_EQ(ours.len, o.insn.length);
  EXPECT_EQ(ours.write, write);
  expect_same_memory(ours, o, o.operands[write ? 0 : 1]);
  EXPECT_EQ(ours.has_imm, other.type == ZYDIS_OPERAND_TYPE_IMMEDIATE);
  if (ours.has_imm) {
    const u64 mask = ours.mem_size == 8 ? ~0ull : (1ull << (8 * ours.mem_size)) - 1;
    EXPECT_EQ(ours.imm & mask, other.imm.value.u & mask);
    return;
  }
  const auto reg = other.reg.value;
  const bool high = reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
  EXPECT_EQ(ours.reg_size * 8, other.size);
  EXPECT_EQ(ours.high_byte, high);
  EXPECT_EQ(ours.reg, high ? reg - ZYDIS_REGISTER_AH : reg_number(reg));
}

// Is it what we claim to know: a MOV with memory and a general register or immediate?
bool is_ours(const Oracle& o) {
  static constexpr std::array kMnemonics = {ZYDIS_MNEMONIC_MOV, ZYDIS_MNEMONIC_MOVZX,
                                            ZYDIS_MNEMONIC_MOVSX, ZYDIS_MNEMONIC_MOVSXD};
  if (!o.valid || o.insn.operand_count_visible != 2) return false;
  if (std::ranges::find(kMnemonics, o.insn.mnemonic) == kMnemonics.end()) return false;
  bool memory = false, general = false;
  for (int i = 0; i < 2; ++i) {
    const auto& operand = o.operands[i];
    memory |= operand.type == ZYDIS_OPERAND_TYPE_MEMORY;
    general |= operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
    general |= operand.type == ZYDIS_OPERAND_TYPE_REGISTER &&
               ZydisRegisterGetClass(operand.reg.value) != ZYDIS_REGCLASS_SEGMENT;
  }
  return memory && general;
}

Bytes random_insn(std::mt19937& rng) {
  static constexpr std::array<u8, 13> kPrefixes = {0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64,
                                                   0x65, 0xf2, 0xf3, 0x48, 0x41, 0x4f};
  static constexpr std::array<u8, 14> kOpcodes = {0x88, 0x89, 0x8a, 0x8b, 0xa0, 0xa1, 0xa2,
                                                  0xa3, 0xc6, 0xc7, 0x63, 0x0f, 0x0f, 0x8c};
  static constexpr std::array<u8, 4> kSecond = {0xb6, 0xb7, 0xbe, 0xbf};
  Bytes bytes;
  for (auto n = rng() % 4; n > 0; --n) bytes.push_back(kPrefixes[rng() % kPrefixes.size()]);
  bytes.push_back(rng() % 8 ? kOpcodes[rng() % kOpcodes.size()] : static_cast<u8>(rng()));
  if (bytes.back() == 0x0f && rng() % 8) bytes.push_back(kSecond[rng() % kSecond.size()]);
  while (bytes.size() < MKVM_INSN_MAX_LEN) bytes.push_back(static_cast<u8>(rng()));
  return bytes;
}

TEST(Insn, AgreesWithZydis) {
  std::mt19937 rng(1);
  int ours = 0;
  for (int i = 0; i < 30000 && !::testing::Test::HasFailure(); ++i) {
    const Bytes bytes = random_insn(rng);
    const auto mode = static_cast<mkvm_insn_mode>(rng() % 3);
    const Oracle oracle = ask(bytes, mode);
    mkvm_insn insn;
    const bool known =
        mkvm_insn_decode(bytes.data(), MKVM_INSN_MAX_LEN, mode, &insn) == MKVM_INSN_OK;
    ASSERT_EQ(known, is_ours(oracle)) << ::testing::PrintToString(bytes) << " mode " << mode;
    // MOVSXD of 16 bits reads 16 by the SDM and 32 by Zydis.
    if (!known || (oracle.insn.mnemonic == ZYDIS_MNEMONIC_MOVSXD && insn.reg_size == 2)) continue;
    ++ours;
    expect_same(insn, oracle);
    EXPECT_FALSE(HasFailure()) << ::testing::PrintToString(bytes) << " mode " << mode;
  }
  EXPECT_GT(ours, 10000);
}

}  // namespace
