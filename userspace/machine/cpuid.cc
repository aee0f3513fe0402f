// SPDX-License-Identifier: GPL-2.0-only
#include "machine/cpuid.h"

#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

namespace minikvm {
namespace {

// SDM vol. 2, "CPUID—CPU Identification", and the AMD64 APM vol. 3, appendix
// "Obtaining Processor Information Via the CPUID Instruction".
enum Leaf : uint32_t {
  kVendor = 0x0,
  kFeatures = 0x1,
  kPerformanceMonitoring = 0xa,
  kTopology = 0xb,
  kTscFrequency = 0x15,
  kCpuFrequency = 0x16,
  kTopologyV2 = 0x1f,
  kKvmFeatures = 0x40000001,
  kExtendedFeatures = 0x80000001,
  kAddressSizes = 0x80000008,
  kAmdCaches = 0x8000001d,
  kAmdTopology = 0x8000001e,
  kAmdPerformanceMonitoring = 0x80000022,
  kAmdTopologyV2 = 0x80000026,
};
constexpr uint32_t kEcxHypervisor = 1u << 31;
constexpr uint32_t kEcxX2Apic = 1u << 21, kEcxTscDeadline = 1u << 24;
constexpr uint32_t kEdxApic = 1u << 9, kEdxHyperThreading = 1u << 28;
constexpr uint32_t kExtendedEcxApicSpace = 1u << 3;
constexpr uint32_t kExtendedEcxTopology = 1u << 22;
constexpr uint32_t kExtendedEcxCounters = 1u << 23 | 1u << 24 | 1u << 28;  // core, NB, L3
constexpr uint32_t kApicIdAndCount = 0xffff0000;                           // of EBX

// The paravirtual features that do not reach the guest by an APIC interrupt:
// the clock in its two forms, its stability, and no need for I/O delays.
constexpr uint32_t kKvmFeaturesWithoutApic =
    1u << 0 /* CLOCKSOURCE */ | 1u << 1 /* NOP_IO_DELAY */ | 1u << 3 /* CLOCKSOURCE2 */ |
    1u << 24 /* CLOCKSOURCE_STABLE_BIT */;

// The topology of the host's CPU is not the guest's; AMD's caches are told by APIC ID.
bool needs_apic(uint32_t leaf) {
  constexpr std::array leaves{
      kPerformanceMonitoring,    kTopology,     kTopologyV2, kAmdCaches, kAmdTopology,
      kAmdPerformanceMonitoring, kAmdTopologyV2};
  return std::ranges::find(leaves, leaf) != leaves.end();
}

bool replaced(uint32_t leaf) { return leaf == kTscFrequency || leaf == kCpuFrequency; }

void adjust(kvm_cpuid_entry2& entry) {
  switch (entry.function) {
    case kVendor:
      entry.eax = std::max<uint32_t>(entry.eax, kCpuFrequency);
      break;
    case kFeatures:
      entry.ebx = (entry.ebx & ~kApicIdAndCount) | 1 << 16;  // APIC ID 0, one CPU
      entry.ecx &= ~(kEcxX2Apic | kEcxTscDeadline);
      entry.ecx |= kEcxHypervisor;  // KVM leaves it to the VMM to say so
      entry.edx &= ~(kEdxApic | kEdxHyperThreading);
      break;
    case kKvmFeatures:
      entry.eax &= kKvmFeaturesWithoutApic;
      break;
    case kExtendedFeatures:
      entry.ecx &= ~(kExtendedEcxApicSpace | kExtendedEcxTopology | kExtendedEcxCounters);
      entry.edx &= ~kEdxApic;  // AMD repeats leaf 1 here
      break;
    case kAddressSizes:
      entry.ecx = 0;  // AMD: the host's cores, and how many bits of the APIC ID name one
      break;
    default:
      break;
  }
}

// TSC = crystal * EBX / EAX with a crystal of 1 kHz: any frequency is exact, and
// the product does not overflow the 32 bits that Linux computes it in.
kvm_cpuid_entry2 tsc_frequency(uint32_t khz) {
  kvm_cpuid_entry2 entry{};
  entry.function = kTscFrequency;
  entry.eax = 1;
  entry.ebx = khz;
  entry.ecx = 1000;
  return entry;
}

kvm_cpuid_entry2 cpu_frequency(uint32_t khz) {
  kvm_cpuid_entry2 entry{};
  entry.function = kCpuFrequency;
  entry.eax = entry.ebx = khz / 1000;  // base and maximum, in MHz
  entry.ecx = 100;                     // bus
  return entry;
}

}  // namespace

std::vector<kvm_cpuid_entry2> guest_cpuid(std::span<const kvm_cpuid_entry2> supported,
                                          uint32_t tsc_khz) {
  std::vector<kvm_cpuid_entry2> guest;
  for (kvm_cpuid_entry2 entry : supported) {
    if (needs_apic(entry.function) || replaced(entry.function)) continue;
    adjust(entry);
    guest.push_back(entry);
  }
  guest.push_back(tsc_frequency(tsc_khz));
  guest.push_back(cpu_frequency(tsc_khz));
  return guest;
}

uint32_t measure_tsc_khz() {
  using std::chrono::steady_clock;
  const auto start = steady_clock::now();
  const uint64_t first = __rdtsc();
  std::this_thread::sleep_for(std::chrono::milliseconds{20});
  const uint64_t ticks = __rdtsc() - first;
  const auto elapsed = std::chrono::nanoseconds{steady_clock::now() - start};
  return static_cast<uint32_t>(static_cast<double>(ticks) * 1e6 /
                               static_cast<double>(elapsed.count()));
}

}  // namespace minikvm
