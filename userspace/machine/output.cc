// SPDX-License-Identifier: GPL-2.0-only
#include "machine/output.h"

#include <poll.h>
#include <unistd.h>

#include <span>

namespace minikvm {
namespace {

constexpr size_t kMostPending = 512;
constexpr uint64_t kPatienceNs = 10'000'000;  // below what a human notices

}  // namespace

void BufferedOutput::put(uint8_t byte) {
  if (fd_ < 0 || abandoned_) return;
  if (pending_.empty()) flush_at_ = clock_.now_ns() + kPatienceNs;
  pending_.push_back(std::byte{byte});
  if (byte == '\n' || pending_.size() >= kMostPending) flush();
}

void BufferedOutput::advance() {
  if (clock_.now_ns() >= flush_at_) flush();
}

void BufferedOutput::flush() {
  if (const auto written = write_out(); !written) {
    abandoned_ = true;
    on_error_(written.error());
  }
  pending_.clear();
  flush_at_ = kNever;
}

Result<> BufferedOutput::write_out() {
  for (std::span<const std::byte> rest = pending_; !rest.empty() && !abandoned_;) {
    const ssize_t n = ::write(fd_, rest.data(), rest.size());
    if (n >= 0) {
      rest = rest.subspan(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {  // a terminal that someone made non-blocking
      pollfd writable{fd_, POLLOUT, 0};
      ::poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      return fail_errno("write", "serial output");
    }
  }
  return {};
}

}  // namespace minikvm
