// SPDX-License-Identifier: GPL-2.0-only
// The board and the exit handler, with the test in the vCPU's place.
#include "machine/exit_handler.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <thread>
#include <vector>

#include "testing/device_fakes.h"

namespace minikvm {
namespace {

using ::testing::HasSubstr;

class BoardTest : public ::testing::Test {
 protected:
  BoardTest() {
    board_ = Board::create({}, clock_,
                           {.interrupt = [this] { ++interrupts_; },
                            .deadline = [this](uint64_t ns) { deadline_ = ns; },
                            .serial_hungry = [this] { ++hungry_; },
                            .output_failed = [](const Error&) { FAIL(); }})
                 .value();
  }

  Next out(uint16_t port, uint32_t value, uint8_t size = 1) {
    return handle(*board_, abi::IoExit{port, false, size, 1, bytes(value, size)}, true);
  }
  uint32_t in(uint16_t port, uint8_t size = 1) {
    handle(*board_, abi::IoExit{port, true, size, 1, bytes(0, size)}, true);
    uint32_t value = 0;
    std::memcpy(&value, data_.data(), size);
    return value;
  }
  std::span<std::byte> bytes(uint32_t value, uint8_t size) {
    std::memcpy(data_.data(), &value, sizeof(value));
    return std::span{data_}.first(size);
  }
  // As a BIOS does: vectors 0x20 and 0x28, everything unmasked.
  void start_interrupt_controllers() {
    for (const auto& [command, vector, cascade] :
         {std::tuple{0x20, 0x20, 4}, std::tuple{0xa0, 0x28, 2}}) {
      out(static_cast<uint16_t>(command), 0x11);
      for (const int word : {vector, cascade, 1, 0})
        out(static_cast<uint16_t>(command + 1), static_cast<uint32_t>(word));
    }
  }
  static Ending ending(const Next& next) { return std::get<Outcome>(next).ending; }

