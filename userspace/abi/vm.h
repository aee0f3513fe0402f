// SPDX-License-Identifier: GPL-2.0-only
// One virtual machine: its memory slots and its vCPUs.
#pragma once

#include <cstdint>
#include <span>

#include "abi/call.h"
#include "abi/vcpu.h"

namespace minikvm::abi {

class Vm {
 public:
  Vm(Handle handle, size_t run_size) : handle_(std::move(handle)), run_size_(run_size) {}

  int check_extension(unsigned long capability) const;
  // The guest sees `memory` at guest-physical `base`. The memory must outlive
  // the VM; an empty span removes the slot.
  Result<> set_memory(uint32_t slot, uint64_t base, std::span<std::byte> memory) const;
  // Three pages, and one page, of guest-physical address space below 4 GiB that
  // VT-x without unrestricted guest needs for real mode.
  Result<> set_tss_address(uint32_t base) const;
  Result<> set_identity_map_address(uint64_t base) const;
  // All three before the first vCPU. The kernel's irqchip is the 8259 pair, an
  // I/O APIC and a local APIC for each vCPU; the split one only the latter.
  Result<> create_irqchip() const;
  Result<> create_split_irqchip(unsigned ioapic_pins) const;
  Result<> create_pit() const;  // with the speaker port; the irqchip comes first
  // What the VM has of these; restore_clock() when the TSCs are there.
  Result<VmState> save(bool irqchip, bool pit, bool clock) const;
  Result<> restore(const VmState& state) const;
  Result<> restore_clock(const VmState& state) const;
  Result<> set_irq_line(unsigned gsi, bool high) const;
  // The split irqchip: a message to the local APICs; and those of the I/O APIC's
  // pins, by which the kernel knows whose EOI to tell.
  struct Message {
    uint64_t address;
    uint32_t data;
  };
  Result<> send_message(const Message& message) const;
  Result<> set_pin_messages(std::span<const Message> pins) const;
  Result<Vcpu> create_vcpu(unsigned id) const;

 private:
  Handle handle_;
  size_t run_size_;
};

}  // namespace minikvm::abi
