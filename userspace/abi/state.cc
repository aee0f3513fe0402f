// SPDX-License-Identifier: GPL-2.0-only
// Saving and restoring vCPUs and VMs. The order of restoring is from the
// kernel's Documentation/virt/kvm/api.rst and matters where it says so.
#include "abi/state.h"

#include <fmt/format.h>

#include <algorithm>

#include "abi/flexible.h"
#include "abi/vcpu.h"
#include "abi/vm.h"

namespace minikvm::abi {
namespace {

constexpr uint32_t kTsc = 0x10, kTscDeadline = 0x6e0;

Result<unsigned> msr_call(const Handle& handle, bool set, std::span<kvm_msr_entry> entries) {
  Flexible<kvm_msrs, kvm_msr_entry> msrs{entries.size()};
  msrs.header().nmsrs = static_cast<uint32_t>(entries.size());
  std::ranges::copy(entries, msrs.entries().begin());
  const int done = TRY(set ? KVM_CALL(handle, KVM_SET_MSRS, msrs.header())
                           : KVM_CALL(handle, KVM_GET_MSRS, msrs.header()));
  std::ranges::copy(msrs.entries(), entries.begin());
  return static_cast<unsigned>(done);
}

// Some that the list has are not there for this guest.
Result<std::vector<kvm_msr_entry>> get_msrs(const Handle& handle,
                                            std::span<const uint32_t> indices) {
  std::vector<kvm_msr_entry> found;
  for (const uint32_t index : indices) {
    kvm_msr_entry entry{.index = index, .reserved = 0, .data = 0};
    if (TRY(msr_call(handle, false, {&entry, 1})) == 1) found.push_back(entry);
  }
  return found;
}

// One that cannot be written will do if it has the value already.
Result<> set_msr(const Handle& handle, kvm_msr_entry entry) {
  if (TRY(msr_call(handle, true, {&entry, 1})) == 1) return {};
  kvm_msr_entry here = entry;
  if (TRY(msr_call(handle, false, {&here, 1})) == 1 && here.data == entry.data) return {};
  return fail({EINVAL, "KVM_SET_MSRS", handle.device,
               fmt::format("MSR {:#x} does not take {:#x}", entry.index, entry.data),
               Error::Blame::device});
}

template <class Match>
Result<> set_msrs(const Handle& handle, std::span<const kvm_msr_entry> msrs, Match&& match) {
  for (const kvm_msr_entry& entry : msrs)
    if (match(entry.index)) TRY(set_msr(handle, entry));
  return {};
}

}  // namespace

Result<VcpuState> Vcpu::save(std::span<const uint32_t> msrs, bool xsave, bool apic) const {
  VcpuState s{};
  Flexible<kvm_cpuid2, kvm_cpuid_entry2> cpuid{256};
  cpuid.header().nent = 256;
  // First: it lets the kernel bring pending INIT and SIPI into the registers.
  TRY(KVM_CALL(handle_, KVM_GET_MP_STATE, s.mp_state));
  TRY(KVM_CALL(handle_, KVM_GET_CPUID2, cpuid.header()));
  const auto entries = cpuid.entries().first(std::min(256u, cpuid.header().nent));
  s.cpuid.assign(entries.begin(), entries.end());
  s.regs = TRY(regs());
  s.sregs = TRY(sregs());
  s.msrs = TRY(get_msrs(handle_, msrs));
  TRY(KVM_CALL(handle_, KVM_GET_VCPU_EVENTS, s.events));
  TRY(KVM_CALL(handle_, KVM_GET_DEBUGREGS, s.debugregs));
  if (xsave) {
    TRY(KVM_CALL(handle_, KVM_GET_XSAVE, s.xsave.emplace()));
    TRY(KVM_CALL(handle_, KVM_GET_XCRS, s.xcrs.emplace()));
  } else {
    TRY(KVM_CALL(handle_, KVM_GET_FPU, s.fpu.emplace()));
  }
  if (apic) TRY(KVM_CALL(handle_, KVM_GET_LAPIC, s.lapic.emplace()));
  return s;
}

Result<> Vcpu::restore(const VcpuState& s) const {
  TRY(set_cpuid(s.cpuid));  // what the others may be depends on it
  TRY(set_sregs(s.sregs));
  if (s.xcrs) TRY(KVM_CALL(handle_, KVM_SET_XCRS, *s.xcrs));
  if (s.xsave) TRY(KVM_CALL(handle_, KVM_SET_XSAVE, *s.xsave));
  if (s.fpu) TRY(KVM_CALL(handle_, KVM_SET_FPU, *s.fpu));
  TRY(set_msrs(handle_, s.msrs,
               [](uint32_t index) { return index != kTsc && index != kTscDeadline; }));
  TRY(set_regs(s.regs));
  TRY(KVM_CALL(handle_, KVM_SET_DEBUGREGS, s.debugregs));
  // With the local APIC enabled and before its deadline: the timer's mode is in there.
  if (s.lapic) TRY(KVM_CALL(handle_, KVM_SET_LAPIC, *s.lapic));
  TRY(KVM_CALL(handle_, KVM_SET_VCPU_EVENTS, s.events));
  TRY(KVM_CALL(handle_, KVM_SET_MP_STATE, s.mp_state));
  return {};
}

Result<uint64_t> Vcpu::tsc() const {
  kvm_msr_entry entry{.index = kTsc, .reserved = 0, .data = 0};
  if (TRY(msr_call(handle_, false, {&entry, 1})) == 1) return entry.data;
  return fail({EINVAL, "KVM_GET_MSRS", handle_.device, "no TSC", Error::Blame::device});
}

Result<> Vcpu::set_tsc(uint64_t value) const {
  return set_msr(handle_, {.index = kTsc, .reserved = 0, .data = value});
}

Result<> Vcpu::restore_deadline(const VcpuState& s) const {
  return set_msrs(handle_, s.msrs, [](uint32_t index) { return index == kTscDeadline; });
}

Result<VmState> Vm::save(bool irqchip, bool pit, bool clock) const {
  VmState s{};
  if (clock) TRY(KVM_CALL(handle_, KVM_GET_CLOCK, s.clock.emplace()));
  if (pit) TRY(KVM_CALL(handle_, KVM_GET_PIT2, s.pit.emplace()));
  if (!irqchip) return s;
  s.irqchip.emplace();
  for (uint32_t id = 0; id < s.irqchip->size(); ++id) {
    kvm_irqchip& chip = s.irqchip->at(id);
    chip.chip_id = id;
    TRY(KVM_CALL(handle_, KVM_GET_IRQCHIP, chip));
  }
  return s;
}

Result<> Vm::restore(const VmState& s) const {
  if (s.irqchip)
    for (const kvm_irqchip& chip : *s.irqchip) TRY(KVM_CALL(handle_, KVM_SET_IRQCHIP, chip));
  if (s.pit) TRY(KVM_CALL(handle_, KVM_SET_PIT2, *s.pit));
  return {};
}

// The guest's clock goes on from where it stood: no time has passed for it.
Result<> Vm::restore_clock(const VmState& s) const {
  if (!s.clock) return {};
  kvm_clock_data clock{};
  clock.clock = s.clock->clock;
  TRY(KVM_CALL(handle_, KVM_SET_CLOCK, clock));
  return {};
}

}  // namespace minikvm::abi
