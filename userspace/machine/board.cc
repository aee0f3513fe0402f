// SPDX-License-Identifier: GPL-2.0-only
#include "machine/board.h"

#include <algorithm>
#include <chrono>

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
      pit_(pic_.input(kTimerIrq), clock),
      serial_(pic_.input(kSerialIrq), output_, [this] { events_.serial_hungry(); }),
      rtc_(pic_.input(kRtcIrq), clock, config.unix_ns, config.cmos),
      i8042_(pic_.input(kKeyboardIrq), *this) {}

Result<std::unique_ptr<Board>> Board::create(const BoardConfig& config, const Clock& clock,
                                             BoardEvents events) {
  std::unique_ptr<Board> board{new Board(config, clock, std::move(events))};
  TRY(board->connect());
  return board;
}

Result<> Board::connect() {
  TRY(ports_.add("8259 primary", 0x20, PicPair::kSize, pic_.primary()));
  TRY(ports_.add("8254", 0x40, IntervalTimer::kCounterPorts, pit_.counters()));
  TRY(ports_.add("keyboard data", 0x60, 1, i8042_.data()));
  TRY(ports_.add("speaker", 0x61, IntervalTimer::kSpeakerPorts, pit_.speaker()));
  TRY(ports_.add("keyboard command", 0x64, 1, i8042_.command()));
  TRY(ports_.add("RTC", 0x70, Rtc::kSize, rtc_));
  TRY(ports_.add("POST code", 0x80, PostCode::kSize, post_code_));
  TRY(ports_.add("system control A", 0x92, SystemControlA::kSize, system_control_));
  TRY(ports_.add("8259 secondary", 0xa0, PicPair::kSize, pic_.secondary()));
  TRY(ports_.add("COM1", 0x3f8, Serial::kSize, serial_));
  TRY(ports_.add("8259 ELCR", 0x4d0, PicPair::kSize, pic_.elcr()));
  TRY(ports_.add("PM1a_CNT", 0x604, PowerManagement::kSize, power_management_));
  return ports_.add("reset control", 0xcf9, ResetControl::kSize, reset_control_);
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

Board::Interrupt Board::take_interrupt(bool ready) {
  const std::lock_guard guard{lock_};
  Interrupt interrupt{};
  if (ready && pic_.intr()) interrupt.vector = pic_.acknowledge();
  interrupt.pending = pic_.intr();
  return interrupt;
}

void Board::advance() {
  const std::unique_lock guard{lock_, kPatience};
  if (!guard) return events_.deadline(clock_.now_ns());
  armed_ = kNever;  // the alarm has rung
  pit_.advance();
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
  const uint64_t next = std::min({pit_.next_event(), rtc_.next_event(), output_.next_event()});
  if (next == armed_) return;
  armed_ = next;
  events_.deadline(next);
}

}  // namespace minikvm
