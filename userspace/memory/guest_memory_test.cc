// SPDX-License-Identifier: GPL-2.0-only
#include "memory/guest_memory.h"

#include <gtest/gtest.h>

#include <array>

#include "memory/layout.h"

namespace minikvm {
namespace {

TEST(GuestMemory, SmallMemoryIsOneRegionAtZero) {
  const auto ram = GuestMemory::create(2 * MiB).value();
  ASSERT_EQ(ram.regions().size(), 1u);
  EXPECT_EQ(ram.regions()[0].base, Gpa{0});
  EXPECT_EQ(ram.low_end(), Gpa{2 * MiB});
  EXPECT_EQ(ram.size(), 2 * MiB);
}

TEST(GuestMemory, LargeMemoryIsSplitAroundTheHole) {
  const auto ram = GuestMemory::create(4 * GiB).value();
  ASSERT_EQ(ram.regions().size(), 2u);
  EXPECT_EQ(ram.low_end(), layout::kHoleStart);
  EXPECT_EQ(ram.regions()[1].base, layout::kHoleEnd);
  EXPECT_EQ(ram.regions()[1].bytes.size(), 1 * GiB);
  EXPECT_TRUE(ram.at(Gpa{5 * GiB - 1}, 1));
  EXPECT_FALSE(ram.at(Gpa{5 * GiB}, 1));
}

TEST(GuestMemory, NothingAnswersInTheHole) {
  const auto ram = GuestMemory::create(4 * GiB).value();
  EXPECT_FALSE(ram.at(layout::kHoleStart, 1));
  EXPECT_FALSE(ram.at(Gpa{raw(layout::kHoleEnd) - 1}, 1));
  EXPECT_FALSE(ram.at(Gpa{raw(layout::kHoleStart) - 1}, 2));
  EXPECT_FALSE(ram.at(Gpa{raw(layout::kHoleStart) - 1}, 1 * GiB + 2));
}

TEST(GuestMemory, RangesEndExactlyAtTheEndOfRam) {
  const auto ram = GuestMemory::create(1 * MiB).value();
  EXPECT_EQ(ram.at(Gpa{0}, 1 * MiB).value().size(), 1 * MiB);
  EXPECT_FALSE(ram.at(Gpa{0}, 1 * MiB + 1));
  EXPECT_TRUE(ram.at(Gpa{1 * MiB - 1}, 1));
  EXPECT_FALSE(ram.at(Gpa{1 * MiB - 1}, 2));
  EXPECT_FALSE(ram.at(Gpa{1 * MiB}, 1));
}

TEST(GuestMemory, SumsThatWrapAreRefused) {
  const auto ram = GuestMemory::create(1 * MiB).value();
  EXPECT_FALSE(ram.at(Gpa{~0ull}, 1));
  EXPECT_FALSE(ram.at(Gpa{~0ull}, ~0ull));
  EXPECT_FALSE(ram.at(Gpa{16}, ~0ull));
  EXPECT_FALSE(ram.at(Gpa{16}, ~0ull - 15));
}

TEST(GuestMemory, AnErrorNamesTheRange) {
  const auto ram = GuestMemory::create(1 * MiB).value();
  EXPECT_EQ(ram.at(Gpa{0x100000}, 4).error().code, EFAULT);
  EXPECT_NE(ram.at(Gpa{0x100000}, 4).error().text().find("4 bytes at 0x100000"), std::string::npos);
}

TEST(GuestMemory, WhatIsWrittenIsRead) {
  const auto ram = GuestMemory::create(1 * MiB).value();
  ASSERT_TRUE(ram.write(Gpa{0xfff}, uint64_t{0x1122334455667788}));  // unaligned, two pages
  EXPECT_EQ(ram.read<uint64_t>(Gpa{0xfff}).value(), 0x1122334455667788u);
  EXPECT_EQ(ram.read<uint8_t>(Gpa{0xfff}).value(), 0x88);
}

TEST(GuestMemory, AWriteThatDoesNotFitWritesNothing) {
  const auto ram = GuestMemory::create(1 * MiB).value();
  EXPECT_FALSE(ram.write(Gpa{1 * MiB - 4}, ~0ull));
  EXPECT_EQ(ram.read<uint32_t>(Gpa{1 * MiB - 4}).value(), 0u);
}

TEST(GuestMemory, RefusesSizesThatAreNoPages) {
  EXPECT_EQ(GuestMemory::create(0).error().code, EINVAL);
  EXPECT_EQ(GuestMemory::create(4095).error().code, EINVAL);
}

TEST(GuestMemory, MoreThanTheHostCanMapIsAnError) {
  const auto ram = GuestMemory::create(1ull << 60);
  ASSERT_FALSE(ram);
  EXPECT_NE(ram.error().text().find("guest memory"), std::string::npos);
}

TEST(GuestMemory, HostAndGuestHugePagesLineUp) {
  for (const uint64_t size : {4 * GiB, 4 * MiB + 4 * KiB, 6 * MiB + 8 * KiB}) {
    const auto ram = GuestMemory::create(size).value();
    for (const auto& region : ram.regions())
      EXPECT_EQ(reinterpret_cast<uintptr_t>(region.bytes.data()) % (2 * MiB),
                raw(region.base) % (2 * MiB));
  }
}

TEST(Align, RoundsBothWays) {
  EXPECT_EQ(align_up(1, 4096), 4096u);
  EXPECT_EQ(align_up(4096, 4096), 4096u);
  EXPECT_EQ(align_down(4097, 4096), 4096u);
}

}  // namespace
}  // namespace minikvm
