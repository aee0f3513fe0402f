// SPDX-License-Identifier: GPL-2.0-only
// VM-instruction errors, and the negotiation of controls.
#include <gtest/gtest.h>

#include <bit>
#include <set>
#include <string>

#include "vmfail.h"
#include "vmx_bits.h"
#include "vmx_controls.h"

namespace {

TEST(InstructionErrors, NamesAndGaps) {
  EXPECT_STREQ(mkvm_vm_instruction_error_name(4), "VMLAUNCH with non-clear VMCS");
  EXPECT_STREQ(mkvm_vm_instruction_error_name(7), "VM entry with invalid control field(s)");
  EXPECT_STREQ(mkvm_vm_instruction_error_name(28), "invalid operand to INVEPT/INVVPID");
  for (uint32_t gap : {0u, 14u, 21u, 27u, 29u, 0xffffffffu})
    EXPECT_STREQ(mkvm_vm_instruction_error_name(gap), "unknown") << gap;
}

// Everything allowed, nothing forced: the two halves of a capability MSR.
mkvm_vmx_caps generous() {
  mkvm_vmx_caps caps = {};
  caps.pinbased = caps.procbased = caps.procbased2 = caps.exit = caps.entry = uint64_t{0xffffffff}
                                                                              << 32;
  caps.ept_vpid = ~0ull;
  return caps;
}

// The CPU has not what this row is about.
void take_away(mkvm_vmx_caps& caps, const mkvm_vmx_control& row) {
  switch (row.word) {
    case MKVM_CTL_PIN:
      caps.pinbased &= ~(row.bit << 32);
      break;
    case MKVM_CTL_PROC:
      caps.procbased &= ~(row.bit << 32);
      break;
    case MKVM_CTL_PROC2:
      caps.procbased2 &= ~(row.bit << 32);
      break;
    case MKVM_CTL_EXIT:
      caps.exit &= ~(row.bit << 32);
      break;
    case MKVM_CTL_ENTRY:
      caps.entry &= ~(row.bit << 32);
      break;
    default:
      caps.ept_vpid &= ~row.bit;
  }
}

TEST(Negotiate, SetsWhatIsRequiredAndWantedAndNothingElse) {
  const mkvm_vmx_caps caps = generous();
  uint32_t word[MKVM_NR_CTLS];
  uint64_t expected[MKVM_CTL_EPT + 1] = {};
  ASSERT_EQ(mkvm_vmx_negotiate(&caps, word), 0u);
  for (unsigned i = 0; i < mkvm_vmx_nr_controls; ++i) {
    const auto& c = mkvm_vmx_controls[i];
    if (c.policy == MKVM_REQUIRED || c.policy == MKVM_WANTED) expected[c.word] |= c.bit;
  }
  for (unsigned w = 0; w < MKVM_NR_CTLS; ++w) EXPECT_EQ(word[w], expected[w]) << w;
}

TEST(Negotiate, KeepsTheBitsThatMustBeOne) {
  mkvm_vmx_caps caps = generous();
  caps.pinbased |= 0x16;
  caps.entry |= 0x11fb;
  uint32_t word[MKVM_NR_CTLS];
  ASSERT_EQ(mkvm_vmx_negotiate(&caps, word), 0u);
  EXPECT_EQ(word[MKVM_CTL_PIN] & 0x16, 0x16u);
  EXPECT_EQ(word[MKVM_CTL_ENTRY] & 0x11fb, 0x11fbu);
}

TEST(Negotiate, NamesEachMissingControlByItsRow) {
  for (unsigned i = 0; i < mkvm_vmx_nr_controls; ++i) {
    const auto& c = mkvm_vmx_controls[i];
    mkvm_vmx_caps caps = generous();
    take_away(caps, c);
    uint32_t word[MKVM_NR_CTLS];
    const bool needed = c.policy == MKVM_REQUIRED || c.policy == MKVM_SWITCHED;
    EXPECT_EQ(mkvm_vmx_negotiate(&caps, word), needed ? 1ull << i : 0) << c.name;
    if (c.word < MKVM_NR_CTLS) {
      EXPECT_EQ(word[c.word] & c.bit, 0u) << c.name;
    }
  }
}

TEST(Negotiate, CollectsEverythingThatIsMissing) {
  const mkvm_vmx_caps nothing = {};
  uint32_t word[MKVM_NR_CTLS];
  unsigned needed = 0;
  for (unsigned i = 0; i < mkvm_vmx_nr_controls; ++i)
    needed += mkvm_vmx_controls[i].policy == MKVM_REQUIRED ||
              mkvm_vmx_controls[i].policy == MKVM_SWITCHED;
  EXPECT_EQ(std::popcount(mkvm_vmx_negotiate(&nothing, word)), static_cast<int>(needed));
}

TEST(Negotiate, WhatTheDesignForbidsStaysOff) {
  const mkvm_vmx_caps caps = generous();
  uint32_t word[MKVM_NR_CTLS];
  mkvm_vmx_negotiate(&caps, word);
  EXPECT_EQ(word[MKVM_CTL_EXIT] & VMX_EXITCTL_ACK_INTERRUPT_ON_EXIT, 0u);
  EXPECT_EQ(
      word[MKVM_CTL_PROC] & (VMX_PROCBASED_CR3_LOAD_EXITING | VMX_PROCBASED_CR3_STORE_EXITING |
                             VMX_PROCBASED_INVLPG_EXITING | VMX_PROCBASED_TPR_SHADOW |
                             VMX_PROCBASED_INTERRUPT_WINDOW_EXITING),
      0u);
}

TEST(Negotiate, RowsAreDistinctBits) {
  std::set<std::pair<unsigned, uint64_t>> seen;
  std::set<std::string> names;
  for (unsigned i = 0; i < mkvm_vmx_nr_controls; ++i) {
    const auto& c = mkvm_vmx_controls[i];
    EXPECT_EQ(std::popcount(c.bit), 1) << c.name;
    EXPECT_TRUE(seen.insert({c.word, c.bit}).second) << c.name;
    EXPECT_TRUE(names.insert(c.name).second) << c.name;
  }
}

TEST(Has, AsksTheHighHalf) {
  mkvm_vmx_caps caps = {};
  caps.procbased = uint64_t{VMX_PROCBASED_HLT_EXITING} << 32 | VMX_PROCBASED_RDTSC_EXITING;
  EXPECT_TRUE(mkvm_vmx_has(&caps, MKVM_CTL_PROC, VMX_PROCBASED_HLT_EXITING));
  EXPECT_FALSE(mkvm_vmx_has(&caps, MKVM_CTL_PROC, VMX_PROCBASED_RDTSC_EXITING));
  EXPECT_FALSE(
      mkvm_vmx_has(&caps, MKVM_CTL_PROC, VMX_PROCBASED_HLT_EXITING | VMX_PROCBASED_RDTSC_EXITING));
}

}  // namespace
