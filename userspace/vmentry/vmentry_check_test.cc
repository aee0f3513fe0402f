// SPDX-License-Identifier: GPL-2.0-only
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "vmcs_fields.h"
#include "vmentry_check.h"
#include "vmx_bits.h"
#include "x86_bits.h"

namespace {

using Fields = std::map<uint32_t, uint64_t>;

// A CPU that allows every control, so that a test can turn on any of them.
mkvm_vmx_caps permissive_caps() {
  mkvm_vmx_caps caps = {};
  caps.pinbased = 0xffffffff00000016;
  caps.procbased = 0xffffffff04006172;
  caps.procbased2 = 0xffffffff00000000;
  caps.exit = 0xffffffff00036dfb;
  caps.entry = 0xffffffff000011fb;
  caps.misc = 4 << 16 | MKVM_VMXMISC_ACTIVITY_HLT | MKVM_VMXMISC_ACTIVITY_SHUTDOWN |
              MKVM_VMXMISC_ACTIVITY_WAIT_FOR_SIPI;
  caps.cr0_fixed0 = 0x80000021;
  caps.cr0_fixed1 = 0xffffffff;
  caps.cr4_fixed0 = 0x2000;
  caps.cr4_fixed1 = 0x00f727ff;
  caps.ept_vpid = MKVM_EPTCAP_WALK_4 | MKVM_EPTCAP_WB | MKVM_EPTCAP_INVEPT;
  caps.efer_mask = 0xd01;
  caps.maxphyaddr = 40;
  caps.maxlinaddr = 48;
  return caps;
}

constexpr uint32_t kSegments = 8;  // ES, CS, SS, DS, FS, GS, LDTR, TR
constexpr uint32_t selector(uint32_t seg) { return VMCS_GUEST_ES_SELECTOR + 2 * seg; }
constexpr uint32_t limit(uint32_t seg) { return VMCS_GUEST_ES_LIMIT + 2 * seg; }
constexpr uint32_t rights(uint32_t seg) { return VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * seg; }
constexpr uint32_t base(uint32_t seg) { return VMCS_GUEST_ES_BASE + 2 * seg; }

constexpr uint32_t kExit =
    0x00036dfb | VMX_EXITCTL_HOST_ADDRESS_SPACE_SIZE | VMX_EXITCTL_LOAD_PAT | VMX_EXITCTL_LOAD_EFER;
constexpr uint32_t kEntry =
    0x000011fb | VMX_ENTRYCTL_LOAD_DEBUG_CONTROLS | VMX_ENTRYCTL_LOAD_PAT | VMX_ENTRYCTL_LOAD_EFER;
constexpr uint32_t kPin = 0x16 | VMX_PINBASED_EXTERNAL_INTERRUPT_EXITING | VMX_PINBASED_NMI_EXITING;
constexpr uint32_t kProc =
    0x04006172 | VMX_PROCBASED_SECONDARY_CONTROLS | VMX_PROCBASED_MSR_BITMAPS;
constexpr uint32_t kProc2 =
    VMX_PROCBASED2_EPT | VMX_PROCBASED2_VPID | VMX_PROCBASED2_UNRESTRICTED_GUEST;
constexpr uint64_t kPat = MKVM_PAT_RESET;

void host_and_controls(Fields& f) {
  f[VMCS_PINBASED_CTLS] = kPin;
  f[VMCS_PROCBASED_CTLS] = kProc;
  f[VMCS_PROCBASED2_CTLS] = kProc2;
  f[VMCS_EXIT_CTLS] = kExit;
  f[VMCS_ENTRY_CTLS] = kEntry;
  f[VMCS_VPID] = 1;
  f[VMCS_MSR_BITMAP] = 0x1000;
  f[VMCS_EPT_POINTER] = 0x2000 | MKVM_EPTP_WALK_4 | MKVM_EPTP_WB;
  f[VMCS_LINK_PTR] = ~0ull;
  f[VMCS_HOST_CR0] = 0x80050033;
  f[VMCS_HOST_CR3] = 0x3000;
  f[VMCS_HOST_CR4] = 0x26e0;
  f[VMCS_HOST_IA32_PAT] = kPat;
  f[VMCS_HOST_IA32_EFER] = 0xd01;
  f[VMCS_HOST_CS_SELECTOR] = 0x10;
  f[VMCS_HOST_SS_SELECTOR] = 0x18;
  f[VMCS_HOST_TR_SELECTOR] = 0x40;
  for (uint32_t e : {VMCS_HOST_GS_BASE, VMCS_HOST_TR_BASE, VMCS_HOST_GDTR_BASE, VMCS_HOST_IDTR_BASE,
                     VMCS_HOST_RSP, VMCS_HOST_RIP})
    f[e] = 0xffffffff81000000;
}

void segment(Fields& f, uint32_t seg, uint16_t sel, uint64_t b, uint32_t l, uint32_t ar) {
  f[selector(seg)] = sel;
  f[base(seg)] = b;
  f[limit(seg)] = l;
  f[rights(seg)] = ar;
}

void common_guest(Fields& f) {
  segment(f, 6, 0, 0, 0, 0x10000);  // LDTR unusable
  segment(f, 7, 0x20, 0, 0x67, 0x8b);
  f[VMCS_GUEST_RFLAGS] = 2;
  f[VMCS_GUEST_RIP] = 0x7c00;
  f[VMCS_GUEST_DR7] = 0x400;
  f[VMCS_GUEST_IA32_PAT] = kPat;
  f[VMCS_GUEST_GDTR_LIMIT] = 0x7f;
  f[VMCS_GUEST_IDTR_LIMIT] = 0xfff;
  f[VMCS_GUEST_CR4] = 0x2000;
}

// Like a CPU after reset: only an unrestricted guest may be so.
Fields real_mode() {
  Fields f;
  host_and_controls(f);
  common_guest(f);
  f[VMCS_GUEST_CR0] = 0x20;
  for (uint32_t seg = 0; seg < 6; ++seg) segment(f, seg, 0, 0, 0xffff, 0x93);
  return f;
}

// Linux between its boot loader and its own tables.
Fields long_mode() {
  Fields f;
  host_and_controls(f);
  common_guest(f);
  f[VMCS_ENTRY_CTLS] = kEntry | VMX_ENTRYCTL_IA32E_MODE_GUEST;
  f[VMCS_GUEST_CR0] = 0x80050033;
  f[VMCS_GUEST_CR3] = 0x9000;
  f[VMCS_GUEST_CR4] = 0x2020;
  f[VMCS_GUEST_IA32_EFER] = 0x500;
  for (uint32_t seg = 0; seg < 6; ++seg) segment(f, seg, 0x18, 0, 0xffffffff, 0xc093);
  segment(f, 1, 0x10, 0, 0xffffffff, 0xa09b);
  return f;
}

// 32-bit PAE paging, without unrestricted guest: all the rules on privilege levels apply.
Fields protected_mode() {
  Fields f = long_mode();
  f[VMCS_PROCBASED2_CTLS] = kProc2 & ~VMX_PROCBASED2_UNRESTRICTED_GUEST;
  f[VMCS_ENTRY_CTLS] = kEntry;
  f[VMCS_GUEST_IA32_EFER] = 0;
  f[rights(1)] = 0xc09b;
  return f;
}

Fields virtual_8086() {
  Fields f = protected_mode();
  f[VMCS_GUEST_RFLAGS] = 0x20002;
  for (uint32_t seg = 0; seg < 6; ++seg) segment(f, seg, 0x100, 0x1000, 0xffff, 0xf3);
  return f;
}

Fields with_posted_interrupts() {
  Fields f = long_mode();
  f[VMCS_PINBASED_CTLS] = kPin | VMX_PINBASED_POSTED_INTERRUPTS;
  f[VMCS_PROCBASED_CTLS] = kProc | VMX_PROCBASED_TPR_SHADOW;
  f[VMCS_PROCBASED2_CTLS] = kProc2 | VMX_PROCBASED2_VIRTUAL_INTR_DELIVERY;
  f[VMCS_EXIT_CTLS] = kExit | VMX_EXITCTL_ACK_INTERRUPT_ON_EXIT;
  return f;
}

// A host in legacy mode, as on a 32-bit kernel: one rule says that it cannot be ours.
Fields narrow_host() {
  Fields f = protected_mode();
  f[VMCS_EXIT_CTLS] = kExit & ~VMX_EXITCTL_HOST_ADDRESS_SPACE_SIZE;
  f[VMCS_HOST_IA32_EFER] = 0x801;
  f[VMCS_HOST_RIP] = 0x1000;
  return f;
}

std::vector<mkvm_vmentry_finding> check(const Fields& fields, const mkvm_vmx_caps& caps) {
  std::vector<mkvm_vmcs_field> list;
  for (const auto& [encoding, value] : fields) list.push_back({encoding, 0, value});
  std::vector<mkvm_vmentry_finding> findings(64);
  const int n = mkvm_vmentry_check(list.data(), list.size(), &caps, findings.data(), 64);
  EXPECT_LE(n, 64);
  findings.resize(n);
  return findings;
}

struct Case {
  const char* name;
  Fields (*start)();
  std::vector<std::pair<uint32_t, uint64_t>> set;
  uint32_t field;    // the one that the finding has to name first
  const char* rule;  // a part of its text
  const char* section;
};

constexpr char kExecution[] = "VM-Execution Control Fields";
constexpr char kExitSection[] = "VM-Exit Control Fields";
constexpr char kEntrySection[] = "VM-Entry Control Fields";
constexpr char kHostRegisters[] = "Checks on Host Control Registers, MSRs, and SSP";
constexpr char kHostSegments[] = "Checks on Host Segment and Descriptor-Table Registers";
constexpr char kAddressSpace[] = "Checks Related to Address-Space Size";
constexpr char kGuestRegisters[] = "Checks on Guest Control Registers, Debug Registers, and MSRs";
constexpr char kSegmentSection[] = "Checks on Guest Segment Registers";
constexpr char kTables[] = "Checks on Guest Descriptor-Table Registers";
constexpr char kRip[] = "Checks on Guest RIP, RFLAGS, and SSP";
constexpr char kNonRegister[] = "Checks on Guest Non-Register State";
constexpr char kPdptes[] = "Checks on Guest Page-Directory-Pointer-Table Entries";

constexpr uint64_t kNotCanonical = 0x0000800000000000;
constexpr uint64_t kBeyondPhys = 1ull << 40;
constexpr uint32_t kValid = MKVM_INTR_VALID;
constexpr uint32_t kShadow = kProc | VMX_PROCBASED_TPR_SHADOW;

const Case kControlCases[] = {
    {"PinReserved",
     long_mode,
     {{VMCS_PINBASED_CTLS, kPin & ~2u}},
     VMCS_PINBASED_CTLS,
     "IA32_VMX_PINBASED_CTLS",
     kExecution},
    {"ProcReserved",
     long_mode,
     {{VMCS_PROCBASED_CTLS, kProc & ~2u}},
     VMCS_PROCBASED_CTLS,
     "IA32_VMX_PROCBASED_CTLS",
     kExecution},
    {"Cr3Targets",
     long_mode,
     {{VMCS_CR3_TARGET_COUNT, 5}},
     VMCS_CR3_TARGET_COUNT,
     "CR3-target",
     kExecution},
    {"IoBitmapAUnaligned",
     long_mode,
     {{VMCS_PROCBASED_CTLS, kProc | VMX_PROCBASED_IO_BITMAPS}, {VMCS_IO_BITMAP_A, 8}},
     VMCS_IO_BITMAP_A,
     "bits 11:0",
     kExecution},
    {"IoBitmapABeyond",
     long_mode,
     {{VMCS_PROCBASED_CTLS, kProc | VMX_PROCBASED_IO_BITMAPS}, {VMCS_IO_BITMAP_A, kBeyondPhys}},
     VMCS_IO_BITMAP_A,
     "width",
     kExecution},
    {"IoBitmapBUnaligned",
     long_mode,
     {{VMCS_PROCBASED_CTLS, kProc | VMX_PROCBASED_IO_BITMAPS}, {VMCS_IO_BITMAP_B, 8}},
     VMCS_IO_BITMAP_B,
     "bits 11:0",
     kExecution},
    {"IoBitmapBBeyond",
     long_mode,
     {{VMCS_PROCBASED_CTLS, kProc | VMX_PROCBASED_IO_BITMAPS}, {VMCS_IO_BITMAP_B, kBeyondPhys}},
     VMCS_IO_BITMAP_B,
     "width",
     kExecution},
    {"MsrBitmapUnaligned",
     long_mode,
     {{VMCS_MSR_BITMAP, 0x1001}},
     VMCS_MSR_BITMAP,
     "bits 11:0",
     kExecution},
    {"MsrBitmapBeyond",
     long_mode,
     {{VMCS_MSR_BITMAP, kBeyondPhys}},
     VMCS_MSR_BITMAP,
     "width",
     kExecution},
    {"VirtualApicUnaligned",
     long_mode,
     {{VMCS_PROCBASED_CTLS, kShadow}, {VMCS_VIRTUAL_APIC_ADDR, 1}},
     VMCS_VIRTUAL_APIC_ADDR,
     "bits 11:0",
     kExecution},
    {"VirtualApicBeyond",
     long_mode,
     {{VMCS_PROCBASED_CTLS, kShadow}, {VMCS_VIRTUAL_APIC_ADDR, kBeyondPhys}},
     VMCS_VIRTUAL_APIC_ADDR,
     "width",
     kExecution},
    {"TprThreshold",
     long_mode,
     {{VMCS_PROCBASED_CTLS, kShadow}, {VMCS_TPR_THRESHOLD, 0x10}},
     VMCS_TPR_THRESHOLD,
     "bits 31:4",
     kExecution},
    {"VirtualNmisWithoutNmiExiting",
     long_mode,
     {{VMCS_PINBASED_CTLS, 0x17 | VMX_PINBASED_VIRTUAL_NMIS}},
     VMCS_PINBASED_CTLS,
     "virtual NMIs need",
     kExecution},
    {"NmiWindowWithoutVirtualNmis",
     long_mode,
     {{VMCS_PROCBASED_CTLS, kProc | VMX_PROCBASED_NMI_WINDOW_EXITING}},
     VMCS_PROCBASED_CTLS,
     "NMI-window",
     kExecution},
    {"ApicAccessUnaligned",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_VIRTUALIZE_APIC_ACCESSES},
      {VMCS_APIC_ACCESS_PAGE_ADDR, 4}},
     VMCS_APIC_ACCESS_PAGE_ADDR,
     "bits 11:0",
     kExecution},
    {"ApicAccessBeyond",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_VIRTUALIZE_APIC_ACCESSES},
      {VMCS_APIC_ACCESS_PAGE_ADDR, kBeyondPhys}},
     VMCS_APIC_ACCESS_PAGE_ADDR,
     "width",
     kExecution},
    {"X2apicModeWithoutShadow",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_VIRTUALIZE_X2APIC_MODE}},
     VMCS_PROCBASED2_CTLS,
     "x2APIC mode needs",
     kExecution},
    {"ApicRegistersWithoutShadow",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_APIC_REGISTER_VIRT}},
     VMCS_PROCBASED2_CTLS,
     "APIC-register",
     kExecution},
    {"InterruptDeliveryWithoutShadow",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_VIRTUAL_INTR_DELIVERY}},
     VMCS_PROCBASED2_CTLS,
     "delivery needs the TPR",
     kExecution},
    {"X2apicModeAndApicAccesses",
     long_mode,
     {{VMCS_PROCBASED_CTLS, kShadow},
      {VMCS_PROCBASED2_CTLS,
       kProc2 | VMX_PROCBASED2_VIRTUALIZE_X2APIC_MODE | VMX_PROCBASED2_VIRTUALIZE_APIC_ACCESSES}},
     VMCS_PROCBASED2_CTLS,
     "exclude",
     kExecution},
    {"InterruptDeliveryWithoutExiting",
     long_mode,
     {{VMCS_PINBASED_CTLS, 0x16 | VMX_PINBASED_NMI_EXITING},
      {VMCS_PROCBASED_CTLS, kShadow},
      {VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_VIRTUAL_INTR_DELIVERY}},
     VMCS_PROCBASED2_CTLS,
     "external-interrupt exiting",
     kExecution},
    {"PostedWithoutDelivery",
     with_posted_interrupts,
     {{VMCS_PROCBASED2_CTLS, kProc2}},
     VMCS_PINBASED_CTLS,
     "posted interrupts need virtual",
     kExecution},
    {"PostedWithoutAcknowledge",
     with_posted_interrupts,
     {{VMCS_EXIT_CTLS, kExit}},
     VMCS_PINBASED_CTLS,
     "acknowledge",
     kExecution},
    {"PostedVector",
     with_posted_interrupts,
     {{VMCS_POSTED_INTR_VECTOR, 0x100}},
     VMCS_POSTED_INTR_VECTOR,
     "bits 15:8",
     kExecution},
    {"PostedDescriptorUnaligned",
     with_posted_interrupts,
     {{VMCS_POSTED_INTR_DESC, 0x20}},
     VMCS_POSTED_INTR_DESC,
     "bits 5:0",
     kExecution},
    {"PostedDescriptorBeyond",
     with_posted_interrupts,
     {{VMCS_POSTED_INTR_DESC, kBeyondPhys}},
     VMCS_POSTED_INTR_DESC,
     "width",
     kExecution},
    {"VpidZero", long_mode, {{VMCS_VPID, 0}}, VMCS_VPID, "VPID", kExecution},
    {"EptpMemoryType",
     long_mode,
     {{VMCS_EPT_POINTER, 0x2019}},
     VMCS_EPT_POINTER,
     "memory type",
     kExecution},
    {"EptpUncachedNotSupported",
     long_mode,
     {{VMCS_EPT_POINTER, 0x2018}},
     VMCS_EPT_POINTER,
     "memory type",
     kExecution},
    {"EptpWalkLength",
     long_mode,
     {{VMCS_EPT_POINTER, 0x2016}},
     VMCS_EPT_POINTER,
     "walk length",
     kExecution},
    {"EptpFiveLevelsNotSupported",
     long_mode,
     {{VMCS_EPT_POINTER, 0x2026}},
     VMCS_EPT_POINTER,
     "walk length",
     kExecution},
    {"EptpAccessedDirty",
     long_mode,
     {{VMCS_EPT_POINTER, 0x205e}},
     VMCS_EPT_POINTER,
     "bit 6",
     kExecution},
    {"EptpReserved",
     long_mode,
     {{VMCS_EPT_POINTER, 0x211e}},
     VMCS_EPT_POINTER,
     "reserved",
     kExecution},
    {"EptpBeyond",
     long_mode,
     {{VMCS_EPT_POINTER, kBeyondPhys | 0x1e}},
     VMCS_EPT_POINTER,
     "reserved",
     kExecution},
    {"PmlWithoutEpt",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, VMX_PROCBASED2_PML}},
     VMCS_PROCBASED2_CTLS,
     "PML needs EPT",
     kExecution},
    {"PmlUnaligned",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_PML}, {VMCS_PML_ADDR, 1}},
     VMCS_PML_ADDR,
     "bits 11:0",
     kExecution},
    {"PmlBeyond",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_PML}, {VMCS_PML_ADDR, kBeyondPhys}},
     VMCS_PML_ADDR,
     "width",
     kExecution},
    {"UnrestrictedWithoutEpt",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, VMX_PROCBASED2_UNRESTRICTED_GUEST}},
     VMCS_PROCBASED2_CTLS,
     "unrestricted guest needs EPT",
     kExecution},
    {"ModeBasedExecuteWithoutEpt",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, VMX_PROCBASED2_MODE_BASED_EXECUTE}},
     VMCS_PROCBASED2_CTLS,
     "mode-based",
     kExecution},
    {"SubPageWithoutEpt",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, VMX_PROCBASED2_SUB_PAGE_PERMISSIONS}},
     VMCS_PROCBASED2_CTLS,
     "sub-page",
     kExecution},
    {"SubPageTableUnaligned",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_SUB_PAGE_PERMISSIONS},
      {VMCS_SPP_TABLE_PTR, 1}},
     VMCS_SPP_TABLE_PTR,
     "bits 11:0",
     kExecution},
    {"SubPageTableBeyond",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_SUB_PAGE_PERMISSIONS},
      {VMCS_SPP_TABLE_PTR, kBeyondPhys}},
     VMCS_SPP_TABLE_PTR,
     "width",
     kExecution},
    {"PtGuestPhysicalWithoutEpt",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, VMX_PROCBASED2_PT_USES_GUEST_PHYSICAL}},
     VMCS_PROCBASED2_CTLS,
     "PT with",
     kExecution},
    {"EptpSwitchingWithoutEpt",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, VMX_PROCBASED2_VM_FUNCTIONS}, {VMCS_VM_FUNCTION_CTLS, 1}},
     VMCS_VM_FUNCTION_CTLS,
     "EPTP switching",
     kExecution},
    {"EptpListUnaligned",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_VM_FUNCTIONS},
      {VMCS_VM_FUNCTION_CTLS, 1},
      {VMCS_EPTP_LIST_ADDR, 8}},
     VMCS_EPTP_LIST_ADDR,
     "bits 11:0",
     kExecution},
    {"EptpListBeyond",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_VM_FUNCTIONS},
      {VMCS_VM_FUNCTION_CTLS, 1},
      {VMCS_EPTP_LIST_ADDR, kBeyondPhys}},
     VMCS_EPTP_LIST_ADDR,
     "width",
     kExecution},
    {"VmreadBitmapUnaligned",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_VMCS_SHADOWING}, {VMCS_VMREAD_BITMAP_ADDR, 1}},
     VMCS_VMREAD_BITMAP_ADDR,
     "bits 11:0",
     kExecution},
    {"VmreadBitmapBeyond",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_VMCS_SHADOWING},
      {VMCS_VMREAD_BITMAP_ADDR, kBeyondPhys}},
     VMCS_VMREAD_BITMAP_ADDR,
     "width",
     kExecution},
    {"VmwriteBitmapUnaligned",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_VMCS_SHADOWING},
      {VMCS_VMWRITE_BITMAP_ADDR, 1}},
     VMCS_VMWRITE_BITMAP_ADDR,
     "bits 11:0",
     kExecution},
    {"VmwriteBitmapBeyond",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_VMCS_SHADOWING},
      {VMCS_VMWRITE_BITMAP_ADDR, kBeyondPhys}},
     VMCS_VMWRITE_BITMAP_ADDR,
     "width",
     kExecution},
    {"VirtExceptionInfoUnaligned",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_EPT_VIOLATION_VE},
      {VMCS_VIRT_EXCEPTION_INFO, 1}},
     VMCS_VIRT_EXCEPTION_INFO,
     "bits 11:0",
     kExecution},
    {"VirtExceptionInfoBeyond",
     long_mode,
     {{VMCS_PROCBASED2_CTLS, kProc2 | VMX_PROCBASED2_EPT_VIOLATION_VE},
      {VMCS_VIRT_EXCEPTION_INFO, kBeyondPhys}},
     VMCS_VIRT_EXCEPTION_INFO,
     "width",
     kExecution},
    {"ExitReserved",
     long_mode,
     {{VMCS_EXIT_CTLS, kExit & ~1u}},
     VMCS_EXIT_CTLS,
     "IA32_VMX_EXIT_CTLS",
     kExitSection},
    {"SaveTimerWithoutTimer",
     long_mode,
     {{VMCS_EXIT_CTLS, kExit | VMX_EXITCTL_SAVE_PREEMPTION_TIMER}},
     VMCS_EXIT_CTLS,
     "preemption",
     kExitSection},
    {"ExitStoreUnaligned",
     long_mode,
     {{VMCS_EXIT_MSR_STORE_COUNT, 1}, {VMCS_EXIT_MSR_STORE_ADDR, 8}},
     VMCS_EXIT_MSR_STORE_ADDR,
     "bits 3:0",
     kExitSection},
    {"ExitStoreEndsBeyond",
     long_mode,
     {{VMCS_EXIT_MSR_STORE_COUNT, 2}, {VMCS_EXIT_MSR_STORE_ADDR, kBeyondPhys - 16}},
     VMCS_EXIT_MSR_STORE_ADDR,
     "width",
     kExitSection},
    {"ExitLoadUnaligned",
     long_mode,
     {{VMCS_EXIT_MSR_LOAD_COUNT, 1}, {VMCS_EXIT_MSR_LOAD_ADDR, 8}},
     VMCS_EXIT_MSR_LOAD_ADDR,
     "bits 3:0",
     kExitSection},
    {"ExitLoadBeyond",
     long_mode,
     {{VMCS_EXIT_MSR_LOAD_COUNT, 1}, {VMCS_EXIT_MSR_LOAD_ADDR, kBeyondPhys}},
     VMCS_EXIT_MSR_LOAD_ADDR,
     "width",
     kExitSection},
    {"EntryReserved",
     long_mode,
     {{VMCS_ENTRY_CTLS, (kEntry | VMX_ENTRYCTL_IA32E_MODE_GUEST) & ~1u}},
     VMCS_ENTRY_CTLS,
     "IA32_VMX_ENTRY_CTLS",
     kEntrySection},
    {"InjectReservedType",
     long_mode,
     {{VMCS_ENTRY_INTR_INFO, kValid | 1 << 8 | 0x20}},
     VMCS_ENTRY_INTR_INFO,
     "type is not reserved",
     kEntrySection},
    {"InjectNmiVector",
     long_mode,
     {{VMCS_ENTRY_INTR_INFO, kValid | MKVM_INTR_TYPE_NMI | 3}},
     VMCS_ENTRY_INTR_INFO,
     "vector",
     kEntrySection},
    {"InjectExceptionVector",
     long_mode,
     {{VMCS_ENTRY_INTR_INFO, kValid | MKVM_INTR_TYPE_HARDWARE_EXCEPTION | 32}},
     VMCS_ENTRY_INTR_INFO,
     "vector",
     kEntrySection},
    {"InjectOtherEventVector",
     long_mode,
     {{VMCS_ENTRY_INTR_INFO, kValid | MKVM_INTR_TYPE_OTHER_EVENT | 1}},
     VMCS_ENTRY_INTR_INFO,
     "vector",
     kEntrySection},
    {"InjectGpWithoutErrorCode",
     long_mode,
     {{VMCS_ENTRY_INTR_INFO, kValid | MKVM_INTR_TYPE_HARDWARE_EXCEPTION | 13}},
     VMCS_ENTRY_INTR_INFO,
     "error code is delivered",
     kEntrySection},
    {"InjectUdWithErrorCode",
     long_mode,
     {{VMCS_ENTRY_INTR_INFO,
       kValid | MKVM_INTR_TYPE_HARDWARE_EXCEPTION | MKVM_INTR_ERROR_CODE | 6}},
     VMCS_ENTRY_INTR_INFO,
     "error code is delivered",
     kEntrySection},
    {"InjectErrorCodeInRealMode",
     real_mode,
     {{VMCS_ENTRY_INTR_INFO,
       kValid | MKVM_INTR_TYPE_HARDWARE_EXCEPTION | MKVM_INTR_ERROR_CODE | 13}},
     VMCS_ENTRY_INTR_INFO,
     "error code is delivered",
     kEntrySection},
    {"InjectReservedBits",
     long_mode,
     {{VMCS_ENTRY_INTR_INFO, kValid | MKVM_INTR_TYPE_NMI | 2 | 1 << 20}},
     VMCS_ENTRY_INTR_INFO,
     "bits 30:12",
     kEntrySection},
    {"InjectWideErrorCode",
     long_mode,
     {{VMCS_ENTRY_INTR_INFO,
       kValid | MKVM_INTR_TYPE_HARDWARE_EXCEPTION | MKVM_INTR_ERROR_CODE | 13},
      {VMCS_ENTRY_EXCEPTION_ERROR_CODE, 0x10000}},
     VMCS_ENTRY_EXCEPTION_ERROR_CODE,
     "bits 31:16",
     kEntrySection},
    {"InjectSoftwareInterruptOfNoLength",
     long_mode,
     {{VMCS_ENTRY_INTR_INFO, kValid | MKVM_INTR_TYPE_SOFTWARE_INTERRUPT | 0x80}},
     VMCS_ENTRY_INSTRUCTION_LENGTH,
     "instruction length",
     kEntrySection},
    {"InjectSoftwareExceptionTooLong",
     long_mode,
     {{VMCS_ENTRY_INTR_INFO, kValid | MKVM_INTR_TYPE_SOFTWARE_EXCEPTION | 3},
      {VMCS_ENTRY_INSTRUCTION_LENGTH, 16}},
     VMCS_ENTRY_INSTRUCTION_LENGTH,
     "instruction length",
     kEntrySection},
    {"EntryLoadUnaligned",
     long_mode,
     {{VMCS_ENTRY_MSR_LOAD_COUNT, 1}, {VMCS_ENTRY_MSR_LOAD_ADDR, 8}},
     VMCS_ENTRY_MSR_LOAD_ADDR,
     "bits 3:0",
     kEntrySection},
    {"EntryLoadBeyond",
     long_mode,
     {{VMCS_ENTRY_MSR_LOAD_COUNT, 1}, {VMCS_ENTRY_MSR_LOAD_ADDR, kBeyondPhys}},
     VMCS_ENTRY_MSR_LOAD_ADDR,
     "width",
     kEntrySection},
    {"EntryToSmm",
     real_mode,
     {{VMCS_ENTRY_CTLS, kEntry | VMX_ENTRYCTL_ENTRY_TO_SMM}},
     VMCS_ENTRY_CTLS,
     "entry to SMM",
     kEntrySection},
    {"DeactivateDualMonitor",
     real_mode,
     {{VMCS_ENTRY_CTLS, kEntry | VMX_ENTRYCTL_DEACTIVATE_DUAL_MONITOR}},
     VMCS_ENTRY_CTLS,
     "dual-monitor",
     kEntrySection},
};

