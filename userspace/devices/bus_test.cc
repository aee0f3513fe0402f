// SPDX-License-Identifier: GPL-2.0-only
#include "devices/bus.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace minikvm {
namespace {

// Answers its number and notes what it was asked.
struct Recorder final : IoDevice {
  explicit Recorder(uint8_t number) : number(number) {}
  void read(uint64_t offset, std::span<std::byte> out) override {
    offsets.push_back(offset);
    for (std::byte& byte : out) byte = std::byte{number};
  }
  void write(uint64_t offset, std::span<const std::byte> in) override {
    offsets.push_back(offset);
    written.assign(in.begin(), in.end());
  }
  uint8_t number;
  std::vector<uint64_t> offsets;
  std::vector<std::byte> written;
};

class BusTest : public ::testing::Test {
 protected:
  // What a read of `size` bytes gives: the devices' numbers, or 0xff.
  std::vector<int> read(uint64_t address, size_t size) {
    std::vector<std::byte> bytes(size);
    claimed = bus.read(address, bytes);
    std::vector<int> out;
    for (const std::byte byte : bytes) out.push_back(std::to_integer<int>(byte));
    return out;
  }

  Bus bus{0xffff};
  Recorder one{1}, two{2};
  bool claimed = false;
};

TEST_F(BusTest, FindsTheDeviceAndCountsFromItsBase) {
  ASSERT_TRUE(bus.add("one", 0x3f8, 8, one));
  ASSERT_TRUE(bus.add("two", 0x400, 8, two));
  EXPECT_EQ(read(0x3f8, 1), std::vector{1});
  EXPECT_EQ(read(0x3ff, 1), std::vector{1});
  EXPECT_EQ(read(0x400, 1), std::vector{2});
  EXPECT_EQ(one.offsets, (std::vector<uint64_t>{0, 7}));
  EXPECT_EQ(two.offsets, (std::vector<uint64_t>{0}));
}

TEST_F(BusTest, UnclaimedReadsAreAllOnes) {
  ASSERT_TRUE(bus.add("one", 0x100, 1, one));
  EXPECT_EQ(read(0xff, 1), std::vector{0xff});
  EXPECT_FALSE(claimed);
  EXPECT_EQ(read(0x101, 4), (std::vector{0xff, 0xff, 0xff, 0xff}));
  EXPECT_EQ(read(0x100, 1), std::vector{1});
  EXPECT_TRUE(claimed);
}

TEST_F(BusTest, UnclaimedWritesGoNowhere) {
  ASSERT_TRUE(bus.add("one", 0x100, 1, one));
  const std::array bytes{std::byte{7}};
  EXPECT_FALSE(bus.write(0x101, bytes));
  EXPECT_TRUE(one.written.empty());
  EXPECT_TRUE(bus.write(0x100, bytes));
  EXPECT_EQ(one.written, std::vector{std::byte{7}});
}

TEST_F(BusTest, AnAccessNeverStraddlesTwoDevices) {
  ASSERT_TRUE(bus.add("one", 0x100, 2, one));
  ASSERT_TRUE(bus.add("two", 0x102, 2, two));
  EXPECT_EQ(read(0x101, 2), (std::vector{0xff, 0xff}));
  EXPECT_EQ(read(0x103, 2), (std::vector{0xff, 0xff}));
  EXPECT_EQ(read(0xff, 2), (std::vector{0xff, 0xff}));
  EXPECT_TRUE(one.offsets.empty());
  EXPECT_TRUE(two.offsets.empty());
}

TEST_F(BusTest, RefusesOverlaps) {
  ASSERT_TRUE(bus.add("one", 0x100, 0x10, one));
  for (const auto& [base, size] :
       {std::pair{0x100, 0x10}, {0x108, 1}, {0xf0, 0x11}, {0x10f, 1}, {0xff, 0x20}})
    EXPECT_EQ(bus.add("two", base, size, two).error().code, EEXIST) << base;
  EXPECT_TRUE(bus.add("two", 0xf0, 0x10, two));
  EXPECT_TRUE(bus.add("two again", 0x110, 1, two));
}

TEST_F(BusTest, TheErrorNamesBothDevices) {
  ASSERT_TRUE(bus.add("serial", 0x3f8, 8, one));
  const std::string text = bus.add("rtc", 0x3f0, 9, two).error().text();
  EXPECT_NE(text.find("serial"), std::string::npos) << text;
  EXPECT_NE(text.find("rtc"), std::string::npos) << text;
}

TEST_F(BusTest, RefusesRangesOutsideTheAddressSpace) {
  EXPECT_EQ(bus.add("empty", 0x100, 0, one).error().code, EINVAL);
  EXPECT_EQ(bus.add("beyond", 0x10000, 1, one).error().code, EINVAL);
  EXPECT_EQ(bus.add("across", 0xffff, 2, one).error().code, EINVAL);
  EXPECT_TRUE(bus.add("last", 0xffff, 1, one));
}

TEST(Bus, TheLastAddressOfA64BitSpaceWorks) {
  Bus bus{~0ull};
  Recorder top{3};
  EXPECT_FALSE(bus.add("wraps", ~0ull, 2, top));
  ASSERT_TRUE(bus.add("top", ~0ull - 7, 8, top));
  std::array<std::byte, 8> bytes;
  EXPECT_TRUE(bus.read(~0ull - 7, bytes));
  EXPECT_FALSE(bus.read(~0ull - 6, bytes));
  EXPECT_TRUE(bus.read(~0ull, std::span(bytes).first(1)));
}

TEST_F(BusTest, AnEmptyAccessReachesNobody) {
  ASSERT_TRUE(bus.add("one", 0x100, 1, one));
  EXPECT_FALSE(bus.read(0x100, {}));
  EXPECT_TRUE(one.offsets.empty());
}

}  // namespace
}  // namespace minikvm
