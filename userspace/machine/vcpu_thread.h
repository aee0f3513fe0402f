// SPDX-License-Identifier: GPL-2.0-only
// The thread that is a vCPU.
//
//              run()                the guest ends,
//            ---------->            or finish()
//   paused               running  --------------->  finished
//     |      <----------                               ^
//     |        pause()                                 |
//     +------------------------------------------------+
//                         finish()
//
// `running` is the only state inside KVM_RUN. In `paused` and `finished` the
// vCPU's registers may be read from another thread. A command takes effect
// after a kick: immediate_exit for a KVM_RUN that is about to start, a signal
// for one that is under way, a condition variable for a thread that waits.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "abi/vcpu.h"
#include "machine/board.h"
#include "machine/exit_handler.h"

namespace minikvm {

class VcpuThread {
 public:
  enum class State { paused, running, finished };

  // Starts paused. `on_finished` is called from the thread, at its end, when it
  // ends by itself. INTR of the board's 8259 pair leads to the first CPU only:
  // `takes_intr`.
  VcpuThread(abi::Vcpu& vcpu, Board& board, bool takes_intr,
             std::function<void(Outcome)> on_finished);
  ~VcpuThread();
  VcpuThread(const VcpuThread&) = delete;
  VcpuThread& operator=(const VcpuThread&) = delete;

  void run() { command(State::running); }
  // Returns when the thread is outside KVM_RUN and its last exit is complete, or
  // false after a while, if it is stuck in a device.
  bool pause();
  void finish();  // returns when the thread has ended
  // The same without the wait.
  void ask_to_pause() { command(State::paused); }
  void ask_to_finish() { command(State::finished); }

  // While paused: whether it waits for an interrupt outside of the kernel.
  bool halted() const { return halted_; }
  void set_halted(bool halted) { halted_ = halted; }

  // Makes the thread look at commands and interrupts again. Nothing happens
  // when it calls this itself: it will look before it enters the guest.
  void kick();

 private:
  void main();
  void command(State wanted);
  State await_command();
  std::optional<Outcome> run_until_event();
  std::optional<Outcome> settle();
  Result<Next> enter_once();
  template <class Reached>
  bool await_state(Reached reached, int patience);  // in kicks; below 0: for ever
  Result<> inject();
  bool await_interrupt();
  State wanted();

  abi::Vcpu& vcpu_;
  Board& board_;
  const bool takes_intr_;
  std::function<void(Outcome)> on_finished_;

  std::mutex lock_;  // never held while the board is called
  std::condition_variable changed_;
  State wanted_ = State::paused;  // the rest: guarded by lock_
  State state_ = State::paused;
  bool kicked_ = false;

  bool halted_ = false;  // the thread's own
  std::thread thread_;   // last: starts when the rest is there
};

}  // namespace minikvm
