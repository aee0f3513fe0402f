// SPDX-License-Identifier: GPL-2.0-only
// Guest-physical addresses and sizes.
#pragma once

#include <cstdint>

namespace minikvm {

// A type of its own, so that it is never mistaken for a host address.
enum class Gpa : uint64_t {};

constexpr uint64_t raw(Gpa gpa) { return static_cast<uint64_t>(gpa); }
// The caller knows that the sum does not wrap: addresses from the guest go
// through GuestMemory::at first.
constexpr Gpa operator+(Gpa gpa, uint64_t offset) { return Gpa{raw(gpa) + offset}; }

inline constexpr uint64_t KiB = 1024, MiB = 1024 * KiB, GiB = 1024 * MiB;
inline constexpr uint64_t kPageSize = 4 * KiB;

constexpr uint64_t align_down(uint64_t value, uint64_t alignment) {
  return value - value % alignment;
}
constexpr uint64_t align_up(uint64_t value, uint64_t alignment) {
  return align_down(value + alignment - 1, alignment);
}

}  // namespace minikvm
