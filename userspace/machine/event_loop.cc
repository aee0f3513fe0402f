// SPDX-License-Identifier: GPL-2.0-only
#include "machine/event_loop.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace minikvm {
namespace {

constexpr uint64_t kNsPerSecond = 1'000'000'000;

timespec to_timespec(uint64_t ns) {
  return {static_cast<time_t>(ns / kNsPerSecond), static_cast<long>(ns % kNsPerSecond)};
}

}  // namespace

Result<EventLoop> EventLoop::create() {
  Fd fd{::epoll_create1(EPOLL_CLOEXEC)};
  if (!fd) return fail_errno("epoll_create1");
  return EventLoop{std::move(fd)};
}

Result<> EventLoop::add(int fd, std::function<void()> on_readable) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) return fail_errno("epoll_ctl");
  handlers_[fd] = std::move(on_readable);
  return {};
}

void EventLoop::mute(int fd, bool muted) {
  // Not EPOLL_CTL_MOD with no events: a hangup is reported even then, and would
  // spin the loop.
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (handlers_.contains(fd))
    ::epoll_ctl(epoll_.get(), muted ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, fd, &event);
}

void EventLoop::remove(int fd) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  handlers_.erase(fd);
}

Result<> EventLoop::run() {
  std::array<epoll_event, 8> events;
  for (stopped_ = false; !stopped_;) {
    const int n = ::epoll_wait(epoll_.get(), events.data(), events.size(), -1);
    if (n < 0 && errno != EINTR) return fail_errno("epoll_wait");
    for (int i = 0; i < n && !stopped_; ++i) {
      // Looked up each time, and called as a copy: a handler may remove any
      // other and itself.
      const auto handler = handlers_.find(events[i].data.fd);
      if (handler != handlers_.end()) std::function<void()>{handler->second}();
    }
  }
  return {};
}

uint64_t MonotonicClock::now_ns() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kNsPerSecond + static_cast<uint64_t>(now.tv_nsec);
}

Result<Alarm> Alarm::create() {
  Fd fd{::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
  if (!fd) return fail_errno("timerfd_create");
  return Alarm{std::move(fd)};
}

void Alarm::set(uint64_t deadline_ns) const {
  itimerspec when{};  // all zero: off
  if (deadline_ns != kNever) when.it_value = to_timespec(std::max<uint64_t>(deadline_ns, 1));
  ::timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Alarm::acknowledge() const {
  uint64_t rings = 0;
  [[maybe_unused]] const ssize_t n = ::read(fd_.get(), &rings, sizeof(rings));
}

}  // namespace minikvm
