// SPDX-License-Identifier: GPL-2.0-only
#include "machine/snapshot_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace minikvm {
namespace {

constexpr std::array<char, 8> kMagic{'m', 'i', 'n', 'i', 'k', 'v', 'm', '\n'};
constexpr uint32_t kVersion = 2;
constexpr uint64_t kStateAt = kPageSize;
constexpr uint64_t kMostState = 64 * MiB;  // 255 CPUs are 2 MiB

struct Header {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t header_size;
  uint64_t state_size, state_hash;
  uint64_t memory_size, memory_hash;
  uint64_t hash;  // of all before it
};
static_assert(sizeof(Header) == 56);

// Not against an attacker, who can make a snapshot of his own: against a file
// that was cut off, changed or mixed up.
class Hash {
 public:
  void add(std::span<const std::byte> bytes) {
    for (; bytes.size() >= sizeof(uint64_t); bytes = bytes.subspan(sizeof(uint64_t))) {
      uint64_t word;
      std::memcpy(&word, bytes.data(), sizeof(word));
      add(word);
    }
    for (const std::byte byte : bytes) add(std::to_integer<uint64_t>(byte) + 1);
  }
  void add(uint64_t word) {
    value_ = (value_ ^ word) * 0x9e3779b97f4a7c15;
    value_ ^= value_ >> 29;
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0x6d6b766d;
};

uint64_t hash_of(std::span<const std::byte> bytes) {
  Hash hash;
  hash.add(bytes);
  return hash.value();
}

std::span<const std::byte> bytes_of(const Header& header) {
  return std::as_bytes(std::span{&header, 1});
}
uint64_t own_hash(const Header& header) {
  return hash_of(bytes_of(header).first(offsetof(Header, hash)));
}

bool is_zero(std::span<const std::byte> page) {
  return page[0] == std::byte{0} && std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
}

Result<> write_at(const Fd& fd, uint64_t at, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("write");
    bytes = bytes.subspan(static_cast<size_t>(n));
    at += static_cast<uint64_t>(n);
  }
  return {};
}

Error broken(const std::string& path, std::string why) {
  return {0, "snapshot", path, std::move(why), Error::Blame::image};
}

Result<> read_at(const Fd& fd, const std::string& path, uint64_t at, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pread(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read", path);
    if (n == 0) return fail(broken(path, "truncated"));
    bytes = bytes.subspan(static_cast<size_t>(n));
    at += static_cast<uint64_t>(n);
  }
  return {};
}

// The hash of the pages that were not zero.
Result<uint64_t> write_memory(const Fd& fd, uint64_t at, const GuestMemory& ram) {
  Hash hash;
  uint64_t number = 0;
  for (const auto& region : ram.regions()) {
    for (uint64_t i = 0; i < region.bytes.size(); i += kPageSize, ++number) {
      const auto page = region.bytes.subspan(i, kPageSize);
      if (is_zero(page)) continue;
      hash.add(number);
      hash.add(page);
      TRY(write_at(fd, at + number * kPageSize, page));
    }
  }
  return hash.value();
}

Result<> write_file(const Fd& fd, const Snapshot& snapshot, const GuestMemory& ram) {
  const auto state = encode(snapshot);
  const uint64_t memory_at = align_up(kStateAt + state.size(), kPageSize);
  if (::ftruncate(fd.get(), static_cast<off_t>(memory_at + ram.size())) < 0)
    return fail_errno("ftruncate");
  TRY(write_at(fd, kStateAt, state));
  Header header{kMagic, kVersion, sizeof(Header), state.size(), hash_of(state), ram.size(), 0, 0};
  header.memory_hash = TRY(write_memory(fd, memory_at, ram));
  header.hash = own_hash(header);
  TRY(write_at(fd, 0, bytes_of(header)));
  if (::fsync(fd.get()) < 0 && errno != EINVAL) return fail_errno("fsync");
  return {};
}

Result<Header> read_header(const Fd& fd, const std::string& path) {
  Header header{};
  struct stat stat {};
  if (::fstat(fd.get(), &stat) < 0) return fail_errno("fstat", path);
  const auto size = static_cast<uint64_t>(stat.st_size);
  TRY(read_at(fd, path, 0, std::as_writable_bytes(std::span{&header, 1})));
  if (header.magic != kMagic) return fail(broken(path, "this is no snapshot of minikvm"));
  if (header.version != kVersion)
    return fail(broken(path, fmt::format("its format is version {}, this minikvm knows {}",
                                         header.version, kVersion)));
  if (header.header_size != sizeof(header) || header.hash != own_hash(header) ||
      header.state_size > kMostState || header.memory_size > kMostRam)
    return fail(broken(path, "corrupt: its header is wrong"));
  if (size < align_up(kStateAt + header.state_size, kPageSize) + header.memory_size)
    return fail(broken(path, "truncated"));
  return header;
}

// The next byte of the file that is not in a hole, `end` if there is none.
uint64_t next_data(const Fd& fd, uint64_t at, uint64_t end) {
  const off_t data = ::lseek(fd.get(), static_cast<off_t>(at), SEEK_DATA);
  if (data < 0) return errno == ENXIO ? end : at;  // a file system without holes
  return std::min(static_cast<uint64_t>(data), end);
}

}  // namespace

