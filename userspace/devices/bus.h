// SPDX-License-Identifier: GPL-2.0-only
// Finds the device behind an address. One class serves both address spaces:
// a machine has one Bus for I/O ports and one for MMIO.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "devices/device.h"

namespace minikvm {

class Bus {
 public:
  // The last address of this address space: 0xffff for I/O ports.
  explicit Bus(uint64_t last_address) : last_address_(last_address) {}

  // Claims [base, base + size). The device is not owned and must outlive the
  // bus; the map is complete before the first vCPU runs, so lookups need no
  // lock.
  Result<> add(std::string name, uint64_t base, uint64_t size, IoDevice& device);

  // An access that no single device claims entirely reads all ones and writes
  // nothing. False says that this was one.
  bool read(uint64_t address, std::span<std::byte> out) const;
  bool write(uint64_t address, std::span<const std::byte> in) const;

 private:
  struct Slot {
    uint64_t last;
    IoDevice* device;
    std::string name;
  };
  struct Hit {
    IoDevice* device;
    uint64_t offset;
  };

  Hit find(uint64_t address, size_t size) const;
  const Slot* overlapping(uint64_t base, uint64_t last) const;

  uint64_t last_address_;
  std::map<uint64_t, Slot> slots_;  // by base address; ranges never overlap
};

}  // namespace minikvm
