// SPDX-License-Identifier: GPL-2.0-only
#include "devices/bus.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace minikvm {

Result<> Bus::add(std::string name, uint64_t base, uint64_t size, IoDevice& device) {
  if (size == 0 || base > last_address_ || size - 1 > last_address_ - base)
    return fail({EINVAL, "add device", name,
                 fmt::format("{:#x} bytes at {:#x} do not fit in the address space", size, base)});
  const uint64_t last = base + size - 1;
  if (const Slot* other = overlapping(base, last))
    return fail({EEXIST, "add device", name,
                 fmt::format("[{:#x}, {:#x}] overlaps {}", base, last, other->name)});
  slots_.emplace(base, Slot{last, &device, std::move(name)});
  return {};
}

// The slot with the highest base at or below `last` is the only one that can
// reach into the range, because slots do not overlap each other.
const Bus::Slot* Bus::overlapping(uint64_t base, uint64_t last) const {
  const auto after = slots_.upper_bound(last);
  if (after == slots_.begin()) return nullptr;
  const Slot& slot = std::prev(after)->second;
  return slot.last >= base ? &slot : nullptr;
}

Bus::Hit Bus::find(uint64_t address, size_t size) const {
  const auto after = slots_.upper_bound(address);
  if (after == slots_.begin() || size == 0) return {nullptr, 0};
  const auto& [base, slot] = *std::prev(after);
  if (address > slot.last || size - 1 > slot.last - address) return {nullptr, 0};
  return {slot.device, address - base};
}

bool Bus::read(uint64_t address, std::span<std::byte> out) const {
  const Hit hit = find(address, out.size());
  if (hit.device)
    hit.device->read(hit.offset, out);
  else
    std::ranges::fill(out, std::byte{0xff});
  return hit.device != nullptr;
}

bool Bus::write(uint64_t address, std::span<const std::byte> in) const {
  const Hit hit = find(address, in.size());
  if (hit.device) hit.device->write(hit.offset, in);
  return hit.device != nullptr;
}

}  // namespace minikvm
