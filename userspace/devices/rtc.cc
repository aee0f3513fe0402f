// SPDX-License-Identifier: GPL-2.0-only
#include "devices/rtc.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace minikvm {
namespace {

enum Register : uint8_t {
  kSecond = 0x00,
  kSecondAlarm = 0x01,
  kMinute = 0x02,
  kMinuteAlarm = 0x03,
  kHour = 0x04,
  kHourAlarm = 0x05,
  kWeekday = 0x06,  // 1 is Sunday
  kDay = 0x07,
  kMonth = 0x08,
  kYear = 0x09,
  kA = 0x0a,
  kB = 0x0b,
  kC = 0x0c,
  kD = 0x0d,
  kEquipment = 0x14,
  kBaseMemory = 0x15,      // KiB, 16 bits
  kExtendedMemory = 0x17,  // KiB above 1 MiB, 16 bits, again at 0x30
  kChecksum = 0x2e,        // sum of 0x10 to 0x2d, high byte first
  kExtendedMemory2 = 0x30,
  kCentury = 0x32,
  kMemoryAbove16M = 0x34,  // 64 KiB units, 16 bits
  kMemoryAbove4G = 0x5b,   // 64 KiB units, 24 bits
};

constexpr uint8_t kUpdateInProgress = 0x80;  // A
constexpr uint8_t kDivider = 0x70;
constexpr uint8_t kDividerReset = 0x60;  // 6 and 7 of its eight values
constexpr uint8_t kRate = 0x0f;

enum ControlB : uint8_t {
  kSet = 0x80,
  kPeriodic = 0x40,  // interrupt enables in B, flags in C
  kAlarm = 0x20,
  kUpdate = 0x10,
  kSquareWave = 0x08,
  kBinary = 0x04,
  k24Hours = 0x02,
};
constexpr uint8_t kSources = kPeriodic | kAlarm | kUpdate;
constexpr uint8_t kInterruptRequest = 0x80;  // C
constexpr uint8_t kBatteryGood = 0x80;       // D
constexpr uint8_t kPm = 0x80;
constexpr uint8_t kAlarmWildcard = 0xc0;

constexpr uint64_t kNsPerSecond = 1'000'000'000;
constexpr uint64_t kUipNs = 244'000;  // "Update Cycle": announced so long before
constexpr int64_t kTicksPerSecond = 32768;
constexpr int64_t kSecondsPerDay = 86400;
constexpr int64_t kMaxSeconds = 25600ll * 366 * kSecondsPerDay;  // beyond any century byte

constexpr bool is_time(uint8_t index) {
  return index == kCentury || index == kSecond || index == kMinute || index == kHour ||
         (index >= kWeekday && index <= kYear);
}

int64_t ticks(int64_t seconds, uint64_t phase_ns) {
  return seconds * kTicksPerSecond +
         static_cast<int64_t>(phase_ns * kTicksPerSecond / kNsPerSecond);
}

int64_t floor_div(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

// "Periodic Interrupt Rate": ticks per interrupt, 0 for none. The two fastest
// codes repeat slower ones at this divider.
int64_t period(uint8_t a) {
  const unsigned rate = a & kRate;
  if (rate == 0) return 0;
  return int64_t{1} << ((rate <= 2 ? rate + 7 : rate) - 1);
}

}  // namespace

Rtc::Rtc(IrqLine& irq8, const Clock& clock, uint64_t unix_ns, CmosMemory memory)
    : irq8_(irq8), clock_(clock) {
  ram_[kA] = 0x26;  // 32768 Hz, 1024 interrupts per second
  ram_[kB] = k24Hours;
  ram_[kD] = kBatteryGood;
  fill_memory_size(memory);
  set_time(static_cast<int64_t>(unix_ns / kNsPerSecond), unix_ns % kNsPerSecond);
}

void Rtc::fill_memory_size(CmosMemory memory) {
  const auto put = [this](uint8_t at, uint64_t value, unsigned bytes) {
    value = std::min(value, (uint64_t{1} << 8 * bytes) - 1);
    for (unsigned i = 0; i < bytes; ++i) ram_[at + i] = static_cast<uint8_t>(value >> 8 * i);
  };
  const auto above = [&](uint64_t start) {
    return memory.below_4g > start ? memory.below_4g - start : 0;
  };
  put(kBaseMemory, std::min<uint64_t>(640, memory.below_4g >> 10), 2);
  put(kExtendedMemory, above(1 << 20) >> 10, 2);
  put(kExtendedMemory2, above(1 << 20) >> 10, 2);
  put(kMemoryAbove16M, above(16 << 20) >> 16, 2);
  put(kMemoryAbove4G, memory.above_4g >> 16, 3);
  ram_[kEquipment] = 0x02;  // a math coprocessor, no floppy, no display

  unsigned sum = 0;
  for (unsigned i = 0x10; i < kChecksum; ++i) sum += ram_[i];
  ram_[kChecksum] = static_cast<uint8_t>(sum >> 8);
  ram_[kChecksum + 1] = static_cast<uint8_t>(sum);
}

// The time registers hold what was latched or written: the guest is setting
// them (SET), or holds the divider in reset.
bool Rtc::standing_still() const {
  return (ram_[kB] & kSet) || (ram_[kA] & kDivider) >= kDividerReset;
}

Rtc::Instant Rtc::now() const {
  const uint64_t elapsed = clock_.now_ns() - base_ns_;
  return {base_seconds_ + static_cast<int64_t>(elapsed / kNsPerSecond), elapsed % kNsPerSecond};
}

void Rtc::set_time(int64_t seconds, uint64_t phase_ns) {
  base_seconds_ = seconds;
  base_ns_ = clock_.now_ns() - phase_ns;
  seen_ticks_ = ticks(seconds, phase_ns);
}

// The first nanosecond of a tick, on clock_.
uint64_t Rtc::when(int64_t tick) const {
  const int64_t since = tick - base_seconds_ * kTicksPerSecond;
  const auto whole = static_cast<uint64_t>(since / kTicksPerSecond);
  const auto rest = static_cast<uint64_t>(since % kTicksPerSecond);
  return base_ns_ + whole * kNsPerSecond +
         (rest * kNsPerSecond + kTicksPerSecond - 1) / kTicksPerSecond;
}

uint64_t Rtc::next_event() const {
  const uint8_t waiting = ram_[kB] & ~ram_[kC] & kSources;
  const Instant t = now();
  const int64_t tick = ticks(t.seconds, t.phase_ns);
  uint64_t next = kNever;
  if ((waiting & (kAlarm | kUpdate)) && !standing_still())
    next = when((t.seconds + 1) * kTicksPerSecond);
  if (const int64_t every = period(ram_[kA]); (waiting & kPeriodic) && every > 0)
    next = std::min(next, when((floor_div(tick, every) + 1) * every));
  return next;
}

void Rtc::advance() {
  const Instant t = now();
  const int64_t tick = ticks(t.seconds, t.phase_ns);
  const int64_t seen_seconds = floor_div(seen_ticks_, kTicksPerSecond);
  if (t.seconds > seen_seconds && !standing_still()) {
    ram_[kC] |= kUpdate;
    if (alarm_between(seen_seconds, t.seconds)) ram_[kC] |= kAlarm;
  }
  const int64_t every = period(ram_[kA]);
  if (every > 0 && floor_div(tick, every) != floor_div(seen_ticks_, every)) ram_[kC] |= kPeriodic;
  seen_ticks_ = tick;
  update_irq();
}

// An alarm matches at most one moment of a day, or many: a day's worth of
// seconds tells, however long nobody looked.
bool Rtc::alarm_between(int64_t after, int64_t last) {
  const auto hits = [this](uint8_t alarm, uint8_t value) {
    return ram_[alarm] >= kAlarmWildcard || ram_[alarm] == value;
  };
  for (int64_t s = std::max(after, last - kSecondsPerDay) + 1; s <= last; ++s) {
    const auto of_day = static_cast<unsigned>(s - floor_div(s, kSecondsPerDay) * kSecondsPerDay);
    if (hits(kSecondAlarm, encode(of_day % 60)) && hits(kMinuteAlarm, encode(of_day / 60 % 60)) &&
        hits(kHourAlarm, encode_hour(of_day / 3600)))
      return true;
  }
  return false;
}

void Rtc::reset() {
  ram_[kB] &= static_cast<uint8_t>(~(kSources | kSquareWave));
  ram_[kC] = 0;
  update_irq();
}

Rtc::State Rtc::save() const {
  const Instant t = now();
  return {ram_, index_, t.seconds, t.phase_ns, seen_ticks_};
}

Result<> Rtc::restore(const State& state) {
  const bool sane = state.index < state.ram.size() && state.phase_ns < kNsPerSecond &&
                    state.seconds <= kMaxSeconds && state.seconds >= -kMaxSeconds &&
                    state.seen_ticks <= ticks(state.seconds, state.phase_ns) &&
                    state.seen_ticks >= -kMaxSeconds * kTicksPerSecond &&
                    !(state.ram[kA] & kUpdateInProgress) && !(state.ram[kC] & ~kSources) &&
                    state.ram[kD] == kBatteryGood;
  if (!sane) return fail({EINVAL, "restore", "real-time clock", "impossible state"});
  ram_ = state.ram;
  index_ = state.index;
  set_time(state.seconds, state.phase_ns);
  seen_ticks_ = state.seen_ticks;
  update_irq();
  return {};
}

uint8_t Rtc::read8(uint64_t offset) {
  if (offset == 0) return 0xff;  // the index is write-only
  advance();
  return read_register(index_);
}

void Rtc::write8(uint64_t offset, uint8_t value) {
  if (offset == 0) {
    index_ = value & 0x7f;
    return;
  }
  advance();
  write_register(index_, value);
  update_irq();
}

uint8_t Rtc::read_register(uint8_t index) {
  if (is_time(index) && !standing_still()) latch_time(now().seconds);
  if (index == kA) {
    const bool updating = !standing_still() && now().phase_ns >= kNsPerSecond - kUipNs;
    return ram_[kA] | (updating ? kUpdateInProgress : 0);
  }
  if (index == kC) {
    const uint8_t flags = std::exchange(ram_[kC], uint8_t{0});
    update_irq();
    return flags | (flags & ram_[kB] & kSources ? kInterruptRequest : 0);
  }
  return ram_[index];
}

void Rtc::write_register(uint8_t index, uint8_t value) {
  if (index == kA) return write_a(value);
  if (index == kB) return write_b(value);
  if (index == kC || index == kD) return;  // read-only
  const bool sets_running_time = is_time(index) && !standing_still();
  if (sets_running_time) latch_time(now().seconds);
  ram_[index] = value;
  if (sets_running_time) set_time(latched_seconds(), now().phase_ns);
}

// Out of reset, the divider gives its first update after half a second.
void Rtc::write_a(uint8_t value) {
  const bool was_still = standing_still();
  const bool was_reset = (ram_[kA] & kDivider) >= kDividerReset;
  if (!was_still) latch_time(now().seconds);
  ram_[kA] = value & static_cast<uint8_t>(~kUpdateInProgress);
  if (was_reset && (ram_[kA] & kDivider) < kDividerReset) set_time(now().seconds, kNsPerSecond / 2);
  if (was_still && !standing_still()) set_time(latched_seconds(), now().phase_ns);
}

void Rtc::write_b(uint8_t value) {
  const bool was_still = standing_still();
  if (!was_still) latch_time(now().seconds);
  if (value & kSet) value &= static_cast<uint8_t>(~kUpdate);
  ram_[kB] = value;
  if (was_still && !standing_still()) set_time(latched_seconds(), now().phase_ns);
}

uint8_t Rtc::encode(unsigned value) const {
  return static_cast<uint8_t>(ram_[kB] & kBinary ? value : value / 10 << 4 | value % 10);
}

unsigned Rtc::decode(uint8_t value) const {
  return ram_[kB] & kBinary ? value : (value >> 4) * 10u + (value & 0x0f);
}

uint8_t Rtc::encode_hour(unsigned hour) const {
  if (ram_[kB] & k24Hours) return encode(hour);
  const unsigned half = hour % 12 == 0 ? 12 : hour % 12;
  return encode(half) | (hour >= 12 ? kPm : 0);
}

unsigned Rtc::decode_hour(uint8_t value) const {
  if (ram_[kB] & k24Hours) return decode(value);
  return decode(value & static_cast<uint8_t>(~kPm)) % 12 + (value & kPm ? 12 : 0);
}

void Rtc::latch_time(int64_t seconds) {
  using namespace std::chrono;
  const sys_days date{days{floor_div(seconds, kSecondsPerDay)}};
  const year_month_day ymd{date};
  const auto of_day =
      static_cast<unsigned>(seconds - date.time_since_epoch().count() * kSecondsPerDay);
  const auto year = static_cast<unsigned>(static_cast<int>(ymd.year()));
  ram_[kSecond] = encode(of_day % 60);
  ram_[kMinute] = encode(of_day / 60 % 60);
  ram_[kHour] = encode_hour(of_day / 3600);
  ram_[kWeekday] = encode(weekday{date}.c_encoding() + 1);
  ram_[kDay] = encode(static_cast<unsigned>(ymd.day()));
  ram_[kMonth] = encode(static_cast<unsigned>(ymd.month()));
  ram_[kYear] = encode(year % 100);
  ram_[kCentury] = encode(year / 100);
}

// Impossible dates, which a guest may write, carry over into possible ones.
int64_t Rtc::latched_seconds() const {
  using namespace std::chrono;
  const unsigned month_number = std::clamp(decode(ram_[kMonth]), 1u, 12u);
  const int year_number = static_cast<int>(decode(ram_[kCentury]) * 100 + decode(ram_[kYear]));
  const sys_days first = year{year_number} / month{month_number} / 1;
  const int64_t day = first.time_since_epoch().count() + decode(ram_[kDay]) - 1;
  return day * kSecondsPerDay + decode_hour(ram_[kHour]) * 3600 + decode(ram_[kMinute]) * 60 +
         decode(ram_[kSecond]);
}

void Rtc::update_irq() { irq8_.set(ram_[kB] & ram_[kC] & kSources); }

}  // namespace minikvm