Result<> write_snapshot(const std::string& path, const Snapshot& snapshot, const GuestMemory& ram) {
  const std::string unfinished = path + ".new";
  const Fd fd = TRY(Fd::open(unfinished, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  auto done = write_file(fd, snapshot, ram);
  if (done && ::rename(unfinished.c_str(), path.c_str()) < 0) done = fail_errno("rename");
  if (done) return {};
  ::unlink(unfinished.c_str());
  Error error = std::move(done).error();
  error.on = path;
  return fail(std::move(error));
}

Result<SnapshotFile> SnapshotFile::open(const std::string& path) {
  auto opened = Fd::open(path, O_RDONLY);
  if (!opened) {
    opened.error().blame = Error::Blame::image;
    return fail(opened.error());
  }
  Fd fd = *std::move(opened);
  const Header header = TRY(read_header(fd, path));
  std::vector<std::byte> state(header.state_size);
  TRY(read_at(fd, path, kStateAt, state));
  if (hash_of(state) != header.state_hash)
    return fail(broken(path, "corrupt: the state's checksum is wrong"));
  auto snapshot = decode(state);
  if (!snapshot) {
    snapshot.error().on = path;
    return fail(snapshot.error());
  }
  if (snapshot->ram_bytes != header.memory_size)
    return fail(broken(path, "corrupt: it has two memory sizes"));
  return SnapshotFile{std::move(fd), path, *std::move(snapshot),
                      align_up(kStateAt + header.state_size, kPageSize), header.memory_hash};
}

Result<> SnapshotFile::load_memory(const GuestMemory& ram) const {
  Hash hash;
  uint64_t before = 0;  // bytes of the regions before this one
  std::array<std::byte, kPageSize> page;
  for (const auto& region : ram.regions()) {
    const uint64_t first = memory_at_ + before, end = first + region.bytes.size();
    for (uint64_t at = next_data(fd_, first, end); at < end;
         at = next_data(fd_, at + kPageSize, end)) {
      at = align_down(at, kPageSize);
      TRY(read_at(fd_, path_, at, page));
      if (is_zero(page)) continue;
      hash.add((at - memory_at_) / kPageSize);
      hash.add(page);
      std::ranges::copy(page, region.bytes.subspan(at - first).begin());
    }
    before += region.bytes.size();
  }
  if (hash.value() == memory_hash_) return {};
  return fail(broken(path_, "corrupt: the memory's checksum is wrong"));
}

}  // namespace minikvm
