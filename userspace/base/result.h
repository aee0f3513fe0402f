// SPDX-License-Identifier: GPL-2.0-only
// The one error model of the VMM: a function that can fail returns Result<T>,
// and TRY hands the failure of a callee on to the caller.
#pragma once

#include <cerrno>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace minikvm {

// Reads as "WHAT on ON: strerror(CODE) (WHY)"; whatever is empty is left out.
struct Error {
  int code = 0;      // an errno, 0 where no system call is to blame
  std::string what;  // the operation that failed: "KVM_SET_SREGS", "open"
  std::string on;    // the file or object it was done to
  std::string why;   // what is wrong with it, or what to do about it

  // Whose fault, for the exit code.
  enum class Blame { host, device, image } blame = Blame::host;

  std::string text() const;
};

template <class T = void>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(Error error) { return tl::unexpected(std::move(error)); }

// The failure of the system call that has just set errno.
inline tl::unexpected<Error> fail_errno(std::string what, std::string on = {}) {
  return fail({errno, std::move(what), std::move(on), {}});
}

namespace detail {
template <class T>
T unwrap(Result<T>&& result) {
  return std::move(*result);
}
inline void unwrap(Result<void>&&) {}
}  // namespace detail

}  // namespace minikvm

// The value of a Result, or return its error from the function we are in. A GNU
// statement expression, because no standard expression can return. Keep it out
// of braced lists of strings and the like: leaving one in the middle, GCC does
// not destroy the elements that are already there.
#define TRY(expression)                                                     \
  ({                                                                        \
    auto try_result = (expression);                                         \
    if (!try_result) return ::minikvm::fail(std::move(try_result).error()); \
    ::minikvm::detail::unwrap(std::move(try_result));                       \
  })
