// SPDX-License-Identifier: GPL-2.0-only
// The I/O APIC: kmod/pure/ioapic on a bus. Where an interrupt goes it says with
// a message; the local APICs are somebody else's.
#pragma once

#include <array>
#include <functional>

#include "base/result.h"
#include "devices/device.h"
#include "ioapic.h"

namespace minikvm {

// As a PCI device writes it: SDM vol. 3, "Message Signalled Interrupts".
struct Msi {
  uint32_t address;
  uint32_t data;
  bool operator==(const Msi&) const = default;
};

class IoApic final : public IoDevice {
 public:
  static constexpr uint64_t kSize = MKVM_IOAPIC_SIZE;
  static constexpr unsigned kPins = MKVM_IOAPIC_PINS;

  struct State {
    mkvm_ioapic io;
    bool operator==(const State& other) const;
  };

  // `changed`: the messages() are not what they were.
  IoApic(std::function<void(const Msi&)> send, std::function<void()> changed);
  IoApic(const IoApic&) = delete;
  IoApic& operator=(const IoApic&) = delete;

  void read(uint64_t offset, std::span<std::byte> out) override;
  void write(uint64_t offset, std::span<const std::byte> in) override;

  void set_pin(unsigned pin, bool high);
  void end_of_interrupt(uint8_t vector);  // of a level-triggered one
  std::array<Msi, kPins> messages() const;

  void reset();
  State save() const { return s_; }
  Result<> restore(const State& state);

 private:
  void send(uint32_t pins);

  std::function<void(const Msi&)> send_;
  std::function<void()> changed_;
  State s_{};
};

}  // namespace minikvm
