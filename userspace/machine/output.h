// SPDX-License-Identifier: GPL-2.0-only
// Where the serial port's bytes go: a file descriptor, a line at a time, since a
// system call per byte would double the cost of each guest access. A line that
// is not finished (a prompt) goes out soon after, as a timed event of the board.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "base/fd.h"
#include "devices/device.h"

namespace minikvm {

class BufferedOutput final : public ByteSink, public TimedDevice {
 public:
  // Not owned: it may be standard output. -1 discards. `on_error` is called
  // once; what comes after it is dropped.
  BufferedOutput(int fd, const Clock& clock, std::function<void(Error)> on_error)
      : fd_(fd), clock_(clock), on_error_(std::move(on_error)) {}

  void put(uint8_t byte) override;
  uint64_t next_event() const override { return flush_at_; }
  void advance() override;
  void flush();
  // Ends a write that blocks (a stopped terminal), together with a signal to
  // the thread that is in it. From any thread.
  void abandon() { abandoned_ = true; }

 private:
  Result<> write_out();

  int fd_;
  const Clock& clock_;
  std::function<void(Error)> on_error_;
  std::vector<std::byte> pending_;
  uint64_t flush_at_ = kNever;
  std::atomic<bool> abandoned_ = false;
};

}  // namespace minikvm
