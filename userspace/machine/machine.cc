// SPDX-License-Identifier: GPL-2.0-only
#include "machine/machine.h"

#include <unistd.h>

namespace minikvm {
namespace {

void print(std::string_view text) {
  [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

Result<Wakeups> Wakeups::create() {
  Signals signals = TRY(Signals::create());
  EventLoop loop = TRY(EventLoop::create());
  Alarm board = TRY(Alarm::create());
  Alarm timeout = TRY(Alarm::create());
  EventFd note = TRY(EventFd::create());
  return Wakeups{std::move(signals), std::move(loop), std::move(board), std::move(timeout),
                 std::move(note)};
}

Machine::Machine(GuestMemory ram, Wakeups wakeups, abi::Vm vm, abi::Vcpu vcpu)
    : ram_(std::move(ram)),
      wakeups_(std::move(wakeups)),
      notes_(wakeups_.note),
      vm_(std::move(vm)),
      vcpu_(std::move(vcpu)) {}

BoardEvents Machine::board_events() {
  return {
      .interrupt = [this] { thread_->kick(); },
      .deadline = [this](uint64_t ns) { wakeups_.board.set(ns); },
      .serial_hungry = [this] { notes_.serial_hungry(); },
      .output_failed =
          [this](const Error& error) {
            notes_.end({Ending::host_error, error.text()});
          },
  };
}

Result<> Machine::watch(const MachineConfig& config) {
  EventLoop& loop = wakeups_.loop;
  TRY(loop.add(wakeups_.note.fd().get(), [this] { on_note(); }));
  TRY(loop.add(wakeups_.signals.fd(), [this] { on_signal(); }));
  TRY(loop.add(wakeups_.timeout.fd(), [this] { on_timeout(); }));
  TRY(loop.add(wakeups_.board.fd(), [this] {
    wakeups_.board.acknowledge();
    board_->advance();
    if (console_) console_->retry();
  }));
  if (config.serial.kind != SerialConfig::Kind::stdio) return {};
  console_ = std::make_unique<Console>(STDIN_FILENO, ::isatty(STDIN_FILENO) == 1, *board_, loop,
                                       [this](Console::Command command) { on_command(command); });
  return console_->attach();
}

Outcome Machine::run() {
  thread_->run();
  const auto looped = wakeups_.loop.run();
  board_->abandon_output();
  thread_->finish();
  if (!looped) return {Ending::host_error, looped.error().text()};
  return *notes_.outcome();
}

void Machine::on_note() {
  wakeups_.note.drain();
  if (notes_.outcome()) return wakeups_.loop.stop();
  if (notes_.take_serial_hungry() && console_) console_->on_serial_hungry();
}

void Machine::on_signal() {
  if (const int signal = wakeups_.signals.next())
    notes_.end({Ending::signal, {}, static_cast<uint64_t>(signal)});
}

void Machine::on_timeout() { notes_.end({Ending::timeout}); }

void Machine::on_command(Console::Command command) {
  using Command = Console::Command;
  switch (command) {
    case Command::quit:
      return notes_.end({Ending::quit});
    case Command::help:
      return print(kEscapeHelp);
    case Command::send_break:
      return board_->serial_break();
  }
}

}  // namespace minikvm
