// SPDX-License-Identifier: GPL-2.0-only
#include "slots.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kLimit = 1ull << (46 - 12);
constexpr uint64_t kHva = 0x7f0000000000;

// The array as the kernel keeps it: replaced by each accepted change.
class Slots : public ::testing::Test {
 protected:
  Slots() : slots_(allocate(0)) {}
  ~Slots() override { free(slots_); }

  static mkvm_slots* allocate(uint32_t nr) {
    return static_cast<mkvm_slots*>(calloc(1, sizeof(mkvm_slots) + nr * sizeof(mkvm_memslot)));
  }

  int set(kvm_userspace_memory_region region) {
    change_ = {};
    const int ret = mkvm_slots_plan(slots_, kLimit, &region, &change_);
    if (ret || change_.kind == MKVM_SLOT_UNCHANGED) return ret;
    mkvm_slots* next = allocate(slots_->nr + 1);
    mkvm_slots_apply(slots_, &change_, next);
    free(slots_);
    slots_ = next;
    return 0;
  }
  int set(uint32_t id, uint64_t gpa, uint64_t size, uint64_t hva = kHva, uint32_t flags = 0) {
    return set({.slot = id,
                .flags = flags,
                .guest_phys_addr = gpa,
                .memory_size = size,
                .userspace_addr = hva});
  }
  // The id of the slot that holds gfn, or -1.
  int at(uint64_t gfn) const {
    const mkvm_memslot* slot = mkvm_slot_find(slots_, gfn);
    return slot ? static_cast<int>(slot->id) : -1;
  }
  std::vector<uint32_t> ids() const {
    std::vector<uint32_t> all;
    for (uint32_t i = 0; i < slots_->nr; ++i) all.push_back(slots_->slot[i].id);
    return all;
  }

  mkvm_slots* slots_;
  mkvm_slot_change change_{};
};

using Ids = std::vector<uint32_t>;

TEST_F(Slots, EmptyHoldsNothing) {
  EXPECT_EQ(at(0), -1);
  EXPECT_EQ(at(~0ull), -1);
}

TEST_F(Slots, FindsFirstAndLastPageAndNotBeyond) {
  ASSERT_EQ(set(3, 0x10 * kPage, 4 * kPage), 0);
  EXPECT_EQ(at(0x0f), -1);
  EXPECT_EQ(at(0x10), 3);
  EXPECT_EQ(at(0x13), 3);
  EXPECT_EQ(at(0x14), -1);
}

TEST_F(Slots, StaySortedWhateverTheOrderOfCreation) {
  ASSERT_EQ(set(0, 0x300 * kPage, kPage), 0);
  ASSERT_EQ(set(1, 0x100 * kPage, kPage), 0);
  ASSERT_EQ(set(2, 0x200 * kPage, kPage), 0);
  ASSERT_EQ(set(3, 0x400 * kPage, kPage), 0);
  EXPECT_EQ(ids(), (Ids{1, 2, 0, 3}));
  EXPECT_EQ(at(0x200), 2);
  EXPECT_EQ(at(0x201), -1);
}

TEST_F(Slots, AdjacentSlotsDoNotOverlap) {
  ASSERT_EQ(set(0, 0, 2 * kPage), 0);
  ASSERT_EQ(set(1, 4 * kPage, kPage), 0);
  EXPECT_EQ(set(2, 2 * kPage, 2 * kPage), 0);
  EXPECT_EQ(at(3), 2);
  EXPECT_EQ(at(4), 1);
}

TEST_F(Slots, OverlapIsEexist) {
  ASSERT_EQ(set(0, 4 * kPage, 4 * kPage), 0);
  EXPECT_EQ(set(1, 7 * kPage, kPage), -EEXIST);
  EXPECT_EQ(set(1, 0, 5 * kPage), -EEXIST);
  EXPECT_EQ(set(1, 0, 100 * kPage), -EEXIST);
  EXPECT_EQ(set(1, 5 * kPage, kPage), -EEXIST);
  EXPECT_EQ(ids(), Ids{0});
}

