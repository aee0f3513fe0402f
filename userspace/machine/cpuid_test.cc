// SPDX-License-Identifier: GPL-2.0-only
#include "machine/cpuid.h"

#include <gtest/gtest.h>

#include <array>

namespace minikvm {
namespace {

constexpr uint32_t kKhz = 3'500'000;

kvm_cpuid_entry2 leaf(uint32_t function, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx) {
  kvm_cpuid_entry2 entry{};
  entry.function = function;
  entry.eax = eax;
  entry.ebx = ebx;
  entry.ecx = ecx;
  entry.edx = edx;
  return entry;
}

class CpuidTest : public ::testing::Test {
 protected:
  // The guest's leaf, which must be there once, made from one that KVM gave.
  kvm_cpuid_entry2 guest(const kvm_cpuid_entry2& supported) {
    return find(guest_cpuid({&supported, 1}, cpu_), supported.function);
  }
  kvm_cpuid_entry2 find(const std::vector<kvm_cpuid_entry2>& entries, uint32_t function) {
    kvm_cpuid_entry2 found{};
    int count = 0;
    for (const auto& entry : entries)
      if (entry.function == function) found = entry, ++count;
    EXPECT_EQ(count, 1);
    return found;
  }
  bool has(const kvm_cpuid_entry2& supported) {
    for (const auto& entry : guest_cpuid({&supported, 1}, cpu_))
      if (entry.function == supported.function && entry.eax == supported.eax) return true;
    return false;
  }
  void become(unsigned id, unsigned count) {
    cpu_ = {.tsc_khz = kKhz, .apic = true, .tsc_deadline = true, .id = id, .count = count};
  }

