// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "lapic.h"

namespace {

constexpr uint32_t kOff = 0, kXapic = MKVM_APIC_MODE_X, kX2apic = MKVM_APIC_MODE_X2;
constexpr uint32_t kLook = MKVM_APIC_DO_LOOK, kTimer = MKVM_APIC_DO_TIMER, kGp = MKVM_APIC_DO_GP;

// One APIC with its page; in xAPIC mode, enabled by software, all unmasked.
class Apic {
 public:
  explicit Apic(uint32_t id = 0, uint32_t mode = kXapic, bool no_eoi_msg = false) {
    apic_.page = &page_;
    apic_.id = id;
    apic_.mode = mode;
    apic_.has_deadline = true;
    mkvm_lapic_reset(&apic_, false, id == 0, no_eoi_msg);
    write(MKVM_APIC_SVR, 0x1ff);
  }
  Apic(const Apic&) = delete;
  Apic& operator=(const Apic&) = delete;

  uint32_t write(uint32_t nr, uint32_t value) { return mkvm_lapic_write(&apic_, nr, value, now); }
  uint32_t read(uint32_t nr) { return mkvm_lapic_read(&apic_, nr, now); }
  uint32_t wrmsr(uint32_t nr, uint64_t value) { return mkvm_lapic_wrmsr(&apic_, nr, value, now); }
  uint32_t rdmsr(uint32_t nr) {
    value = 0;
    return mkvm_lapic_rdmsr(&apic_, nr, &value, now);
  }
  uint32_t accept(uint8_t vector, bool level = false) {
    return mkvm_lapic_accept(&apic_, vector, level);
  }
  int pending() { return mkvm_lapic_pending(&apic_); }
  // Takes what is pending as the CPU does; -1 if nothing is.
  int take() { return mkvm_lapic_take(&apic_); }
  bool matches(uint32_t dest, bool logical, uint8_t shorthand = 0, bool is_ipi = true,
               bool self = false) const {
    const mkvm_apic_message m = {.dest = dest,
                                 .vector = 0x30,
                                 .mode = 0,
                                 .shorthand = shorthand,
                                 .logical = logical,
                                 .level = false,
                                 .assert = true};
    return mkvm_lapic_matches(&apic_, &m, is_ipi, self);
  }
  uint32_t expire(uint64_t at) {
    now = at;
    return mkvm_lapic_expire(&apic_, now);
  }
  mkvm_lapic* operator->() { return &apic_; }
  mkvm_lapic* get() { return &apic_; }
  mkvm_apic_page& page() { return page_; }

  uint64_t now = 1'000'000;
  unsigned long long value = 0;

