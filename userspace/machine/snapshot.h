// SPDX-License-Identifier: GPL-2.0-only
// A machine at rest, but for its memory, as data and as bytes. The bytes come
// from a file, so whatever they say is checked here, by the devices' restore()
// and by the kernel; nothing in them is an address or a size of ours.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "abi/state.h"
#include "base/result.h"
#include "machine/board.h"
#include "machine/config.h"

namespace minikvm {

struct Snapshot {
  // What the device must offer to go on: KVM_CAP_* and the least value.
  struct Capability {
    uint32_t number;
    int32_t value;
    bool operator==(const Capability&) const = default;
  };
  struct Cpu {
    abi::VcpuState state;
    bool halted;  // outside of the kernel: Irqchip::off
  };

  uint64_t ram_bytes = 0;
  Irqchip irqchip = Irqchip::off;
  std::vector<Capability> capabilities{};
  std::vector<Cpu> cpus{};
  std::vector<uint64_t> tscs{};  // of each CPU, all at the same moment
  abi::VmState vm{};
  Board::State board{};
};

std::vector<std::byte> encode(const Snapshot& snapshot);
Result<Snapshot> decode(std::span<const std::byte> bytes);

}  // namespace minikvm
