// SPDX-License-Identifier: GPL-2.0-only
// One virtual machine: its memory slots and its vCPUs.
#pragma once

#include <cstdint>
#include <span>

#include "abi/call.h"
#include "abi/vcpu.h"

namespace minikvm::abi {

class Vm {
 public:
  Vm(Handle handle, size_t run_size) : handle_(std::move(handle)), run_size_(run_size) {}

  int check_extension(unsigned long capability) const;
  // The guest sees `memory` at guest-physical `base`. The memory must outlive
  // the VM; an empty span removes the slot.
  Result<> set_memory(uint32_t slot, uint64_t base, std::span<std::byte> memory) const;
  // Three pages, and one page, of guest-physical address space below 4 GiB that
  // VT-x without unrestricted guest needs for real mode.
  Result<> set_tss_address(uint32_t base) const;
  Result<> set_identity_map_address(uint64_t base) const;
  Result<Vcpu> create_vcpu(unsigned id) const;

 private:
  Handle handle_;
  size_t run_size_;
};

}  // namespace minikvm::abi
