// SPDX-License-Identifier: GPL-2.0-only
#include "devices/i8042.h"

#include <algorithm>
#include <array>
#include <utility>

namespace minikvm {
namespace {

enum Command : uint8_t {
  kNone = 0,
  kReadConfiguration = 0x20,
  kWriteConfiguration = 0x60,
  kDisableMouse = 0xa7,
  kEnableMouse = 0xa8,
  kTestMousePort = 0xa9,
  kSelfTest = 0xaa,
  kTestKeyboardPort = 0xab,
  kDisableKeyboard = 0xad,
  kEnableKeyboard = 0xae,
  kReadInputPort = 0xc0,
  kReadOutputPort = 0xd0,
  kWriteOutputPort = 0xd1,
  kWriteKeyboardBuffer = 0xd2,
  kWriteMouseBuffer = 0xd3,
  kWriteToMouse = 0xd4,
  kPulseOutputPort = 0xf0,  // to 0xff: the low bits that are 0 are pulsed
};
constexpr std::array<uint8_t, 6> kWithData{kNone,         kWriteConfiguration,  kWriteOutputPort,
                                           kWriteToMouse, kWriteKeyboardBuffer, kWriteMouseBuffer};

enum Status : uint8_t {
  kOutputFull = 0x01,
  kSystemFlag = 0x04,
  kLastWasCommand = 0x08,
  kUnlocked = 0x10,
  kTimeout = 0x40,
};

enum Configuration : uint8_t {
  kInterrupt1 = 0x01,
  kConfigSystemFlag = 0x04,
  kKeyboardOff = 0x10,
  kMouseOff = 0x20,
};

constexpr uint8_t kOutputNotReset = 0x01;
constexpr uint8_t kOutputA20 = 0x02;  // always open

constexpr uint8_t kSelfTestPassed = 0x55;
constexpr uint8_t kPortWorks = 0x00;
constexpr uint8_t kClockStuckLow = 0x01;
constexpr uint8_t kInputPort = 0x80;  // keyboard not locked
constexpr uint8_t kResend = 0xfe;     // what a timeout leaves in the buffer

}  // namespace

void I8042::reset() {
  s_ = {};
  update_irq();
}

Result<> I8042::restore(const State& state) {
  constexpr uint8_t fixed = kOutputNotReset | kOutputA20;
  if ((state.output_port & fixed) != fixed || (state.timeout && !state.full) ||
      std::ranges::find(kWithData, state.awaiting) == kWithData.end())
    return fail({EINVAL, "restore", "i8042", "impossible state"});
  s_ = state;
  update_irq();
  return {};
}

// The input buffer is never full: each byte is consumed as it is written.
uint8_t I8042::status() const {
  return static_cast<uint8_t>(kUnlocked | (s_.full ? kOutputFull : 0) |
                              (s_.timeout ? kTimeout : 0) |
                              (s_.last_was_command ? kLastWasCommand : 0) |
                              (s_.configuration & kConfigSystemFlag ? kSystemFlag : 0));
}

uint8_t I8042::read_data() {
  s_.full = false;
  s_.timeout = false;
  update_irq();
  return s_.output;
}

// A byte that no command waits for is meant for the keyboard.
void I8042::write_data(uint8_t value) {
  s_.last_was_command = false;
  const uint8_t command = std::exchange(s_.awaiting, uint8_t{kNone});
  if (command == kNone)
    answer(kResend, true);
  else
    finish_command(command, value);
}

void I8042::write_command(uint8_t command) {
  s_.last_was_command = true;
  s_.awaiting = kNone;
  if (command >= kPulseOutputPort) {
    if (!(command & kOutputNotReset)) power_.request_reset();
    return;
  }
  switch (command) {
    case kReadConfiguration:
      return answer(s_.configuration);
    case kSelfTest:
      return answer(kSelfTestPassed);
    case kTestKeyboardPort:
      return answer(kPortWorks);
    case kTestMousePort:
      return answer(kClockStuckLow);
    case kReadInputPort:
      return answer(kInputPort);
    case kReadOutputPort:
      return answer(s_.output_port);
    case kDisableKeyboard:
      s_.configuration |= kKeyboardOff;
      break;
    case kEnableKeyboard:
      s_.configuration &= static_cast<uint8_t>(~kKeyboardOff);
      break;
    case kDisableMouse:
      s_.configuration |= kMouseOff;
      break;
    case kEnableMouse:
      s_.configuration &= static_cast<uint8_t>(~kMouseOff);
      break;
    case kWriteConfiguration:
    case kWriteOutputPort:
    case kWriteKeyboardBuffer:
    case kWriteMouseBuffer:
    case kWriteToMouse:
      s_.awaiting = command;
      break;
    default:
      break;
  }
}

// Without a mouse port, a byte for the mouse's buffer arrives as one from the
// keyboard, which is how Linux tells such a controller.
void I8042::finish_command(uint8_t command, uint8_t value) {
  switch (command) {
    case kWriteConfiguration:
      s_.configuration = value;
      return update_irq();
    case kWriteOutputPort:
      return write_output_port(value);
    case kWriteKeyboardBuffer:
    case kWriteMouseBuffer:
      return answer(value);
    default:
      return answer(kResend, true);  // no mouse to write to
  }
}

void I8042::write_output_port(uint8_t value) {
  if (!(value & kOutputNotReset)) power_.request_reset();
  s_.output_port = value | kOutputNotReset | kOutputA20;
}

void I8042::answer(uint8_t value, bool timeout) {
  s_.output = value;
  s_.full = true;
  s_.timeout = timeout;
  irq1_.set(false);  // a new byte is a new edge
  update_irq();
}

void I8042::update_irq() { irq1_.set(s_.full && (s_.configuration & kInterrupt1)); }

}  // namespace minikvm
