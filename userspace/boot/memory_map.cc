// SPDX-License-Identifier: GPL-2.0-only
#include "boot/memory_map.h"

#include "memory/layout.h"

namespace minikvm::boot {

std::vector<MemoryRange> memory_map(const GuestMemory& ram) {
  const uint64_t conventional = raw(layout::kConventionalEnd), high = raw(layout::kHighMemory);
  // Guest memory also lies under the VGA and ROM area, but a guest that takes
  // itself to be on a PC expects to be told to keep out.
  std::vector<MemoryRange> map{
      {Gpa{0}, conventional, MemoryType::ram},
      {layout::kConventionalEnd, high - conventional, MemoryType::reserved},
      {layout::kHighMemory, raw(ram.low_end()) - high, MemoryType::ram},
  };
  for (const auto& region : ram.regions().subspan(1))
    map.push_back({region.base, region.bytes.size(), MemoryType::ram});
  return map;
}

}  // namespace minikvm::boot
