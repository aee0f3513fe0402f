// SPDX-License-Identifier: GPL-2.0-only
#include "cli/vmcb_dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>

#include "cli/vmcb_words.h"
#include "vmcb_check.h"

namespace minikvm::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr mkvm_svm_caps kCaps{0x1d01, 0x3ff7ff, 1, 16, 40, 0};

std::unique_ptr<mkvm_vmcb> blank() { return std::make_unique<mkvm_vmcb>(); }

std::string words(size_t offset, uint64_t value) {
  const VmcbField* field = find_vmcb_field(static_cast<uint16_t>(offset));
  return field && field->words ? field->words(value) : "?";
}

TEST(VmcbWords, NamesInterceptBits) {
  EXPECT_EQ(words(offsetof(mkvm_vmcb, intercept_cr), 0x100009), "read CR0, read CR3, write CR4");
  EXPECT_EQ(words(offsetof(mkvm_vmcb, intercept_dr), 0x818000), "read DR15, write DR0, write DR7");
  EXPECT_EQ(words(offsetof(mkvm_vmcb, intercept_exceptions), 0x60042), "#DB #UD #AC #MC");
  EXPECT_EQ(words(offsetof(mkvm_vmcb, intercept), 1u << 18 | 1u << 24 | 1u << 31),
            "CPUID, HLT, shutdown");
  EXPECT_EQ(words(offsetof(mkvm_vmcb, intercept) + 4, 0x2003), "VMRUN, VMMCALL, XSETBV");
  EXPECT_EQ(words(offsetof(mkvm_vmcb, intercept) + 8, 0x14), "INVPCID, TLBSYNC");
}

TEST(VmcbWords, NamesExitCodes) {
  EXPECT_EQ(svm_exit_name(SVM_EXIT_READ_CR8), "read CR8");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_WRITE_CR0 + 15), "write CR15");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_READ_DR0), "read DR0");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_WRITE_DR6), "write DR6");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_EXCP_BASE + 14), "exception #PF");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_CPUID), "CPUID");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_RDPRU), "RDPRU");
  EXPECT_EQ(svm_exit_name(MKVM_SVM_EXIT_TLBSYNC), "TLBSYNC");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_NPF), "nested page fault");
  EXPECT_EQ(svm_exit_name(MKVM_SVM_EXIT_INVALID), "VMEXIT_INVALID");
  EXPECT_EQ(svm_exit_name(0x93), "CR3 write trap");
  EXPECT_EQ(svm_exit_name(0x3ff), "exit code 0x3ff");
}

// Exit codes of vmcb.h that are named elsewhere in the same words.
TEST(VmcbWords, EveryExitCodeHasItsPlace) {
  EXPECT_EQ(svm_exit_name(SVM_EXIT_INTR), "INTR");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_VINTR), "VINTR");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_RDPMC), "RDPMC");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_PAUSE), "PAUSE");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_IOIO), "I/O");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_MSR), "MSR");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_TASK_SWITCH), "task switch");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_SKINIT), "SKINIT");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_ICEBP), "ICEBP");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_WBINVD), "WBINVD");
  EXPECT_EQ(svm_exit_name(SVM_EXIT_MWAIT), "MWAIT");
  EXPECT_EQ(svm_exit_name(MKVM_SVM_EXIT_MCOMMIT), "MCOMMIT");
}

TEST(VmcbWords, DecodesControls) {
  EXPECT_EQ(words(offsetof(mkvm_vmcb, interrupt_control), 0x11f0105),
            "V_TPR 5, priority 15, V_IRQ, V_IGN_TPR, V_INTR_MASKING");
  EXPECT_EQ(words(offsetof(mkvm_vmcb, tlb_control), 3), "flush this ASID");
  EXPECT_EQ(words(offsetof(mkvm_vmcb, tlb_control), 2), "reserved");
  EXPECT_EQ(words(offsetof(mkvm_vmcb, interrupt_state), 1), "interrupt shadow");
  EXPECT_EQ(words(offsetof(mkvm_vmcb, nested_control), 1), "nested paging");
  EXPECT_EQ(words(offsetof(mkvm_vmcb, clean), 0x205), "intercepts, ASID, CR2");
  EXPECT_EQ(words(offsetof(mkvm_vmcb, efer), 0x1d01), "SCE LME LMA NXE SVME");
}

