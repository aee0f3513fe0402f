// SPDX-License-Identifier: GPL-2.0-only
#include "machine/notes.h"

namespace minikvm {

void Notes::end(Outcome outcome, size_t vcpu) {
  {
    const std::lock_guard guard{lock_};
    if (!outcome_) {
      outcome_ = std::move(outcome);
      vcpu_ = vcpu;
    }
  }
  changed_.signal();
}

void Notes::serial_hungry() {
  {
    const std::lock_guard guard{lock_};
    if (std::exchange(serial_hungry_, true)) return;
  }
  changed_.signal();
}

std::optional<Outcome> Notes::outcome() {
  const std::lock_guard guard{lock_};
  return outcome_;
}

size_t Notes::first_vcpu() const {
  const std::lock_guard guard{lock_};
  return vcpu_;
}

bool Notes::take_serial_hungry() {
  const std::lock_guard guard{lock_};
  return std::exchange(serial_hungry_, false);
}

}  // namespace minikvm
