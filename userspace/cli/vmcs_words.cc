// SPDX-License-Identifier: GPL-2.0-only
#include "cli/vmcs_words.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "cli/words.h"
#include "vmcs_fields.h"
#include "vmfail.h"
#include "vmx_bits.h"

namespace minikvm::cli {
namespace {

constexpr Bit kPinBased[] = {{0, "external-interrupt exiting"},
                             {3, "NMI exiting"},
                             {5, "virtual NMIs"},
                             {6, "VMX-preemption timer"},
                             {7, "process posted interrupts"}};

constexpr Bit kProcBased[] = {{2, "interrupt-window exiting"},
                              {3, "TSC offsetting"},
                              {7, "HLT exiting"},
                              {9, "INVLPG exiting"},
                              {10, "MWAIT exiting"},
                              {11, "RDPMC exiting"},
                              {12, "RDTSC exiting"},
                              {15, "CR3-load exiting"},
                              {16, "CR3-store exiting"},
                              {17, "tertiary controls"},
                              {19, "CR8-load exiting"},
                              {20, "CR8-store exiting"},
                              {21, "TPR shadow"},
                              {22, "NMI-window exiting"},
                              {23, "MOV-DR exiting"},
                              {24, "unconditional I/O exiting"},
                              {25, "I/O bitmaps"},
                              {27, "monitor trap flag"},
                              {28, "MSR bitmaps"},
                              {29, "MONITOR exiting"},
                              {30, "PAUSE exiting"},
                              {31, "secondary controls"}};

constexpr Bit kProcBased2[] = {{0, "virtualize APIC accesses"},
                               {1, "EPT"},
                               {2, "descriptor-table exiting"},
                               {3, "RDTSCP"},
                               {4, "virtualize x2APIC mode"},
                               {5, "VPID"},
                               {6, "WBINVD exiting"},
                               {7, "unrestricted guest"},
                               {8, "APIC-register virtualization"},
                               {9, "virtual-interrupt delivery"},
                               {10, "PAUSE-loop exiting"},
                               {11, "RDRAND exiting"},
                               {12, "INVPCID"},
                               {13, "VM functions"},
                               {14, "VMCS shadowing"},
                               {15, "ENCLS exiting"},
                               {16, "RDSEED exiting"},
                               {17, "PML"},
                               {18, "EPT-violation #VE"},
                               {19, "conceal VMX from PT"},
                               {20, "XSAVES/XRSTORS"},
                               {22, "mode-based execute control for EPT"},
                               {23, "sub-page write permissions for EPT"},
                               {24, "PT uses guest physical addresses"},
                               {25, "TSC scaling"},
                               {26, "user wait and pause"},
                               {27, "PCONFIG"},
                               {28, "ENCLV exiting"}};

constexpr Bit kExit[] = {{2, "save debug controls"},
                         {9, "host address-space size"},
                         {12, "load IA32_PERF_GLOBAL_CTRL"},
                         {15, "acknowledge interrupt on exit"},
                         {18, "save IA32_PAT"},
                         {19, "load IA32_PAT"},
                         {20, "save IA32_EFER"},
                         {21, "load IA32_EFER"},
                         {22, "save VMX-preemption timer value"},
                         {23, "clear IA32_BNDCFGS"},
                         {24, "conceal VMX from PT"},
                         {25, "clear IA32_RTIT_CTL"},
                         {26, "clear IA32_LBR_CTL"},
                         {28, "load CET state"},
                         {29, "load PKRS"},
                         {31, "secondary VM-exit controls"}};

constexpr Bit kEntry[] = {{2, "load debug controls"},
                          {9, "IA-32e mode guest"},
                          {10, "entry to SMM"},
                          {11, "deactivate dual-monitor treatment"},
                          {13, "load IA32_PERF_GLOBAL_CTRL"},
                          {14, "load IA32_PAT"},
                          {15, "load IA32_EFER"},
                          {16, "load IA32_BNDCFGS"},
                          {17, "conceal VMX from PT"},
                          {18, "load IA32_RTIT_CTL"},
                          {20, "load CET state"},
                          {21, "load guest IA32_LBR_CTL"},
                          {22, "load PKRS"}};

constexpr Bit kInterruptibility[] = {{0, "blocking by STI"},
                                     {1, "blocking by MOV SS"},
                                     {2, "blocking by SMI"},
                                     {3, "blocking by NMI"},
                                     {4, "enclave interruption"}};

constexpr Bit kPendingDebug[] = {{0, "B0"},  {1, "B1"},   {2, "B2"},
                                 {3, "B3"},  {11, "BLD"}, {12, "enabled breakpoint"},
                                 {14, "BS"}, {16, "RTM"}};

std::string decode_vector(uint32_t vector, uint32_t type) {
  const bool exception =
      type != MKVM_INTR_TYPE_EXTERNAL && type != MKVM_INTR_TYPE_SOFTWARE_INTERRUPT;
  return exception ? exception_name(vector) : fmt::format("vector {}", vector);
}

std::string decode_event(uint32_t info) {
  constexpr std::array<std::string_view, 8> types{
      "external interrupt", "reserved type",      "NMI",
      "hardware exception", "software interrupt", "privileged software exception",
      "software exception", "other event"};
  if (!(info & MKVM_INTR_VALID)) return "not valid";
  const uint32_t type = info & MKVM_INTR_TYPE;
  return fmt::format("{}, {}{}", types[type >> 8], decode_vector(info & MKVM_INTR_VECTOR, type),
                     info & MKVM_INTR_ERROR_CODE ? ", with error code" : "");
}

std::string decode_exit_reason(uint32_t reason) {
  return fmt::format("{}: {}{}", MKVM_EXIT_BASIC_REASON(reason),
                     mkvm_exit_reason_name(MKVM_EXIT_BASIC_REASON(reason)),
                     reason & MKVM_EXIT_ENTRY_FAILURE ? " (the VM entry failed)" : "");
}

std::string decode_activity(uint64_t state) {
  constexpr std::array<std::string_view, 4> names{"active", "HLT", "shutdown", "wait-for-SIPI"};
  return state < names.size() ? std::string(names[state]) : "unknown";
}

std::string decode_eptp(uint64_t eptp) {
  const unsigned type = MKVM_EPTP_MEMORY_TYPE(eptp);
  const std::string memory = type == MKVM_EPTP_WB   ? "write-back"
                             : type == MKVM_EPTP_UC ? "uncacheable"
                                                    : fmt::format("memory type {}", type);
  return fmt::format("{}, {}-level{}", memory, MKVM_EPTP_WALK_LENGTH(eptp),
                     eptp & MKVM_EPTP_ACCESSED_DIRTY ? ", accessed/dirty" : "");
}

bool is_access_rights(uint32_t encoding) {
  return encoding >= VMCS_GUEST_ES_ACCESS_RIGHTS && encoding <= VMCS_GUEST_TR_ACCESS_RIGHTS;
}

}  // namespace

std::string decode_access_rights(uint32_t rights) {
  if (rights & MKVM_AR_UNUSABLE) return "unusable";
  const std::string_view type = segment_type(rights & MKVM_AR_S, rights & MKVM_AR_TYPE);
  std::string out = fmt::format("{}, DPL {}", type, MKVM_AR_DPL(rights));
  out += rights & MKVM_AR_P ? ", present" : ", not present";
  out += rights & MKVM_AR_L ? ", 64-bit" : rights & MKVM_AR_DB ? ", 32-bit" : ", 16-bit";
  if (rights & MKVM_AR_G) out += ", 4-KiB units";
  if (rights & MKVM_AR_RESERVED) out += ", reserved bits set";
  return out;
}

std::string decode_vmcs_field(uint32_t encoding, uint64_t value) {
  const auto low = static_cast<uint32_t>(value);
  if (is_access_rights(encoding)) return decode_access_rights(low);
  switch (encoding) {
    case VMCS_PINBASED_CTLS:
      return list_known_bits(kPinBased, value);
    case VMCS_PROCBASED_CTLS:
      return list_known_bits(kProcBased, value);
    case VMCS_PROCBASED2_CTLS:
      return list_bits(kProcBased2, value, ", ");
    case VMCS_EXIT_CTLS:
      return list_known_bits(kExit, value);
    case VMCS_ENTRY_CTLS:
      return list_known_bits(kEntry, value);
    case VMCS_GUEST_CR0:
    case VMCS_HOST_CR0:
    case VMCS_CR0_READ_SHADOW:
      return decode_cr0(low);
    case VMCS_GUEST_CR4:
    case VMCS_HOST_CR4:
    case VMCS_CR4_READ_SHADOW:
      return decode_cr4(value);
    case VMCS_GUEST_IA32_EFER:
    case VMCS_HOST_IA32_EFER:
      return decode_efer(value);
    case VMCS_GUEST_RFLAGS:
      return decode_rflags(value);
    case VMCS_GUEST_INTERRUPTIBILITY:
      return list_bits(kInterruptibility, value, ", ");
    case VMCS_GUEST_ACTIVITY_STATE:
      return decode_activity(value);
    case VMCS_GUEST_PENDING_DEBUG:
      return list_bits(kPendingDebug, value, ", ");
    case VMCS_EXCEPTION_BITMAP:
      return decode_exceptions(low);
    case VMCS_ENTRY_INTR_INFO:
    case VMCS_EXIT_INTR_INFO:
    case VMCS_IDT_VECTORING_INFO:
      return decode_event(low);
    case VMCS_EXIT_REASON:
      return decode_exit_reason(low);
    case VMCS_INSTRUCTION_ERROR:
      return value ? mkvm_vm_instruction_error_name(low) : "none";
    case VMCS_EPT_POINTER:
      return decode_eptp(value);
    default:
      return {};
  }
}

}  // namespace minikvm::cli
