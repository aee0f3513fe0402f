// SPDX-License-Identifier: GPL-2.0-only
#include "machine/vcpu_thread.h"

#include <pthread.h>

#include <csignal>

namespace minikvm {
namespace {

int kick_signal() { return SIGRTMIN; }

// The handler has nothing to do: that it runs at all ends the KVM_RUN. Without
// SA_RESTART it also ends a write to a terminal that does not move.
void install_kick_handler() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(kick_signal(), &action, nullptr);
}

void unblock_kick_signal() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, kick_signal());
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace

VcpuThread::VcpuThread(abi::Vcpu& vcpu, Board& board, bool takes_intr,
                       std::function<void(Outcome)> on_finished)
    : vcpu_(vcpu), board_(board), takes_intr_(takes_intr), on_finished_(std::move(on_finished)) {
  install_kick_handler();
  thread_ = std::thread{[this] { main(); }};
}

VcpuThread::~VcpuThread() { finish(); }

void VcpuThread::main() {
  unblock_kick_signal();
  std::optional<Outcome> outcome;
  while (!outcome && await_command() == State::running) outcome = run_until_event();
  if (outcome) on_finished_(*std::move(outcome));
  {
    const std::lock_guard guard{lock_};
    state_ = State::finished;
  }
  changed_.notify_all();
}

// Blocks while the thread is to be paused; returns what it is to be instead.
VcpuThread::State VcpuThread::await_command() {
  std::unique_lock lock{lock_};
  state_ = State::paused;
  changed_.notify_all();
  changed_.wait(lock, [&] { return wanted_ != State::paused; });
  state_ = wanted_;
  return state_;
}

// nullopt: a command came.
std::optional<Outcome> VcpuThread::run_until_event() {
  for (;;) {
    if (halted_ && !await_interrupt()) return std::nullopt;
    // In this order: a kick from here on makes KVM_RUN return at once; an earlier
    // one has left its reason where we look next.
    vcpu_.set_immediate_exit(false);
    if (wanted() != State::running) return settle();
    const auto next = enter_once();
    if (!next) return Outcome{Ending::device_error, next.error().text()};
    if (const auto* outcome = std::get_if<Outcome>(&*next)) return *outcome;
    halted_ = std::holds_alternative<AwaitInterrupt>(*next);
  }
}

// KVM_RUN finishes the instruction that the last exit was for, before it looks at
// immediate_exit. Only then are the registers those between two instructions.
std::optional<Outcome> VcpuThread::settle() {
  for (;;) {
    vcpu_.set_immediate_exit(true);
    const auto exit = vcpu_.run();
    if (!exit) return Outcome{Ending::device_error, exit.error().text()};
    if (std::holds_alternative<abi::Interrupted>(*exit)) return std::nullopt;
    const Next next = handle(board_, *exit, vcpu_.interrupt_flag());
    if (const auto* outcome = std::get_if<Outcome>(&next)) return *outcome;
    halted_ = std::holds_alternative<AwaitInterrupt>(next);
  }
}

Result<Next> VcpuThread::enter_once() {
  if (takes_intr_) TRY(inject());
  const abi::Exit exit = TRY(vcpu_.run());
  return handle(board_, exit, vcpu_.interrupt_flag());
}

// The 8259 is ours and not the kernel's, so the acknowledge cycle happens here.
Result<> VcpuThread::inject() {
  const Board::Interrupt interrupt = board_.take_interrupt(vcpu_.ready_for_interrupt());
  if (interrupt.vector) TRY(vcpu_.interrupt(*interrupt.vector));
  vcpu_.request_interrupt_window(interrupt.pending);
  return {};
}

// False if a command came instead.
bool VcpuThread::await_interrupt() {
  while (!board_.interrupt_pending()) {
    std::unique_lock lock{lock_};
    changed_.wait(lock, [&] { return kicked_ || wanted_ != State::running; });
    kicked_ = false;
    if (wanted_ != State::running) return false;
  }
  return true;
}

VcpuThread::State VcpuThread::wanted() {
  const std::lock_guard guard{lock_};
  return wanted_;
}

void VcpuThread::command(State wanted) {
  {
    const std::lock_guard guard{lock_};
    if (wanted_ != State::finished) wanted_ = wanted;
  }
  kick();
}

// Again and again: a kick can fall between a check and the system call that it was
// meant to end, where only KVM_RUN has immediate_exit.
template <class Reached>
bool VcpuThread::await_state(Reached reached, int patience) {
  std::unique_lock lock{lock_};
  while (!changed_.wait_for(lock, std::chrono::milliseconds{20}, [&] { return reached(state_); })) {
    if (patience-- == 0) return false;
    lock.unlock();
    kick();
    lock.lock();
  }
  return true;
}

bool VcpuThread::pause() {
  ask_to_pause();
  constexpr int kPatience = 500;  // 10 seconds
  return await_state([](State state) { return state != State::running; }, kPatience);
}

void VcpuThread::finish() {
  if (!thread_.joinable()) return;
  ask_to_finish();
  await_state([](State state) { return state == State::finished; }, -1);
  thread_.join();
}

void VcpuThread::kick() {
  if (std::this_thread::get_id() == thread_.get_id()) return;
  {
    const std::lock_guard guard{lock_};
    kicked_ = true;
    if (state_ == State::running) {
      vcpu_.set_immediate_exit(true);
      ::pthread_kill(thread_.native_handle(), kick_signal());
    }
  }
  changed_.notify_all();
}

}  // namespace minikvm