const Case kHostCases[] = {
    {"Cr0Fixed", long_mode, {{VMCS_HOST_CR0, 0x80000013}}, VMCS_HOST_CR0, "CR0", kHostRegisters},
    {"Cr4Fixed", long_mode, {{VMCS_HOST_CR4, 0x06e0}}, VMCS_HOST_CR4, "CR4 has", kHostRegisters},
    {"CetWithoutWp",
     long_mode,
     {{VMCS_HOST_CR0, 0x80000033}, {VMCS_HOST_CR4, 0x8026e0}},
     VMCS_HOST_CR4,
     "CET",
     kHostRegisters},
    {"Cr3Beyond",
     long_mode,
     {{VMCS_HOST_CR3, kBeyondPhys}},
     VMCS_HOST_CR3,
     "width",
     kHostRegisters},
    {"SysenterEsp",
     long_mode,
     {{VMCS_HOST_IA32_SYSENTER_ESP, kNotCanonical}},
     VMCS_HOST_IA32_SYSENTER_ESP,
     "canonical",
     kHostRegisters},
    {"SysenterEip",
     long_mode,
     {{VMCS_HOST_IA32_SYSENTER_EIP, kNotCanonical}},
     VMCS_HOST_IA32_SYSENTER_EIP,
     "canonical",
     kHostRegisters},
    {"Pat",
     long_mode,
     {{VMCS_HOST_IA32_PAT, 0x0200}},
     VMCS_HOST_IA32_PAT,
     "memory types",
     kHostRegisters},
    {"EferReserved",
     long_mode,
     {{VMCS_HOST_IA32_EFER, 0xd03}},
     VMCS_HOST_IA32_EFER,
     "reserved",
     kHostRegisters},
    {"EferMode",
     long_mode,
     {{VMCS_HOST_IA32_EFER, 0x901}},
     VMCS_HOST_IA32_EFER,
     "LMA and LME",
     kHostRegisters},
    {"Cet",
     long_mode,
     {{VMCS_EXIT_CTLS, kExit | VMX_EXITCTL_LOAD_CET_STATE}, {VMCS_HOST_IA32_S_CET, kNotCanonical}},
     VMCS_HOST_IA32_S_CET,
     "canonical",
     kHostRegisters},
    {"Ssp",
     long_mode,
     {{VMCS_EXIT_CTLS, kExit | VMX_EXITCTL_LOAD_CET_STATE}, {VMCS_HOST_SSP, 2}},
     VMCS_HOST_SSP,
     "bits 1:0",
     kHostRegisters},
    {"Pkrs",
     long_mode,
     {{VMCS_EXIT_CTLS, kExit | VMX_EXITCTL_LOAD_PKRS}, {VMCS_HOST_IA32_PKRS, 1ull << 32}},
     VMCS_HOST_IA32_PKRS,
     "bits 63:32",
     kHostRegisters},
    {"CsRpl",
     long_mode,
     {{VMCS_HOST_CS_SELECTOR, 0x13}},
     VMCS_HOST_CS_SELECTOR,
     "RPL",
     kHostSegments},
    {"SsRpl",
     long_mode,
     {{VMCS_HOST_SS_SELECTOR, 0x1b}},
     VMCS_HOST_SS_SELECTOR,
     "RPL",
     kHostSegments},
    {"DsTi",
     long_mode,
     {{VMCS_HOST_DS_SELECTOR, 0x1c}},
     VMCS_HOST_DS_SELECTOR,
     "TI",
     kHostSegments},
    {"EsRpl", long_mode, {{VMCS_HOST_ES_SELECTOR, 3}}, VMCS_HOST_ES_SELECTOR, "RPL", kHostSegments},
    {"FsRpl", long_mode, {{VMCS_HOST_FS_SELECTOR, 3}}, VMCS_HOST_FS_SELECTOR, "RPL", kHostSegments},
    {"GsRpl", long_mode, {{VMCS_HOST_GS_SELECTOR, 3}}, VMCS_HOST_GS_SELECTOR, "RPL", kHostSegments},
    {"TrTi",
     long_mode,
     {{VMCS_HOST_TR_SELECTOR, 0x44}},
     VMCS_HOST_TR_SELECTOR,
     "TI",
     kHostSegments},
    {"CsZero",
     long_mode,
     {{VMCS_HOST_CS_SELECTOR, 0}},
     VMCS_HOST_CS_SELECTOR,
     "not 0",
     kHostSegments},
    {"TrZero",
     long_mode,
     {{VMCS_HOST_TR_SELECTOR, 0}},
     VMCS_HOST_TR_SELECTOR,
     "not 0",
     kHostSegments},
    {"FsBase",
     long_mode,
     {{VMCS_HOST_FS_BASE, kNotCanonical}},
     VMCS_HOST_FS_BASE,
     "canonical",
     kHostSegments},
    {"GsBase",
     long_mode,
     {{VMCS_HOST_GS_BASE, kNotCanonical}},
     VMCS_HOST_GS_BASE,
     "canonical",
     kHostSegments},
    {"TrBase",
     long_mode,
     {{VMCS_HOST_TR_BASE, kNotCanonical}},
     VMCS_HOST_TR_BASE,
     "canonical",
     kHostSegments},
    {"GdtrBase",
     long_mode,
     {{VMCS_HOST_GDTR_BASE, kNotCanonical}},
     VMCS_HOST_GDTR_BASE,
     "canonical",
     kHostSegments},
    {"IdtrBase",
     long_mode,
     {{VMCS_HOST_IDTR_BASE, kNotCanonical}},
     VMCS_HOST_IDTR_BASE,
     "canonical",
     kHostSegments},
    {"NoPae", long_mode, {{VMCS_HOST_CR4, 0x26c0}}, VMCS_HOST_CR4, "PAE", kAddressSpace},
    {"Rip", long_mode, {{VMCS_HOST_RIP, kNotCanonical}}, VMCS_HOST_RIP, "canonical", kAddressSpace},
};

