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
#include "machine/vcpu_thread.h"

namespace minikvm {

// All that the event loop waits for, but standard input.
struct Wakeups {
  static Result<Wakeups> create();

  Signals signals;  // first: threads inherit the blocked signals
  EventLoop loop;
  Alarm board;    // a device has something to do
  Alarm timeout;  // of the whole machine
  EventFd note;
};

// Destroyed from the last member to the first: the thread ends before the
// devices that it calls, and the vCPU before the memory that it uses.
class Machine {
 public:
  Machine(GuestMemory ram, Wakeups wakeups, abi::Vm vm, abi::Vcpu vcpu);

  // Lets the guest run until something ends it. The caller's thread becomes the
  // event loop. Once only.
  Outcome run();

  // Its registers and its VMCS, for when run() has returned.
  const abi::Vcpu& vcpu() const { return vcpu_; }

 private:
  friend Result<std::unique_ptr<Machine>> build(const MachineConfig& config);

  BoardEvents board_events();
  Result<> watch(const MachineConfig& config);
  void on_note();
  void on_signal();
  void on_timeout();
  void on_command(Console::Command command);

  GuestMemory ram_;
  Wakeups wakeups_;
  Notes notes_;
  MonotonicClock clock_;
  abi::Vm vm_;
  abi::Vcpu vcpu_;
  Fd serial_file_;
  std::unique_ptr<Board> board_;
  std::unique_ptr<Console> console_;
  std::unique_ptr<VcpuThread> thread_;
};

Result<std::unique_ptr<Machine>> build(const MachineConfig& config);

}  // namespace minikvm
