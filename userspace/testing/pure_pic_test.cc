// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include "devices/pic_pair.h"
#include "pic.h"

namespace {

using minikvm::valid;

constexpr uint16_t kPrimary = MKVM_PIC_PRIMARY_PORT;
constexpr uint16_t kSecondary = MKVM_PIC_SECONDARY_PORT;

class Pic : public ::testing::Test {
 protected:
  Pic() {
    mkvm_pic_reset(&pic_);
    init(kPrimary, 0x30, 0x04);
    init(kSecondary, 0x38, 0x02);
  }

  // What Linux and every BIOS do: cascade, ICW4, 8086 mode; all lines unmasked.
  void init(uint16_t port, uint8_t base, uint8_t icw3, uint8_t icw4 = 0x01) {
    out(port, 0x11);
    out(port + 1, base);
    out(port + 1, icw3);
    out(port + 1, icw4);
  }
  // Each access notes whether INTR changed.
  bool out(uint16_t port, uint8_t value) {
    const bool before = intr();
    mkvm_pic_write(&pic_, port, value);
    return changed_ = before != intr();
  }
  uint8_t in(uint16_t port) {
    const bool before = intr();
    const uint8_t value = mkvm_pic_read(&pic_, port);
    changed_ = before != intr();
    return value;
  }
  uint8_t irr(uint16_t port) {
    out(port, 0x0a);
    return in(port);
  }
  uint8_t isr(uint16_t port) {
    out(port, 0x0b);
    return in(port);
  }
  bool irq(unsigned n, bool high) {
    const bool before = intr();
    mkvm_pic_set_irq(&pic_, n, high);
    return changed_ = before != intr();
  }
  void pulse(unsigned n) {
    irq(n, true);
    irq(n, false);
  }
  bool intr() const { return mkvm_pic_output(&pic_); }
  int ack() {
    const bool before = intr();
    const int vector = mkvm_pic_acknowledge(&pic_);
    changed_ = before != intr();
    return vector;
  }

