// SPDX-License-Identifier: GPL-2.0-only
#include "abi/system.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "abi/flexible.h"

namespace minikvm::abi {
namespace {

struct Required {
  unsigned long capability;
  const char* name;
};
constexpr Required kRequired[] = {
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
    {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
};

bool is_minikvm(const std::string& device) { return device.ends_with("/minikvm"); }

std::string advice(int code, const std::string& device) {
  const char* module = is_minikvm(device) ? "minikvm.ko" : "the kvm module";
  switch (code) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return fmt::format(
          "is {} loaded? {}", module,
          is_minikvm(device) ? "sudo insmod minikvm.ko" : "sudo modprobe kvm_intel (or kvm_amd)");
    case EACCES:
    case EPERM:
      return fmt::format(
          "no permission: run as root, or have an administrator give your group "
          "access: sudo chgrp kvm {0} && sudo chmod 660 {0}",
          device);
    case EBUSY:
      return "another hypervisor holds the CPU's virtualization extensions; the kernel log "
             "(sudo dmesg) says which";
    default:
      return {};
  }
}

Error not_a_kvm_device(const std::string& device) {
  return {0, "open", device, "this is not a KVM device: it does not answer KVM_GET_API_VERSION",
          Error::Blame::device};
}

Result<> require_api_version(const Handle& handle) {
  const auto version = KVM_CALL(handle, KVM_GET_API_VERSION);
  if (!version) return fail(not_a_kvm_device(handle.device));
  if (*version == KVM_API_VERSION) return {};
  return fail({0, "KVM_GET_API_VERSION", handle.device,
               fmt::format("it speaks version {}, this program {}", *version, KVM_API_VERSION),
               Error::Blame::device});
}

Result<> require_capabilities(const System& system) {
  std::string missing;
  for (const Required& required : kRequired)
    if (system.check_extension(required.capability) == 0)
      missing += (missing.empty() ? "" : ", ") + std::string(required.name);
  if (missing.empty()) return {};
  return fail(
      {0, "KVM_CHECK_EXTENSION", system.device(), "it lacks " + missing, Error::Blame::device});
}

Result<size_t> run_mapping_size(const Handle& handle) {
  const int size = TRY(KVM_CALL(handle, KVM_GET_VCPU_MMAP_SIZE));
  if (static_cast<size_t>(size) >= sizeof(kvm_run)) return static_cast<size_t>(size);
  return fail({0, "KVM_GET_VCPU_MMAP_SIZE", handle.device,
               fmt::format("{} bytes do not hold struct kvm_run", size), Error::Blame::device});
}

Error explain_create(Error error) {
  error.why = advice(error.code, error.on);
  return error;
}

}  // namespace

Error explain_open_failure(int code, const std::string& device) {
  return {code, "open", device, advice(code, device), Error::Blame::device};
}

Result<System> System::open(const std::string& device) {
  auto fd = Fd::open(device, O_RDWR);
  if (!fd) return fail(explain_open_failure(fd.error().code, device));
  Handle handle{*std::move(fd), device};
  TRY(require_api_version(handle));
  const size_t run_size = TRY(run_mapping_size(handle));
  System system{std::move(handle), run_size};
  TRY(require_capabilities(system));
  return system;
}

int System::check_extension(unsigned long capability) const {
  return KVM_CALL(handle_, KVM_CHECK_EXTENSION, capability).value_or(0);
}

Result<std::vector<kvm_cpuid_entry2>> System::supported_cpuid() const {
  for (unsigned room = 128;; room *= 2) {
    Flexible<kvm_cpuid2, kvm_cpuid_entry2> cpuid{room};
    cpuid.header().nent = room;
    const auto done = KVM_CALL(handle_, KVM_GET_SUPPORTED_CPUID, cpuid.header());
    if (!done && done.error().code == E2BIG && room < 4096) continue;
    if (!done) return fail(done.error());
    const auto entries = cpuid.entries().first(std::min(room, cpuid.header().nent));
    return std::vector<kvm_cpuid_entry2>(entries.begin(), entries.end());
  }
}

Result<std::vector<uint32_t>> System::msr_indices() const {
  Flexible<kvm_msr_list, uint32_t> list{1024};
  list.header().nmsrs = 1024;
  TRY(KVM_CALL(handle_, KVM_GET_MSR_INDEX_LIST, list.header()));
  const auto found = list.entries().first(std::min(1024u, list.header().nmsrs));
  return std::vector<uint32_t>(found.begin(), found.end());
}

Result<Vm> System::create_vm() const {
  // The kernel may be interrupted while it enables virtualization on all CPUs.
  for (int attempt = 0;; ++attempt) {
    const auto fd = KVM_CALL(handle_, KVM_CREATE_VM);
    if (fd) return Vm{Handle{Fd{*fd}, handle_.device}, run_size_};
    if (fd.error().code != EINTR || attempt == 5) return fail(explain_create(fd.error()));
  }
}

}  // namespace minikvm::abi
