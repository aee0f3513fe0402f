// SPDX-License-Identifier: GPL-2.0-only
#include "msr.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace {

// SDM vol. 4; <asm/kvm_para.h>; APM vol. 2, appendix "MSR Cross-Reference".
constexpr uint32_t kTsc = 0x10;
constexpr uint32_t kKvmSystemTime = 0x12;
constexpr uint32_t kKvmSystemTimeNew = 0x4b564d01;
constexpr uint32_t kApicBase = 0x1b;
constexpr uint32_t kFeatureControl = 0x3a;
constexpr uint32_t kTscAdjust = 0x3b;
constexpr uint32_t kBiosSignId = 0x8b;
constexpr uint32_t kPlatformInfo = 0xce;
constexpr uint32_t kMtrrcap = 0xfe;
constexpr uint32_t kArchCapabilities = 0x10a;
constexpr uint32_t kSysenterCs = 0x174;
constexpr uint32_t kSysenterEsp = 0x175;
constexpr uint32_t kSysenterEip = 0x176;
constexpr uint32_t kMcgCap = 0x179;
constexpr uint32_t kMcgCtl = 0x17b;
constexpr uint32_t kMiscEnable = 0x1a0;
constexpr uint32_t kDebugctl = 0x1d9;
constexpr uint32_t kMtrrPhysbase0 = 0x200;
constexpr uint32_t kMtrrFix64k00000 = 0x250;
constexpr uint32_t kMtrrFix4kC0000 = 0x268;
constexpr uint32_t kPat = 0x277;
constexpr uint32_t kMtrrDefType = 0x2ff;
constexpr uint32_t kMc0Ctl = 0x400;
constexpr uint32_t kTscDeadline = 0x6e0;
constexpr uint32_t kXss = 0xda0;
constexpr uint32_t kEfer = 0xc0000080;
constexpr uint32_t kStar = 0xc0000081;
constexpr uint32_t kLstar = 0xc0000082;
constexpr uint32_t kCstar = 0xc0000083;
constexpr uint32_t kSfmask = 0xc0000084;
constexpr uint32_t kFsBase = 0xc0000100;
constexpr uint32_t kGsBase = 0xc0000101;
constexpr uint32_t kKernelGsBase = 0xc0000102;
constexpr uint32_t kTscAux = 0xc0000103;
constexpr uint32_t kSyscfg = 0xc0010010;
constexpr uint32_t kHwcr = 0xc0010015;
constexpr uint32_t kNbCfg = 0xc001001f;
constexpr uint32_t kFidvidStatus = 0xc0010042;
constexpr uint32_t kIntPending = 0xc0010055;
constexpr uint32_t kVmCr = 0xc0010114;
constexpr uint32_t kDcCfg = 0xc0011022;
constexpr uint32_t kDeCfg = 0xc0011029;
constexpr uint32_t kBuCfg2 = 0xc001102a;

constexpr uint64_t kNotCanonical = 0x0000800000000000;

mkvm_guest_cpu full_cpu() {
  mkvm_guest_cpu cpu = {};
  cpu.efer_allowed = 0xd01;
  cpu.maxphyaddr = 40;
  cpu.maxlinaddr = 48;
  cpu.tsc_aux = cpu.tsc_adjust = cpu.tsc_deadline = true;
  return cpu;
}

bool valid(uint32_t index, uint64_t value) {
  const mkvm_guest_cpu cpu = full_cpu();
  const mkvm_msr_rule* rule = mkvm_msr_find(index);
  return rule && mkvm_msr_valid(rule, index, value, &cpu);
}

struct Value {
  const char* name;
  uint32_t index;
  uint64_t good, bad;
};

void PrintTo(const Value& v, std::ostream* os) { *os << v.name; }

class MsrValue : public ::testing::TestWithParam<Value> {};

TEST_P(MsrValue, IsChecked) {
  EXPECT_TRUE(valid(GetParam().index, GetParam().good));
  EXPECT_FALSE(valid(GetParam().index, GetParam().bad));
}

