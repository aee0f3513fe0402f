// SPDX-License-Identifier: GPL-2.0-only
#include "boot/entry.h"

#include <array>

#include "memory/layout.h"

namespace minikvm::boot {
namespace {

// Control register and EFER bits: SDM vol. 3, "Control Registers" and
// "IA32_EFER MSR".
constexpr uint64_t kCr0ProtectionEnable = 1 << 0, kCr0ExtensionType = 1 << 4;
constexpr uint64_t kCr0Paging = 1u << 31;
constexpr uint64_t kCr4PhysicalAddressExtension = 1 << 5;
constexpr uint64_t kEferLongModeEnable = 1 << 8, kEferLongModeActive = 1 << 10;
constexpr uint64_t kRflagsAlwaysOne = 1 << 1;

// SDM vol. 3, "4-Level Paging and 5-Level Paging".
constexpr uint64_t kPresent = 1 << 0, kWritable = 1 << 1, kPageSizeBit = 1 << 7;
constexpr uint64_t kDirectories = 4;  // one per GiB

// SDM vol. 3, "Code- and Data-Segment Descriptor Types" and "System Descriptor
// Types"; all of them already accessed, the TSS busy, as VM entry wants them.
constexpr uint8_t kTypeData = 3, kTypeCode = 11, kTypeBusyTss = 11;

kvm_segment flat_segment(uint16_t selector, uint8_t type) {
  kvm_segment segment{};
  segment.selector = selector;
  segment.limit = 0xffffffff;
  segment.type = type;
  segment.present = 1;
  segment.s = 1;
  segment.g = 1;
  segment.db = 1;
  return segment;
}

kvm_segment code_segment(Mode mode) {
  kvm_segment segment = flat_segment(kCodeSelector, kTypeCode);
  segment.l = mode == Mode::long64;
  segment.db = mode != Mode::long64;
  return segment;
}

kvm_segment task_segment() {
  kvm_segment segment{};
  segment.selector = kTssSelector;
  segment.limit = 0x67;  // a TSS without an I/O permission bitmap
  segment.type = kTypeBusyTss;
  segment.present = 1;
  return segment;
}

// SDM vol. 3, "Segment Descriptors". The base is 0 in all of ours.
uint64_t descriptor(const kvm_segment& s) {
  const uint64_t limit = s.g ? s.limit >> 12 : s.limit;
  const uint64_t access = s.type | s.s << 4 | s.dpl << 5 | s.present << 7;
  const uint64_t flags = s.avl | s.l << 1 | s.db << 2 | s.g << 3;
  return (limit & 0xffff) | access << 40 | (limit >> 16 & 0xf) << 48 | flags << 52;
}

// Null, unused, code, data, and a TSS descriptor, which has 16 bytes in long mode.
constexpr size_t kGdtEntries = 6;

Result<> write_gdt(Mode mode, const GuestMemory& ram) {
  std::array<uint64_t, kGdtEntries> gdt{};
  gdt[kCodeSelector / 8] = descriptor(code_segment(mode));
  gdt[kDataSelector / 8] = descriptor(flat_segment(kDataSelector, kTypeData));
  gdt[kTssSelector / 8] = descriptor(task_segment());
  return ram.write(layout::kGdt, gdt);
}

Result<> write_page_tables(const GuestMemory& ram) {
  using Table = std::array<uint64_t, 512>;
  const Gpa pdpt_at = layout::kPageTables + kPageSize, directories_at = pdpt_at + kPageSize;
  Table pml4{}, pdpt{}, directory{};
  pml4[0] = raw(pdpt_at) | kPresent | kWritable;
  for (uint64_t gib = 0; gib < kDirectories; ++gib) {
    const Gpa at = directories_at + gib * kPageSize;
    pdpt[gib] = raw(at) | kPresent | kWritable;
    for (uint64_t i = 0; i < directory.size(); ++i)
      directory[i] = (gib * GiB + i * 2 * MiB) | kPresent | kWritable | kPageSizeBit;
    TRY(ram.write(at, directory));
  }
  TRY(ram.write(layout::kPageTables, pml4));
  return ram.write(pdpt_at, pdpt);
}

void apply_real(kvm_sregs& sregs) {
  // Reset leaves CS at the top of the address space; the rest is as we want it.
  sregs.cs.base = 0;
  sregs.cs.selector = 0;
}

void apply_protected(Mode mode, kvm_sregs& sregs) {
  const kvm_segment data = flat_segment(kDataSelector, kTypeData);
  sregs.cs = code_segment(mode);
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
  sregs.tr = task_segment();
  sregs.ldt = {};
  sregs.ldt.unusable = 1;
  sregs.gdt.base = raw(layout::kGdt);
  sregs.gdt.limit = kGdtEntries * 8 - 1;
  // No interrupt can come before the guest has loaded an IDT of its own.
  sregs.idt.base = 0;
  sregs.idt.limit = 0;
  sregs.cr0 = kCr0ProtectionEnable | kCr0ExtensionType;
}

void apply_long(kvm_sregs& sregs) {
  sregs.cr3 = raw(layout::kPageTables);
  sregs.cr4 = kCr4PhysicalAddressExtension;
  sregs.efer = kEferLongModeEnable | kEferLongModeActive;
  sregs.cr0 |= kCr0Paging;
}

}  // namespace

Result<> write_tables(Mode mode, const GuestMemory& ram) {
  if (mode != Mode::real) TRY(write_gdt(mode, ram));
  if (mode == Mode::long64) TRY(write_page_tables(ram));
  return {};
}

void apply(const Entry& entry, kvm_regs& regs, kvm_sregs& sregs) {
  regs = {};
  regs.rflags = kRflagsAlwaysOne;
  regs.rip = entry.rip;
  regs.rsp = entry.rsp;
  regs.rbx = entry.rbx;
  regs.rsi = entry.rsi;
  regs.rdi = entry.rdi;
  if (entry.mode == Mode::real) return apply_real(sregs);
  apply_protected(entry.mode, sregs);
  if (entry.mode == Mode::long64) apply_long(sregs);
}

}  // namespace minikvm::boot
