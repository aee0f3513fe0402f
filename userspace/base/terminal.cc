// SPDX-License-Identifier: GPL-2.0-only
#include "base/terminal.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <utility>

namespace minikvm {

termios raw_mode(termios mode) {
  mode.c_iflag &=
      ~static_cast<tcflag_t>(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
  mode.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
  mode.c_cflag &= ~static_cast<tcflag_t>(CSIZE | PARENB);
  mode.c_cflag |= CS8;
  mode.c_cc[VMIN] = 1;
  mode.c_cc[VTIME] = 0;
  return mode;
}

namespace {

constexpr std::array kFatalSignals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV,
                                   SIGBUS, SIGFPE,  SIGILL, SIGSYS,  SIGXCPU};

// What the signal handlers need, so no member of any object. It is complete
// before the first handler is installed.
int terminal_fd = -1;
termios found_mode;
termios our_mode;
std::atomic<bool> held = false;  // a RawTerminal exists
std::atomic<bool> raw = false;   // the terminal is in our_mode
static_assert(std::atomic<bool>::is_always_lock_free);

struct Installed {
  int signal;
  struct sigaction before;
};
std::array<Installed, kFatalSignals.size() + 2> installed;  // and the two of job control

sigset_t only(int signal) {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, signal);
  return set;
}

// Everything from here to the handlers is async-signal-safe.

// A background process that changes the mode is stopped by SIGTTOU, unless the
// signal is blocked.
void set_mode(const termios& mode) {
  const int saved_errno = errno;
  const sigset_t ttou = only(SIGTTOU);
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &ttou, &before);
  ::tcsetattr(terminal_fd, TCSANOW, &mode);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = saved_errno;
}

void leave_raw() {
  if (raw.exchange(false)) set_mode(found_mode);
}

void enter_raw() {
  if (!raw.exchange(true)) set_mode(our_mode);
}

// Puts the terminal back, then lets the signal do what it would have done.
void on_fatal(int signal) {
  leave_raw();
  for (const Installed& i : installed)
    if (i.signal == signal) ::sigaction(signal, &i.before, nullptr);
  ::raise(signal);
}

// Stops with the default action, and returns from that when continued.
void on_stop(int signal) {
  leave_raw();
  struct sigaction ours;
  struct sigaction stop {};
  stop.sa_handler = SIG_DFL;
  ::sigaction(signal, &stop, &ours);
  ::raise(signal);
  const sigset_t set = only(signal);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::sigaction(signal, &ours, nullptr);
}

// Sent by `fg` and by `bg`: only the foreground owns the terminal. Whoever had
// it meanwhile may have changed its mode, also after a SIGSTOP.
void on_continue(int) {
  if (::tcgetpgrp(terminal_fd) != ::getpgrp()) return;
  raw = false;
  enter_raw();
}

// An ignored signal (nohup) stays ignored.
void install(Installed& slot, int signal, void (*handler)(int)) {
  slot.signal = signal;
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigfillset(&action.sa_mask);
  ::sigaction(signal, nullptr, &slot.before);
  if (slot.before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);
}

void install_handlers() {
  auto slot = installed.begin();
  for (const int signal : kFatalSignals) install(*slot++, signal, on_fatal);
  install(*slot++, SIGTSTP, on_stop);
  install(*slot++, SIGCONT, on_continue);
  static const int at_exit = std::atexit(leave_raw);  // exit() runs no destructor of main()'s
  static_cast<void>(at_exit);
}

}  // namespace

Result<std::unique_ptr<RawTerminal>> RawTerminal::enter(int fd) {
  termios mode;
  if (::tcgetattr(fd, &mode) < 0) return fail_errno("tcgetattr");
  if (held.exchange(true)) return fail({EBUSY, "raw mode", {}, "a terminal is already held"});
  terminal_fd = fd;
  found_mode = mode;
  our_mode = raw_mode(mode);
  install_handlers();
  enter_raw();
  return std::unique_ptr<RawTerminal>(new RawTerminal);
}

RawTerminal::~RawTerminal() {
  leave_raw();
  for (const Installed& i : installed) ::sigaction(i.signal, &i.before, nullptr);
  held = false;
}

const std::string_view kEscapeHelp =
    "Ctrl-A x  quit minikvm\n"
    "Ctrl-A h  this help\n"
    "Ctrl-A s  save the machine to the file of --snapshot and quit\n"
    "Ctrl-A b  send a break (Magic SysRq)\n"
    "Ctrl-A a  send Ctrl-A itself; so does Ctrl-A Ctrl-A\n";

std::optional<EscapeParser::Event> EscapeParser::feed(uint8_t byte) {
  constexpr uint8_t kCtrlA = 0x01;
  if (!std::exchange(escaped_, false)) {
    escaped_ = byte == kCtrlA;
    if (escaped_) return std::nullopt;
    return byte;
  }
  switch (byte) {
    case 'x':
      return Command::quit;
    case 'h':
    case '?':
      return Command::help;
    case 's':
      return Command::save;
    case 'b':
      return Command::send_break;
    case 'a':
    case kCtrlA:
      return kCtrlA;
    default:
      return std::nullopt;
  }
}

}  // namespace minikvm