INSTANTIATE_TEST_SUITE_P(
    Msr, MsrValue,
    ::testing::Values(
        Value{"Lstar", kLstar, 0xffffffff81000000, kNotCanonical},
        Value{"Cstar", kCstar, 0, kNotCanonical},
        Value{"FsBase", kFsBase, 0x7fff00000000, kNotCanonical},
        Value{"GsBase", kGsBase, 0xffff888000000000, 0xffff000000000000},
        Value{"KernelGsBase", kKernelGsBase, 0, kNotCanonical},
        Value{"SysenterEsp", kSysenterEsp, 0x1000, kNotCanonical},
        Value{"SysenterEip", kSysenterEip, 0x1000, kNotCanonical},
        Value{"SysenterCs", kSysenterCs, 0x10, 1ull << 32},
        Value{"Sfmask", kSfmask, 0x47700, 1ull << 32},
        Value{"TscAux", kTscAux, 0xffffffff, 1ull << 32},
        Value{"EferReserved", kEfer, 0xd01, 0xd03}, Value{"EferSvme", kEfer, 0, 1 << 12},
        Value{"PatTypes", kPat, MKVM_PAT_RESET, 0x0007040600070402},
        Value{"PatHighBits", kPat, 0x0606060606060606, 0x8600000000000000},
        Value{"MtrrFixedUncachedMinus", kMtrrFix64k00000, 0x0606060606060606, 7},
        Value{"MtrrFixedType", kMtrrFix4kC0000 + 7, 0, 0x0300000000000000},
        Value{"MtrrBaseType", kMtrrPhysbase0, 0x1006, 0x1002},
        Value{"MtrrBaseReserved", kMtrrPhysbase0, 0x1006, 0x1106},
        Value{"MtrrBaseBeyond", kMtrrPhysbase0 + 14, 6, (1ull << 40) | 6},
        Value{"MtrrMaskReserved", kMtrrPhysbase0 + 1, 0xffffff800, 0xffffff806},
        Value{"MtrrMaskBeyond", kMtrrPhysbase0 + 15, 0xfffffff800, 1ull << 40},
        Value{"MtrrDefaultType", kMtrrDefType, 0xc06, 0xc07},
        Value{"MtrrDefaultReserved", kMtrrDefType, 0xc00, 0x1c06},
        Value{"MtrrCap", kMtrrcap, 0x508, 0}, Value{"FeatureControl", kFeatureControl, 1, 5},
        Value{"PlatformInfo", kPlatformInfo, 0xff00, 1ull << 31},
        Value{"MceControl", kMc0Ctl + 4, ~0ull & ~(1ull << 10), 1},
        Value{"MiscEnable", kMiscEnable, 0x1801, 1ull << 34}, Value{"McgCtl", kMcgCtl, ~0ull, 1},
        Value{"Debugctl", kDebugctl, 2, 1}, Value{"Xss", kXss, 0, 1 << 8},
        Value{"ApicBase", kApicBase, 0xfee00900, 0xfee00901}, Value{"Hwcr", kHwcr, 0x1040148, 1},
        Value{"Syscfg", kSyscfg, 0, 1 << 18}, Value{"VmCr", kVmCr, 0x18, 0},
        Value{"DeCfg", kDeCfg, 2, 1 << 9}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Msr, AnythingGoesWhereTheSdmSaysSo) {
  for (uint32_t index :
       {kTsc, kTscAdjust, kStar, kBiosSignId, kMc0Ctl + 1, kNbCfg, kDcCfg, kBuCfg2})
    EXPECT_TRUE(valid(index, 0xdeadbeefdeadbeef)) << std::hex << index;
}

// CVE-2016-3713 was an index just outside a table of MTRRs.
TEST(Msr, NothingBesideTheTables) {
  for (uint32_t index :
       {0x1ffu, 0x210u, 0x24fu, 0x251u,      0x257u,      0x25au,     0x267u, 0x270u,
        0x276u, 0x278u, 0x2feu, 0x300u,      0x3ffu,      0x428u,     0x480u, 0x48bu,
        0x491u, 0x800u, 0x8ffu, 0x40000000u, 0xc0000104u, 0xffffffffu}) {
    EXPECT_EQ(mkvm_msr_find(index), nullptr) << std::hex << index;
    EXPECT_FALSE(valid(index, 0)) << std::hex << index;
  }
}

// Sweeps all of the space that real MSRs are in, under AddressSanitizer.
TEST(Msr, StoredValuesHaveDistinctPlacesInsideTheFile) {
  mkvm_msr_file file;
  std::set<u64*> places;
  for (uint64_t base : {0ull, 0x40000000ull, 0xc0000000ull, 0xffff0000ull}) {
    for (uint64_t i = base; i < base + 0x10000; ++i) {
      const mkvm_msr_rule* rule = mkvm_msr_find(i);
      u64* place = mkvm_msr_stored(&file, i);
      ASSERT_EQ(place != nullptr, rule && rule->home == MKVM_MSR_STORED) << std::hex << i;
      ASSERT_TRUE(!place || places.insert(place).second) << std::hex << i;
    }
  }
  EXPECT_EQ(places.size(), size_t{MKVM_MSR_FILE_SIZE});
  EXPECT_EQ(static_cast<void*>(*places.begin()), static_cast<void*>(&file.value[0]));
  EXPECT_EQ(*places.rbegin() - *places.begin(), MKVM_MSR_FILE_SIZE - 1);
}

TEST(Msr, ResetValuesAreValid) {
  mkvm_msr_file file;
  mkvm_msr_reset(&file);
  EXPECT_EQ(*mkvm_msr_stored(&file, kMiscEnable), 0x1801u);
  EXPECT_EQ(*mkvm_msr_stored(&file, kMtrrDefType), 0u);
  for (uint32_t base : {0u, 0xc0010000u})
    for (uint32_t i = base; i < base + 0x2000; ++i) {
      const mkvm_msr_rule* rule = mkvm_msr_find(i);
      EXPECT_TRUE(!rule || i == kMcgCap || valid(i, rule->reset)) << rule->name;
    }
}

TEST(Msr, TheHardwareHoldsWhatItSwitches) {
  for (uint32_t index : {kSysenterCs, kSysenterEsp, kSysenterEip, kDebugctl, kPat, kFsBase, kGsBase,
                         kKernelGsBase, kStar, kLstar, kCstar, kSfmask, kTscAux}) {
    const mkvm_msr_rule* rule = mkvm_msr_find(index);
    ASSERT_NE(rule, nullptr);
    EXPECT_EQ(rule->home, MKVM_MSR_VENDOR) << rule->name;
  }
}

// The rules are found by halving: each is, at its first and its last index, and its neighbours are
// not it.
TEST(Msr, EveryRuleIsFound) {
  std::set<const mkvm_msr_rule*> seen;
  for (uint64_t base : {0ull, 0x4b564d00ull, 0xc0000000ull, 0xc0010000ull})
    for (uint64_t i = base; i < base + 0x2000; ++i) {
      const mkvm_msr_rule* rule = mkvm_msr_find(i);
      if (!rule) continue;
      EXPECT_GE(i, rule->index);
      EXPECT_LT(i - rule->index, rule->count);
      seen.insert(rule);
    }
  ASSERT_FALSE(seen.empty());
  // One array without a gap: nothing in it is out of order and so never found.
  EXPECT_EQ(*seen.rbegin() - *seen.begin() + 1, static_cast<ptrdiff_t>(seen.size()));
  EXPECT_EQ((*seen.begin())->index, kTsc);
  EXPECT_EQ((*seen.rbegin())->index, kBuCfg2);
}

TEST(Msr, GuestRights) {
  EXPECT_FALSE(mkvm_msr_find(kMtrrcap)->flags & MKVM_MSR_GUEST_WRITE);
  EXPECT_FALSE(mkvm_msr_find(kMcgCap)->flags & MKVM_MSR_GUEST_WRITE);
  EXPECT_TRUE(mkvm_msr_find(kBiosSignId)->flags & MKVM_MSR_GUEST_WRITE);
  EXPECT_TRUE(mkvm_msr_find(kLstar)->flags & MKVM_MSR_GUEST_WRITE);
}

TEST(Msr, WhatIsOfferedFollowsCpuid) {
  mkvm_guest_cpu cpu = full_cpu();
  for (uint32_t index : {kTscAux, kTscAdjust, kTscDeadline})
    EXPECT_TRUE(mkvm_msr_offered(mkvm_msr_find(index), &cpu));
  cpu.tsc_aux = cpu.tsc_adjust = cpu.tsc_deadline = false;
  for (uint32_t index : {kTscAux, kTscAdjust, kTscDeadline})
    EXPECT_FALSE(mkvm_msr_offered(mkvm_msr_find(index), &cpu));
  EXPECT_TRUE(mkvm_msr_offered(mkvm_msr_find(kTsc), &cpu));
  EXPECT_FALSE(mkvm_msr_offered(mkvm_msr_find(kKvmSystemTime), &cpu));
  cpu.pv_clock = true;
  cpu.pv_steal_time = true;
  EXPECT_TRUE(mkvm_msr_offered(mkvm_msr_find(kKvmSystemTime), &cpu));
  EXPECT_FALSE(mkvm_msr_offered(mkvm_msr_find(kKvmSystemTimeNew), &cpu));
}

constexpr uint32_t kAmd[] = {kSyscfg, kHwcr,  kNbCfg, kFidvidStatus, kIntPending,
                             kVmCr,   kDcCfg, kDeCfg, kBuCfg2};

TEST(Msr, AmdsOwnAreForItsGuests) {
  mkvm_guest_cpu cpu = full_cpu();
  for (uint32_t index : kAmd) {
    const mkvm_msr_rule* rule = mkvm_msr_find(index);
    ASSERT_NE(rule, nullptr) << std::hex << index;
    cpu.amd = false;
    EXPECT_FALSE(mkvm_msr_offered(rule, &cpu)) << rule->name;
    cpu.amd = true;
    EXPECT_TRUE(mkvm_msr_offered(rule, &cpu)) << rule->name;
    EXPECT_TRUE(rule->flags & MKVM_MSR_GUEST_READ) << rule->name;
  }
}

// What Linux reads without a handler for #GP, and what it would complain of.
TEST(Msr, WhatLinuxOnAmdReads) {
  const auto reads = [](uint32_t index) { return mkvm_msr_find(index)->reset; };
  EXPECT_EQ(reads(kHwcr), 1u << 24) << "else: TSC doesn't count with P0 frequency!";
  EXPECT_EQ(reads(kDeCfg), 2u) << "LFENCE serializes";
  EXPECT_EQ(reads(kSyscfg), 0u) << "no memory encryption, no DRAM MTRR extension";
  EXPECT_EQ(reads(kIntPending), 0u) << "no C1E";
  EXPECT_EQ(reads(kVmCr), 0x18u) << "SVM disabled and locked";
}

// It writes these without a handler, too.
TEST(Msr, WhatLinuxOnAmdWrites) {
  for (uint32_t index : {kHwcr, kNbCfg}) {
    EXPECT_TRUE(mkvm_msr_find(index)->flags & MKVM_MSR_GUEST_WRITE);
    EXPECT_EQ(mkvm_msr_find(index)->home, MKVM_MSR_IGNORED);
  }
  EXPECT_TRUE(valid(kNbCfg, 1ull << 46)) << "extended configuration space";
  EXPECT_TRUE(valid(kHwcr, 1u << 24 | 1u << 18)) << "McStatusWrEn";
  EXPECT_TRUE(valid(kHwcr, 1u << 24 | 1u << 6)) << "FFDis";
}

// Reading LS_CFG is how Linux finds out that it can disable speculative stores.
TEST(Msr, NoLsCfg) { EXPECT_EQ(mkvm_msr_find(0xc0011020), nullptr); }

TEST(MsrList, HoldsWhatClientsSaveAndNothingThatIsMissing) {
  mkvm_guest_cpu cpu = full_cpu();
  cpu.tsc_deadline = false;
  std::vector<uint32_t> list(64);
  list.resize(mkvm_msr_list(&cpu, MKVM_MSR_LISTED, list.data(), list.size()));
  const auto has = [&list](uint32_t index) {
    return std::find(list.begin(), list.end(), index) != list.end();
  };
  for (uint32_t index : {kTsc, kSysenterCs, kSysenterEsp, kSysenterEip, kStar, kLstar, kCstar,
                         kSfmask, kKernelGsBase, kPat, kTscAux, kMiscEnable})
    EXPECT_TRUE(has(index)) << std::hex << index;
  EXPECT_FALSE(has(kTscDeadline));
  for (uint32_t index : list) EXPECT_NE(mkvm_msr_find(index), nullptr);
}

TEST(MsrList, FeaturesAreAListOfTheirOwn) {
  mkvm_guest_cpu cpu = full_cpu();
  uint32_t list[8];
  EXPECT_EQ(mkvm_msr_list(&cpu, MKVM_MSR_FEATURE, list, 8), 1u);
  EXPECT_EQ(list[0], uint32_t{kBiosSignId});
  cpu.amd = true;
  EXPECT_EQ(mkvm_msr_list(&cpu, MKVM_MSR_FEATURE, list, 8), 2u);
  EXPECT_EQ(list[1], uint32_t{kDeCfg});
  cpu.amd = false;
  cpu.arch_caps = true;
  EXPECT_EQ(mkvm_msr_list(&cpu, MKVM_MSR_FEATURE, list, 8), 2u);
  EXPECT_EQ(list[1], uint32_t{kArchCapabilities});
}

TEST(MsrList, CountsMoreThanItHasRoomFor) {
  const mkvm_guest_cpu cpu = full_cpu();
  uint32_t two[3] = {0, 0, 0x5a5a5a5a};
  EXPECT_GT(mkvm_msr_list(&cpu, MKVM_MSR_LISTED, two, 2), 2u);
  EXPECT_NE(two[1], 0u);
  EXPECT_EQ(two[2], 0x5a5a5a5au);
}

}  // namespace
