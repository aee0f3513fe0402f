// SPDX-License-Identifier: GPL-2.0-only
// What every device must do, run on each of them. A rig is a device in its own
// world: `dev`, the interrupt line `irq`, `ports()` to reach its registers,
// `disturb()` to bring it into some unusual state, and `impossible()`, states
// that it must refuse.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "devices/serial.h"
#include "testing/device_fakes.h"

namespace minikvm {
namespace {

struct PortRange {
  IoDevice& device;
  uint64_t size;
};

struct SerialRig {
  using State = Serial::State;
  std::vector<PortRange> ports() { return {{dev, Serial::kSize}}; }
  void disturb() {
    poke(dev, 2, 0x81);
    poke(dev, 4, 0x0b);
    poke(dev, 1, 0x05);
    dev.receive(std::array<uint8_t, 3>{'a', 'b', 'c'});
    dev.receive_break();
    poke(dev, 3, 0x80);
    poke(dev, 0, 0x01);
  }
  std::vector<State> impossible() {
    State ier = dev.save(), fifo = ier, too_full = ier, hidden = ier, mcr = ier;
    ier.ier = 0x10;
    fifo.fcr = 0x80;
    fifo.fifo_count = 0;
    too_full.fifo_count = 17;
    hidden.fifo[15].data = 1;
    mcr.mcr = 0x20;
    return {ier, fifo, too_full, hidden, mcr};
  }

  FakeIrq irq;
  FakeSink sink;
  Serial dev{irq, sink};
};

template <class Rig>
class DeviceContract : public ::testing::Test {};
using EveryDevice = ::testing::Types<SerialRig>;
TYPED_TEST_SUITE(DeviceContract, EveryDevice);

TYPED_TEST(DeviceContract, StartsWithItsInterruptLineLow) {
  TypeParam rig;
  EXPECT_EQ(rig.irq.edges, 0);
}

TYPED_TEST(DeviceContract, RestoreReproducesTheSavedState) {
  TypeParam a, b;
  a.disturb();
  const auto saved = a.dev.save();
  EXPECT_FALSE(saved == b.dev.save()) << "disturb() does too little";
  ASSERT_TRUE(b.dev.restore(saved));
  EXPECT_EQ(b.dev.save(), saved);
  EXPECT_EQ(b.irq.high, a.irq.high);
}

TYPED_TEST(DeviceContract, RestoreRefusesImpossibleStatesAndChangesNothing) {
  TypeParam rig;
  rig.disturb();
  const auto before = rig.dev.save();
  for (const auto& state : rig.impossible()) {
    ASSERT_FALSE(rig.dev.restore(state));
    EXPECT_EQ(rig.dev.save(), before);
  }
}

TYPED_TEST(DeviceContract, ResetGivesTheStateAfterPowerOn) {
  TypeParam rig, fresh;
  rig.disturb();
  rig.dev.reset();
  EXPECT_EQ(rig.dev.save(), fresh.dev.save());
  EXPECT_FALSE(rig.irq.high);
}

// Whatever a guest writes, the device stays in a state that it can save.
TYPED_TEST(DeviceContract, NoSequenceOfAccessesLeadsToAnImpossibleState) {
  TypeParam rig, other;
  std::mt19937 random(1);
  const auto ports = rig.ports();
  for (int i = 0; i < 20000; ++i) {
    const PortRange& range = ports[random() % ports.size()];
    const uint64_t size = std::min<uint64_t>(uint64_t{1} << random() % 3, range.size);
    const uint64_t offset = random() % (range.size - size + 1);
    std::array<std::byte, 4> bytes;
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    if (random() % 2)
      range.device.write(offset, std::span(bytes).first(size));
    else
      range.device.read(offset, std::span(bytes).first(size));
    ASSERT_TRUE(other.dev.restore(rig.dev.save())) << "after access " << i;
    ASSERT_EQ(other.irq.high, rig.irq.high);
  }
}

}  // namespace
}  // namespace minikvm
