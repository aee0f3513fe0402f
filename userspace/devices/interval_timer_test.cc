// SPDX-License-Identifier: GPL-2.0-only
// The state machine has its own tests; here: time, the line and port 0x61.
#include "devices/interval_timer.h"

#include <gtest/gtest.h>

#include "testing/device_fakes.h"

namespace minikvm {
namespace {

constexpr uint64_t kMs = 1'000'000;

class IntervalTimerTest : public ::testing::Test {
 protected:
  void program(unsigned channel, uint8_t mode, uint16_t count) {
    poke(timer.counters(), 3, static_cast<uint8_t>(channel << 6 | 0x30 | mode << 1));
    poke(timer.counters(), channel, count & 0xff);
    poke(timer.counters(), channel, count >> 8);
  }
  // Lives through `ns` the way the event loop does; true if it never stalls.
  void run(uint64_t ns) {
    const uint64_t end = clock.now + ns;
    while (timer.next_event() <= end) {
      ASSERT_GT(timer.next_event(), clock.now);
      clock.now = timer.next_event();
      timer.advance();
    }
    clock.now = end;
    timer.advance();
  }

  FakeClock clock{5 * kMs};
  FakeIrq irq0;
  IntervalTimer timer{irq0, clock};
};

TEST_F(IntervalTimerTest, HasNothingToDoUntilProgrammed) {
  EXPECT_EQ(timer.next_event(), kNever);
  run(1000 * kMs);
  EXPECT_EQ(irq0.edges, 0);
}

TEST_F(IntervalTimerTest, TicksAtTheProgrammedRate) {
  program(0, 2, 11932);  // Linux at HZ=100
  run(1000 * kMs);
  EXPECT_NEAR(irq0.edges, 100, 1);
}

TEST_F(IntervalTimerTest, TheDeadlineIsOnTheClock) {
  program(0, 2, 11932);
  EXPECT_NEAR(static_cast<double>(timer.next_event() - clock.now), 10.0 * kMs, 1000.0);
  clock.now = timer.next_event() - 1;
  timer.advance();
  EXPECT_EQ(irq0.edges, 0);
  clock.now += 1;
  timer.advance();
  EXPECT_EQ(irq0.edges, 1);
}

TEST_F(IntervalTimerTest, AOneShotFiresOnce) {
  program(0, 0, 1193);
  run(100 * kMs);
  EXPECT_EQ(irq0.edges, 1);
  EXPECT_EQ(timer.next_event(), kNever);
}

// The board asks for the next event after each port access, late or not.
TEST_F(IntervalTimerTest, AOneShotThatIsDueIsStillAnEvent) {
  program(0, 4, 1193);
  clock.now += 2 * kMs;
  EXPECT_LE(timer.next_event(), clock.now);
  timer.advance();
  EXPECT_EQ(irq0.edges, 1);
  EXPECT_EQ(timer.next_event(), kNever);
}

TEST_F(IntervalTimerTest, MissedEdgesBecomeOne) {
  program(0, 2, 11932);
  clock.now += 500 * kMs;
  timer.advance();
  EXPECT_EQ(irq0.edges, 1);
  EXPECT_GT(timer.next_event(), clock.now);
}

TEST_F(IntervalTimerTest, AnAccessPassesOnWhatIsDue) {
  program(0, 2, 11932);
  clock.now += 11 * kMs;
  peek(timer.counters(), 0);
  EXPECT_EQ(irq0.edges, 1);
}

TEST_F(IntervalTimerTest, ReprogrammingDoesNotSwallowADueEdge) {
  program(0, 2, 11932);
  clock.now += 11 * kMs;
  program(0, 2, 1193);
  EXPECT_EQ(irq0.edges, 1);
}

// pit_hpet_ptimer_calibrate_cpu() of Linux: gate channel 2 through port 0x61,
// start a one-shot, and wait for bit 5.
TEST_F(IntervalTimerTest, LinuxCalibratesTheTscWithChannel2) {
  poke(timer.speaker(), 0, (peek(timer.speaker(), 0) & ~0x02) | 0x01);
  program(2, 0, 11931);  // 10 ms
  const uint64_t start = clock.now;
  while (!(peek(timer.speaker(), 0) & 0x20)) clock.now += 1000;
  EXPECT_NEAR(static_cast<double>(clock.now - start), 10.0 * kMs, 5000.0);
}

// quick_pit_calibrate() watches the high byte of channel 2 fall.
TEST_F(IntervalTimerTest, LinuxReadsTheHighByteOfChannel2) {
  poke(timer.speaker(), 0, 0x01);
  program(2, 0, 0xffff);
  peek(timer.counters(), 2);
  const uint8_t first = peek(timer.counters(), 2);
  clock.now += 256ull * 1'000'000'000 / MKVM_PIT_HZ + 1;
  peek(timer.counters(), 2);
  EXPECT_EQ(peek(timer.counters(), 2), first - 1);
}

TEST_F(IntervalTimerTest, TheGateStopsChannel2) {
  poke(timer.speaker(), 0, 0x01);
  program(2, 0, 11931);
  clock.now += 5 * kMs;
  poke(timer.speaker(), 0, 0x00);
  clock.now += 50 * kMs;
  EXPECT_EQ(peek(timer.speaker(), 0) & 0x20, 0x00);
  poke(timer.speaker(), 0, 0x01);
  clock.now += 6 * kMs;
  EXPECT_EQ(peek(timer.speaker(), 0) & 0x20, 0x20);
}

TEST_F(IntervalTimerTest, TheRefreshBitToggles) {
  int toggles = 0;
  uint8_t last = peek(timer.speaker(), 0) & 0x10;
  for (int i = 0; i < 1000; ++i) {
    clock.now += 1000;
    const uint8_t bit = peek(timer.speaker(), 0) & 0x10;
    toggles += bit != last;
    last = bit;
  }
  EXPECT_NEAR(toggles, 66, 2);
}

TEST_F(IntervalTimerTest, ARestoredTimerGoesOnWhereItWasSaved) {
  program(0, 2, 11932);
  run(4 * kMs);
  const auto saved = timer.save();
  FakeClock later{3};
  FakeIrq irq;
  IntervalTimer copy{irq, later};
  ASSERT_TRUE(copy.restore(saved));
  EXPECT_EQ(copy.next_event() - later.now, timer.next_event() - clock.now);
}

}  // namespace
}  // namespace minikvm