const Case kGuestCases[] = {
    {"Cr0Fixed",
     long_mode,
     {{VMCS_GUEST_CR0, 0x80050013}},
     VMCS_GUEST_CR0,
     "CR0 has",
     kGuestRegisters},
    {"Cr0RestrictedRealMode",
     protected_mode,
     {{VMCS_GUEST_CR0, 0x20}, {rights(1), 0x9b}, {limit(1), 0xffff}},
     VMCS_GUEST_CR0,
     "CR0 has",
     kGuestRegisters},
    {"PagingWithoutProtection",
     real_mode,
     {{VMCS_GUEST_CR0, 0x80000020}},
     VMCS_GUEST_CR0,
     "PG",
     kGuestRegisters},
    {"Cr4Fixed", long_mode, {{VMCS_GUEST_CR4, 0x20}}, VMCS_GUEST_CR4, "CR4 has", kGuestRegisters},
    {"Cr4Unknown",
     long_mode,
     {{VMCS_GUEST_CR4, 0x2020 | 1 << 30}},
     VMCS_GUEST_CR4,
     "CR4 has",
     kGuestRegisters},
    {"CetWithoutWp",
     long_mode,
     {{VMCS_GUEST_CR0, 0x80000033}, {VMCS_GUEST_CR4, 0x802020}},
     VMCS_GUEST_CR4,
     "CET",
     kGuestRegisters},
    {"Debugctl",
     long_mode,
     {{VMCS_GUEST_IA32_DEBUGCTL, 0x20}},
     VMCS_GUEST_IA32_DEBUGCTL,
     "reserved",
     kGuestRegisters},
    {"LongModeWithoutPaging",
     long_mode,
     {{VMCS_GUEST_CR0, 0x50033}},
     VMCS_GUEST_CR0,
     "IA-32e mode guest needs CR0.PG",
     kGuestRegisters},
    {"LongModeWithoutPae",
     long_mode,
     {{VMCS_GUEST_CR4, 0x2000}},
     VMCS_GUEST_CR4,
     "PAE",
     kGuestRegisters},
    {"PcideOutsideLongMode",
     protected_mode,
     {{VMCS_GUEST_CR4, 0x22020}},
     VMCS_GUEST_CR4,
     "PCIDE",
     kGuestRegisters},
    {"Cr3Beyond",
     long_mode,
     {{VMCS_GUEST_CR3, kBeyondPhys}},
     VMCS_GUEST_CR3,
     "width",
     kGuestRegisters},
    {"Dr7",
     long_mode,
     {{VMCS_GUEST_DR7, 1ull << 32}},
     VMCS_GUEST_DR7,
     "bits 63:32",
     kGuestRegisters},
    {"SysenterEsp",
     long_mode,
     {{VMCS_GUEST_IA32_SYSENTER_ESP, kNotCanonical}},
     VMCS_GUEST_IA32_SYSENTER_ESP,
     "canonical",
     kGuestRegisters},
    {"SysenterEip",
     long_mode,
     {{VMCS_GUEST_IA32_SYSENTER_EIP, kNotCanonical}},
     VMCS_GUEST_IA32_SYSENTER_EIP,
     "canonical",
     kGuestRegisters},
    {"Cet",
     real_mode,
     {{VMCS_ENTRY_CTLS, kEntry | VMX_ENTRYCTL_LOAD_CET_STATE},
      {VMCS_GUEST_IA32_S_CET, kNotCanonical}},
     VMCS_GUEST_IA32_S_CET,
     "canonical",
     kGuestRegisters},
    {"SspTable",
     real_mode,
     {{VMCS_ENTRY_CTLS, kEntry | VMX_ENTRYCTL_LOAD_CET_STATE},
      {VMCS_GUEST_IA32_INTR_SSP_TABLE, kNotCanonical}},
     VMCS_GUEST_IA32_INTR_SSP_TABLE,
     "canonical",
     kGuestRegisters},
    {"Pat",
     long_mode,
     {{VMCS_GUEST_IA32_PAT, 0x03}},
     VMCS_GUEST_IA32_PAT,
     "memory types",
     kGuestRegisters},
    {"EferReserved",
     long_mode,
     {{VMCS_GUEST_IA32_EFER, 0x502}},
     VMCS_GUEST_IA32_EFER,
     "reserved",
     kGuestRegisters},
    {"EferLma",
     protected_mode,
     {{VMCS_GUEST_IA32_EFER, 0x500}},
     VMCS_GUEST_IA32_EFER,
     "LMA equals",
     kGuestRegisters},
    {"EferLme",
     long_mode,
     {{VMCS_GUEST_IA32_EFER, 0x400}},
     VMCS_GUEST_IA32_EFER,
     "LME equals",
     kGuestRegisters},
    {"BndcfgsReserved",
     real_mode,
     {{VMCS_ENTRY_CTLS, kEntry | VMX_ENTRYCTL_LOAD_BNDCFGS}, {VMCS_GUEST_IA32_BNDCFGS, 0x10}},
     VMCS_GUEST_IA32_BNDCFGS,
     "bits 11:2",
     kGuestRegisters},
    {"Bndcfgs",
     real_mode,
     {{VMCS_ENTRY_CTLS, kEntry | VMX_ENTRYCTL_LOAD_BNDCFGS},
      {VMCS_GUEST_IA32_BNDCFGS, kNotCanonical}},
     VMCS_GUEST_IA32_BNDCFGS,
     "canonical",
     kGuestRegisters},
    {"Pkrs",
     real_mode,
     {{VMCS_ENTRY_CTLS, kEntry | VMX_ENTRYCTL_LOAD_PKRS}, {VMCS_GUEST_IA32_PKRS, 1ull << 32}},
     VMCS_GUEST_IA32_PKRS,
     "bits 63:32",
     kGuestRegisters},
    {"TrTi", long_mode, {{selector(7), 0x24}}, selector(7), "TI", kSegmentSection},
    {"LdtrTi",
     long_mode,
     {{selector(6), 0x2c}, {rights(6), 0x82}},
     selector(6),
     "TI",
     kSegmentSection},
    {"SsRpl",
     protected_mode,
     {{selector(2), 0x1b}, {rights(2), 0xc0f3}, {rights(1), 0xc0ff}},
     selector(2),
     "RPL",
     kSegmentSection},
    {"TrBase", long_mode, {{base(7), kNotCanonical}}, base(7), "canonical", kSegmentSection},
    {"FsBase", long_mode, {{base(4), kNotCanonical}}, base(4), "canonical", kSegmentSection},
    {"GsBase", long_mode, {{base(5), kNotCanonical}}, base(5), "canonical", kSegmentSection},
    {"LdtrBase",
     long_mode,
     {{base(6), kNotCanonical}, {rights(6), 0x82}},
     base(6),
     "canonical",
     kSegmentSection},
    {"CsBase", long_mode, {{base(1), 1ull << 32}}, base(1), "bits 63:32", kSegmentSection},
    {"SsBase", long_mode, {{base(2), 1ull << 32}}, base(2), "bits 63:32", kSegmentSection},
    {"DsBase", long_mode, {{base(3), 1ull << 32}}, base(3), "bits 63:32", kSegmentSection},
    {"EsBase", long_mode, {{base(0), 1ull << 32}}, base(0), "bits 63:32", kSegmentSection},
    {"CsNotAccessed",
     long_mode,
     {{rights(1), 0xa09a}},
     rights(1),
     "accessed code",
     kSegmentSection},
    {"CsDataInRestrictedGuest",
     protected_mode,
     {{rights(1), 0xc093}},
     rights(1),
     "accessed code",
     kSegmentSection},
    {"CsDpl", long_mode, {{rights(1), 0xa0fb}}, rights(1), "DPL fits", kSegmentSection},
    {"CsConformingDpl", long_mode, {{rights(1), 0xa0ff}}, rights(1), "DPL fits", kSegmentSection},
    {"CsDataDpl", real_mode, {{rights(1), 0xf3}}, rights(1), "DPL fits", kSegmentSection},
    {"CsDefaultSize", long_mode, {{rights(1), 0xe09b}}, rights(1), "D/B", kSegmentSection},
    {"SsReadOnly", long_mode, {{rights(2), 0xc091}}, rights(2), "read-write data", kSegmentSection},
    {"SsDplIsNotRpl",
     protected_mode,
     {{rights(2), 0xc0f3}, {rights(1), 0xc0ff}},
     rights(2),
     "DPL equals",
     kSegmentSection},
    {"SsDplInRealMode", real_mode, {{rights(2), 0xf3}}, rights(2), "DPL is 0", kSegmentSection},
    {"TrNotBusy", long_mode, {{rights(7), 0x89}}, rights(7), "busy", kSegmentSection},
    {"TrSixteenBitInLongMode", long_mode, {{rights(7), 0x83}}, rights(7), "busy", kSegmentSection},
    {"TrUnusable", long_mode, {{rights(7), 0x1008b}}, rights(7), "usable", kSegmentSection},
    {"LdtrType", long_mode, {{rights(6), 0x83}}, rights(6), "LDT", kSegmentSection},
    {"GdtrBase",
     long_mode,
     {{VMCS_GUEST_GDTR_BASE, kNotCanonical}},
     VMCS_GUEST_GDTR_BASE,
     "canonical",
     kTables},
    {"IdtrBase",
     long_mode,
     {{VMCS_GUEST_IDTR_BASE, kNotCanonical}},
     VMCS_GUEST_IDTR_BASE,
     "canonical",
     kTables},
    {"GdtrLimit",
     long_mode,
     {{VMCS_GUEST_GDTR_LIMIT, 0x10000}},
     VMCS_GUEST_GDTR_LIMIT,
     "bits 31:16",
     kTables},
    {"IdtrLimit",
     long_mode,
     {{VMCS_GUEST_IDTR_LIMIT, 0x10000}},
     VMCS_GUEST_IDTR_LIMIT,
     "bits 31:16",
     kTables},
    {"RipAbove4G", real_mode, {{VMCS_GUEST_RIP, 1ull << 32}}, VMCS_GUEST_RIP, "bits 63:32", kRip},
    {"RipNotCanonical",
     long_mode,
     {{VMCS_GUEST_RIP, kNotCanonical}},
     VMCS_GUEST_RIP,
     "canonical",
     kRip},
    {"RflagsReserved",
     long_mode,
     {{VMCS_GUEST_RFLAGS, 0x8002}},
     VMCS_GUEST_RFLAGS,
     "reserved",
     kRip},
    {"RflagsBitOne", long_mode, {{VMCS_GUEST_RFLAGS, 0}}, VMCS_GUEST_RFLAGS, "reserved", kRip},
    {"InterruptWithoutIf",
     long_mode,
     {{VMCS_ENTRY_INTR_INFO, kValid | 0x20}},
     VMCS_GUEST_RFLAGS,
     "external interrupt",
     kRip},
    {"Ssp",
     real_mode,
     {{VMCS_ENTRY_CTLS, kEntry | VMX_ENTRYCTL_LOAD_CET_STATE}, {VMCS_GUEST_SSP, 1}},
     VMCS_GUEST_SSP,
     "bits 1:0",
     kRip},
    {"ActivityUnknown",
     long_mode,
     {{VMCS_GUEST_ACTIVITY_STATE, 4}},
     VMCS_GUEST_ACTIVITY_STATE,
     "supports",
     kNonRegister},
    {"HaltedAtCpl3",
     long_mode,
     {{VMCS_GUEST_ACTIVITY_STATE, MKVM_ACTIVITY_HLT}, {rights(2), 0xc0f3}, {rights(1), 0xa0fb}},
     VMCS_GUEST_ACTIVITY_STATE,
     "DPL 0",
     kNonRegister},
    {"HaltedInShadow",
     long_mode,
     {{VMCS_GUEST_ACTIVITY_STATE, MKVM_ACTIVITY_HLT},
      {VMCS_GUEST_INTERRUPTIBILITY, MKVM_BLOCKING_BY_MOV_SS}},
     VMCS_GUEST_ACTIVITY_STATE,
     "is active",
     kNonRegister},
    {"InjectPageFaultInHlt",
     long_mode,
     {{VMCS_GUEST_ACTIVITY_STATE, MKVM_ACTIVITY_HLT},
      {VMCS_ENTRY_INTR_INFO,
       kValid | MKVM_INTR_TYPE_HARDWARE_EXCEPTION | MKVM_INTR_ERROR_CODE | 14}},
     VMCS_GUEST_ACTIVITY_STATE,
     "fits the activity",
     kNonRegister},
    {"InjectInterruptInShutdown",
     long_mode,
     {{VMCS_GUEST_ACTIVITY_STATE, MKVM_ACTIVITY_SHUTDOWN},
      {VMCS_GUEST_RFLAGS, 0x202},
      {VMCS_ENTRY_INTR_INFO, kValid | 0x20}},
     VMCS_GUEST_ACTIVITY_STATE,
     "fits the activity",
     kNonRegister},
    {"InjectNmiInWaitForSipi",
     long_mode,
     {{VMCS_GUEST_ACTIVITY_STATE, MKVM_ACTIVITY_WAIT_FOR_SIPI},
      {VMCS_ENTRY_INTR_INFO, kValid | MKVM_INTR_TYPE_NMI | 2}},
     VMCS_GUEST_ACTIVITY_STATE,
     "fits the activity",
     kNonRegister},
    {"InterruptibilityReserved",
     long_mode,
     {{VMCS_GUEST_INTERRUPTIBILITY, 0x20}},
     VMCS_GUEST_INTERRUPTIBILITY,
     "bits 31:5",
     kNonRegister},
    {"BothShadows",
     long_mode,
     {{VMCS_GUEST_INTERRUPTIBILITY, 3}, {VMCS_GUEST_RFLAGS, 0x202}},
     VMCS_GUEST_INTERRUPTIBILITY,
     "by STI and by MOV SS",
     kNonRegister},
    {"StiShadowWithoutIf",
     long_mode,
     {{VMCS_GUEST_INTERRUPTIBILITY, MKVM_BLOCKING_BY_STI}},
     VMCS_GUEST_INTERRUPTIBILITY,
     "STI needs",
     kNonRegister},
    {"InjectInterruptInShadow",
     long_mode,
     {{VMCS_GUEST_INTERRUPTIBILITY, MKVM_BLOCKING_BY_STI},
      {VMCS_GUEST_RFLAGS, 0x202},
      {VMCS_ENTRY_INTR_INFO, kValid | 0x20}},
     VMCS_GUEST_INTERRUPTIBILITY,
     "no external interrupt",
     kNonRegister},
    {"InjectNmiAfterMovSs",
     long_mode,
     {{VMCS_GUEST_INTERRUPTIBILITY, MKVM_BLOCKING_BY_MOV_SS},
      {VMCS_ENTRY_INTR_INFO, kValid | MKVM_INTR_TYPE_NMI | 2}},
     VMCS_GUEST_INTERRUPTIBILITY,
     "while MOV SS",
     kNonRegister},
    {"BlockingBySmi",
     long_mode,
     {{VMCS_GUEST_INTERRUPTIBILITY, MKVM_BLOCKING_BY_SMI}},
     VMCS_GUEST_INTERRUPTIBILITY,
     "SMI",
     kNonRegister},
    {"InjectBlockedNmi",
     long_mode,
     {{VMCS_PINBASED_CTLS, kPin | VMX_PINBASED_VIRTUAL_NMIS},
      {VMCS_GUEST_INTERRUPTIBILITY, MKVM_BLOCKING_BY_NMI},
      {VMCS_ENTRY_INTR_INFO, kValid | MKVM_INTR_TYPE_NMI | 2}},
     VMCS_GUEST_INTERRUPTIBILITY,
     "virtual NMIs",
     kNonRegister},
    {"EnclaveAndMovSs",
     long_mode,
     {{VMCS_GUEST_INTERRUPTIBILITY, MKVM_ENCLAVE_INTERRUPTION | MKVM_BLOCKING_BY_MOV_SS}},
     VMCS_GUEST_INTERRUPTIBILITY,
     "enclave",
     kNonRegister},
    {"PendingReserved",
     long_mode,
     {{VMCS_GUEST_PENDING_DEBUG, 0x20}},
     VMCS_GUEST_PENDING_DEBUG,
     "reserved",
     kNonRegister},
    {"SingleStepInShadowWithoutBs",
     long_mode,
     {{VMCS_GUEST_INTERRUPTIBILITY, MKVM_BLOCKING_BY_MOV_SS}, {VMCS_GUEST_RFLAGS, 0x102}},
     VMCS_GUEST_PENDING_DEBUG,
     "BS equals",
     kNonRegister},
    {"BsInHltWithoutSingleStep",
     long_mode,
     {{VMCS_GUEST_ACTIVITY_STATE, MKVM_ACTIVITY_HLT}, {VMCS_GUEST_PENDING_DEBUG, 0x4000}},
     VMCS_GUEST_PENDING_DEBUG,
     "BS equals",
     kNonRegister},
    {"RtmAlone",
     long_mode,
     {{VMCS_GUEST_PENDING_DEBUG, 0x10000}},
     VMCS_GUEST_PENDING_DEBUG,
     "RTM",
     kNonRegister},
    {"LinkUnaligned",
     long_mode,
     {{VMCS_LINK_PTR, 0x1008}},
     VMCS_LINK_PTR,
     "bits 11:0",
     kNonRegister},
    {"LinkBeyond", long_mode, {{VMCS_LINK_PTR, kBeyondPhys}}, VMCS_LINK_PTR, "width", kNonRegister},
    {"Pdpte0",
     protected_mode,
     {{VMCS_GUEST_PDPTE0, 0x1003}},
     VMCS_GUEST_PDPTE0,
     "reserved",
     kPdptes},
    {"Pdpte1",
     protected_mode,
     {{VMCS_GUEST_PDPTE1, 0x1021}},
     VMCS_GUEST_PDPTE1,
     "reserved",
     kPdptes},
    {"Pdpte2",
     protected_mode,
     {{VMCS_GUEST_PDPTE2, 0x1101}},
     VMCS_GUEST_PDPTE2,
     "reserved",
     kPdptes},
    {"Pdpte3",
     protected_mode,
     {{VMCS_GUEST_PDPTE3, kBeyondPhys | 1}},
     VMCS_GUEST_PDPTE3,
     "reserved",
     kPdptes},
};

