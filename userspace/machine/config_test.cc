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

TEST(ParseCpus, TakesOneTo255) {
  EXPECT_EQ(parse_cpus("1"), 1u);
  EXPECT_EQ(parse_cpus("255"), 255u);
  for (const char* text : {"", "0", "256", "-1", "2x", "two"})
    EXPECT_FALSE(parse_cpus(text)) << text;
}

TEST(ParseIrqchip, KnowsItsWords) {
  EXPECT_EQ(parse_irqchip("kernel"), Irqchip::kernel);
  EXPECT_EQ(parse_irqchip("split"), Irqchip::split);
  EXPECT_EQ(parse_irqchip("off"), Irqchip::off);
  EXPECT_FALSE(parse_irqchip("on"));
  EXPECT_FALSE(parse_irqchip(""));
}

TEST(ParseSeconds, TakesSecondsWithDecimals) {
  EXPECT_EQ(parse_seconds("3", "timeout"), milliseconds{3000});
  EXPECT_EQ(parse_seconds("0.25", "timeout"), milliseconds{250});
  EXPECT_EQ(parse_seconds("0.0001", "timeout"), milliseconds{1});  // never 0, which would be none
}

TEST(ParseSeconds, RefusesTheRest) {
  for (const char* text : {"", "0", "-1", "nan", "inf", "1s", "1e10"})
    EXPECT_FALSE(parse_seconds(text, "timeout")) << text;
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

TEST(Validate, SeveralCpusNeedLocalApics) {
  MachineConfig config = valid();
  config.cpus = 2;
  EXPECT_TRUE(validate(config));
  config.irqchip = Irqchip::off;
  EXPECT_FALSE(validate(config));
  config.cpus = 1;
  EXPECT_TRUE(validate(config));
}

TEST(Validate, ASnapshotNeedsNoKernel) {
  MachineConfig config;
  config.restore = "saved";
  EXPECT_TRUE(validate(config));
}

TEST(Validate, ATimeForTheSnapshotNeedsItsFile) {
  MachineConfig config = valid();
  config.snapshot_after = milliseconds{1};
  EXPECT_FALSE(validate(config));
  config.snapshot = "saved";
  EXPECT_TRUE(validate(config));
}

TEST(Validate, AKernelIsNeeded) { EXPECT_FALSE(validate(MachineConfig{})); }

}  // namespace
}  // namespace minikvm
