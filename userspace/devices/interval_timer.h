// SPDX-License-Identifier: GPL-2.0-only
// The 8254 timer: kmod/pure/pit on a bus, with IRQ0 as an output and the event
// loop as its alarm clock, and port 0x61, which gates and shows channel 2.
//
// IRQ0 is always edge-triggered, so each rising edge of OUT 0 becomes a pulse on
// the line. Edges that pass while nobody looks become one: as on a board whose
// interrupts stay disabled too long, a late guest loses ticks and is never
// flooded with them.
#pragma once

#include "base/result.h"
#include "devices/device.h"
#include "pit.h"

namespace minikvm {

// Could the timer be in this state? A snapshot may say anything.
bool valid(const mkvm_pit& pit);

class IntervalTimer final : public TimedDevice {
 public:
  static constexpr uint64_t kCounterPorts = 4;  // at 0x40
  static constexpr uint64_t kSpeakerPorts = 1;  // at 0x61

  struct State {
    mkvm_pit pit;
    uint64_t elapsed_ns;  // since power-on; restoring goes on from here
    bool operator==(const State& other) const;
  };

  IntervalTimer(IrqLine& irq0, const Clock& clock);
  IntervalTimer(const IntervalTimer&) = delete;
  IntervalTimer& operator=(const IntervalTimer&) = delete;

  IoDevice& counters() { return counters_; }
  IoDevice& speaker() { return speaker_; }

  uint64_t next_event() const override;
  void advance() override;

  void reset();
  State save() const;
  Result<> restore(const State& state);

 private:
  struct Counters final : ByteDevice {
    explicit Counters(IntervalTimer& owner) : owner(owner) {}
    uint8_t read8(uint64_t offset) override;
    void write8(uint64_t offset, uint8_t value) override;
    IntervalTimer& owner;
  };
  struct Speaker final : ByteDevice {
    explicit Speaker(IntervalTimer& owner) : owner(owner) {}
    uint8_t read8(uint64_t offset) override;
    void write8(uint64_t offset, uint8_t value) override;
    IntervalTimer& owner;
  };

  // The pure timer's time starts at 0 with each power-on.
  uint64_t elapsed() const { return clock_.now_ns() - power_on_; }

  IrqLine& irq0_;
  const Clock& clock_;
  uint64_t power_on_;
  mkvm_pit pit_{};
  Counters counters_{*this};
  Speaker speaker_{*this};
};

}  // namespace minikvm
