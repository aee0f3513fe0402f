// SPDX-License-Identifier: GPL-2.0-only
#include "abi/vcpu.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "abi/flexible.h"

namespace minikvm::abi {

Result<Vcpu> Vcpu::map(Handle handle, size_t run_size) {
  void* const at =
      ::mmap(nullptr, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, handle.fd.get(), 0);
  if (at == MAP_FAILED) return fail_errno("mmap of the vCPU", handle.device);
  return Vcpu{std::move(handle), {static_cast<std::byte*>(at), run_size}};
}

Vcpu::Vcpu(Vcpu&& other) noexcept
    : handle_(std::move(other.handle_)), mapping_(std::exchange(other.mapping_, {})) {}

Vcpu::~Vcpu() {
  if (!mapping_.empty()) ::munmap(mapping_.data(), mapping_.size());
}

Result<kvm_regs> Vcpu::regs() const {
  kvm_regs regs{};
  TRY(KVM_CALL(handle_, KVM_GET_REGS, regs));
  return regs;
}

Result<> Vcpu::set_regs(const kvm_regs& regs) const {
  TRY(KVM_CALL(handle_, KVM_SET_REGS, regs));
  return {};
}

Result<kvm_sregs> Vcpu::sregs() const {
  kvm_sregs sregs{};
  TRY(KVM_CALL(handle_, KVM_GET_SREGS, sregs));
  return sregs;
}

Result<> Vcpu::set_sregs(const kvm_sregs& sregs) const {
  TRY(KVM_CALL(handle_, KVM_SET_SREGS, sregs));
  return {};
}

Result<> Vcpu::set_cpuid(std::span<const kvm_cpuid_entry2> entries) const {
  Flexible<kvm_cpuid2, kvm_cpuid_entry2> cpuid{entries.size()};
  cpuid.header().nent = static_cast<uint32_t>(entries.size());
  std::ranges::copy(entries, cpuid.entries().begin());
  TRY(KVM_CALL(handle_, KVM_SET_CPUID2, cpuid.header()));
  return {};
}

Result<uint32_t> Vcpu::tsc_khz() const {
  return static_cast<uint32_t>(TRY(KVM_CALL(handle_, KVM_GET_TSC_KHZ)));
}

Result<> Vcpu::interrupt(uint8_t vector) const {
  const kvm_interrupt interrupt{vector};
  TRY(KVM_CALL(handle_, KVM_INTERRUPT, interrupt));
  return {};
}

Result<VmcsDump> Vcpu::vmcs() const {
  Flexible<mkvm_vmcs_dump, mkvm_vmcs_field> dump{MKVM_VMCS_MAX_FIELDS};
  dump.header().nr = MKVM_VMCS_MAX_FIELDS;
  TRY(KVM_CALL(handle_, MKVM_GET_VMCS, dump.header()));
  const auto fields =
      dump.entries().first(std::min<size_t>(dump.header().nr, MKVM_VMCS_MAX_FIELDS));
  return VmcsDump{dump.header().caps, {fields.begin(), fields.end()}};
}

Result<VmcbDump> Vcpu::vmcb() const {
  mkvm_vmcb_dump dump{};
  TRY(KVM_CALL(handle_, MKVM_GET_VMCB, dump));
  VmcbDump typed{.caps = dump.caps, .vmcb = {}};
  static_assert(sizeof(typed.vmcb) == sizeof(dump.vmcb));
  std::memcpy(&typed.vmcb, dump.vmcb, sizeof(dump.vmcb));
  return typed;
}

Result<mkvm_vcpu_stats> Vcpu::stats() const {
  mkvm_vcpu_stats stats{};
  TRY(KVM_CALL(handle_, MKVM_GET_STATS, stats));
  return stats;
}

Result<Exit> Vcpu::run() {
  const auto done = KVM_CALL(handle_, KVM_RUN);
  if (done) return decode(mapping_);
  // EAGAIN: a CPU that waited to be started has been.
  if (done.error().code == EINTR || done.error().code == EAGAIN) return Exit{Interrupted{}};
  return fail(done.error());
}

void Vcpu::set_immediate_exit(bool on) {
  std::atomic_ref<uint8_t>{shared().immediate_exit}.store(on);
}

}  // namespace minikvm::abi
