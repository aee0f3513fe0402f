// SPDX-License-Identifier: GPL-2.0-only
// One virtual CPU: its registers, and KVM_RUN.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "abi/call.h"
#include "abi/exit.h"
#include "abi/kvm.h"
#include "abi/state.h"
#include "uapi/minikvm.h"
#include "vmcb.h"

namespace minikvm::abi {

// The CPU's VMCS as MKVM_GET_VMCS gives it.
struct VmcsDump {
  mkvm_vmx_caps caps;
  std::vector<mkvm_vmcs_field> fields;
};

// The CPU's VMCB as MKVM_GET_VMCB gives it.
struct VmcbDump {
  mkvm_svm_caps caps;
  mkvm_vmcb vmcb;
};

class Vcpu {
 public:
  // Takes the descriptor of a new vCPU and maps its shared page.
  static Result<Vcpu> map(Handle handle, size_t run_size);
  Vcpu(Vcpu&& other) noexcept;
  Vcpu& operator=(Vcpu&&) = delete;
  ~Vcpu();

  Result<kvm_regs> regs() const;
  Result<> set_regs(const kvm_regs& regs) const;
  Result<kvm_sregs> sregs() const;
  Result<> set_sregs(const kvm_sregs& sregs) const;
  Result<> set_cpuid(std::span<const kvm_cpuid_entry2> entries) const;
  Result<uint32_t> tsc_khz() const;  // of the guest's TSC
  Result<> interrupt(uint8_t vector) const;
  Result<VmcsDump> vmcs() const;  // EOPNOTSUPP or ENOTTY where there is none
  Result<VmcbDump> vmcb() const;  // likewise
  Result<mkvm_vcpu_stats> stats() const;

  // Everything, of a vCPU outside of KVM_RUN whose last exit is complete. `msrs`:
  // System::msr_indices(); `xsave`, `apic`: the kernel has them for it.
  Result<VcpuState> save(std::span<const uint32_t> msrs, bool xsave, bool apic) const;
  // All but the TSC and the deadline that is told in its time, which come when
  // everything else of the machine is there.
  Result<> restore(const VcpuState& state) const;
  Result<> restore_deadline(const VcpuState& state) const;
  Result<uint64_t> tsc() const;
  Result<> set_tsc(uint64_t value) const;

  // Enters the guest until it needs us. What the previous exit asked for must
  // have been answered.
  Result<Exit> run();
  // Makes a KVM_RUN that is about to start return Interrupted at once; one that
  // is under way needs a signal as well. Callable from any thread.
  void set_immediate_exit(bool on);
  void request_interrupt_window(bool on) { shared().request_interrupt_window = on; }
  bool ready_for_interrupt() { return shared().ready_for_interrupt_injection != 0; }
  bool interrupt_flag() { return shared().if_flag != 0; }

 private:
  Vcpu(Handle handle, std::span<std::byte> mapping)
      : handle_(std::move(handle)), mapping_(mapping) {}
  kvm_run& shared() { return *reinterpret_cast<kvm_run*>(mapping_.data()); }

  Handle handle_;
  std::span<std::byte> mapping_;
};

}  // namespace minikvm::abi