  mkvm_pic pic_;
  bool changed_ = false;
};

TEST_F(Pic, ResetMasksEverythingUntilInitialized) {
  mkvm_pic_reset(&pic_);
  EXPECT_FALSE(irq(1, true));
  EXPECT_FALSE(intr());
}

TEST_F(Pic, EdgeRaisesIntrOnceAndTellsSo) {
  EXPECT_TRUE(irq(1, true));
  EXPECT_FALSE(irq(1, true));
  EXPECT_TRUE(intr());
}

TEST_F(Pic, AcknowledgeGivesTheVectorAndMovesTheRequestInService) {
  irq(1, true);
  EXPECT_EQ(ack(), 0x31);
  EXPECT_TRUE(changed_);
  EXPECT_EQ(irr(kPrimary), 0x00);
  EXPECT_EQ(isr(kPrimary), 0x02);
}

TEST_F(Pic, EdgeThatStaysHighIsNotRequestedAgain) {
  irq(1, true);
  ack();
  out(kPrimary, 0x20);
  EXPECT_FALSE(intr());
  irq(1, false);
  irq(1, true);
  EXPECT_TRUE(intr());
}

TEST_F(Pic, EdgeIsRememberedAfterTheLineFalls) {
  pulse(5);
  EXPECT_TRUE(intr());
  EXPECT_EQ(ack(), 0x35);
}

TEST_F(Pic, LevelIsRequestedAgainAfterEndOfInterrupt) {
  out(MKVM_PIC_ELCR_PORT, 0x20);
  irq(5, true);
  EXPECT_EQ(ack(), 0x35);
  out(kPrimary, 0x20);
  EXPECT_TRUE(intr());
  irq(5, false);
  EXPECT_FALSE(intr());
}

TEST_F(Pic, LevelThatGoesAwayBeforeAcknowledgeIsSpuriousIrq7) {
  out(MKVM_PIC_ELCR_PORT, 0x20);
  irq(5, true);
  irq(5, false);
  EXPECT_EQ(ack(), 0x37);
  EXPECT_EQ(isr(kPrimary), 0x00);
}

TEST_F(Pic, LevelOnTheSecondaryThatGoesAwayIsIrq7BecauseTheCascadeFellToo) {
  out(MKVM_PIC_ELCR_PORT + 1, 0x04);
  irq(10, true);
  EXPECT_TRUE(irq(10, false));
  EXPECT_FALSE(intr());
}

TEST_F(Pic, SecondaryThatHasNothingAtAcknowledgeGivesSpuriousIrq15) {
  irq(10, true);
  pic_.chip[1].irr = 0;  // between the primary's and the secondary's INTA pulse
  EXPECT_EQ(ack(), 0x3f);
  EXPECT_EQ(isr(kPrimary), 0x04);
  EXPECT_EQ(isr(kSecondary), 0x00);
}

TEST_F(Pic, MaskedRequestWaits) {
  out(kPrimary + 1, 0x02);
  irq(1, true);
  EXPECT_FALSE(intr());
  EXPECT_EQ(irr(kPrimary), 0x02);
  EXPECT_TRUE(out(kPrimary + 1, 0x00));
  EXPECT_TRUE(intr());
}

TEST_F(Pic, MaskReadsBack) {
  out(kSecondary + 1, 0x5a);
  EXPECT_EQ(in(kSecondary + 1), 0x5a);
}

TEST_F(Pic, LowerNumbersComeFirst) {
  irq(6, true);
  irq(3, true);
  EXPECT_EQ(ack(), 0x33);
  out(kPrimary, 0x20);
  EXPECT_EQ(ack(), 0x36);
}

TEST_F(Pic, InServiceBlocksLowerAndEqualButNotHigherPriority) {
  irq(3, true);
  ack();
  irq(6, true);
  irq(3, false);
  irq(3, true);
  EXPECT_FALSE(intr());
  irq(1, true);
  EXPECT_TRUE(intr());
  EXPECT_EQ(ack(), 0x31);
}

TEST_F(Pic, NonSpecificEoiClearsTheHighestInService) {
  irq(3, true);
  ack();
  irq(1, true);
  ack();
  EXPECT_EQ(isr(kPrimary), 0x0a);
  out(kPrimary, 0x20);
  EXPECT_EQ(isr(kPrimary), 0x08);
}

TEST_F(Pic, SpecificEoiClearsTheOneNamed) {
  irq(3, true);
  ack();
  irq(1, true);
  ack();
  out(kPrimary, 0x63);
  EXPECT_EQ(isr(kPrimary), 0x02);
}

TEST_F(Pic, CascadeDeliversTheSecondarysVector) {
  irq(14, true);
  EXPECT_TRUE(intr());
  EXPECT_EQ(ack(), 0x3e);
  EXPECT_EQ(isr(kPrimary), 0x04);
  EXPECT_EQ(isr(kSecondary), 0x40);
}

TEST_F(Pic, SecondarysSecondRequestIsNotLostAcrossBothEois) {
  irq(8, true);
  irq(10, true);
  EXPECT_EQ(ack(), 0x38);
  out(kSecondary, 0x20);
  out(kPrimary, 0x20);
  EXPECT_EQ(ack(), 0x3a);
}

TEST_F(Pic, SecondarysSecondRequestIsNotLostUnderAutoEoi) {
  init(kSecondary, 0x38, 0x02, 0x03);
  irq(8, true);
  irq(10, true);
  EXPECT_EQ(ack(), 0x38);
  out(kPrimary, 0x20);
  EXPECT_EQ(ack(), 0x3a);
}

TEST_F(Pic, CascadeInputIsNotDrivenFromOutside) {
  EXPECT_FALSE(irq(2, true));
  EXPECT_FALSE(intr());
}

TEST_F(Pic, IrqNumbersOutOfRangeAreIgnored) { EXPECT_FALSE(irq(16, true)); }

TEST_F(Pic, SecondaryOutranksPrimaryPinsBelowTwo) {
  irq(3, true);
  irq(15, true);
  EXPECT_EQ(ack(), 0x3f);
  irq(1, true);
  EXPECT_EQ(ack(), 0x31);
}

TEST_F(Pic, WithoutFullyNestedModeTheSecondaryCannotInterruptItself) {
  irq(12, true);
  ack();
  irq(9, true);
  EXPECT_FALSE(intr());
}

TEST_F(Pic, SpecialFullyNestedModeLetsTheSecondaryInterruptItself) {
  init(kPrimary, 0x30, 0x04, 0x11);
  irq(12, true);
  ack();
  irq(9, true);
  EXPECT_TRUE(intr());
  EXPECT_EQ(ack(), 0x39);
  irq(3, true);  // but it does not open the way for lower priorities
  EXPECT_FALSE(intr());
}

TEST_F(Pic, AutoEoiLeavesNothingInService) {
  init(kPrimary, 0x30, 0x04, 0x03);
  irq(1, true);
  ack();
  EXPECT_EQ(isr(kPrimary), 0x00);
  irq(6, true);
  EXPECT_TRUE(intr());
}

TEST_F(Pic, RotationInAutoEoiModeSendsTheServedPinToTheEnd) {
  init(kPrimary, 0x30, 0x04, 0x03);
  out(kPrimary, 0x80);
  irq(1, true);
  ack();
  irq(1, false);
  irq(1, true);
  irq(6, true);
  EXPECT_EQ(ack(), 0x36);
  out(kPrimary, 0x00);
  EXPECT_EQ(ack(), 0x31);
  EXPECT_EQ(pic_.chip[0].priority_add, 7);  // 6 is the last
}

TEST_F(Pic, RotateOnNonSpecificEoi) {
  irq(1, true);
  ack();
  out(kPrimary, 0xa0);
  irq(0, true);
  irq(3, true);
  EXPECT_EQ(ack(), 0x33);
}

TEST_F(Pic, RotateOnSpecificEoi) {
  irq(4, true);
  ack();
  out(kPrimary, 0xe4);
  EXPECT_EQ(isr(kPrimary), 0x00);
  irq(3, true);
  irq(5, true);
  EXPECT_EQ(ack(), 0x35);
}

TEST_F(Pic, SetPriorityNamesTheLowestPin) {
  out(kPrimary, 0xc5);
  irq(5, true);
  irq(0, true);
  irq(6, true);
  EXPECT_EQ(ack(), 0x36);
}

TEST_F(Pic, SpecialMaskModeLetsLowerPrioritiesThroughAMaskedServiceRoutine) {
  irq(3, true);
  ack();
  out(kPrimary + 1, 0x08);
  irq(6, true);
  EXPECT_FALSE(intr());
  EXPECT_TRUE(out(kPrimary, 0x68));
  EXPECT_EQ(ack(), 0x36);
  out(kPrimary, 0x20);  // the masked level is not the one that ends
  EXPECT_EQ(isr(kPrimary), 0x08);
  irq(7, true);
  EXPECT_TRUE(intr());  // to choose a register did not end the mode
  out(kPrimary, 0x48);
  EXPECT_FALSE(intr());
}

TEST_F(Pic, PollAcknowledgesAndNamesThePin) {
  irq(4, true);
  out(kPrimary, 0x0c);
  EXPECT_EQ(in(kPrimary), 0x84);
  EXPECT_TRUE(changed_);
  EXPECT_EQ(isr(kPrimary), 0x10);
}

TEST_F(Pic, PollWithoutRequestReadsZeroAndEndsPolling) {
  out(kPrimary, 0x0c);
  EXPECT_EQ(in(kPrimary), 0x00);
  irq(4, true);
  EXPECT_EQ(irr(kPrimary), 0x10);
}

TEST_F(Pic, PollingTheSecondaryDropsTheCascade) {
  irq(12, true);
  out(kSecondary, 0x0c);
  EXPECT_EQ(in(kSecondary), 0x84);
  EXPECT_FALSE(intr());
}

TEST_F(Pic, Icw1ClearsMasksServiceAndEdges) {
  out(kPrimary + 1, 0xff);
  irq(1, true);
  out(kPrimary, 0x11);
  EXPECT_EQ(in(kPrimary + 1), 0x00);
  EXPECT_EQ(irr(kPrimary), 0x00);
  EXPECT_FALSE(intr());
}

TEST_F(Pic, Icw1KeepsLevelRequests) {
  out(MKVM_PIC_ELCR_PORT, 0x20);
  irq(5, true);
  init(kPrimary, 0x40, 0x04);
  EXPECT_EQ(ack(), 0x45);
}

TEST_F(Pic, SingleChipSequenceHasNoIcw3) {
  out(kPrimary, 0x13);
  out(kPrimary + 1, 0x50);
  out(kPrimary + 1, 0x03);  // ICW4, not ICW3: auto EOI
  out(kPrimary + 1, 0xfe);
  EXPECT_EQ(in(kPrimary + 1), 0xfe);
  irq(0, true);
  EXPECT_EQ(ack(), 0x50);
  EXPECT_EQ(isr(kPrimary), 0x00);
}

TEST_F(Pic, SequenceWithoutIcw4EndsAfterIcw3) {
  out(kPrimary, 0x10);
  out(kPrimary + 1, 0x57);
  out(kPrimary + 1, 0x04);
  out(kPrimary + 1, 0xaa);
  EXPECT_EQ(in(kPrimary + 1), 0xaa);
  irq(0, true);
  EXPECT_EQ(ack(), 0x50);  // the low bits of ICW2 are not the programmer's
}

TEST_F(Pic, ElcrKeepsTheBoardsEdgeLines) {
  out(MKVM_PIC_ELCR_PORT, 0xff);
  out(MKVM_PIC_ELCR_PORT + 1, 0xff);
  EXPECT_EQ(in(MKVM_PIC_ELCR_PORT), 0xf8);
  EXPECT_EQ(in(MKVM_PIC_ELCR_PORT + 1), 0xde);
}

TEST_F(Pic, TurningAHighLineIntoLevelRequestsIt) {
  irq(5, true);
  ack();
  out(kPrimary, 0x20);
  EXPECT_FALSE(intr());
  EXPECT_TRUE(out(MKVM_PIC_ELCR_PORT, 0x20));
}

TEST_F(Pic, TurningALowLineIntoLevelForgetsItsEdge) {
  pulse(5);
  EXPECT_TRUE(out(MKVM_PIC_ELCR_PORT, 0x20));
  EXPECT_EQ(irr(kPrimary), 0x00);
}

TEST_F(Pic, HighestPriorityInServiceBlocksAllOthers) {
  irq(0, true);
  ack();
  irq(1, true);
  EXPECT_FALSE(intr());
}

TEST_F(Pic, Icw1ForgetsTheModesOfTheOperationWords) {
  out(kPrimary, 0x80);  // rotate in auto EOI mode
  out(kPrimary, 0x68);  // special mask mode
  out(kPrimary, 0xc5);  // priorities
  out(kPrimary, 0x0b);  // read ISR
  init(kPrimary, 0x30, 0x04, 0x03);
  irq(6, true);
  EXPECT_EQ(in(kPrimary), 0x40);
  EXPECT_EQ(ack(), 0x36);
  EXPECT_EQ(pic_.chip[0].priority_add, 0);
  EXPECT_EQ(pic_.chip[0].special_mask, 0);
}

TEST_F(Pic, OtherPortsAreNobodys) {
  const mkvm_pic before = pic_;
  EXPECT_FALSE(out(0x22, 0xff));
  EXPECT_EQ(in(0x22), 0xff);
  EXPECT_EQ(memcmp(&before, &pic_, sizeof(before)), 0);
}

TEST_F(Pic, ValidAcceptsEveryReachableStateAndRefusesTheRest) {
  EXPECT_TRUE(valid(pic_));
  pic_.chip[1].elcr = 0x21;
  EXPECT_FALSE(valid(pic_));
  mkvm_pic_reset(&pic_);
  pic_.chip[0].priority_add = 8;
  EXPECT_FALSE(valid(pic_));
  mkvm_pic_reset(&pic_);
  pic_.chip[0].init_state = 4;
  EXPECT_FALSE(valid(pic_));
}

// What KVM_GET_IRQCHIP tells is all there is to restore.
void expect_restorable(const mkvm_pic& pic) {
  mkvm_pic copy;
  mkvm_pic_reset(&copy);
  for (unsigned chip = 0; chip < 2; ++chip) {
    mkvm_pic_set(&copy, chip, &pic.chip[chip]);
    copy.single[chip] = pic.single[chip];  // not in KVM's form
  }
  ASSERT_EQ(mkvm_pic_output(&copy), mkvm_pic_output(&pic));
  ASSERT_EQ(memcmp(&copy, &pic, sizeof(copy)), 0);
}

// CVE-2018-19407 and its like, bug class 28: userspace sets what it likes.
TEST_F(Pic, AnyStateCanBeSet) {
  uint32_t seed = 28;
  const auto next = [&seed] { return (seed = seed * 1664525 + 1013904223) >> 16; };
  for (int i = 0; i < 20000; ++i) {
    kvm_pic_state state;
    for (size_t b = 0; b < sizeof(state); ++b)
      reinterpret_cast<uint8_t*>(&state)[b] = static_cast<uint8_t>(next());
    mkvm_pic_set(&pic_, next() & 1, &state);
    ASSERT_LE(pic_.chip[0].priority_add, 7);
    ASSERT_LE(pic_.chip[1].init_state, MKVM_PIC_ICW4);
    expect_restorable(pic_);
    out(0x20, next());
    out(0x21, next());
    ack();
  }
}

// Whatever a guest does, the state stays valid and no call misbehaves.
TEST_F(Pic, RandomAccessKeepsTheStateValid) {
  constexpr uint16_t kPorts[] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1};
  uint32_t seed = 1;
  const auto next = [&seed] { return (seed = seed * 1664525 + 1013904223) >> 16; };
  for (int i = 0; i < 100000; ++i) {
    switch (next() % 4) {
      case 0:
        out(kPorts[next() % 6], next());
        break;
      case 1:
        in(kPorts[next() % 6]);
        break;
      case 2:
        irq(next() % 16, next() & 1);
        break;
      case 3:
        ack();
        break;
    }
    ASSERT_TRUE(valid(pic_));
    if (i % 64 == 0) expect_restorable(pic_);
  }
}

}  // namespace
