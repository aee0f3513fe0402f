// SPDX-License-Identifier: GPL-2.0-only
#include "machine/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

namespace minikvm {

Result<Signals> Signals::create() {
  sigset_t set, before;
  ::sigemptyset(&set);
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1}) ::sigaddset(&set, signal);
  Fd fd{::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!fd) return fail_errno("signalfd");
  ::pthread_sigmask(SIG_BLOCK, &set, &before);
  return Signals{std::move(fd), before};
}

Signals::~Signals() {
  if (fd_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

int Signals::next() const {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof(info)) != sizeof(info)) return 0;
  return static_cast<int>(info.ssi_signo);
}

}  // namespace minikvm
