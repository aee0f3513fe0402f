// SPDX-License-Identifier: GPL-2.0-only
// From standard input to the serial port, no faster than the guest takes it.
#pragma once

#include <functional>
#include <optional>

#include "base/terminal.h"
#include "machine/board.h"
#include "machine/event_loop.h"

namespace minikvm {

class Console {
 public:
  using Command = EscapeParser::Command;

  // Escape keys are for people: `keys` is false where `fd` is a pipe or a file,
  // which reach the guest byte for byte.
  Console(int fd, bool keys, Board& board, EventLoop& loop, std::function<void(Command)> on_command)
      : fd_(fd), keys_(keys), board_(board), loop_(loop), on_command_(std::move(on_command)) {}

  Result<> attach();
  void on_serial_hungry();
  void retry() {  // what the serial port has not taken
    if (!waiting_.empty()) deliver();
  }

 private:
  void on_readable();
  void take(std::span<const uint8_t> bytes);
  void keep(uint8_t byte);
  void deliver();
  bool full() const;
  void detach();

  int fd_;
  bool keys_;
  Board& board_;
  EventLoop& loop_;
  std::function<void(Command)> on_command_;

  EscapeParser parser_;
  std::vector<uint8_t> waiting_;  // for room in the serial port
  bool attached_ = false;
  bool muted_ = false;
  bool pollable_ = true;  // regular files and /dev/null are not
};

}  // namespace minikvm