TEST_F(Slots, UnalignedIsEinval) {
  EXPECT_EQ(set(0, 1, kPage), -EINVAL);
  EXPECT_EQ(set(0, 0, kPage + 1), -EINVAL);
  EXPECT_EQ(set(0, 0, kPage, kHva + 8), -EINVAL);
}

TEST_F(Slots, GpaWrapIsEinval) {
  EXPECT_EQ(set(0, ~0ull - kPage + 1, 2 * kPage), -EINVAL);
  EXPECT_EQ(set(0, ~0ull - kPage + 1, kPage), -EINVAL);
}

TEST_F(Slots, GpaBeyondTheMachineIsEinval) {
  EXPECT_EQ(set(0, kLimit * kPage, kPage), -EINVAL);
  EXPECT_EQ(set(0, (kLimit - 1) * kPage, 2 * kPage), -EINVAL);
  EXPECT_EQ(set(0, (kLimit - 1) * kPage, kPage), 0);
}

TEST_F(Slots, TooManyPagesIsEinval) {
  EXPECT_EQ(set(0, 0, kPage << 31), -EINVAL);
  EXPECT_EQ(set(0, 0, 1ull << 63), -EINVAL);
  EXPECT_EQ(set(0, 0, (kPage << 31) - kPage), 0);
}

TEST_F(Slots, IdOutOfRangeIsEinval) {
  EXPECT_EQ(set(MKVM_MAX_SLOTS, 0, kPage), -EINVAL);
  EXPECT_EQ(set(~0u, 0, kPage), -EINVAL);
  EXPECT_EQ(set(MKVM_MAX_SLOTS - 1, 0, kPage), 0);
}

// Of SMM: the same addresses again, and the same numbers.
TEST_F(Slots, TheOtherAddressSpaceIsApart) {
  ASSERT_EQ(set(3, 0x1000, kPage), 0);
  ASSERT_EQ(set(1u << 16 | 3, 0x1000, kPage), 0);
  EXPECT_EQ(set(1u << 16 | 4, 0x1000, kPage), -EEXIST);
  EXPECT_EQ(at(1), 3);
  EXPECT_EQ(at(MKVM_SMM_GFN | 1), 1 << 16 | 3);
  EXPECT_EQ(at(MKVM_SMM_GFN), -1);
  EXPECT_EQ(mkvm_slot_hva(mkvm_slot_find(slots_, MKVM_SMM_GFN | 1), 1), kHva);
  EXPECT_EQ(set(1u << 16 | 4, kLimit << 12, kPage), -EINVAL);
  EXPECT_EQ(set(1u << 16 | MKVM_MAX_SLOTS, 0, kPage), -EINVAL);
  EXPECT_EQ(set(2u << 16, 0, kPage), -EINVAL);
  EXPECT_EQ(set(3, 0x1000, 0), 0);
  EXPECT_EQ(at(MKVM_SMM_GFN | 1), 1 << 16 | 3);
}

TEST_F(Slots, UnknownFlagsAreEinval) {
  for (const uint32_t flags : {4u, 1u << 31, 7u}) EXPECT_EQ(set(0, 0, kPage, kHva, flags), -EINVAL);
}

TEST_F(Slots, LoggingStartsAndStopsInPlace) {
  unsigned long bitmap = 0;
  ASSERT_EQ(set(0, 0, kPage), 0);
  ASSERT_EQ(set(0, 0, kPage, kHva, KVM_MEM_LOG_DIRTY_PAGES), 0);
  EXPECT_EQ(change_.kind, MKVM_SLOT_FLAGS);
  EXPECT_EQ(change_.old.npages, 1u);
  EXPECT_EQ(ids(), Ids{0});
  EXPECT_EQ(slots_->slot[0].flags, KVM_MEM_LOG_DIRTY_PAGES);
  slots_->slot[0].dirty = &bitmap;
  ASSERT_EQ(set(0, 0, kPage, kHva, KVM_MEM_LOG_DIRTY_PAGES), 0);
  EXPECT_EQ(change_.kind, MKVM_SLOT_UNCHANGED);
  ASSERT_EQ(set(0, 0, kPage), 0);
  EXPECT_EQ(change_.old.dirty, &bitmap);
  EXPECT_EQ(slots_->slot[0].flags, 0u);
  EXPECT_EQ(slots_->slot[0].dirty, nullptr);
}

