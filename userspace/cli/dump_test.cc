// SPDX-License-Identifier: GPL-2.0-only
#include "cli/dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "cli/vmcs_words.h"
#include "vmcs_fields.h"
#include "vmentry_check.h"
#include "vmx_bits.h"
#include "vmx_controls.h"

namespace minikvm::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<mkvm_vmcs_field> every_field() {
  std::vector<mkvm_vmcs_field> fields;
  for (unsigned i = 0; i < mkvm_vmcs_nr_fields; ++i)
    fields.push_back({mkvm_vmcs_fields[i].encoding, 0, 0});
  return fields;
}

mkvm_vmx_caps plain_caps() {
  mkvm_vmx_caps caps{};
  caps.maxphyaddr = 40;
  caps.maxlinaddr = 48;
  return caps;
}

TEST(VmcsWords, NamesControlBits) {
  EXPECT_EQ(decode_vmcs_field(VMCS_PINBASED_CTLS, 0x3f),
            "external-interrupt exiting, NMI exiting, virtual NMIs");
  EXPECT_EQ(decode_vmcs_field(VMCS_PROCBASED2_CTLS, 0xa2), "EPT, VPID, unrestricted guest");
  EXPECT_EQ(decode_vmcs_field(VMCS_ENTRY_CTLS, 0x200), "IA-32e mode guest");
}

TEST(VmcsWords, NamesRegisterBits) {
  EXPECT_EQ(decode_vmcs_field(VMCS_GUEST_CR0, 0x80000031), "PE ET NE PG");
  EXPECT_EQ(decode_vmcs_field(VMCS_GUEST_CR4, 0x2020), "PAE VMXE");
  EXPECT_EQ(decode_vmcs_field(VMCS_GUEST_IA32_EFER, 0x501), "SCE LME LMA");
  EXPECT_EQ(decode_vmcs_field(VMCS_GUEST_RFLAGS, 0x202), "IF");
}

TEST(VmcsWords, NumbersBitsWithoutAName) {
  EXPECT_EQ(decode_vmcs_field(VMCS_GUEST_IA32_EFER, 0x100002), "bit 1 bit 20");
  EXPECT_EQ(decode_vmcs_field(VMCS_GUEST_INTERRUPTIBILITY, 0x21), "blocking by STI, bit 5");
}

// The module's table has the bits as numbers: the names beside them must be theirs.
TEST(VmcsWords, AgreeWithTheTableOfControls) {
  const uint32_t word_field[MKVM_NR_CTLS] = {VMCS_PINBASED_CTLS, VMCS_PROCBASED_CTLS,
                                             VMCS_PROCBASED2_CTLS, VMCS_EXIT_CTLS, VMCS_ENTRY_CTLS};
  for (unsigned i = 0; i < mkvm_vmx_nr_controls; ++i) {
    const mkvm_vmx_control& row = mkvm_vmx_controls[i];
    if (row.word < MKVM_NR_CTLS) {
      EXPECT_THAT(row.name, HasSubstr(decode_vmcs_field(word_field[row.word], row.bit)));
    }
  }
}

TEST(VmcsWords, DecodesEvents) {
  EXPECT_EQ(decode_vmcs_field(VMCS_ENTRY_INTR_INFO, 0), "not valid");
  EXPECT_EQ(decode_vmcs_field(VMCS_ENTRY_INTR_INFO, 0x80000b0e),
            "hardware exception, #PF, with error code");
  EXPECT_EQ(decode_vmcs_field(VMCS_EXIT_INTR_INFO, 0x80000030), "external interrupt, vector 48");
  EXPECT_EQ(decode_vmcs_field(VMCS_IDT_VECTORING_INFO, 0x80000202), "NMI, NMI");
}

TEST(VmcsWords, DecodesExitReasons) {
  EXPECT_EQ(decode_vmcs_field(VMCS_EXIT_REASON, 12), "12: HLT");
  EXPECT_EQ(decode_vmcs_field(VMCS_EXIT_REASON, 0x80000021),
            "33: VM-entry failure due to invalid guest state (the VM entry failed)");
  EXPECT_EQ(decode_vmcs_field(VMCS_EXIT_REASON, 0xfff0), "65520: unknown");
}

TEST(VmcsWords, DecodesAccessRights) {
  EXPECT_EQ(decode_access_rights(0x10000), "unusable");
  EXPECT_EQ(decode_access_rights(0xa09b),
            "code execute/read accessed, DPL 0, present, 64-bit, 4-KiB units");
  EXPECT_EQ(decode_access_rights(0x00f3), "data read/write accessed, DPL 3, present, 16-bit");
  EXPECT_EQ(decode_access_rights(0x008b), "busy TSS, DPL 0, present, 16-bit");
  EXPECT_THAT(decode_access_rights(0x0193), HasSubstr("reserved bits set"));
  EXPECT_THAT(decode_access_rights(0x0013), HasSubstr("not present"));
}

TEST(VmcsWords, DecodesTheRest) {
  EXPECT_EQ(decode_vmcs_field(VMCS_EPT_POINTER, 0x1234501e), "write-back, 4-level");
  EXPECT_EQ(decode_vmcs_field(VMCS_GUEST_ACTIVITY_STATE, 1), "HLT");
  EXPECT_EQ(decode_vmcs_field(VMCS_GUEST_ACTIVITY_STATE, 9), "unknown");
  EXPECT_EQ(decode_vmcs_field(VMCS_EXCEPTION_BITMAP, 0x60042), "#DB #UD #AC #MC");
  EXPECT_EQ(decode_vmcs_field(VMCS_INSTRUCTION_ERROR, 7), "VM entry with invalid control field(s)");
  EXPECT_EQ(decode_vmcs_field(VMCS_GUEST_RIP, 0x1000), "");
}

