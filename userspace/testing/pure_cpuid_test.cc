// SPDX-License-Identifier: GPL-2.0-only
#include "cpuid.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>
#include <vector>

namespace {

using Regs = std::array<uint32_t, 4>;
using Entries = std::vector<kvm_cpuid_entry2>;

// A CPU that has every feature there is, and a few leaves with real content.
struct FakeCpu {
  std::map<std::pair<uint32_t, uint32_t>, Regs> leaves = {
      {{0x0, 0}, {0x16, 0x756e6547, 0x6c65746e, 0x49656e69}},
      {{0x1, 0}, {0x000506e3, 0x07100800, ~0u, ~0u}},
      {{0x4, 0}, {0x1c004121, 0x01c0003f, 0x3f, 0}},
      {{0x4, 1}, {0x1c004122, 0x01c0003f, 0x3f, 0}},
      {{0x4, 2}, {0, 0, 0, 0}},
      {{0x7, 0}, {2, ~0u, ~0u, ~0u}},
      {{0xd, 0}, {0xe7, 0xa80, 0xa80, 0}},
      {{0xd, 1}, {0xf, 0x980, 0x100, 0}},
      {{0xd, 2}, {0x100, 0x240, 0, 0}},
      {{0xd, 5}, {0x40, 0x440, 0, 0}},
      {{0xd, 6}, {0x200, 0x480, 0, 0}},
      {{0xd, 7}, {0x400, 0x680, 2, 0}},
      {{0x80000000, 0}, {0x8000001f, 0, 0, 0}},
      {{0x80000001, 0}, {0, 0, ~0u, ~0u}},
      {{0x80000002, 0}, {0x65746e49, 0, 0, 0}},
      {{0x80000007, 0}, {~0u, ~0u, ~0u, ~0u}},
      {{0x80000008, 0}, {0x3027, ~0u, ~0u, ~0u}},
  };

