// SPDX-License-Identifier: GPL-2.0-only
#include "boot/payload.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "boot/memory_map.h"
#include "memory/layout.h"

namespace minikvm::boot {
namespace {

using ::testing::HasSubstr;

Bytes bytes(const std::string& text) { return std::as_bytes(std::span{text}); }

std::string padded(std::string text) {
  text.resize(align_up(text.size(), 4));
  return text;
}

std::string member(const std::string& name, const std::string& data) {
  std::string header = "070701";
  for (int field = 0; field < 13; ++field)
    header += fmt::format("{:08X}", field == 6 ? data.size() : field == 11 ? name.size() + 1 : 0);
  return padded(header + name + '\0') + padded(data);
}

std::string archive() {
  return member("init", "#!/bin/sh\n") + member("etc/passwd", "root") + member("TRAILER!!!", "");
}

TEST(Slice, EndsExactlyAtTheEndAndDoesNotWrap) {
  const std::string text = "0123456789";
  EXPECT_EQ(slice(bytes(text), 4, 6, "x").value().size(), 6u);
  EXPECT_EQ(slice(bytes(text), 10, 0, "x").value().size(), 0u);
  EXPECT_FALSE(slice(bytes(text), 4, 7, "x"));
  EXPECT_FALSE(slice(bytes(text), 11, 0, "x"));
  EXPECT_FALSE(slice(bytes(text), 1, ~0ull, "x"));
}

TEST(Initrd, AWholeCpioArchivePasses) { EXPECT_TRUE(check_initrd(bytes(archive()))); }

TEST(Initrd, AnArchiveBehindAnotherIsNotLookedAt) {
  EXPECT_TRUE(check_initrd(bytes(archive() + "\x1f\x8b and so on")));
}

TEST(Initrd, EveryCutOfAnArchiveIsNoticed) {
  const std::string whole = archive();
  const size_t trailer = whole.find("TRAILER!!!");
  for (size_t size = 6; size < trailer; ++size) {
    const auto checked = check_initrd(bytes(whole.substr(0, size)));
    ASSERT_FALSE(checked) << size;
    EXPECT_THAT(checked.error().text(), HasSubstr("truncated")) << size;
  }
}

TEST(Initrd, SizesThatWrapAreRefused) {
  std::string huge = archive();
  huge.replace(6 + 6 * 8, 8, "FFFFFFFF");
  EXPECT_FALSE(check_initrd(bytes(huge)));
}

TEST(Initrd, GarbageInAHeaderIsCorrupt) {
  std::string bad = archive();
  bad.replace(6 + 6 * 8, 8, "0000zz00");
  EXPECT_THAT(check_initrd(bytes(bad)).error().text(), HasSubstr("corrupt"));
  std::string lost = archive();
  lost.replace(member("init", "#!/bin/sh\n").size(), 6, "xxxxxx");
  EXPECT_THAT(check_initrd(bytes(lost)).error().text(), HasSubstr("no cpio header"));
}

TEST(Initrd, CompressedFormatsPassByTheirMagic) {
  for (const char* magic : {"\x1f\x8b", "BZh", "\xfd\x37zXZ", "\x28\xb5\x2f\xfd"})
    EXPECT_TRUE(check_initrd(bytes(std::string(magic) + std::string(4, '\0')))) << magic;
}

TEST(Initrd, AnythingElseIsRefused) {
  EXPECT_THAT(check_initrd(bytes("\x7f"
                                 "ELF"))
                  .error()
                  .text(),
              HasSubstr("neither a cpio"));
  EXPECT_FALSE(check_initrd({}));
}

class PlacementTest : public ::testing::Test {
 protected:
  GuestMemory ram_ = GuestMemory::create(4 * MiB).value();
  std::string initrd_ = "\x1f\x8b" + std::string(10000, 'x');
};

TEST_F(PlacementTest, TheInitrdGoesToTheEndOfRam) {
  const Placed placed = place_initrd(ram_, bytes(initrd_), Gpa{2 * MiB}, 0x7fffffff).value();
  EXPECT_EQ(placed.size, initrd_.size());
  EXPECT_EQ(placed.at, Gpa{4 * MiB - 12288});
  EXPECT_EQ(ram_.read<uint8_t>(placed.at).value(), 0x1f);
}

TEST_F(PlacementTest, TheKernelsLimitIsKept) {
  const Placed placed = place_initrd(ram_, bytes(initrd_), Gpa{1 * MiB}, 3 * MiB - 1).value();
  EXPECT_LE(raw(placed.at) + placed.size, 3 * MiB);
}

TEST_F(PlacementTest, TooLittleRoomIsAnError) {
  const auto placed = place_initrd(ram_, bytes(initrd_), Gpa{4 * MiB - 8192}, 0x7fffffff);
  ASSERT_FALSE(placed);
  EXPECT_THAT(placed.error().text(), HasSubstr("too little guest memory"));
  initrd_.resize(5 * MiB);
  EXPECT_FALSE(place_initrd(ram_, bytes(initrd_), Gpa{0}, ~0u));
}

TEST_F(PlacementTest, NoInitrdIsNoError) {
  EXPECT_EQ(place_initrd(ram_, {}, Gpa{1 * MiB}, ~0u).value().size, 0u);
}

TEST_F(PlacementTest, TheCommandLineEndsInNul) {
  ASSERT_TRUE(ram_.write(layout::kCommandLine, ~0ull));
  ASSERT_TRUE(place_command_line(ram_, "quiet", 2047));
  EXPECT_STREQ(reinterpret_cast<char*>(ram_.at(layout::kCommandLine, 6).value().data()), "quiet");
}

TEST_F(PlacementTest, TheCommandLineHasALimit) {
  EXPECT_TRUE(place_command_line(ram_, std::string(2047, 'a'), 2047));
  EXPECT_FALSE(place_command_line(ram_, std::string(2048, 'a'), 2047));
  EXPECT_FALSE(place_command_line(ram_, std::string(layout::kCommandLineRoom, 'a'), ~0u));
}

TEST(MemoryMap, SmallMemoryHasThreeRanges) {
  const auto ram = GuestMemory::create(16 * MiB).value();
  EXPECT_THAT(memory_map(ram),
              ::testing::ElementsAre(MemoryRange{Gpa{0}, 0x9fc00, MemoryType::ram},
                                     MemoryRange{Gpa{0x9fc00}, 0x60400, MemoryType::reserved},
                                     MemoryRange{Gpa{1 * MiB}, 15 * MiB, MemoryType::ram}));
}

TEST(MemoryMap, LargeMemoryGoesOnAboveTheHole) {
  const auto ram = GuestMemory::create(5 * GiB).value();
  const auto map = memory_map(ram);
  ASSERT_EQ(map.size(), 4u);
  EXPECT_EQ(map[2], (MemoryRange{Gpa{1 * MiB}, 3 * GiB - 1 * MiB, MemoryType::ram}));
  EXPECT_EQ(map[3], (MemoryRange{Gpa{4 * GiB}, 2 * GiB, MemoryType::ram}));
}

}  // namespace
}  // namespace minikvm::boot
