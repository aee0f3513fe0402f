// SPDX-License-Identifier: GPL-2.0-only
// Snapshots to bytes and files and back, and everything that can be wrong with
// them: no byte of a file may lead to more than an error.
#include "machine/snapshot.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "machine/snapshot_file.h"

namespace minikvm {
namespace {

using ::testing::HasSubstr;

abi::VcpuState cpu_state(unsigned id, bool apic) {
  abi::VcpuState s{};
  s.cpuid.resize(3);
  s.cpuid[1].function = id;
  s.msrs.push_back({.index = 0x10, .reserved = 0, .data = id});
  s.regs.rip = 0x1000 + id;
  s.xsave.emplace().region[0] = id;
  s.xcrs.emplace().nr_xcrs = 1;
  if (apic) s.lapic.emplace().regs[0] = static_cast<char>(id);
  return s;
}

Snapshot machine(Irqchip irqchip, unsigned cpus) {
  const bool kernel = irqchip == Irqchip::kernel;
  Snapshot s{};
  s.ram_bytes = kLeastRam;
  s.irqchip = irqchip;
  s.capabilities = {{1, 1}, {66, 7}};
  for (unsigned id = 0; id < cpus; ++id) {
    s.cpus.push_back({cpu_state(id, irqchip != Irqchip::off), irqchip == Irqchip::off});
    s.tscs.push_back(id);
  }
  if (irqchip == Irqchip::split) s.board.ioapic.emplace().io.high = 4;
  if (kernel) {
    s.vm.irqchip.emplace();
    s.vm.pit.emplace();
  } else {
    s.board.pic.emplace();
    s.board.pit.emplace();
  }
  s.vm.clock.emplace().clock = 12345;
  s.board.serial.fifo_count = 2;
  s.board.serial.polled = true;
  return s;
}

TEST(Snapshot, ComesBackAsItWas) {
  for (const Snapshot& s :
       {machine(Irqchip::kernel, 3), machine(Irqchip::split, 2), machine(Irqchip::off, 1)}) {
    const auto bytes = encode(s);
    const auto back = decode(bytes);
    ASSERT_TRUE(back);
    EXPECT_EQ(encode(*back), bytes);
    EXPECT_EQ(back->cpus.size(), s.cpus.size());
    EXPECT_EQ(back->cpus.back().state.regs.rip, s.cpus.back().state.regs.rip);
    EXPECT_EQ(back->capabilities, s.capabilities);
    EXPECT_EQ(back->board.serial, s.board.serial);
    EXPECT_EQ(back->vm.clock->clock, 12345u);
  }
}

TEST(Snapshot, EveryTruncationIsRefused) {
  const auto bytes = encode(machine(Irqchip::off, 1));
  for (size_t size = 0; size < bytes.size(); ++size)
    ASSERT_FALSE(decode(std::span{bytes}.first(size))) << size;
}

TEST(Snapshot, MoreThanItsBytesIsRefused) {
  auto bytes = encode(machine(Irqchip::off, 1));
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(decode(bytes));
}

TEST(Snapshot, WhatBelongsTogetherIsThereOrRefused) {
  const auto refused = [](auto change) {
    Snapshot s = machine(Irqchip::kernel, 2);
    change(s);
    return !decode(encode(s));
  };
  EXPECT_FALSE(refused([](Snapshot&) {}));
  EXPECT_TRUE(refused([](Snapshot& s) { s.irqchip = static_cast<Irqchip>(9); }));
  EXPECT_TRUE(refused([](Snapshot& s) { s.irqchip = Irqchip::off; }));
  EXPECT_TRUE(refused([](Snapshot& s) { s.ram_bytes += 1; }));
  EXPECT_TRUE(refused([](Snapshot& s) { s.ram_bytes = 0; }));
  EXPECT_TRUE(refused([](Snapshot& s) { s.cpus.clear(), s.tscs.clear(); }));
  EXPECT_TRUE(refused([](Snapshot& s) { s.tscs.pop_back(); }));
  EXPECT_TRUE(refused([](Snapshot& s) { s.cpus.resize(256, s.cpus[0]), s.tscs.resize(256); }));
  EXPECT_TRUE(refused([](Snapshot& s) { s.cpus[1].state.lapic.reset(); }));
  EXPECT_TRUE(refused([](Snapshot& s) { s.cpus[1].state.xsave.reset(); }));
  EXPECT_TRUE(refused([](Snapshot& s) { s.cpus[1].state.xcrs.reset(); }));
  EXPECT_TRUE(refused([](Snapshot& s) { s.cpus[1].halted = true; }));
  EXPECT_TRUE(refused([](Snapshot& s) { s.cpus[1].state.cpuid.resize(257); }));
  EXPECT_TRUE(refused([](Snapshot& s) { s.vm.pit.reset(); }));
  EXPECT_TRUE(refused([](Snapshot& s) { s.board.pic.emplace(); }));
}

// Whatever was flipped: an error, or a state that encodes to just these bytes.
TEST(Snapshot, FuzzedBytesDoNoHarm) {
  std::mt19937 random(1);
  const auto good = encode(machine(Irqchip::kernel, 2));
  for (int round = 0; round < 3000; ++round) {
    auto bytes = good;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
      // Half of them where the counts and flags are, at the start.
      const size_t range = random() % 2 ? 600 : bytes.size();
      bytes[random() % range] = static_cast<std::byte>(random());
    }
    if (const auto back = decode(bytes)) {
      ASSERT_EQ(encode(*back), bytes);
    }
  }
}

class SnapshotFileTest : public ::testing::Test {
 protected:
  SnapshotFileTest() {
    EXPECT_NE(::mkdtemp(directory_.data()), nullptr);
    path_ = directory_ + "/saved";
    fill(Gpa{0x3000}, 'a');
    fill(Gpa{0x3000 + kPageSize}, 'b');
    fill(Gpa{kLeastRam - kPageSize}, 'c');
    EXPECT_TRUE(write_snapshot(path_, machine(Irqchip::kernel, 2), ram_));
    file_ = read_file(path_, 64 * MiB).value();
  }
  ~SnapshotFileTest() override {
    ::unlink(path_.c_str());
    ::rmdir(directory_.c_str());
  }
  void fill(Gpa at, char with) {
    std::ranges::fill(ram_.at(at, kPageSize).value(), static_cast<std::byte>(with));
  }
  void rewrite(std::span<const std::byte> bytes) {
    const Fd fd = Fd::open(path_, O_WRONLY | O_TRUNC).value();
    ASSERT_TRUE(write_all(fd, bytes));
  }
  Result<> load(const GuestMemory& ram) {
    const SnapshotFile file = TRY(SnapshotFile::open(path_));
    return file.load_memory(ram);
  }
  std::string error() {
    const GuestMemory ram = GuestMemory::create(kLeastRam).value();
    const auto loaded = load(ram);
    if (loaded) return "none";
    EXPECT_EQ(loaded.error().blame, Error::Blame::image);
    return loaded.error().text();
  }

