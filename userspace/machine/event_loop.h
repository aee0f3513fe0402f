// SPDX-License-Identifier: GPL-2.0-only
// One thread waits for everything that is not a vCPU: timers, input, signals.
#pragma once

#include <functional>
#include <map>

#include "base/fd.h"
#include "devices/device.h"

namespace minikvm {

class EventLoop {
 public:
  static Result<EventLoop> create();

  // Calls `on_readable` from run() whenever `fd` (not owned) can be read or has
  // been closed at its other end.
  Result<> add(int fd, std::function<void()> on_readable);
  // A descriptor that is ready but not wanted now can be muted for a while.
  void mute(int fd, bool muted);
  void remove(int fd);

  Result<> run();  // until stop() is called from one of the functions
  void stop() { stopped_ = true; }

 private:
  explicit EventLoop(Fd epoll) : epoll_(std::move(epoll)) {}

  Fd epoll_;
  std::map<int, std::function<void()>> handlers_;
  bool stopped_ = false;
};

// CLOCK_MONOTONIC, as devices and timers see it.
class MonotonicClock final : public Clock {
 public:
  uint64_t now_ns() const override;
};

// A timerfd on the same clock.
class Alarm {
 public:
  static Result<Alarm> create();

  // Rings when the clock reaches `deadline_ns`, at once if it has passed; kNever
  // turns it off. From any thread.
  void set(uint64_t deadline_ns) const;
  void acknowledge() const;
  int fd() const { return fd_.get(); }

 private:
  explicit Alarm(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace minikvm
