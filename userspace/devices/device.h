// SPDX-License-Identifier: GPL-2.0-only
// All that a device model has to be, and all that it may know of the world.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace minikvm {

// A range of ports or of guest-physical addresses. `offset` is relative to the
// start of the range; the size of the access is the size of the span. The bus
// never calls two methods of one device at the same time.
class IoDevice {
 public:
  virtual ~IoDevice() = default;
  virtual void read(uint64_t offset, std::span<std::byte> out) = 0;
  virtual void write(uint64_t offset, std::span<const std::byte> in) = 0;
};

// The wire from a device to an input pin of an interrupt controller.
class IrqLine {
 public:
  virtual ~IrqLine() = default;
  virtual void set(bool high) = 0;
};

}  // namespace minikvm
