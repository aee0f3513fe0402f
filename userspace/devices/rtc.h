// SPDX-License-Identifier: GPL-2.0-only
// The MC146818 real-time clock with its battery-backed RAM, ports 0x70 and 0x71.
//
// It keeps UTC. All three interrupt sources exist: update-ended, alarm (to the
// second; the event loop wakes once per second while it is enabled) and
// periodic. Not modelled: daylight saving, the square wave, divider rates other
// than 32768 Hz, and the NMI gate in bit 7 of port 0x70.
#pragma once

#include <array>

#include "base/result.h"
#include "devices/device.h"

namespace minikvm {

// What a BIOS leaves in the RAM for an operating system to find.
struct CmosMemory {
  uint64_t below_4g = 0;
  uint64_t above_4g = 0;
};

class Rtc final : public ByteDevice, public TimedDevice {
 public:
  static constexpr uint64_t kSize = 2;

  struct State {
    std::array<uint8_t, 128> ram{};  // the time bytes count only while it stands still
    uint8_t index = 0;
    int64_t seconds = 0;  // of Unix time
    uint64_t phase_ns = 0;
    int64_t seen_ticks = 0;
    bool operator==(const State&) const = default;
  };

  Rtc(IrqLine& irq8, const Clock& clock, uint64_t unix_ns, CmosMemory memory);

  uint64_t next_event() const override;
  void advance() override;

  // The reset pin: interrupts off. Time and RAM live on the battery.
  void reset();
  State save() const;
  Result<> restore(const State& state);

 protected:
  uint8_t read8(uint64_t offset) override;
  void write8(uint64_t offset, uint8_t value) override;

 private:
  struct Instant {
    int64_t seconds;
    uint64_t phase_ns;
  };

  bool standing_still() const;
  Instant now() const;
  void set_time(int64_t seconds, uint64_t phase_ns);
  uint64_t when(int64_t tick) const;

  uint8_t encode(unsigned value) const;
  unsigned decode(uint8_t value) const;
  uint8_t encode_hour(unsigned hour) const;
  unsigned decode_hour(uint8_t value) const;
  void latch_time(int64_t seconds);
  int64_t latched_seconds() const;
  bool alarm_between(int64_t after, int64_t last);

  uint8_t read_register(uint8_t index);
  void write_register(uint8_t index, uint8_t value);
  void write_a(uint8_t value);
  void write_b(uint8_t value);
  void fill_memory_size(CmosMemory memory);
  void update_irq();

  IrqLine& irq8_;
  const Clock& clock_;
  std::array<uint8_t, 128> ram_{};
  uint8_t index_ = 0;
  int64_t base_seconds_ = 0;  // Unix time when clock_ showed base_ns_
  uint64_t base_ns_ = 0;
  int64_t seen_ticks_ = 0;  // 1/32768 s of Unix time, up to which flags are set
};

}  // namespace minikvm
