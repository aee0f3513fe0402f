// SPDX-License-Identifier: GPL-2.0-only
#include "segment.h"

#include <gtest/gtest.h>

#include <optional>

namespace {

constexpr uint32_t kRead = MKVM_ACCESS_READ;
constexpr uint32_t kWrite = MKVM_ACCESS_WRITE;
constexpr uint32_t kExec = MKVM_ACCESS_EXEC;

kvm_segment segment(uint64_t base, uint32_t limit, uint8_t type) {
  kvm_segment s{};
  s.base = base;
  s.limit = limit;
  s.type = type;
  s.present = s.s = s.db = 1;
  return s;
}

std::optional<uint64_t> linear(const kvm_segment& s, mkvm_segment_rules rules, uint64_t offset,
                               uint32_t size, uint32_t access, bool flat = true) {
  u64 out = 0;
  if (!mkvm_segment_linear(&s, rules, flat, offset, size, access, &out)) return std::nullopt;
  return out;
}

TEST(Segment, RealModeAddsTheBaseAndChecksTheLimit) {
  const auto s = segment(0x12340, 0xffff, 3);
  EXPECT_EQ(linear(s, MKVM_SEGMENT_REAL, 0x10, 2, kWrite), 0x12350u);
  EXPECT_TRUE(linear(s, MKVM_SEGMENT_REAL, 0xfffe, 2, kRead));
  EXPECT_FALSE(linear(s, MKVM_SEGMENT_REAL, 0xffff, 2, kRead));
}

TEST(Segment, RealModeWritesThroughCs) {
  const auto code = segment(0, 0xffff, 0xb);
  EXPECT_TRUE(linear(code, MKVM_SEGMENT_REAL, 0, 1, kWrite));
  EXPECT_FALSE(linear(code, MKVM_SEGMENT_PROTECTED, 0, 1, kWrite));
}

TEST(Segment, ReadOnlyDataIsNotWritten) {
  const auto s = segment(0, ~0u, 1);
  EXPECT_TRUE(linear(s, MKVM_SEGMENT_PROTECTED, 0, 4, kRead));
  EXPECT_FALSE(linear(s, MKVM_SEGMENT_PROTECTED, 0, 4, kWrite));
}

TEST(Segment, ExecuteOnlyCodeIsNotRead) {
  const auto s = segment(0, ~0u, 9);
  EXPECT_FALSE(linear(s, MKVM_SEGMENT_PROTECTED, 0, 4, kRead));
  EXPECT_TRUE(linear(s, MKVM_SEGMENT_PROTECTED, 0, 4, kExec));
}

TEST(Segment, UnusableNotPresentAndSystemSegmentsFault) {
  auto s = segment(0, ~0u, 3);
  s.unusable = 1;
  EXPECT_FALSE(linear(s, MKVM_SEGMENT_PROTECTED, 0, 1, kRead));
  s = segment(0, ~0u, 3);
  s.present = 0;
  EXPECT_FALSE(linear(s, MKVM_SEGMENT_PROTECTED, 0, 1, kRead));
  s = segment(0, ~0u, 3);
  s.s = 0;
  EXPECT_FALSE(linear(s, MKVM_SEGMENT_PROTECTED, 0, 1, kRead));
}

TEST(Segment, ExpandDownIsAboveTheLimit) {
  auto s = segment(0, 0xfff, 7);
  EXPECT_FALSE(linear(s, MKVM_SEGMENT_PROTECTED, 0xfff, 1, kRead));
  EXPECT_TRUE(linear(s, MKVM_SEGMENT_PROTECTED, 0x1000, 1, kRead));
  EXPECT_TRUE(linear(s, MKVM_SEGMENT_PROTECTED, 0x10000, 1, kRead));
  s.db = 0;
  EXPECT_FALSE(linear(s, MKVM_SEGMENT_PROTECTED, 0x10000, 1, kRead));
}

TEST(Segment, LegacyAddressesWrapAt4GiB) {
  const auto s = segment(0xfffff000, ~0u, 3);
  EXPECT_EQ(linear(s, MKVM_SEGMENT_PROTECTED, 0x1000, 1, kRead), 0u);
}

TEST(Segment, OffsetPlusSizeDoesNotWrapTheLimitCheck) {
  const auto s = segment(0, ~0u, 3);
  EXPECT_TRUE(linear(s, MKVM_SEGMENT_PROTECTED, 0xffffffff, 1, kRead));
  EXPECT_FALSE(linear(s, MKVM_SEGMENT_PROTECTED, 0xffffffff, 2, kRead));
}

TEST(Segment, LongModeIgnoresBaseLimitAndTypeButForFsAndGs) {
  auto s = segment(0x1000, 0, 0);
  EXPECT_EQ(linear(s, MKVM_SEGMENT_LONG, 0x5000, 8, kWrite), 0x5000u);
  EXPECT_EQ(linear(s, MKVM_SEGMENT_LONG, 0x5000, 8, kWrite, false), 0x6000u);
}

TEST(Segment, LongModeWantsCanonicalAddresses) {
  const auto s = segment(0, 0, 0);
  EXPECT_TRUE(linear(s, MKVM_SEGMENT_LONG, 0x7ffffffffff8, 8, kRead));
  EXPECT_FALSE(linear(s, MKVM_SEGMENT_LONG, 0x7ffffffffff9, 8, kRead));
  EXPECT_FALSE(linear(s, MKVM_SEGMENT_LONG, 0x800000000000, 1, kRead));
  EXPECT_TRUE(linear(s, MKVM_SEGMENT_LONG, 0xffff800000000000, 1, kRead));
  EXPECT_TRUE(linear(s, MKVM_SEGMENT_LONG57, 0x800000000000, 1, kRead));
  EXPECT_FALSE(linear(s, MKVM_SEGMENT_LONG57, 1ull << 56, 1, kRead));
}

}  // namespace