  std::string directory_ = "/tmp/minikvm-snapshot.XXXXXX", path_;
  GuestMemory ram_ = GuestMemory::create(kLeastRam).value();
  std::vector<std::byte> file_;
};

TEST_F(SnapshotFileTest, MemoryComesBack) {
  const GuestMemory back = GuestMemory::create(kLeastRam).value();
  ASSERT_TRUE(load(back));
  EXPECT_TRUE(std::ranges::equal(ram_.regions()[0].bytes, back.regions()[0].bytes));
  EXPECT_EQ(SnapshotFile::open(path_)->snapshot().cpus.size(), 2u);
}

TEST_F(SnapshotFileTest, AFileWithoutHolesIsAsGood) {
  rewrite(file_);
  const GuestMemory back = GuestMemory::create(kLeastRam).value();
  ASSERT_TRUE(load(back));
  EXPECT_TRUE(std::ranges::equal(ram_.regions()[0].bytes, back.regions()[0].bytes));
}

TEST_F(SnapshotFileTest, ZeroPagesAreHoles) {
  struct stat stat {};
  ASSERT_EQ(::stat(path_.c_str(), &stat), 0);
  EXPECT_GT(stat.st_size, static_cast<off_t>(kLeastRam));
  EXPECT_LT(stat.st_blocks * 512, static_cast<blkcnt_t>(256 * KiB));
}

TEST_F(SnapshotFileTest, WritingOverAnOldOneReplacesIt) {
  fill(Gpa{0x3000}, 'z');
  ASSERT_TRUE(write_snapshot(path_, machine(Irqchip::kernel, 1), ram_));
  EXPECT_EQ(SnapshotFile::open(path_)->snapshot().cpus.size(), 1u);
  EXPECT_EQ(::access((path_ + ".new").c_str(), F_OK), -1);
}

TEST_F(SnapshotFileTest, OneThatCannotBeWrittenIsAnErrorWithItsName) {
  const auto done = write_snapshot("/nonexistent/saved", machine(Irqchip::off, 1), ram_);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().text(), HasSubstr("/nonexistent/saved"));
}

