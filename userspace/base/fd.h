// SPDX-License-Identifier: GPL-2.0-only
// A file descriptor with an owner. There is no half-made Fd: opening is a
// factory that returns one or an error.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace minikvm {

class Fd {
 public:
  Fd() = default;  // owns nothing
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();

  // `flags` as for open(2); O_CLOEXEC is always added.
  static Result<Fd> open(const std::string& path, int flags, unsigned mode = 0);

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// All of `bytes`, whatever signals and short writes come in between.
Result<> write_all(const Fd& fd, std::span<const std::byte> bytes);

// A whole file, refused when it is larger than `limit` bytes.
Result<std::vector<std::byte>> read_file(const std::string& path, size_t limit);

}  // namespace minikvm
