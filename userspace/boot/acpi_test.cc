// SPDX-License-Identifier: GPL-2.0-only
// The tables are read back as an operating system finds them: from the RSDP on.
#include "boot/acpi.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <numeric>
#include <string>

#include "boot/payload.h"
#include "memory/layout.h"

namespace minikvm::boot {
namespace {

constexpr Gpa kAt{0xe0000};

class AcpiTest : public ::testing::Test {
 protected:
  void make(unsigned cpus) {
    image_ = acpi_tables(kAt, cpus);
    const Bytes xsdt = table(load<uint64_t>(image_, 24));
    for (size_t at = 36; at < xsdt.size(); at += 8) remember(table(load<uint64_t>(xsdt, at)));
    remember(table(load<uint64_t>(tables_.at("FACP"), 140)));
  }
  // A whole table, by its address.
  Bytes table(uint64_t gpa) {
    const uint64_t at = gpa - raw(kAt);
    return slice(image_, at, load<uint32_t>(image_, at + 4), "table").value();
  }
  void remember(Bytes bytes) { tables_[{reinterpret_cast<const char*>(bytes.data()), 4}] = bytes; }
  static unsigned sum(Bytes bytes) {
    unsigned total = 0;
    for (const std::byte byte : bytes) total += std::to_integer<unsigned>(byte);
    return total & 0xff;
  }
  // How many entries of each type the MADT has, and the APIC IDs of the enabled CPUs.
  std::map<int, int> madt_entries(std::vector<int>* apic_ids = nullptr) {
    std::map<int, int> count;
    const Bytes madt = tables_.at("APIC");
    size_t at = 44;
    while (at < madt.size()) {
      const auto type = load<uint8_t>(madt, at), length = load<uint8_t>(madt, at + 1);
      ++count[type];
      if (type == 0 && apic_ids && load<uint32_t>(madt, at + 4) == 1)
        apic_ids->push_back(load<uint8_t>(madt, at + 3));
      at += length;
    }
    EXPECT_EQ(at, madt.size());
    return count;
  }

  std::vector<std::byte> image_;
  std::map<std::string, Bytes> tables_;
};

TEST_F(AcpiTest, EveryChecksumIsRight) {
  make(3);
  EXPECT_EQ(std::memcmp(image_.data(), "RSD PTR ", 8), 0);
  EXPECT_EQ(sum(Bytes{image_}.first(20)), 0u);
  EXPECT_EQ(sum(Bytes{image_}.first(36)), 0u);
  EXPECT_EQ(sum(table(load<uint64_t>(image_, 24))), 0u);
  EXPECT_EQ(tables_.size(), 3u);
  for (const auto& [name, bytes] : tables_) EXPECT_EQ(sum(bytes), 0u) << name;
}

TEST_F(AcpiTest, TheMadtHasEachCpuOnce) {
  for (const unsigned cpus : {1u, 2u, 255u}) {
    make(cpus);
    std::vector<int> ids, wanted(cpus);
    const auto count = madt_entries(&ids);
    std::iota(wanted.begin(), wanted.end(), 0);
    EXPECT_EQ(ids, wanted);
    EXPECT_EQ(count.at(1), 1);  // I/O APIC
    EXPECT_EQ(count.at(2), 1);  // the SCI
  }
}

TEST_F(AcpiTest, TheFadtNamesThePortsOfTheDevices) {
  make(1);
  const Bytes fadt = tables_.at("FACP");
  EXPECT_EQ(fadt.size(), 268u);
  EXPECT_EQ(load<uint32_t>(fadt, 56), layout::kPm1Event);
  EXPECT_EQ(load<uint32_t>(fadt, 64), layout::kPm1Control);
  EXPECT_EQ(load<uint32_t>(fadt, 148), 0x00002001u);  // I/O space, 32 bits
  EXPECT_EQ(load<uint64_t>(fadt, 152), layout::kPm1Event);
  EXPECT_EQ(load<uint64_t>(fadt, 120), layout::kResetControl);
  EXPECT_NE(load<uint32_t>(fadt, 112) & 1 << 10, 0u);  // and it may be used
  EXPECT_EQ(load<uint32_t>(fadt, 112) & 1 << 20, 0u);  // not "hardware-reduced"
}

TEST_F(AcpiTest, TheFacsIsWhereItMayBe) {
  make(1);
  const uint64_t facs = load<uint32_t>(tables_.at("FACP"), 36);
  EXPECT_EQ(facs % 64, 0u);
  EXPECT_EQ(load<uint32_t>(image_, facs - raw(kAt) + 4), 64u);
}

TEST_F(AcpiTest, TheDsdtHasTheSleepStateThatTurnsOff) {
  make(1);
  const Bytes dsdt = tables_.at("DSDT");
  const std::string aml{reinterpret_cast<const char*>(dsdt.data()) + 36, dsdt.size() - 36};
  EXPECT_EQ(aml, std::string("\x08_S5_\x12\x06\x04\0\0\0\0", 12));
}

TEST_F(AcpiTest, TheyFitBelowHighMemory) {
  EXPECT_LE(raw(layout::kAcpi) + acpi_tables(layout::kAcpi, 255).size(), raw(layout::kHighMemory));
}

}  // namespace
}  // namespace minikvm::boot
