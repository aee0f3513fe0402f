// SPDX-License-Identifier: GPL-2.0-only
#include "machine/console.h"

#include <unistd.h>

#include <array>

namespace minikvm {
namespace {

constexpr size_t kMostWaiting = 64 * 1024;

}  // namespace

Result<> Console::attach() {
  auto added = loop_.add(fd_, [this] { on_readable(); });
  attached_ = true;
  if (added) return {};
  // epoll refuses what is always readable; then the guest's appetite is the
  // only event that there is.
  if (added.error().code != EPERM) return added;
  pollable_ = false;
  return {};
}

void Console::on_readable() {
  std::array<uint8_t, 1024> buffer;
  const ssize_t n = ::read(fd_, buffer.data(), buffer.size());
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n <= 0) return detach();  // the end of the input is not the end of the guest
  take({buffer.data(), static_cast<size_t>(n)});
  deliver();
}

void Console::take(std::span<const uint8_t> bytes) {
  for (const uint8_t byte : bytes) {
    if (!keys_) {
      keep(byte);
    } else if (const auto event = parser_.feed(byte)) {
      std::visit(abi::Match{[&](uint8_t typed) { keep(typed); },
                            [&](Command command) { on_command_(command); }},
                 *event);
    }
  }
}

// A terminal is read on even when the guest is deaf, for the sake of the escape
// keys; what does not fit is lost then.
void Console::keep(uint8_t byte) {
  if (!keys_ || !full()) waiting_.push_back(byte);
}

void Console::deliver() {
  const size_t taken = board_.serial_receive(waiting_);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(taken));
  if (!attached_ || !pollable_ || keys_ || muted_ == full()) return;
  muted_ = full();
  loop_.mute(fd_, muted_);
}

void Console::on_serial_hungry() {
  deliver();
  if (attached_ && !pollable_ && waiting_.empty()) on_readable();
}

bool Console::full() const { return waiting_.size() >= kMostWaiting; }

void Console::detach() {
  if (pollable_) loop_.remove(fd_);
  attached_ = false;
}

}  // namespace minikvm
