// SPDX-License-Identifier: GPL-2.0-only
#include "abi/vm.h"

#include "abi/flexible.h"

namespace minikvm::abi {

int Vm::check_extension(unsigned long capability) const {
  return KVM_CALL(handle_, KVM_CHECK_EXTENSION, capability).value_or(0);
}

Result<> Vm::set_memory(uint32_t slot, uint64_t base, std::span<std::byte> memory) const {
  kvm_userspace_memory_region region{};
  region.slot = slot;
  region.guest_phys_addr = base;
  region.memory_size = memory.size();
  region.userspace_addr = reinterpret_cast<uintptr_t>(memory.data());
  TRY(KVM_CALL(handle_, KVM_SET_USER_MEMORY_REGION, region));
  return {};
}

Result<> Vm::set_tss_address(uint32_t base) const {
  TRY(KVM_CALL(handle_, KVM_SET_TSS_ADDR, base));
  return {};
}

Result<> Vm::set_identity_map_address(uint64_t base) const {
  const struct Address { uint64_t value; } address{base};
  TRY(KVM_CALL(handle_, KVM_SET_IDENTITY_MAP_ADDR, address));
  return {};
}

Result<> Vm::create_irqchip() const {
  TRY(KVM_CALL(handle_, KVM_CREATE_IRQCHIP));
  return {};
}

Result<> Vm::create_split_irqchip(unsigned ioapic_pins) const {
  kvm_enable_cap cap{};
  cap.cap = KVM_CAP_SPLIT_IRQCHIP;
  cap.args[0] = ioapic_pins;
  TRY(KVM_CALL(handle_, KVM_ENABLE_CAP, cap));
  return {};
}

Result<> Vm::create_pit() const {
  kvm_pit_config config{};
  config.flags = KVM_PIT_SPEAKER_DUMMY;
  TRY(KVM_CALL(handle_, KVM_CREATE_PIT2, config));
  return {};
}

Result<> Vm::set_irq_line(unsigned gsi, bool high) const {
  kvm_irq_level line{};
  line.irq = gsi;
  line.level = high;
  TRY(KVM_CALL(handle_, KVM_IRQ_LINE, line));
  return {};
}

Result<> Vm::send_message(const Message& message) const {
  kvm_msi msi{};
  msi.address_lo = static_cast<uint32_t>(message.address);
  msi.address_hi = static_cast<uint32_t>(message.address >> 32);
  msi.data = message.data;
  TRY(KVM_CALL(handle_, KVM_SIGNAL_MSI, msi));
  return {};
}

Result<> Vm::set_pin_messages(std::span<const Message> pins) const {
  Flexible<kvm_irq_routing, kvm_irq_routing_entry> table{pins.size()};
  table.header().nr = static_cast<uint32_t>(pins.size());
  for (uint32_t pin = 0; pin < pins.size(); ++pin) {
    kvm_irq_routing_entry& entry = table.entries()[pin];
    entry.gsi = pin;
    entry.type = KVM_IRQ_ROUTING_MSI;
    entry.u.msi.address_lo = static_cast<uint32_t>(pins[pin].address);
    entry.u.msi.address_hi = static_cast<uint32_t>(pins[pin].address >> 32);
    entry.u.msi.data = pins[pin].data;
  }
  TRY(KVM_CALL(handle_, KVM_SET_GSI_ROUTING, table.header()));
  return {};
}

Result<Vcpu> Vm::create_vcpu(unsigned id) const {
  const int fd = TRY(KVM_CALL(handle_, KVM_CREATE_VCPU, id));
  return Vcpu::map(Handle{Fd{fd}, handle_.device}, run_size_);
}

}  // namespace minikvm::abi