  std::array<std::byte, 64> data_{};
  FakeClock clock_{1'000'000};
  int interrupts_ = 0, hungry_ = 0;
  uint64_t deadline_ = kNever;
  std::unique_ptr<Board> board_;
};

TEST_F(BoardTest, PortsWithoutADeviceReadAllOnes) {
  EXPECT_EQ(in(0x1234, 4), 0xffffffffu);
  EXPECT_TRUE(std::holds_alternative<Resume>(out(0x1234, 1)));
}

TEST_F(BoardTest, MemoryWithoutADeviceReadsAllOnes) {
  EXPECT_TRUE(std::holds_alternative<Resume>(
      handle(*board_, abi::MmioExit{0xfee00030, false, bytes(0, 4)}, true)));
  EXPECT_EQ(data_[3], std::byte{0xff});
  EXPECT_EQ(data_[4], std::byte{0});
}

TEST_F(BoardTest, StringInputFillsEachElement) {
  const std::span buffer{data_.data(), 8};
  handle(*board_, abi::IoExit{0x3fd, true, 1, 8, buffer}, true);  // line status
  for (const std::byte byte : buffer) EXPECT_EQ(byte, std::byte{0x60});
}

TEST_F(BoardTest, ThePowerPortTurnsTheMachineOff) {
  EXPECT_EQ(ending(out(0x604, 0x2000, 2)), Ending::power_off);
}

TEST_F(BoardTest, TheKeyboardControllerResets) {
  EXPECT_EQ(ending(out(0x64, 0xfe)), Ending::reset);
}

TEST_F(BoardTest, TheResetControlRegisterResets) {
  out(0xcf9, 0x02);
  EXPECT_EQ(ending(out(0xcf9, 0x06)), Ending::reset);
}

TEST_F(BoardTest, TheTimerInterruptsWhenItsDeadlineHasCome) {
  start_interrupt_controllers();
  out(0x43, 0x34);  // counter 0, both bytes, rate generator
  out(0x40, 0xe8);
  out(0x40, 0x03);  // 1000 ticks, 838 us
  ASSERT_NE(deadline_, kNever);
  EXPECT_FALSE(board_->interrupt_pending());
  clock_.now = deadline_;
  board_->advance();
  EXPECT_EQ(interrupts_, 1);
  EXPECT_GT(deadline_, clock_.now);
  const auto taken = board_->take_interrupt(true);
  EXPECT_EQ(taken.vector, 0x20);
  EXPECT_FALSE(taken.pending);
}

TEST_F(BoardTest, AnInterruptStaysUntilTheCpuIsReady) {
  start_interrupt_controllers();
  out(0x43, 0x34);
  out(0x40, 0xe8);
  out(0x40, 0x03);
  clock_.now += 1'000'000;
  board_->advance();
  EXPECT_EQ(board_->take_interrupt(false).vector, std::nullopt);
  EXPECT_TRUE(board_->take_interrupt(false).pending);
  EXPECT_EQ(board_->take_interrupt(true).vector, 0x20);
}

TEST_F(BoardTest, TypingInterruptsAndIsRead) {
  start_interrupt_controllers();
  out(0x3fc, 0x0b);  // DTR, RTS, OUT2
  out(0x3f9, 0x01);  // received data available
  const std::array<uint8_t, 1> typed{'x'};
  EXPECT_EQ(board_->serial_receive(typed), 1u);
  EXPECT_EQ(board_->take_interrupt(true).vector, 0x24);
  EXPECT_EQ(in(0x3f8), static_cast<uint32_t>('x'));
}

TEST_F(BoardTest, WithTheKernelsIrqchipEachChangeOfALineIsToldOnce) {
  std::vector<std::pair<unsigned, bool>> changes;
  const auto board =
      Board::create({.irqchip = Irqchip::kernel}, clock_,
                    {.interrupt = [] { FAIL(); },
                     .gsi = [&](unsigned gsi, bool high) { changes.emplace_back(gsi, high); },
                     .deadline = [](uint64_t) {},
                     .serial_hungry = [] {},
                     .output_failed = [](const Error&) {}})
          .value();
  const auto poke = [&](uint16_t port, uint8_t value) {
    std::byte byte{value};
    board->port_io({port, false, 1, 1, {&byte, 1}});
  };
  poke(0x3fc, 0x0b);
  poke(0x3f9, 0x01);
  const std::array<uint8_t, 2> typed{'x', 'y'};
  board->serial_receive(typed);
  std::byte byte{};
  board->port_io({0x3f8, true, 1, 1, {&byte, 1}});
  board->port_io({0x3f8, true, 1, 1, {&byte, 1}});
  EXPECT_THAT(changes, ::testing::ElementsAre(std::pair{4u, true}, std::pair{4u, false}));
  EXPECT_FALSE(board->interrupt_pending());
  board->port_io({0x21, true, 1, 1, {&byte, 1}});
  EXPECT_EQ(byte, std::byte{0xff});  // no 8259 here
}

TEST_F(BoardTest, WithTheSplitIrqchipTheIoApicSendsMessages) {
  std::vector<Msi> sent;
  int tables = 0;
  const auto board = Board::create({.irqchip = Irqchip::split}, clock_,
                                   {.interrupt = [] {},
                                    .message = [&](const Msi& msi) { sent.push_back(msi); },
                                    .pin_messages = [&](std::span<const Msi>) { ++tables; },
                                    .deadline = [](uint64_t) {},
                                    .serial_hungry = [] {},
                                    .output_failed = [](const Error&) {}})
                         .value();
  const auto store = [&](uint64_t address, uint32_t value) {
    handle(*board, abi::MmioExit{address, true, bytes(value, 4)}, true);
  };
  store(0xfec00000, 0x18);        // pin 4
  store(0xfec00010, 0x00008031);  // level-triggered
  const auto poke = [&](uint16_t port, uint8_t value) {
    std::byte byte{value};
    board->port_io({port, false, 1, 1, {&byte, 1}});
  };
  poke(0x3fc, 0x0b);
  poke(0x3f9, 0x01);
  const std::array<uint8_t, 1> typed{'x'};
  board->serial_receive(typed);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0], (Msi{0xfee00000, 0xc031}));
  EXPECT_EQ(tables, 1);
  handle(*board, abi::IoApicEoi{0x31}, true);  // the line is still high
  EXPECT_EQ(sent.size(), 2u);
}

