// SPDX-License-Identifier: GPL-2.0-only
#include "vmcb_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "x86_bits.h"

namespace {

using ::testing::HasSubstr;

struct State {
  mkvm_vmcb vmcb;
  mkvm_svm_caps caps;
};

constexpr uint64_t kSvme = MKVM_EFER_SVME;
constexpr uint64_t kLong = MKVM_EFER_LME | MKVM_EFER_LMA | kSvme;
constexpr uint32_t kValid = MKVM_SVM_EVENT_VALID;
constexpr uint32_t kException = kValid | MKVM_SVM_EVENT_EXCEPTION;

// A CPU after reset.
std::unique_ptr<State> real_mode() {
  auto s = std::make_unique<State>();
  s->caps = {0x1d01 | kSvme, 0x3ff7ff, 1, 16, 40, 0};
  mkvm_vmcb& v = s->vmcb;
  v.intercept[1] = 1;
  v.asid = 1;
  v.msrpm_pa = 0x10000;
  v.iopm_pa = 0x20000;
  v.nested_control = MKVM_SVM_NP_ENABLE;
  v.nested_cr3 = 0x30000;
  v.g_pat = MKVM_PAT_RESET;
  v.efer = kSvme;
  v.cr0 = 0x60000010;
  v.dr6 = MKVM_DR6_RESET;
  v.dr7 = MKVM_DR7_RESET;
  v.cs.attr = 0x9b;
  return s;
}

std::unique_ptr<State> long_mode() {
  auto s = real_mode();
  s->vmcb.efer = kLong;
  s->vmcb.cr0 = 0x80050033;
  s->vmcb.cr3 = 0x9000;
  s->vmcb.cr4 = X86_CR4_PAE;
  s->vmcb.cs.attr = 0xa9b;
  return s;
}

std::vector<mkvm_vmcb_finding> check(const State& s) {
  std::vector<mkvm_vmcb_finding> found(mkvm_vmcb_nr_rules());
  found.resize(mkvm_vmcb_check(&s.vmcb, &s.caps, found.data(), static_cast<int>(found.size())));
  return found;
}

std::string rules(const std::vector<mkvm_vmcb_finding>& found) {
  std::string all;
  for (const auto& f : found) all += std::string(f.rule) + "\n";
  return all;
}

struct Break {
  const char* name;
  void (*change)(mkvm_vmcb& v, mkvm_svm_caps& caps);
  const char* rule;
  size_t offset;  // of the field at fault
};

void PrintTo(const Break& b, std::ostream* os) { *os << b.name; }

constexpr const char* kConsistency = "Canonicalization and Consistency Checks";

// Each is a change to a 64-bit guest.
const std::vector<Break> kBreaks = {
    {"Svme", [](auto& v, auto&) { v.efer &= ~kSvme; }, "EFER.SVME is 1", offsetof(mkvm_vmcb, efer)},
    {"EferBit1", [](auto& v, auto&) { v.efer |= 2; }, "EFER: reserved", offsetof(mkvm_vmcb, efer)},
    {"EferHigh", [](auto& v, auto&) { v.efer |= 1ull << 63; }, "EFER: reserved",
     offsetof(mkvm_vmcb, efer)},
    {"NoLongMode", [](auto&, auto& caps) { caps.efer_mask &= ~0x500ull; }, "without long mode",
     offsetof(mkvm_vmcb, efer)},
    {"NwWithoutCd", [](auto& v, auto&) { v.cr0 |= X86_CR0_NW; }, "CR0.NW",
     offsetof(mkvm_vmcb, cr0)},
    {"Cr0High", [](auto& v, auto&) { v.cr0 |= 1ull << 32; }, "CR0: bits 63:32",
     offsetof(mkvm_vmcb, cr0)},
    {"Cr3Beyond", [](auto& v, auto&) { v.cr3 |= 1ull << 40; }, "CR3: bits beyond",
     offsetof(mkvm_vmcb, cr3)},
    {"Cr3Top", [](auto& v, auto&) { v.cr3 |= 1ull << 63; }, "CR3: bits beyond",
     offsetof(mkvm_vmcb, cr3)},
    {"Cr4Reserved", [](auto& v, auto&) { v.cr4 |= 1 << 11; }, "CR4: reserved",
     offsetof(mkvm_vmcb, cr4)},
    {"Cr4High", [](auto& v, auto&) { v.cr4 |= 1ull << 32; }, "CR4: reserved",
     offsetof(mkvm_vmcb, cr4)},
    {"CetWithoutWp",
     [](auto& v, auto& caps) {
       caps.cr4_mask |= MKVM_CR4_CET;
       v.cr4 |= MKVM_CR4_CET;
       v.cr0 &= ~uint64_t{X86_CR0_WP};
     },
     "CR4.CET needs CR0.WP", offsetof(mkvm_vmcb, cr4)},
    {"Dr6High", [](auto& v, auto&) { v.dr6 |= 1ull << 32; }, "DR6", offsetof(mkvm_vmcb, dr6)},
    {"Dr7High", [](auto& v, auto&) { v.dr7 |= 1ull << 63; }, "DR7", offsetof(mkvm_vmcb, dr7)},
    {"LongModeWithoutPae", [](auto& v, auto&) { v.cr4 = 0; }, "needs CR4.PAE",
     offsetof(mkvm_vmcb, cr4)},
    {"LongModeWithoutProtection", [](auto& v, auto&) { v.cr0 &= ~uint64_t{X86_CR0_PE}; },
     "needs CR0.PE", offsetof(mkvm_vmcb, cr0)},
    {"CsOfTwoSizes", [](auto& v, auto&) { v.cs.attr |= MKVM_SVM_ATTR_DB; }, "L and D",
     offsetof(mkvm_vmcb, cs) + 2},
    {"VmrunIntercept", [](auto& v, auto&) { v.intercept[1] = ~1u; }, "VMRUN intercept",
     offsetof(mkvm_vmcb, intercept) + 4},
    {"MsrpmBeyond", [](auto& v, auto&) { v.msrpm_pa = 1ull << 40; }, "MSR permissions map",
     offsetof(mkvm_vmcb, msrpm_pa)},
    {"MsrpmEndsBeyond", [](auto& v, auto&) { v.msrpm_pa = (1ull << 40) - 0x1000; },
     "MSR permissions map", offsetof(mkvm_vmcb, msrpm_pa)},
    {"MsrpmWraps", [](auto& v, auto&) { v.msrpm_pa = ~0ull; }, "MSR permissions map",
     offsetof(mkvm_vmcb, msrpm_pa)},
    {"IopmEndsBeyond", [](auto& v, auto&) { v.iopm_pa = (1ull << 40) - 0x2000; },
     "I/O permissions map", offsetof(mkvm_vmcb, iopm_pa)},
    {"AsidOfTheHost", [](auto& v, auto&) { v.asid = 0; }, "ASID is not 0",
     offsetof(mkvm_vmcb, asid)},
    {"AsidTooHigh", [](auto& v, auto&) { v.asid = 16; }, "number of ASIDs",
     offsetof(mkvm_vmcb, asid)},
    {"EventType1", [](auto& v, auto&) { v.event_inj = kValid | 1 << 8; }, "type is not a reserved",
     offsetof(mkvm_vmcb, event_inj)},
    {"EventType5", [](auto& v, auto&) { v.event_inj = kValid | 5 << 8; }, "type is not a reserved",
     offsetof(mkvm_vmcb, event_inj)},
    {"EventType7", [](auto& v, auto&) { v.event_inj = kValid | 7 << 8; }, "type is not a reserved",
     offsetof(mkvm_vmcb, event_inj)},
    {"NmiAsException", [](auto& v, auto&) { v.event_inj = kException | 2; }, "vector of an exc",
     offsetof(mkvm_vmcb, event_inj)},
    {"Exception9", [](auto& v, auto&) { v.event_inj = kException | 9; }, "vector of an exc",
     offsetof(mkvm_vmcb, event_inj)},
    {"Exception15", [](auto& v, auto&) { v.event_inj = kException | 15; }, "vector of an exc",
     offsetof(mkvm_vmcb, event_inj)},
    {"Exception32", [](auto& v, auto&) { v.event_inj = kException | 32; }, "vector of an exc",
     offsetof(mkvm_vmcb, event_inj)},
    {"Overflow", [](auto& v, auto&) { v.event_inj = kException | 4; }, "no #OF",
     offsetof(mkvm_vmcb, event_inj)},
    {"BoundRange", [](auto& v, auto&) { v.event_inj = kException | 5; }, "no #OF",
     offsetof(mkvm_vmcb, event_inj)},
    {"NestedCr3Beyond", [](auto& v, auto&) { v.nested_cr3 |= 1ull << 40; }, "nCR3",
     offsetof(mkvm_vmcb, nested_cr3)},
    {"PatType2", [](auto& v, auto&) { v.g_pat = 0x0007040600070402; }, "G_PAT",
     offsetof(mkvm_vmcb, g_pat)},
    {"PatReserved", [](auto& v, auto&) { v.g_pat |= 1ull << 63; }, "G_PAT",
     offsetof(mkvm_vmcb, g_pat)},
};

class VmcbBreak : public ::testing::TestWithParam<Break> {};

TEST_P(VmcbBreak, IsFoundAndNothingElse) {
  const auto s = long_mode();
  GetParam().change(s->vmcb, s->caps);
  const auto found = check(*s);
  ASSERT_EQ(found.size(), 1u) << rules(found);
  EXPECT_THAT(found[0].rule, HasSubstr(GetParam().rule));
  ASSERT_GE(found[0].nr, 1u);
  EXPECT_EQ(found[0].field[0].offset, GetParam().offset);
}

INSTANTIATE_TEST_SUITE_P(VmcbCheck, VmcbBreak, ::testing::ValuesIn(kBreaks),
                         [](const auto& info) { return std::string(info.param.name); });

struct Legal {
  const char* name;
  void (*change)(mkvm_vmcb& v, mkvm_svm_caps& caps);
};

void PrintTo(const Legal& l, std::ostream* os) { *os << l.name; }

class VmcbLegal : public ::testing::TestWithParam<Legal> {};

TEST_P(VmcbLegal, HasNoFinding) {
  const auto s = long_mode();
  GetParam().change(s->vmcb, s->caps);
  EXPECT_EQ(rules(check(*s)), "");
}

INSTANTIATE_TEST_SUITE_P(VmcbCheck, VmcbLegal,
                         ::
                             testing::Values(Legal{"AsItIs", [](auto&, auto&) {}},
                                             Legal{"NwWithCd",
                                                   [](auto& v, auto&) {
                                                     v.cr0 |= X86_CR0_NW | X86_CR0_CD;
                                                   }},
                                             Legal{"Compatibility",
                                                   [](auto& v, auto&) { v.cs.attr = 0xc9b; }},
                                             Legal{"LowestAsid",
                                                   [](auto& v, auto&) { v.asid = 1; }},
                                             Legal{"HighestAsid",
                                                   [](auto& v, auto&) { v.asid = 15; }},
                                             Legal{"HighestMsrpm",
                                                   [](auto& v, auto&) {
                                                     v.msrpm_pa = (1ull << 40) - 0x2000;
                                                   }},
                                             Legal{"HighestIopm",
                                                   [](auto& v, auto&) {
                                                     v.iopm_pa = (1ull << 40) - 0x3000;
                                                   }},
                                             Legal{"LowBitsOfTheMaps",
                                                   [](auto& v, auto&) {
                                                     v.msrpm_pa = (1ull << 40) - 0x2000 + 0xfff;
                                                     v.iopm_pa = (1ull << 40) - 0x3000 + 0xfff;
                                                   }},
                                             Legal{"InvalidEvent",
                                                   [](auto& v, auto&) { v.event_inj = 0x7ff; }},
                                             Legal{"InvalidException",
                                                   [](auto& v, auto&) {
                                                     v.event_inj = MKVM_SVM_EVENT_EXCEPTION | 2;
                                                   }},
                                             Legal{"Interrupt",
                                                   [](auto& v, auto&) {
                                                     v.event_inj = kValid | 0xff;
                                                   }},
                                             Legal{"Nmi",
                                                   [](auto& v, auto&) {
                                                     v.event_inj = kValid | MKVM_SVM_EVENT_NMI | 2;
                                                   }},
                                             Legal{"SoftwareInterrupt4",
                                                   [](auto& v, auto&) {
                                                     v.event_inj =
                                                         kValid | MKVM_SVM_EVENT_SOFTWARE | 4;
                                                   }},
                                             Legal{"PageFault",
                                                   [](auto& v, auto&) {
                                                     v.event_inj = kException | 0x200000800 | 14;
                                                   }},
                                             Legal{"ControlProtection",
                                                   [](auto& v, auto&) {
                                                     v.event_inj = kException | 21;
                                                   }},
                                             Legal{"OverflowOutside64Bit",
                                                   [](auto& v, auto&) {
                                                     v.cs.attr = 0xc9b;
                                                     v.event_inj = kException | 4;
                                                   }},
                                             Legal{"CetWithWp",
                                                   [](auto& v, auto& caps) {
                                                     caps.cr4_mask |= MKVM_CR4_CET;
                                                     v.cr4 |= MKVM_CR4_CET;
                                                   }},
                                             Legal{"NestedFieldsOfShadowPaging",
                                                   [](auto& v, auto&) {
                                                     v.nested_control = 0;
                                                     v.nested_cr3 = ~0ull;
                                                     v.g_pat = ~0ull;
                                                   }},
                                             Legal{
                                                 "NestedFieldsOfACpuWithoutIt",
                                                 [](auto& v, auto& caps) {
                                                   caps.features = 0;
                                                   v.nested_cr3 = ~0ull;
                                                   v.g_pat = ~0ull;
                                                 }}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(VmcbCheck, RealModeHasNoFinding) { EXPECT_EQ(rules(check(*real_mode())), ""); }

// Legal nowhere but in a VMCB.
TEST(VmcbCheck, PagedRealModeHasNoFinding) {
  const auto s = real_mode();
  s->vmcb.cr0 = X86_CR0_PG;
  s->vmcb.cr3 = ~0ull;
  EXPECT_EQ(rules(check(*s)), "");
}

TEST(VmcbCheck, TheBreaksAboveCoverEveryRule) {
  std::set<std::string> seen;
  for (const Break& b : kBreaks) {
    const auto s = long_mode();
    b.change(s->vmcb, s->caps);
    for (const auto& f : check(*s)) seen.insert(f.rule);
  }
  EXPECT_EQ(seen.size(), mkvm_vmcb_nr_rules());
}

TEST(VmcbCheck, ValuesHaveTheWidthOfTheirFields) {
  const auto s = long_mode();
  s->vmcb.asid = 0x12345678;
  s->vmcb.cs.attr = 0xe9b;
  s->vmcb.cs.limit = ~0u;
  const auto found = check(*s);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].section, std::string(kConsistency));
  EXPECT_EQ(found[0].field[0].value, 0xe9bu);
  EXPECT_EQ(found[0].field[0].size, 2);
  EXPECT_EQ(found[0].nr, 2u);
  EXPECT_EQ(found[0].field[1].value, kLong);
  EXPECT_EQ(found[1].field[0].value, 0x12345678u);
}

TEST(VmcbCheck, CountsMoreThanItHasRoomFor) {
  const auto s = long_mode();
  s->vmcb = {};
  mkvm_vmcb_finding one[2] = {};
  EXPECT_EQ(mkvm_vmcb_check(&s->vmcb, &s->caps, one, 1), 3);  // SVME, the intercept, the ASID
  EXPECT_NE(one[0].rule, nullptr);
  EXPECT_EQ(one[1].rule, nullptr);
  EXPECT_EQ(mkvm_vmcb_check(&s->vmcb, &s->caps, nullptr, 0), 3);
}

}  // namespace