// The rules that each segment has, by name: ES to GS in order, then LDTR and TR.
const char* const kSegmentNames[kSegments] = {"Es", "Cs", "Ss", "Ds", "Fs", "Gs", "Ldtr", "Tr"};

struct SegmentCase {
  std::string name;
  Case test;
};

std::vector<SegmentCase> segment_cases() {
  std::vector<SegmentCase> cases;
  const auto add = [&cases](uint32_t seg, const char* what, Case c) {
    cases.push_back({std::string(kSegmentNames[seg]) + what, std::move(c)});
  };
  for (uint32_t seg = 0; seg < kSegments; ++seg) {
    const uint32_t good = seg == 7 ? 0x8b : seg == 6 ? 0x82 : seg == 1 ? 0xa09b : 0xc093;
    const uint32_t ar = rights(seg);
    add(seg, "S", {"", long_mode, {{ar, good ^ MKVM_AR_S}}, ar, ": S is", kSegmentSection});
    add(seg, "NotPresent",
        {"", long_mode, {{ar, good & ~MKVM_AR_P}}, ar, "P is 1", kSegmentSection});
    add(seg, "Reserved", {"", long_mode, {{ar, good | 0x400}}, ar, "bits 31:17", kSegmentSection});
    add(seg, "ReservedHigh",
        {"", long_mode, {{ar, good | 0x20000}}, ar, "bits 31:17", kSegmentSection});
    add(seg, "ByteLimitTooHigh",
        {"",
         long_mode,
         {{ar, good & ~MKVM_AR_G}, {limit(seg), 0xfffff000 | 0xfff}},
         ar,
         "G fits",
         kSegmentSection});
    add(seg, "PageLimitTooFine",
        {"",
         long_mode,
         {{ar, good | MKVM_AR_G}, {limit(seg), 0x1000}},
         ar,
         "G fits",
         kSegmentSection});
    if (seg >= 6) continue;
    add(seg, "V8086Base",
        {"", virtual_8086, {{base(seg), 0x1010}}, base(seg), "virtual-8086", kSegmentSection});
    add(seg, "V8086Limit",
        {"", virtual_8086, {{limit(seg), 0xfffff}}, limit(seg), "virtual-8086", kSegmentSection});
    add(seg, "V8086Rights", {"", virtual_8086, {{ar, 0x93}}, ar, "virtual-8086", kSegmentSection});
    if (seg == 1 || seg == 2) continue;
    add(seg, "NotAccessed",
        {"", long_mode, {{ar, 0xc092}}, ar, "type is accessed", kSegmentSection});
    add(seg, "ExecuteOnly",
        {"", long_mode, {{ar, 0xc099}}, ar, "type is accessed", kSegmentSection});
    add(seg, "Dpl",
        {"", protected_mode, {{selector(seg), 0x1b}}, ar, "not below", kSegmentSection});
  }
  return cases;
}

