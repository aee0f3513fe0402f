// SPDX-License-Identifier: GPL-2.0-only
#include "devices/power.h"

#include <array>

namespace minikvm {
namespace {

constexpr uint8_t kResetCpu = 0x04;      // port 0xcf9
constexpr uint8_t kResetKept = 0x0e;     // full reset, CPU reset, system reset
constexpr uint16_t kSlpEn = 1 << 13;     // PM1a_CNT; reads as zero
constexpr uint16_t kSciEn = 1 << 0;      // always on: there is no SMI_CMD
constexpr uint16_t kPm1Kept = 0x1c07;    // SLP_TYP, GBL_RLS, BM_RLD, SCI_EN
constexpr uint16_t kPm1Events = 0x4721;  // PM1a_EN: what there are bits for

uint16_t with_byte(uint16_t word, uint64_t index, uint8_t value) {
  const unsigned shift = 8 * static_cast<unsigned>(index & 1);
  return static_cast<uint16_t>((word & ~(0xff << shift)) | value << shift);
}
constexpr uint8_t kFastReset = 0x01;  // port 0x92; the pulse reads as zero
constexpr uint8_t kA20 = 0x02;

}  // namespace

uint8_t ResetControl::read8(uint64_t) { return s_.value; }

void ResetControl::write8(uint64_t, uint8_t value) {
  if (value & ~s_.value & kResetCpu) power_.request_reset();
  s_.value = value & kResetKept;
}

Result<> ResetControl::restore(const State& state) {
  if (state.value & ~kResetKept) return fail({EINVAL, "restore", "port 0xcf9", "impossible state"});
  s_ = state;
  return {};
}

uint8_t PowerManagement::read8(uint64_t offset) {
  const std::array<uint16_t, 3> registers{0, s_.enable, s_.control};
  return static_cast<uint8_t>(registers.at(offset / 2) >> 8 * (offset & 1));
}

void PowerManagement::write8(uint64_t offset, uint8_t value) {
  if (offset < 2) return;  // PM1a_STS: nothing to clear
  if (offset < 4) {
    s_.enable = with_byte(s_.enable, offset, value) & kPm1Events;
    return;
  }
  const uint16_t merged = with_byte(s_.control, offset, value);
  s_.control = (merged & kPm1Kept) | kSciEn;
  if (merged & kSlpEn) power_.request_power_off();
}

Result<> PowerManagement::restore(const State& state) {
  if ((state.control & ~kPm1Kept) || !(state.control & kSciEn) || (state.enable & ~kPm1Events))
    return fail({EINVAL, "restore", "PM1a_CNT", "impossible state"});
  s_ = state;
  return {};
}

uint8_t SystemControlA::read8(uint64_t) { return s_.value; }

void SystemControlA::write8(uint64_t, uint8_t value) {
  if (value & kFastReset) power_.request_reset();
  s_.value = static_cast<uint8_t>((value & ~kFastReset) | kA20);
}

Result<> SystemControlA::restore(const State& state) {
  if ((state.value & kFastReset) || !(state.value & kA20))
    return fail({EINVAL, "restore", "port 0x92", "impossible state"});
  s_ = state;
  return {};
}

}  // namespace minikvm