TEST_F(Slots, MoveMayChangeTheFlag) {
  ASSERT_EQ(set(0, 0, kPage, kHva, KVM_MEM_LOG_DIRTY_PAGES), 0);
  ASSERT_EQ(set(0, 4 * kPage, kPage), 0);
  EXPECT_EQ(change_.kind, MKVM_SLOT_MOVE);
  EXPECT_EQ(slots_->slot[0].flags, 0u);
}

TEST_F(Slots, ReadOnlyIsForLife) {
  ASSERT_EQ(set(0, 0, kPage, kHva, KVM_MEM_READONLY), 0);
  EXPECT_EQ(set(0, 0, kPage), -EINVAL);
  EXPECT_EQ(set(0, 4 * kPage, kPage), -EINVAL);
  EXPECT_EQ(set(0, 4 * kPage, kPage, kHva, KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES), 0);
  ASSERT_EQ(set(1, 0, kPage), 0);
  EXPECT_EQ(set(1, 0, kPage, kHva, KVM_MEM_READONLY), -EINVAL);
}

TEST_F(Slots, DeleteOfAnAbsentSlotIsEinval) {
  EXPECT_EQ(set(0, 0, 0), -EINVAL);
  ASSERT_EQ(set(0, 0, kPage), 0);
  ASSERT_EQ(set(0, 0, 0), 0);
  EXPECT_EQ(set(0, 0, 0), -EINVAL);
}

TEST_F(Slots, DeleteTakesOnlyThatSlotAndTellsWhatWent) {
  ASSERT_EQ(set(0, 0, kPage), 0);
  ASSERT_EQ(set(1, 8 * kPage, 2 * kPage), 0);
  ASSERT_EQ(set(2, 16 * kPage, kPage), 0);
  ASSERT_EQ(set(1, 0, 0), 0);
  EXPECT_EQ(change_.kind, MKVM_SLOT_DELETE);
  EXPECT_EQ(change_.old.base_gfn, 8u);
  EXPECT_EQ(change_.old.npages, 2u);
  EXPECT_EQ(ids(), (Ids{0, 2}));
  EXPECT_EQ(at(8), -1);
  EXPECT_EQ(at(16), 2);
}

TEST_F(Slots, MoveKeepsMemoryAndOrder) {
  ASSERT_EQ(set(0, 0, kPage), 0);
  ASSERT_EQ(set(1, 8 * kPage, kPage), 0);
  ASSERT_EQ(set(0, 16 * kPage, kPage), 0);
  EXPECT_EQ(change_.kind, MKVM_SLOT_MOVE);
  EXPECT_EQ(change_.old.base_gfn, 0u);
  EXPECT_EQ(ids(), (Ids{1, 0}));
  EXPECT_EQ(at(0), -1);
  EXPECT_EQ(at(16), 0);
}

TEST_F(Slots, MoveMayOverlapItself) {
  ASSERT_EQ(set(0, 0, 4 * kPage), 0);
  EXPECT_EQ(set(0, 2 * kPage, 4 * kPage), 0);
  EXPECT_EQ(at(1), -1);
  EXPECT_EQ(at(5), 0);
}

TEST_F(Slots, MoveOntoItselfAndAnotherIsEexist) {
  ASSERT_EQ(set(0, 0, 4 * kPage), 0);
  ASSERT_EQ(set(1, 5 * kPage, kPage), 0);
  EXPECT_EQ(set(0, 2 * kPage, 4 * kPage), -EEXIST);
  EXPECT_EQ(at(0), 0);
  EXPECT_EQ(at(5), 1);
}

TEST_F(Slots, MoveOntoAnotherSlotIsEexist) {
  ASSERT_EQ(set(0, 0, 4 * kPage), 0);
  ASSERT_EQ(set(1, 8 * kPage, kPage), 0);
  EXPECT_EQ(set(0, 5 * kPage, 4 * kPage), -EEXIST);
  EXPECT_EQ(at(0), 0);
}

