// SPDX-License-Identifier: GPL-2.0-only
#include "boot/bzimage.h"

#include <cstring>

#include <asm/bootparam.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/layout.h"

namespace minikvm::boot {
namespace {

using ::testing::HasSubstr;

// A small but valid kernel file: two setup sectors behind the boot sector, then
// code that is recognized by its first bytes.
class BzImageTest : public ::testing::Test {
 protected:
  static constexpr size_t kCodeAt = 3 * 512, kCodeSize = 4096;

  BzImageTest() {
    setup_header& h = header();
    h.setup_sects = 2;
    h.syssize = kCodeSize / 16;
    h.boot_flag = 0xaa55;
    h.jump = 0xeb | (0x202 + sizeof(setup_header) - 17 - 0x202) << 8;
    h.header = 0x53726448;
    h.version = 0x20f;
    h.loadflags = LOADED_HIGH;
    h.initrd_addr_max = 0x7fffffff;
    h.cmdline_size = 255;
    h.xloadflags = XLF_KERNEL_64;
    h.pref_address = 16 * MiB;
    h.init_size = 8 * MiB;
    std::memcpy(file_.data() + kCodeAt, "code", 4);
  }

  setup_header& header() { return *reinterpret_cast<setup_header*>(file_.data() + 0x1f1); }
  Result<Entry> load(const Payload& payload = {"console=ttyS0", {}}) {
    return load_bzimage(file_, payload, ram_);
  }
  std::string error() { return load().error().text(); }
  boot_params params() { return ram_.read<boot_params>(layout::kBootParams).value(); }

  std::vector<std::byte> file_ = std::vector<std::byte>(kCodeAt + kCodeSize);
  GuestMemory ram_ = GuestMemory::create(32 * MiB).value();
};

TEST_F(BzImageTest, IsRecognizedByItsMagic) {
  EXPECT_TRUE(is_bzimage(file_));
  header().header ^= 1;
  EXPECT_FALSE(is_bzimage(file_));
  EXPECT_FALSE(is_bzimage(Bytes{file_}.first(0x205)));
  EXPECT_FALSE(is_bzimage({}));
}

TEST_F(BzImageTest, EntersTheCodeAtItsSixtyFourBitEntryPoint) {
  const Entry entry = load().value();
  EXPECT_EQ(entry.mode, Mode::long64);
  EXPECT_EQ(entry.rip, 16 * MiB + 0x200);
  EXPECT_EQ(entry.rsi, raw(layout::kBootParams));
  EXPECT_EQ(std::memcmp(ram_.at(Gpa{16 * MiB}, 4).value().data(), "code", 4), 0);
}

TEST_F(BzImageTest, BootParamsDescribeTheMachine) {
  ASSERT_TRUE(load());
  EXPECT_EQ(params().hdr.type_of_loader, 0xff);
  EXPECT_EQ(params().hdr.cmd_line_ptr, raw(layout::kCommandLine));
  EXPECT_EQ(params().e820_entries, 3);
  EXPECT_EQ(params().e820_table[2].addr, 1 * MiB);
  EXPECT_EQ(params().e820_table[2].size, 31 * MiB);
  EXPECT_EQ(params().hdr.ramdisk_size, 0u);
}

TEST_F(BzImageTest, BootParamsHaveNothingOfTheFileButItsHeader) {
  std::fill_n(file_.begin(), 0x1f1, std::byte{0xcc});
  ASSERT_TRUE(load());
  EXPECT_EQ(params().screen_info.orig_video_isVGA, 0);
  EXPECT_EQ(params().acpi_rsdp_addr, 0u);
}

TEST_F(BzImageTest, TheInitrdLiesAboveTheRoomThatTheKernelUnpacksInto) {
  const std::string initrd = "\x1f\x8b" + std::string(3 * MiB, 'x');
  ASSERT_TRUE(load({"", std::as_bytes(std::span{initrd})}));
  EXPECT_EQ(params().hdr.ramdisk_size, initrd.size());
  EXPECT_GE(params().hdr.ramdisk_image, 24 * MiB);
  EXPECT_LE(params().hdr.ramdisk_image + initrd.size(), 32 * MiB);
}

TEST_F(BzImageTest, AnInitrdThatMeetsTheKernelIsRefused) {
  const std::string initrd = "\x1f\x8b" + std::string(8 * MiB, 'x');
  const auto entry = load({"", std::as_bytes(std::span{initrd})});
  ASSERT_FALSE(entry);
  EXPECT_THAT(entry.error().text(), HasSubstr("too little guest memory"));
}

TEST_F(BzImageTest, TruncatedFilesAreRefusedAtEveryLength) {
  for (const size_t size : {kCodeAt + kCodeSize - 1, kCodeAt, kCodeAt - 1, size_t{0x206}}) {
    const auto entry = load_bzimage(Bytes{file_}.first(size), {}, ram_);
    ASSERT_FALSE(entry) << size;
    EXPECT_THAT(entry.error().text(), HasSubstr("truncated")) << size;
  }
}

TEST_F(BzImageTest, MoreBehindTheCodeIsASignatureAndIgnored) {
  file_.resize(file_.size() + 1000);
  EXPECT_TRUE(load());
}

TEST_F(BzImageTest, NoSetupSectorsMeansFour) {
  header().setup_sects = 0;
  header().syssize = (file_.size() - 5 * 512) / 16;
  std::memcpy(file_.data() + 5 * 512, "four", 4);
  ASSERT_TRUE(load());
  EXPECT_EQ(std::memcmp(ram_.at(Gpa{16 * MiB}, 4).value().data(), "four", 4), 0);
}

TEST_F(BzImageTest, OldProtocolsAreNamed) {
  header().version = 0x20b;
  EXPECT_THAT(error(), HasSubstr("boot protocol 2.11"));
}

TEST_F(BzImageTest, ThirtyTwoBitKernelsAreNamed) {
  header().xloadflags = 0;
  EXPECT_THAT(error(), HasSubstr("32-bit kernel"));
}

TEST_F(BzImageTest, ZImagesAreNamed) {
  header().loadflags = 0;
  EXPECT_THAT(error(), HasSubstr("zImage"));
}

TEST_F(BzImageTest, TooLittleMemoryNamesHowMuchItTakes) {
  header().init_size = 20 * MiB;
  EXPECT_THAT(error(), HasSubstr("needs 36 MiB"));
}

TEST_F(BzImageTest, CorruptHeadersAreRefused) {
  header().pref_address = 0;
  EXPECT_THAT(error(), HasSubstr("corrupt"));
  header().pref_address = ~0ull - 100;
  EXPECT_FALSE(load());
  header().pref_address = 16 * MiB;
  header().init_size = 0;
  EXPECT_FALSE(load());
  header().init_size = 8 * MiB;
  header().syssize = ~0u;
  EXPECT_FALSE(load());
  header().syssize = 0;
  EXPECT_THAT(error(), HasSubstr("no code"));
}

TEST_F(BzImageTest, ALongerCommandLineThanTheKernelTakesIsRefused) {
  EXPECT_TRUE(load({std::string(255, 'a'), {}}));
  EXPECT_FALSE(load({std::string(256, 'a'), {}}));
}

}  // namespace
}  // namespace minikvm::boot
