// SPDX-License-Identifier: GPL-2.0-only
#include "ioapic.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace {

constexpr uint32_t kIndex = 0x00;
constexpr uint32_t kWindow = 0x10;
constexpr uint32_t kLevel = 1u << 15;
constexpr uint32_t kMasked = 1u << 16;
constexpr uint32_t kRemoteIrr = 1u << 14;

class IoApic : public ::testing::Test {
 protected:
  IoApic() { mkvm_ioapic_reset(&io_); }

  uint32_t read(uint32_t reg) {
    mkvm_ioapic_write(&io_, kIndex, reg);
    return mkvm_ioapic_read(&io_, kWindow);
  }
  uint32_t write(uint32_t reg, uint32_t value) {
    mkvm_ioapic_write(&io_, kIndex, reg);
    return mkvm_ioapic_write(&io_, kWindow, value);
  }
  uint32_t set_entry(uint32_t pin, uint32_t low, uint8_t dest = 0) {
    write(0x11 + 2 * pin, uint32_t{dest} << 24);
    return write(0x10 + 2 * pin, low);
  }
  uint32_t low(uint32_t pin) { return read(0x10 + 2 * pin); }
  int set(uint32_t pin, bool high) { return mkvm_ioapic_set_pin(&io_, pin, high); }
  // The EOI of a local APIC, whole.
  uint32_t eoi(uint8_t vector) {
    return mkvm_ioapic_end(&io_, mkvm_ioapic_acknowledged(&io_, vector));
  }

  mkvm_ioapic io_;
};

TEST_F(IoApic, ResetMasksAllPins) {
  for (uint32_t pin = 0; pin < MKVM_IOAPIC_PINS; ++pin) {
    EXPECT_EQ(low(pin), kMasked);
    EXPECT_EQ(set(pin, true), MKVM_PIN_IGNORED);
  }
  EXPECT_EQ(read(1), 0x00170011u);
}

TEST_F(IoApic, IdHasFourBitsAndIsReadBackAtTwoIndices) {
  write(0, 0xff000000);
  EXPECT_EQ(read(0), 0x0f000000u);
  EXPECT_EQ(read(2), 0x0f000000u);
  write(1, 0);
  EXPECT_EQ(read(1), 0x00170011u);
}

// CVE-2013-1798, CVE-2014-0155: bug class 28. The sanitizers see a table that is left.
TEST_F(IoApic, EveryIndexCanBeReadAndWritten) {
  for (uint32_t reg = 0; reg < 256; ++reg) {
    write(reg, ~0u);
    read(reg);
    write(reg, 0x00010000);
  }
  EXPECT_EQ(read(0x40), ~0u);
  EXPECT_EQ(read(0xff), ~0u);
  EXPECT_EQ(mkvm_ioapic_read(&io_, 0x20), 0u);
  EXPECT_EQ(mkvm_ioapic_write(&io_, 0x40, ~0u), 0u);
}

TEST_F(IoApic, EdgeIsSentOncePerRise) {
  set_entry(4, 0x31, 2);
  EXPECT_EQ(set(4, true), MKVM_PIN_DUE);
  EXPECT_EQ(set(4, true), MKVM_PIN_COALESCED);
  EXPECT_EQ(set(4, false), MKVM_PIN_DONE);
  EXPECT_EQ(set(4, true), MKVM_PIN_DUE);
  EXPECT_EQ(MKVM_RTE_DEST(io_.entry[4]), 2);
  EXPECT_EQ(MKVM_RTE_VECTOR(io_.entry[4]), 0x31);
  EXPECT_EQ(low(4) & kRemoteIrr, 0u);
}

TEST_F(IoApic, EdgeIsNotForTheEoi) {
  set_entry(4, 0x31);
  set(4, true);
  EXPECT_EQ(mkvm_ioapic_acknowledged(&io_, 0x31), 0u);
}

TEST_F(IoApic, MaskedEdgeIsLost) {
  set_entry(4, 0x31 | kMasked);
  EXPECT_EQ(set(4, true), MKVM_PIN_IGNORED);
  EXPECT_EQ(set_entry(4, 0x31), 0u);
}