TEST_F(Slots, LiveSlotKeepsSizeAndMemory) {
  ASSERT_EQ(set(0, 0, 4 * kPage), 0);
  EXPECT_EQ(set(0, 0, 5 * kPage), -EINVAL);
  EXPECT_EQ(set(0, 0, 4 * kPage, kHva + kPage), -EINVAL);
  EXPECT_EQ(set(0, 0, 4 * kPage), 0);
  EXPECT_EQ(change_.kind, MKVM_SLOT_UNCHANGED);
}

TEST_F(Slots, ByIdFindsWhatByGfnSorts) {
  ASSERT_EQ(set(7, 0, kPage), 0);
  ASSERT_EQ(set(5, 8 * kPage, kPage), 0);
  EXPECT_EQ(mkvm_slot_by_id(slots_, 5)->base_gfn, 8u);
  EXPECT_EQ(mkvm_slot_by_id(slots_, 6), nullptr);
}

TEST_F(Slots, AllFit) {
  for (uint32_t id = 0; id < MKVM_MAX_SLOTS; ++id) ASSERT_EQ(set(id, 2 * id * kPage, kPage), 0);
  for (uint32_t id = 0; id < MKVM_MAX_SLOTS; ++id) {
    EXPECT_EQ(at(2 * id), static_cast<int>(id));
    EXPECT_EQ(at(2 * id + 1), -1);
  }
}

class SlotMath : public ::testing::Test {
 protected:
  bool intersect(uint64_t start, uint64_t end) {
    return mkvm_slot_intersect(&slot_, start, end, &first_, &past_);
  }
  mkvm_memslot slot_{
      .base_gfn = 0x100, .npages = 0x10, .hva = kHva, .flags = 0, .id = 0, .dirty = nullptr};
  mkvm_gfn_t first_ = 0, past_ = 0;
};

TEST_F(SlotMath, HvaFollowsGfn) { EXPECT_EQ(mkvm_slot_hva(&slot_, 0x103), kHva + 3 * kPage); }

TEST_F(SlotMath, IntersectionIsClippedToTheSlot) {
  ASSERT_TRUE(intersect(0, ~0ul));
  EXPECT_EQ(first_, 0x100u);
  EXPECT_EQ(past_, 0x110u);
  ASSERT_TRUE(intersect(kHva + 2 * kPage, kHva + 3 * kPage));
  EXPECT_EQ(first_, 0x102u);
  EXPECT_EQ(past_, 0x103u);
}

TEST_F(SlotMath, NeighboursDoNotIntersect) {
  EXPECT_FALSE(intersect(kHva - kPage, kHva));
  EXPECT_FALSE(intersect(kHva + 0x10 * kPage, kHva + 0x11 * kPage));
  EXPECT_FALSE(intersect(kHva + kPage, kHva + kPage));
}

TEST_F(SlotMath, PartOfAPageIsThePage) {
  ASSERT_TRUE(intersect(kHva + kPage + 1, kHva + kPage + 2));
  EXPECT_EQ(first_, 0x101u);
  EXPECT_EQ(past_, 0x102u);
}

TEST_F(SlotMath, LargeLeafNeedsRoomOnBothSides) {
  slot_.npages = 0x400;
  slot_.base_gfn = 0x200;
  EXPECT_TRUE(mkvm_slot_allows_span(&slot_, 0x200, 512));
  EXPECT_TRUE(mkvm_slot_allows_span(&slot_, 0x5ff, 512));
  slot_.npages = 0x3ff;
  EXPECT_FALSE(mkvm_slot_allows_span(&slot_, 0x5fe, 512));
  slot_.base_gfn = 0x201;
  EXPECT_FALSE(mkvm_slot_allows_span(&slot_, 0x201, 512));
}

TEST_F(SlotMath, LargeLeafNeedsLikeAlignmentInTheHost) {
  slot_ = {.base_gfn = 0x200,
           .npages = 0x400,
           .hva = kHva + kPage,
           .flags = 0,
           .id = 0,
           .dirty = nullptr};
  EXPECT_FALSE(mkvm_slot_allows_span(&slot_, 0x300, 512));
  slot_.base_gfn = 0x201;
  EXPECT_TRUE(mkvm_slot_allows_span(&slot_, 0x400, 512));
  EXPECT_FALSE(mkvm_slot_allows_span(&slot_, 0x201, 512));
}

}  // namespace
