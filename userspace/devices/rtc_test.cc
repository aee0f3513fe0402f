// SPDX-License-Identifier: GPL-2.0-only
#include "devices/rtc.h"

#include <gtest/gtest.h>

#include <vector>

#include "testing/device_fakes.h"

namespace minikvm {
namespace {

enum Register : uint8_t { kA = 0x0a, kB = 0x0b, kC = 0x0c, kD = 0x0d };
constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kStart = 1709210096;  // Thu 29 Feb 2024 12:34:56 UTC

class RtcTest : public ::testing::Test {
 protected:
  uint8_t get(uint8_t index) {
    poke(rtc, 0, index);
    return peek(rtc, 1);
  }
  void set(uint8_t index, uint8_t value) {
    poke(rtc, 0, index);
    poke(rtc, 1, value);
  }
  // Century, year, month, day, hour, minute, second.
  std::vector<int> time() {
    std::vector<int> out;
    for (const uint8_t index : {0x32, 0x09, 0x08, 0x07, 0x04, 0x02, 0x00})
      out.push_back(get(index));
    return out;
  }
  void run(uint64_t ns) {
    const uint64_t end = clock.now + ns;
    while (rtc.next_event() <= end) {
      ASSERT_GT(rtc.next_event(), clock.now);
      clock.now = rtc.next_event();
      rtc.advance();
    }
    clock.now = end;
    rtc.advance();
  }

