// SPDX-License-Identifier: GPL-2.0-only
#include "msr.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace {

constexpr uint64_t kNotCanonical = 0x0000800000000000;

mkvm_guest_cpu full_cpu() {
  mkvm_guest_cpu cpu = {};
  cpu.efer_allowed = 0xd01;
  cpu.maxphyaddr = 40;
  cpu.maxlinaddr = 48;
  cpu.tsc_aux = cpu.tsc_adjust = cpu.tsc_deadline = cpu.xsaves = true;
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
        Value{"Lstar", MKVM_IA32_LSTAR, 0xffffffff81000000, kNotCanonical},
        Value{"Cstar", MKVM_IA32_CSTAR, 0, kNotCanonical},
        Value{"FsBase", MKVM_IA32_FS_BASE, 0x7fff00000000, kNotCanonical},
        Value{"GsBase", MKVM_IA32_GS_BASE, 0xffff888000000000, 0xffff000000000000},
        Value{"KernelGsBase", MKVM_IA32_KERNEL_GS_BASE, 0, kNotCanonical},
        Value{"SysenterEsp", MKVM_IA32_SYSENTER_ESP, 0x1000, kNotCanonical},
        Value{"SysenterEip", MKVM_IA32_SYSENTER_EIP, 0x1000, kNotCanonical},
        Value{"SysenterCs", MKVM_IA32_SYSENTER_CS, 0x10, 1ull << 32},
        Value{"Sfmask", MKVM_IA32_SFMASK, 0x47700, 1ull << 32},
        Value{"TscAux", MKVM_IA32_TSC_AUX, 0xffffffff, 1ull << 32},
        Value{"EferReserved", MKVM_IA32_EFER, 0xd01, 0xd03},
        Value{"EferSvme", MKVM_IA32_EFER, 0, 1 << 12},
        Value{"PatTypes", MKVM_IA32_PAT, MKVM_PAT_RESET, 0x0007040600070402},
        Value{"PatHighBits", MKVM_IA32_PAT, 0x0606060606060606, 0x8600000000000000},
        Value{"MtrrFixedUncachedMinus", MKVM_IA32_MTRR_FIX64K_00000, 0x0606060606060606, 7},
        Value{"MtrrFixedType", MKVM_IA32_MTRR_FIX4K_C0000 + 7, 0, 0x0300000000000000},
        Value{"MtrrBaseType", MKVM_IA32_MTRR_PHYSBASE0, 0x1006, 0x1002},
        Value{"MtrrBaseReserved", MKVM_IA32_MTRR_PHYSBASE0, 0x1006, 0x1106},
        Value{"MtrrBaseBeyond", MKVM_IA32_MTRR_PHYSBASE0 + 14, 6, (1ull << 40) | 6},
        Value{"MtrrMaskReserved", MKVM_IA32_MTRR_PHYSBASE0 + 1, 0xffffff800, 0xffffff806},
        Value{"MtrrMaskBeyond", MKVM_IA32_MTRR_PHYSBASE0 + 15, 0xfffffff800, 1ull << 40},
        Value{"MtrrDefaultType", MKVM_IA32_MTRR_DEF_TYPE, 0xc06, 0xc07},
        Value{"MtrrDefaultReserved", MKVM_IA32_MTRR_DEF_TYPE, 0xc00, 0x1c06},
        Value{"MtrrCap", MKVM_IA32_MTRRCAP, 0x508, 0},
        Value{"FeatureControl", MKVM_IA32_FEATURE_CONTROL, 1, 5},
        Value{"PlatformInfo", MKVM_IA32_PLATFORM_INFO, 0xff00, 1ull << 31},
        Value{"MceControl", MKVM_IA32_MC0_CTL + 4, ~0ull & ~(1ull << 10), 1},
        Value{"MiscEnable", MKVM_IA32_MISC_ENABLE, 0x1801, 1ull << 34},
        Value{"McgCtl", MKVM_IA32_MCG_CTL, ~0ull, 1}, Value{"Debugctl", MKVM_IA32_DEBUGCTL, 2, 1},
        Value{"Xss", MKVM_IA32_XSS, 0, 1 << 8},
        Value{"ApicBase", MKVM_IA32_APIC_BASE, 0xfee00900, 0xfee00901},
        Value{"Hwcr", MKVM_AMD_HWCR, 0x1040148, 1}, Value{"Syscfg", MKVM_AMD_SYSCFG, 0, 1 << 18},
        Value{"VmCr", MKVM_AMD_VM_CR, 0x18, 0}, Value{"DeCfg", MKVM_AMD_DE_CFG, 2, 1 << 9}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Msr, AnythingGoesWhereTheSdmSaysSo) {
  for (uint32_t index :
       {MKVM_IA32_TSC, MKVM_IA32_TSC_ADJUST, MKVM_IA32_STAR, MKVM_IA32_BIOS_SIGN_ID,
        MKVM_IA32_MC0_CTL + 1, MKVM_AMD_NB_CFG, MKVM_AMD_DC_CFG, MKVM_AMD_BU_CFG2})
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
  EXPECT_EQ(*mkvm_msr_stored(&file, MKVM_IA32_MISC_ENABLE), 0x1801u);
  EXPECT_EQ(*mkvm_msr_stored(&file, MKVM_IA32_MTRR_DEF_TYPE), 0u);
  for (uint32_t base : {0u, 0xc0010000u})
    for (uint32_t i = base; i < base + 0x2000; ++i) {
      const mkvm_msr_rule* rule = mkvm_msr_find(i);
      EXPECT_TRUE(!rule || i == MKVM_IA32_MCG_CAP || valid(i, rule->reset)) << rule->name;
    }
}

