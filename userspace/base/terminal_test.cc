// SPDX-License-Identifier: GPL-2.0-only
#include "base/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "base/fd.h"

namespace minikvm {
namespace {

using Command = EscapeParser::Command;

// What the guest gets, with our commands as <names> in between.
std::string typed(std::string_view keys) {
  EscapeParser parser;
  std::string out;
  for (const char key : keys) {
    const auto event = parser.feed(static_cast<uint8_t>(key));
    if (!event) continue;
    if (const auto* byte = std::get_if<uint8_t>(&*event)) {
      out.push_back(static_cast<char>(*byte));
      continue;
    }
    switch (std::get<Command>(*event)) {
      case Command::quit:
        out += "<quit>";
        break;
      case Command::help:
        out += "<help>";
        break;
      case Command::send_break:
        out += "<break>";
        break;
      case Command::save:
        out += "<save>";
        break;
    }
  }
  return out;
}

TEST(EscapeParser, PassesKeysOn) { EXPECT_EQ(typed("ls\r\x03\x04\xff"), "ls\r\x03\x04\xff"); }
TEST(EscapeParser, FindsItsCommands) {
  EXPECT_EQ(typed("a\x01hb\x01"
                  "bc\x01xd"),
            "a<help>b<break>c<quit>d");
}
TEST(EscapeParser, SendsALiteralCtrlA) {
  EXPECT_EQ(typed("\x01\x01-\x01"
                  "a-"),
            "\x01-\x01-");
}
TEST(EscapeParser, DropsAnUnknownCommand) { EXPECT_EQ(typed("1\x01z2"), "12"); }
TEST(EscapeParser, TheSameLettersAloneAreKeys) { EXPECT_EQ(typed("xhb"), "xhb"); }
TEST(EscapeParser, WaitsForTheSecondKey) { EXPECT_EQ(typed("\x01"), ""); }

TEST(RawMode, TurnsOffWhatTheTerminalDoesToKeys) {
  termios mode{};
  mode.c_iflag = ICRNL | IXON | ISTRIP | IUTF8;
  mode.c_lflag = ECHO | ICANON | ISIG | IEXTEN;
  mode.c_oflag = OPOST | ONLCR;
  mode.c_cflag = CS7 | PARENB | CREAD;
  mode.c_cc[VMIN] = 4;
  const termios raw = raw_mode(mode);
  EXPECT_EQ(raw.c_iflag, tcflag_t{IUTF8});
  EXPECT_EQ(raw.c_lflag, tcflag_t{0});
  EXPECT_EQ(raw.c_oflag, tcflag_t{OPOST | ONLCR});
  EXPECT_EQ(raw.c_cflag, tcflag_t{CS8 | CREAD});
  EXPECT_EQ(raw.c_cc[VMIN], 1);
}

// A pseudo terminal: the test looks at its mode, the code under test has it as
// its terminal.
class RawTerminalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    primary = Fd(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(primary);
    ASSERT_EQ(::grantpt(primary.get()), 0);
    ASSERT_EQ(::unlockpt(primary.get()), 0);
    tty = Fd(::open(::ptsname(primary.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(tty);
    ASSERT_TRUE(is_cooked());
  }
  bool is_cooked() const {
    termios mode;
    EXPECT_EQ(::tcgetattr(tty.get(), &mode), 0);
    return mode.c_lflag & ICANON;
  }
  // Up to 5 s for something another process is about to do.
  static bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 500 && !condition(); ++i) ::usleep(10'000);
    return condition();
  }

  Fd primary, tty;
};

TEST_F(RawTerminalTest, IsRawUntilDestroyed) {
  {
    const auto terminal = RawTerminal::enter(tty.get());
    ASSERT_TRUE(terminal);
    EXPECT_FALSE(is_cooked());
  }
  EXPECT_TRUE(is_cooked());
}

TEST_F(RawTerminalTest, GivesSignalHandlersBack) {
  const auto previous = ::signal(SIGTERM, SIG_IGN);
  {
    const auto terminal = RawTerminal::enter(tty.get());
    ASSERT_TRUE(terminal);
    ::raise(SIGTERM);  // ignored before, ignored now
    EXPECT_FALSE(is_cooked());
  }
  EXPECT_EQ(::signal(SIGTERM, previous), SIG_IGN);
}

TEST_F(RawTerminalTest, HoldsOneAtATime) {
  const auto first = RawTerminal::enter(tty.get());
  ASSERT_TRUE(first);
  EXPECT_EQ(RawTerminal::enter(tty.get()).error().code, EBUSY);
  EXPECT_FALSE(is_cooked());
}

TEST_F(RawTerminalTest, RefusesWhatIsNoTerminal) {
  const Fd null = Fd::open("/dev/null", O_RDWR).value();
  EXPECT_EQ(RawTerminal::enter(null.get()).error().code, ENOTTY);
}

// The child enters raw mode and waits; each way out must leave the terminal as
// it was, and the signal must still do its work.
class RawTerminalSignal : public RawTerminalTest, public ::testing::WithParamInterface<int> {};

TEST_P(RawTerminalSignal, RestoresTheTerminalAndDies) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(GetParam(), SIG_DFL);  // a sanitizer may have its own
    const auto terminal = RawTerminal::enter(tty.get());
    for (;;) ::pause();
  }
  EXPECT_TRUE(eventually([&] { return !is_cooked(); }));
  ::kill(child, GetParam());
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), GetParam());
  EXPECT_TRUE(is_cooked());
}