std::vector<SegmentCase> all_cases() {
  std::vector<SegmentCase> all = segment_cases();
  for (const Case& c : kControlCases) all.push_back({std::string("Control") + c.name, c});
  for (const Case& c : kHostCases) all.push_back({std::string("Host") + c.name, c});
  for (const Case& c : kGuestCases) all.push_back({std::string("Guest") + c.name, c});
  return all;
}

std::vector<mkvm_vmentry_finding> run(const Case& c) {
  Fields fields = c.start();
  for (const auto& [encoding, value] : c.set) fields[encoding] = value;
  return check(fields, permissive_caps());
}

void PrintTo(const SegmentCase& c, std::ostream* os) { *os << c.name; }

class BadState : public ::testing::TestWithParam<SegmentCase> {};

TEST_P(BadState, IsNamed) {
  const Case& c = GetParam().test;
  const auto findings = run(c);
  const auto matches = [&c](const mkvm_vmentry_finding& f) {
    return f.field[0].encoding == c.field && std::string(f.rule).find(c.rule) != std::string::npos;
  };
  const auto hit = std::find_if(findings.begin(), findings.end(), matches);
  ASSERT_NE(hit, findings.end()) << (findings.empty() ? "nothing found" : findings[0].rule);
  EXPECT_STREQ(hit->section, c.section);
  for (const auto& [encoding, value] : c.set) {
    if (encoding == c.field) {
      EXPECT_EQ(hit->field[0].value, value);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(VmEntry, BadState, ::testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

struct Start {
  const char* name;
  Fields (*make)();
};
void PrintTo(const Start& s, std::ostream* os) { *os << s.name; }

class GoodState : public ::testing::TestWithParam<Start> {};

TEST_P(GoodState, BreaksNoRule) {
  for (const auto& f : check(GetParam().make(), permissive_caps()))
    ADD_FAILURE() << f.section << ": " << f.rule;
}

INSTANTIATE_TEST_SUITE_P(VmEntry, GoodState,
                         ::testing::Values(Start{"RealMode", real_mode},
                                           Start{"LongMode", long_mode},
                                           Start{"ProtectedMode", protected_mode},
                                           Start{"Virtual8086", virtual_8086},
                                           Start{"PostedInterrupts", with_posted_interrupts}),
                         [](const auto& info) { return std::string(info.param.name); });

using Edit = std::vector<std::pair<uint32_t, uint64_t>>;

std::vector<std::string> rules_broken(Fields fields, const Edit& edit,
                                      const mkvm_vmx_caps& caps = permissive_caps()) {
  for (const auto& [encoding, value] : edit) fields[encoding] = value;
  std::vector<std::string> rules;
  for (const auto& f : check(fields, caps)) rules.emplace_back(f.rule);
  return rules;
}

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The tests above look for a rule that must be broken; these, for what must not be.
TEST(VmEntryCheck, AcceptsEachLegalInjection) {
  const uint32_t exception = kValid | MKVM_INTR_TYPE_HARDWARE_EXCEPTION;
  EXPECT_THAT(rules_broken(long_mode(), {{VMCS_ENTRY_INTR_INFO, exception | 6}}), IsEmpty());
  for (uint32_t vector : {8, 10, 11, 12, 13, 14, 17})
    EXPECT_THAT(rules_broken(long_mode(),
                             {{VMCS_ENTRY_INTR_INFO, exception | MKVM_INTR_ERROR_CODE | vector}}),
                IsEmpty());
  EXPECT_THAT(rules_broken(real_mode(), {{VMCS_ENTRY_INTR_INFO, exception | 13}}), IsEmpty());
  EXPECT_THAT(rules_broken(long_mode(), {{VMCS_ENTRY_INTR_INFO, kValid | MKVM_INTR_TYPE_NMI | 2}}),
              IsEmpty());
  EXPECT_THAT(rules_broken(long_mode(),
                           {{VMCS_ENTRY_INTR_INFO, kValid | 0x20}, {VMCS_GUEST_RFLAGS, 0x202}}),
              IsEmpty());
  EXPECT_THAT(rules_broken(long_mode(), {{VMCS_ENTRY_INTR_INFO,
                                          kValid | MKVM_INTR_TYPE_SOFTWARE_INTERRUPT | 0x80},
                                         {VMCS_ENTRY_INSTRUCTION_LENGTH, 15}}),
              IsEmpty());
}

TEST(VmEntryCheck, VirtualNmisLetAnNmiInWhenNothingBlocksIt) {
  const Edit nmi = {{VMCS_PINBASED_CTLS, kPin | VMX_PINBASED_VIRTUAL_NMIS},
                    {VMCS_ENTRY_INTR_INFO, kValid | MKVM_INTR_TYPE_NMI | 2}};
  EXPECT_THAT(rules_broken(long_mode(), nmi), IsEmpty());
}

TEST(VmEntryCheck, InjectionFieldsDoNotMatterWithoutTheValidBit) {
  EXPECT_THAT(rules_broken(long_mode(), {{VMCS_ENTRY_INTR_INFO, 0x7ffff1ff},
                                         {VMCS_ENTRY_EXCEPTION_ERROR_CODE, ~0u},
                                         {VMCS_ENTRY_INSTRUCTION_LENGTH, 99}}),
              IsEmpty());
}

TEST(VmEntryCheck, OtherEventNeedsTheMonitorTrapFlag) {
  mkvm_vmx_caps caps = permissive_caps();
  const Edit mtf = {{VMCS_ENTRY_INTR_INFO, kValid | MKVM_INTR_TYPE_OTHER_EVENT}};
  EXPECT_THAT(rules_broken(long_mode(), mtf, caps), IsEmpty());
  caps.procbased &= ~(uint64_t{VMX_PROCBASED_MONITOR_TRAP_FLAG} << 32);
  EXPECT_THAT(rules_broken(long_mode(), mtf, caps),
              ElementsAre("interruption type is not reserved"));
}

TEST(VmEntryCheck, ZeroLengthInjectionWhereTheCpuAllowsIt) {
  mkvm_vmx_caps caps = permissive_caps();
  caps.misc |= MKVM_VMXMISC_ZERO_LENGTH_INJECTION;
  EXPECT_THAT(
      rules_broken(long_mode(),
                   {{VMCS_ENTRY_INTR_INFO, kValid | MKVM_INTR_TYPE_SOFTWARE_EXCEPTION | 3}}, caps),
      IsEmpty());
}

TEST(VmEntryCheck, AnyErrorCodeWhereTheCpuAllowsIt) {
  mkvm_vmx_caps caps = permissive_caps();
  caps.basic |= MKVM_VMXBASIC_ANY_ERROR_CODE;
  const uint32_t ud = kValid | MKVM_INTR_TYPE_HARDWARE_EXCEPTION | MKVM_INTR_ERROR_CODE | 6;
  EXPECT_THAT(rules_broken(long_mode(), {{VMCS_ENTRY_INTR_INFO, ud}}, caps), IsEmpty());
  EXPECT_THAT(rules_broken(real_mode(), {{VMCS_ENTRY_INTR_INFO, ud}}, caps),
              Contains(HasSubstr("error code is delivered")));
}

TEST(VmEntryCheck, SecondaryControlsCountOnlyWhenActivated) {
  EXPECT_THAT(rules_broken(protected_mode(),
                           {{VMCS_PROCBASED_CTLS, kProc & ~VMX_PROCBASED_SECONDARY_CONTROLS},
                            {VMCS_VPID, 0},
                            {VMCS_EPT_POINTER, 0}}),
              IsEmpty());
}

TEST(VmEntryCheck, ReservedSecondaryControl) {
  mkvm_vmx_caps caps = permissive_caps();
  caps.procbased2 &= ~(uint64_t{VMX_PROCBASED2_VPID} << 32);
  EXPECT_THAT(rules_broken(long_mode(), {}, caps),
              ElementsAre("reserved bits are as IA32_VMX_PROCBASED_CTLS2 tells"));
}

TEST(VmEntryCheck, UnusableSegmentsAreNotChecked) {
  EXPECT_THAT(rules_broken(long_mode(), {{rights(0), 0x10000},
                                         {rights(2), 0x10000},
                                         {rights(3), 0x10000},
                                         {base(3), 1ull << 40},
                                         {rights(4), 0x10000},
                                         {rights(5), 0x10000}}),
              IsEmpty());
}

TEST(VmEntryCheck, UnusableLdtrIsNotChecked) {
  EXPECT_THAT(rules_broken(long_mode(), {{selector(6), 4}, {base(6), kNotCanonical}}), IsEmpty());
}

TEST(VmEntryCheck, SixteenBitTssIsFineOutsideLongMode) {
  EXPECT_THAT(rules_broken(protected_mode(), {{rights(7), 0x83}}), IsEmpty());
}

TEST(VmEntryCheck, ConformingCodeMayBeMorePrivilegedThanTheStack) {
  EXPECT_THAT(
      rules_broken(
          protected_mode(),
          {{rights(1), 0xc09f}, {selector(1), 0x13}, {selector(2), 0x1b}, {rights(2), 0xc0f3}}),
      IsEmpty());
}

TEST(VmEntryCheck, BtfFiltersThePendingSingleStep) {
  EXPECT_THAT(rules_broken(long_mode(), {{VMCS_GUEST_INTERRUPTIBILITY, MKVM_BLOCKING_BY_MOV_SS},
                                         {VMCS_GUEST_RFLAGS, 0x102},
                                         {VMCS_GUEST_IA32_DEBUGCTL, 2}}),
              IsEmpty());
}

TEST(VmEntryCheck, AbsentPdptesMayHoldAnything) {
  EXPECT_THAT(rules_broken(protected_mode(), {{VMCS_GUEST_PDPTE0, ~1ull}}), IsEmpty());
}

TEST(VmEntryCheck, PdptesMatterOnlyInPaeMode) {
  EXPECT_THAT(rules_broken(long_mode(), {{VMCS_GUEST_PDPTE0, ~0ull}}), IsEmpty());
}

TEST(VmEntryCheck, EachActivityButActiveNeedsTheCpusSupport) {
  for (const auto& [activity, support] :
       {std::pair{MKVM_ACTIVITY_HLT, MKVM_VMXMISC_ACTIVITY_HLT},
        {MKVM_ACTIVITY_SHUTDOWN, MKVM_VMXMISC_ACTIVITY_SHUTDOWN},
        {MKVM_ACTIVITY_WAIT_FOR_SIPI, MKVM_VMXMISC_ACTIVITY_WAIT_FOR_SIPI}}) {
    mkvm_vmx_caps caps = permissive_caps();
    const Edit edit = {{VMCS_GUEST_ACTIVITY_STATE, activity}};
    EXPECT_THAT(rules_broken(long_mode(), edit, caps), IsEmpty());
    caps.misc &= ~support;
    EXPECT_THAT(rules_broken(long_mode(), edit, caps), ElementsAre(HasSubstr("activity state")));
  }
}

TEST(VmEntryCheck, CpusWith32BitVmxAddresses) {
  mkvm_vmx_caps caps = permissive_caps();
  caps.basic |= MKVM_VMXBASIC_32BIT_ADDRESSES;
  EXPECT_THAT(rules_broken(long_mode(), {{VMCS_MSR_BITMAP, 1ull << 32}}, caps),
              ElementsAre("MSR-bitmap address is within the physical-address width"));
}

TEST(VmEntryCheck, FiveLevelCpusTakeWiderAddresses) {
  mkvm_vmx_caps caps = permissive_caps();
  caps.maxlinaddr = 57;
  EXPECT_THAT(rules_broken(long_mode(), {{VMCS_GUEST_RIP, kNotCanonical}}, caps), IsEmpty());
}

TEST(VmEntryCheck, NarrowHostBreaksOnlyTheRuleThatItIsNotOurs) {
  EXPECT_THAT(rules_broken(narrow_host(), {}),
              ElementsAre(HasSubstr("host address-space size is 1")));
}

TEST(VmEntryCheck, NarrowHostHasRulesOfItsOwn) {
  EXPECT_THAT(rules_broken(narrow_host(), {{VMCS_HOST_SS_SELECTOR, 0}}),
              Contains(HasSubstr("SS selector is not 0")));
  EXPECT_THAT(rules_broken(narrow_host(), {{VMCS_HOST_RIP, 1ull << 32}}),
              Contains(HasSubstr("bits 63:32 are 0 for a 32-bit host")));
  EXPECT_THAT(rules_broken(narrow_host(), {{VMCS_HOST_CR4, 0x226e0}}),
              Contains(HasSubstr("host CR4.PCIDE")));
  EXPECT_THAT(
      rules_broken(narrow_host(), {{VMCS_ENTRY_CTLS, kEntry | VMX_ENTRYCTL_IA32E_MODE_GUEST}}),
      Contains(HasSubstr("IA-32e mode guest needs host")));
}

TEST(VmEntryCheck, VirtualModeIsNotForLongOrRealMode) {
  EXPECT_THAT(rules_broken(long_mode(), {{VMCS_GUEST_RFLAGS, 0x20002}}),
              Contains(HasSubstr("RFLAGS.VM")));
  EXPECT_THAT(rules_broken(real_mode(), {{VMCS_GUEST_RFLAGS, 0x20002}}),
              Contains(HasSubstr("RFLAGS.VM")));
}

TEST(VmEntryCheck, ControlsComeBeforeHostAndHostBeforeGuest) {
  Fields f = long_mode();
  f[VMCS_GUEST_RFLAGS] = 0;
  f[VMCS_HOST_CS_SELECTOR] = 0;
  f[VMCS_VPID] = 0;
  const auto findings = check(f, permissive_caps());
  ASSERT_EQ(findings.size(), 3u);
  EXPECT_EQ(findings[0].area, MKVM_VMCS_CONTROL);
  EXPECT_EQ(findings[1].area, MKVM_VMCS_HOST);
  EXPECT_EQ(findings[2].area, MKVM_VMCS_GUEST);
}

TEST(VmEntryCheck, FindingShowsTheFieldsThatTheRuleCompares) {
  Fields f = long_mode();
  f[VMCS_GUEST_IA32_EFER] = 0x100;
  const auto findings = check(f, permissive_caps());
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings[0].nr, 2u);
  EXPECT_EQ(findings[0].field[0].encoding, VMCS_GUEST_IA32_EFER);
  EXPECT_EQ(findings[0].field[0].value, 0x100u);
  EXPECT_EQ(findings[0].field[1].encoding, VMCS_ENTRY_CTLS);
  EXPECT_EQ(findings[0].field[1].value, f[VMCS_ENTRY_CTLS]);
}

TEST(VmEntryCheck, CountsMoreThanItHasRoomFor) {
  const mkvm_vmx_caps caps = permissive_caps();
  mkvm_vmentry_finding one;
  EXPECT_GT(mkvm_vmentry_check(nullptr, 0, &caps, &one, 1), 10);
  EXPECT_GT(mkvm_vmentry_check(nullptr, 0, &caps, nullptr, 0), 10);
}

// A rule that no test breaks is a rule that nobody has seen work.
TEST(VmEntryCheck, EveryRuleIsBrokenBySomeTest) {
  std::set<std::pair<std::string, uint32_t>> seen;
  const auto note = [&seen](const std::vector<mkvm_vmentry_finding>& findings) {
    for (const auto& f : findings) seen.insert({f.rule, f.field[0].encoding});
  };
  for (const SegmentCase& c : all_cases()) note(run(c.test));
  Fields f = narrow_host();
  f[VMCS_HOST_SS_SELECTOR] = 0;
  f[VMCS_HOST_RIP] = 1ull << 32;
  f[VMCS_HOST_CR4] = 0x226e0;
  f[VMCS_ENTRY_CTLS] = kEntry | VMX_ENTRYCTL_IA32E_MODE_GUEST;
  f[VMCS_GUEST_RFLAGS] = 0x20002;
  mkvm_vmx_caps caps = permissive_caps();
  caps.procbased2 = 0;
  note(check(f, caps));
  EXPECT_EQ(seen.size(), mkvm_vmentry_nr_rules());
}

}  // namespace
