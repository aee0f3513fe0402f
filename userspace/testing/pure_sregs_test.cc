// SPDX-License-Identifier: GPL-2.0-only
#include "sregs.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace {

constexpr uint64_t kNotCanonical = 0x0000800000000000;

mkvm_guest_cpu some_cpu() {
  mkvm_guest_cpu cpu = {};
  cpu.cr4_allowed = X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE |
                    X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR |
                    X86_CR4_OSXMMEXCPT | X86_CR4_PCIDE | X86_CR4_OSXSAVE;
  cpu.efer_allowed = MKVM_EFER_SCE | MKVM_EFER_LME | MKVM_EFER_LMA | MKVM_EFER_NXE;
  cpu.xcr0_allowed = MKVM_XCR0_X87 | MKVM_XCR0_SSE | MKVM_XCR0_AVX | MKVM_XCR0_AVX512;
  cpu.maxphyaddr = 40;
  cpu.maxlinaddr = 48;
  return cpu;
}

kvm_sregs after_reset() {
  kvm_sregs s = {};
  s.cr0 = 0x60000010;
  s.cs.base = 0xffff0000;
  s.apic_base = MKVM_APIC_BASE_DEFAULT | MKVM_APIC_BASE_ENABLE | MKVM_APIC_BASE_BSP;
  return s;
}

kvm_sregs long_mode() {
  kvm_sregs s = after_reset();
  s.cr0 = X86_CR0_PE | X86_CR0_NE | X86_CR0_PG;
  s.cr3 = 0x1000;
  s.cr4 = X86_CR4_PAE;
  s.efer = MKVM_EFER_LME | MKVM_EFER_LMA;
  s.cs.l = 1;
  return s;
}

TEST(Sregs, StatesThatExist) {
  const mkvm_guest_cpu cpu = some_cpu();
  EXPECT_TRUE(mkvm_sregs_valid(std::array{after_reset()}.data(), &cpu));
  EXPECT_TRUE(mkvm_sregs_valid(std::array{long_mode()}.data(), &cpu));
}

struct Bad {
  const char* name;
  kvm_sregs (*start)();
  void (*edit)(kvm_sregs&);
};

void PrintTo(const Bad& bad, std::ostream* os) { *os << bad.name; }

class BadSregs : public ::testing::TestWithParam<Bad> {};

TEST_P(BadSregs, AreRefused) {
  const mkvm_guest_cpu cpu = some_cpu();
  kvm_sregs s = GetParam().start();
  ASSERT_TRUE(mkvm_sregs_valid(&s, &cpu));
  GetParam().edit(s);
  EXPECT_FALSE(mkvm_sregs_valid(&s, &cpu));
}

