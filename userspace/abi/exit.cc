// SPDX-License-Identifier: GPL-2.0-only
#include "abi/exit.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace minikvm::abi {
namespace {

kvm_run& run_of(std::span<std::byte> mapping) {
  return *reinterpret_cast<kvm_run*>(mapping.data());
}

Exit decode_io(std::span<std::byte> mapping) {
  const auto io = run_of(mapping).io;
  const uint64_t bytes = uint64_t{io.size} * io.count;
  if (io.size == 0 || io.size > 4 || io.data_offset > mapping.size() ||
      bytes > mapping.size() - io.data_offset)
    return Unexpected{KVM_EXIT_IO};
  return IoExit{io.port, io.direction == KVM_EXIT_IO_IN, io.size, io.count,
                mapping.subspan(io.data_offset, bytes)};
}

Exit decode_mmio(kvm_run& run) {
  if (run.mmio.len == 0 || run.mmio.len > sizeof(run.mmio.data)) return Unexpected{KVM_EXIT_MMIO};
  const std::span data{reinterpret_cast<std::byte*>(run.mmio.data), run.mmio.len};
  return MmioExit{run.mmio.phys_addr, run.mmio.is_write != 0, data};
}

Exit decode_internal_error(const kvm_run& run) {
  const auto words = std::min<size_t>(run.internal.ndata, std::size(run.internal.data));
  return InternalError{run.internal.suberror, {run.internal.data, run.internal.data + words}};
}

}  // namespace

Exit decode(std::span<std::byte> mapping) {
  kvm_run& run = run_of(mapping);
  switch (run.exit_reason) {
    case KVM_EXIT_IO:
      return decode_io(mapping);
    case KVM_EXIT_MMIO:
      return decode_mmio(run);
    case KVM_EXIT_HLT:
      return Halted{};
    case KVM_EXIT_IRQ_WINDOW_OPEN:
    case KVM_EXIT_SET_TPR:  // the guest lowered CR8
      return WindowOpen{};
    case KVM_EXIT_INTR:
      return Interrupted{};
    case KVM_EXIT_SHUTDOWN:
      return Shutdown{};
    case KVM_EXIT_IOAPIC_EOI:
      return IoApicEoi{run.eoi.vector};
    case KVM_EXIT_SYSTEM_EVENT:
      return SystemEvent{run.system_event.type};
    case KVM_EXIT_FAIL_ENTRY:
      return EntryFailed{run.fail_entry.hardware_entry_failure_reason, run.fail_entry.cpu};
    case KVM_EXIT_INTERNAL_ERROR:
      return decode_internal_error(run);
    default:
      return Unexpected{run.exit_reason};
  }
}

std::string exit_name(uint32_t reason) {
  switch (reason) {
    case KVM_EXIT_UNKNOWN:
      return "KVM_EXIT_UNKNOWN";
    case KVM_EXIT_EXCEPTION:
      return "KVM_EXIT_EXCEPTION";
    case KVM_EXIT_IO:
      return "KVM_EXIT_IO";
    case KVM_EXIT_HYPERCALL:
      return "KVM_EXIT_HYPERCALL";
    case KVM_EXIT_DEBUG:
      return "KVM_EXIT_DEBUG";
    case KVM_EXIT_MMIO:
      return "KVM_EXIT_MMIO";
    case KVM_EXIT_SET_TPR:
      return "KVM_EXIT_SET_TPR";
    case KVM_EXIT_TPR_ACCESS:
      return "KVM_EXIT_TPR_ACCESS";
    case KVM_EXIT_NMI:
      return "KVM_EXIT_NMI";
    case KVM_EXIT_HYPERV:
      return "KVM_EXIT_HYPERV";
    case KVM_EXIT_X86_RDMSR:
      return "KVM_EXIT_X86_RDMSR";
    case KVM_EXIT_X86_WRMSR:
      return "KVM_EXIT_X86_WRMSR";
    case KVM_EXIT_X86_BUS_LOCK:
      return "KVM_EXIT_X86_BUS_LOCK";
    default:
      return fmt::format("KVM exit reason {}", reason);
  }
}

}  // namespace minikvm::abi
