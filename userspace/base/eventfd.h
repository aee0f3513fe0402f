// SPDX-License-Identifier: GPL-2.0-only
// A wake-up that another thread (or a signal handler) can poll for: eventfd(2).
#pragma once

#include "base/fd.h"

namespace minikvm {

class EventFd {
 public:
  static Result<EventFd> create();

  void signal() const;  // async-signal-safe
  bool drain() const;   // true if it was signalled since the last drain
  const Fd& fd() const { return fd_; }

 private:
  explicit EventFd(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace minikvm
