// SPDX-License-Identifier: GPL-2.0-only
// The user's terminal while a guest's console is on it.
#pragma once

#include <termios.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace minikvm {

// `mode` with every key passed on as it is typed: no echo, no line editing, no
// signals from the keyboard, no flow control. Output processing stays as it is,
// so that our own messages keep their line ends.
termios raw_mode(termios mode);

// Holds a terminal in raw mode. The mode that was found comes back when the
// object is destroyed, when the process exits, and when a signal ends it (all
// but SIGKILL); while it is stopped, the shell has its terminal back. One at a
// time.
class RawTerminal {
 public:
  // ENOTTY when `fd` is no terminal, EBUSY when another one is held.
  static Result<std::unique_ptr<RawTerminal>> enter(int fd);
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  RawTerminal() = default;
};

// What to tell a user who asks for help, or who has just started a guest.
extern const std::string_view kEscapeHelp;

// Picks our commands out of what is typed: Ctrl-A and one more key.
class EscapeParser {
 public:
  enum class Command { quit, help, send_break, save };
  using Event = std::variant<uint8_t, Command>;  // a byte for the guest, or a command

  // Nothing for Ctrl-A itself and for a key that means nothing after it.
  std::optional<Event> feed(uint8_t byte);

 private:
  bool escaped_ = false;
};

}  // namespace minikvm
