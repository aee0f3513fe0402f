// SPDX-License-Identifier: GPL-2.0-only
// The world around a device under test.
#pragma once

#include <array>
#include <string>

#include "devices/device.h"

namespace minikvm {

struct FakeIrq final : IrqLine {
  void set(bool level) override {
    edges += level && !high;
    high = level;
  }
  bool high = false;
  int edges = 0;  // how often it rose
};

struct FakeSink final : ByteSink {
  void put(uint8_t byte) override { text.push_back(static_cast<char>(byte)); }
  std::string text;
};

struct FakeClock final : Clock {
  explicit FakeClock(uint64_t start = 0) : now(start) {}
  uint64_t now_ns() const override { return now; }
  uint64_t now;
};

struct FakePower final : PowerSwitch {
  void request_reset() override { ++resets; }
  void request_power_off() override { ++power_offs; }
  int resets = 0;
  int power_offs = 0;
};

inline void poke(IoDevice& device, uint64_t offset, uint8_t value) {
  const std::array bytes{std::byte{value}};
  device.write(offset, bytes);
}

inline uint8_t peek(IoDevice& device, uint64_t offset) {
  std::array bytes{std::byte{0xcc}};
  device.read(offset, bytes);
  return std::to_integer<uint8_t>(bytes[0]);
}

}  // namespace minikvm
