// SPDX-License-Identifier: GPL-2.0-only
#include "machine/config.h"

#include <gtest/gtest.h>

namespace minikvm {
namespace {

using std::chrono::milliseconds;

TEST(ParseSize, KnowsTheUnits) {
  EXPECT_EQ(parse_size("256M"), 256 * MiB);
  EXPECT_EQ(parse_size("2g"), 2 * GiB);
  EXPECT_EQ(parse_size("4096K"), 4 * MiB);
  EXPECT_EQ(parse_size("64"), 64 * MiB);
}

TEST(ParseSize, RefusesWhatIsNoSize) {
  for (const char* text : {"", "M", "-1M", "1.5G", "12Q", "12MM", "0x10", " 1M"})
    EXPECT_FALSE(parse_size(text)) << text;
}

TEST(ParseSize, DoesNotWrap) {
  EXPECT_FALSE(parse_size("99999999999999999999"));
  EXPECT_FALSE(parse_size("18446744073709551615G"));
  EXPECT_FALSE(parse_size("17179869184G"));  // 2^64 bytes
  EXPECT_EQ(parse_size("1024G"), kMostRam);
  EXPECT_FALSE(parse_size("1025G"));
}

TEST(ParseSerial, KnowsTheThreeKinds) {
  EXPECT_EQ(parse_serial("stdio")->kind, SerialConfig::Kind::stdio);
  EXPECT_EQ(parse_serial("null")->kind, SerialConfig::Kind::null);
  EXPECT_EQ(parse_serial("file:/tmp/a:b")->path, "/tmp/a:b");
}

TEST(ParseSerial, RefusesTheRest) {
  for (const char* text : {"", "file:", "file", "tty", "stdio "})
    EXPECT_FALSE(parse_serial(text)) << text;
}

TEST(ParseTimeout, TakesSecondsWithDecimals) {
  EXPECT_EQ(parse_timeout("3"), milliseconds{3000});
  EXPECT_EQ(parse_timeout("0.25"), milliseconds{250});
  EXPECT_EQ(parse_timeout("0.0001"), milliseconds{1});  // never 0, which would be none
}

TEST(ParseTimeout, RefusesTheRest) {
  for (const char* text : {"", "0", "-1", "nan", "inf", "1s", "1e10"})
    EXPECT_FALSE(parse_timeout(text)) << text;
}

MachineConfig valid() {
  MachineConfig config;
  config.boot.kernel = "vmlinuz";
  return config;
}

TEST(Validate, TheDefaultsAreValid) { EXPECT_TRUE(validate(valid())); }

TEST(Validate, MemoryHasLimits) {
  MachineConfig config = valid();
  config.ram_bytes = kLeastRam;
  EXPECT_TRUE(validate(config));
  config.ram_bytes = kLeastRam - kPageSize;
  EXPECT_FALSE(validate(config));
  config.ram_bytes = kLeastRam + 1 * KiB;
  EXPECT_FALSE(validate(config));
  config.ram_bytes = kMostRam + kPageSize;
  EXPECT_FALSE(validate(config));
}

TEST(Validate, AKernelIsNeeded) { EXPECT_FALSE(validate(MachineConfig{})); }

}  // namespace
}  // namespace minikvm
