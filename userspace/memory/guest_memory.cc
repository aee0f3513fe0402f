// SPDX-License-Identifier: GPL-2.0-only
#include "memory/guest_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>

#include "memory/layout.h"

namespace minikvm {
namespace {

// Guest and host huge pages must line up for the second-stage page table to
// map 2 MiB at once.
constexpr uint64_t kHugePage = 2 * MiB;

}  // namespace

Result<GuestMemory> GuestMemory::create(uint64_t size) {
  const std::string what = fmt::format("allocate {} MiB of guest memory", size / MiB);
  if (size == 0 || size % kPageSize != 0)
    return fail({EINVAL, what, {}, "the size must be a multiple of 4 KiB"});
  // MAP_NORESERVE: a guest may be given more than it will ever touch.
  void* const at = ::mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return fail_errno(what);
  return GuestMemory{{static_cast<std::byte*>(at), size + kHugePage}, size};
}

GuestMemory::GuestMemory(std::span<std::byte> mapping, uint64_t size)
    : mapping_(mapping), size_(size) {
  const auto host = reinterpret_cast<uintptr_t>(mapping.data());
  const auto ram = mapping.subspan(align_up(host, kHugePage) - host, size);
  // Only a hint: a kernel without transparent huge pages works as well.
  ::madvise(ram.data(), ram.size(), MADV_HUGEPAGE);
  const uint64_t low = std::min(size, raw(layout::kHoleStart));
  regions_.push_back({Gpa{0}, ram.first(low)});
  if (low < size) regions_.push_back({layout::kHoleEnd, ram.subspan(low)});
}

GuestMemory::GuestMemory(GuestMemory&& other) noexcept
    : mapping_(std::exchange(other.mapping_, {})),
      size_(other.size_),
      regions_(std::move(other.regions_)) {}

GuestMemory::~GuestMemory() {
  if (!mapping_.empty()) ::munmap(mapping_.data(), mapping_.size());
}

Result<std::span<std::byte>> GuestMemory::at(Gpa gpa, uint64_t length) const {
  for (const Region& region : regions_) {
    if (gpa < region.base || raw(gpa) - raw(region.base) > region.bytes.size()) continue;
    const uint64_t offset = raw(gpa) - raw(region.base);
    if (length <= region.bytes.size() - offset) return region.bytes.subspan(offset, length);
  }
  return fail({EFAULT,
               "guest memory access",
               {},
               fmt::format("{} bytes at {:#x} are not all RAM", length, raw(gpa))});
}

Result<> GuestMemory::copy_in(Gpa gpa, std::span<const std::byte> bytes) const {
  std::ranges::copy(bytes, TRY(at(gpa, bytes.size())).begin());
  return {};
}

}  // namespace minikvm
