// SPDX-License-Identifier: GPL-2.0-only
// How a machine's life ended.
#pragma once

#include <cstdint>
#include <string>

namespace minikvm {

enum class Ending {
  power_off,     // the guest turned the machine off
  reset,         // the guest asked for a reset
  triple_fault,  // the guest could not handle its own exceptions
  halted,        // HLT with interrupts off: nothing can wake it
  entry_failed,  // the CPU refused the guest's state
  vcpu_error,    // an exit that KVM or this program cannot handle
  device_error,  // KVM_RUN or another request failed
  host_error,    // a system call of this program failed
  timeout,
  quit,    // Ctrl-A x
  saved,   // to a snapshot, from which it goes on
  signal,  // this program was asked to end
};

struct Outcome {
  Ending ending;
  std::string detail = {};  // for the errors: what exactly
  uint64_t code = 0;        // entry_failed: the vendor's reason; signal: its number
};

}  // namespace minikvm
