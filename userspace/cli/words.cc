// SPDX-License-Identifier: GPL-2.0-only
#include "cli/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace minikvm::cli {
namespace {

constexpr Bit kCr0[] = {{0, "PE"},  {1, "MP"},  {2, "EM"},  {3, "TS"},  {4, "ET"}, {5, "NE"},
                        {16, "WP"}, {18, "AM"}, {29, "NW"}, {30, "CD"}, {31, "PG"}};

constexpr Bit kCr4[] = {{0, "VME"},    {1, "PVI"},      {2, "TSD"},         {3, "DE"},
                        {4, "PSE"},    {5, "PAE"},      {6, "MCE"},         {7, "PGE"},
                        {8, "PCE"},    {9, "OSFXSR"},   {10, "OSXMMEXCPT"}, {11, "UMIP"},
                        {12, "LA57"},  {13, "VMXE"},    {14, "SMXE"},       {16, "FSGSBASE"},
                        {17, "PCIDE"}, {18, "OSXSAVE"}, {19, "KL"},         {20, "SMEP"},
                        {21, "SMAP"},  {22, "PKE"},     {23, "CET"},        {24, "PKS"},
                        {25, "UINTR"}, {32, "FRED"}};

constexpr Bit kEfer[] = {{0, "SCE"},   {8, "LME"},    {10, "LMA"},   {11, "NXE"},
                         {12, "SVME"}, {13, "LMSLE"}, {14, "FFXSR"}, {15, "TCE"}};

constexpr Bit kRflags[] = {{0, "CF"},       {2, "PF"},   {4, "AF"},  {6, "ZF"},  {7, "SF"},
                           {8, "TF"},       {9, "IF"},   {10, "DF"}, {11, "OF"}, {12, "IOPL[0]"},
                           {13, "IOPL[1]"}, {14, "NT"},  {16, "RF"}, {17, "VM"}, {18, "AC"},
                           {19, "VIF"},     {20, "VIP"}, {21, "ID"}};

constexpr std::array<std::string_view, 32> kExceptions{
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", {},    "#TS",
    "#NP", "#SS", "#GP", "#PF", {},    "#MF", "#AC", "#MC", "#XM", "#VE", "#CP"};

// SDM, section "Segment Descriptor Types": for code and data, then for system
// segments in IA-32e and protected mode.
constexpr std::array<std::string_view, 16> kCodeOrData{"data read",
                                                       "data read accessed",
                                                       "data read/write",
                                                       "data read/write accessed",
                                                       "data down read",
                                                       "data down read accessed",
                                                       "data down r/w",
                                                       "data down r/w accessed",
                                                       "code execute",
                                                       "code execute accessed",
                                                       "code execute/read",
                                                       "code execute/read accessed",
                                                       "code conforming",
                                                       "code conforming accessed",
                                                       "code conforming execute/read",
                                                       "code conforming execute/read accessed"};
constexpr std::array<std::string_view, 16> kSystem{"reserved 0",
                                                   "available 16-bit TSS",
                                                   "LDT",
                                                   "busy 16-bit TSS",
                                                   "16-bit call gate",
                                                   "task gate",
                                                   "16-bit interrupt gate",
                                                   "16-bit trap gate",
                                                   "reserved 8",
                                                   "available TSS",
                                                   "reserved 10",
                                                   "busy TSS",
                                                   "call gate",
                                                   "reserved 13",
                                                   "interrupt gate",
                                                   "trap gate"};

}  // namespace

std::string list_bits(std::span<const Bit> names, uint64_t value, std::string_view separator) {
  std::string out;
  for (unsigned position = 0; position < 64; ++position) {
    if (!(value >> position & 1)) continue;
    if (!out.empty()) out += separator;
    const auto bit = std::ranges::find(names, position, &Bit::position);
    out += bit == names.end() ? fmt::format("bit {}", position) : std::string(bit->name);
  }
  return out;
}

std::string list_known_bits(std::span<const Bit> names, uint64_t value) {
  uint64_t known = 0;
  for (const Bit& bit : names) known |= uint64_t{1} << bit.position;
  return list_bits(names, value & known, ", ");
}

std::string decode_cr0(uint64_t cr0) { return list_bits(kCr0, cr0, " "); }
std::string decode_cr4(uint64_t cr4) { return list_bits(kCr4, cr4, " "); }
std::string decode_efer(uint64_t efer) { return list_bits(kEfer, efer, " "); }
std::string decode_rflags(uint64_t rflags) {
  return list_bits(kRflags, rflags & ~2ull, " ");  // bit 1 is always 1
}

std::string exception_name(uint32_t vector) {
  if (vector < kExceptions.size() && !kExceptions[vector].empty())
    return std::string(kExceptions[vector]);
  return fmt::format("vector {}", vector);
}

std::string decode_exceptions(uint32_t bitmap) {
  std::string out;
  for (unsigned vector = 0; vector < kExceptions.size(); ++vector)
    if (bitmap >> vector & 1) out += (out.empty() ? "" : " ") + exception_name(vector);
  return out;
}

std::string_view segment_type(bool code_or_data, unsigned type) {
  return (code_or_data ? kCodeOrData : kSystem)[type];
}

void format_wrapped(Out out, std::string_view text, size_t indent) {
  constexpr size_t kWidth = 100;
  while (indent + text.size() > kWidth) {
    const size_t comma = text.rfind(", ", kWidth - indent - 1);
    if (comma == std::string_view::npos) break;
    fmt::format_to(out, "{:{}}{}\n", "", indent, text.substr(0, comma + 1));
    text.remove_prefix(comma + 2);
  }
  if (!text.empty()) fmt::format_to(out, "{:{}}{}\n", "", indent, text);
}

}  // namespace minikvm::cli