INSTANTIATE_TEST_SUITE_P(Each, RawTerminalSignal,
                         ::testing::Values(SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV),
                         [](const auto& info) {
                           return std::string("SIG") + ::sigabbrev_np(info.param);
                         });

TEST_F(RawTerminalTest, ExitRestoresTheTerminal) {
  const pid_t child = ::fork();
  if (child == 0) {
    static const auto terminal = RawTerminal::enter(tty.get()).value().release();
    std::exit(terminal && !is_cooked() ? 7 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_TRUE(is_cooked());
}

// A shell with one job in the foreground, as far as the terminal is concerned.
// The shell is needed: an orphaned process group is never stopped by SIGTSTP.
[[noreturn]] void shell_with_job(int fd) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // whatever the test does, nothing stays behind
  ::setsid();
  ::ioctl(fd, TIOCSCTTY, 0);
  ::signal(SIGTTOU, SIG_IGN);
  const pid_t job = ::fork();
  if (job == 0) {
    ::setpgid(0, 0);
    ::tcsetpgrp(fd, ::getpid());
    ::signal(SIGTTOU, SIG_DFL);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const auto terminal = RawTerminal::enter(fd);
    for (;;) ::pause();
  }
  int status = 0;
  ::waitpid(job, &status, 0);
  ::_exit(0);
}

bool is_stopped(pid_t pid) {
  const auto stat = read_file("/proc/" + std::to_string(pid) + "/stat", 4096).value();
  const std::string text(reinterpret_cast<const char*>(stat.data()), stat.size());
  return text.find(") T ") != std::string::npos;
}

TEST_F(RawTerminalTest, AStopHandsTheTerminalBackAndAContinueTakesItAgain) {
  const pid_t shell = ::fork();
  if (shell == 0) shell_with_job(tty.get());
  pid_t job = 0;
  const auto end = [](const pid_t* pid) {
    ::kill(*pid, SIGKILL);
    ::waitpid(*pid, nullptr, 0);
  };
  const std::unique_ptr<const pid_t, decltype(end)> guard(&shell, end);
  ASSERT_TRUE(eventually([&] { return !is_cooked(); }));
  ASSERT_EQ(::ioctl(primary.get(), TIOCGPGRP, &job), 0);
  for (int round = 0; round < 2; ++round) {
    ::kill(job, SIGTSTP);
    ASSERT_TRUE(eventually([&] { return is_stopped(job); }));
    EXPECT_TRUE(is_cooked());
    ::kill(job, SIGCONT);
    EXPECT_TRUE(eventually([&] { return !is_cooked(); }));
  }
  ::kill(job, SIGTERM);
  EXPECT_TRUE(eventually([&] { return is_cooked(); }));
}

}  // namespace
}  // namespace minikvm
