// SPDX-License-Identifier: GPL-2.0-only
// A 16550A UART, after the PC16550D data sheet, with a terminal plugged in.
//
// The line is infinitely fast: a byte leaves when it is written, so the
// transmitter is always empty, and a receive FIFO below its trigger level is at
// once a "character timeout". The divisor latch and the frame format are kept
// and mean nothing. OUT2 does not gate the interrupt, as guests that were
// written for emulators expect.
//
// Input has back-pressure, so that no byte is lost however fast it is pasted:
// `receive()` takes what fits and the host keeps the rest until the callback
// says that the guest has taken it all. The terminal honours the RTS handshake,
// so nothing is sent into a FIFO that a booting driver is about to clear.
#pragma once

#include <array>
#include <functional>

#include "base/result.h"
#include "devices/device.h"

namespace minikvm {

class Serial final : public ByteDevice {
 public:
  static constexpr uint64_t kSize = 8;
  static constexpr size_t kFifoSize = 16;

  struct Received {
    uint8_t data;
    uint8_t errors;  // the LSR bits that arrived with it
    bool operator==(const Received&) const = default;
  };
  struct State {
    uint8_t ier = 0, lcr = 0, mcr = 0, scratch = 0;
    uint8_t fcr = 0;     // FIFO enable and trigger level, as written
    uint8_t errors = 0;  // LSR bits that reading LSR clears
    uint8_t deltas = 0;  // MSR bits that reading MSR clears
    uint16_t divisor = 12;
    bool thr_empty_pending = false;  // the THR became empty and nobody was told
    bool mcr_written = false;
    bool polled = false;  // the guest looked for input and found none
    std::array<Received, kFifoSize> fifo{};
    uint8_t fifo_count = 0;  // the oldest is fifo[0]; unused entries are zero
    bool operator==(const State&) const = default;
  };

  // `on_hungry` is called from inside an access when the receiver has become
  // empty and open for input. It leaves a note and does not call back here.
  Serial(IrqLine& irq, ByteSink& out, std::function<void()> on_hungry = {});

  size_t room() const;
  // Takes as many bytes as there is room for and says how many.
  size_t receive(std::span<const uint8_t> bytes);
  // The terminal's Break key; lost when there is no room, as on the wire.
  void receive_break();

  void reset();
  State save() const { return s_; }
  Result<> restore(const State& state);

 protected:
  uint8_t read8(uint64_t offset) override;
  void write8(uint64_t offset, uint8_t value) override;

 private:
  bool divisor_access() const;
  bool fifo_enabled() const;
  bool loopback() const;
  bool listening() const;
  size_t capacity() const;
  uint8_t interrupt() const;
  uint8_t modem_inputs() const;

  uint8_t read_register(uint64_t offset);
  void write_register(uint64_t offset, uint8_t value);
  uint8_t read_data();
  uint8_t read_interrupt_id();
  uint8_t read_line_status();
  uint8_t read_modem_status();
  void write_data(uint8_t value);
  void write_interrupt_enable(uint8_t value);
  void write_fifo_control(uint8_t value);
  void write_modem_control(uint8_t value);

  void push(Received byte);
  void clear_receiver();
  void expose_errors();
  void update_irq();
  bool hungry() const { return s_.fifo_count == 0 && room() > 0; }

  IrqLine& irq_;
  ByteSink& out_;
  std::function<void()> on_hungry_;
  State s_;
};

}  // namespace minikvm
