// SPDX-License-Identifier: GPL-2.0-only
// The device node itself: what /dev/kvm and /dev/minikvm answer before there is
// a virtual machine.
#pragma once

#include <string>
#include <vector>

#include "abi/call.h"
#include "abi/vm.h"

namespace minikvm::abi {

class System {
 public:
  // Opens the device and checks the API version and that the capabilities which
  // this VMM cannot do without are there; the error names each missing one.
  static Result<System> open(const std::string& device);

  // 0 where the capability is unknown, as KVM defines it.
  int check_extension(unsigned long capability) const;
  Result<std::vector<kvm_cpuid_entry2>> supported_cpuid() const;
  Result<std::vector<uint32_t>> msr_indices() const;  // that belong to a vCPU's state
  Result<Vm> create_vm() const;
  const std::string& device() const { return handle_.device; }

 private:
  System(Handle handle, size_t run_size) : handle_(std::move(handle)), run_size_(run_size) {}

  Handle handle_;
  size_t run_size_;  // of the vCPU's shared mapping
};

// The error of opening a device node, with what to do about it.
Error explain_open_failure(int code, const std::string& device);

}  // namespace minikvm::abi
