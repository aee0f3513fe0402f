// SPDX-License-Identifier: GPL-2.0-only
#include "abi/vm.h"

namespace minikvm::abi {

int Vm::check_extension(unsigned long capability) const {
  return KVM_CALL(handle_, KVM_CHECK_EXTENSION, capability).value_or(0);
}

Result<> Vm::set_memory(uint32_t slot, uint64_t base, std::span<std::byte> memory) const {
  kvm_userspace_memory_region region{};
  region.slot = slot;
  region.guest_phys_addr = base;
  region.memory_size = memory.size();
  region.userspace_addr = reinterpret_cast<uintptr_t>(memory.data());
  TRY(KVM_CALL(handle_, KVM_SET_USER_MEMORY_REGION, region));
  return {};
}

Result<> Vm::set_tss_address(uint32_t base) const {
  TRY(KVM_CALL(handle_, KVM_SET_TSS_ADDR, base));
  return {};
}

Result<> Vm::set_identity_map_address(uint64_t base) const {
  const struct Address { uint64_t value; } address{base};
  TRY(KVM_CALL(handle_, KVM_SET_IDENTITY_MAP_ADDR, address));
  return {};
}

Result<Vcpu> Vm::create_vcpu(unsigned id) const {
  const int fd = TRY(KVM_CALL(handle_, KVM_CREATE_VCPU, id));
  return Vcpu::map(Handle{Fd{fd}, handle_.device}, run_size_);
}

}  // namespace minikvm::abi
