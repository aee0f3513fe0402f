// SPDX-License-Identifier: GPL-2.0-only
// What the guest's CPU says it is: what KVM supports, less what this machine
// has not got, plus what only the VMM knows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "abi/kvm.h"

namespace minikvm {

// The machine has no local APIC, so everything that needs one is hidden; a
// guest falls back to the 8259 and the 8254. `tsc_khz` goes where Linux looks
// for it, so that it does not have to measure.
std::vector<kvm_cpuid_entry2> guest_cpuid(std::span<const kvm_cpuid_entry2> supported,
                                          uint32_t tsc_khz);

// The host's TSC frequency, measured against the host's clock.
uint32_t measure_tsc_khz();

}  // namespace minikvm
