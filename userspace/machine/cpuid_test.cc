// SPDX-License-Identifier: GPL-2.0-only
#include "machine/cpuid.h"

#include <gtest/gtest.h>

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
    return find(guest_cpuid({&supported, 1}, kKhz), supported.function);
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
    for (const auto& entry : guest_cpuid({&supported, 1}, kKhz))
      if (entry.function == supported.function && entry.eax == supported.eax) return true;
    return false;
  }
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
  EXPECT_EQ(extended.ecx, 0xf7u);
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
