// SPDX-License-Identifier: GPL-2.0-only
// Everything on the machine's two buses, behind the one lock under which
// devices are called. It knows no ioctl and no thread: a test plays the vCPU.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "abi/exit.h"
#include "devices/bus.h"
#include "devices/i8042.h"
#include "devices/interval_timer.h"
#include "devices/io_apic.h"
#include "devices/pic_pair.h"
#include "devices/power.h"
#include "devices/rtc.h"
#include "devices/serial.h"
#include "machine/config.h"
#include "machine/output.h"

namespace minikvm {

enum class PowerRequest { reset, power_off };

// How the board calls out. All of them are called with the lock held and must
// not call back.
struct BoardEvents {
  std::function<void()> interrupt;            // INTR of our 8259 pair went high
  std::function<void(unsigned, bool)> gsi{};  // an input of the kernel's irqchip changed
  // Our I/O APIC: a message for the local APICs; and what its pins would send.
  std::function<void(const Msi&)> message{};
  std::function<void(std::span<const Msi>)> pin_messages{};
  std::function<void(uint64_t)> deadline;    // the time for advance() is now this
  std::function<void()> serial_hungry;       // the serial port takes input again
  std::function<void(Error)> output_failed;  // serial output has nowhere to go
};

struct BoardConfig {
  Irqchip irqchip = Irqchip::off;  // kernel: it has the 8254, too
  int serial_fd = -1;              // not owned; -1 discards the output
  uint64_t unix_ns = 0;
  CmosMemory cmos{};
};

class Board final : private PowerSwitch {
 public:
  static Result<std::unique_ptr<Board>> create(const BoardConfig& config, const Clock& clock,
                                               BoardEvents events);

  // Of all devices, when no vCPU runs. restore() is for a new board; it tells the
  // kernel's irqchip, if that is the one, which lines are high.
  struct State {
    Serial::State serial;
    Rtc::State rtc;
    I8042::State i8042;
    ResetControl::State reset_control;
    SystemControlA::State system_control;
    PowerManagement::State power_management;
    std::optional<PicPair::State> pic;
    std::optional<IntervalTimer::State> pit;
    std::optional<IoApic::State> ioapic;
  };
  State save();
  Result<> restore(const State& state);

  // For the vCPUs: their accesses, which may ask for the end of the machine, and
  // the first one's side of the interrupt wires.
  std::optional<PowerRequest> port_io(const abi::IoExit& access);
  std::optional<PowerRequest> mmio(const abi::MmioExit& access);
  struct Interrupt {
    std::optional<uint8_t> vector;  // to inject now
    bool pending;                   // another one waits
  };
  // The CPU's interrupt-acknowledge cycle, if `ready` for one. The vector cannot
  // be given back.
  Interrupt take_interrupt(bool ready);
  bool interrupt_pending() { return take_interrupt(false).pending; }

  void ioapic_eoi(uint8_t vector);

  // For the event loop. A vCPU may be stuck in here, in a write to a pipe that
  // nobody reads; these give up after a while, because the event loop is needed
  // to end that. What was not done is tried again by the next advance().
  void advance();                                         // the deadline has come
  size_t serial_receive(std::span<const uint8_t> bytes);  // how many were taken
  void serial_break();

  void flush_output();
  void abandon_output() { output_.abandon(); }  // takes no lock

 private:
  struct Intr final : IrqLine {
    explicit Intr(const BoardEvents& events) : events(events) {}
    void set(bool high) override {
      if (high) events.interrupt();
    }
    const BoardEvents& events;
  };

  // The line of a PC's interrupt number.
  struct Wire final : IrqLine {
    void set(bool level) override;
    Board* board = nullptr;
    unsigned irq = 0;
    bool high = false;
  };

  Board(const BoardConfig& config, const Clock& clock, BoardEvents events);
  Result<> connect();
  Result<> connect_interrupts();
  Wire& wire(unsigned irq);
  void rearm();
  void request_reset() override { power_request_ = PowerRequest::reset; }
  void request_power_off() override { power_request_ = PowerRequest::power_off; }

  const Clock& clock_;
  std::timed_mutex lock_;
  const BoardEvents events_;
  std::optional<PowerRequest> power_request_;
  uint64_t armed_ = kNever;

  BufferedOutput output_;
  Intr intr_{events_};
  std::array<Wire, 16> wires_;
  std::optional<PicPair> pic_;
  std::optional<IntervalTimer> pit_;
  std::optional<IoApic> ioapic_;
  Serial serial_;
  Rtc rtc_;
  I8042 i8042_;
  ResetControl reset_control_{*this};
  SystemControlA system_control_{*this};
  PowerManagement power_management_{*this};
  PostCode post_code_;
  Bus ports_{0xffff}, memory_{~0ull};
};

}  // namespace minikvm
