// SPDX-License-Identifier: GPL-2.0-only
#include "devices/i8042.h"

#include <gtest/gtest.h>

#include "testing/device_fakes.h"

namespace minikvm {
namespace {

class I8042Test : public ::testing::Test {
 protected:
  void command(uint8_t value) { poke(kbc.command(), 0, value); }
  void data(uint8_t value) { poke(kbc.data(), 0, value); }
  uint8_t status() { return peek(kbc.command(), 0); }
  uint8_t answer() {
    EXPECT_TRUE(status() & 0x01) << "no answer";
    return peek(kbc.data(), 0);
  }

  FakeIrq irq1;
  FakePower power;
  I8042 kbc{irq1, power};
};

TEST_F(I8042Test, IsReadyAndEmptyAfterPowerOn) {
  EXPECT_EQ(status() & 0x03, 0x00);  // Linux waits for this before it resets
  EXPECT_EQ(status() & 0x10, 0x10);  // not locked
}

TEST_F(I8042Test, ThePulseOfTheResetLineResets) {
  command(0xfe);
  EXPECT_EQ(power.resets, 1);
  command(0xff);  // pulses nothing
  EXPECT_EQ(power.resets, 1);
}

TEST_F(I8042Test, TheOutputPortCanReset) {
  command(0xd1);
  data(0xdf);
  EXPECT_EQ(power.resets, 0);
  command(0xd1);
  data(0xde);
  EXPECT_EQ(power.resets, 1);
}

TEST_F(I8042Test, A20StaysOpen) {
  command(0xd1);
  data(0xdd);
  command(0xd0);
  EXPECT_EQ(answer() & 0x02, 0x02);
}

TEST_F(I8042Test, PassesItsTests) {
  command(0xaa);
  EXPECT_EQ(answer(), 0x55);
  command(0xab);
  EXPECT_EQ(answer(), 0x00);
  EXPECT_EQ(status() & 0x01, 0x00);
}

TEST_F(I8042Test, TheConfigurationByteIsKept) {
  command(0x60);
  data(0x74);
  command(0x20);
  EXPECT_EQ(answer(), 0x74);
  command(0xae);
  command(0xa8);
  command(0x20);
  EXPECT_EQ(answer(), 0x44);
  command(0xad);
  command(0xa7);
  command(0x20);
  EXPECT_EQ(answer(), 0x74);
}

TEST_F(I8042Test, AByteToTheKeyboardTimesOut) {
  data(0xf2);
  EXPECT_TRUE(irq1.high);
  EXPECT_EQ(status() & 0x41, 0x41);
  EXPECT_EQ(answer(), 0xfe);
  EXPECT_FALSE(irq1.high);
  EXPECT_EQ(status() & 0x41, 0x00);
}

// i8042_check_aux() of Linux: the loop byte comes back without the mark of the
// mouse, then the port test fails, and Linux knows that there is no mouse port.
TEST_F(I8042Test, LinuxFindsNoMousePort) {
  command(0xd3);
  data(0x5a);
  EXPECT_EQ(status() & 0x21, 0x01);
  EXPECT_EQ(answer(), 0x5a);
  command(0xa9);
  const uint8_t result = answer();
  EXPECT_TRUE(result != 0x00 && result != 0xfa && result != 0xff);
}

TEST_F(I8042Test, InterruptsOnlyWhenConfigured) {
  command(0x60);
  data(0x44);
  command(0xd2);
  data(0x1c);
  EXPECT_FALSE(irq1.high);
  command(0x60);
  data(0x45);
  EXPECT_TRUE(irq1.high);
  EXPECT_EQ(answer(), 0x1c);
  EXPECT_FALSE(irq1.high);
}

TEST_F(I8042Test, ASecondCommandCancelsOneThatWaits) {
  command(0xd1);
  command(0x20);
  answer();
  data(0xde);  // to the keyboard, not to the output port
  EXPECT_EQ(power.resets, 0);
}

}  // namespace
}  // namespace minikvm
