// SPDX-License-Identifier: GPL-2.0-only
// What every device must do, run on each of them. A rig is a device in its own
// world: `dev`, the interrupt line `irq`, `ports()` to reach its registers,
// `disturb()` to bring it into some unusual state, and `impossible()`, states
// that it must refuse.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "devices/i8042.h"
#include "devices/interval_timer.h"
#include "devices/io_apic.h"
#include "devices/pic_pair.h"
#include "devices/power.h"
#include "devices/rtc.h"
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

struct PicRig {
  using State = PicPair::State;
  std::vector<PortRange> ports() {
    return {{dev.primary(), 2}, {dev.secondary(), 2}, {dev.elcr(), 2}};
  }
  void disturb() {
    for (const uint8_t icw : {0x30, 0x04, 0x01, 0x00}) {
      if (icw == 0x30) poke(dev.primary(), 0, 0x11);
      poke(dev.primary(), 1, icw);
    }
    dev.input(4).set(true);
  }
  std::vector<State> impossible() {
    State vector = dev.save(), first = vector, step = vector, elcr = vector, flag = vector;
    vector.pic.chip[0].irq_base = 0x31;
    first.pic.chip[1].priority_add = 8;
    step.pic.chip[0].init_state = 4;
    elcr.pic.chip[0].elcr = 0x01;
    flag.pic.chip[1].poll = 2;
    return {vector, first, step, elcr, flag};
  }

  FakeIrq irq;
  PicPair dev{irq};
};

struct TimerRig {
  using State = IntervalTimer::State;
  std::vector<PortRange> ports() { return {{dev.counters(), 4}, {dev.speaker(), 1}}; }
  void disturb() {
    poke(dev.counters(), 3, 0x34);
    poke(dev.counters(), 0, 0x00);
    poke(dev.counters(), 0, 0x10);
    clock.now += 12345678;
    peek(dev.counters(), 0);
    poke(dev.speaker(), 0, 0x03);
  }
  std::vector<State> impossible() {
    State mode = dev.save(), count = mode, future = mode, elapsed = mode, reload = mode;
    mode.pit.channel[0].mode = 6;
    count.pit.channel[1].count = 0;
    future.pit.channel[0].now = ~0ull;
    elapsed.pit.channel[0].elapsed = ~0ull;
    reload.pit.channel[0].reload = 0;
    return {mode, count, future, elapsed, reload};
  }

  FakeClock clock;
  FakeIrq irq;
  IntervalTimer dev{irq, clock};
};

struct I8042Rig {
  using State = I8042::State;
  std::vector<PortRange> ports() { return {{dev.data(), 1}, {dev.command(), 1}}; }
  void disturb() {
    poke(dev.data(), 0, 0xf2);
    poke(dev.command(), 0, 0xd1);
  }
  std::vector<State> impossible() {
    State a20 = dev.save(), awaiting = a20, timeout = a20;
    a20.output_port = 0x01;
    awaiting.awaiting = 0x20;
    timeout.full = false;
    timeout.timeout = true;
    return {a20, awaiting, timeout};
  }

  FakeIrq irq;
  FakePower power;
  I8042 dev{irq, power};
};

struct RtcRig {
  using State = Rtc::State;
  std::vector<PortRange> ports() { return {{dev, Rtc::kSize}}; }
  void disturb() {
    poke(dev, 0, 0x0b);
    poke(dev, 1, 0x12);
    clock.now += 1'234'567'890;
    dev.advance();
  }
  std::vector<State> impossible() {
    State index = dev.save(), phase = index, far = index, future = index, uip = index;
    index.index = 0x80;
    phase.phase_ns = 1'000'000'000;
    far.seconds = std::numeric_limits<int64_t>::min();
    future.seen_ticks = std::numeric_limits<int64_t>::max();
    uip.ram[0x0a] = 0x80;
    return {index, phase, far, future, uip};
  }

  FakeClock clock;
  FakeIrq irq;
  Rtc dev{irq, clock, 1'709'210'096'000'000'000, {256 << 20, 0}};
};

// The power ports have one byte or two, and no interrupt: nothing drives the line.
template <class Device>
struct PowerRig {
  using State = typename Device::State;
  std::vector<PortRange> ports() { return {{dev, Device::kSize}}; }
  void disturb() { poke(dev, 0, 0x06); }

  FakeIrq irq;
  FakePower power;
  Device dev{power};
};
struct ResetControlRig : PowerRig<ResetControl> {
  std::vector<State> impossible() { return {State{0x01}}; }
};
struct PowerManagementRig : PowerRig<PowerManagement> {
  void disturb() { poke(dev, 3, 0x01); }
  std::vector<State> impossible() { return {State{0, 0x2001}, State{0, 0}, State{0x8000, 1}}; }
};
struct SystemControlARig : PowerRig<SystemControlA> {
  std::vector<State> impossible() { return {State{0x03}, State{0x00}}; }
};

// Its output is a message, here an edge of the line.
struct IoApicRig {
  using State = IoApic::State;
  std::vector<PortRange> ports() { return {{dev, IoApic::kSize}}; }
  void disturb() {
    poke(dev, 0, 0x10);
    poke(dev, 0x10, 0x31);
    dev.set_pin(0, true);
  }
  std::vector<State> impossible() {
    State high = dev.save(), delivered = high, id = high;
    high.io.high = 1 << 24;
    delivered.io.delivered = 2;
    id.io.id = 16;
    return {high, delivered, id};
  }

  FakeIrq irq;
  IoApic dev{[this](const Msi&) { irq.set(true), irq.set(false); }, [] {}};
};

template <class Rig>
class DeviceContract : public ::testing::Test {};
using EveryDevice = ::testing::Types<SerialRig, PicRig, TimerRig, I8042Rig, RtcRig, ResetControlRig,
                                     PowerManagementRig, SystemControlARig, IoApicRig>;
TYPED_TEST_SUITE(DeviceContract, EveryDevice);

template <class Rig>
class InterruptContract : public ::testing::Test {};
using EveryInterrupter = ::testing::Types<SerialRig, PicRig, TimerRig, I8042Rig, RtcRig, IoApicRig>;
TYPED_TEST_SUITE(InterruptContract, EveryInterrupter);

TYPED_TEST(InterruptContract, StartsWithItsInterruptLineLow) {
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

// What lives on a battery is the device's own business.
template <class Rig>
constexpr bool kHasBattery = std::is_same_v<Rig, RtcRig>;

TYPED_TEST(DeviceContract, ResetGivesTheStateAfterPowerOn) {
  TypeParam rig, fresh;
  rig.disturb();
  rig.dev.reset();
  EXPECT_FALSE(rig.irq.high);
  if (!kHasBattery<TypeParam>) {
    EXPECT_EQ(rig.dev.save(), fresh.dev.save());
  }
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
