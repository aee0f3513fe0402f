// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include "devices/interval_timer.h"
#include "pit.h"

namespace {

using minikvm::valid;

constexpr unsigned kControl = 3;

// Rounded up: the first nanosecond at which that many ticks have passed.
constexpr uint64_t ticks(uint64_t n) { return (n * 1000000000 + MKVM_PIT_HZ - 1) / MKVM_PIT_HZ; }

class Pit : public ::testing::Test {
 protected:
  Pit() { mkvm_pit_reset(&pit_); }

  void out(unsigned offset, uint8_t value) { mkvm_pit_write(&pit_, offset, value, now_); }
  uint8_t in(unsigned offset) { return mkvm_pit_read(&pit_, offset, now_); }
  // Access "low then high", binary.
  void program(unsigned channel, unsigned mode, uint16_t count) {
    out(kControl, channel << 6 | 0x30 | mode << 1);
    out(channel, count & 0xff);
    out(channel, count >> 8);
  }
  uint16_t latched(unsigned channel) {
    out(kControl, channel << 6);
    const uint8_t low = in(channel);
    return low | in(channel) << 8;
  }
  uint8_t status(unsigned channel) {
    out(kControl, 0xe0 | 2u << channel);
    return in(channel);
  }
  bool level(unsigned channel) const { return mkvm_pit_output(&pit_, channel, now_); }
  void gate(bool high) { mkvm_pit_write_speaker(&pit_, high, now_); }
  void at(uint64_t tick) { now_ = base_ + ticks(tick); }
  uint64_t collect() { return mkvm_pit_collect(&pit_, now_); }
  uint64_t next() const { return mkvm_pit_next_collect(&pit_, now_); }