  GuestCpu cpu_{.tsc_khz = kKhz};
};

TEST_F(CpuidTest, NothingOfTheLocalApicIsLeft) {
  const auto features = guest(leaf(1, 0x50654, ~0u, ~0u, ~0u));
  EXPECT_EQ(features.ecx & (1u << 21), 0u);  // x2APIC
  EXPECT_EQ(features.ecx & (1u << 24), 0u);  // TSC deadline
  EXPECT_EQ(features.edx & (1u << 9), 0u);   // APIC
  EXPECT_EQ(features.edx & (1u << 28), 0u);  // more than one logical processor
  EXPECT_EQ(features.ebx >> 24, 0u);         // APIC ID
  EXPECT_EQ(features.ebx & 0xffff, 0xffffu);
}

TEST_F(CpuidTest, TheHypervisorBitIsSet) {
  EXPECT_NE(guest(leaf(1, 0, 0, 0, 0)).ecx & (1u << 31), 0u);
}

TEST_F(CpuidTest, OtherFeaturesStayAsTheyAre) {
  const auto features = guest(leaf(1, 0x50654, 0, 0x201, 0x11));
  EXPECT_EQ(features.eax, 0x50654u);
  EXPECT_EQ(features.ecx & ~(1u << 31), 0x201u);
  EXPECT_EQ(features.edx, 0x11u);
}

TEST_F(CpuidTest, AmdsSecondApicBitGoesToo) {
  const auto extended = guest(leaf(0x80000001, 0, 0, 0xff, 0x20000200));
  EXPECT_EQ(extended.ecx, 0xf5u);
  EXPECT_EQ(extended.edx, 0x20000000u);
}

TEST_F(CpuidTest, NothingOfAmdsTopologyAndCountersIsLeft) {
  EXPECT_EQ(guest(leaf(0x80000001, 0, 0, 0x11c00101, 0)).ecx, 0x101u);
  const auto sizes = guest(leaf(0x80000008, 0x3030, 1, 0x700f, 4));
  EXPECT_EQ(sizes.eax, 0x3030u);
  EXPECT_EQ(sizes.ebx, 1u);
  EXPECT_EQ(sizes.ecx, 0u);
  EXPECT_EQ(sizes.edx, 4u);
}

TEST_F(CpuidTest, KvmFeaturesAreTheOnesThatWorkWithoutAnApic) {
  EXPECT_EQ(guest(leaf(0x40000001, ~0u, 0, 0, 0)).eax, 0x0100000bu);
}

TEST_F(CpuidTest, ApicTopologyAndPerformanceCountersAreGone) {
  for (const uint32_t function :
       {0xau, 0xbu, 0x1fu, 0x8000001du, 0x8000001eu, 0x80000022u, 0x80000026u})
    EXPECT_FALSE(has(leaf(function, 0x12345, 1, 2, 3))) << function;
}

TEST_F(CpuidTest, WithAnApicEachCpuIsACoreOfOnePackage) {
  become(2, 3);
  const auto features = guest(leaf(1, 0x50654, 0xff'ff'08'ff, 0x200000, 1 << 9));
  EXPECT_EQ(features.ebx, 0x02'04'08'ffu);  // APIC ID 2, IDs for four
  EXPECT_EQ(features.ecx, 1u << 31 | 1u << 24 | 1u << 21);
  EXPECT_EQ(features.edx, 1u << 28 | 1u << 9);
  EXPECT_EQ(guest(leaf(0x40000001, ~0u, 0, 0, 0)).eax, ~0u);
}

TEST_F(CpuidTest, OneCpuWithAnApicHasNoSiblings) {
  become(0, 1);
  const auto features = guest(leaf(1, 0, ~0u, 0, ~0u));
  EXPECT_EQ(features.ebx, 0x0001ffffu);
  EXPECT_EQ(features.edx & 1u << 28, 0u);
}

TEST_F(CpuidTest, TheTopologyLeavesHaveThreadsAndCores) {
  become(5, 6);
  const kvm_cpuid_entry2 vendor = leaf(0, 0x1f, 1, 2, 3);
  std::vector<kvm_cpuid_entry2> found;
  for (const auto& entry : guest_cpuid({&vendor, 1}, cpu_))
    if (entry.function == 0xb || entry.function == 0x1f) found.push_back(entry);
  ASSERT_EQ(found.size(), 6u);
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].edx, 5u);
    EXPECT_EQ(found[i].ecx, (std::array{0x100u, 0x201u, 0x002u}[i % 3]));
    EXPECT_EQ(found[i].eax, i % 3 == 1 ? 3u : 0u);  // shift
    EXPECT_EQ(found[i].ebx, (std::array{1u, 6u, 0u}[i % 3]));
  }
}

TEST_F(CpuidTest, OnlyTheLastLevelCacheIsShared) {
  become(0, 4);
  EXPECT_EQ(guest(leaf(4, 0x1c000121, 0, 0, 0)).eax, 3u << 26 | 0x121);
  EXPECT_EQ(guest(leaf(4, 0x1c000163, 0, 0, 0)).eax, 3u << 26 | 3u << 14 | 0x163);
  EXPECT_EQ(guest(leaf(0x8000001d, 0x1c000163, 0, 0, 0)).eax, 0x1c000163u | 3u << 14);
  EXPECT_EQ(guest(leaf(4, 0, 0, 0, 0)).eax, 0u);  // the end of the list
}

TEST_F(CpuidTest, AmdsTopologyNamesTheCore) {
  become(6, 7);
  const auto sizes = guest(leaf(0x80000008, 0x3030, 1, 0x700f, 4));
  EXPECT_EQ(sizes.ecx, 6u | 3u << 12);
  const auto core = guest(leaf(0x8000001e, 0x33, 0x133, 0x333, 0));
  EXPECT_EQ(core.eax, 6u);
  EXPECT_EQ(core.ebx, 6u);
  EXPECT_EQ(core.ecx, 0u);
  EXPECT_EQ(guest(leaf(0x80000001, 0, 0, 1u << 22, 1u << 9)).ecx, 1u << 22 | 1u << 1);
}

TEST_F(CpuidTest, ManyCpusFitIntoEachField) {
  become(254, 255);
  EXPECT_EQ(guest(leaf(1, 0, 0, 0, 0)).ebx, 0xfeff0000u);
  EXPECT_EQ(guest(leaf(4, 0x163, 0, 0, 0)).eax, 63u << 26 | 255u << 14 | 0x163);
}

TEST(MissingFeatures, NamesTheFirst) {
  const auto entry = [](uint32_t function, uint32_t ebx) { return leaf(function, 0, ebx, 0, 0); };
  const std::vector saved{entry(1, 77), entry(7, 0x30)}, same{entry(1, 1), entry(7, 0x31)},
      less{entry(7, 0x10)};
  EXPECT_EQ(missing_features(saved, same), "");
  EXPECT_EQ(missing_features(saved, less), "leaf 0x7 EBX bits 0x20");
  EXPECT_EQ(missing_features(saved, {}), "leaf 0x7 EBX bits 0x30");
}

// KVM shows them in the list that it gives back while the guest's CR4 has them on.
TEST(MissingFeatures, AreNotOsxsaveAndOspke) {
  const std::vector saved{leaf(1, 0, 0, 1u << 27, 0), leaf(7, 0, 0, 1u << 4, 0)};
  EXPECT_EQ(missing_features(saved, {}), "");
}

TEST_F(CpuidTest, TheTscFrequencyIsExact) {
  const auto tsc = guest(leaf(0x15, 2, 200, 24'000'000, 0));
  ASSERT_NE(tsc.eax, 0u);
  EXPECT_EQ(uint64_t{tsc.ecx} * tsc.ebx / tsc.eax, kKhz * 1000ull);
  // Linux multiplies in 32 bits: native_calibrate_tsc().
  EXPECT_EQ(tsc.ecx / 1000 * tsc.ebx / tsc.eax, kKhz);
  EXPECT_EQ(guest(leaf(0x16, 0, 0, 0, 0)).eax, kKhz / 1000);
}

TEST_F(CpuidTest, TheHighestLeafReachesTheFrequencies) {
  EXPECT_EQ(guest(leaf(0, 0xd, 1, 2, 3)).eax, 0x16u);
  EXPECT_EQ(guest(leaf(0, 0x20, 1, 2, 3)).eax, 0x20u);
}

TEST(Tsc, MeasuringAgreesWithItself) {
  const uint32_t first = measure_tsc_khz(), second = measure_tsc_khz();
  EXPECT_GT(first, 100'000u);
  EXPECT_NEAR(first, second, first / 10.0);
}

}  // namespace
}  // namespace minikvm