INSTANTIATE_TEST_SUITE_P(
    Sregs, BadSregs,
    ::testing::Values(
        Bad{"Cr0Above32Bits", after_reset, [](kvm_sregs& s) { s.cr0 |= 1ull << 32; }},
        Bad{"PagingWithoutProtection", after_reset, [](kvm_sregs& s) { s.cr0 |= X86_CR0_PG; }},
        Bad{"NotWriteThroughWithCaches", after_reset,
            [](kvm_sregs& s) { s.cr0 = X86_CR0_ET | X86_CR0_NW; }},
        Bad{"Cr3BeyondPhysicalWidth", after_reset, [](kvm_sregs& s) { s.cr3 = 1ull << 40; }},
        Bad{"Cr4Unknown", after_reset, [](kvm_sregs& s) { s.cr4 = 1ull << 31; }},
        Bad{"Cr4Vmxe", after_reset, [](kvm_sregs& s) { s.cr4 = X86_CR4_VMXE; }},
        Bad{"Cr4NotInCpuid", after_reset, [](kvm_sregs& s) { s.cr4 = X86_CR4_SMEP; }},
        Bad{"Cr8", after_reset, [](kvm_sregs& s) { s.cr8 = 16; }},
        Bad{"EferUnknown", after_reset, [](kvm_sregs& s) { s.efer = 2; }},
        Bad{"EferSvme", after_reset, [](kvm_sregs& s) { s.efer = 1 << 12; }},
        Bad{"LmaWithoutPaging", after_reset,
            [](kvm_sregs& s) { s.efer = MKVM_EFER_LME | MKVM_EFER_LMA; }},
        Bad{"LmaWithoutLme", long_mode, [](kvm_sregs& s) { s.efer = MKVM_EFER_LMA; }},
        Bad{"LongModeWithoutLma", long_mode, [](kvm_sregs& s) { s.efer = MKVM_EFER_LME; }},
        Bad{"LongModeWithoutPae", long_mode, [](kvm_sregs& s) { s.cr4 = 0; }},
        Bad{"LongCodeOutsideLongMode", after_reset, [](kvm_sregs& s) { s.cs.l = 1; }},
        Bad{"LongCodeWithDefaultSize", long_mode, [](kvm_sregs& s) { s.cs.db = 1; }},
        Bad{"ApicBaseReserved", after_reset, [](kvm_sregs& s) { s.apic_base |= 1; }},
        Bad{"ApicBaseBeyond", after_reset, [](kvm_sregs& s) { s.apic_base |= 1ull << 40; }},
        Bad{"X2apicWithoutEnable", after_reset,
            [](kvm_sregs& s) { s.apic_base = MKVM_APIC_BASE_X2APIC; }},
        Bad{"X2apicNotInCpuid", after_reset,
            [](kvm_sregs& s) { s.apic_base |= MKVM_APIC_BASE_X2APIC; }},
        Bad{"FsBase", after_reset, [](kvm_sregs& s) { s.fs.base = kNotCanonical; }},
        Bad{"GsBase", after_reset, [](kvm_sregs& s) { s.gs.base = kNotCanonical; }},
        Bad{"TrBase", after_reset, [](kvm_sregs& s) { s.tr.base = kNotCanonical; }},
        Bad{"LdtBase", after_reset, [](kvm_sregs& s) { s.ldt.base = kNotCanonical; }},
        Bad{"GdtBase", after_reset, [](kvm_sregs& s) { s.gdt.base = kNotCanonical; }},
        Bad{"IdtBase", after_reset, [](kvm_sregs& s) { s.idt.base = kNotCanonical; }}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Sregs, X2apicWhereTheGuestHasIt) {
  mkvm_guest_cpu cpu = some_cpu();
  cpu.x2apic = true;
  EXPECT_TRUE(mkvm_apic_base_valid(
      MKVM_APIC_BASE_DEFAULT | MKVM_APIC_BASE_ENABLE | MKVM_APIC_BASE_X2APIC, &cpu));
  EXPECT_FALSE(mkvm_apic_base_valid(MKVM_APIC_BASE_DEFAULT | MKVM_APIC_BASE_X2APIC, &cpu));
}

TEST(Sregs, LongModeEnabledButNotYetActive) {
  EXPECT_TRUE(mkvm_mode_valid(X86_CR0_PE, X86_CR4_PAE, MKVM_EFER_LME));
  EXPECT_TRUE(mkvm_mode_valid(X86_CR0_PE, 0, MKVM_EFER_LME));
  EXPECT_TRUE(mkvm_mode_valid(X86_CR0_PE | X86_CR0_PG, 0, 0));
}

TEST(Xcr0, ComponentsThatNeedEachOther) {
  const mkvm_guest_cpu cpu = some_cpu();
  EXPECT_TRUE(mkvm_xcr0_valid(0x1, &cpu));
  EXPECT_TRUE(mkvm_xcr0_valid(0x3, &cpu));
  EXPECT_TRUE(mkvm_xcr0_valid(0x7, &cpu));
  EXPECT_TRUE(mkvm_xcr0_valid(0xe7, &cpu));
  EXPECT_FALSE(mkvm_xcr0_valid(0x0, &cpu));
  EXPECT_FALSE(mkvm_xcr0_valid(0x2, &cpu));
  EXPECT_FALSE(mkvm_xcr0_valid(0x5, &cpu)) << "AVX without SSE";
  EXPECT_FALSE(mkvm_xcr0_valid(0x27, &cpu)) << "a part of AVX-512";
  EXPECT_FALSE(mkvm_xcr0_valid(0xe3, &cpu)) << "AVX-512 without AVX";
  EXPECT_FALSE(mkvm_xcr0_valid(0x207, &cpu)) << "PKRU is not allowed";
}

TEST(Cr0Write, PagingInLongModeNeedsPaeAnd32BitCode) {
  const uint64_t off = X86_CR0_PE, on = X86_CR0_PE | X86_CR0_PG;
  EXPECT_TRUE(mkvm_cr0_write_valid(off, on, 0, 0, false));
  EXPECT_TRUE(mkvm_cr0_write_valid(off, on, X86_CR4_PAE, MKVM_EFER_LME, false));
  EXPECT_FALSE(mkvm_cr0_write_valid(off, on, 0, MKVM_EFER_LME, false));
  EXPECT_FALSE(mkvm_cr0_write_valid(off, on, X86_CR4_PAE, MKVM_EFER_LME, true));
}

TEST(Cr0Write, PagingStaysOnIn64BitCodeAndWithPcids) {
  const uint64_t off = X86_CR0_PE, on = X86_CR0_PE | X86_CR0_PG;
  const uint64_t lma = MKVM_EFER_LME | MKVM_EFER_LMA;
  EXPECT_TRUE(mkvm_cr0_write_valid(on, off, X86_CR4_PAE, lma, false));
  EXPECT_FALSE(mkvm_cr0_write_valid(on, off, X86_CR4_PAE, lma, true));
  EXPECT_FALSE(mkvm_cr0_write_valid(on, off, X86_CR4_PAE | X86_CR4_PCIDE, lma, false));
}

TEST(Cr0Write, InvalidValues) {
  EXPECT_FALSE(mkvm_cr0_write_valid(0, X86_CR0_PG, 0, 0, false));
  EXPECT_FALSE(mkvm_cr0_write_valid(0, X86_CR0_NW, 0, 0, false));
  EXPECT_FALSE(mkvm_cr0_write_valid(0, 1ull << 63, 0, 0, false));
}

TEST(Cr4Write, PaeStaysOnInLongMode) {
  const mkvm_guest_cpu cpu = some_cpu();
  const uint64_t cr0 = X86_CR0_PE | X86_CR0_PG, lma = MKVM_EFER_LME | MKVM_EFER_LMA;
  EXPECT_TRUE(mkvm_cr4_write_valid(X86_CR4_PAE, X86_CR4_PAE | X86_CR4_PGE, cr0, 0, lma, &cpu));
  EXPECT_FALSE(mkvm_cr4_write_valid(X86_CR4_PAE, 0, cr0, 0, lma, &cpu));
}

TEST(Cr4Write, PcidsNeedLongModeAndPcidZero) {
  const mkvm_guest_cpu cpu = some_cpu();
  const uint64_t cr0 = X86_CR0_PE | X86_CR0_PG, lma = MKVM_EFER_LME | MKVM_EFER_LMA;
  const uint64_t pcide = X86_CR4_PAE | X86_CR4_PCIDE;
  EXPECT_TRUE(mkvm_cr4_write_valid(X86_CR4_PAE, pcide, cr0, 0x1000, lma, &cpu));
  EXPECT_FALSE(mkvm_cr4_write_valid(X86_CR4_PAE, pcide, cr0, 0x1001, lma, &cpu));
  EXPECT_TRUE(mkvm_cr4_write_valid(pcide, pcide | X86_CR4_PGE, cr0, 0x1001, lma, &cpu));
  EXPECT_FALSE(mkvm_cr4_write_valid(X86_CR4_PAE, pcide, cr0, 0x1000, 0, &cpu));
}

TEST(EferWrite, LmeChangesOnlyWithoutPaging) {
  const mkvm_guest_cpu cpu = some_cpu();
  EXPECT_TRUE(mkvm_efer_write_valid(0, MKVM_EFER_LME, X86_CR0_PE, &cpu));
  EXPECT_FALSE(mkvm_efer_write_valid(0, MKVM_EFER_LME, X86_CR0_PE | X86_CR0_PG, &cpu));
  EXPECT_TRUE(mkvm_efer_write_valid(MKVM_EFER_LME, MKVM_EFER_LME | MKVM_EFER_NXE,
                                    X86_CR0_PE | X86_CR0_PG, &cpu));
  EXPECT_FALSE(mkvm_efer_write_valid(0, 1 << 14, 0, &cpu));
}

TEST(EferWithLma, FollowsPagingAndLme) {
  EXPECT_EQ(mkvm_efer_with_lma(MKVM_EFER_LME, X86_CR0_PG), MKVM_EFER_LME | MKVM_EFER_LMA);
  EXPECT_EQ(mkvm_efer_with_lma(MKVM_EFER_LME | MKVM_EFER_LMA, 0), MKVM_EFER_LME);
  EXPECT_EQ(mkvm_efer_with_lma(MKVM_EFER_NXE, X86_CR0_PG), MKVM_EFER_NXE);
}

TEST(Canonical, BothWidths) {
  EXPECT_TRUE(mkvm_canonical(0x00007fffffffffff, 48));
  EXPECT_FALSE(mkvm_canonical(0x0000800000000000, 48));
  EXPECT_TRUE(mkvm_canonical(0xffff800000000000, 48));
  EXPECT_FALSE(mkvm_canonical(0xffff7fffffffffff, 48));
  EXPECT_TRUE(mkvm_canonical(0x00ffffffffffffff, 57));
  EXPECT_FALSE(mkvm_canonical(0x0100000000000000, 57));
}

}  // namespace
