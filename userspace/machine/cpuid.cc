// SPDX-License-Identifier: GPL-2.0-only
#include "machine/cpuid.h"

#include <fmt/format.h>
#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <thread>

namespace minikvm {
namespace {

// SDM vol. 2, "CPUID—CPU Identification", and the AMD64 APM vol. 3, appendix
// "Obtaining Processor Information Via the CPUID Instruction".
enum Leaf : uint32_t {
  kVendor = 0x0,
  kFeatures = 0x1,
  kCaches = 0x4,
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
// Not features: what the guest's CR4 says.
constexpr uint32_t kEcxOsXsave = 1u << 27, kLeaf7EcxOsPke = 1u << 4;
constexpr uint32_t kEdxApic = 1u << 9, kEdxHyperThreading = 1u << 28;
constexpr uint32_t kExtendedEcxMultiCore = 1u << 1;  // CmpLegacy
constexpr uint32_t kExtendedEcxApicSpace = 1u << 3;
constexpr uint32_t kExtendedEcxTopology = 1u << 22;
constexpr uint32_t kExtendedEcxCounters = 1u << 23 | 1u << 24 | 1u << 28;  // core, NB, L3

// The paravirtual features that do not reach the guest by an APIC interrupt:
// the clock in its two forms, its stability, and no need for I/O delays.
constexpr uint32_t kKvmFeaturesWithoutApic =
    1u << 0 /* CLOCKSOURCE */ | 1u << 1 /* NOP_IO_DELAY */ | 1u << 3 /* CLOCKSOURCE2 */ |
    1u << 24 /* CLOCKSOURCE_STABLE_BIT */;

// The host's topology is not the guest's, and its performance counters stay with it.
bool hidden(uint32_t leaf, bool apic) {
  constexpr std::array always{kPerformanceMonitoring, kTopology, kTopologyV2,
                              kAmdPerformanceMonitoring, kAmdTopologyV2};
  constexpr std::array without_apic{kAmdCaches, kAmdTopology};
  return std::ranges::find(always, leaf) != always.end() ||
         (!apic && std::ranges::find(without_apic, leaf) != without_apic.end());
}

bool replaced(uint32_t leaf) { return leaf == kTscFrequency || leaf == kCpuFrequency; }

// How many bits of an APIC ID tell the cores of the package apart.
unsigned core_bits(const GuestCpu& cpu) {
  return static_cast<unsigned>(std::bit_width(cpu.count - 1));
}

uint32_t with_field(uint32_t word, unsigned low, unsigned bits, uint32_t value) {
  const uint32_t mask = ((1u << bits) - 1) << low;
  return (word & ~mask) | (std::min(value, (1u << bits) - 1) << low);
}

void adjust_features(kvm_cpuid_entry2& entry, const GuestCpu& cpu) {
  entry.ebx = with_field(with_field(entry.ebx, 24, 8, cpu.id), 16, 8, 1u << core_bits(cpu));
  entry.ecx |= kEcxHypervisor;  // KVM leaves it to the VMM to say so
  entry.ecx &= ~kEcxTscDeadline;
  if (cpu.tsc_deadline) entry.ecx |= kEcxTscDeadline;
  entry.edx &= ~kEdxHyperThreading;
  if (cpu.count > 1) entry.edx |= kEdxHyperThreading;
  if (cpu.apic) return;
  entry.ecx &= ~kEcxX2Apic;
  entry.edx &= ~kEdxApic;
}

void adjust_extended(kvm_cpuid_entry2& entry, const GuestCpu& cpu) {
  entry.ecx &= ~(kExtendedEcxApicSpace | kExtendedEcxCounters | kExtendedEcxMultiCore);
  if (cpu.count > 1) entry.ecx |= kExtendedEcxMultiCore;
  if (cpu.apic) return;
  entry.ecx &= ~kExtendedEcxTopology;
  entry.edx &= ~kEdxApic;  // AMD repeats leaf 1 here
}

// The caches of a core are its own, but the last level is everybody's.
void adjust_cache(kvm_cpuid_entry2& entry, const GuestCpu& cpu) {
  const unsigned type = entry.eax & 0x1f, level = entry.eax >> 5 & 7;
  if (type == 0) return;
  const uint32_t others = (1u << core_bits(cpu)) - 1;
  entry.eax = with_field(entry.eax, 14, 12, level >= 3 ? others : 0);
  if (entry.function == kCaches) entry.eax = with_field(entry.eax, 26, 6, others);
}

void adjust(kvm_cpuid_entry2& entry, const GuestCpu& cpu) {
  switch (entry.function) {
    case kVendor:
      entry.eax = std::max<uint32_t>(entry.eax, kCpuFrequency);
      break;
    case kFeatures:
      return adjust_features(entry, cpu);
    case kCaches:
    case kAmdCaches:
      return adjust_cache(entry, cpu);
    case kKvmFeatures:
      if (!cpu.apic) entry.eax &= kKvmFeaturesWithoutApic;
      break;
    case kExtendedFeatures:
      return adjust_extended(entry, cpu);
    case kAddressSizes:  // AMD: cores, and how many bits of the APIC ID name one
      entry.ecx = (cpu.count - 1) | core_bits(cpu) << 12;
      break;
    case kAmdTopology:  // one thread per core, one node
      entry.eax = entry.ebx = cpu.id;
      entry.ecx = 0;
      break;
    default:
      break;
  }
}

// A subleaf of leaves 0xb and 0x1f. `type`: 1 threads of a core, 2 cores, 0 the end.
kvm_cpuid_entry2 topology(uint32_t leaf, uint32_t index, uint32_t type, const GuestCpu& cpu) {
  kvm_cpuid_entry2 entry{};
  entry.function = leaf;
  entry.index = index;
  entry.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
  entry.eax = type == 2 ? core_bits(cpu) : 0;
  entry.ebx = type == 2 ? cpu.count : type;
  entry.ecx = index | type << 8;
  entry.edx = cpu.id;
  return entry;
}

void add_topology(std::vector<kvm_cpuid_entry2>& guest, const GuestCpu& cpu) {
  if (!cpu.apic || guest.empty()) return;
  for (const uint32_t leaf : {kTopology, kTopologyV2}) {
    if (guest[0].function != kVendor || guest[0].eax < leaf) continue;
    for (const uint32_t index : {0u, 1u, 2u})
      guest.push_back(topology(leaf, index, (index + 1) % 3, cpu));
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
                                          const GuestCpu& cpu) {
  std::vector<kvm_cpuid_entry2> guest;
  for (kvm_cpuid_entry2 entry : supported) {
    if (hidden(entry.function, cpu.apic) || replaced(entry.function)) continue;
    adjust(entry, cpu);
    guest.push_back(entry);
  }
  add_topology(guest, cpu);
  guest.push_back(tsc_frequency(cpu.tsc_khz));
  guest.push_back(cpu_frequency(cpu.tsc_khz));
  return guest;
}

std::string missing_features(std::span<const kvm_cpuid_entry2> saved,
                             std::span<const kvm_cpuid_entry2> supported) {
  // What a guest may come to depend on, but for what does not come from the host.
  struct Word {
    uint32_t function, index;
    uint32_t kvm_cpuid_entry2::*reg;
    const char* name;
    uint32_t not_hosts;
  };
  using Entry = kvm_cpuid_entry2;
  static constexpr Word words[] = {
      {kFeatures, 0, &Entry::ecx, "ECX", kEcxHypervisor | kEcxTscDeadline | kEcxOsXsave},
      {kFeatures, 0, &Entry::edx, "EDX", kEdxHyperThreading},
      {7, 0, &Entry::ebx, "EBX", 0},
      {7, 0, &Entry::ecx, "ECX", kLeaf7EcxOsPke},
      {7, 0, &Entry::edx, "EDX", 0},
      {7, 1, &Entry::eax, "EAX", 0},
      {0xd, 0, &Entry::eax, "EAX", 0},
      {0xd, 1, &Entry::eax, "EAX", 0},
      {kKvmFeatures, 0, &Entry::eax, "EAX", 0},
      {kExtendedFeatures, 0, &Entry::ecx, "ECX", kExtendedEcxMultiCore},
      {kExtendedFeatures, 0, &Entry::edx, "EDX", 0},
      {kAddressSizes, 0, &Entry::ebx, "EBX", 0},
  };
  const auto value = [](std::span<const Entry> entries, const Word& word) {
    for (const Entry& entry : entries)
      if (entry.function == word.function && entry.index == word.index) return entry.*word.reg;
    return uint32_t{0};
  };
  for (const Word& word : words)
    if (const uint32_t bits = value(saved, word) & ~value(supported, word) & ~word.not_hosts)
      return fmt::format("leaf {:#x} {} bits {:#x}", word.function, word.name, bits);
  return {};
}

bool same_vendor(std::span<const kvm_cpuid_entry2> saved,
                 std::span<const kvm_cpuid_entry2> supported) {
  const auto name = [](std::span<const kvm_cpuid_entry2> entries) {
    for (const auto& entry : entries)
      if (entry.function == kVendor) return std::array{entry.ebx, entry.edx, entry.ecx};
    return std::array<uint32_t, 3>{};
  };
  return name(saved) == name(supported);
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
