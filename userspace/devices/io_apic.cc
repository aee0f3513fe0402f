// SPDX-License-Identifier: GPL-2.0-only
#include "devices/io_apic.h"

#include <algorithm>
#include <cstring>

namespace minikvm {
namespace {

constexpr uint64_t kRegister = 4;
constexpr uint32_t kAllPins = (1u << IoApic::kPins) - 1;

Msi message(uint64_t entry) {
  constexpr uint32_t kAddress = 0xfee00000, kLogical = 1 << 2, kAssert = 1 << 14, kLevel = 1 << 15;
  const bool level = entry & MKVM_RTE_LEVEL;
  return {.address = kAddress | uint32_t{MKVM_RTE_DEST(entry)} << 12 |
                     (entry & MKVM_RTE_LOGICAL ? kLogical : 0),
          .data = MKVM_RTE_VECTOR(entry) | uint32_t{MKVM_RTE_MODE(entry)} << 8 |
                  (level ? kLevel | kAssert : 0)};
}

bool valid(const mkvm_ioapic& io) {
  return !(io.high & ~kAllPins) && !(io.delivered & ~io.high) && io.id <= 0xf;
}

}  // namespace

bool IoApic::State::operator==(const State& other) const {
  return std::ranges::equal(io.entry, other.io.entry) && io.high == other.io.high &&
         io.delivered == other.io.delivered && io.select == other.io.select && io.id == other.io.id;
}

IoApic::IoApic(std::function<void(const Msi&)> send, std::function<void()> changed)
    : send_(std::move(send)), changed_(std::move(changed)) {
  mkvm_ioapic_reset(&s_.io);
}

void IoApic::reset() {
  mkvm_ioapic_reset(&s_.io);
  changed_();
}

Result<> IoApic::restore(const State& state) {
  if (!valid(state.io)) return fail({EINVAL, "restore", "I/O APIC", "impossible state"});
  s_ = state;
  changed_();
  return {};
}

// The registers have 32 bits, and lie 16 bytes apart.
void IoApic::read(uint64_t offset, std::span<std::byte> out) {
  const uint32_t value = mkvm_ioapic_read(&s_.io, static_cast<uint32_t>(offset));
  std::ranges::fill(out, std::byte{0});
  std::memcpy(out.data(), &value, std::min<size_t>(out.size(), kRegister));
}

void IoApic::write(uint64_t offset, std::span<const std::byte> in) {
  uint32_t value = 0;
  std::memcpy(&value, in.data(), std::min<size_t>(in.size(), kRegister));
  const auto before = messages();
  const uint32_t due = mkvm_ioapic_write(&s_.io, static_cast<uint32_t>(offset), value);
  if (messages() != before) changed_();  // first: an EOI of what goes out now is not missed
  send(due);
}

void IoApic::set_pin(unsigned pin, bool high) {
  if (mkvm_ioapic_set_pin(&s_.io, pin, high) == MKVM_PIN_DUE) send(1u << pin);
}

void IoApic::end_of_interrupt(uint8_t vector) {
  send(mkvm_ioapic_end(&s_.io, mkvm_ioapic_acknowledged(&s_.io, vector)));
}

std::array<Msi, IoApic::kPins> IoApic::messages() const {
  std::array<Msi, kPins> all;
  std::ranges::transform(s_.io.entry, all.begin(), message);
  return all;
}

void IoApic::send(uint32_t pins) {
  for (unsigned pin = 0; pin < kPins; ++pin)
    if (pins & 1u << pin) send_(message(s_.io.entry[pin]));
}

}  // namespace minikvm
