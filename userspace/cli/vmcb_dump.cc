// SPDX-License-Identifier: GPL-2.0-only
#include "cli/vmcb_dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <span>
#include <vector>

#include "cli/vmcb_words.h"
#include "cli/words.h"
#include "vmcb_check.h"

namespace minikvm::cli {
namespace {

constexpr size_t kNameWidth = 26;
constexpr size_t kLineWidth = 100;

// In the order of the layout. GDTR and IDTR have a base and a limit only.
constexpr std::array<std::string_view, 10> kSegments{"ES", "CS",   "SS",   "DS",   "FS",
                                                     "GS", "GDTR", "LDTR", "IDTR", "TR"};
constexpr size_t kFirstSegment = offsetof(mkvm_vmcb, es);
constexpr size_t kSegmentsEnd = kFirstSegment + kSegments.size() * sizeof(mkvm_vmcb_segment);

// Beside the value if there is room, else below it.
void format_value(Out out, std::string_view name, const std::string& value,
                  const std::string& words) {
  const std::string line = fmt::format("  {:<{}} {:>16}", name, kNameWidth, value);
  const bool beside = line.size() + 2 + words.size() <= kLineWidth;
  fmt::format_to(out, "{}{}{}\n", line, beside && !words.empty() ? "  " : "", beside ? words : "");
  if (!beside) format_wrapped(out, words, 6);
}

std::string hex(uint64_t value, size_t size) { return fmt::format("{:0{}x}", value, 2 * size); }

void format_field(Out out, const VmcbField& field, uint64_t value) {
  format_value(out, field.name, hex(value, field.size), field.words ? field.words(value) : "");
}

void format_insn(Out out, const mkvm_vmcb& vmcb) {
  const size_t count = std::min<size_t>(vmcb.insn_len, sizeof(vmcb.insn));
  format_value(out, "instruction bytes", std::to_string(vmcb.insn_len),
               fmt::format("{:02x}", fmt::join(std::span(vmcb.insn).first(count), " ")));
}

void format_segments(Out out, const mkvm_vmcb& vmcb) {
  fmt::format_to(out, "  {:<7} {:<8} {:<16} {:<8} {}\n", "segment", "selector", "base", "limit",
                 "attributes");
  const mkvm_vmcb_segment* segment = &vmcb.es;
  for (const std::string_view name : kSegments) {
    const bool table = name == "GDTR" || name == "IDTR";
    fmt::format_to(out, "  {:<7} {:<8} {:016x} {:08x}", name,
                   table ? "" : hex(segment->selector, 2), segment->base, segment->limit);
    if (!table)
      fmt::format_to(out, " {:04x}  {}", segment->attr, decode_svm_attributes(segment->attr));
    *out++ = '\n';
    ++segment;
  }
}

void format_area(Out out, const mkvm_vmcb& vmcb, VmcbArea area, std::string_view title) {
  fmt::format_to(out, "VMCB, {}:\n", title);
  if (area == VmcbArea::guest) format_segments(out, vmcb);
  for (const VmcbField& field : vmcb_fields()) {
    if (field.area != area) continue;
    if (field.offset == offsetof(mkvm_vmcb, insn_len))
      format_insn(out, vmcb);
    else
      format_field(out, field, mkvm_vmcb_read(&vmcb, field.offset, field.size));
  }
}

std::bitset<sizeof(mkvm_vmcb)> named_bytes() {
  std::bitset<sizeof(mkvm_vmcb)> named;
  for (const VmcbField& field : vmcb_fields())
    for (size_t i = 0; i < field.size; ++i) named.set(field.offset + i);
  for (size_t i = 0; i < sizeof(mkvm_vmcb::insn); ++i) named.set(offsetof(mkvm_vmcb, insn) + i);
  for (size_t i = kFirstSegment; i < kSegmentsEnd; ++i) named.set(i);
  return named;
}

// What a newer CPU, or a mistake, has put where the layout names nothing.
void format_rest(Out out, const mkvm_vmcb& vmcb) {
  const auto named = named_bytes();
  bool first = true;
  for (uint32_t at = 0; at < sizeof(vmcb); at += 8) {
    uint64_t value = mkvm_vmcb_read(&vmcb, at, 8);
    for (unsigned byte = 0; byte < 8; ++byte)
      if (named[at + byte]) value &= ~(0xffull << (8 * byte));
    if (value == 0) continue;
    if (first) fmt::format_to(out, "VMCB, without a name:\n");
    first = false;
    format_value(out, fmt::format("at offset {:#05x}", at), hex(value, 8), "");
  }
}

void format_finding(Out out, const mkvm_vmcb_finding& finding) {
  fmt::format_to(out, "  {}\n      (APM vol. 2, section \"{}\")\n", finding.rule, finding.section);
  for (const auto& [offset, size, value] : std::span(finding.field).first(finding.nr)) {
    const VmcbField* field = find_vmcb_field(offset);
    fmt::format_to(out, "      {} = {}\n", field ? std::string(field->name) : "CS attributes",
                   hex(value, size));
    if (field && field->words) format_wrapped(out, field->words(value), 8);
  }
}

}  // namespace

std::string format_vmcb_dump(const mkvm_vmcb& vmcb) {
  std::string text;
  const auto out = std::back_inserter(text);
  format_area(out, vmcb, VmcbArea::guest, "guest state");
  format_area(out, vmcb, VmcbArea::control, "control");
  format_area(out, vmcb, VmcbArea::exit_information, "exit information");
  format_rest(out, vmcb);
  return text;
}

std::string explain_vmrun_failure(const mkvm_svm_caps& caps, const mkvm_vmcb& vmcb) {
  std::vector<mkvm_vmcb_finding> findings(mkvm_vmcb_nr_rules());
  findings.resize(
      mkvm_vmcb_check(&vmcb, &caps, findings.data(), static_cast<int>(findings.size())));
  std::string text = fmt::format("VMRUN failed: {}\n", svm_exit_name(vmcb.exit_code));
  if (findings.empty()) return text + "  the checker finds every rule that it knows kept\n";
  text += findings.size() == 1 ? "1 rule is broken:\n"
                               : fmt::format("{} rules are broken:\n", findings.size());
  for (const auto& finding : findings) format_finding(std::back_inserter(text), finding);
  return text;
}

}  // namespace minikvm::cli
