// SPDX-License-Identifier: GPL-2.0-only
#include "devices/pic_pair.h"

#include <cstring>
#include <type_traits>

namespace minikvm {

static_assert(std::has_unique_object_representations_v<mkvm_pic>);  // memcmp compares values

bool PicPair::State::operator==(const State& other) const {
  return std::memcmp(&pic, &other.pic, sizeof(pic)) == 0;
}

PicPair::PicPair(IrqLine& intr) : intr_(intr) {
  for (unsigned irq = 0; irq < inputs_.size(); ++irq) {
    inputs_[irq].owner = this;
    inputs_[irq].irq = irq;
  }
  mkvm_pic_reset(&state_.pic);
}

void PicPair::reset() {
  mkvm_pic_reset(&state_.pic);
  intr_.set(intr());
}

Result<> PicPair::restore(const State& state) {
  if (!mkvm_pic_valid(&state.pic))
    return fail({EINVAL, "restore", "8259 pair", "impossible state"});
  state_ = state;
  intr_.set(intr());
  return {};
}

uint8_t PicPair::acknowledge() {
  uint32_t effects = 0;
  const uint8_t vector = mkvm_pic_acknowledge(&state_.pic, &effects);
  apply(effects);
  return vector;
}

void PicPair::apply(uint32_t effects) {
  if (effects & MKVM_PIC_OUTPUT) intr_.set(intr());
}

uint8_t PicPair::Ports::read8(uint64_t offset) {
  uint32_t effects = 0;
  const auto port = static_cast<uint16_t>(base + offset);
  const uint8_t value = mkvm_pic_read(&owner.state_.pic, port, &effects);
  owner.apply(effects);
  return value;
}

void PicPair::Ports::write8(uint64_t offset, uint8_t value) {
  const auto port = static_cast<uint16_t>(base + offset);
  owner.apply(mkvm_pic_write(&owner.state_.pic, port, value));
}

void PicPair::Pin::set(bool high) { owner->apply(mkvm_pic_set_irq(&owner->state_.pic, irq, high)); }

}  // namespace minikvm
