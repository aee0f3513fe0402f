// SPDX-License-Identifier: GPL-2.0-only
#include "pgtable.h"

#include <gtest/gtest.h>

namespace {

constexpr uint32_t kRead = MKVM_ACCESS_READ;
constexpr uint32_t kWrite = MKVM_ACCESS_WRITE;
constexpr uint32_t kExec = MKVM_ACCESS_EXEC;

// What AMD's nested page table will be: the same arithmetic over other bits.
constexpr mkvm_pgtable_format kNested = {
    .levels = 4,
    .max_leaf = 2,
    .present = 1,
    .read = 1,
    .write = 2,
    .exec = 0,
    .no_exec = 1ull << 63,
    .large = 0x80,
    .leaf = 0x64,
    .table = 0x27,
};

const mkvm_pgtable_format* const kFormats[] = {&mkvm_pgtable_ept, &kNested};

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
  EXPECT_EQ(mkvm_pgtable_gfn_limit(&mkvm_pgtable_ept), 1ull << 36);
}

}  // namespace