TEST_F(SnapshotFileTest, AMissingFileIsNamed) {
  ::unlink(path_.c_str());
  EXPECT_THAT(error(), HasSubstr("No such file"));
}

TEST_F(SnapshotFileTest, OtherFilesAreToldApart) {
  file_[0] = std::byte{'M'};
  rewrite(file_);
  EXPECT_THAT(error(), HasSubstr("this is no snapshot"));
}

TEST_F(SnapshotFileTest, OtherVersionsAreNamed) {
  file_[8] = std::byte{3};
  rewrite(file_);
  EXPECT_THAT(error(), HasSubstr("its format is version 3, this minikvm knows 2"));
}

TEST_F(SnapshotFileTest, EveryTruncationIsRefused) {
  for (const size_t size : {size_t{0}, size_t{7}, size_t{55}, size_t{56}, size_t{4096},
                            size_t{5000}, file_.size() - kPageSize, file_.size() - 1}) {
    rewrite(std::span{file_}.first(size));
    EXPECT_THAT(error(), HasSubstr("truncated")) << size;
  }
}

TEST_F(SnapshotFileTest, EveryChangedByteOfTheHeaderIsNoticed) {
  for (size_t i = 0; i < 56; ++i) {
    auto bytes = file_;
    bytes[i] ^= std::byte{0x10};
    rewrite(bytes);
    EXPECT_NE(error(), "none") << i;
  }
}

TEST_F(SnapshotFileTest, ChangedStateAndMemoryAreNoticed) {
  for (const size_t at : {size_t{4096}, size_t{4096 + 777}}) {
    auto bytes = file_;
    bytes[at] ^= std::byte{1};
    rewrite(bytes);
    EXPECT_THAT(error(), HasSubstr("the state's checksum is wrong"));
  }
  const size_t memory = file_.size() - kLeastRam;
  for (const size_t at : {size_t{0}, size_t{0x3000}, size_t{0x5000}, kLeastRam - 1}) {
    auto bytes = file_;
    bytes[memory + at] ^= std::byte{1};
    rewrite(bytes);
    EXPECT_THAT(error(), HasSubstr("the memory's checksum is wrong"));
  }
}

TEST_F(SnapshotFileTest, PagesThatChangedPlacesAreNoticed) {
  const auto page = file_.end() - static_cast<ptrdiff_t>(kLeastRam) + 0x3000;
  std::swap_ranges(page, page + kPageSize, page + kPageSize);
  rewrite(file_);
  EXPECT_THAT(error(), HasSubstr("the memory's checksum is wrong"));
}

}  // namespace
}  // namespace minikvm
