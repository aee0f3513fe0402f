// SPDX-License-Identifier: GPL-2.0-only
#include "machine/console.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/eventfd.h"
#include "testing/device_fakes.h"

namespace minikvm {
namespace {

using ::testing::ElementsAre;

// A pipe into a console; the test plays the guest that reads the serial port.
class ConsoleTest : public ::testing::Test {
 protected:
  ConsoleTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    reader_ = Fd{ends[0]};
    writer_ = Fd{ends[1]};
    board_ = Board::create({}, clock_,
                           {.interrupt = [] {},
                            .deadline = [](uint64_t) {},
                            .serial_hungry = [this] { hungry_ = true; },
                            .output_failed = [](const Error&) {}})
                 .value();
    port_out(4, 0x0b);  // DTR, RTS: the terminal may send
  }
  void attach(int fd, bool keys) {
    console_ = std::make_unique<Console>(fd, keys, *board_, loop_, [this](Console::Command c) {
      commands_.push_back(c);
      loop_.stop();
    });
    ASSERT_TRUE(console_->attach());
  }
  void type(const std::string& text) {
    ASSERT_TRUE(write_all(writer_, std::as_bytes(std::span{text})));
  }
  // Lets the loop handle what there is now.
  void turn() {
    const EventFd last = EventFd::create().value();
    last.signal();
    ASSERT_TRUE(loop_.add(last.fd().get(), [&] { loop_.stop(); }));
    ASSERT_TRUE(loop_.run());
    loop_.remove(last.fd().get());
  }
  void port_out(uint16_t offset, uint8_t value) {
    std::byte byte{value};
    board_->port_io({static_cast<uint16_t>(0x3f8 + offset), false, 1, 1, {&byte, 1}});
  }
  uint8_t port_in(uint16_t offset) {
    std::byte byte{};
    board_->port_io({static_cast<uint16_t>(0x3f8 + offset), true, 1, 1, {&byte, 1}});
    return std::to_integer<uint8_t>(byte);
  }
  // What the guest gets, with the event loop in between as in a machine.
  std::string guest_reads() {
    std::string text;
    for (int idle = 0; idle < 3; ++idle) {
      while (port_in(5) & 1) text += static_cast<char>(port_in(0)), idle = 0;
      if (std::exchange(hungry_, false)) console_->on_serial_hungry();
      turn();
    }
    return text;
  }

  Fd reader_, writer_;
  FakeClock clock_;
  bool hungry_ = false;
  std::vector<Console::Command> commands_;
  EventLoop loop_ = EventLoop::create().value();
  std::unique_ptr<Board> board_;
  std::unique_ptr<Console> console_;
};

TEST_F(ConsoleTest, WhatIsTypedReachesTheGuest) {
  attach(reader_.get(), true);
  type("ls -l\r");
  turn();
  EXPECT_EQ(guest_reads(), "ls -l\r");
}

TEST_F(ConsoleTest, EscapeKeysAreCommandsOnATerminal) {
  attach(reader_.get(), true);
  type("a\x01x");
  turn();
  EXPECT_THAT(commands_, ElementsAre(Console::Command::quit));
  EXPECT_EQ(guest_reads(), "a");
}

TEST_F(ConsoleTest, APipeIsPassedOnByteForByte) {
  attach(reader_.get(), false);
  type("a\x01x");
  turn();
  EXPECT_TRUE(commands_.empty());
  EXPECT_EQ(guest_reads(), "a\x01x");
}

TEST_F(ConsoleTest, ALargePasteIsLossless) {
  ASSERT_GE(::fcntl(writer_.get(), F_SETPIPE_SZ, 1 << 20), 1 << 20);
  attach(reader_.get(), false);
  std::string text;
  for (int i = 0; text.size() < 300'000; ++i) text += std::to_string(i) + ' ';
  type(text);
  turn();
  EXPECT_EQ(guest_reads(), text);
}

TEST_F(ConsoleTest, QuitWorksWhenTheGuestIsDeaf) {
  attach(reader_.get(), true);
  for (int i = 0; i < 3; ++i) {
    type(std::string(30'000, 'x'));
    for (int n = 0; n < 40; ++n) turn();
  }
  type("\x01x");
  turn();
  EXPECT_THAT(commands_, ElementsAre(Console::Command::quit));
}

TEST_F(ConsoleTest, TheEndOfTheInputIsNotTheEnd) {
  attach(reader_.get(), false);
  type("last");
  writer_ = Fd{};
  turn();
  turn();
  EXPECT_EQ(guest_reads(), "last");
  turn();  // would spin or stop if the closed pipe were still watched
}

TEST_F(ConsoleTest, AFileIsReadAsTheGuestAsksForIt) {
  char path[] = "/tmp/minikvm-console-XXXXXX";
  const Fd file{::mkstemp(path)};
  ::unlink(path);
  const std::string text(3000, 'y');
  ASSERT_TRUE(write_all(file, std::as_bytes(std::span{text})));
  ::lseek(file.get(), 0, SEEK_SET);
  attach(file.get(), false);
  port_in(5);  // the guest looks for input and finds none
  EXPECT_EQ(guest_reads(), text);
}

}  // namespace
}  // namespace minikvm