TEST(VmcbWords, DecodesEvents) {
  const size_t at = offsetof(mkvm_vmcb, event_inj);
  EXPECT_EQ(words(at, 0x7fffffff), "not valid");
  EXPECT_EQ(words(at, 0x280000b0eull), "exception, #PF, error code 0x2");
  EXPECT_EQ(words(at, 0x80000030), "external interrupt, vector 48");
  EXPECT_EQ(words(at, 0x80000202), "NMI, vector 2");
  EXPECT_EQ(words(at, 0x80000480), "software interrupt, vector 128");
  EXPECT_EQ(words(at, 0x80000500), "reserved type 5, vector 0");
}

TEST(VmcbWords, DecodesAttributes) {
  EXPECT_EQ(decode_svm_attributes(0xa9b), "code execute/read accessed, DPL 0, 64-bit, 4-KiB units");
  EXPECT_EQ(decode_svm_attributes(0x4f3), "data read/write accessed, DPL 3, 32-bit");
  EXPECT_EQ(decode_svm_attributes(0x08b), "busy TSS, DPL 0, 16-bit");
  EXPECT_EQ(decode_svm_attributes(0), "not present");
}

TEST(VmcbDump, ShowsEveryFieldOnceInItsArea) {
  const std::string text = format_vmcb_dump(*blank());
  const size_t control = text.find("VMCB, control:");
  const size_t exit = text.find("VMCB, exit information:");
  ASSERT_THAT(text, StartsWith("VMCB, guest state:"));
  ASSERT_TRUE(control < exit && exit != std::string::npos);
  for (const VmcbField& field : vmcb_fields()) {
    const std::string line = "\n  " + std::string(field.name) + " ";
    const size_t at = text.find(line);
    ASSERT_NE(at, std::string::npos) << field.name;
    EXPECT_EQ(text.find(line, at + 1), std::string::npos) << field.name;
    EXPECT_EQ(at < control, field.area == VmcbArea::guest) << field.name;
    EXPECT_EQ(at > exit, field.area == VmcbArea::exit_information) << field.name;
  }
  EXPECT_THAT(text, Not(HasSubstr("without a name")));
}

TEST(VmcbDump, EachAreaHasItsFields) {
  const std::string text = format_vmcb_dump(*blank());
  const size_t control = text.find("VMCB, control:");
  const size_t exit = text.find("VMCB, exit information:");
  EXPECT_LT(text.find("\n  CPL "), control);
  EXPECT_LT(text.find("\n  DEBUGCTL "), control);
  EXPECT_GT(text.find("\n  CR intercepts "), control);
  EXPECT_LT(text.find("\n  clean bits "), exit);
  EXPECT_GT(text.find("\n  clean bits "), control);
  EXPECT_GT(text.find("\n  next RIP "), exit);
}

TEST(VmcbDump, NoMemberIsForgotten) {
  const auto vmcb = blank();
  std::memset(vmcb.get(), 0xff, sizeof(*vmcb));
  const auto clear = [](auto& reserved) { std::memset(&reserved, 0, sizeof(reserved)); };
  clear(vmcb->reserved_018);
  clear(vmcb->reserved_05d);
  clear(vmcb->reserved_098);
  clear(vmcb->reserved_0c4);
  clear(vmcb->reserved_0e0);
  clear(vmcb->reserved_4a0);
  clear(vmcb->reserved_4cc);
  clear(vmcb->reserved_4d8);
  clear(vmcb->reserved_580);
  clear(vmcb->reserved_5e0);
  clear(vmcb->reserved_648);
  clear(vmcb->reserved_678);
  EXPECT_THAT(format_vmcb_dump(*vmcb), Not(HasSubstr("without a name")));
}

TEST(VmcbDump, SegmentsAreATable) {
  const auto vmcb = blank();
  vmcb->cs = {0x10, 0xa9b, 0xffffffff, 0};
  vmcb->idtr.base = 0xfffffe0000000000;
  vmcb->idtr.limit = 0xfff;
  const std::string text = format_vmcb_dump(*vmcb);
  EXPECT_THAT(text, HasSubstr("\n  CS      0010     0000000000000000 ffffffff 0a9b  code execute"));
  EXPECT_THAT(text, HasSubstr("\n  IDTR             fffffe0000000000 00000fff\n"));
  EXPECT_THAT(text,
              HasSubstr("\n  TR      0000     0000000000000000 00000000 0000  not present\n"));
}

