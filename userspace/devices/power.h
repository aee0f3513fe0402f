// SPDX-License-Identifier: GPL-2.0-only
// The chipset registers with which a guest resets the machine or turns it off.
#pragma once

#include "base/result.h"
#include "devices/device.h"

namespace minikvm {

// Port 0xcf9, the PIIX3/ICH "Reset Control Register": bit 2 going from 0 to 1
// resets; bit 1 chooses between a hard and a soft reset, which are the same
// here.
class ResetControl final : public ByteDevice {
 public:
  static constexpr uint64_t kSize = 1;
  struct State {
    uint8_t value = 0;
    bool operator==(const State&) const = default;
  };

  explicit ResetControl(PowerSwitch& power) : power_(power) {}

  void reset() { s_ = {}; }
  State save() const { return s_; }
  Result<> restore(const State& state);

 protected:
  uint8_t read8(uint64_t offset) override;
  void write8(uint64_t offset, uint8_t value) override;

 private:
  PowerSwitch& power_;
  State s_;
};

// The PM1a blocks of ACPI, section "PM1 Event Grouping" and "PM1 Control
// Grouping": PM1a_STS and PM1a_EN, at port 0x600, of which no event ever comes,
// and PM1a_CNT at 0x604, where setting SLP_EN, bit 13, turns the machine off.
// SLP_TYP is kept and does not matter: there is no sleep state but off. ACPI
// mode is always on.
class PowerManagement final : public ByteDevice {
 public:
  static constexpr uint64_t kSize = 6;
  struct State {
    uint16_t enable = 0;
    uint16_t control = 0x0001;
    bool operator==(const State&) const = default;
  };

  explicit PowerManagement(PowerSwitch& power) : power_(power) {}

  void reset() { s_ = {}; }
  State save() const { return s_; }
  Result<> restore(const State& state);

 protected:
  uint8_t read8(uint64_t offset) override;
  void write8(uint64_t offset, uint8_t value) override;

 private:
  PowerSwitch& power_;
  State s_;
};

// Port 0x92, "System Control Port A": bit 0 going from 0 to 1 resets, bit 1 is
// the A20 gate, which is always open here whatever is written to it.
class SystemControlA final : public ByteDevice {
 public:
  static constexpr uint64_t kSize = 1;
  struct State {
    uint8_t value = 0x02;
    bool operator==(const State&) const = default;
  };

  explicit SystemControlA(PowerSwitch& power) : power_(power) {}

  void reset() { s_ = {}; }
  State save() const { return s_; }
  Result<> restore(const State& state);

 protected:
  uint8_t read8(uint64_t offset) override;
  void write8(uint64_t offset, uint8_t value) override;

 private:
  PowerSwitch& power_;
  State s_;
};

// Port 0x80: POST codes, and the write that Linux delays I/O with.
class PostCode final : public ByteDevice {
 public:
  static constexpr uint64_t kSize = 1;

 protected:
  uint8_t read8(uint64_t) override { return 0xff; }
  void write8(uint64_t, uint8_t) override {}
};

}  // namespace minikvm
