// SPDX-License-Identifier: GPL-2.0-only
// What other threads leave for the event loop.
#pragma once

#include <mutex>
#include <optional>

#include "base/eventfd.h"
#include "machine/outcome.h"

namespace minikvm {

class Notes {
 public:
  explicit Notes(const EventFd& changed) : changed_(changed) {}

  void end(Outcome outcome, size_t vcpu = 0);  // the first one counts
  void serial_hungry();

  std::optional<Outcome> outcome();
  size_t first_vcpu() const;  // the one that ended the machine, if one did
  bool take_serial_hungry();

 private:
  const EventFd& changed_;  // signalled when there is something new
  mutable std::mutex lock_;
  std::optional<Outcome> outcome_;  // guarded by lock_, as the rest
  size_t vcpu_ = 0;
  bool serial_hungry_ = false;
};

}  // namespace minikvm
