// SPDX-License-Identifier: GPL-2.0-only
#include "cli/exit_code.h"

#include <cstring>

namespace minikvm::cli {

const char kExitCodeHelp[] =
    "Exit codes of run:\n"
    "  0    the guest turned the machine off\n"
    "  1    an error of the host: memory, files, the terminal\n"
    "  2    wrong usage\n"
    "  3    the device: missing, no permission, or it refused a request\n"
    "  4    the kernel image or the initrd: missing, corrupt, or too large\n"
    "  10   the guest asked for a reset (a reboot, or a panic)\n"
    "  11   the guest shut down by a triple fault\n"
    "  12   the CPU refused to enter the guest\n"
    "  13   an exit from the guest that cannot be handled\n"
    "  14   the guest halted with interrupts off (--irqchip off: with APICs it just waits)\n"
    "  15   ended from the keyboard by Ctrl-A x\n"
    "  16   the machine was saved to the file of --snapshot\n"
    "  124  --timeout was reached\n"
    "  128+N  ended by signal N\n";

int exit_code(const Error& error) {
  switch (error.blame) {
    case Error::Blame::host:
      return kHostError;
    case Error::Blame::device:
      return kDeviceError;
    case Error::Blame::image:
      return kImageError;
  }
  return kHostError;
}

int exit_code(const Outcome& outcome) {
  switch (outcome.ending) {
    case Ending::power_off:
      return kPoweredOff;
    case Ending::reset:
      return kReset;
    case Ending::triple_fault:
      return kTripleFault;
    case Ending::halted:
      return kHalted;
    case Ending::entry_failed:
      return kEntryFailed;
    case Ending::vcpu_error:
      return kVcpuError;
    case Ending::device_error:
      return kDeviceError;
    case Ending::host_error:
      return kHostError;
    case Ending::timeout:
      return kTimeout;
    case Ending::quit:
      return kQuit;
    case Ending::saved:
      return kSaved;
    case Ending::signal:
      return kSignalBase + static_cast<int>(outcome.code);
  }
  return kHostError;
}

std::string describe(const Outcome& outcome) {
  switch (outcome.ending) {
    case Ending::power_off:
      return {};
    case Ending::reset:
      return "the guest asked for a reset";
    case Ending::triple_fault:
      return "the guest shut down: triple fault";
    case Ending::halted:
      return "the guest halted with interrupts off; nothing can wake it";
    case Ending::entry_failed:
      return "the CPU refused to enter the guest: " + outcome.detail;
    case Ending::vcpu_error:
    case Ending::device_error:
    case Ending::host_error:
      return outcome.detail;
    case Ending::timeout:
      return "timeout";
    case Ending::quit:
      return "ended from the keyboard";
    case Ending::saved:
      return "saved to " + outcome.detail + "; --restore goes on";
    case Ending::signal:
      return std::string("ended by signal: ") + ::strsignal(static_cast<int>(outcome.code));
  }
  return {};
}

}  // namespace minikvm::cli
