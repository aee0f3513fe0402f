// SPDX-License-Identifier: GPL-2.0-only
// The guest's RAM. The only door from a guest address to host bytes is at(),
// and it hands out checked ranges only.
#pragma once

#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "memory/gpa.h"

namespace minikvm {

class GuestMemory {
 public:
  struct Region {
    Gpa base;
    std::span<std::byte> bytes;
  };

  // `size` bytes of zeros, split around the MMIO hole (see layout.h). Pages
  // appear when they are touched, huge ones where the host has them.
  static Result<GuestMemory> create(uint64_t size);
  GuestMemory(GuestMemory&& other) noexcept;
  GuestMemory& operator=(GuestMemory&&) = delete;
  ~GuestMemory();

  // Exactly `length` bytes at `gpa`, or EFAULT: the guest can cause that, so it
  // is an answer and never an abort.
  Result<std::span<std::byte>> at(Gpa gpa, uint64_t length) const;

  // A copy: what was checked is what is used, whatever other vCPUs do.
  template <class T>
  requires std::is_trivially_copyable_v<T> Result<T> read(Gpa gpa)
  const {
    T value;
    std::memcpy(&value, TRY(at(gpa, sizeof(T))).data(), sizeof(T));
    return value;
  }
  template <class T>
  requires std::is_trivially_copyable_v<T> Result<> write(Gpa gpa, const T& value)
  const { return copy_in(gpa, std::as_bytes(std::span{&value, 1})); }
  Result<> copy_in(Gpa gpa, std::span<const std::byte> bytes) const;

  std::span<const Region> regions() const { return regions_; }  // by address
  uint64_t size() const { return size_; }
  Gpa low_end() const { return regions_[0].base + regions_[0].bytes.size(); }

 private:
  GuestMemory(std::span<std::byte> mapping, uint64_t size);

  std::span<std::byte> mapping_;  // a little larger than the RAM, for alignment
  uint64_t size_;
  std::vector<Region> regions_;
};

}  // namespace minikvm