TEST(VmcbDump, ValuesHaveTheWidthOfTheirFields) {
  const auto vmcb = blank();
  vmcb->asid = 0x12;
  vmcb->tlb_control = 1;
  vmcb->tsc_offset = ~0ull;
  const std::string text = format_vmcb_dump(*vmcb);
  EXPECT_THAT(text, HasSubstr("  ASID                               00000012\n"));
  EXPECT_THAT(text, HasSubstr("               01  flush all ASIDs\n"));
  EXPECT_THAT(text, HasSubstr(" ffffffffffffffff\n"));
}

TEST(VmcbDump, InstructionBytesAreAsManyAsThereAre) {
  const auto vmcb = blank();
  vmcb->insn_len = 2;
  vmcb->insn[0] = 0x0f;
  vmcb->insn[1] = 0xa2;
  EXPECT_THAT(format_vmcb_dump(*vmcb), HasSubstr(" 2  0f a2\n"));
  vmcb->insn_len = 0xff;
  EXPECT_THAT(format_vmcb_dump(*vmcb), HasSubstr(" 255  0f a2 00"));
}

TEST(VmcbDump, LongWordsAreWrapped) {
  const auto vmcb = blank();
  vmcb->intercept_cr = vmcb->clean = ~0u;
  vmcb->intercept_dr = 0x1ff;
  std::fill(std::begin(vmcb->intercept), std::end(vmcb->intercept), ~0u);
  std::istringstream text(format_vmcb_dump(*vmcb));
  for (std::string line; std::getline(text, line);) EXPECT_LE(line.size(), 100u) << line;
}

TEST(VmcbDump, WhatHasNoNameHasItsOffset) {
  const auto vmcb = blank();
  vmcb->reserved_05d[1] = 0x5a;
  vmcb->reserved_5e0[0] = 3;
  vmcb->reserved_678[sizeof(vmcb->reserved_678) - 1] = 0x80;
  const std::string text = format_vmcb_dump(*vmcb);
  EXPECT_THAT(text, HasSubstr("VMCB, without a name:\n  at offset 0x058"));
  EXPECT_THAT(text, HasSubstr(" 005a000000000000\n"));
  EXPECT_THAT(text, HasSubstr("at offset 0x5e0            0000000000000003\n"));
  EXPECT_THAT(text, HasSubstr("at offset 0xff8            8000000000000000\n"));
}

TEST(ExplainVmrunFailure, NamesRulesSectionsAndValues) {
  const auto vmcb = blank();
  vmcb->exit_code = MKVM_SVM_EXIT_INVALID;
  vmcb->efer = MKVM_EFER_SVME | 2;
  vmcb->intercept[1] = 1;
  vmcb->asid = 1;
  vmcb->event_inj = 0x80000302;
  EXPECT_EQ(explain_vmrun_failure(kCaps, *vmcb),
            "VMRUN failed: VMEXIT_INVALID\n"
            "2 rules are broken:\n"
            "  EFER: reserved bits are 0\n"
            "      (APM vol. 2, section \"Canonicalization and Consistency Checks\")\n"
            "      EFER = 0000000000001002\n"
            "        bit 1 SVME\n"
            "  EVENTINJ: the vector of an exception is one of an exception, not 2\n"
            "      (APM vol. 2, section \"Event Injection\")\n"
            "      event injection = 0000000080000302\n"
            "        exception, NMI\n");
}

TEST(ExplainVmrunFailure, SaysWhenNoRuleIsBroken) {
  const auto vmcb = blank();
  vmcb->efer = MKVM_EFER_SVME;
  vmcb->intercept[1] = 1;
  vmcb->asid = 1;
  EXPECT_THAT(explain_vmrun_failure(kCaps, *vmcb), HasSubstr("every rule that it knows kept"));
  vmcb->asid = 0;
  EXPECT_THAT(explain_vmrun_failure(kCaps, *vmcb), HasSubstr("\n1 rule is broken:\n  ASID"));
}

// Each field that a finding can name has a name here.
TEST(ExplainVmrunFailure, EveryRuleCanBeShown) {
  const auto vmcb = blank();
  std::memset(vmcb.get(), 0xff, sizeof(*vmcb));
  vmcb->cr0 &= ~0x10001ull;
  const std::string text = explain_vmrun_failure(kCaps, *vmcb);
  EXPECT_THAT(text, HasSubstr("CS attributes = ffff"));
  EXPECT_THAT(text, HasSubstr("nested CR3 = ffffffffffffffff"));
}

}  // namespace
}  // namespace minikvm::cli
