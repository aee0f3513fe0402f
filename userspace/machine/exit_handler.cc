// SPDX-License-Identifier: GPL-2.0-only
#include "machine/exit_handler.h"

#include <fmt/format.h>

namespace minikvm {
namespace {

Next after_access(std::optional<PowerRequest> request) {
  if (!request) return Resume{};
  return Outcome{*request == PowerRequest::reset ? Ending::reset : Ending::power_off};
}

Next halted(bool interrupts_enabled) {
  if (interrupts_enabled) return AwaitInterrupt{};
  // There is no NMI source in the machine that could end this halt.
  return Outcome{Ending::halted};
}

Next system_event(uint32_t type) {
  switch (type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
      return Outcome{Ending::power_off};
    case KVM_SYSTEM_EVENT_RESET:
      return Outcome{Ending::reset};
    default:
      return Outcome{Ending::vcpu_error, fmt::format("system event {}", type)};
  }
}

std::string describe(const abi::InternalError& error) {
  std::string text = fmt::format("KVM internal error {}", error.suberror);
  if (error.suberror == KVM_INTERNAL_ERROR_EMULATION)
    text += ": an instruction that the kernel module cannot emulate";
  for (const uint64_t word : error.data) text += fmt::format(" {:#x}", word);
  return text;
}

}  // namespace

Next handle(Board& board, const abi::Exit& exit, bool interrupts_enabled) {
  return std::visit(abi::Match{
                        [&](const abi::IoExit& io) { return after_access(board.port_io(io)); },
                        [&](const abi::MmioExit& mmio) { return after_access(board.mmio(mmio)); },
                        [&](const abi::Halted&) { return halted(interrupts_enabled); },
                        [](const abi::WindowOpen&) -> Next { return Resume{}; },
                        [](const abi::Interrupted&) -> Next { return Resume{}; },
                        [](const abi::Shutdown&) -> Next { return Outcome{Ending::triple_fault}; },
                        [&](const abi::IoApicEoi& eoi) -> Next {
                          board.ioapic_eoi(eoi.vector);
                          return Resume{};
                        },
                        [](const abi::SystemEvent& event) { return system_event(event.type); },
                        [](const abi::EntryFailed& failed) -> Next {
                          return Outcome{Ending::entry_failed,
                                         fmt::format("hardware reason {:#x} on host CPU {}",
                                                     failed.reason, failed.cpu),
                                         failed.reason};
                        },
                        [](const abi::InternalError& error) -> Next {
                          return Outcome{Ending::vcpu_error, describe(error)};
                        },
                        [](const abi::Unexpected& unexpected) -> Next {
                          return Outcome{Ending::vcpu_error,
                                         "cannot handle " + abi::exit_name(unexpected.reason)};
                        },
                    },
                    exit);
}

}  // namespace minikvm
