// SPDX-License-Identifier: GPL-2.0-only
// Values to bytes and back. A struct says once, for both ways, what it consists
// of:
//   template <class Archive> void fields(Archive& a, Serial::State& s) { a(s.ier, s.lcr); }
// One without fields() is a struct of the kernel's ABI and goes as it is.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

namespace minikvm {

class Writer {
 public:
  template <class... Ts>
  void operator()(Ts&... values) {
    (one(values), ...);
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  template <class T>
  void one(T& value) {
    if constexpr (requires { fields(*this, value); }) {
      fields(*this, value);
    } else {
      static_assert(std::is_trivially_copyable_v<T>);
      const auto* first = reinterpret_cast<const std::byte*>(&value);
      bytes_.insert(bytes_.end(), first, first + sizeof(value));
    }
  }
  template <class T, size_t kCount>
  void one(std::array<T, kCount>& values) {
    for (T& value : values) one(value);
  }
  template <class T>
  void one(std::optional<T>& value) {
    bool there = value.has_value();
    one(there);
    if (there) one(*value);
  }
  template <class T>
  void one(std::vector<T>& values) {
    auto count = static_cast<uint32_t>(values.size());
    one(count);
    for (T& value : values) one(value);
  }

  std::vector<std::byte> bytes_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <class... Ts>
  void operator()(Ts&... values) {
    (one(values), ...);
  }
  // All bytes were used, and none was missing or impossible.
  bool complete() const { return ok_ && rest_.empty(); }

 private:
  template <class T>
  void one(T& value) {
    if constexpr (requires { fields(*this, value); })
      fields(*this, value);
    else
      copy(value);
  }
  void one(bool& value) {
    uint8_t byte = 0;
    copy(byte);
    if (byte > 1) ok_ = false;
    value = byte == 1;
  }
  template <class T, size_t kCount>
  void one(std::array<T, kCount>& values) {
    for (T& value : values) one(value);
  }
  template <class T>
  void one(std::optional<T>& value) {
    bool there = false;
    one(there);
    value.reset();
    if (there && ok_) one(value.emplace());
  }
  template <class T>
  void one(std::vector<T>& values) {
    uint32_t count = 0;
    copy(count);
    values.clear();
    // One at a time: the count may be a lie, the bytes are what there is.
    for (; count > 0 && ok_; --count) one(values.emplace_back());
  }
  template <class T>
  void copy(T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (rest_.size() < sizeof(value)) {
      ok_ = false;
      return;
    }
    std::memcpy(&value, rest_.data(), sizeof(value));
    rest_ = rest_.subspan(sizeof(value));
  }

  std::span<const std::byte> rest_;
  bool ok_ = true;
};

}  // namespace minikvm
