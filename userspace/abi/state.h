// SPDX-License-Identifier: GPL-2.0-only
// All that a vCPU and a VM hold in the kernel, as data: what a snapshot is made
// of. A machine on whose device a part does not exist saves without it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "abi/kvm.h"

namespace minikvm::abi {

struct VcpuState {
  std::vector<kvm_cpuid_entry2> cpuid;
  std::vector<kvm_msr_entry> msrs;
  kvm_regs regs;
  kvm_sregs sregs;
  kvm_vcpu_events events;
  kvm_debugregs debugregs;
  kvm_mp_state mp_state;
  std::optional<kvm_xsave> xsave;  // else fpu
  std::optional<kvm_xcrs> xcrs;
  std::optional<kvm_fpu> fpu;
  std::optional<kvm_lapic_state> lapic;
};

struct VmState {
  std::optional<std::array<kvm_irqchip, 3>> irqchip;  // 8259 pair and I/O APIC
  std::optional<kvm_pit_state2> pit;
  std::optional<kvm_clock_data> clock;
};

}  // namespace minikvm::abi