TEST(Msr, TheHardwareHoldsWhatItSwitches) {
  for (uint32_t index :
       {MKVM_IA32_SYSENTER_CS, MKVM_IA32_SYSENTER_ESP, MKVM_IA32_SYSENTER_EIP, MKVM_IA32_DEBUGCTL,
        MKVM_IA32_PAT, MKVM_IA32_FS_BASE, MKVM_IA32_GS_BASE, MKVM_IA32_KERNEL_GS_BASE,
        MKVM_IA32_STAR, MKVM_IA32_LSTAR, MKVM_IA32_CSTAR, MKVM_IA32_SFMASK, MKVM_IA32_TSC_AUX}) {
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
  EXPECT_EQ((*seen.begin())->index, uint32_t{MKVM_IA32_TSC});
  EXPECT_EQ((*seen.rbegin())->index, uint32_t{MKVM_AMD_BU_CFG2});
}

TEST(Msr, GuestRights) {
  EXPECT_FALSE(mkvm_msr_find(MKVM_IA32_MTRRCAP)->flags & MKVM_MSR_GUEST_WRITE);
  EXPECT_FALSE(mkvm_msr_find(MKVM_IA32_MCG_CAP)->flags & MKVM_MSR_GUEST_WRITE);
  EXPECT_TRUE(mkvm_msr_find(MKVM_IA32_BIOS_SIGN_ID)->flags & MKVM_MSR_GUEST_WRITE);
  EXPECT_TRUE(mkvm_msr_find(MKVM_IA32_LSTAR)->flags & MKVM_MSR_GUEST_WRITE);
}

TEST(Msr, WhatIsOfferedFollowsCpuid) {
  mkvm_guest_cpu cpu = full_cpu();
  for (uint32_t index :
       {MKVM_IA32_TSC_AUX, MKVM_IA32_TSC_ADJUST, MKVM_IA32_TSC_DEADLINE, MKVM_IA32_XSS})
    EXPECT_TRUE(mkvm_msr_offered(mkvm_msr_find(index), &cpu));
  cpu.tsc_aux = cpu.tsc_adjust = cpu.tsc_deadline = cpu.xsaves = false;
  for (uint32_t index :
       {MKVM_IA32_TSC_AUX, MKVM_IA32_TSC_ADJUST, MKVM_IA32_TSC_DEADLINE, MKVM_IA32_XSS})
    EXPECT_FALSE(mkvm_msr_offered(mkvm_msr_find(index), &cpu));
  EXPECT_TRUE(mkvm_msr_offered(mkvm_msr_find(MKVM_IA32_TSC), &cpu));
  EXPECT_FALSE(mkvm_msr_offered(mkvm_msr_find(MKVM_IA32_KVM_SYSTEM_TIME), &cpu));
  cpu.pv_clock = true;
  cpu.pv_steal_time = true;
  EXPECT_TRUE(mkvm_msr_offered(mkvm_msr_find(MKVM_IA32_KVM_SYSTEM_TIME), &cpu));
  EXPECT_FALSE(mkvm_msr_offered(mkvm_msr_find(MKVM_IA32_KVM_SYSTEM_TIME_NEW), &cpu));
}

constexpr uint32_t kAmd[] = {MKVM_AMD_SYSCFG,        MKVM_AMD_HWCR,        MKVM_AMD_NB_CFG,
                             MKVM_AMD_FIDVID_STATUS, MKVM_AMD_INT_PENDING, MKVM_AMD_VM_CR,
                             MKVM_AMD_DC_CFG,        MKVM_AMD_DE_CFG,      MKVM_AMD_BU_CFG2};

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
  EXPECT_EQ(reads(MKVM_AMD_HWCR), 1u << 24) << "else: TSC doesn't count with P0 frequency!";
  EXPECT_EQ(reads(MKVM_AMD_DE_CFG), 2u) << "LFENCE serializes";
  EXPECT_EQ(reads(MKVM_AMD_SYSCFG), 0u) << "no memory encryption, no DRAM MTRR extension";
  EXPECT_EQ(reads(MKVM_AMD_INT_PENDING), 0u) << "no C1E";
  EXPECT_EQ(reads(MKVM_AMD_VM_CR), 0x18u) << "SVM disabled and locked";
}

