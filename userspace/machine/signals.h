// SPDX-License-Identifier: GPL-2.0-only
// The signals that ask this program to end, or (SIGUSR1) for a snapshot, as a
// descriptor to poll.
#pragma once

#include <csignal>

#include "base/fd.h"

namespace minikvm {

class Signals {
 public:
  // Blocks SIGHUP, SIGINT, SIGQUIT, SIGTERM and SIGUSR1 for this thread and those that
  // it starts from now on.
  static Result<Signals> create();
  Signals(Signals&& other) noexcept = default;
  ~Signals();  // unblocks them

  int next() const;  // the number of one that has come
  int fd() const { return fd_.get(); }

 private:
  Signals(Fd fd, const sigset_t& before) : fd_(std::move(fd)), before_(before) {}

  Fd fd_;
  sigset_t before_;
};

}  // namespace minikvm
