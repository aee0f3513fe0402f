// SPDX-License-Identifier: GPL-2.0-only
#include "devices/power.h"

#include <gtest/gtest.h>

#include "testing/device_fakes.h"

namespace minikvm {
namespace {

constexpr uint64_t kEnable = 2, kControl = 4;  // of PowerManagement

TEST(ResetControl, LinuxResetsWithTwoWrites) {
  FakePower power;
  ResetControl port{power};
  const auto cf9 = static_cast<uint8_t>(peek(port, 0) & ~0x0e);
  poke(port, 0, cf9 | 0x02);
  EXPECT_EQ(power.resets, 0);
  poke(port, 0, cf9 | 0x0e);
  EXPECT_EQ(power.resets, 1);
}

TEST(ResetControl, OnlyARisingBitResets) {
  FakePower power;
  ResetControl port{power};
  poke(port, 0, 0x06);
  poke(port, 0, 0x06);
  EXPECT_EQ(power.resets, 1);
  poke(port, 0, 0x02);
  poke(port, 0, 0x06);
  EXPECT_EQ(power.resets, 2);
}

TEST(PowerManagement, SlpEnTurnsOff) {
  FakePower power;
  PowerManagement pm{power};
  const std::array bytes{std::byte{0x00}, std::byte{0x20}};
  pm.write(kControl, bytes);
  EXPECT_EQ(power.power_offs, 1);
  EXPECT_EQ(peek(pm, kControl + 1), 0x00);  // SLP_EN reads as zero
}

TEST(PowerManagement, TheHighByteAloneIsEnough) {
  FakePower power;
  PowerManagement pm{power};
  poke(pm, kControl + 1, 0x20);
  EXPECT_EQ(power.power_offs, 1);
}

TEST(PowerManagement, OtherBitsTurnNothingOff) {
  FakePower power;
  PowerManagement pm{power};
  poke(pm, kControl, 0xff);
  poke(pm, kControl + 1, 0xdf);
  EXPECT_EQ(power.power_offs, 0);
  EXPECT_EQ(peek(pm, kControl), 0x07);
  EXPECT_EQ(peek(pm, kControl + 1), 0x1c);
}

TEST(PowerManagement, AcpiIsAlwaysOn) {
  FakePower power;
  PowerManagement pm{power};
  poke(pm, kControl, 0x00);
  EXPECT_EQ(peek(pm, kControl), 0x01);
}

TEST(PowerManagement, EventsCanBeEnabledAndNeverCome) {
  FakePower power;
  PowerManagement pm{power};
  poke(pm, kEnable, 0xff);
  poke(pm, kEnable + 1, 0xff);
  EXPECT_EQ(peek(pm, kEnable), 0x21);
  EXPECT_EQ(peek(pm, kEnable + 1), 0x47);
  poke(pm, 0, 0xff);
  EXPECT_EQ(peek(pm, 0), 0x00);
}

TEST(SystemControlA, FastResetAndAnA20GateThatStaysOpen) {
  FakePower power;
  SystemControlA port{power};
  EXPECT_EQ(peek(port, 0), 0x02);
  poke(port, 0, 0x00);
  EXPECT_EQ(peek(port, 0), 0x02);
  EXPECT_EQ(power.resets, 0);
  poke(port, 0, 0x03);
  EXPECT_EQ(power.resets, 1);
  EXPECT_EQ(peek(port, 0), 0x02);
}

TEST(PostCode, IsIgnored) {
  PostCode port;
  poke(port, 0, 0xaa);
  EXPECT_EQ(peek(port, 0), 0xff);
}

}  // namespace
}  // namespace minikvm
