// SPDX-License-Identifier: GPL-2.0-only
// Why KVM_RUN came back, as a value. decode() is the only reader of the union
// in struct kvm_run.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "abi/kvm.h"

namespace minikvm::abi {

// `count` accesses of `size` bytes to one port; data holds size * count bytes,
// to be filled if `in`.
struct IoExit {
  uint16_t port;
  bool in;
  uint8_t size;
  uint32_t count;
  std::span<std::byte> data;
};
struct MmioExit {
  uint64_t address;
  bool write;
  std::span<std::byte> data;  // to be filled if not `write`
};
struct Halted {};       // HLT, and no interrupt controller in the kernel
struct WindowOpen {};   // an interrupt may be injected now
struct Interrupted {};  // a signal or immediate_exit
struct Shutdown {};     // triple fault
struct IoApicEoi {      // the irqchip is split: the I/O APIC that is not in the kernel
  uint8_t vector;
};
struct SystemEvent {  // the guest asked through a paravirtual interface
  uint32_t type;      // KVM_SYSTEM_EVENT_*
};
struct EntryFailed {
  uint64_t reason;  // the vendor's code
  uint32_t cpu;     // the host CPU that refused
};
struct InternalError {
  uint32_t suberror;  // KVM_INTERNAL_ERROR_*
  std::vector<uint64_t> data;
};
struct Unexpected {
  uint32_t reason;  // KVM_EXIT_*
};

using Exit = std::variant<IoExit, MmioExit, Halted, WindowOpen, Interrupted, Shutdown, IoApicEoi,
                          SystemEvent, EntryFailed, InternalError, Unexpected>;

// `mapping` is the vCPU's whole shared mapping, which starts with a kvm_run.
// The spans of the result point into it.
Exit decode(std::span<std::byte> mapping);

// "KVM_EXIT_HYPERV", or the number.
std::string exit_name(uint32_t reason);

// The usual overload set, to match over a variant.
template <class... Fs>
struct Match : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Match(Fs...) -> Match<Fs...>;  // for clang 14

}  // namespace minikvm::abi
