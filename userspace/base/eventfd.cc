// SPDX-License-Identifier: GPL-2.0-only
#include "base/eventfd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace minikvm {

Result<EventFd> EventFd::create() {
  Fd fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!fd) return fail_errno("eventfd");
  return EventFd(std::move(fd));
}

void EventFd::signal() const {
  const uint64_t one = 1;
  // The only failure is a counter at its limit, and then it is signalled already.
  [[maybe_unused]] const ssize_t n = ::write(fd_.get(), &one, sizeof(one));
}

bool EventFd::drain() const {
  uint64_t count = 0;
  return ::read(fd_.get(), &count, sizeof(count)) == sizeof(count);
}

}  // namespace minikvm
