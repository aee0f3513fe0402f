// SPDX-License-Identifier: GPL-2.0-only
// The state machine has its own tests; here: the wiring.
#include "devices/pic_pair.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "testing/device_fakes.h"

namespace minikvm {
namespace {

class PicPairTest : public ::testing::Test {
 protected:
  // As Linux does: vectors 0x30 and 0x38, all pins open.
  void initialize() {
    for (const auto& [chip, base, icw3] :
         {std::tuple{&pic.primary(), 0x30, 0x04}, {&pic.secondary(), 0x38, 0x02}}) {
      poke(*chip, 0, 0x11);
      poke(*chip, 1, static_cast<uint8_t>(base));
      poke(*chip, 1, static_cast<uint8_t>(icw3));
      poke(*chip, 1, 0x01);
      poke(*chip, 1, 0x00);
    }
  }

  FakeIrq intr;
  PicPair pic{intr};
};

TEST_F(PicPairTest, MasksEverythingUntilInitialized) {
  pic.input(4).set(true);
  EXPECT_FALSE(intr.high);
  EXPECT_FALSE(pic.intr());
}

TEST_F(PicPairTest, AnInputRaisesIntrAndAcknowledgeLowersIt) {
  initialize();
  pic.input(4).set(true);
  EXPECT_TRUE(intr.high);
  EXPECT_EQ(pic.acknowledge(), 0x34);
  EXPECT_FALSE(intr.high);
}

TEST_F(PicPairTest, TheSecondaryGoesThroughTheCascade) {
  initialize();
  pic.input(8).set(true);
  EXPECT_TRUE(intr.high);
  EXPECT_EQ(pic.acknowledge(), 0x38);
}

TEST_F(PicPairTest, UnmaskingLetsAWaitingRequestThrough) {
  initialize();
  poke(pic.primary(), 1, 0x10);
  pic.input(4).set(true);
  EXPECT_FALSE(intr.high);
  poke(pic.primary(), 1, 0x00);
  EXPECT_TRUE(intr.high);
}

TEST_F(PicPairTest, EndOfInterruptLetsTheNextOneThrough) {
  initialize();
  pic.input(4).set(true);
  pic.acknowledge();
  pic.input(5).set(true);
  EXPECT_FALSE(intr.high);
  poke(pic.primary(), 0, 0x20);
  EXPECT_TRUE(intr.high);
  EXPECT_EQ(pic.acknowledge(), 0x35);
}

TEST_F(PicPairTest, TheElcrMakesAPinLevelTriggered) {
  initialize();
  poke(pic.elcr(), 1, 0x04);  // IRQ 10
  EXPECT_EQ(peek(pic.elcr(), 1), 0x04);
  pic.input(10).set(true);
  EXPECT_TRUE(intr.high);
  pic.input(10).set(false);
  EXPECT_FALSE(intr.high);
}

TEST_F(PicPairTest, AWideWriteReachesCommandAndData) {
  initialize();
  const std::array bytes{std::byte{0x20}, std::byte{0xab}};
  pic.primary().write(0, bytes);
  EXPECT_EQ(peek(pic.primary(), 1), 0xab);
}

TEST_F(PicPairTest, ThereIsNoPinSixteen) { EXPECT_THROW(pic.input(16), std::out_of_range); }

}  // namespace
}  // namespace minikvm