  static void read(void* context, uint32_t leaf, uint32_t subleaf, uint32_t regs[4]) {
    const auto& leaves = static_cast<FakeCpu*>(context)->leaves;
    const auto it = leaves.find({leaf, subleaf});
    const Regs value = it == leaves.end() ? Regs{} : it->second;
    std::copy(value.begin(), value.end(), regs);
  }
};

// The same of AMD.
FakeCpu amd_cpu() {
  FakeCpu cpu;
  cpu.leaves[{0x0, 0}] = {0x10, 0x68747541, 0x444d4163, 0x69746e65};
  for (uint32_t subleaf : {0, 1, 2}) cpu.leaves.erase({0x4, subleaf});
  cpu.leaves[{0x80000000, 0}] = {0x80000028, 0x68747541, 0x444d4163, 0x69746e65};
  cpu.leaves[{0x80000001, 0}] = {0x00a20f10, ~0u, ~0u, ~0u};
  cpu.leaves[{0x80000008, 0}] = {0x303030, ~0u, 0x700f, 0x10007};
  for (uint32_t leaf : {0x8000000au, 0x8000001bu, 0x8000001du, 0x8000001eu, 0x8000001fu,
                        0x80000020u, 0x80000021u, 0x80000022u, 0x80000026u})
    cpu.leaves[{leaf, 0}] = {~0u, ~0u, ~0u, ~0u};
  return cpu;
}

mkvm_cpuid_policy everything() {
  mkvm_cpuid_policy policy = {};
  policy.xcr0 = 0xe7;
  policy.cr4 = 0x00f72fff;
  policy.efer = 0xd01;
  policy.maxphyaddr = 39;
  policy.rdtscp = policy.invpcid = true;
  return policy;
}

Entries supported(const mkvm_cpuid_policy& policy, FakeCpu cpu = {}) {
  Entries entries(MKVM_CPUID_MAX_ENTRIES);
  const int n = mkvm_cpuid_supported(FakeCpu::read, &cpu, &policy, entries.data(), entries.size());
  EXPECT_GT(n, 0);
  entries.resize(n);
  return entries;
}

kvm_cpuid_entry2 leaf(const Entries& entries, uint32_t function, uint32_t index = 0) {
  const auto* e = mkvm_cpuid_find(entries.data(), entries.size(), function, index);
  EXPECT_NE(e, nullptr) << std::hex << function;
  return e ? *e : kvm_cpuid_entry2{};
}

Regs execute(const Entries& entries, uint32_t function, uint32_t index = 0,
             mkvm_cpuid_state state = {}) {
  Regs regs;
  mkvm_cpuid_execute(entries.data(), entries.size(), function, index, &state, regs.data());
  return regs;
}

mkvm_guest_cpu derive(const Entries& entries, const mkvm_cpuid_policy& policy) {
  mkvm_guest_cpu cpu;
  mkvm_cpuid_derive(entries.data(), entries.size(), &policy, &cpu);
  return cpu;
}

struct Bit {
  const char* name;
  uint32_t function;
  __u32 kvm_cpuid_entry2::*reg;
  unsigned bit;
};

void PrintTo(const Bit& b, std::ostream* os) { *os << b.name; }

constexpr auto kEbx = &kvm_cpuid_entry2::ebx;
constexpr auto kEcx = &kvm_cpuid_entry2::ecx;
constexpr auto kEdx = &kvm_cpuid_entry2::edx;

class Hidden : public ::testing::TestWithParam<Bit> {};

TEST_P(Hidden, FromTheGuestThoughTheCpuHasIt) {
  const Entries entries = supported(everything());
  EXPECT_EQ(leaf(entries, GetParam().function).*GetParam().reg >> GetParam().bit & 1, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Cpuid, Hidden,
    ::testing::Values(Bit{"Monitor", 1, kEcx, 3}, Bit{"Vmx", 1, kEcx, 5}, Bit{"Smx", 1, kEcx, 6},
                      Bit{"Pdcm", 1, kEcx, 15}, Bit{"TscDeadline", 1, kEcx, 24},
                      Bit{"Osxsave", 1, kEcx, 27}, Bit{"DebugStore", 1, kEdx, 21},
                      Bit{"Acpi", 1, kEdx, 22}, Bit{"HyperThreading", 1, kEdx, 28},
                      Bit{"ThermalMonitor", 1, kEdx, 29}, Bit{"Sgx", 7, kEbx, 2},
                      Bit{"Hle", 7, kEbx, 4}, Bit{"Rtm", 7, kEbx, 11}, Bit{"Mpx", 7, kEbx, 14},
                      Bit{"ProcessorTrace", 7, kEbx, 25}, Bit{"Pku", 7, kEcx, 3},
                      Bit{"Ospke", 7, kEcx, 4}, Bit{"Waitpkg", 7, kEcx, 5},
                      Bit{"ShadowStack", 7, kEcx, 7}, Bit{"La57", 7, kEcx, 16},
                      Bit{"Ibt", 7, kEdx, 20}, Bit{"AmxTile", 7, kEdx, 24},
                      Bit{"SpecCtrl", 7, kEdx, 26}, Bit{"Svm", 0x80000001, kEcx, 2}),
    [](const auto& info) { return std::string(info.param.name); });

class Shown : public ::testing::TestWithParam<Bit> {};

TEST_P(Shown, ToTheGuest) {
  const Entries entries = supported(everything());
  EXPECT_EQ(leaf(entries, GetParam().function).*GetParam().reg >> GetParam().bit & 1, 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Cpuid, Shown,
    ::testing::Values(Bit{"Hypervisor", 1, kEcx, 31}, Bit{"Pcid", 1, kEcx, 17},
                      Bit{"X2apic", 1, kEcx, 21}, Bit{"Xsave", 1, kEcx, 26},
                      Bit{"Avx", 1, kEcx, 28}, Bit{"Pae", 1, kEdx, 6}, Bit{"Apic", 1, kEdx, 9},
                      Bit{"Mtrr", 1, kEdx, 12}, Bit{"Sse2", 1, kEdx, 26},
                      Bit{"Fsgsbase", 7, kEbx, 0}, Bit{"TscAdjust", 7, kEbx, 1},
                      Bit{"Smep", 7, kEbx, 7}, Bit{"Invpcid", 7, kEbx, 10},
                      Bit{"Avx512f", 7, kEbx, 16}, Bit{"Smap", 7, kEbx, 20},
                      Bit{"Sha", 7, kEbx, 29}, Bit{"Umip", 7, kEcx, 2}, Bit{"Rdpid", 7, kEcx, 22},
                      Bit{"Syscall", 0x80000001, kEdx, 11}, Bit{"Nx", 0x80000001, kEdx, 20},
                      Bit{"Rdtscp", 0x80000001, kEdx, 27}, Bit{"LongMode", 0x80000001, kEdx, 29},
                      Bit{"InvariantTsc", 0x80000007, kEdx, 8}),
    [](const auto& info) { return std::string(info.param.name); });

class HiddenOnAmd : public ::testing::TestWithParam<Bit> {};

TEST_P(HiddenOnAmd, FromTheGuestThoughTheCpuHasIt) {
  const Entries entries = supported(everything(), amd_cpu());
  EXPECT_EQ(leaf(entries, GetParam().function).*GetParam().reg >> GetParam().bit & 1, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Cpuid, HiddenOnAmd,
    ::testing::Values(
        Bit{"Svm", 0x80000001, kEcx, 2}, Bit{"ExtendedApicSpace", 0x80000001, kEcx, 3},
        Bit{"Osvw", 0x80000001, kEcx, 9}, Bit{"Ibs", 0x80000001, kEcx, 10},
        Bit{"Skinit", 0x80000001, kEcx, 12}, Bit{"Watchdog", 0x80000001, kEcx, 13},
        Bit{"Lwp", 0x80000001, kEcx, 15}, Bit{"Tce", 0x80000001, kEcx, 17},
        Bit{"NodeId", 0x80000001, kEcx, 19}, Bit{"TopologyExtensions", 0x80000001, kEcx, 22},
        Bit{"PerfctrCore", 0x80000001, kEcx, 23}, Bit{"PerfctrNb", 0x80000001, kEcx, 24},
        Bit{"DataBreakpoint", 0x80000001, kEcx, 26}, Bit{"PerfTsc", 0x80000001, kEcx, 27},
        Bit{"PerfctrLlc", 0x80000001, kEcx, 28}, Bit{"Monitorx", 0x80000001, kEcx, 29},
        Bit{"Multiprocessor", 0x80000001, kEdx, 19}, Bit{"Ffxsr", 0x80000001, kEdx, 25},
        Bit{"Smca", 0x80000007, kEbx, 3}, Bit{"HwPstate", 0x80000007, kEdx, 7},
        Bit{"IrPerf", 0x80000008, kEbx, 1}, Bit{"Invlpgb", 0x80000008, kEbx, 3},
        Bit{"Rdpru", 0x80000008, kEbx, 4}, Bit{"Ibpb", 0x80000008, kEbx, 12},
        Bit{"Ssbd", 0x80000008, kEbx, 24}),
    [](const auto& info) { return std::string(info.param.name); });

class ShownOnAmd : public ::testing::TestWithParam<Bit> {};

TEST_P(ShownOnAmd, ToTheGuest) {
  const Entries entries = supported(everything(), amd_cpu());
  EXPECT_EQ(leaf(entries, GetParam().function).*GetParam().reg >> GetParam().bit & 1, 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Cpuid, ShownOnAmd,
    ::testing::Values(Bit{"Hypervisor", 1, kEcx, 31}, Bit{"LahfLm", 0x80000001, kEcx, 0},
                      Bit{"CmpLegacy", 0x80000001, kEcx, 1}, Bit{"Cr8Legacy", 0x80000001, kEcx, 4},
                      Bit{"Abm", 0x80000001, kEcx, 5}, Bit{"Sse4a", 0x80000001, kEcx, 6},
                      Bit{"MisalignSse", 0x80000001, kEcx, 7}, Bit{"Prefetch", 0x80000001, kEcx, 8},
                      Bit{"Xop", 0x80000001, kEcx, 11}, Bit{"Fma4", 0x80000001, kEcx, 16},
                      Bit{"Tbm", 0x80000001, kEcx, 21}, Bit{"Apic", 0x80000001, kEdx, 9},
                      Bit{"Fxsr", 0x80000001, kEdx, 24}, Bit{"Syscall", 0x80000001, kEdx, 11},
                      Bit{"Nx", 0x80000001, kEdx, 20}, Bit{"MmxExt", 0x80000001, kEdx, 22},
                      Bit{"HugePages", 0x80000001, kEdx, 26}, Bit{"Rdtscp", 0x80000001, kEdx, 27},
                      Bit{"LongMode", 0x80000001, kEdx, 29}, Bit{"3dNow", 0x80000001, kEdx, 31},
                      Bit{"InvariantTsc", 0x80000007, kEdx, 8}, Bit{"Clzero", 0x80000008, kEbx, 0}),
    [](const auto& info) { return "Has" + std::string(info.param.name); });

TEST(CpuidSupported, AmdsCoreCountsAndNestedAddressWidthAreGone) {
  const auto e = leaf(supported(everything(), amd_cpu()), 0x80000008);
  EXPECT_EQ(e.eax, 0x3030u);
  EXPECT_EQ(e.ecx | e.edx, 0u);
}

TEST(CpuidSupported, AmdsExtendedRangeEndsBeforeSvm) {
  const Entries entries = supported(everything(), amd_cpu());
  EXPECT_EQ(leaf(entries, 0x80000000).eax, 0x80000008u);
  EXPECT_EQ(leaf(entries, 0x80000000).ebx, 0x68747541u);
  for (uint32_t function = 0x80000009; function < 0x80000030; ++function) {
    EXPECT_EQ(mkvm_cpuid_find(entries.data(), entries.size(), function, 0), nullptr);
    EXPECT_EQ(execute(entries, function), Regs{}) << std::hex << function;
  }
}

TEST(CpuidSupported, AmdsVectorFeaturesFollowTheComponents) {
  mkvm_cpuid_policy policy = everything();
  policy.xcr0 = 0x3;
  EXPECT_EQ(leaf(supported(policy, amd_cpu()), 0x80000001).ecx, 0x2001f3u);
}

TEST(CpuidSupported, NothingThatTheCpuLacksButTheHypervisorBitAndX2apic) {
  FakeCpu cpu;
  cpu.leaves[{1, 0}] = {0, 0, 0, 0};
  cpu.leaves[{7, 0}] = {0, 0, 0, 0};
  const Entries entries = supported(everything(), cpu);
  EXPECT_EQ(leaf(entries, 1).ecx, 1u << 31 | 1u << 21);
  EXPECT_EQ(leaf(entries, 1).edx, 0u);
  EXPECT_EQ(leaf(entries, 7).ebx, 0u);
}

TEST(CpuidSupported, ArchCapabilitiesAreWhereTheyMeanSomething) {
  mkvm_cpuid_policy policy = everything();
  FakeCpu cpu;
  cpu.leaves[{7, 0}] = {0, 0, 0, 0};
  EXPECT_EQ(leaf(supported(policy, cpu), 7).edx, 1u << 29) << "made for old CPUs, too";
  EXPECT_TRUE(derive(supported(policy), policy).arch_caps);
  policy.amd = true;
  EXPECT_EQ(leaf(supported(policy), 7).edx & 1u << 29, 0u);
}

TEST(CpuidDerive, ArchCapabilitiesAreIntelsOnly) {
  const auto guest = [](uint32_t vendor, uint32_t edx) {
    return derive(
        {{0, 0, 0, 7, vendor, 0, 0, {}}, {7, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 0, 0, 0, edx, {}}},
        everything());
  };
  EXPECT_TRUE(guest(0x756e6547, 1u << 29).arch_caps);
  EXPECT_FALSE(guest(0x756e6547, ~(1u << 29)).arch_caps);
  EXPECT_FALSE(guest(0x68747541, 1u << 29).arch_caps);
}

TEST(CpuidSupported, OfTheLocalApicOnlyX2apicIsSaid) {
  EXPECT_EQ(leaf(supported(everything()), 1).ecx & (1u << 21 | 1u << 24), 1u << 21);
}

TEST(CpuidSupported, InstructionsThatNeedAControl) {
  mkvm_cpuid_policy policy = everything();
  policy.rdtscp = policy.invpcid = false;
  const Entries entries = supported(policy);
  EXPECT_EQ(leaf(entries, 7).ebx & 1u << 10, 0u);
  EXPECT_EQ(leaf(entries, 7).ecx & 1u << 22, 0u);
  EXPECT_EQ(leaf(entries, 0x80000001).edx & 1u << 27, 0u);
  EXPECT_EQ(leaf(entries, 0xd, 1).eax, 0x7u);
}

TEST(CpuidSupported, VectorFeaturesFollowTheComponentsThatAreSwitched) {
  mkvm_cpuid_policy policy = everything();
  policy.xcr0 = 0x7;
  Entries entries = supported(policy);
  EXPECT_EQ(leaf(entries, 7).ebx & 0xdc230000, 0u) << "AVX-512";
  EXPECT_NE(leaf(entries, 7).ebx & 1u << 5, 0u) << "AVX2";
  EXPECT_NE(leaf(entries, 7).ebx & 1u << 29, 0u) << "SHA is SSE";
  policy.xcr0 = 0x3;
  entries = supported(policy);
  EXPECT_EQ(leaf(entries, 1).ecx & (1u << 12 | 1u << 28 | 1u << 29), 0u) << "FMA, AVX, F16C";
  EXPECT_EQ(leaf(entries, 7).ebx & 1u << 5, 0u) << "AVX2";
  EXPECT_EQ(leaf(entries, 7).ecx & (1u << 9 | 1u << 10), 0u) << "VAES, VPCLMULQDQ";
  policy.xcr0 = 0;
  EXPECT_EQ(leaf(supported(policy), 1).ecx & 1u << 26, 0u) << "XSAVE";
}

TEST(CpuidSupported, MaximumLeavesAreCapped) {
  const Entries entries = supported(everything());
  EXPECT_EQ(leaf(entries, 0).eax, 0xdu);
  EXPECT_EQ(leaf(entries, 0x80000000).eax, 0x80000008u);
}

TEST(CpuidSupported, OldCpuKeepsItsMaximum) {
  FakeCpu cpu;
  cpu.leaves[{0, 0}][0] = 4;
  cpu.leaves[{0x80000000, 0}][0] = 0x80000001;
  const Entries entries = supported(everything(), cpu);
  EXPECT_EQ(leaf(entries, 0).eax, 4u);
  EXPECT_EQ(mkvm_cpuid_find(entries.data(), entries.size(), 7, 0), nullptr);
  EXPECT_EQ(mkvm_cpuid_find(entries.data(), entries.size(), 0x80000008, 0), nullptr);
}

TEST(CpuidSupported, PerformanceMonitoringIsZero) {
  FakeCpu cpu;
  cpu.leaves[{0xa, 0}] = {0x08300805, 1, 2, 3};
  const auto e = leaf(supported(everything(), cpu), 0xa);
  EXPECT_EQ(e.eax | e.ebx | e.ecx | e.edx, 0u);
}

TEST(CpuidSupported, CachesEndWithANullSubleafAndNameNoTopology) {
  const Entries entries = supported(everything());
  EXPECT_EQ(leaf(entries, 4, 0).eax, 0x121u);
  EXPECT_EQ(leaf(entries, 4, 1).eax, 0x122u);
  EXPECT_EQ(leaf(entries, 4, 2).eax, 0u);
  EXPECT_EQ(leaf(entries, 4, 0).flags, __u32{KVM_CPUID_FLAG_SIGNIFCANT_INDEX});
}

TEST(CpuidSupported, CachesThatNeverEndAreCutShort) {
  FakeCpu cpu;
  for (uint32_t i = 0; i < 100; ++i) cpu.leaves[{4, i}] = {0x121, 0, 0, 0};
  EXPECT_LT(supported(everything(), cpu).size(), 64u);
}

TEST(CpuidSupported, ApicIdIsNotTheHosts) {
  EXPECT_EQ(leaf(supported(everything()), 1).ebx, 0x800u);
}

TEST(CpuidSupported, XstateSizesAreThoseOfTheGuestsComponents) {
  mkvm_cpuid_policy policy = everything();
  Entries entries = supported(policy);
  EXPECT_EQ(leaf(entries, 0xd, 0).eax, 0xe7u);
  EXPECT_EQ(leaf(entries, 0xd, 0).ecx, 0xa80u);
  EXPECT_EQ(leaf(entries, 0xd, 1).ebx, 0x240u + 0x100 + 0x40 + 0x200 + 0x400);
  policy.xcr0 = 0x7;
  entries = supported(policy);
  EXPECT_EQ(leaf(entries, 0xd, 0).ecx, 0x340u);
  EXPECT_EQ(mkvm_cpuid_find(entries.data(), entries.size(), 0xd, 5), nullptr);
}

TEST(CpuidSupported, KvmSignatureAndItsClock) {
  const Entries entries = supported(everything());
  const auto e = leaf(entries, 0x40000000);
  char text[13] = {};
  memcpy(text, &e.ebx, 4);
  memcpy(text + 4, &e.ecx, 4);
  memcpy(text + 8, &e.edx, 4);
  EXPECT_EQ(std::string(text, 12), std::string("KVMKVMKVM\0\0\0", 12));
  EXPECT_EQ(e.eax, 0x40000001u);
  EXPECT_EQ(leaf(entries, 0x40000001).eax, 0x0100086bu);
}

TEST(CpuidSupported, IsSortedAndHasNoDuplicates) {
  const Entries entries = supported(everything());
  for (size_t i = 1; i < entries.size(); ++i)
    EXPECT_LT(std::pair(entries[i - 1].function, entries[i - 1].index),
              std::pair(entries[i].function, entries[i].index));
}

// CVE-2019-19332 wrote past an array of 0 or few entries.
TEST(CpuidSupported, TooSmallAnArrayIsRefusedAndNotOverrun) {
  FakeCpu cpu;
  const mkvm_cpuid_policy policy = everything();
  const size_t need = supported(policy).size();
  for (size_t room = 0; room < need; ++room) {
    Entries entries(room);  // AddressSanitizer watches its end
    EXPECT_EQ(mkvm_cpuid_supported(FakeCpu::read, &cpu, &policy, entries.data(), room), -1);
  }
  Entries exact(need);
  EXPECT_EQ(mkvm_cpuid_supported(FakeCpu::read, &cpu, &policy, exact.data(), need), int(need));
}

TEST(CpuidExecute, GivesTheEntrysRegisters) {
  const Entries entries = {{0, 0, 0, 1, 2, 3, 4, {}}};
  EXPECT_EQ(execute(entries, 0), (Regs{1, 2, 3, 4}));
}

TEST(CpuidExecute, SubleafCountsOnlyWhereItIsSignificant) {
  const Entries entries = {{0, 0, 0, 4, 0, 0, 0, {}},
                           {2, 0, 0, 22, 0, 0, 0, {}},
                           {4, 1, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 41, 0, 0, 0, {}}};
  EXPECT_EQ(execute(entries, 2, 7)[0], 22u);
  EXPECT_EQ(execute(entries, 4, 1)[0], 41u);
  EXPECT_EQ(execute(entries, 4, 0)[0], 0u);
}

TEST(CpuidExecute, IntelsRuleForLeavesOutOfRange) {
  const Entries entries = {{0, 0, 0, 0xd, 0x756e6547, 0, 0, {}},
                           {0xd, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 77, 0, 0, 0, {}},
                           {0x80000000, 0, 0, 0x80000008, 0, 0, 0, {}}};
  EXPECT_EQ(execute(entries, 0x14)[0], 77u) << "above the basic range";
  EXPECT_EQ(execute(entries, 0x80000009)[0], 77u) << "above the extended range";
  EXPECT_EQ(execute(entries, 0x40000000)[0], 77u) << "a range that is not there";
  EXPECT_EQ(execute(entries, 0xc)[0], 0u) << "in range but empty";
  EXPECT_EQ(execute(entries, 0x80000005)[0], 0u) << "in range but empty";
}

TEST(CpuidExecute, HypervisorLeavesAreARangeOfTheirOwn) {
  const Entries entries = {{0, 0, 0, 0xd, 0x756e6547, 0, 0, {}},
                           {0xd, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 77, 0, 0, 0, {}},
                           {0x40000100, 0, 0, 0x40000105, 0, 0, 0, {}}};
  EXPECT_EQ(execute(entries, 0x40000103)[0], 0u) << "in range but empty";
  EXPECT_EQ(execute(entries, 0x40000106)[0], 77u) << "above the range";
  EXPECT_EQ(execute(entries, 0x40000003)[0], 77u) << "a range that is not there";
}

TEST(CpuidExecute, AmdGivesZeroForLeavesOutOfRange) {
  const Entries entries = {{0, 0, 0, 1, 0x68747541, 0, 0, {}}, {1, 0, 0, 77, 0, 0, 0, {}}};
  EXPECT_EQ(execute(entries, 2), Regs{});
}

TEST(CpuidExecute, HygonIsLikeAmd) {
  const Entries entries = {{0, 0, 0, 1, 0x6f677948, 0, 0, {}}, {1, 0, 0, 77, 0, 0, 0, {}}};
  EXPECT_EQ(execute(entries, 2), Regs{});
}

TEST(CpuidExecute, WithoutEntriesEverythingIsZero) {
  EXPECT_EQ(execute({}, 0), Regs{});
  EXPECT_EQ(execute({}, 0x80000000), Regs{});
}

TEST(CpuidExecute, OsxsaveFollowsCr4) {
  Entries entries = {{0, 0, 0, 1, 0, 0, 0, {}}, {1, 0, 0, 0, 0, 1u << 26, 0, {}}};
  mkvm_cpuid_state state = {};
  EXPECT_EQ(execute(entries, 1, 0, state)[2], 1u << 26);
  state.cr4 = X86_CR4_OSXSAVE;
  EXPECT_EQ(execute(entries, 1, 0, state)[2], 1u << 26 | 1u << 27);
  entries[1].ecx = 1u << 27;  // set by userspace, for a guest without XSAVE
  EXPECT_EQ(execute(entries, 1, 0, state)[2], 0u);
}

TEST(CpuidExecute, OspkeFollowsCr4) {
  const Entries entries = {{0, 0, 0, 7, 0, 0, 0, {}},
                           {7, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 0, 0, 1u << 3, 0, {}}};
  mkvm_cpuid_state state = {};
  EXPECT_EQ(execute(entries, 7, 0, state)[2], 1u << 3);
  state.cr4 = X86_CR4_PKE;
  EXPECT_EQ(execute(entries, 7, 0, state)[2], 1u << 3 | 1u << 4);
}

TEST(CpuidExecute, ApicBitFollowsItsEnableFlag) {
  const Entries entries = {{0, 0, 0, 1, 0, 0, 0, {}}, {1, 0, 0, 0, 0, 0, 1u << 9, {}}};
  mkvm_cpuid_state state = {};
  EXPECT_EQ(execute(entries, 1, 0, state)[3], 0u);
  state.apic_base = MKVM_APIC_BASE_ENABLE;
  EXPECT_EQ(execute(entries, 1, 0, state)[3], 1u << 9);
}

TEST(CpuidExecute, SoDoesAmdsSecondOne) {
  const Entries entries = {{0x80000000, 0, 0, 0x80000001, 0, 0, 0, {}},
                           {0x80000001, 0, 0, 0, 0, 0, 1u << 9 | 1u << 29, {}}};
  mkvm_cpuid_state state = {};
  EXPECT_EQ(execute(entries, 0x80000001, 0, state)[3], 1u << 29);
  state.apic_base = MKVM_APIC_BASE_ENABLE;
  EXPECT_EQ(execute(entries, 0x80000001, 0, state)[3], 1u << 9 | 1u << 29);
}

TEST(CpuidExecute, XstateSizeFollowsXcr0) {
  const Entries entries = supported(everything());
  mkvm_cpuid_state state = {};
  state.xcr0 = 0x1;
  EXPECT_EQ(execute(entries, 0xd, 0, state)[1], 0x240u);
  state.xcr0 = 0x7;
  EXPECT_EQ(execute(entries, 0xd, 0, state)[1], 0x340u);
  EXPECT_EQ(execute(entries, 0xd, 1, state)[1], 0x340u);
  state.xcr0 = 0xe7;
  EXPECT_EQ(execute(entries, 0xd, 0, state)[1], 0xa80u);
}

TEST(CpuidExecute, CompactedComponentsAreAlignedWhereTheySaySo) {
  Entries entries = {{0xd, 2, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 0x104, 0x240, 0, 0, {}},
                     {0xd, 5, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 0x40, 0x440, 2, 0, {}}};
  EXPECT_EQ(mkvm_cpuid_xsave_size(entries.data(), 2, 0x27, true), 0x380u + 0x40);
  entries[1].ecx = 0;
  EXPECT_EQ(mkvm_cpuid_xsave_size(entries.data(), 2, 0x27, true), 0x344u + 0x40);
}

TEST(CpuidExecute, TopologyLeavesEchoTheSubleaf) {
  const Entries entries = {{0, 0, 0, 0xb, 0, 0, 0, {}},
                           {0xb, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 1, 2, 0x100, 42, {}}};
  EXPECT_EQ(execute(entries, 0xb, 5), (Regs{0, 0, 5, 42}));
}

TEST(CpuidDerive, WithoutEntriesAllThatThePolicyAllows) {
  const mkvm_guest_cpu cpu = derive({}, everything());
  EXPECT_EQ(cpu.cr4_allowed & (X86_CR4_SMEP | X86_CR4_FSGSBASE | X86_CR4_OSXSAVE),
            X86_CR4_SMEP | X86_CR4_FSGSBASE | X86_CR4_OSXSAVE);
  EXPECT_EQ(cpu.efer_allowed, 0xd01u);
  EXPECT_EQ(cpu.xcr0_allowed, 0xe7u);
  EXPECT_EQ(cpu.maxphyaddr, 39);
  EXPECT_TRUE(cpu.tsc_aux && cpu.tsc_adjust && cpu.tsc_deadline && cpu.x2apic);
}

TEST(CpuidDerive, NeverVmxeLa57PkeOrCet) {
  for (const Entries& entries : {Entries{}, supported(everything())})
    EXPECT_EQ(derive(entries, everything()).cr4_allowed &
                  (X86_CR4_VMXE | X86_CR4_LA57 | X86_CR4_PKE | X86_CR4_SMXE | MKVM_CR4_CET),
              0u);
}

TEST(CpuidDerive, BareGuestHasTheBaseline) {
  const mkvm_guest_cpu cpu = derive({{1, 0, 0, 0, 0, 0, 0, {}}}, everything());
  EXPECT_EQ(cpu.cr4_allowed, 0x7ffu);
  EXPECT_EQ(cpu.efer_allowed, 0u);
  EXPECT_EQ(cpu.xcr0_allowed, MKVM_XCR0_X87);
  EXPECT_EQ(cpu.maxphyaddr, 36);
  EXPECT_FALSE(cpu.tsc_aux || cpu.tsc_adjust || cpu.tsc_deadline || cpu.x2apic);
}

struct Cr4Bit {
  const char* name;
  kvm_cpuid_entry2 entry;
  uint64_t cr4;
};

void PrintTo(const Cr4Bit& b, std::ostream* os) { *os << b.name; }

class Cr4FromCpuid : public ::testing::TestWithParam<Cr4Bit> {};

TEST_P(Cr4FromCpuid, NeedsItsFeature) {
  mkvm_cpuid_policy policy = everything();
  EXPECT_EQ(derive({GetParam().entry}, policy).cr4_allowed, 0x7ff | GetParam().cr4);
  policy.cr4 &= ~GetParam().cr4;  // claimed by userspace, but not in this CPU
  EXPECT_EQ(derive({GetParam().entry}, policy).cr4_allowed, 0x7ffu);
}

INSTANTIATE_TEST_SUITE_P(
    Cpuid, Cr4FromCpuid,
    ::testing::Values(Cr4Bit{"Pcide", {1, 0, 0, 0, 0, 1u << 17, 0, {}}, X86_CR4_PCIDE},
                      Cr4Bit{"Osxsave", {1, 0, 0, 0, 0, 1u << 26, 0, {}}, X86_CR4_OSXSAVE},
                      Cr4Bit{"Fsgsbase", {7, 0, 0, 0, 1u << 0, 0, 0, {}}, X86_CR4_FSGSBASE},
                      Cr4Bit{"Smep", {7, 0, 0, 0, 1u << 7, 0, 0, {}}, X86_CR4_SMEP},
                      Cr4Bit{"Smap", {7, 0, 0, 0, 1u << 20, 0, 0, {}}, X86_CR4_SMAP},
                      Cr4Bit{"Umip", {7, 0, 0, 0, 0, 1u << 2, 0, {}}, X86_CR4_UMIP}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(CpuidDerive, UserspaceCannotClaimMoreThanThePolicy) {
  mkvm_cpuid_policy policy = everything();
  policy.rdtscp = false;
  policy.xcr0 = 0x3;
  policy.efer = 0x501;
  Entries entries = supported(everything());
  for (auto& e : entries)
    if (e.function == 0x80000008) e.eax = 0x3034;
  const mkvm_guest_cpu cpu = derive(entries, policy);
  EXPECT_EQ(cpu.xcr0_allowed, 0x3u);
  EXPECT_EQ(cpu.efer_allowed, 0x501u);
  EXPECT_EQ(cpu.maxphyaddr, 39);
  EXPECT_FALSE(cpu.tsc_aux);
}

TEST(CpuidDerive, TheVendorIsTheGuestsOwn) {
  mkvm_cpuid_policy policy = everything();
  EXPECT_FALSE(derive({}, policy).amd);
  EXPECT_TRUE(derive({{0, 0, 0, 1, 0x68747541, 0, 0, {}}}, policy).amd);
  EXPECT_TRUE(derive({{0, 0, 0, 1, 0x6f677948, 0, 0, {}}}, policy).amd) << "Hygon";
  policy.amd = true;
  EXPECT_TRUE(derive({}, policy).amd) << "without entries, the CPU's";
  EXPECT_FALSE(derive({{0, 0, 0, 1, 0x756e6547, 0, 0, {}}}, policy).amd);
  EXPECT_FALSE(derive({{1, 0, 0, 0, 0, 0, 0, {}}}, policy).amd) << "no leaf 0, no vendor";
}

TEST(CpuidDerive, SvmeAndFfxsrAreNotTheGuests) {
  mkvm_cpuid_policy policy = everything();
  policy.amd = true;
  policy.efer = 0xfd01;
  EXPECT_EQ(derive({}, policy).efer_allowed, 0xd01u);
  EXPECT_EQ(derive(supported(policy, amd_cpu()), policy).efer_allowed, 0xd01u);
}

TEST(CpuidDerive, GuestMayHaveASmallerAddressWidth) {
  EXPECT_EQ(derive({{0x80000008, 0, 0, 0x3024, 0, 0, 0, {}}}, everything()).maxphyaddr, 36);
}

TEST(CpuidDerive, GuestWithoutXsaveHasOnlyX87) {
  Entries entries = supported(everything());
  for (auto& e : entries)
    if (e.function == 1) e.ecx &= ~(1u << 26);
  EXPECT_EQ(derive(entries, everything()).xcr0_allowed, MKVM_XCR0_X87);
}

}  // namespace
