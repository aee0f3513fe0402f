// SPDX-License-Identifier: GPL-2.0-only
#include "boot/entry.h"

#include <gtest/gtest.h>

#include <optional>

#include "memory/layout.h"

namespace minikvm::boot {
namespace {

// The state of a CPU after reset, as far as apply() keeps any of it.
kvm_sregs after_reset() {
  kvm_sregs sregs{};
  sregs.cs.base = 0xffff0000;
  sregs.cs.selector = 0xf000;
  sregs.cs.limit = 0xffff;
  sregs.cr0 = 0x60000010;
  return sregs;
}

// What the guest's page walk finds: SDM vol. 3, "4-Level Paging".
std::optional<uint64_t> translate(const GuestMemory& ram, uint64_t linear) {
  uint64_t table = raw(layout::kPageTables);
  for (int shift = 39;; shift -= 9) {
    const auto entry = ram.read<uint64_t>(Gpa{table + (linear >> shift & 511) * 8});
    if (!entry || !(*entry & 1)) return std::nullopt;
    const uint64_t address = *entry & 0x000ffffffffff000;
    const uint64_t mask = (1ull << shift) - 1;
    if (*entry & 0x80) return (address & ~mask) | (linear & mask);
    table = address;
  }
}

TEST(PageTables, MapTheFirstFourGibToThemselves) {
  const auto ram = GuestMemory::create(2 * MiB).value();
  ASSERT_TRUE(write_tables(Mode::long64, ram));
  for (const uint64_t linear : {uint64_t{0}, 0x200123 * uint64_t{1}, 0x3fffffff * uint64_t{1},
                                1 * GiB, 3 * GiB + 5, 4 * GiB - 1})
    EXPECT_EQ(translate(ram, linear), linear);
  EXPECT_EQ(translate(ram, 4 * GiB), std::nullopt);
}

TEST(PageTables, AreNotWrittenOutsideLongMode) {
  const auto ram = GuestMemory::create(2 * MiB).value();
  ASSERT_TRUE(write_tables(Mode::protected32, ram));
  ASSERT_TRUE(write_tables(Mode::real, ram));
  EXPECT_EQ(ram.read<uint64_t>(layout::kPageTables).value(), 0u);
}

TEST(PageTables, StayBelowTheCommandLine) {
  const auto ram = GuestMemory::create(2 * MiB).value();
  ASSERT_TRUE(write_tables(Mode::long64, ram));
  EXPECT_EQ(ram.read<uint64_t>(layout::kCommandLine).value(), 0u);
}

TEST(Gdt, HasLinuxBootSelectors) {
  const auto ram = GuestMemory::create(2 * MiB).value();
  ASSERT_TRUE(write_tables(Mode::long64, ram));
  EXPECT_EQ(ram.read<uint64_t>(layout::kGdt).value(), 0u);
  EXPECT_EQ(ram.read<uint64_t>(layout::kGdt + kCodeSelector).value(), 0x00af9b000000ffffu);
  EXPECT_EQ(ram.read<uint64_t>(layout::kGdt + kDataSelector).value(), 0x00cf93000000ffffu);
  EXPECT_EQ(ram.read<uint64_t>(layout::kGdt + kTssSelector).value(), 0x00008b0000000067u);
}

TEST(Gdt, CodeIs32BitsWideInProtectedMode) {
  const auto ram = GuestMemory::create(2 * MiB).value();
  ASSERT_TRUE(write_tables(Mode::protected32, ram));
  EXPECT_EQ(ram.read<uint64_t>(layout::kGdt + kCodeSelector).value(), 0x00cf9b000000ffffu);
}

TEST(Apply, LongModeIsOnAndConsistent) {
  kvm_regs regs{};
  kvm_sregs sregs = after_reset();
  apply({.mode = Mode::long64, .rip = 0x1000200, .rsp = 0x80000, .rsi = 0x7000}, regs, sregs);
  EXPECT_EQ(regs.rip, 0x1000200u);
  EXPECT_EQ(regs.rsi, 0x7000u);
  EXPECT_EQ(regs.rflags, 2u);  // interrupts off
  EXPECT_EQ(sregs.cr0, 0x80000011u);
  EXPECT_EQ(sregs.cr3, raw(layout::kPageTables));
  EXPECT_EQ(sregs.cr4, 0x20u);
  EXPECT_EQ(sregs.efer, 0x500u);
  EXPECT_EQ(sregs.cs.selector, kCodeSelector);
  EXPECT_TRUE(sregs.cs.l);
  EXPECT_FALSE(sregs.cs.db);  // L and D together are reserved
  EXPECT_EQ(sregs.ss.selector, kDataSelector);
  EXPECT_EQ(sregs.tr.type, 11);
  EXPECT_TRUE(sregs.ldt.unusable);
  EXPECT_EQ(sregs.gdt.base, raw(layout::kGdt));
}

TEST(Apply, ProtectedModeIsFlatWithoutPaging) {
  kvm_regs regs{};
  kvm_sregs sregs = after_reset();
  apply({.mode = Mode::protected32, .rip = 0x1000000, .rbx = 0x7000}, regs, sregs);
  EXPECT_EQ(regs.rbx, 0x7000u);
  EXPECT_EQ(sregs.cr0, 0x11u);
  EXPECT_EQ(sregs.cr4, 0u);
  EXPECT_EQ(sregs.efer, 0u);
  EXPECT_TRUE(sregs.cs.db);
  EXPECT_FALSE(sregs.cs.l);
  EXPECT_EQ(sregs.cs.limit, 0xffffffffu);
  EXPECT_EQ(sregs.cs.base, 0u);
}

TEST(Apply, RealModeStartsAtSegmentZero) {
  kvm_regs regs{};
  kvm_sregs sregs = after_reset();
  apply({.mode = Mode::real, .rip = 0x7c00, .rsp = 0x7c00}, regs, sregs);
  EXPECT_EQ(regs.rip, 0x7c00u);
  EXPECT_EQ(regs.rsp, 0x7c00u);
  EXPECT_EQ(sregs.cs.base, 0u);
  EXPECT_EQ(sregs.cs.selector, 0u);
  EXPECT_EQ(sregs.cs.limit, 0xffffu);
  EXPECT_EQ(sregs.cr0 & 1, 0u);
}

}  // namespace
}  // namespace minikvm::boot
