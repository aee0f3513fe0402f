// SPDX-License-Identifier: GPL-2.0-only
// What is loaded beside the kernel: command line and initrd.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "memory/guest_memory.h"

namespace minikvm::boot {

using Bytes = std::span<const std::byte>;

struct Payload {
  std::string command_line;
  Bytes initrd{};  // empty: none
  Gpa rsdp{};      // of the ACPI tables; 0: none
};

struct Placed {
  Gpa at{};
  uint64_t size = 0;
};

// Copies the command line with its final NUL, refusing more than `limit`
// characters.
Result<> place_command_line(const GuestMemory& ram, const std::string& line, uint64_t limit);

// Copies the initrd as high in low RAM as it may be: page-aligned, its last byte
// at or below `last`, nothing below `floor`, where the kernel unpacks itself.
Result<Placed> place_initrd(const GuestMemory& ram, Bytes initrd, Gpa floor, uint64_t last);

// Refuses what no kernel would unpack: neither a whole cpio archive nor one of
// the compressed formats.
Result<> check_initrd(Bytes initrd);

// Little-endian T at `offset`; the caller has checked that it is there.
template <class T>
T load(Bytes bytes, uint64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// bytes[offset, offset + length), or an error that says that `what` is cut off.
Result<Bytes> slice(Bytes bytes, uint64_t offset, uint64_t length, const std::string& what);

}  // namespace minikvm::boot
