// SPDX-License-Identifier: GPL-2.0-only
// The whole machine, paused. builder.cc puts it together.
#pragma once

#include <memory>

#include "abi/system.h"
#include "machine/board.h"
#include "machine/config.h"
#include "machine/console.h"
#include "machine/event_loop.h"
#include "machine/notes.h"
#include "machine/outcome.h"
#include "machine/signals.h"
#include "machine/snapshot.h"
#include "machine/vcpu_thread.h"

namespace minikvm {

// All that the event loop waits for, but standard input.
struct Wakeups {
  static Result<Wakeups> create();

  Signals signals;  // first: threads inherit the blocked signals
  EventLoop loop;
  Alarm board;    // a device has something to do
  Alarm timeout;  // of the whole machine
  Alarm snapshot;
  EventFd note;
};

// What there is before the devices.
struct Parts {
  GuestMemory ram;
  abi::Vm vm;
  std::vector<abi::Vcpu> vcpus;
  Irqchip irqchip;
};

// Destroyed from the last member to the first: the threads end before the
// devices that they call, and the vCPUs before the memory that they use.
class Machine {
 public:
  Machine(abi::System system, Parts parts, Wakeups wakeups);

  // Lets the guest run until something ends it. The caller's thread becomes the
  // event loop. Once only.
  Outcome run();

  // Registers and VMCS of the one that ended the machine, for when run() has returned.
  const abi::Vcpu& vcpu() const { return vcpus_[notes_.first_vcpu()]; }

 private:
  friend Result<std::unique_ptr<Machine>> build(const MachineConfig& config);

  BoardEvents board_events();
  void must(const Result<>& done);  // else it is the end
  void start_threads();
  Result<> watch(const MachineConfig& config);
  void on_note();
  void on_signal();
  void on_timeout();
  void on_command(Console::Command command);
  void save();
  Result<> pause_all();
  Result<Snapshot> state();
  Result<> restore(const Snapshot& snapshot);

  abi::System system_;
  GuestMemory ram_;
  const Irqchip irqchip_;
  std::string snapshot_path_;
  Wakeups wakeups_;
  Notes notes_;
  MonotonicClock clock_;
  abi::Vm vm_;
  std::vector<abi::Vcpu> vcpus_;
  Fd serial_file_;
  std::unique_ptr<Board> board_;
  std::unique_ptr<Console> console_;
  std::vector<std::unique_ptr<VcpuThread>> threads_;  // one for each of vcpus_
};

// From a kernel image, or from a snapshot: the machine goes on where it was.
Result<std::unique_ptr<Machine>> build(const MachineConfig& config);

// Can it go on with this device?
Result<> check_snapshot(const abi::System& system, const Snapshot& snapshot);

}  // namespace minikvm