TEST(Dump, ShowsEveryFieldOnceInItsArea) {
  const std::string text = format_vmcs_dump(every_field());
  const size_t guest = text.find("VMCS, guest state:");
  const size_t host = text.find("VMCS, host state:");
  const size_t control = text.find("VMCS, control:");
  const size_t exit = text.find("VMCS, exit information:");
  ASSERT_TRUE(guest < host && host < control && control < exit && exit != std::string::npos);
  EXPECT_GT(text.find("guest RIP"), guest);
  EXPECT_LT(text.find("guest RIP"), host);
  EXPECT_GT(text.find("host RSP"), host);
  EXPECT_GT(text.find("TSC offset"), control);
  EXPECT_GT(text.find("exit qualification"), exit);
  for (unsigned i = 0; i < mkvm_vmcs_nr_fields; ++i) {
    const std::string line = std::string("\n  ") + mkvm_vmcs_fields[i].text + " ";
    const size_t at = text.find(line);
    const std::string name = mkvm_vmcs_fields[i].text;
    const bool segment = name.find("guest ") == 0 && name.find("DTR ") == std::string::npos &&
                         (name.ends_with("selector") || name.ends_with("rights"));
    if (segment || name.ends_with("base") || name.ends_with("limit")) continue;
    if (name.starts_with("guest LDTR") || name.starts_with("guest TR")) continue;
    EXPECT_NE(at, std::string::npos) << name;
    EXPECT_EQ(text.find(line, at + 1), std::string::npos) << name;
  }
}

TEST(Dump, SegmentsAreATable) {
  std::vector<mkvm_vmcs_field> fields{{VMCS_GUEST_CS_SELECTOR, 0, 0x10},
                                      {VMCS_GUEST_CS_LIMIT, 0, 0xffffffff},
                                      {VMCS_GUEST_CS_ACCESS_RIGHTS, 0, 0xa09b},
                                      {VMCS_GUEST_CS_BASE, 0, 0}};
  const std::string text = format_vmcs_dump(fields);
  EXPECT_THAT(text, HasSubstr("  CS      0010     0000000000000000 ffffffff 0000a09b  code"));
  EXPECT_THAT(text, HasSubstr("  DS      ----     ---------------- --------"));
  EXPECT_THAT(text, Not(HasSubstr("guest CS selector")));
}

TEST(Dump, WidthsFollowTheFields) {
  const std::vector<mkvm_vmcs_field> fields{{VMCS_VPID, 0, 1}, {VMCS_TSC_OFFSET, 0, ~0ull}};
  const std::string text = format_vmcs_dump(fields);
  EXPECT_THAT(text, HasSubstr("            0001\n"));
  EXPECT_THAT(text, HasSubstr("ffffffffffffffff\n"));
}

TEST(Dump, LongControlWordsAreWrapped) {
  const std::vector<mkvm_vmcs_field> fields{{VMCS_PROCBASED_CTLS, 0, 0xffffffff},
                                            {VMCS_PROCBASED2_CTLS, 0, 0xffffffff}};
  std::istringstream text(format_vmcs_dump(fields));
  int lines = 0;
  for (std::string line; std::getline(text, line); ++lines) EXPECT_LE(line.size(), 100u) << line;
  EXPECT_GT(lines, 20);
}

TEST(Dump, AnUnknownFieldHasItsEncoding) {
  const std::vector<mkvm_vmcs_field> fields{{0x203e + 0x200, 0, 5}};
  EXPECT_THAT(format_vmcs_dump(fields), HasSubstr("unknown field 0x223e"));
}

// A VMCS of zeros breaks rules of every area.
TEST(ExplainEntryFailure, NamesRulesSectionsAndValues) {
  auto fields = every_field();
  for (auto& field : fields)
    if (field.encoding == VMCS_EXIT_REASON) field.value = 0x80000021;
  const mkvm_vmx_caps caps = plain_caps();
  const std::string text = explain_entry_failure(caps, fields);
  EXPECT_THAT(text, StartsWith("VM entry failed: exit reason 33"));
  mkvm_vmentry_finding first;
  const int count =
      mkvm_vmentry_check(fields.data(), static_cast<u32>(fields.size()), &caps, &first, 1);
  ASSERT_GT(count, 0);
  EXPECT_THAT(text, HasSubstr(std::to_string(count) + " rule"));
  EXPECT_THAT(text, HasSubstr(first.rule));
  EXPECT_THAT(text, HasSubstr(first.section));
  EXPECT_THAT(text,
              HasSubstr(std::string(mkvm_vmcs_field_find(first.field[0].encoding)->text) + " = "));
}

TEST(ExplainEntryFailure, FallsBackToTheInstructionError) {
  const std::vector<mkvm_vmcs_field> fields{{VMCS_INSTRUCTION_ERROR, 0, 8}};
  const mkvm_vmx_caps caps = plain_caps();
  EXPECT_THAT(explain_entry_failure(caps, fields),
              StartsWith("VM entry failed: VM-instruction error 8: VM entry with invalid host"));
}

}  // namespace
}  // namespace minikvm::cli