TEST_F(IoApic, LevelWaitsForItsEoi) {
  set_entry(10, 0x41 | kLevel);
  EXPECT_EQ(set(10, true), MKVM_PIN_DUE);
  EXPECT_NE(low(10) & kRemoteIrr, 0u);
  EXPECT_EQ(set(10, true), MKVM_PIN_IGNORED);
  EXPECT_EQ(eoi(0x42), 0u);
  EXPECT_NE(low(10) & kRemoteIrr, 0u);
  EXPECT_EQ(eoi(0x41), 1u << 10);  // still high: again
  EXPECT_NE(low(10) & kRemoteIrr, 0u);
  set(10, false);
  EXPECT_EQ(eoi(0x41), 0u);
  EXPECT_EQ(low(10) & kRemoteIrr, 0u);
}

TEST_F(IoApic, EoiIsForAllPinsWithTheVector) {
  set_entry(10, 0x41 | kLevel);
  set_entry(11, 0x41 | kLevel);
  set(10, true);
  set(11, true);
  EXPECT_EQ(mkvm_ioapic_acknowledged(&io_, 0x41), 3u << 10);
  EXPECT_EQ(eoi(0x41), 3u << 10);
}

TEST_F(IoApic, MaskedLevelIsSentWhenUnmasked) {
  set_entry(10, 0x41 | kLevel | kMasked);
  EXPECT_EQ(set(10, true), MKVM_PIN_IGNORED);
  EXPECT_EQ(set_entry(10, 0x41 | kLevel), 1u << 10);
  set_entry(10, 0x41 | kLevel | kMasked);
  EXPECT_EQ(eoi(0x41), 0u);  // masked meanwhile
}

TEST_F(IoApic, RemoteIrrIsReadOnlyAndEdgeModeClearsIt) {
  set_entry(10, 0x41 | kLevel | kRemoteIrr);
  EXPECT_EQ(low(10) & kRemoteIrr, 0u);
  set(10, true);
  set_entry(10, 0x41 | kLevel | kMasked);
  EXPECT_NE(low(10) & kRemoteIrr, 0u);
  set_entry(10, 0x41 | kMasked);  // what Linux does to clear it
  EXPECT_EQ(low(10) & kRemoteIrr, 0u);
  EXPECT_EQ(set_entry(10, 0x41 | kLevel), 1u << 10);
}

TEST_F(IoApic, StateComesBackAndWaitingRequestsAreSent) {
  kvm_ioapic_state state, again;
  mkvm_ioapic other;

  write(0, 3u << 24);
  set_entry(3, 0x33, 1);
  set_entry(4, 0x34 | kMasked, 0xff);
  set_entry(10, 0x41 | kLevel);
  set_entry(11, 0x42 | kLevel);
  set(3, true);   // an edge that went out
  set(4, true);   // one that did not
  set(10, true);  // waits for its EOI
  mkvm_ioapic_get(&io_, &state);
  EXPECT_EQ(state.base_address, MKVM_IOAPIC_BASE);
  EXPECT_EQ(state.irr, (1u << 4) | (1u << 10));
  mkvm_ioapic_reset(&other);
  EXPECT_EQ(mkvm_ioapic_set(&other, &state), 0u);
  mkvm_ioapic_get(&other, &again);
  EXPECT_EQ(std::memcmp(&state, &again, sizeof(state)), 0);

  state.irr |= 1u << 11;
  EXPECT_EQ(mkvm_ioapic_set(&other, &state), 1u << 11);
}

TEST_F(IoApic, AnyStateCanBeSet) {
  std::mt19937_64 random(28);
  for (int i = 0; i < 2000; ++i) {
    kvm_ioapic_state state;
    auto* words = reinterpret_cast<uint64_t*>(&state);
    for (size_t w = 0; w < sizeof(state) / 8; ++w) words[w] = random();
    uint32_t due = mkvm_ioapic_set(&io_, &state);
    EXPECT_EQ(due >> MKVM_IOAPIC_PINS, 0u);
    for (uint32_t n = 0; n < 8; ++n) {
      set(static_cast<uint32_t>(random() % MKVM_IOAPIC_PINS), random() & 1);
      EXPECT_EQ(eoi(static_cast<uint8_t>(random())) >> MKVM_IOAPIC_PINS, 0u);
      write(static_cast<uint32_t>(random() & 0xff), static_cast<uint32_t>(random()));
    }
    EXPECT_EQ(io_.high >> MKVM_IOAPIC_PINS, 0u);
    EXPECT_LT(io_.id, 16);
  }
}

}  // namespace
