// SPDX-License-Identifier: GPL-2.0-only
#include "boot/acpi.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>
#include <string_view>

#include "memory/layout.h"

namespace minikvm::boot {
namespace {

using Table = std::vector<std::byte>;

// Little-endian fields, one after the other.
void put(Table& table, uint64_t value, size_t size) {
  for (; size > 0; --size, value >>= 8) table.push_back(static_cast<std::byte>(value & 0xff));
}
void put(Table& table, std::string_view text) {
  for (const char c : text) table.push_back(static_cast<std::byte>(c));
}

void set(Table& table, size_t at, uint64_t value, size_t size) {
  std::memcpy(table.data() + at, &value, size);
}

// The byte at `at` such that [first, first + size) adds up to 0.
void set_checksum(Table& table, size_t at, size_t first, size_t size) {
  table[at] = std::byte{0};
  unsigned sum = 0;
  for (const std::byte byte : std::span{table}.subspan(first, size))
    sum += std::to_integer<unsigned>(byte);
  table[at] = static_cast<std::byte>(-sum & 0xff);
}

constexpr size_t kLengthAt = 4, kChecksumAt = 9;

Table begin(std::string_view signature, uint8_t revision) {
  Table table;
  put(table, signature);
  put(table, 0, 4);  // length
  put(table, revision, 1);
  put(table, 0, 1);  // checksum
  put(table, "MNIKVM");
  put(table, "MINIKVM ");
  put(table, 1, 4);  // revision of what the two names say
  put(table, "MKVM");
  put(table, 1, 4);
  return table;
}

void finish(Table& table) {
  set(table, kLengthAt, table.size(), 4);
  set_checksum(table, kChecksumAt, 0, table.size());
}

// Name (_S5, Package (4) { 0, 0, 0, 0 }): any sleep type turns the machine off.
Table dsdt() {
  using namespace std::string_view_literals;
  Table table = begin("DSDT", 2);
  put(table, "\x08_S5_\x12\x06\x04\x00\x00\x00\x00"sv);
  finish(table);
  return table;
}

Table facs() {
  Table table;
  put(table, "FACS");
  put(table, 64, 4);
  table.resize(64);
  return table;
}

void set_port(Table& table, size_t at, uint16_t port, uint8_t bytes) {
  constexpr uint8_t kIo = 1;
  set(table, at, kIo | uint64_t{bytes} * 8 << 8, 4);  // space, bits; any access size
  set(table, at + 4, port, 8);
}

// "Fixed ACPI Description Table (FADT)", offsets of revision 5.
Table fadt(Gpa facs_at, Gpa dsdt_at) {
  constexpr uint16_t kLegacyDevices = 1 << 0, kKeyboardController = 1 << 1, kNoVga = 1 << 2;
  constexpr uint32_t kWbinvd = 1 << 0, kNoPowerButton = 1 << 4, kNoSleepButton = 1 << 5,
                     kRtcCannotWake = 1 << 6, kHasResetRegister = 1 << 10;
  Table table = begin("FACP", 5);
  table.resize(268);
  set(table, 36, raw(facs_at), 4);
  set(table, 40, raw(dsdt_at), 4);
  set(table, 46, layout::kSciIrq, 2);
  set(table, 56, layout::kPm1Event, 4);
  set(table, 64, layout::kPm1Control, 4);
  set(table, 88, 4, 1);       // bytes of PM1a_EVT
  set(table, 89, 2, 1);       // of PM1a_CNT
  set(table, 96, 0xffff, 2);  // no C2
  set(table, 98, 0xffff, 2);  // no C3
  set(table, 108, 0x32, 1);   // the century's byte in CMOS memory
  set(table, 109, kLegacyDevices | kKeyboardController | kNoVga, 2);
  set(table, 112, kWbinvd | kNoPowerButton | kNoSleepButton | kRtcCannotWake | kHasResetRegister,
      4);
  set_port(table, 116, layout::kResetControl, 1);
  set(table, 128, 0x06, 1);  // what to write there
  set(table, 140, raw(dsdt_at), 8);
  set_port(table, 148, layout::kPm1Event, 4);
  set_port(table, 172, layout::kPm1Control, 2);
  finish(table);
  return table;
}

// "Multiple APIC Description Table (MADT)". IRQ n is pin n of the I/O APIC.
Table madt(unsigned cpus) {
  constexpr uint32_t kHas8259 = 1;
  constexpr uint16_t kLevelActiveHigh = 0xd;
  Table table = begin("APIC", 4);
  put(table, layout::kLocalApic, 4);
  put(table, kHas8259, 4);
  for (unsigned cpu = 0; cpu < cpus; ++cpu) {
    put(table, 0x0800, 2);  // local APIC
    put(table, cpu, 1);     // ACPI processor
    put(table, cpu, 1);     // APIC ID
    put(table, 1, 4);       // enabled
  }
  put(table, 0x0c01, 2);  // I/O APIC
  put(table, 0, 2);       // its ID
  put(table, layout::kIoApic, 4);
  put(table, 0, 4);       // its first GSI
  put(table, 0x0a02, 2);  // the SCI is not as other ISA interrupts
  put(table, 0, 1);
  put(table, layout::kSciIrq, 1);
  put(table, layout::kSciIrq, 4);
  put(table, kLevelActiveHigh, 2);
  put(table, 0x0604, 2);  // NMI
  put(table, 0xff, 1);    // of all processors
  put(table, 0, 2);
  put(table, 1, 1);  // LINT1
  finish(table);
  return table;
}

Table xsdt(Gpa fadt_at, Gpa madt_at) {
  Table table = begin("XSDT", 1);
  put(table, raw(fadt_at), 8);
  put(table, raw(madt_at), 8);
  finish(table);
  return table;
}

// "Root System Description Pointer (RSDP) Structure", with no RSDT.
constexpr size_t kRsdpSize = 36, kOldRsdpSize = 20;

Table rsdp(Gpa xsdt_at) {
  Table table;
  put(table, "RSD PTR ");
  put(table, 0, 1);  // checksum
  put(table, "MNIKVM");
  put(table, 2, 1);  // revision
  put(table, 0, 4);
  put(table, kRsdpSize, 4);
  put(table, raw(xsdt_at), 8);
  put(table, 0, 4);
  set_checksum(table, 8, 0, kOldRsdpSize);
  set_checksum(table, 32, 0, kRsdpSize);
  return table;
}

// One table after the other, each where the FACS, the pickiest, may be.
class Image {
 public:
  explicit Image(Gpa at) : at_(at), bytes_(align_up(kRsdpSize, kAlignment)) {}
  Gpa add(const Table& table) {
    const Gpa at = at_ + bytes_.size();
    bytes_.insert(bytes_.end(), table.begin(), table.end());
    bytes_.resize(align_up(bytes_.size(), kAlignment));
    return at;
  }
  std::vector<std::byte> with(const Table& first) && {
    std::ranges::copy(first, bytes_.begin());
    return std::move(bytes_);
  }

 private:
  static constexpr size_t kAlignment = 64;
  Gpa at_;
  std::vector<std::byte> bytes_;
};

}  // namespace

std::vector<std::byte> acpi_tables(Gpa at, unsigned cpus) {
  Image image{at};
  const Gpa facs_at = image.add(facs());
  const Gpa dsdt_at = image.add(dsdt());
  const Gpa fadt_at = image.add(fadt(facs_at, dsdt_at));
  const Gpa madt_at = image.add(madt(cpus));
  const Gpa xsdt_at = image.add(xsdt(fadt_at, madt_at));
  return std::move(image).with(rsdp(xsdt_at));
}

}  // namespace minikvm::boot
