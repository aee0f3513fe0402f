// SPDX-License-Identifier: GPL-2.0-only
// The KVM structs that end in an array of run-time length (kvm_cpuid2,
// kvm_msrs, ...), with the memory for that array.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace minikvm::abi {

template <class Header, class Entry>
class Flexible {
 public:
  explicit Flexible(size_t entries)
      : words_((sizeof(Header) + entries * sizeof(Entry) + sizeof(Word) - 1) / sizeof(Word)),
        room_(entries) {}

  Header& header() { return *reinterpret_cast<Header*>(words_.data()); }
  std::span<Entry> entries() {
    auto* bytes = reinterpret_cast<std::byte*>(words_.data());
    return {reinterpret_cast<Entry*>(bytes + sizeof(Header)), room_};
  }

 private:
  using Word = unsigned long long;  // as aligned as any of these structs
  static_assert(sizeof(Header) % alignof(Entry) == 0 && alignof(Entry) <= alignof(Word));
  std::vector<Word> words_;
  size_t room_;
};

}  // namespace minikvm::abi
