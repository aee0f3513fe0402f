// SPDX-License-Identifier: GPL-2.0-only
#include "boot/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "memory/layout.h"

namespace minikvm::boot {
namespace {

using ::testing::HasSubstr;

class ImageTest : public ::testing::Test {
 protected:
  ImageTest() {
    char path[] = "/tmp/minikvm-image-XXXXXX";
    directory_ = ::mkdtemp(path);
  }
  ~ImageTest() override { std::filesystem::remove_all(directory_); }

  std::string file(const std::string& name, const std::string& content) {
    std::ofstream{directory_ / name, std::ios::binary} << content;
    return directory_ / name;
  }
  Error error(const BootConfig& config) {
    const auto entry = load(config, ram_);
    return entry ? Error{} : entry.error();
  }

  std::filesystem::path directory_;
  GuestMemory ram_ = GuestMemory::create(2 * MiB).value();
};

TEST_F(ImageTest, ABinFileIsAFlatRealModeImage) {
  const Entry entry = load({.kernel = file("boot.bin", "\xf4")}, ram_).value();
  EXPECT_EQ(entry.mode, Mode::real);
  EXPECT_EQ(entry.rip, 0x7c00u);
  EXPECT_EQ(ram_.read<uint8_t>(Gpa{0x7c00}).value(), 0xf4);
}

TEST_F(ImageTest, AFlatSixtyFourBitImageIsEnteredInLongMode) {
  const Entry entry =
      load({.kernel = file("boot", "\xf4"), .format = Format::flat64}, ram_).value();
  EXPECT_EQ(entry.mode, Mode::long64);
  EXPECT_EQ(entry.rip, 1 * MiB);
  EXPECT_EQ(entry.rdi, 2 * MiB);
  EXPECT_NE(ram_.read<uint64_t>(layout::kPageTables).value(), 0u);
}

TEST_F(ImageTest, FlatImagesMustFit) {
  EXPECT_FALSE(load({.kernel = file("a.bin", std::string(640 * KiB, 'x'))}, ram_));
  EXPECT_FALSE(
      load({.kernel = file("b", std::string(1 * MiB + 1, 'x')), .format = Format::flat64}, ram_));
}

TEST_F(ImageTest, AMissingKernelIsNamed) {
  const Error error = this->error({.kernel = directory_ / "none"});
  EXPECT_THAT(error.text(), HasSubstr("none: No such file"));
  EXPECT_EQ(error.blame, Error::Blame::image);
}

TEST_F(ImageTest, UnknownContentIsRefusedWithAdvice) {
  const Error error = this->error({.kernel = file("vmlinuz", "this is no kernel")});
  EXPECT_THAT(error.text(), HasSubstr("vmlinuz"));
  EXPECT_THAT(error.text(), HasSubstr("--flat 16"));
}

TEST_F(ImageTest, EmptyFilesAreRefused) {
  EXPECT_THAT(error({.kernel = file("vmlinuz", "")}).text(), HasSubstr("the file is empty"));
  EXPECT_THAT(error({.kernel = file("a.bin", "")}).text(), HasSubstr("the file is empty"));
  EXPECT_THAT(error({.kernel = file("vmlinuz", "x"), .initrd = file("initrd", "")}).text(),
              HasSubstr("the file is empty"));
}

TEST_F(ImageTest, ADirectoryIsNoKernel) { EXPECT_EQ(error({.kernel = directory_}).code, EISDIR); }

TEST_F(ImageTest, AnInitrdLargerThanMemoryIsRefused) {
  const std::string initrd = file("initrd", "\x1f\x8b" + std::string(2 * MiB, 'x'));
  const Error error = this->error({.kernel = file("vmlinuz", "x"), .initrd = initrd});
  EXPECT_EQ(error.code, EFBIG);
  EXPECT_EQ(error.on, initrd);
}

TEST_F(ImageTest, AnInitrdForAFlatImageIsRefused) {
  const Error error =
      this->error({.kernel = file("a.bin", "\xf4"), .initrd = file("initrd", "\x1f\x8b")});
  EXPECT_THAT(error.text(), HasSubstr("initrd on " + (directory_ / "initrd").string()));
}

}  // namespace
}  // namespace minikvm::boot