  mkvm_pit pit_;
  uint64_t base_ = 0;
  uint64_t now_ = 0;
};

TEST_F(Pit, NothingHappensBeforeItIsProgrammed) {
  at(1000000);
  EXPECT_EQ(collect(), 0u);
  EXPECT_EQ(next(), MKVM_PIT_NEVER);
  EXPECT_TRUE(level(0));
}

TEST_F(Pit, Mode0RisesOnceAtTerminalCount) {
  program(0, 0, 100);
  EXPECT_FALSE(level(0));
  EXPECT_EQ(next(), ticks(100));
  at(99);
  EXPECT_FALSE(level(0));
  EXPECT_EQ(collect(), 0u);
  at(100);
  EXPECT_TRUE(level(0));
  EXPECT_EQ(collect(), 1u);
  EXPECT_EQ(next(), MKVM_PIT_NEVER);
  at(100000);
  EXPECT_EQ(collect(), 0u);
}

TEST_F(Pit, AnEdgeThatIsDueIsCollectedAtOnce) {
  program(0, 4, 100);
  at(102);
  EXPECT_EQ(next(), now_);
  EXPECT_EQ(collect(), 1u);
  EXPECT_EQ(next(), MKVM_PIT_NEVER);
  program(0, 2, 100);
  at(350);
  EXPECT_EQ(next(), now_);
}

TEST_F(Pit, Mode0CountsOnBelowZero) {
  program(0, 0, 100);
  at(30);
  EXPECT_EQ(latched(0), 70);
  at(101);
  EXPECT_EQ(latched(0), 0xffff);
}

TEST_F(Pit, Mode0FirstByteStopsTheCountAndLowersOut) {
  program(0, 0, 100);
  at(200);
  EXPECT_TRUE(level(0));
  out(0, 10);
  EXPECT_FALSE(level(0));
  EXPECT_EQ(collect(), 1u);
  EXPECT_EQ(next(), MKVM_PIT_NEVER);
  at(400);
  EXPECT_FALSE(level(0));
  out(0, 0);
  at(409);
  EXPECT_FALSE(level(0));
  at(410);
  EXPECT_TRUE(level(0));
}

TEST_F(Pit, Mode0GatePausesTheCount) {
  gate(true);
  program(2, 0, 100);
  at(40);
  gate(false);
  at(500);
  EXPECT_EQ(latched(2), 60);
  EXPECT_FALSE(level(2));
  gate(true);
  at(559);
  EXPECT_FALSE(level(2));
  at(560);
  EXPECT_TRUE(level(2));
}

TEST_F(Pit, Mode1WaitsForTheGateAndCanBeRetriggered) {
  program(2, 1, 50);
  EXPECT_TRUE(level(2));
  at(100);
  EXPECT_TRUE(level(2));
  gate(true);
  EXPECT_FALSE(level(2));
  at(130);
  gate(false);
  EXPECT_FALSE(level(2));
  gate(true);
  at(179);
  EXPECT_FALSE(level(2));
  at(180);
  EXPECT_TRUE(level(2));
}

TEST_F(Pit, Mode1NewCountWaitsForTheNextTrigger) {
  program(2, 1, 50);
  gate(true);
  out(2, 10);
  out(2, 0);
  EXPECT_TRUE(status(2) & 0x40);
  at(49);
  EXPECT_FALSE(level(2));
  at(50);
  EXPECT_TRUE(level(2));
  gate(false);
  gate(true);
  EXPECT_FALSE(status(2) & 0x40);
  at(60);
  EXPECT_TRUE(level(2));
}

TEST_F(Pit, Mode2IsLowForOneTickPerPeriod) {
  program(0, 2, 10);
  at(8);
  EXPECT_TRUE(level(0));
  at(9);
  EXPECT_FALSE(level(0));
  EXPECT_EQ(latched(0), 1);
  at(10);
  EXPECT_TRUE(level(0));
  EXPECT_EQ(latched(0), 10);
}

TEST_F(Pit, Mode2CountsEveryPeriodEvenWhenCollectedLate) {
  program(0, 2, 1000);
  EXPECT_EQ(next(), ticks(1000));
  at(1000);
  EXPECT_EQ(collect(), 1u);
  EXPECT_EQ(next(), ticks(2000));
  at(5999);
  EXPECT_EQ(collect(), 4u);
  EXPECT_EQ(next(), ticks(6000));
}

TEST_F(Pit, Mode2NewCountWaitsForTheEndOfThePeriod) {
  program(0, 2, 1000);
  at(300);
  out(0, 100);
  out(0, 0);
  EXPECT_EQ(status(0) & 0x40, 0x40);
  EXPECT_EQ(next(), ticks(1000));
  EXPECT_EQ(latched(0), 700);
  at(1250);
  EXPECT_EQ(collect(), 3u);  // 1000, 1100, 1200
  EXPECT_EQ(status(0) & 0x40, 0);
  EXPECT_EQ(next(), ticks(1300));
}

TEST_F(Pit, Mode2LowGateHoldsOutHighAndRisingGateRestarts) {
  gate(true);
  program(2, 2, 10);
  at(9);
  EXPECT_FALSE(level(2));
  gate(false);
  EXPECT_TRUE(level(2));
  at(100);
  gate(true);
  EXPECT_EQ(latched(2), 10);
  at(109);
  EXPECT_FALSE(level(2));
}

TEST_F(Pit, Mode3EvenCountIsSymmetric) {
  program(0, 3, 10);
  at(4);
  EXPECT_TRUE(level(0));
  EXPECT_EQ(latched(0), 2);
  at(5);
  EXPECT_FALSE(level(0));
  EXPECT_EQ(latched(0), 10);
  at(10);
  EXPECT_TRUE(level(0));
}

TEST_F(Pit, Mode3OddCountIsHighOneTickLonger) {
  program(0, 3, 5);
  at(2);
  EXPECT_TRUE(level(0));
  EXPECT_EQ(latched(0), 0);
  at(3);
  EXPECT_FALSE(level(0));
  EXPECT_EQ(latched(0), 4);
  at(5);
  EXPECT_TRUE(level(0));
}

TEST_F(Pit, Mode3RisesOncePerPeriod) {
  program(0, 3, 1000);
  at(3500);
  EXPECT_EQ(collect(), 3u);
  EXPECT_EQ(next(), ticks(4000));
}

TEST_F(Pit, Mode4StrobesForOneTick) {
  program(0, 4, 20);
  EXPECT_TRUE(level(0));
  EXPECT_EQ(next(), ticks(21));
  at(20);
  EXPECT_FALSE(level(0));
  EXPECT_EQ(collect(), 0u);
  at(21);
  EXPECT_TRUE(level(0));
  EXPECT_EQ(collect(), 1u);
  EXPECT_EQ(next(), MKVM_PIT_NEVER);
}

TEST_F(Pit, Mode4IsRearmedByEachCount) {
  program(0, 4, 20);
  at(10);
  out(0, 20);
  out(0, 0);
  at(30);
  EXPECT_FALSE(level(0));
  at(31);
  EXPECT_EQ(collect(), 1u);
}

TEST_F(Pit, Mode5StrobesAfterTheGateRises) {
  program(2, 5, 20);
  at(100);
  EXPECT_TRUE(level(2));
  gate(true);
  at(119);
  EXPECT_TRUE(level(2));
  at(120);
  EXPECT_FALSE(level(2));
  at(121);
  EXPECT_TRUE(level(2));
}

TEST_F(Pit, ModesSixAndSevenAreTwoAndThree) {
  out(kControl, 0x3c);
  EXPECT_EQ(status(0) & 0x0e, 2 << 1);
  out(kControl, 0x3e);
  EXPECT_EQ(status(0) & 0x0e, 3 << 1);
}

TEST_F(Pit, CountZeroIsTheLongest) {
  program(0, 2, 0);
  EXPECT_EQ(next(), ticks(0x10000));
}

TEST_F(Pit, CountOneNeverDividesByZeroNorFloods) {
  for (unsigned mode = 0; mode < 6; ++mode) {
    program(0, mode, 1);
    at(100 + mode);
    latched(0);
    EXPECT_LE(collect(), 1u) << "mode " << mode;
  }
}

TEST_F(Pit, BcdCountsInDecimal) {
  out(kControl, 0x35);
  out(0, 0x34);
  out(0, 0x12);
  EXPECT_EQ(next(), ticks(1234));
  at(34);
  EXPECT_EQ(latched(0), 0x1200);
}

TEST_F(Pit, BcdZeroIsTenThousand) {
  out(kControl, 0x31);
  out(0, 0);
  out(0, 0);
  EXPECT_EQ(latched(0), 0x0000);
  at(1);
  EXPECT_EQ(latched(0), 0x9999);
  EXPECT_EQ(next(), ticks(10000));
}

TEST_F(Pit, LowByteAccessLeavesTheHighByteZero) {
  out(kControl, 0x14);
  out(0, 0x80);
  EXPECT_EQ(next(), ticks(0x80));
  EXPECT_EQ(in(0), 0x80);
  EXPECT_EQ(in(0), 0x80);
}

TEST_F(Pit, HighByteAccessLeavesTheLowByteZero) {
  out(kControl, 0x24);
  out(0, 0x12);
  EXPECT_EQ(next(), ticks(0x1200));
  EXPECT_EQ(in(0), 0x12);
}

TEST_F(Pit, LatchHoldsTheCountUntilBothBytesAreRead) {
  program(0, 2, 0x1234);
  out(kControl, 0x00);
  at(0x200);
  out(kControl, 0x00);  // a second latch is ignored
  EXPECT_EQ(in(0), 0x34);
  EXPECT_EQ(in(0), 0x12);
  EXPECT_EQ(in(0), 0x34);
  EXPECT_EQ(in(0), 0x10);
}

TEST_F(Pit, ReadBackLatchesStatusThenCount) {
  program(0, 2, 0x1234);
  out(kControl, 0xc2);
  at(100);
  EXPECT_EQ(in(0), 0xb4);  // OUT high, loaded, low then high, mode 2
  EXPECT_EQ(in(0), 0x34);
  EXPECT_EQ(in(0), 0x12);
}

TEST_F(Pit, ReadBackTouchesOnlyTheChannelsItNames) {
  program(0, 2, 0x1234);
  program(1, 2, 0x5678);
  out(kControl, 0xc4 | 0x20);
  EXPECT_EQ(in(0), 0x34);
  EXPECT_EQ(in(1), 0xb4);
}

TEST_F(Pit, NullCountUntilACountIsLoaded) {
  out(kControl, 0x34);
  EXPECT_EQ(status(0), 0xf4);
  out(0, 1);
  out(0, 1);
  EXPECT_EQ(status(0), 0xb4);
}

TEST_F(Pit, ControlWordThatRaisesOutIsAnEdge) {
  program(0, 0, 100);
  at(10);
  EXPECT_EQ(collect(), 0u);
  program(0, 2, 100);
  EXPECT_EQ(collect(), 1u);
}

TEST_F(Pit, ControlWordCannotBeRead) { EXPECT_EQ(in(kControl), 0xff); }

TEST_F(Pit, SpeakerPortGatesChannel2AndShowsItsOutput) {
  program(2, 0, 100);
  at(1000);
  EXPECT_EQ(mkvm_pit_read_speaker(&pit_, now_) & 0x23, 0x00);
  mkvm_pit_write_speaker(&pit_, 0xff, now_);
  EXPECT_EQ(mkvm_pit_read_speaker(&pit_, now_) & 0x23, 0x03);
  at(1100);
  EXPECT_EQ(mkvm_pit_read_speaker(&pit_, now_) & 0x23, 0x23);
}

TEST_F(Pit, RefreshBitToggles) {
  const uint8_t first = mkvm_pit_read_speaker(&pit_, 0);
  const uint8_t second = mkvm_pit_read_speaker(&pit_, 15085);
  EXPECT_EQ((first ^ second) & 0x10, 0x10);
}

// The product of nanoseconds and frequency passes 2^64 after four hours.
TEST_F(Pit, KeepsTimeAfterAYear) {
  base_ = 365ull * 24 * 3600 * 1000000000;
  at(0);
  program(0, 2, 1000);
  EXPECT_EQ(next(), base_ + ticks(1000));
  at(10500);
  EXPECT_EQ(collect(), 10u);
}

TEST_F(Pit, NextRiseIsExactlyWhenCollectSeesIt) {
  program(0, 2, 7);
  for (int i = 0; i < 1000; ++i) {
    now_ = next() - 1;
    ASSERT_EQ(collect(), 0u);
    ++now_;
    ASSERT_EQ(collect(), 1u);
  }
}

TEST_F(Pit, ValidRefusesStatesThatDivideByZero) {
  program(0, 2, 7);
  EXPECT_TRUE(valid(pit_));
  pit_.channel[0].count = 0;
  EXPECT_FALSE(valid(pit_));
  mkvm_pit_reset(&pit_);
  pit_.channel[1].mode = 6;
  EXPECT_FALSE(valid(pit_));
  mkvm_pit_reset(&pit_);
  pit_.flags = 4;
  EXPECT_FALSE(valid(pit_));
}

// What KVM_GET_PIT2 tells comes back; but a count starts anew.
void expect_restorable(const mkvm_pit& pit, uint64_t now) {
  mkvm_pit copy{};
  kvm_pit_state2 state, again;
  mkvm_pit_get(&pit, &state);
  mkvm_pit_set(&copy, &state, now);
  mkvm_pit_get(&copy, &again);
  for (size_t c = 0; c < MKVM_PIT_CHANNELS; ++c)
    again.channels[c].count_load_time = state.channels[c].count_load_time;
  ASSERT_EQ(memcmp(&state, &again, sizeof(state)), 0);
}

// CVE-2015-7513, bug class 29: a count of 0, and any other state, divides nothing by zero.
TEST_F(Pit, AnyStateCanBeSet) {
  uint32_t seed = 29;
  const auto random = [&seed] { return (seed = seed * 1664525 + 1013904223) >> 16; };
  for (int i = 0; i < 20000; ++i) {
    kvm_pit_state2 state;
    for (size_t b = 0; b < sizeof(state); ++b)
      reinterpret_cast<uint8_t*>(&state)[b] = static_cast<uint8_t>(random());
    for (auto& s : state.channels) {
      s.count = random() % 4 ? random() % 3 : s.count;
      s.mode = random() % 8;
    }
    mkvm_pit_set(&pit_, &state, now_);
    now_ += random();
    collect();
    ASSERT_GE(next(), now_);
    for (unsigned c = 0; c < MKVM_PIT_CHANNELS; ++c) in(c), out(c, static_cast<uint8_t>(random()));
    expect_restorable(pit_, now_);
  }
}

TEST_F(Pit, RandomAccessKeepsTheStateValid) {
  uint32_t seed = 7;
  const auto random = [&seed] { return (seed = seed * 1664525 + 1013904223) >> 16; };
  for (int i = 0; i < 100000; ++i) {
    now_ += random();
    switch (random() % 5) {
      case 0:
        out(random() % 4, random());
        break;
      case 1:
        in(random() % 4);
        break;
      case 2:
        mkvm_pit_write_speaker(&pit_, random(), now_);
        break;
      case 3:
        collect();
        break;
      case 4:
        ASSERT_GE(next(), now_);
        collect();
        ASSERT_GT(next(), now_);
        break;
    }
    ASSERT_TRUE(valid(pit_));
    if (i % 64 == 0) expect_restorable(pit_, now_);
  }
}

}  // namespace
