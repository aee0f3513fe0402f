// SPDX-License-Identifier: GPL-2.0-only
#include "base/fd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace minikvm {

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Fd> Fd::open(const std::string& path, int flags, unsigned mode) {
  Fd fd{::open(path.c_str(), flags | O_CLOEXEC, mode)};
  if (!fd) return fail_errno("open", path);
  return fd;
}

Result<> write_all(const Fd& fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("write");
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

Result<std::vector<std::byte>> read_file(const std::string& path, size_t limit) {
  constexpr size_t kChunk = 1 << 20;
  const Fd fd = TRY(Fd::open(path, O_RDONLY));
  std::vector<std::byte> bytes;
  for (size_t filled = 0;;) {
    // By reading rather than by st_size: a pipe is as good as a file.
    bytes.resize(filled + kChunk);
    const ssize_t n = ::read(fd.get(), bytes.data() + filled, kChunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read", path);
    filled += static_cast<size_t>(n);
    if (filled > limit)
      return fail({EFBIG, "read", path, fmt::format("at most {} MiB fit", limit >> 20)});
    if (n > 0) continue;
    bytes.resize(filled);
    return bytes;
  }
}

}  // namespace minikvm
