// SPDX-License-Identifier: GPL-2.0-only
#include "boot/payload.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "memory/layout.h"

namespace minikvm::boot {
namespace {

using namespace std::string_view_literals;

// Linux lib/decompress.c knows these; the names are for error messages of ours.
constexpr std::string_view kCompressedMagics[] = {
    "\x1f\x8b"sv,          // gzip
    "\x1f\x9e"sv,          // gzip, old
    "BZh"sv,               // bzip2
    "\x5d\x00"sv,          // LZMA
    "\xfd\x37zXZ\x00"sv,   // XZ
    "\x89LZO"sv,           // LZO
    "\x02\x21\x4c\x18"sv,  // LZ4, legacy frame
    "\x28\xb5\x2f\xfd"sv,  // zstd
};

std::string_view text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_compressed(Bytes bytes) {
  return std::ranges::any_of(kCompressedMagics,
                             [&](auto magic) { return text(bytes).starts_with(magic); });
}

// cpio's "newc" format: a header of 13 fields of 8 hex digits behind the magic,
// then the name, then the data, both padded to 4 bytes. Linux
// Documentation/driver-api/early-userspace/buffer-format.rst.
constexpr uint64_t kCpioHeader = 6 + 13 * 8;
constexpr int kCpioFileSize = 6, kCpioNameSize = 11;

bool is_cpio(Bytes bytes) {
  return text(bytes).starts_with("070701") || text(bytes).starts_with("070702");
}

Result<uint64_t> cpio_field(Bytes header, int index) {
  const std::string_view digits = text(header).substr(6 + index * 8, 8);
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), value, 16);
  if (error != std::errc{} || end != digits.end())
    return fail({0, "initrd", {}, "corrupt: a cpio header has no number where one should be"});
  return uint64_t{value};
}

// The archive's members up to its trailer must all be there.
Result<> check_cpio(Bytes archive) {
  for (uint64_t at = 0;;) {
    const Bytes header = TRY(slice(archive, at, kCpioHeader, "initrd"));
    if (!is_cpio(header)) return fail({0, "initrd", {}, "corrupt: no cpio header after a member"});
    const uint64_t name_size = TRY(cpio_field(header, kCpioNameSize));
    const uint64_t file_size = TRY(cpio_field(header, kCpioFileSize));
    const Bytes name = TRY(slice(archive, at + kCpioHeader, name_size, "initrd"));
    if (text(name).starts_with("TRAILER!!!")) return {};
    const uint64_t data = align_up(at + kCpioHeader + name_size, 4);
    TRY(slice(archive, data, file_size, "initrd"));
    at = align_up(data + file_size, 4);
  }
}

}  // namespace

Result<Bytes> slice(Bytes bytes, uint64_t offset, uint64_t length, const std::string& what) {
  if (offset <= bytes.size() && length <= bytes.size() - offset)
    return bytes.subspan(offset, length);
  return fail({0,
               what,
               {},
               fmt::format("truncated: it refers to {} bytes at {:#x}, but it ends at {:#x}",
                           length, offset, bytes.size())});
}

Result<> place_command_line(const GuestMemory& ram, const std::string& line, uint64_t limit) {
  const uint64_t most = std::min(limit, layout::kCommandLineRoom - 1);
  if (line.size() > most)
    return fail({0,
                 "command line",
                 {},
                 fmt::format("it has {} characters, this kernel takes {}", line.size(), most)});
  return ram.copy_in(layout::kCommandLine, std::as_bytes(std::span{line.c_str(), line.size() + 1}));
}

Result<Placed> place_initrd(const GuestMemory& ram, Bytes initrd, Gpa floor, uint64_t last) {
  if (initrd.empty()) return Placed{};
  TRY(check_initrd(initrd));
  const uint64_t end = std::min(raw(ram.low_end()), last + 1);
  if (initrd.size() > end || align_down(end - initrd.size(), kPageSize) < raw(floor))
    return fail({0,
                 "initrd",
                 {},
                 fmt::format("too little guest memory: {} MiB of initrd do not fit between the "
                             "kernel's end at {} MiB and {} MiB; try a larger -m",
                             align_up(initrd.size(), MiB) / MiB, align_up(raw(floor), MiB) / MiB,
                             end / MiB)});
  const Placed placed{Gpa{align_down(end - initrd.size(), kPageSize)}, initrd.size()};
  TRY(ram.copy_in(placed.at, initrd));
  return placed;
}

Result<> check_initrd(Bytes initrd) {
  if (is_compressed(initrd)) return {};
  if (is_cpio(initrd)) return check_cpio(initrd);
  return fail({0, "initrd", {}, "neither a cpio archive (newc) nor a compressed one"});
}

}  // namespace minikvm::boot
