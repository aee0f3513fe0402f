// SPDX-License-Identifier: GPL-2.0-only
#include "abi/call.h"

namespace minikvm::abi::detail {

Result<int> call(const Handle& handle, unsigned long request, const char* name, void* argument) {
  const int value = ::ioctl(handle.fd.get(), request, argument);
  if (value < 0) return fail({errno, name, handle.device, {}, Error::Blame::device});
  return value;
}

}  // namespace minikvm::abi::detail
