// SPDX-License-Identifier: GPL-2.0-only
// What the guest's CPU says it is: what KVM supports, less what this machine
// has not got, plus what only the VMM knows.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "abi/kvm.h"

namespace minikvm {

struct GuestCpu {
  uint32_t tsc_khz;            // goes where Linux looks for it, so that it does not have to measure
  bool apic = false;           // without one, everything that needs it is hidden
  bool tsc_deadline = false;   // the kernel's local APIC has this timer mode
  unsigned id = 0, count = 1;  // one package of `count` cores; the APIC ID is `id`
};
std::vector<kvm_cpuid_entry2> guest_cpuid(std::span<const kvm_cpuid_entry2> supported,
                                          const GuestCpu& cpu);

// Features that `saved` promises the guest and `supported` has not: "leaf 7 EBX
// bits 0x20", or nothing.
std::string missing_features(std::span<const kvm_cpuid_entry2> saved,
                             std::span<const kvm_cpuid_entry2> supported);

bool same_vendor(std::span<const kvm_cpuid_entry2> saved,
                 std::span<const kvm_cpuid_entry2> supported);

// The host's TSC frequency, measured against the host's clock.
uint32_t measure_tsc_khz();

}  // namespace minikvm
