// SPDX-License-Identifier: GPL-2.0-only
// The only place where the VMM calls ioctl(2).
#pragma once

#include <sys/ioctl.h>

#include <string>
#include <type_traits>

#include "abi/kvm.h"
#include "base/fd.h"

namespace minikvm::abi {

// A descriptor of the KVM family, and the device it came from for messages.
struct Handle {
  Fd fd;
  std::string device;
};

namespace detail {
Result<int> call(const Handle& handle, unsigned long request, const char* name, void* argument);
}

// Requests that carry an integer, or nothing.
template <unsigned long kRequest>
Result<int> kvm_call(const Handle& handle, const char* name, unsigned long argument = 0) {
  static_assert(_IOC_SIZE(kRequest) == 0);
  return detail::call(handle, kRequest, name, reinterpret_cast<void*>(argument));
}

// Requests that carry a struct: its size is part of the request number, so the
// wrong struct does not compile.
template <unsigned long kRequest, class Argument>
requires std::is_class_v<Argument> Result<int> kvm_call(const Handle& handle, const char* name,
                                                        Argument& argument) {
  static_assert(_IOC_SIZE(kRequest) == sizeof(Argument));
  static_assert(std::is_trivially_copyable_v<Argument>);
  return detail::call(handle, kRequest, name,
                      const_cast<std::remove_const_t<Argument>*>(&argument));
}

}  // namespace minikvm::abi

// kvm_call with the request's own name for the error message.
#define KVM_CALL(handle, request, ...) \
  ::minikvm::abi::kvm_call<request>(handle, #request __VA_OPT__(, ) __VA_ARGS__)
