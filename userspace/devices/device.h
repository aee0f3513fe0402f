// SPDX-License-Identifier: GPL-2.0-only
// What a device model is, and all that it may know of the world: interrupt
// lines, byte sinks, a clock and a power switch, each injected. Devices know no
// ioctl, no thread and no file descriptor. They take no lock either: machine/
// calls them under one device lock.
//
// State is plain data. `save()` gives a value of the device's own `State` type
// (no pointer in it), and `restore()` refuses one that the device could not
// have saved, because a snapshot is untrusted input. Outputs (interrupt lines)
// are recomputed on restore, never stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace minikvm {

// One input of an interrupt controller, or the INTR pin of a CPU.
class IrqLine {
 public:
  virtual ~IrqLine() = default;
  virtual void set(bool high) = 0;
};

// Where a device's output goes. It always accepts.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual void put(uint8_t byte) = 0;
};

// Monotonic time. Every instant in devices/ is in this clock's nanoseconds.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual uint64_t now_ns() const = 0;
};

// What a guest can ask of the machine as a whole. Both only leave a note: the
// machine stops after the access that asked for it.
class PowerSwitch {
 public:
  virtual ~PowerSwitch() = default;
  virtual void request_reset() = 0;
  virtual void request_power_off() = 0;
};

class IoDevice {
 public:
  virtual ~IoDevice() = default;
  // `offset` counts from where the bus put the device; the size of the access
  // is the size of the span, and the bus keeps both inside the device.
  virtual void read(uint64_t offset, std::span<std::byte> out) = 0;
  virtual void write(uint64_t offset, std::span<const std::byte> in) = 0;
};

// A device on the 8-bit part of an ISA bus: a wider access reaches it as
// consecutive byte accesses at rising addresses.
class ByteDevice : public IoDevice {
 public:
  void read(uint64_t offset, std::span<std::byte> out) final {
    for (std::byte& byte : out) byte = std::byte{read8(offset++)};
  }
  void write(uint64_t offset, std::span<const std::byte> in) final {
    for (const std::byte byte : in) write8(offset++, std::to_integer<uint8_t>(byte));
  }

 protected:
  virtual uint8_t read8(uint64_t offset) = 0;
  virtual void write8(uint64_t offset, uint8_t value) = 0;
};

inline constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

// A device that does something by itself as time passes. The event loop calls
// `advance()` when the clock has reached `next_event()`, and asks for the next
// deadline after each access, which may have moved it. Calling early or late
// is harmless: `advance()` brings the device to the present.
class TimedDevice {
 public:
  virtual ~TimedDevice() = default;
  virtual uint64_t next_event() const = 0;  // kNever: nothing to come
  virtual void advance() = 0;
};

}  // namespace minikvm
