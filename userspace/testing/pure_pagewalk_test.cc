// SPDX-License-Identifier: GPL-2.0-only
#include "pagewalk.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "x86_bits.h"

namespace {

constexpr uint32_t kRead = MKVM_ACCESS_READ;
constexpr uint32_t kWrite = MKVM_ACCESS_WRITE;
constexpr uint32_t kExec = MKVM_ACCESS_EXEC;

constexpr uint64_t kP = 1, kW = 2, kU = 4, kA = 0x20, kD = 0x40, kPs = 0x80, kXd = 1ull << 63;
constexpr uint64_t kPage = 0x9000;  // what the test's leaf maps

// Entries by address; an address that was never set is outside of memory.
struct Memory {
  std::map<u64, u64> entries;
  bool changes = false;  // another CPU is faster at each replace

  static int read(void* self, u64 gpa, u64* entry, u32) {
    auto& all = static_cast<Memory*>(self)->entries;
    const auto found = all.find(gpa);
    if (found == all.end()) return -EFAULT;
    *entry = found->second;
    return 0;
  }
  static int replace(void* self, u64 gpa, u64 old, u64 next, u32) {
    auto* memory = static_cast<Memory*>(self);
    if (memory->changes || memory->entries.at(gpa) != old) return -EAGAIN;
    memory->entries[gpa] = next;
    return 0;
  }
};

class PageWalk : public ::testing::Test {
 protected:
  int walk(uint64_t linear, uint32_t access) {
    const mkvm_pagewalk_memory callbacks{&memory_, Memory::read, Memory::replace};
    gpa_ = error_ = 0;
    return mkvm_pagewalk(&paging_, &callbacks, linear, access, &gpa_, &error_);
  }
  void expect_fault(uint64_t linear, uint32_t access, uint32_t error) {
    EXPECT_EQ(walk(linear, access), -EFAULT);
    EXPECT_EQ(error_, error);
  }
  void expect_gpa(uint64_t linear, uint32_t access, uint64_t gpa) {
    EXPECT_EQ(walk(linear, access), 0) << "error code " << error_;
    EXPECT_EQ(gpa_, gpa);
  }
  void as_user() { paging_.user = true; }

