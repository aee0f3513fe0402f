// SPDX-License-Identifier: GPL-2.0-only
#include "devices/power.h"

namespace minikvm {
namespace {

constexpr uint8_t kResetCpu = 0x04;    // port 0xcf9
constexpr uint8_t kResetKept = 0x0e;   // full reset, CPU reset, system reset
constexpr uint16_t kSlpEn = 1 << 13;   // PM1a_CNT; reads as zero
constexpr uint16_t kPm1Kept = 0x1c07;  // SLP_TYP, GBL_RLS, BM_RLD, SCI_EN
constexpr uint8_t kFastReset = 0x01;   // port 0x92; the pulse reads as zero
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
  return static_cast<uint8_t>(s_.control >> 8 * offset);
}

void PowerManagement::write8(uint64_t offset, uint8_t value) {
  const unsigned shift = 8 * static_cast<unsigned>(offset);
  const auto merged = static_cast<uint16_t>((s_.control & ~(0xff << shift)) | value << shift);
  s_.control = merged & kPm1Kept;
  if (merged & kSlpEn) power_.request_power_off();
}

Result<> PowerManagement::restore(const State& state) {
  if (state.control & ~kPm1Kept) return fail({EINVAL, "restore", "PM1a_CNT", "impossible state"});
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
