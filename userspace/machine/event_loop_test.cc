// SPDX-License-Identifier: GPL-2.0-only
#include "machine/event_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/eventfd.h"
#include "machine/notes.h"
#include "machine/signals.h"

namespace minikvm {
namespace {

TEST(EventLoop, CallsTheHandlerOfWhatIsReadable) {
  EventLoop loop = EventLoop::create().value();
  const EventFd quiet = EventFd::create().value(), loud = EventFd::create().value();
  int called = 0;
  ASSERT_TRUE(loop.add(quiet.fd().get(), [] { FAIL(); }));
  ASSERT_TRUE(loop.add(loud.fd().get(), [&] {
    if (++called == 3) loop.stop();
  }));
  loud.signal();  // never drained: it stays readable
  ASSERT_TRUE(loop.run());
  EXPECT_EQ(called, 3);
}

TEST(EventLoop, AHandlerMayRemoveItselfAndOthers) {
  EventLoop loop = EventLoop::create().value();
  const EventFd a = EventFd::create().value(), b = EventFd::create().value();
  int called = 0;
  const auto handler = [&] {
    ++called;
    loop.remove(a.fd().get());
    loop.remove(b.fd().get());
    loop.stop();
  };
  ASSERT_TRUE(loop.add(a.fd().get(), handler));
  ASSERT_TRUE(loop.add(b.fd().get(), handler));
  a.signal();
  b.signal();
  ASSERT_TRUE(loop.run());
  EXPECT_EQ(called, 1);
}

TEST(EventLoop, AMutedDescriptorIsNotLookedAt) {
  EventLoop loop = EventLoop::create().value();
  const EventFd muted = EventFd::create().value(), loud = EventFd::create().value();
  int unmuted = 0;
  ASSERT_TRUE(loop.add(muted.fd().get(), [&] { ++unmuted, loop.stop(); }));
  ASSERT_TRUE(loop.add(loud.fd().get(), [&] { loop.stop(); }));
  muted.signal();
  loud.signal();
  loop.mute(muted.fd().get(), true);
  ASSERT_TRUE(loop.run());
  EXPECT_EQ(unmuted, 0);
  loop.mute(muted.fd().get(), false);
  loop.mute(loud.fd().get(), true);
  ASSERT_TRUE(loop.run());
  EXPECT_EQ(unmuted, 1);
}

TEST(EventLoop, SaysThatAFileCannotBePolled) {
  EventLoop loop = EventLoop::create().value();
  const Fd file = Fd::open("/dev/null", O_RDONLY).value();
  EXPECT_EQ(loop.add(file.get(), [] {}).error().code, EPERM);
}

TEST(Alarm, RingsAtItsDeadline) {
  EventLoop loop = EventLoop::create().value();
  const Alarm alarm = Alarm::create().value();
  const MonotonicClock clock;
  const uint64_t start = clock.now_ns();
  ASSERT_TRUE(loop.add(alarm.fd(), [&] { alarm.acknowledge(), loop.stop(); }));
  alarm.set(start + 5'000'000);
  ASSERT_TRUE(loop.run());
  EXPECT_GE(clock.now_ns(), start + 5'000'000);
}

TEST(Alarm, ADeadlineInThePastRingsAtOnce) {
  EventLoop loop = EventLoop::create().value();
  const Alarm alarm = Alarm::create().value();
  ASSERT_TRUE(loop.add(alarm.fd(), [&] { loop.stop(); }));
  alarm.set(0);
  EXPECT_TRUE(loop.run());
}

TEST(Alarm, CanBeTurnedOff) {
  EventLoop loop = EventLoop::create().value();
  const Alarm off = Alarm::create().value(), on = Alarm::create().value();
  const MonotonicClock clock;
  ASSERT_TRUE(loop.add(off.fd(), [] { FAIL(); }));
  ASSERT_TRUE(loop.add(on.fd(), [&] { loop.stop(); }));
  off.set(clock.now_ns() + 1'000'000);
  off.set(kNever);
  on.set(clock.now_ns() + 5'000'000);
  EXPECT_TRUE(loop.run());
}

TEST(Signals, ArriveOnTheDescriptorInsteadOfKilling) {
  const Signals signals = Signals::create().value();
  EXPECT_EQ(signals.next(), 0);
  ::raise(SIGTERM);
  EXPECT_EQ(signals.next(), SIGTERM);
  EXPECT_EQ(signals.next(), 0);
}

TEST(Notes, TheFirstOutcomeCounts) {
  const EventFd changed = EventFd::create().value();
  Notes notes{changed};
  EXPECT_FALSE(notes.outcome());
  notes.end({Ending::power_off});
  notes.end({Ending::timeout});
  EXPECT_TRUE(changed.drain());
  EXPECT_EQ(notes.outcome()->ending, Ending::power_off);
}

TEST(Notes, HungerIsTakenOnce) {
  const EventFd changed = EventFd::create().value();
  Notes notes{changed};
  notes.serial_hungry();
  notes.serial_hungry();
  EXPECT_TRUE(notes.take_serial_hungry());
  EXPECT_FALSE(notes.take_serial_hungry());
}

}  // namespace
}  // namespace minikvm