  Memory memory_;
  mkvm_paging paging_{.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP,
                      .cr3 = 0x1000,
                      .cr4 = 0,
                      .efer = 0,
                      .user = false,
                      .ac = false,
                      .maxphyaddr = 40};
  u64 gpa_ = 0;
  u32 error_ = 0;
};

// 4-level: one page at linear 0x1_8060_2abc, by entries 0 (PML4), 6, 3, 2.
class FourLevel : public PageWalk {
 protected:
  FourLevel() {
    paging_.cr4 = X86_CR4_PAE;
    paging_.efer = MKVM_EFER_LME | MKVM_EFER_LMA | MKVM_EFER_NXE;
    pml4e() = 0x2000 | kP | kW | kU;
    pdpte() = 0x3000 | kP | kW | kU;
    pde() = 0x4000 | kP | kW | kU;
    pte() = kPage | kP | kW | kU;
  }
  u64& pml4e() { return memory_.entries[0x1000]; }
  u64& pdpte() { return memory_.entries[0x2000 + 6 * 8]; }
  u64& pde() { return memory_.entries[0x3000 + 3 * 8]; }
  u64& pte() { return memory_.entries[0x4000 + 2 * 8]; }
  static constexpr uint64_t kLinear = (6ull << 30) | (3 << 21) | (2 << 12) | 0xabc;
};

TEST_F(PageWalk, WithoutPagingLinearIsPhysical) {
  paging_.cr0 = X86_CR0_PE;
  expect_gpa(0x12345678, kWrite, 0x12345678);
  expect_gpa(0x1'0000'0010, kRead, 0x10);
}

TEST_F(FourLevel, Translates) { expect_gpa(kLinear, kRead, kPage | 0xabc); }

TEST_F(FourLevel, Cr3LowAndHighBitsAreNotAddress) {
  paging_.cr3 |= 0xfff | (1ull << 63);
  expect_gpa(kLinear, kRead, kPage | 0xabc);
}

TEST_F(FourLevel, ReadSetsAccessedEverywhereAndNoDirty) {
  ASSERT_EQ(walk(kLinear, kRead), 0);
  for (const u64 entry : {pml4e(), pdpte(), pde(), pte()}) {
    EXPECT_TRUE(entry & kA);
    EXPECT_FALSE(entry & kD);
  }
}

TEST_F(FourLevel, WriteSetsDirtyInTheLeafOnly) {
  ASSERT_EQ(walk(kLinear, kWrite), 0);
  EXPECT_TRUE(pte() & kD);
  EXPECT_FALSE((pml4e() | pdpte() | pde()) & kD);
}

TEST_F(FourLevel, FaultMarksNothing) {
  pte() &= ~kW;
  expect_fault(kLinear, kWrite, MKVM_PF_PRESENT | MKVM_PF_WRITE);
  EXPECT_FALSE((pml4e() | pdpte() | pde() | pte()) & (kA | kD));
}

TEST_F(FourLevel, ChangedEntryAsksForAnotherWalk) {
  memory_.changes = true;
  EXPECT_EQ(walk(kLinear, kRead), -EAGAIN);
}

TEST_F(FourLevel, MarkedEntriesAreNotWritten) {
  memory_.changes = true;
  for (u64* entry : {&pml4e(), &pdpte(), &pde(), &pte()}) *entry |= kA;
  pte() |= kD;
  EXPECT_EQ(walk(kLinear, kWrite), 0);
}

TEST_F(FourLevel, NotPresentAtEachLevel) {
  for (u64* entry : {&pml4e(), &pdpte(), &pde(), &pte()}) {
    *entry &= ~kP;
    expect_fault(kLinear, kRead, 0);
    expect_fault(kLinear, kWrite, MKVM_PF_WRITE);
    *entry |= kP;
  }
}

TEST_F(FourLevel, TableOutsideOfMemoryIsNotPresent) {
  pde() = 0x7777000 | kP | kW | kU;
  expect_fault(kLinear, kRead, 0);
}

TEST_F(FourLevel, NotPresentComesBeforeReservedBits) {
  pte() = 1ull << 50;
  expect_fault(kLinear, kRead, 0);
}

TEST_F(FourLevel, UserNeedsUserAtEachLevel) {
  as_user();
  expect_gpa(kLinear, kWrite, kPage | 0xabc);
  for (u64* entry : {&pml4e(), &pdpte(), &pde(), &pte()}) {
    *entry &= ~kU;
    expect_fault(kLinear, kRead, MKVM_PF_PRESENT | MKVM_PF_USER);
    *entry |= kU;
  }
}

TEST_F(FourLevel, UserWriteNeedsWriteAtEachLevel) {
  as_user();
  for (u64* entry : {&pml4e(), &pdpte(), &pde(), &pte()}) {
    *entry &= ~kW;
    expect_gpa(kLinear, kRead, kPage | 0xabc);
    expect_fault(kLinear, kWrite, MKVM_PF_PRESENT | MKVM_PF_WRITE | MKVM_PF_USER);
    *entry |= kW;
  }
}

TEST_F(FourLevel, SupervisorWriteObeysWp) {
  pte() &= ~kW;
  expect_fault(kLinear, kWrite, MKVM_PF_PRESENT | MKVM_PF_WRITE);
  paging_.cr0 &= ~static_cast<uint64_t>(X86_CR0_WP);
  expect_gpa(kLinear, kWrite, kPage | 0xabc);
}

TEST_F(FourLevel, ExecuteDisableAtEachLevel) {
  for (u64* entry : {&pml4e(), &pdpte(), &pde(), &pte()}) {
    *entry |= kXd;
    expect_gpa(kLinear, kRead, kPage | 0xabc);
    expect_fault(kLinear, kExec, MKVM_PF_PRESENT | MKVM_PF_FETCH);
    *entry &= ~kXd;
  }
}

TEST_F(FourLevel, XdIsReservedWithoutNxe) {
  paging_.efer &= ~MKVM_EFER_NXE;
  pte() |= kXd;
  expect_fault(kLinear, kRead, MKVM_PF_PRESENT | MKVM_PF_RESERVED);
}

TEST_F(FourLevel, FetchBitNeedsNxeOrSmep) {
  paging_.efer &= ~MKVM_EFER_NXE;
  pte() &= ~kP;
  expect_fault(kLinear, kExec, 0);
  paging_.cr4 |= X86_CR4_SMEP;
  expect_fault(kLinear, kExec, MKVM_PF_FETCH);
}

TEST_F(FourLevel, SmepKeepsSupervisorOutOfUserCode) {
  expect_gpa(kLinear, kExec, kPage | 0xabc);
  paging_.cr4 |= X86_CR4_SMEP;
  expect_fault(kLinear, kExec, MKVM_PF_PRESENT | MKVM_PF_FETCH);
  pde() &= ~kU;
  expect_gpa(kLinear, kExec, kPage | 0xabc);
}

TEST_F(FourLevel, SmapKeepsSupervisorOutOfUserDataUnlessAc) {
  paging_.cr4 |= X86_CR4_SMAP;
  expect_fault(kLinear, kRead, MKVM_PF_PRESENT);
  expect_fault(kLinear, kWrite, MKVM_PF_PRESENT | MKVM_PF_WRITE);
  paging_.ac = true;
  expect_gpa(kLinear, kRead, kPage | 0xabc);
  paging_.ac = false;
  pde() &= ~kU;
  expect_gpa(kLinear, kRead, kPage | 0xabc);
}

TEST_F(FourLevel, SmapDoesNotConcernUsers) {
  paging_.cr4 |= X86_CR4_SMAP | X86_CR4_SMEP;
  as_user();
  expect_gpa(kLinear, kWrite, kPage | 0xabc);
  expect_gpa(kLinear, kExec, kPage | 0xabc);
}

TEST_F(FourLevel, AddressBitsBeyondMaxphyaddrAreReserved) {
  for (u64* entry : {&pml4e(), &pdpte(), &pde(), &pte()}) {
    *entry |= 1ull << 40;
    expect_fault(kLinear, kRead, MKVM_PF_PRESENT | MKVM_PF_RESERVED);
    *entry &= ~(1ull << 40);
  }
  pte() |= 1ull << 39;
  EXPECT_EQ(walk(kLinear, kRead), 0);
}

TEST_F(FourLevel, IgnoredBitsAreIgnored) {
  for (u64* entry : {&pml4e(), &pdpte(), &pde(), &pte()}) *entry |= (0x3full << 52) | 0xe00;
  expect_gpa(kLinear, kRead, kPage | 0xabc);
}

TEST_F(FourLevel, PageSizeIsReservedInThePml4) {
  pml4e() |= kPs;
  expect_fault(kLinear, kRead, MKVM_PF_PRESENT | MKVM_PF_RESERVED);
}

TEST_F(FourLevel, PatBitOfA4KPageIsNoPageSize) {
  pte() |= kPs;
  expect_gpa(kLinear, kRead, kPage | 0xabc);
}

TEST_F(FourLevel, TwoMegabytePage) {
  pde() = 0x40000000 | kP | kW | kU | kPs | 1 << 12;
  expect_gpa(kLinear, kWrite, 0x40002abc);
  EXPECT_EQ(pde() & (kA | kD), kA | kD);
  pde() |= 1 << 13;
  expect_fault(kLinear, kRead, MKVM_PF_PRESENT | MKVM_PF_RESERVED);
}

TEST_F(FourLevel, OneGigabytePage) {
  pdpte() = 0x80000000 | kP | kW | kU | kPs;
  expect_gpa(kLinear, kRead, 0x80000000 | (kLinear & 0x3fffffff));
  pdpte() |= 1 << 29;
  expect_fault(kLinear, kRead, MKVM_PF_PRESENT | MKVM_PF_RESERVED);
}

TEST_F(FourLevel, UpperHalfUsesItsOwnEntry) {
  memory_.entries[0x1000 + 511 * 8] = pml4e();
  expect_gpa(0xffffff8000000000 | kLinear, kRead, kPage | 0xabc);
}

TEST_F(FourLevel, FiveLevelPagingAddsOne) {
  paging_.cr4 |= X86_CR4_LA57;
  paging_.cr3 = 0x8000;
  memory_.entries[0x8000 + 5 * 8] = 0x1000 | kP | kW | kU;
  expect_gpa((5ull << 48) | kLinear, kRead, kPage | 0xabc);
  expect_fault(kLinear, kRead, 0);
}

// PAE: one page at linear 0x8060_2abc, by entries 2, 3, 2; CR3 is 32-byte aligned.
class Pae : public PageWalk {
 protected:
  Pae() {
    paging_.cr3 = 0x1fe0;
    paging_.cr4 = X86_CR4_PAE;
    pdpte() = 0x3000 | kP;
    pde() = 0x4000 | kP | kW | kU;
    pte() = (kPage | kP | kW | kU) + (1ull << 35);
  }
  u64& pdpte() { return memory_.entries[0x1fe0 + 2 * 8]; }
  u64& pde() { return memory_.entries[0x3000 + 3 * 8]; }
  u64& pte() { return memory_.entries[0x4000 + 2 * 8]; }
  static constexpr uint64_t kLinear = (2ull << 30) | (3 << 21) | (2 << 12) | 0xabc;
};

TEST_F(Pae, TranslatesBeyond4GiBWithoutRightsInThePdpte) {
  as_user();
  expect_gpa(kLinear, kWrite, (1ull << 35) | kPage | 0xabc);
  EXPECT_EQ(pdpte(), 0x3000 | kP);
  EXPECT_TRUE(pde() & kA);
}

TEST_F(Pae, PdpteReservedBits) {
  for (const unsigned bit : {1, 2, 5, 8, 40, 52, 63}) {
    pdpte() = 0x3000 | kP | 1ull << bit;
    expect_fault(kLinear, kRead, MKVM_PF_PRESENT | MKVM_PF_RESERVED);
  }
}

TEST_F(Pae, HighBitsOfAnEntryAreReserved) {
  for (const unsigned bit : {40, 52, 62, 63}) {
    pte() = kPage | kP | 1ull << bit;
    expect_fault(kLinear, kRead, MKVM_PF_PRESENT | MKVM_PF_RESERVED);
  }
  paging_.efer = MKVM_EFER_NXE;
  expect_gpa(kLinear, kRead, kPage | 0xabc);
  expect_fault(kLinear, kExec, MKVM_PF_PRESENT | MKVM_PF_FETCH);
}

TEST_F(Pae, TwoMegabytePage) {
  pde() = 0x200000 | kP | kW | kPs;
  expect_gpa(kLinear, kWrite, 0x202abc);
}

// 32-bit: one page at linear 0x0140_2abc, by entries 5 and 2 of 4 bytes each.
class Legacy : public PageWalk {
 protected:
  Legacy() {
    pde() = 0x2000 | kP | kW | kU;
    pte() = kPage | kP | kW | kU;
  }
  u64& pde() { return memory_.entries[0x1000 + 5 * 4]; }
  u64& pte() { return memory_.entries[0x2000 + 2 * 4]; }
  static constexpr uint64_t kLinear = (5 << 22) | (2 << 12) | 0xabc;
};

TEST_F(Legacy, Translates) {
  expect_gpa(kLinear, kWrite, kPage | 0xabc);
  EXPECT_EQ(pte() & (kA | kD), kA | kD);
  EXPECT_EQ(pde() & (kA | kD), kA);
}

TEST_F(Legacy, PageSizeNeedsPse) {
  pde() |= kPs;
  expect_gpa(kLinear, kRead, kPage | 0xabc);
  paging_.cr4 = X86_CR4_PSE;
  pde() = 0xc00000 | kP | kW | kPs;
  expect_gpa(kLinear, kRead, 0xc02abc);
}

TEST_F(Legacy, Pse36ReachesBeyond4GiB) {
  paging_.cr4 = X86_CR4_PSE;
  pde() = 0xc00000 | kP | kPs | 0xab << 13;
  expect_gpa(kLinear, kRead, 0xab'00c0'2abc);
}

TEST_F(Legacy, Pse36ReservedBitsFollowMaxphyaddr) {
  paging_.cr4 = X86_CR4_PSE;
  pde() = 0xc00000 | kP | kPs | 1 << 21;
  expect_fault(kLinear, kRead, MKVM_PF_PRESENT | MKVM_PF_RESERVED);
  pde() = 0xc00000 | kP | kPs | 1 << 17;
  EXPECT_EQ(walk(kLinear, kRead), 0);
  paging_.maxphyaddr = 36;
  pde() &= ~(kA | kD);
  expect_fault(kLinear, kRead, MKVM_PF_PRESENT | MKVM_PF_RESERVED);
}

TEST_F(Legacy, NoExecuteDisableAndNoFetchBit) {
  paging_.efer = MKVM_EFER_NXE;
  expect_gpa(kLinear, kExec, kPage | 0xabc);
  pte() = 0;
  expect_fault(kLinear, kExec, 0);
}

}  // namespace
