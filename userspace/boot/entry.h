// SPDX-License-Identifier: GPL-2.0-only
// The state of the first vCPU at its first instruction.
#pragma once

#include "abi/kvm.h"
#include "memory/guest_memory.h"

namespace minikvm::boot {

enum class Mode {
  real,         // 16 bits, every segment at 0
  protected32,  // flat segments, no paging
  long64,       // flat segments, the first 4 GiB identity-mapped
};

struct Entry {
  Mode mode;
  uint64_t rip;
  uint64_t rsp = 0;
  uint64_t rbx = 0, rsi = 0, rdi = 0;  // arguments, by the protocol in use
};

// The selectors that Linux's 64-bit boot protocol asks for; the other modes
// have no opinion and use the same.
inline constexpr uint16_t kCodeSelector = 0x10, kDataSelector = 0x18, kTssSelector = 0x20;

// Puts the tables that the mode needs into guest memory: a GDT unless in real
// mode, and page tables in long mode.
Result<> write_tables(Mode mode, const GuestMemory& ram);

// `regs` and `sregs` come from a vCPU after reset.
void apply(const Entry& entry, kvm_regs& regs, kvm_sregs& sregs);

}  // namespace minikvm::boot