// It writes these without a handler, too.
TEST(Msr, WhatLinuxOnAmdWrites) {
  for (uint32_t index : {MKVM_AMD_HWCR, MKVM_AMD_NB_CFG}) {
    EXPECT_TRUE(mkvm_msr_find(index)->flags & MKVM_MSR_GUEST_WRITE);
    EXPECT_EQ(mkvm_msr_find(index)->home, MKVM_MSR_IGNORED);
  }
  EXPECT_TRUE(valid(MKVM_AMD_NB_CFG, 1ull << 46)) << "extended configuration space";
  EXPECT_TRUE(valid(MKVM_AMD_HWCR, 1u << 24 | 1u << 18)) << "McStatusWrEn";
  EXPECT_TRUE(valid(MKVM_AMD_HWCR, 1u << 24 | 1u << 6)) << "FFDis";
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
  for (uint32_t index :
       {MKVM_IA32_TSC, MKVM_IA32_SYSENTER_CS, MKVM_IA32_SYSENTER_ESP, MKVM_IA32_SYSENTER_EIP,
        MKVM_IA32_STAR, MKVM_IA32_LSTAR, MKVM_IA32_CSTAR, MKVM_IA32_SFMASK,
        MKVM_IA32_KERNEL_GS_BASE, MKVM_IA32_PAT, MKVM_IA32_TSC_AUX, MKVM_IA32_MISC_ENABLE})
    EXPECT_TRUE(has(index)) << std::hex << index;
  EXPECT_FALSE(has(MKVM_IA32_TSC_DEADLINE));
  for (uint32_t index : list) EXPECT_NE(mkvm_msr_find(index), nullptr);
}

TEST(MsrList, FeaturesAreAListOfTheirOwn) {
  mkvm_guest_cpu cpu = full_cpu();
  uint32_t list[8];
  EXPECT_EQ(mkvm_msr_list(&cpu, MKVM_MSR_FEATURE, list, 8), 1u);
  EXPECT_EQ(list[0], uint32_t{MKVM_IA32_BIOS_SIGN_ID});
  cpu.amd = true;
  EXPECT_EQ(mkvm_msr_list(&cpu, MKVM_MSR_FEATURE, list, 8), 2u);
  EXPECT_EQ(list[1], uint32_t{MKVM_AMD_DE_CFG});
}

TEST(MsrList, CountsMoreThanItHasRoomFor) {
  const mkvm_guest_cpu cpu = full_cpu();
  uint32_t two[3] = {0, 0, 0x5a5a5a5a};
  EXPECT_GT(mkvm_msr_list(&cpu, MKVM_MSR_LISTED, two, 2), 2u);
  EXPECT_NE(two[1], 0u);
  EXPECT_EQ(two[2], 0x5a5a5a5au);
}

}  // namespace
