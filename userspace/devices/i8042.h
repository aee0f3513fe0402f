// SPDX-License-Identifier: GPL-2.0-only
// The keyboard controller of the AT (ports 0x60 and 0x64) with nothing plugged
// in. A guest needs it to reset the machine; the rest is here so that a driver
// finds out quickly and cleanly that there is no keyboard and no mouse: the self
// test passes, a byte to the keyboard comes back as a timeout, and the commands
// for a mouse are answered as a controller without a mouse port does.
#pragma once

#include "base/result.h"
#include "devices/device.h"

namespace minikvm {

class I8042 {
 public:
  struct State {
    uint8_t configuration = 0x45;  // translate, system flag, interrupt 1 on
    uint8_t output_port = 0xc3;    // A20 open, reset not pulled
    uint8_t awaiting = 0;          // the command that waits for its data byte; 0: none
    uint8_t output = 0;            // the byte for the guest, when full
    bool full = false;
    bool timeout = false;  // the byte says that the keyboard did not answer
    bool last_was_command = false;
    bool operator==(const State&) const = default;
  };

  I8042(IrqLine& irq1, PowerSwitch& power) : irq1_(irq1), power_(power) {}
  I8042(const I8042&) = delete;
  I8042& operator=(const I8042&) = delete;

  IoDevice& data() { return data_; }        // port 0x60
  IoDevice& command() { return command_; }  // port 0x64

  void reset();
  State save() const { return s_; }
  Result<> restore(const State& state);

 private:
  struct Data final : ByteDevice {
    explicit Data(I8042& owner) : owner(owner) {}
    uint8_t read8(uint64_t) override { return owner.read_data(); }
    void write8(uint64_t, uint8_t value) override { owner.write_data(value); }
    I8042& owner;
  };
  struct Command final : ByteDevice {
    explicit Command(I8042& owner) : owner(owner) {}
    uint8_t read8(uint64_t) override { return owner.status(); }
    void write8(uint64_t, uint8_t value) override { owner.write_command(value); }
    I8042& owner;
  };

  uint8_t status() const;
  uint8_t read_data();
  void write_data(uint8_t value);
  void write_command(uint8_t command);
  void finish_command(uint8_t command, uint8_t value);
  void write_output_port(uint8_t value);
  void answer(uint8_t value, bool timeout = false);
  void update_irq();

  IrqLine& irq1_;
  PowerSwitch& power_;
  State s_;
  Data data_{*this};
  Command command_{*this};
};

}  // namespace minikvm
