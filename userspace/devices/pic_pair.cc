// SPDX-License-Identifier: GPL-2.0-only
#include "devices/pic_pair.h"

#include <cstring>
#include <type_traits>

namespace minikvm {

namespace {

bool plausible(const kvm_pic_state& c, uint8_t elcr_mask) {
  return c.priority_add <= 7 && c.init_state <= MKVM_PIC_ICW4 && !(c.irq_base & 7) &&
         c.elcr_mask == elcr_mask && !(c.elcr & ~elcr_mask) && c.init4 <= 1 && c.auto_eoi <= 1 &&
         c.special_fully_nested_mode <= 1 && c.rotate_on_auto_eoi <= 1 && c.special_mask <= 1 &&
         c.poll <= 1 && c.read_reg_select <= 1;
}

}  // namespace

bool valid(const mkvm_pic& pic) {
  return plausible(pic.chip[0], 0xf8) && plausible(pic.chip[1], 0xde) && pic.single[0] <= 1 &&
         pic.single[1] <= 1;
}

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
  pass_on_intr();
}

Result<> PicPair::restore(const State& state) {
  if (!valid(state.pic)) return fail({EINVAL, "restore", "8259 pair", "impossible state"});
  state_ = state;
  pass_on_intr();
  return {};
}

void PicPair::pass_on_intr() {
  if (intr() == intr_was_) return;
  intr_was_ = intr();
  intr_.set(intr_was_);
}

uint8_t PicPair::acknowledge() {
  const uint8_t vector = mkvm_pic_acknowledge(&state_.pic);
  pass_on_intr();
  return vector;
}

uint8_t PicPair::Ports::read8(uint64_t offset) {
  const uint8_t value = mkvm_pic_read(&owner.state_.pic, static_cast<uint16_t>(base + offset));
  owner.pass_on_intr();
  return value;
}

void PicPair::Ports::write8(uint64_t offset, uint8_t value) {
  mkvm_pic_write(&owner.state_.pic, static_cast<uint16_t>(base + offset), value);
  owner.pass_on_intr();
}

void PicPair::Pin::set(bool high) {
  mkvm_pic_set_irq(&owner->state_.pic, irq, high);
  owner->pass_on_intr();
}

}  // namespace minikvm
