// SPDX-License-Identifier: GPL-2.0-only
// What a BIOS would answer to INT 15h, E820h: which addresses are RAM.
#pragma once

#include <cstdint>
#include <vector>

#include "memory/guest_memory.h"

namespace minikvm::boot {

enum class MemoryType : uint32_t { ram = 1, reserved = 2 };  // as in E820 and PVH

struct MemoryRange {
  Gpa base;
  uint64_t size;
  MemoryType type;
  bool operator==(const MemoryRange&) const = default;
};

std::vector<MemoryRange> memory_map(const GuestMemory& ram);

}  // namespace minikvm::boot