  FakeClock clock{7 * kSecond};
  FakeIrq irq8;
  Rtc rtc{irq8, clock, kStart* kSecond, {256 << 20, 0}};
};

TEST_F(RtcTest, ShowsTheTimeInBcd) {
  EXPECT_EQ(time(), (std::vector{0x20, 0x24, 0x02, 0x29, 0x12, 0x34, 0x56}));
  EXPECT_EQ(get(0x06), 5);  // Thursday
}

TEST_F(RtcTest, ShowsTheTimeInBinary) {
  set(kB, 0x06);
  EXPECT_EQ(time(), (std::vector{20, 24, 2, 29, 12, 34, 56}));
}

TEST_F(RtcTest, ShowsTwelveHours) {
  set(kB, 0x00);
  EXPECT_EQ(get(0x04), 0x92);  // 12 PM
  clock.now += 12 * 3600 * kSecond;
  EXPECT_EQ(get(0x04), 0x12);  // 12 AM
  clock.now += 3600 * kSecond;
  EXPECT_EQ(get(0x04), 0x01);
}

TEST_F(RtcTest, TimeGoesOnAcrossTheLeapDay) {
  clock.now += 11 * 3600 * kSecond + 25 * 60 * kSecond + 4 * kSecond;
  EXPECT_EQ(time(), (std::vector{0x20, 0x24, 0x03, 0x01, 0x00, 0x00, 0x00}));
  EXPECT_EQ(get(0x06), 6);
}

TEST_F(RtcTest, StatusRegistersAfterPowerOn) {
  EXPECT_EQ(get(kA), 0x26);
  EXPECT_EQ(get(kB), 0x02);
  EXPECT_EQ(get(kC), 0x00);
  EXPECT_EQ(get(kD), 0x80);
}

TEST_F(RtcTest, UpdateInProgressAnnouncesTheNextSecond) {
  clock.now += kSecond - 245'000;
  EXPECT_EQ(get(kA), 0x26);
  clock.now += 2'000;
  EXPECT_EQ(get(kA), 0xa6);
  EXPECT_EQ(get(0x00), 0x56);
  clock.now += 243'000;
  EXPECT_EQ(get(kA), 0x26);
  EXPECT_EQ(get(0x00), 0x57);
}

TEST_F(RtcTest, TheGuestSetsTheTimeUnderSet) {
  set(kB, 0x82);
  set(0x32, 0x19);
  set(0x09, 0x99);
  set(0x08, 0x12);
  set(0x07, 0x31);
  set(0x04, 0x23);
  set(0x02, 0x59);
  set(0x00, 0x59);
  clock.now += 5 * kSecond;  // stands still meanwhile
  EXPECT_EQ(get(0x00), 0x59);
  set(kB, 0x02);
  EXPECT_EQ(time(), (std::vector{0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59}));
  clock.now += kSecond;
  EXPECT_EQ(time(), (std::vector{0x20, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00}));
}

// mc146818_set_time() of Linux also holds the divider, so that the next update
// comes half a second after it lets go.
TEST_F(RtcTest, AReleasedDividerUpdatesAfterHalfASecond) {
  clock.now += 900 * kMs;
  set(kB, 0x82);
  set(kA, 0x76);
  set(0x00, 0x10);
  set(kB, 0x02);
  EXPECT_EQ(get(0x00), 0x10);
  clock.now += 3 * kSecond;
  EXPECT_EQ(get(0x00), 0x10);
  set(kA, 0x26);
  clock.now += 499 * kMs;
  EXPECT_EQ(get(0x00), 0x10);
  clock.now += 2 * kMs;
  EXPECT_EQ(get(0x00), 0x11);
}

TEST_F(RtcTest, SettingARunningClockWorksToo) {
  set(0x02, 0x00);
  EXPECT_EQ(time(), (std::vector{0x20, 0x24, 0x02, 0x29, 0x12, 0x00, 0x56}));
  clock.now += 4 * kSecond;
  EXPECT_EQ(get(0x02), 0x01);
}

TEST_F(RtcTest, AnImpossibleDateCarriesOver) {
  set(kB, 0x86);
  set(0x32, 20);
  set(0x09, 24);
  set(0x08, 0xff);
  set(0x07, 32);
  set(0x04, 200);
  set(kB, 0x06);
  EXPECT_EQ(get(0x08), 1);  // month clamped to December, then over the year's end
  EXPECT_EQ(get(0x09), 25);
}

TEST_F(RtcTest, TheUpdateInterruptComesEachSecond) {
  set(kB, 0x12);
  run(10 * kSecond - 1);
  EXPECT_EQ(irq8.edges, 1);  // nobody acknowledged it
  EXPECT_EQ(get(kC) & 0x90, 0x90);
  EXPECT_FALSE(irq8.high);
  EXPECT_EQ(get(kC), 0x00);
  run(1);
  EXPECT_TRUE(irq8.high);
}

TEST_F(RtcTest, FlagsAreSetWithoutInterruptsToo) {
  clock.now += kSecond;
  EXPECT_EQ(get(kC) & 0x90, 0x10);
  EXPECT_EQ(irq8.edges, 0);
  EXPECT_EQ(rtc.next_event(), kNever);
}

TEST_F(RtcTest, TheAlarmComesOnceADay) {
  set(0x05, 0x12);
  set(0x03, 0x35);
  set(0x01, 0x30);
  set(kB, 0x22);
  run(33 * kSecond);
  EXPECT_FALSE(irq8.high);
  run(kSecond);
  EXPECT_TRUE(irq8.high);
  EXPECT_EQ(get(kC) & 0xa0, 0xa0);
  run(3600 * kSecond);
  EXPECT_FALSE(irq8.high);
}

TEST_F(RtcTest, AlarmWildcardsMatchAnything) {
  set(0x05, 0xff);
  set(0x03, 0xc0);
  set(0x01, 0x00);
  set(kB, 0x22);
  run(4 * kSecond);
  EXPECT_TRUE(irq8.high);
}

TEST_F(RtcTest, AnAlarmIsNotLostWhenNobodyLooksForDays) {
  set(0x05, 0x03);
  set(0x03, 0x00);
  set(0x01, 0x00);
  set(kB, 0x22);
  clock.now += 3 * 86400 * kSecond;
  rtc.advance();
  EXPECT_TRUE(irq8.high);
}

TEST_F(RtcTest, ThePeriodicInterruptHasItsRate) {
  set(kA, 0x2a);  // 64 Hz
  set(kB, 0x42);
  for (int i = 0; i < 64; ++i) {
    clock.now = rtc.next_event();
    rtc.advance();
    EXPECT_TRUE(irq8.high);
    EXPECT_EQ(get(kC) & 0xc0, 0xc0);
  }
  EXPECT_NEAR(static_cast<double>(clock.now), 8.0 * kSecond, 1000.0);
  EXPECT_EQ(irq8.edges, 64);
}

TEST_F(RtcTest, SetTurnsTheUpdateInterruptOff) {
  set(kB, 0x92);
  EXPECT_EQ(get(kB), 0x82);
}

TEST_F(RtcTest, TheRamKeepsWhatIsWritten) {
  set(0x0f, 0x0a);
  set(0x7f, 0x55);
  EXPECT_EQ(get(0x0f), 0x0a);
  EXPECT_EQ(get(0x7f), 0x55);
  EXPECT_EQ(get(0xff), 0x55);  // bit 7 is the NMI mask, not part of the index
}

TEST_F(RtcTest, ReadOnlyRegistersStay) {
  set(kC, 0xff);
  set(kD, 0x00);
  EXPECT_EQ(get(kC), 0x00);
  EXPECT_EQ(get(kD), 0x80);
  set(kA, 0xa6);
  EXPECT_EQ(get(kA), 0x26);
}

TEST_F(RtcTest, TellsTheMemorySize) {
  EXPECT_EQ(get(0x15) | get(0x16) << 8, 640);
  EXPECT_EQ(get(0x17) | get(0x18) << 8, 0xffff);
  EXPECT_EQ(get(0x30) | get(0x31) << 8, 0xffff);
  EXPECT_EQ(get(0x34) | get(0x35) << 8, 240 * 16);
  EXPECT_EQ(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 0);
}

TEST(Rtc, TellsTheMemoryAbove4G) {
  FakeClock clock;
  FakeIrq irq;
  Rtc rtc{irq, clock, 0, {3ull << 30, 5ull << 30}};
  poke(rtc, 0, 0x5c);
  EXPECT_EQ(peek(rtc, 1), 0x40);
  poke(rtc, 0, 0x5d);
  EXPECT_EQ(peek(rtc, 1), 0x01);
}

TEST_F(RtcTest, TheChecksumFits) {
  int sum = 0;
  for (uint8_t i = 0x10; i < 0x2e; ++i) sum += get(i);
  EXPECT_EQ(get(0x2e) << 8 | get(0x2f), sum);
}

TEST_F(RtcTest, ResetKeepsTimeAndRam) {
  set(0x0f, 0x0a);
  set(kB, 0x12);
  clock.now += kSecond;
  rtc.advance();
  EXPECT_TRUE(irq8.high);
  rtc.reset();
  EXPECT_FALSE(irq8.high);
  EXPECT_EQ(get(kB), 0x02);
  EXPECT_EQ(get(0x0f), 0x0a);
  EXPECT_EQ(get(0x00), 0x57);
}

}  // namespace
}  // namespace minikvm
