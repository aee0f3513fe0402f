// SPDX-License-Identifier: GPL-2.0-only
#include "machine/board.h"

#include <algorithm>
#include <chrono>

#include "memory/layout.h"

namespace minikvm {
namespace {

// The interrupt lines of a PC.
constexpr unsigned kTimerIrq = 0, kKeyboardIrq = 1, kSerialIrq = 4, kRtcIrq = 8;

// How long the event loop waits for a vCPU to leave a device.
constexpr std::chrono::milliseconds kPatience{20};

}  // namespace

Board::Board(const BoardConfig& config, const Clock& clock, BoardEvents events)
    : clock_(clock),
      events_(std::move(events)),
      output_(config.serial_fd, clock,
              [this](Error error) { events_.output_failed(std::move(error)); }),
      serial_(wire(kSerialIrq), output_, [this] { events_.serial_hungry(); }),
      rtc_(wire(kRtcIrq), clock, config.unix_ns, config.cmos),
      i8042_(wire(kKeyboardIrq), *this) {
  if (config.irqchip == Irqchip::kernel) return;
  pic_.emplace(intr_);
  pit_.emplace(wire(kTimerIrq), clock);
  if (config.irqchip == Irqchip::off) return;
  ioapic_.emplace([this](const Msi& msi) { events_.message(msi); },
                  [this] { events_.pin_messages(ioapic_->messages()); });
}

Board::Wire& Board::wire(unsigned irq) {
  Wire& wire = wires_.at(irq);
  wire.board = this;
  wire.irq = irq;
  return wire;
}

void Board::Wire::set(bool level) {
  if (board->ioapic_) board->ioapic_->set_pin(irq, level);
  if (board->pic_) return board->pic_->input(irq).set(level);
  if (std::exchange(high, level) != level) board->events_.gsi(irq, level);
}

Result<std::unique_ptr<Board>> Board::create(const BoardConfig& config, const Clock& clock,
                                             BoardEvents events) {
  std::unique_ptr<Board> board{new Board(config, clock, std::move(events))};
  TRY(board->connect());
  return board;
}

Result<> Board::connect() {
  if (pic_) TRY(connect_interrupts());
  TRY(ports_.add("keyboard data", 0x60, 1, i8042_.data()));
  TRY(ports_.add("keyboard command", 0x64, 1, i8042_.command()));
  TRY(ports_.add("RTC", 0x70, Rtc::kSize, rtc_));
  TRY(ports_.add("POST code", 0x80, PostCode::kSize, post_code_));
  TRY(ports_.add("system control A", 0x92, SystemControlA::kSize, system_control_));
  TRY(ports_.add("COM1", 0x3f8, Serial::kSize, serial_));
  TRY(ports_.add("PM1a", layout::kPm1Event, PowerManagement::kSize, power_management_));
  return ports_.add("reset control", layout::kResetControl, ResetControl::kSize, reset_control_);
}

Result<> Board::connect_interrupts() {
  if (ioapic_) TRY(memory_.add("I/O APIC", layout::kIoApic, IoApic::kSize, *ioapic_));
  TRY(ports_.add("8259 primary", 0x20, PicPair::kSize, pic_->primary()));
  TRY(ports_.add("8254", 0x40, IntervalTimer::kCounterPorts, pit_->counters()));
  TRY(ports_.add("speaker", 0x61, IntervalTimer::kSpeakerPorts, pit_->speaker()));
  TRY(ports_.add("8259 secondary", 0xa0, PicPair::kSize, pic_->secondary()));
  return ports_.add("8259 ELCR", 0x4d0, PicPair::kSize, pic_->elcr());
}

std::optional<PowerRequest> Board::port_io(const abi::IoExit& access) {
  const std::lock_guard guard{lock_};
  for (auto rest = access.data; rest.size() >= access.size; rest = rest.subspan(access.size)) {
    const auto element = rest.first(access.size);
    if (access.in)
      ports_.read(access.port, element);
    else
      ports_.write(access.port, element);
  }
  rearm();
  return power_request_;
}

std::optional<PowerRequest> Board::mmio(const abi::MmioExit& access) {
  const std::lock_guard guard{lock_};
  if (access.write)
    memory_.write(access.address, access.data);
  else
    memory_.read(access.address, access.data);
  rearm();
  return power_request_;
}

Board::State Board::save() {
  const std::lock_guard guard{lock_};
  State s{};
  s.serial = serial_.save();
  s.rtc = rtc_.save();
  s.i8042 = i8042_.save();
  s.reset_control = reset_control_.save();
  s.system_control = system_control_.save();
  s.power_management = power_management_.save();
  if (pic_) s.pic = pic_->save();
  if (pit_) s.pit = pit_->save();
  if (ioapic_) s.ioapic = ioapic_->save();
  return s;
}

Result<> Board::restore(const State& s) {
  const std::lock_guard guard{lock_};
  TRY(serial_.restore(s.serial));
  TRY(rtc_.restore(s.rtc));
  TRY(i8042_.restore(s.i8042));
  TRY(reset_control_.restore(s.reset_control));
  TRY(system_control_.restore(s.system_control));
  TRY(power_management_.restore(s.power_management));
  if (pit_) TRY(pit_->restore(s.pit.value()));
  // Last: the devices' lines that went high just now are nothing new to these.
  if (pic_) TRY(pic_->restore(s.pic.value()));
  if (ioapic_) TRY(ioapic_->restore(s.ioapic.value()));
  rearm();
  return {};
}

Board::Interrupt Board::take_interrupt(bool ready) {
  const std::lock_guard guard{lock_};
  Interrupt interrupt{};
  if (!pic_) return interrupt;
  if (ready && pic_->intr()) interrupt.vector = pic_->acknowledge();
  interrupt.pending = pic_->intr();
  return interrupt;
}

void Board::ioapic_eoi(uint8_t vector) {
  const std::lock_guard guard{lock_};
  if (ioapic_) ioapic_->end_of_interrupt(vector);
}

void Board::advance() {
  const std::unique_lock guard{lock_, kPatience};
  if (!guard) return events_.deadline(clock_.now_ns());
  armed_ = kNever;  // the alarm has rung
  if (pit_) pit_->advance();
  rtc_.advance();
  output_.advance();
  rearm();
}

size_t Board::serial_receive(std::span<const uint8_t> bytes) {
  const std::unique_lock guard{lock_, kPatience};
  return guard ? serial_.receive(bytes) : 0;
}

void Board::serial_break() {
  const std::unique_lock guard{lock_, kPatience};
  if (guard) serial_.receive_break();
}

void Board::flush_output() {
  const std::lock_guard guard{lock_};
  output_.flush();
}

void Board::rearm() {
  const uint64_t pit = pit_ ? pit_->next_event() : kNever;
  const uint64_t next = std::min({pit, rtc_.next_event(), output_.next_event()});
  if (next == armed_) return;
  armed_ = next;
  events_.deadline(next);
}

}  // namespace minikvm
