// SPDX-License-Identifier: GPL-2.0-only
#include "pgtable.h"

#include <gtest/gtest.h>

namespace {

constexpr uint32_t kRead = MKVM_ACCESS_READ;
constexpr uint32_t kWrite = MKVM_ACCESS_WRITE;
constexpr uint32_t kExec = MKVM_ACCESS_EXEC;

const mkvm_pgtable_format* const kFormats[] = {&mkvm_pgtable_ept, &mkvm_pgtable_npt};

TEST(Pgtable, EptLeafIsWriteBackAndIgnoresPat) {
  const uint64_t leaf = mkvm_pgtable_make_leaf(&mkvm_pgtable_ept, 0x123000, 1, kRead);
  EXPECT_EQ(leaf & 7, 1u);
  EXPECT_EQ(leaf >> 3 & 7, 6u);
  EXPECT_TRUE(leaf & 1 << 6);
  EXPECT_FALSE(leaf & 1 << 7);
  EXPECT_EQ(mkvm_pgtable_pa(leaf), 0x123000u);
}

TEST(Pgtable, EptTableAllowsEverythingAndHasNoMemoryType) {
  const uint64_t table = mkvm_pgtable_make_table(&mkvm_pgtable_ept, 0x456000);
  EXPECT_EQ(table & 7, 7u);
  EXPECT_EQ(table & 0xf8, 0u);
}

TEST(Pgtable, EptNeverWritesWithoutRead) {
  for (const uint32_t access : {0u, kWrite, kWrite | kExec, kExec})
    EXPECT_TRUE(mkvm_pgtable_make_leaf(&mkvm_pgtable_ept, 0, 1, access) & 1);
}

// To the nested walk every access of the guest is a user's.
TEST(Pgtable, NestedEntriesAreTheUsersAndWriteBack) {
  const uint64_t leaf = mkvm_pgtable_make_leaf(&mkvm_pgtable_npt, 0x123000, 1, kRead | kExec);
  const uint64_t table = mkvm_pgtable_make_table(&mkvm_pgtable_npt, 0x456000);
  EXPECT_EQ(leaf & 0xfff, 0x65u);   // P, U, A, D; PAT index 0
  EXPECT_EQ(table & 0xfff, 0x27u);  // P, W, U, A
  EXPECT_FALSE(leaf >> 63);
  EXPECT_TRUE(mkvm_pgtable_make_leaf(&mkvm_pgtable_npt, 0x123000, 1, kRead) >> 63);
}

TEST(Pgtable, ZeroIsNotPresent) {
  for (const auto* f : kFormats) EXPECT_FALSE(mkvm_pgtable_is_present(f, 0));
}

TEST(Pgtable, LeafAllowsWhatItWasMadeFor) {
  for (const auto* f : kFormats)
    for (uint32_t made = 0; made < 8; ++made)
      for (uint32_t asked = 0; asked < 8; ++asked) {
        const uint64_t leaf = mkvm_pgtable_make_leaf(f, 0x1000, 1, made);
        const bool subset = (asked & ~(made | kRead)) == 0;
        EXPECT_EQ(mkvm_pgtable_allows(f, leaf, asked), subset) << made << " " << asked;
      }
}

TEST(Pgtable, LeafRemembersThatTheHostLetsTheGuestWrite) {
  for (const auto* f : kFormats) {
    const uint64_t leaf = mkvm_pgtable_make_leaf(f, 0x1000, 1, kWrite);
    EXPECT_TRUE(leaf & MKVM_PGTABLE_HOST_WRITES);
    EXPECT_FALSE(mkvm_pgtable_allows(f, leaf & ~f->write, kWrite)) << "no bit that the CPU reads";
    EXPECT_FALSE(mkvm_pgtable_make_leaf(f, 0x1000, 1, kExec) & MKVM_PGTABLE_HOST_WRITES);
  }
}

TEST(Pgtable, LeavesAndTablesAreToldApart) {
  for (const auto* f : kFormats) {
    const uint64_t table = mkvm_pgtable_make_table(f, 0x1000);
    const uint64_t large = mkvm_pgtable_make_leaf(f, 0x200000, 2, kRead | kWrite);
    const uint64_t small = mkvm_pgtable_make_leaf(f, 0x1000, 1, kRead | kWrite);
    EXPECT_TRUE(mkvm_pgtable_is_present(f, table));
    EXPECT_FALSE(mkvm_pgtable_is_leaf(f, table, 2));
    EXPECT_TRUE(mkvm_pgtable_is_leaf(f, large, 2));
    EXPECT_TRUE(mkvm_pgtable_is_leaf(f, small, 1));
  }
}

TEST(Pgtable, LargeLeafDropsTheLowAddressBits) {
  const uint64_t leaf = mkvm_pgtable_make_leaf(&mkvm_pgtable_ept, 0x12345000, 2, kRead);
  EXPECT_EQ(mkvm_pgtable_pa(leaf), 0x12200000u);
  const uint64_t giant = mkvm_pgtable_make_leaf(&mkvm_pgtable_ept, 0x7fffffffff000, 3, kRead);
  EXPECT_EQ(mkvm_pgtable_pa(giant), 0x7ffffc0000000u);
}

TEST(Pgtable, IndexTakesNineBitsPerLevel) {
  const uint64_t gfn = (1ull << 27) | (2ull << 18) | (3ull << 9) | 4;
  EXPECT_EQ(mkvm_pgtable_index(gfn, 4), 1u);
  EXPECT_EQ(mkvm_pgtable_index(gfn, 3), 2u);
  EXPECT_EQ(mkvm_pgtable_index(gfn, 2), 3u);
  EXPECT_EQ(mkvm_pgtable_index(gfn, 1), 4u);
}

TEST(Pgtable, SpanAndLimit) {
  EXPECT_EQ(mkvm_pgtable_span(1), 1u);
  EXPECT_EQ(mkvm_pgtable_span(2), 512u);
  EXPECT_EQ(mkvm_pgtable_span(3), 512u * 512);
  EXPECT_EQ(MKVM_PGTABLE_GFN_LIMIT, 1ull << 36);
}

}  // namespace