TEST_F(BoardTest, HaltWaitsForAnInterrupt) {
  EXPECT_TRUE(std::holds_alternative<AwaitInterrupt>(handle(*board_, abi::Halted{}, true)));
}

TEST_F(BoardTest, HaltWithInterruptsOffIsTheEnd) {
  EXPECT_EQ(ending(handle(*board_, abi::Halted{}, false)), Ending::halted);
}

TEST_F(BoardTest, HarmlessExitsResume) {
  EXPECT_TRUE(std::holds_alternative<Resume>(handle(*board_, abi::WindowOpen{}, true)));
  EXPECT_TRUE(std::holds_alternative<Resume>(handle(*board_, abi::Interrupted{}, true)));
}

TEST_F(BoardTest, FatalExitsEndTheMachineEachInItsOwnWay) {
  EXPECT_EQ(ending(handle(*board_, abi::Shutdown{}, true)), Ending::triple_fault);
  EXPECT_EQ(ending(handle(*board_, abi::EntryFailed{0x80000021, 0}, true)), Ending::entry_failed);
  EXPECT_EQ(ending(handle(*board_, abi::InternalError{1, {}}, true)), Ending::vcpu_error);
  EXPECT_EQ(ending(handle(*board_, abi::Unexpected{KVM_EXIT_HYPERV}, true)), Ending::vcpu_error);
}

TEST_F(BoardTest, FatalExitsSayWhatTheyWere) {
  const auto detail = [](const Next& next) { return std::get<Outcome>(next).detail; };
  EXPECT_THAT(detail(handle(*board_, abi::EntryFailed{0x80000021, 1}, true)),
              HasSubstr("0x80000021 on host CPU 1"));
  EXPECT_THAT(detail(handle(*board_, abi::InternalError{1, {0xabc}}, true)), HasSubstr("0xabc"));
  EXPECT_THAT(detail(handle(*board_, abi::Unexpected{KVM_EXIT_HYPERV}, true)),
              HasSubstr("KVM_EXIT_HYPERV"));
}

TEST_F(BoardTest, SystemEventsAreTheGuestsWish) {
  const auto event = [&](uint32_t type) {
    return ending(handle(*board_, abi::SystemEvent{type}, true));
  };
  EXPECT_EQ(event(KVM_SYSTEM_EVENT_SHUTDOWN), Ending::power_off);
  EXPECT_EQ(event(KVM_SYSTEM_EVENT_RESET), Ending::reset);
  EXPECT_EQ(event(KVM_SYSTEM_EVENT_CRASH), Ending::vcpu_error);
}

TEST_F(BoardTest, AStuckOutputDoesNotStopTheEventLoop) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const Fd reader{ends[0]}, writer{ends[1]};
  const size_t room = static_cast<size_t>(::fcntl(writer.get(), F_GETPIPE_SZ));
  ASSERT_TRUE(write_all(writer, std::vector<std::byte>(room)));
  const auto board = Board::create({.serial_fd = writer.get()}, clock_,
                                   {.interrupt = [] {},
                                    .deadline = [this](uint64_t ns) { deadline_ = ns; },
                                    .serial_hungry = [] {},
                                    .output_failed = [](const Error&) {}})
                         .value();
  std::thread vcpu{[&] {
    std::byte newline{'\n'};
    board->port_io({0x3f8, false, 1, 1, {&newline, 1}});
  }};
  std::this_thread::sleep_for(std::chrono::milliseconds{50});
  board->advance();  // comes back, and will be called again
  EXPECT_EQ(deadline_, clock_.now);
  std::vector<std::byte> drained(room);
  EXPECT_GT(::read(reader.get(), drained.data(), drained.size()), 0);
  vcpu.join();
}

TEST_F(BoardTest, AnOddElementSizeIsNoProblem) {
  EXPECT_TRUE(std::holds_alternative<Resume>(out(0x3f7, 0x1234, 2)));  // straddles COM1's start
  EXPECT_EQ(in(0x3f7, 2), 0xffffu);
}

}  // namespace
}  // namespace minikvm