 private:
  mkvm_apic_page page_ = {};
  mkvm_lapic apic_ = {};
};

// ---- registers ----

TEST(Lapic, Reset) {
  Apic a(3);
  mkvm_lapic_reset(a.get(), false, false, false);
  EXPECT_EQ(a.read(MKVM_APIC_ID), 3u << 24);
  EXPECT_EQ(a.read(MKVM_APIC_VERSION), 0x50014u);
  EXPECT_EQ(a.read(MKVM_APIC_SVR), 0xffu);
  EXPECT_EQ(a.read(MKVM_APIC_DFR), ~0u);
  for (uint32_t nr = MKVM_APIC_LVTT; nr <= MKVM_APIC_LVTERR; nr++) EXPECT_EQ(a.read(nr), 0x10000u);
  mkvm_lapic_reset(a.get(), false, true, true);
  EXPECT_EQ(a.read(MKVM_APIC_LVT0), 0x700u);
  EXPECT_EQ(a.read(MKVM_APIC_VERSION), 0x1050014u);
}

TEST(Lapic, InitKeepsTheId) {
  Apic a(3);
  a.write(MKVM_APIC_ID, 7u << 24);
  a.accept(0x30);
  mkvm_lapic_reset(a.get(), true, false, false);
  EXPECT_EQ(a.read(MKVM_APIC_ID), 7u << 24);
  EXPECT_EQ(a.pending(), -1);
}

// What each register keeps of all ones, in xAPIC mode.
TEST(Lapic, ReservedBits) {
  struct Row {
    uint32_t nr, kept;
  };
  const std::vector<Row> rows = {
      {0x02, 0xff000000}, {0x08, 0xff},    {0x0d, 0xff000000}, {0x0e, 0xffffffff}, {0x0f, 0x3ff},
      {0x31, 0xff000000}, {0x32, 0x700ff}, {0x33, 0x107ff},    {0x34, 0x107ff},    {0x35, 0x1a7ff},
      {0x36, 0x1a7ff},    {0x37, 0x100ff}, {0x3e, 0xb},
  };
  for (uint32_t nr = 0; nr < MKVM_APIC_NR_REGS; nr++) {
    if (nr == MKVM_APIC_EOI || nr == MKVM_APIC_ICR || nr == MKVM_APIC_TMICT) continue;
    Apic a;
    const uint32_t before = a.read(nr);
    a.write(nr, ~0u);
    const auto row = std::ranges::find(rows, nr, &Row::nr);
    if (row != rows.end())
      EXPECT_EQ(a.page().reg[nr].value, row->kept) << std::hex << nr;
    else
      EXPECT_EQ(a.page().reg[nr].value & ~0x80u, before & ~0x80u) << std::hex << nr;
  }
}

TEST(Lapic, DfrHasFourBits) {
  Apic a;
  a.write(MKVM_APIC_DFR, 0);
  EXPECT_EQ(a.read(MKVM_APIC_DFR), 0x0fffffffu);
}

TEST(Lapic, NoDeadlineModeWithoutTheFeature) {
  Apic a;
  a->has_deadline = false;
  a.write(MKVM_APIC_LVTT, 0x40030);
  EXPECT_EQ(a.read(MKVM_APIC_LVTT), 0x30u);
}

TEST(Lapic, SoftwareDisableMasksTheTable) {
  Apic a;
  a.write(MKVM_APIC_LVT0, 0x700);
  a.write(MKVM_APIC_SVR, 0xff);
  EXPECT_EQ(a.read(MKVM_APIC_LVT0), 0x10700u);
  a.write(MKVM_APIC_LVT0, 0x700);
  EXPECT_EQ(a.read(MKVM_APIC_LVT0), 0x10700u);
  EXPECT_EQ(a.accept(0x40), 0u);
  EXPECT_EQ(a.pending(), -1);
}

TEST(Lapic, ErrorsAreSeenAfterAWriteOfEsr) {
  Apic a;
  a.write(MKVM_APIC_LVTERR, 0x99);
  EXPECT_EQ(a.write(0x3d, 1), kLook);  // no such register
  EXPECT_EQ(a.read(MKVM_APIC_ESR), 0u);
  EXPECT_EQ(a.take(), 0x99);
  EXPECT_EQ(a.accept(5), kLook);
  a.write(MKVM_APIC_ESR, 0);
  EXPECT_EQ(a.read(MKVM_APIC_ESR), 0xc0u);
  a.write(MKVM_APIC_ICR, 0x4005);
  a.write(MKVM_APIC_ESR, 0);
  EXPECT_EQ(a.read(MKVM_APIC_ESR), 0x20u);
  a.write(MKVM_APIC_ESR, 0);
  EXPECT_EQ(a.read(MKVM_APIC_ESR), 0u);
}

TEST(Lapic, AnErrorEntryWithAnIllegalVectorIsNotToldForEver) {
  Apic a;
  a.write(MKVM_APIC_LVTERR, 0x7);
  EXPECT_EQ(a.accept(3), 0u);
  EXPECT_EQ(a.pending(), -1);
}

// ---- interrupts ----

TEST(Lapic, VectorsBelow16AreNotDelivered) {
  for (unsigned v = 0; v < 256; v++) {
    Apic a;
    a.accept(static_cast<uint8_t>(v));
    EXPECT_EQ(a.take(), v < 16 ? -1 : static_cast<int>(v));
    EXPECT_EQ(a->errors, v < 16 ? MKVM_APIC_RECV_ILLEGAL : 0);
  }
}

TEST(Lapic, ASecondOneCoalesces) {
  Apic a;
  EXPECT_EQ(a.accept(0x30), kLook);
  EXPECT_EQ(a.accept(0x30), 0u);
  EXPECT_EQ(a.take(), 0x30);
  EXPECT_EQ(a.accept(0x30), kLook);  // one in service, one waiting
  EXPECT_EQ(a.take(), -1);
  EXPECT_EQ(a.write(MKVM_APIC_EOI, 0), kLook);
  EXPECT_EQ(a.take(), 0x30);
}

TEST(Lapic, PriorityClasses) {
  Apic a;
  a.accept(0x41);
  EXPECT_EQ(a.take(), 0x41);
  a.accept(0x4f);  // the same class waits
  EXPECT_EQ(a.take(), -1);
  a.accept(0x50);
  EXPECT_EQ(a.take(), 0x50);
  EXPECT_EQ(a.read(MKVM_APIC_PPR), 0x50u);
  EXPECT_EQ(a.write(MKVM_APIC_EOI, 0), 0u);
  EXPECT_EQ(a.write(MKVM_APIC_EOI, 0), kLook);
  EXPECT_EQ(a.take(), 0x4f);
  a.write(MKVM_APIC_EOI, 0);
  EXPECT_EQ(a.write(MKVM_APIC_EOI, 0), 0u);  // nothing in service
}

TEST(Lapic, PprIsTheHigherOfTprAndService) {
  Apic a;
  a.accept(0x45);
  EXPECT_EQ(a.write(MKVM_APIC_TPR, 0x4a), 0u);
  EXPECT_EQ(a.read(MKVM_APIC_PPR), 0x4au);
  EXPECT_EQ(a.take(), -1);
  EXPECT_EQ(a.write(MKVM_APIC_TPR, 0x3f), kLook);
  EXPECT_EQ(a.take(), 0x45);
  EXPECT_EQ(a.read(MKVM_APIC_PPR), 0x40u);
  a.write(MKVM_APIC_TPR, 0x47);
  EXPECT_EQ(a.read(MKVM_APIC_PPR), 0x47u);
}

TEST(Lapic, EoiOfALevelTriggeredVectorIsTold) {
  Apic a;
  a.accept(0x61, true);
  a.take();
  EXPECT_EQ(a.write(MKVM_APIC_EOI, 0), MKVM_APIC_DO_EOI | 0x61);
  a.accept(0x61);  // now an edge
  a.take();
  EXPECT_EQ(a.write(MKVM_APIC_EOI, 0), 0u);
}

TEST(Lapic, EoiMessagesCanBeTurnedOffWhereThereIsNoIoApic) {
  for (const bool there : {false, true}) {
    Apic a(0, kXapic, there);
    a.write(MKVM_APIC_SVR, 0x11ff);
    a.accept(0x61, true);
    a.take();
    EXPECT_EQ(a.write(MKVM_APIC_EOI, 0), there ? 0 : MKVM_APIC_DO_EOI | 0x61);
  }
}

TEST(Lapic, SomethingWaitsUntilItIsTaken) {
  Apic a;
  EXPECT_FALSE(mkvm_lapic_has_irr(a.get()));
  a.write(MKVM_APIC_TPR, 0xf0);
  a.accept(0x61);
  EXPECT_TRUE(mkvm_lapic_has_irr(a.get()));
  EXPECT_LT(mkvm_lapic_pending(a.get()), 0);
  EXPECT_TRUE(mkvm_lapic_has_irr(a.get()));
  a.write(MKVM_APIC_TPR, 0);
  a.take();
  EXPECT_FALSE(mkvm_lapic_has_irr(a.get()));
}

// Then the guest may end it without our hearing of it.
TEST(Lapic, EoiIsPrivateWhereItDoesNoMore) {
  Apic a;
  EXPECT_FALSE(mkvm_lapic_eoi_is_private(a.get())) << "nothing in service";
  a.accept(0x61);
  EXPECT_FALSE(mkvm_lapic_eoi_is_private(a.get()));
  a.take();
  EXPECT_TRUE(mkvm_lapic_eoi_is_private(a.get()));
  a.accept(0x41);
  EXPECT_FALSE(mkvm_lapic_eoi_is_private(a.get())) << "one has come";
  mkvm_lapic_pending(a.get());
  EXPECT_FALSE(mkvm_lapic_eoi_is_private(a.get())) << "and waits";
  a.write(MKVM_APIC_EOI, 0);
  a.take();
  EXPECT_TRUE(mkvm_lapic_eoi_is_private(a.get()));
  a.accept(0x71, true);
  a.take();
  EXPECT_FALSE(mkvm_lapic_eoi_is_private(a.get())) << "level-triggered";
}

TEST(Lapic, ExtintNeedsLint0) {
  Apic a(1);
  EXPECT_FALSE(mkvm_lapic_takes_extint(a.get()));
  a.write(MKVM_APIC_LVT0, 0x700);
  EXPECT_TRUE(mkvm_lapic_takes_extint(a.get()));
  a.write(MKVM_APIC_LVT0, 0x400);
  EXPECT_FALSE(mkvm_lapic_takes_extint(a.get()));
  mkvm_lapic_set_mode(a.get(), kOff);  // then LINT0 is the INTR pin
  EXPECT_TRUE(mkvm_lapic_takes_extint(a.get()));
}

// ---- destinations ----

TEST(Lapic, PhysicalDestination) {
  Apic a(5), x2(5, kX2apic), off(5, kOff);
  EXPECT_TRUE(a.matches(5, false));
  EXPECT_FALSE(a.matches(4, false));
  EXPECT_TRUE(a.matches(0xff, false));
  EXPECT_TRUE(x2.matches(5, false));
  EXPECT_FALSE(x2.matches(0x105, false));
  EXPECT_TRUE(x2.matches(~0u, false));
  EXPECT_FALSE(x2.matches(0xff, false));           // an ID like any other
  EXPECT_TRUE(x2.matches(0xff, false, 0, false));  // but a device has 8 bits
  EXPECT_FALSE(off.matches(5, false));
  EXPECT_FALSE(off.matches(0xff, false));
}

TEST(Lapic, LogicalDestinationFlat) {
  Apic a;
  a.write(MKVM_APIC_LDR, 0x12000000);
  for (uint32_t dest = 0; dest < 0xff; dest++) EXPECT_EQ(a.matches(dest, true), (dest & 0x12) != 0);
  EXPECT_TRUE(a.matches(0xff, true));
  EXPECT_FALSE(a.matches(0x1200, true));
}

TEST(Lapic, LogicalDestinationCluster) {
  Apic a;
  a.write(MKVM_APIC_DFR, 0);
  a.write(MKVM_APIC_LDR, 0x35000000);
  for (uint32_t dest = 0; dest < 0xff; dest++)
    EXPECT_EQ(a.matches(dest, true), dest >> 4 == 3 && (dest & 5));
  EXPECT_TRUE(a.matches(0xff, true));
  a.write(MKVM_APIC_DFR, 0x50000000);  // no such model
  EXPECT_FALSE(a.matches(0x35, true));
}

TEST(Lapic, LogicalDestinationX2apic) {
  Apic a(0x25, kX2apic);
  EXPECT_EQ(a.read(MKVM_APIC_LDR), 0x20020u);
  EXPECT_TRUE(a.matches(0x20020, true));
  EXPECT_TRUE(a.matches(0x2ffff, true));
  EXPECT_FALSE(a.matches(0x2ffdf, true));
  EXPECT_FALSE(a.matches(0x10020, true));
  EXPECT_TRUE(a.matches(~0u, true));
}

TEST(Lapic, Shorthands) {
  Apic a(1);
  EXPECT_TRUE(a.matches(9, false, MKVM_APIC_SELF, true, true));
  EXPECT_FALSE(a.matches(1, false, MKVM_APIC_SELF, true, false));
  EXPECT_TRUE(a.matches(9, false, MKVM_APIC_ALL, true, true));
  EXPECT_TRUE(a.matches(9, false, MKVM_APIC_ALL, true, false));
  EXPECT_FALSE(a.matches(9, false, MKVM_APIC_OTHERS, true, true));
  EXPECT_TRUE(a.matches(9, false, MKVM_APIC_OTHERS, true, false));
}

TEST(Lapic, LowestPriority) {
  Apic a(1), b(2);
  const mkvm_apic_message m = {.dest = 0xff,
                               .vector = 0x30,
                               .mode = MKVM_APIC_LOWEST,
                               .shorthand = 0,
                               .logical = true,
                               .level = false,
                               .assert = true};
  EXPECT_FALSE(mkvm_lapic_before(a.get(), b.get()));
  a->turns = 1;
  EXPECT_TRUE(mkvm_lapic_before(b.get(), a.get()));  // it is b's turn
  b.write(MKVM_APIC_TPR, 0x20);
  EXPECT_TRUE(mkvm_lapic_before(a.get(), b.get()));
  EXPECT_TRUE(mkvm_lapic_matches(a.get(), &m, true, false));
  a.write(MKVM_APIC_SVR, 0xff);
  EXPECT_FALSE(mkvm_lapic_matches(a.get(), &m, true, false));
}

TEST(Lapic, IcrAsAMessage) {
  Apic a;
  mkvm_apic_message m;
  a.write(MKVM_APIC_ICR2, 0x7fffffff);
  EXPECT_EQ(a.write(MKVM_APIC_ICR, 0xcdd31), MKVM_APIC_DO_IPI);
  EXPECT_EQ(a.read(MKVM_APIC_ICR), 0xccd31u);  // never busy
  mkvm_lapic_icr(a.get(), &m);
  EXPECT_EQ(m.dest, 0x7fu);
  EXPECT_EQ(m.vector, 0x31);
  EXPECT_EQ(m.mode, MKVM_APIC_INIT);
  EXPECT_TRUE(m.logical && m.level && m.assert);
  EXPECT_EQ(m.shorthand, MKVM_APIC_OTHERS);
}

// ---- modes ----

TEST(Lapic, ModeChanges) {
  for (const uint32_t mode : {kOff, kXapic, kX2apic}) {
    EXPECT_TRUE(mkvm_lapic_may_change(mode, mode));
    EXPECT_TRUE(mkvm_lapic_may_change(mode, kOff));
  }
  EXPECT_TRUE(mkvm_lapic_may_change(kOff, kXapic));
  EXPECT_TRUE(mkvm_lapic_may_change(kXapic, kX2apic));
  EXPECT_FALSE(mkvm_lapic_may_change(kX2apic, kXapic));
  EXPECT_FALSE(mkvm_lapic_may_change(kOff, kX2apic));
}

TEST(Lapic, X2apicMsrs) {
  Apic a(0x25);
  for (uint32_t nr = 0; nr < 0x100; nr++) {
    EXPECT_EQ(a.rdmsr(nr), kGp);
    EXPECT_EQ(a.wrmsr(nr, 0), kGp);
  }
  mkvm_lapic_set_mode(a.get(), kX2apic);
  const std::vector<uint32_t> write_only = {MKVM_APIC_EOI, MKVM_APIC_SELF_IPI};
  const std::vector<uint32_t> absent = {0x00, 0x01, 0x09, 0x0c, 0x0e, 0x2f, 0x31, 0x3a, 0x3d};
  for (uint32_t nr = 0; nr < 0x100; nr++) {
    const bool gone = nr >= 0x40 || std::ranges::count(absent, nr);
    if (gone || std::ranges::count(write_only, nr)) {
      EXPECT_EQ(a.rdmsr(nr), kGp) << std::hex << nr;
    }
    if (gone) {
      EXPECT_EQ(a.wrmsr(nr, 0), kGp) << std::hex << nr;
    }
  }
  EXPECT_EQ(a.rdmsr(MKVM_APIC_ID), 0u);
  EXPECT_EQ(a.value, 0x25u);
  EXPECT_EQ(a.wrmsr(MKVM_APIC_ID, 0), kGp);
  EXPECT_EQ(a.wrmsr(MKVM_APIC_LDR, 0), kGp);
  EXPECT_EQ(a.wrmsr(MKVM_APIC_EOI, 1), kGp);
  EXPECT_EQ(a.wrmsr(MKVM_APIC_ESR, 1), kGp);
  EXPECT_EQ(a.wrmsr(MKVM_APIC_TPR, 1ull << 32), kGp);
  for (const unsigned bit : {13, 16, 17, 20, 31})
    EXPECT_EQ(a.wrmsr(MKVM_APIC_ICR, 1ull << bit | 0x30), kGp);
  EXPECT_EQ(a.wrmsr(MKVM_APIC_ICR, 0x1234567800004030), MKVM_APIC_DO_IPI);
  EXPECT_EQ(a.rdmsr(MKVM_APIC_ICR), 0u);
  EXPECT_EQ(a.value, 0x1234567800004030u);
  EXPECT_EQ(a.wrmsr(MKVM_APIC_SELF_IPI, 0x77), kLook);
  EXPECT_EQ(a.take(), 0x77);
}

// ---- the timer ----

constexpr uint32_t kDivide[] = {2, 4, 8, 16, 32, 64, 128, 1};

TEST(Lapic, TimerOneShot) {
  for (uint32_t i = 0; i < 8; i++) {
    Apic a;
    a.write(MKVM_APIC_LVTT, 0x30);
    a.write(MKVM_APIC_TDCR, (i & 3) | (i & 4) << 1);
    EXPECT_EQ(a.write(MKVM_APIC_TMICT, 1000), kTimer);
    EXPECT_EQ(a->expires, a.now + 1000 * kDivide[i]);
    const uint64_t end = a->expires;
    a.now += 250 * kDivide[i];
    EXPECT_EQ(a.read(MKVM_APIC_TMCCT), 750u);
    EXPECT_EQ(a.expire(end - 1), 0u);
    EXPECT_EQ(a.expire(end), kTimer | kLook);
    EXPECT_EQ(a->expires, 0u);
    EXPECT_EQ(a.read(MKVM_APIC_TMCCT), 0u);
    EXPECT_EQ(a.expire(end + 1), 0u);
  }
}

TEST(Lapic, TimerPeriodic) {
  Apic a;
  a.write(MKVM_APIC_LVTT, 0x20030);
  a.write(MKVM_APIC_TDCR, 0xb);
  a.write(MKVM_APIC_TMICT, 300000);
  const uint64_t start = a.now;
  EXPECT_EQ(a.expire(start + 300000), kTimer | kLook);
  EXPECT_EQ(a->expires, start + 600000);
  EXPECT_EQ(a.expire(start + 1'500'001), kTimer);  // late, and the last one was not taken
  EXPECT_EQ(a->expires, start + 1'800'000);
  a.write(MKVM_APIC_TMICT, 0);
  EXPECT_EQ(a->expires, 0u);
}

TEST(Lapic, APeriodicTimerHasALeastPeriod) {
  Apic a;
  a.write(MKVM_APIC_LVTT, 0x20030);
  a.write(MKVM_APIC_TMICT, 1);
  EXPECT_EQ(a->expires, a.now + 200000);
}

TEST(Lapic, DivideChangesOnTheWay) {
  Apic a;
  a.write(MKVM_APIC_LVTT, 0x30);
  a.write(MKVM_APIC_TDCR, 0xb);
  a.write(MKVM_APIC_TMICT, 1000);
  a.now += 400;
  EXPECT_EQ(a.write(MKVM_APIC_TDCR, 0), kTimer);
  EXPECT_EQ(a->expires, a.now + 1200);
  EXPECT_EQ(a.read(MKVM_APIC_TMCCT), 600u);
}

TEST(Lapic, TimerDeadline) {
  Apic a;
  EXPECT_EQ(mkvm_lapic_set_deadline(a.get(), 5, 9), 0u);  // not the mode
  a.write(MKVM_APIC_LVTT, 0x40030);
  a.write(MKVM_APIC_TMICT, 77);
  EXPECT_EQ(a.read(MKVM_APIC_TMICT), 0u);
  EXPECT_EQ(mkvm_lapic_set_deadline(a.get(), 12345, a.now + 500), kTimer);
  EXPECT_EQ(a->deadline, 12345u);
  EXPECT_EQ(a.write(MKVM_APIC_TDCR, 3), 0u);  // another timer mode's
  EXPECT_EQ(a->expires, a.now + 500);
  EXPECT_EQ(a.read(MKVM_APIC_TMCCT), 0u);
  EXPECT_EQ(a.expire(a.now + 500), kTimer | kLook);
  EXPECT_EQ(a->deadline, 0u);
  mkvm_lapic_set_deadline(a.get(), 12345, a.now + 500);
  EXPECT_EQ(mkvm_lapic_set_deadline(a.get(), 0, 1), kTimer);
  EXPECT_EQ(a->expires, 0u);
  mkvm_lapic_set_deadline(a.get(), 12345, a.now + 500);
  EXPECT_EQ(a.write(MKVM_APIC_LVTT, 0x30), kTimer);  // leaving the mode disarms
  EXPECT_EQ(a->expires, 0u);
  EXPECT_EQ(a->deadline, 0u);
}

TEST(Lapic, AMaskedTimerRunsAndIsSilent) {
  Apic a;
  a.write(MKVM_APIC_LVTT, 0x10030);
  a.write(MKVM_APIC_TMICT, 1);
  EXPECT_EQ(a.expire(a.now + 1000), kTimer);
  EXPECT_EQ(a.pending(), -1);
}

// Bug class 26: no mode, divide configuration and count makes a division by zero.
TEST(Lapic, TimerSweep) {
  for (uint32_t mode = 0; mode < 4; mode++)
    for (uint32_t tdcr = 0; tdcr < 16; tdcr++)
      for (const uint32_t count : {0u, 1u, 0x7fffffffu, ~0u})
        for (uint32_t next = 0; next < 4; next++) {
          Apic a;
          a.write(MKVM_APIC_LVTT, 0x30 | mode << 17);
          a.write(MKVM_APIC_TDCR, tdcr);
          a.write(MKVM_APIC_TMICT, count);
          a.read(MKVM_APIC_TMCCT);
          a.write(MKVM_APIC_LVTT, 0x30 | next << 17);
          a.expire(a.now + 1);
          a.write(MKVM_APIC_TDCR, tdcr ^ 3);
          a.expire(~0ull);
          EXPECT_LE(a.read(MKVM_APIC_TMCCT), count);
        }
}

// ---- KVM_GET_LAPIC, KVM_SET_LAPIC ----

TEST(Lapic, RoundTrip) {
  Apic a(1), b(1);
  a.write(MKVM_APIC_LVTT, 0x20044);
  a.write(MKVM_APIC_LVT0, 0x8700);
  a.write(MKVM_APIC_TMICT, 3'000'000);
  a.write(MKVM_APIC_TPR, 0x20);
  a.accept(0x91, true);
  a.accept(0x33);
  a.take();
  a.now += 1'000'000;
  mkvm_apic_page saved, again;
  mkvm_lapic_get(a.get(), &saved, a.now);
  b.now = 77;
  EXPECT_EQ(mkvm_lapic_set(b.get(), &saved, b.now), kTimer | kLook);
  mkvm_lapic_get(b.get(), &again, b.now);
  EXPECT_EQ(memcmp(&saved, &again, sizeof(saved)), 0);
  EXPECT_EQ(b->expires - b.now, a->expires - a.now);
  EXPECT_EQ(b.write(MKVM_APIC_EOI, 0) & ~kLook, MKVM_APIC_DO_EOI | 0x91);
}

TEST(Lapic, AFinishedOneShotTimerStaysSo) {
  Apic a, b;
  a.write(MKVM_APIC_LVTT, 0x30);
  a.write(MKVM_APIC_TMICT, 10);
  a.expire(a.now + 1000);
  mkvm_apic_page saved;
  mkvm_lapic_get(a.get(), &saved, a.now);
  mkvm_lapic_set(b.get(), &saved, b.now);
  EXPECT_EQ(b->expires, 0u);
}

TEST(Lapic, WhateverUserspaceSetsIsAState) {
  Apic a(7, kX2apic);
  mkvm_apic_page page;
  memset(&page, 0xff, sizeof(page));
  mkvm_lapic_set(a.get(), &page, a.now);
  EXPECT_EQ(a.page().reg[MKVM_APIC_ID].value, 7u << 24);
  EXPECT_EQ(a.read(MKVM_APIC_LDR), 0x80u);
  EXPECT_EQ(a.read(MKVM_APIC_VERSION), 0x50014u);
  EXPECT_EQ(a.read(MKVM_APIC_IRR), ~0u);
  EXPECT_EQ(a.read(MKVM_APIC_ISR), ~0u);
  int ended = 0;
  for (; a.write(MKVM_APIC_EOI, 0); ended++) {
  }
  EXPECT_EQ(ended, 256);
  mkvm_lapic_reset(a.get(), false, false, false);
  memset(&page, 0, sizeof(page));
  page.reg[MKVM_APIC_IRR].value = 0xffff;
  mkvm_lapic_set(a.get(), &page, a.now);
  EXPECT_EQ(a.pending(), -1);
}

}  // namespace
