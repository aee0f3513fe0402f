// SPDX-License-Identifier: GPL-2.0-only
// The two cascaded 8259A interrupt controllers: kmod/pure/pic on a bus, with
// its input pins as interrupt lines and INTR as an output.
#pragma once

#include <array>

#include "base/result.h"
#include "devices/device.h"
#include "pic.h"

namespace minikvm {

// Could the chips be in this state? A snapshot may say anything.
bool valid(const mkvm_pic& pic);

class PicPair {
 public:
  struct State {
    mkvm_pic pic;
    bool operator==(const State& other) const;
  };

  static constexpr uint64_t kSize = 2;  // of each of the three port ranges

  explicit PicPair(IrqLine& intr);
  PicPair(const PicPair&) = delete;
  PicPair& operator=(const PicPair&) = delete;

  IoDevice& primary() { return primary_; }      // ports 0x20, 0x21
  IoDevice& secondary() { return secondary_; }  // ports 0xa0, 0xa1
  IoDevice& elcr() { return elcr_; }            // ports 0x4d0, 0x4d1: edge or level

  // Pin 2 is the cascade: nothing else can drive it.
  IrqLine& input(unsigned irq) { return inputs_.at(irq); }

  bool intr() const { return mkvm_pic_output(&state_.pic); }
  // The CPU's interrupt-acknowledge cycle: the vector to inject.
  uint8_t acknowledge();

  void reset();
  State save() const { return state_; }
  Result<> restore(const State& state);

 private:
  struct Ports final : ByteDevice {
    Ports(PicPair& owner, uint16_t base) : owner(owner), base(base) {}
    uint8_t read8(uint64_t offset) override;
    void write8(uint64_t offset, uint8_t value) override;
    PicPair& owner;
    uint16_t base;
  };
  struct Pin final : IrqLine {
    void set(bool high) override;
    PicPair* owner = nullptr;
    unsigned irq = 0;
  };

  void pass_on_intr();  // after each change

  IrqLine& intr_;
  bool intr_was_ = false;
  State state_{};
  Ports primary_{*this, MKVM_PIC_PRIMARY_PORT};
  Ports secondary_{*this, MKVM_PIC_SECONDARY_PORT};
  Ports elcr_{*this, MKVM_PIC_ELCR_PORT};
  std::array<Pin, MKVM_PIC_NR_IRQS> inputs_;
};

}  // namespace minikvm
