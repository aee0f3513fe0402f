// SPDX-License-Identifier: GPL-2.0-only
#include "base/eventfd.h"

#include <gtest/gtest.h>
#include <poll.h>

namespace minikvm {
namespace {

bool readable(const EventFd& event) {
  pollfd p{event.fd().get(), POLLIN, 0};
  return ::poll(&p, 1, 0) == 1;
}

TEST(EventFd, IsReadableFromSignalToDrain) {
  const EventFd event = EventFd::create().value();
  EXPECT_FALSE(readable(event));
  event.signal();
  event.signal();
  EXPECT_TRUE(readable(event));
  EXPECT_TRUE(event.drain());
  EXPECT_FALSE(readable(event));
}

TEST(EventFd, DrainingAnIdleOneDoesNotBlock) { EXPECT_FALSE(EventFd::create().value().drain()); }

}  // namespace
}  // namespace minikvm
