// SPDX-License-Identifier: GPL-2.0-only
#include "devices/interval_timer.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace minikvm {

namespace {

constexpr uint64_t kNsPerSecond = 1'000'000'000;

bool plausible(const mkvm_pit_channel& c) {
  const bool both = c.access == 3, periodic = c.mode == 2 || c.mode == 3;
  return c.mode <= 5 && c.bcd <= 1 && c.access >= 1 && c.access <= 3 && c.gate <= 1 &&
         c.written <= 1 && c.loaded <= 1 && c.write_high <= both && c.read_high <= both &&
         c.count_latched <= 1 && c.status_latched <= 1 && c.count >= 1 && c.count <= 0x10000 &&
         c.reload >= 1 && c.reload <= 0x10000 && c.elapsed <= c.now &&
         (!periodic || c.elapsed < c.count);
}

uint64_t ticks(uint64_t ns) {
  return ns / kNsPerSecond * MKVM_PIT_HZ + ns % kNsPerSecond * MKVM_PIT_HZ / kNsPerSecond;
}

}  // namespace

bool valid(const mkvm_pit& pit) {
  return std::ranges::all_of(pit.channel, plausible) &&
         !(pit.flags & ~KVM_PIT_FLAGS_SPEAKER_DATA_ON);
}

static_assert(std::has_unique_object_representations_v<mkvm_pit>);  // memcmp compares values

bool IntervalTimer::State::operator==(const State& other) const {
  return elapsed_ns == other.elapsed_ns && std::memcmp(&pit, &other.pit, sizeof(pit)) == 0;
}

IntervalTimer::IntervalTimer(IrqLine& irq0, const Clock& clock)
    : irq0_(irq0), clock_(clock), power_on_(clock.now_ns()) {
  mkvm_pit_reset(&pit_);
}

void IntervalTimer::reset() {
  power_on_ = clock_.now_ns();
  mkvm_pit_reset(&pit_);
}

IntervalTimer::State IntervalTimer::save() const { return {pit_, elapsed()}; }

Result<> IntervalTimer::restore(const State& state) {
  // No channel has seen more time than has passed since power-on.
  const auto past = [now = ticks(state.elapsed_ns)](auto& c) { return c.now <= now; };
  if (!valid(state.pit) || !std::ranges::all_of(state.pit.channel, past))
    return fail({EINVAL, "restore", "8254", "impossible state"});
  pit_ = state.pit;
  power_on_ = clock_.now_ns() - state.elapsed_ns;
  return {};
}

uint64_t IntervalTimer::next_event() const {
  const uint64_t due = mkvm_pit_next_collect(&pit_, elapsed());
  return due == MKVM_PIT_NEVER ? kNever : due + power_on_;
}

void IntervalTimer::advance() {
  if (mkvm_pit_collect(&pit_, elapsed()) == 0) return;
  irq0_.set(true);
  irq0_.set(false);
}

// Each access passes on the edges that are due: those from before it, and the
// one that a write itself can cause.
uint8_t IntervalTimer::Counters::read8(uint64_t offset) {
  owner.advance();
  return mkvm_pit_read(&owner.pit_, static_cast<unsigned>(offset), owner.elapsed());
}

void IntervalTimer::Counters::write8(uint64_t offset, uint8_t value) {
  mkvm_pit_write(&owner.pit_, static_cast<unsigned>(offset), value, owner.elapsed());
  owner.advance();
}

uint8_t IntervalTimer::Speaker::read8(uint64_t) {
  return mkvm_pit_read_speaker(&owner.pit_, owner.elapsed());
}

void IntervalTimer::Speaker::write8(uint64_t, uint8_t value) {
  mkvm_pit_write_speaker(&owner.pit_, value, owner.elapsed());
}

}  // namespace minikvm
