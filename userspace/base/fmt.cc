// SPDX-License-Identifier: GPL-2.0-only
// The one place where fmt is compiled. Debian has its library only as a shared object, minikvm is
// linked statically, and with the header-only form every file compiles it again: that is half of
// the time of `make vmm`.
#include <fmt/format-inl.h>

// Declared in <fmt/format.h> as instantiated elsewhere: here.
template auto fmt::detail::thousands_sep_impl<char>(locale_ref) -> thousands_sep_result<char>;
template auto fmt::detail::decimal_point_impl(locale_ref) -> char;
