// SPDX-License-Identifier: GPL-2.0-only
#include "cli/dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include "cli/vmcs_words.h"
#include "cli/words.h"
#include "vmcs_fields.h"
#include "vmentry_check.h"
#include "vmx_bits.h"

namespace minikvm::cli {
namespace {

using Fields = std::span<const mkvm_vmcs_field>;

constexpr size_t kNameWidth = 48;

// In the order of encodings; a segment's fields of one kind lie 2 apart.
constexpr std::array<std::string_view, 8> kSegments{"ES", "CS", "SS",   "DS",
                                                    "FS", "GS", "LDTR", "TR"};

std::optional<uint64_t> find(Fields fields, uint32_t encoding) {
  const auto field = std::ranges::find(fields, encoding, &mkvm_vmcs_field::encoding);
  return field == fields.end() ? std::nullopt : std::optional(field->value);
}

// As many hexadecimal digits as the field is wide; dashes where there is none.
std::string hex(uint32_t encoding, std::optional<uint64_t> value) {
  const size_t digits = mkvm_vmcs_field_bits(encoding) / 4;
  return value ? fmt::format("{:0{}x}", *value, digits) : std::string(digits, '-');
}

std::string name(uint32_t encoding) {
  const mkvm_vmcs_field_info* info = mkvm_vmcs_field_find(encoding);
  return info ? info->text : fmt::format("unknown field {:#06x}", encoding);
}

void format_field(Out out, const mkvm_vmcs_field& field) {
  const std::string words = decode_vmcs_field(field.encoding, field.value);
  fmt::format_to(out, "  {:<{}} {:>16}{}{}\n", name(field.encoding), kNameWidth,
                 hex(field.encoding, field.value), words.empty() ? "" : "  ", words);
}

// Control words have more to say than fits beside them.
bool is_control_word(uint32_t encoding) {
  constexpr std::array words{VMCS_PINBASED_CTLS, VMCS_PROCBASED_CTLS, VMCS_PROCBASED2_CTLS,
                             VMCS_EXIT_CTLS, VMCS_ENTRY_CTLS};
  return std::ranges::find(words, encoding) != words.end();
}

void format_control_word(Out out, const mkvm_vmcs_field& field) {
  fmt::format_to(out, "  {:<{}} {:>16}\n", name(field.encoding), kNameWidth,
                 hex(field.encoding, field.value));
  format_wrapped(out, decode_vmcs_field(field.encoding, field.value), 6);
}

struct SegmentFields {
  uint32_t selector, base, limit, rights;
};

SegmentFields segment(unsigned index) {
  return {VMCS_GUEST_ES_SELECTOR + 2 * index, VMCS_GUEST_ES_BASE + 2 * index,
          VMCS_GUEST_ES_LIMIT + 2 * index, VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * index};
}

void format_segments(Out out, Fields fields) {
  fmt::format_to(out, "  {:<7} {:<8} {:<16} {:<8} {}\n", "segment", "selector", "base", "limit",
                 "access rights");
  for (unsigned i = 0; i < kSegments.size(); ++i) {
    const SegmentFields s = segment(i);
    const auto rights = find(fields, s.rights);
    fmt::format_to(out, "  {:<7} {:<8} {:<16} {:<8} {}  {}\n", kSegments[i],
                   hex(s.selector, find(fields, s.selector)), hex(s.base, find(fields, s.base)),
                   hex(s.limit, find(fields, s.limit)), hex(s.rights, rights),
                   rights ? decode_access_rights(static_cast<uint32_t>(*rights)) : "");
  }
}

bool in_segment_table(uint32_t encoding) {
  for (unsigned i = 0; i < kSegments.size(); ++i) {
    const SegmentFields s = segment(i);
    if (encoding == s.selector || encoding == s.base || encoding == s.limit || encoding == s.rights)
      return true;
  }
  return false;
}

void format_area(Out out, Fields fields, uint32_t area) {
  fmt::format_to(out, "VMCS, {}:\n", mkvm_vmcs_area_name(area));
  if (area == MKVM_VMCS_GUEST) format_segments(out, fields);
  for (const mkvm_vmcs_field& field : fields) {
    if (MKVM_VMCS_AREA(field.encoding) != area || in_segment_table(field.encoding)) continue;
    if (is_control_word(field.encoding))
      format_control_word(out, field);
    else
      format_field(out, field);
  }
}

void format_finding(Out out, const mkvm_vmentry_finding& finding) {
  fmt::format_to(out, "  {}: {}\n      (SDM vol. 3, section \"{}\")\n",
                 mkvm_vmcs_area_name(finding.area), finding.rule, finding.section);
  for (uint32_t i = 0; i < finding.nr; ++i) {
    const mkvm_vmcs_field& field = finding.field[i];
    const std::string words = decode_vmcs_field(field.encoding, field.value);
    fmt::format_to(out, "      {} = {}\n", name(field.encoding), hex(field.encoding, field.value));
    format_wrapped(out, words, 8);
  }
}

std::string what_the_cpu_said(Fields fields) {
  const auto reason = static_cast<uint32_t>(find(fields, VMCS_EXIT_REASON).value_or(0));
  if (reason & MKVM_EXIT_ENTRY_FAILURE)
    return "exit reason " + decode_vmcs_field(VMCS_EXIT_REASON, reason);
  const uint64_t error = find(fields, VMCS_INSTRUCTION_ERROR).value_or(0);
  return fmt::format("VM-instruction error {}: {}", error,
                     decode_vmcs_field(VMCS_INSTRUCTION_ERROR, error));
}

}  // namespace

std::string format_vmcs_dump(Fields fields) {
  std::string text;
  for (const uint32_t area :
       {MKVM_VMCS_GUEST, MKVM_VMCS_HOST, MKVM_VMCS_CONTROL, MKVM_VMCS_EXIT_INFO})
    format_area(std::back_inserter(text), fields, area);
  return text;
}

std::string explain_entry_failure(const mkvm_vmx_caps& caps, Fields fields) {
  std::array<mkvm_vmentry_finding, 16> findings;
  const int count = mkvm_vmentry_check(fields.data(), static_cast<uint32_t>(fields.size()), &caps,
                                       findings.data(), static_cast<int>(findings.size()));
  std::string text = fmt::format("VM entry failed: {}\n", what_the_cpu_said(fields));
  if (count <= 0) return text + "  the VM-entry checker finds every rule that it knows kept\n";
  const auto shown = std::min(static_cast<size_t>(count), findings.size());
  text +=
      fmt::format("{} broken:\n", count == 1 ? "1 rule is" : fmt::format("{} rules are", count));
  for (const auto& finding : std::span(findings).first(shown))
    format_finding(std::back_inserter(text), finding);
  if (shown < static_cast<size_t>(count))
    text += fmt::format("  and {} more\n", static_cast<size_t>(count) - shown);
  return text;
}

}  // namespace minikvm::cli
