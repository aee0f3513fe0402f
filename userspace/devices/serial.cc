// SPDX-License-Identifier: GPL-2.0-only
#include "devices/serial.h"

#include <algorithm>
#include <utility>

namespace minikvm {
namespace {

enum Register : uint64_t {
  kData = 0,             // receive buffer, transmit holding; divisor low with DLAB
  kInterruptEnable = 1,  // divisor high with DLAB
  kInterruptId = 2,      // read; FIFO control on write
  kLineControl = 3,
  kModemControl = 4,
  kLineStatus = 5,
  kModemStatus = 6,
  kScratch = 7,
};

enum InterruptEnable : uint8_t { kIerReceive = 1, kIerTransmit = 2, kIerLine = 4, kIerModem = 8 };
constexpr uint8_t kIerDefined = 0x0f;

// In falling priority.
enum InterruptId : uint8_t {
  kIirLineStatus = 0x06,
  kIirDataAvailable = 0x04,
  kIirTimeout = 0x0c,
  kIirTransmitEmpty = 0x02,
  kIirModemStatus = 0x00,
  kIirNone = 0x01,
};
constexpr uint8_t kIirFifoEnabled = 0xc0;

enum FifoControl : uint8_t { kFcrEnable = 0x01, kFcrClearReceiver = 0x02 };
constexpr uint8_t kFcrKept = 0xc9;  // trigger level, DMA mode, enable

constexpr uint8_t kLcrDivisorAccess = 0x80;

enum ModemControl : uint8_t { kDtr = 1, kRts = 2, kOut1 = 4, kOut2 = 8, kLoop = 0x10 };
constexpr uint8_t kMcrDefined = 0x1f;

enum LineStatus : uint8_t {
  kDataReady = 0x01,
  kOverrun = 0x02,
  kBreak = 0x10,
  kTransmitterEmpty = 0x60,  // holding register and shift register
  kErrorInFifo = 0x80,
};
constexpr uint8_t kLsrByteErrors = 0x1c;  // parity, framing, break
constexpr uint8_t kLsrErrors = kLsrByteErrors | kOverrun;

enum ModemStatus : uint8_t { kCts = 0x10, kDsr = 0x20, kRing = 0x40, kCarrier = 0x80 };
constexpr uint8_t kRingTrailingEdge = 0x04;
constexpr uint8_t kMsrDeltas = 0x0f;

constexpr std::array<uint8_t, 4> kTriggerLevels{1, 4, 8, 14};

// A bit of `to` for a bit of `value`: the loopback wiring.
constexpr uint8_t wire(uint8_t value, uint8_t from, uint8_t to) { return value & from ? to : 0; }

bool valid(const Serial::State& s) {
  const bool fifo = s.fcr & kFcrEnable;
  if (s.fifo_count > (fifo ? Serial::kFifoSize : 1)) return false;
  const auto unused = s.fifo.begin() + s.fifo_count;
  return !(s.ier & ~kIerDefined) && !(s.mcr & ~kMcrDefined) && !(s.fcr & ~kFcrKept) &&
         (fifo || s.fcr == 0) && !(s.errors & ~kLsrErrors) && !(s.deltas & ~kMsrDeltas) &&
         !(s.polled && s.mcr_written) &&
         std::all_of(s.fifo.begin(), unused,
                     [](auto r) { return !(r.errors & ~kLsrByteErrors); }) &&
         std::all_of(unused, s.fifo.end(), [](auto r) { return r == Serial::Received{}; });
}

}  // namespace

Serial::Serial(IrqLine& irq, ByteSink& out, std::function<void()> on_hungry)
    : irq_(irq), out_(out), on_hungry_(std::move(on_hungry)) {}

bool Serial::divisor_access() const { return s_.lcr & kLcrDivisorAccess; }
bool Serial::fifo_enabled() const { return s_.fcr & kFcrEnable; }
bool Serial::loopback() const { return s_.mcr & kLoop; }
size_t Serial::capacity() const { return fifo_enabled() ? kFifoSize : 1; }

// Whether the terminal may send. A driver raises RTS or enables the receive
// interrupt once it has cleared what it does not want. A guest that only polls
// and never programs the modem lines gets a byte each time it looks for one.
bool Serial::listening() const {
  if (loopback()) return false;
  return (s_.mcr & kRts) || (s_.ier & kIerReceive) || s_.polled;
}

size_t Serial::room() const { return listening() ? capacity() - s_.fifo_count : 0; }

size_t Serial::receive(std::span<const uint8_t> bytes) {
  size_t taken = 0;
  while (taken < bytes.size() && room() > 0) {
    push({bytes[taken++], 0});
    s_.polled = false;
  }
  update_irq();
  return taken;
}

void Serial::receive_break() {
  if (room() == 0) return;
  push({0, kBreak});
  update_irq();
}

void Serial::reset() {
  s_ = {};
  update_irq();
}

Result<> Serial::restore(const State& state) {
  if (!valid(state)) return fail({EINVAL, "restore", "serial port", "impossible state"});
  s_ = state;
  update_irq();
  return {};
}

uint8_t Serial::read8(uint64_t offset) {
  const bool was_hungry = hungry();
  const uint8_t value = read_register(offset);
  update_irq();
  if (!was_hungry && hungry() && on_hungry_) on_hungry_();
  return value;
}

void Serial::write8(uint64_t offset, uint8_t value) {
  const bool was_hungry = hungry();
  write_register(offset, value);
  update_irq();
  if (!was_hungry && hungry() && on_hungry_) on_hungry_();
}

uint8_t Serial::read_register(uint64_t offset) {
  switch (offset) {
    case kData:
      return divisor_access() ? s_.divisor & 0xff : read_data();
    case kInterruptEnable:
      return divisor_access() ? s_.divisor >> 8 : s_.ier;
    case kInterruptId:
      return read_interrupt_id();
    case kLineControl:
      return s_.lcr;
    case kModemControl:
      return s_.mcr;
    case kLineStatus:
      return read_line_status();
    case kModemStatus:
      return read_modem_status();
    default:
      return s_.scratch;
  }
}

void Serial::write_register(uint64_t offset, uint8_t value) {
  switch (offset) {
    case kData:
      if (divisor_access())
        s_.divisor = static_cast<uint16_t>((s_.divisor & 0xff00) | value);
      else
        write_data(value);
      break;
    case kInterruptEnable:
      if (divisor_access())
        s_.divisor = static_cast<uint16_t>(value << 8 | (s_.divisor & 0xff));
      else
        write_interrupt_enable(value);
      break;
    case kInterruptId:
      write_fifo_control(value);
      break;
    case kLineControl:
      s_.lcr = value;
      break;
    case kModemControl:
      write_modem_control(value);
      break;
    case kScratch:
      s_.scratch = value;
      break;
    default:
      break;  // the status registers: writes are for factory tests
  }
}

uint8_t Serial::read_data() {
  if (s_.fifo_count == 0) return 0;
  const uint8_t data = s_.fifo[0].data;
  std::shift_left(s_.fifo.begin(), s_.fifo.begin() + s_.fifo_count, 1);
  s_.fifo[--s_.fifo_count] = {};
  expose_errors();
  return data;
}

uint8_t Serial::read_interrupt_id() {
  const uint8_t id = interrupt();
  if (id == kIirTransmitEmpty) s_.thr_empty_pending = false;  // reading acknowledges it
  return id | (fifo_enabled() ? kIirFifoEnabled : 0);
}

uint8_t Serial::read_line_status() {
  uint8_t status = kTransmitterEmpty | s_.errors;
  if (s_.fifo_count > 0) status |= kDataReady;
  const auto flawed = [](const Received& r) { return r.errors != 0; };
  if (fifo_enabled() && ((s_.errors & kLsrByteErrors) || std::ranges::any_of(s_.fifo, flawed)))
    status |= kErrorInFifo;
  s_.errors = 0;
  if (s_.fifo_count == 0 && !s_.mcr_written) s_.polled = true;
  return status;
}

uint8_t Serial::read_modem_status() {
  return modem_inputs() | std::exchange(s_.deltas, uint8_t{0});
}

void Serial::write_data(uint8_t value) {
  s_.thr_empty_pending = false;
  update_irq();  // low for a moment: the interrupt controller sees an edge per byte
  if (loopback())
    push({value, 0});
  else
    out_.put(value);
  s_.thr_empty_pending = true;
}

// Enabling the transmit interrupt while the transmitter is empty raises it. The
// Linux 8250 driver tests for this at startup and starts each transmission so.
void Serial::write_interrupt_enable(uint8_t value) {
  if (value & ~s_.ier & kIerTransmit) s_.thr_empty_pending = true;
  s_.ier = value & kIerDefined;
}

void Serial::write_fifo_control(uint8_t value) {
  const bool enable = value & kFcrEnable;
  if (enable != fifo_enabled() || (enable && (value & kFcrClearReceiver))) clear_receiver();
  s_.fcr = enable ? value & kFcrKept : 0;
}

void Serial::write_modem_control(uint8_t value) {
  const uint8_t before = modem_inputs();
  s_.mcr = value & kMcrDefined;
  s_.mcr_written = true;
  s_.polled = false;
  const uint8_t after = modem_inputs();
  s_.deltas |= ((before ^ after) & (kCts | kDsr | kCarrier)) >> 4;
  if (before & ~after & kRing) s_.deltas |= kRingTrailingEdge;
}

uint8_t Serial::modem_inputs() const {
  if (!loopback()) return kCts | kDsr | kCarrier;
  return wire(s_.mcr, kRts, kCts) | wire(s_.mcr, kDtr, kDsr) | wire(s_.mcr, kOut1, kRing) |
         wire(s_.mcr, kOut2, kCarrier);
}

// A byte that finds no room (only in loopback) is lost in FIFO mode and
// overwrites its predecessor without the FIFO; both are overruns.
void Serial::push(Received byte) {
  if (s_.fifo_count == capacity()) {
    s_.errors |= kOverrun;
    if (!fifo_enabled()) s_.fifo[0] = byte;
    return;
  }
  s_.fifo[s_.fifo_count++] = byte;
  expose_errors();
}

void Serial::clear_receiver() {
  s_.fifo = {};
  s_.fifo_count = 0;
}

// The errors of a byte show in LSR when it becomes the next one to be read.
void Serial::expose_errors() { s_.errors |= std::exchange(s_.fifo[0].errors, uint8_t{0}); }

uint8_t Serial::interrupt() const {
  if ((s_.ier & kIerLine) && s_.errors) return kIirLineStatus;
  if ((s_.ier & kIerReceive) && s_.fifo_count > 0)
    return !fifo_enabled() || s_.fifo_count >= kTriggerLevels[s_.fcr >> 6] ? kIirDataAvailable
                                                                           : kIirTimeout;
  if ((s_.ier & kIerTransmit) && s_.thr_empty_pending) return kIirTransmitEmpty;
  if ((s_.ier & kIerModem) && s_.deltas) return kIirModemStatus;
  return kIirNone;
}

void Serial::update_irq() { irq_.set(interrupt() != kIirNone); }

}  // namespace minikvm
