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
  Alarm snapshot = TRY(Alarm::create());
  EventFd note = TRY(EventFd::create());
  return Wakeups{std::move(signals), std::move(loop),     std::move(board),
                 std::move(timeout), std::move(snapshot), std::move(note)};
}

Machine::Machine(abi::System system, Parts parts, Wakeups wakeups)
    : system_(std::move(system)),
      ram_(std::move(parts.ram)),
      irqchip_(parts.irqchip),
      wakeups_(std::move(wakeups)),
      notes_(wakeups_.note),
      vm_(std::move(parts.vm)),
      vcpus_(std::move(parts.vcpus)) {}

void Machine::must(const Result<>& done) {
  if (!done) notes_.end({Ending::device_error, done.error().text()});
}

BoardEvents Machine::board_events() {
  return {
      .interrupt = [this] { threads_[0]->kick(); },
      .gsi = [this](unsigned gsi, bool high) { must(vm_.set_irq_line(gsi, high)); },
      .message =
          [this](const Msi& msi) {
            must(vm_.send_message({msi.address, msi.data}));
          },
      .pin_messages =
          [this](std::span<const Msi> pins) {
            std::vector<abi::Vm::Message> messages;
            for (const Msi& msi : pins) messages.push_back({msi.address, msi.data});
            must(vm_.set_pin_messages(messages));
          },
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
  TRY(loop.add(wakeups_.snapshot.fd(), [this] {
    wakeups_.snapshot.acknowledge();
    save();
  }));
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

// A vCPU that ends, ends the machine.
void Machine::start_threads() {
  for (size_t i = 0; i < vcpus_.size(); ++i)
    threads_.push_back(std::make_unique<VcpuThread>(vcpus_[i], *board_,
                                                    i == 0 && irqchip_ != Irqchip::kernel,
                                                    [this, i](const Outcome& outcome) {
                                                      board_->flush_output();
                                                      notes_.end(outcome, i);
                                                    }));
}

Outcome Machine::run() {
  for (const auto& thread : threads_) thread->run();
  const auto looped = wakeups_.loop.run();
  board_->abandon_output();
  for (const auto& thread : threads_) thread->ask_to_finish();
  for (const auto& thread : threads_) thread->finish();
  if (!looped) return {Ending::host_error, looped.error().text()};
  return *notes_.outcome();
}

void Machine::on_note() {
  wakeups_.note.drain();
  if (notes_.outcome()) return wakeups_.loop.stop();
  if (notes_.take_serial_hungry() && console_) console_->on_serial_hungry();
}

void Machine::on_signal() {
  const int signal = wakeups_.signals.next();
  if (signal == SIGUSR1)
    save();
  else if (signal != 0)
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
    case Command::save:
      return save();
    case Command::send_break:
      return board_->serial_break();
  }
}

}  // namespace minikvm
