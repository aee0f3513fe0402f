// SPDX-License-Identifier: GPL-2.0-only
// What the dumps of VT-x and AMD-V have in common: registers in words, and lines
// that are not too long.
#pragma once

#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

namespace minikvm::cli {

using Out = std::back_insert_iterator<std::string>;

struct Bit {
  unsigned position;
  std::string_view name;
};

// The bits that are set; "bit 7" where the manual has no name.
std::string list_bits(std::span<const Bit> names, uint64_t value, std::string_view separator);
// The same without the ones that have no name: some must be 1 and mean nothing.
std::string list_known_bits(std::span<const Bit> names, uint64_t value);

std::string decode_cr0(uint64_t cr0);
std::string decode_cr4(uint64_t cr4);
std::string decode_efer(uint64_t efer);
std::string decode_rflags(uint64_t rflags);

std::string exception_name(uint32_t vector);
std::string decode_exceptions(uint32_t bitmap);  // a bit per vector

// "code execute/read accessed"; of code and data, or of a system segment.
std::string_view segment_type(bool code_or_data, unsigned type);

// Breaks `text` at its commas.
void format_wrapped(Out out, std::string_view text, size_t indent);

}  // namespace minikvm::cli
