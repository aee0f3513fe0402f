// SPDX-License-Identifier: GPL-2.0-only
#include "cli/vmcs_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "vmcs_fields.h"
#include "vmx_bits.h"
#include "x86_bits.h"

namespace minikvm::cli {
namespace {

struct Bit {
  unsigned position;
  std::string_view name;
};

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

constexpr Bit kCr0[] = {{0, "PE"},  {1, "MP"},  {2, "EM"},  {3, "TS"},  {4, "ET"}, {5, "NE"},
                        {16, "WP"}, {18, "AM"}, {29, "NW"}, {30, "CD"}, {31, "PG"}};

constexpr Bit kCr4[] = {{0, "VME"},    {1, "PVI"},      {2, "TSD"},         {3, "DE"},
                        {4, "PSE"},    {5, "PAE"},      {6, "MCE"},         {7, "PGE"},
                        {8, "PCE"},    {9, "OSFXSR"},   {10, "OSXMMEXCPT"}, {11, "UMIP"},
                        {12, "LA57"},  {13, "VMXE"},    {14, "SMXE"},       {16, "FSGSBASE"},
                        {17, "PCIDE"}, {18, "OSXSAVE"}, {19, "KL"},         {20, "SMEP"},
                        {21, "SMAP"},  {22, "PKE"},     {23, "CET"},        {24, "PKS"},
                        {25, "UINTR"}, {32, "FRED"}};

constexpr Bit kEfer[] = {{0, "SCE"}, {8, "LME"}, {10, "LMA"}, {11, "NXE"}};

constexpr Bit kRflags[] = {{0, "CF"},       {2, "PF"},   {4, "AF"},  {6, "ZF"},  {7, "SF"},
                           {8, "TF"},       {9, "IF"},   {10, "DF"}, {11, "OF"}, {12, "IOPL[0]"},
                           {13, "IOPL[1]"}, {14, "NT"},  {16, "RF"}, {17, "VM"}, {18, "AC"},
                           {19, "VIF"},     {20, "VIP"}, {21, "ID"}};

constexpr Bit kInterruptibility[] = {{0, "blocking by STI"},
                                     {1, "blocking by MOV SS"},
                                     {2, "blocking by SMI"},
                                     {3, "blocking by NMI"},
                                     {4, "enclave interruption"}};

constexpr Bit kPendingDebug[] = {{0, "B0"},  {1, "B1"},   {2, "B2"},
                                 {3, "B3"},  {11, "BLD"}, {12, "enabled breakpoint"},
                                 {14, "BS"}, {16, "RTM"}};

constexpr std::array<std::string_view, 32> kExceptions{
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", {},    "#TS",
    "#NP", "#SS", "#GP", "#PF", {},    "#MF", "#AC", "#MC", "#XM", "#VE", "#CP"};

// SDM, section "Segment Descriptor Types": for code and data, then for system
// segments in IA-32e and protected mode.
constexpr std::array<std::string_view, 16> kCodeOrData{"data read",
                                                       "data read accessed",
                                                       "data read/write",
                                                       "data read/write accessed",
                                                       "data down read",
                                                       "data down read accessed",
                                                       "data down r/w",
                                                       "data down r/w accessed",
                                                       "code execute",
                                                       "code execute accessed",
                                                       "code execute/read",
                                                       "code execute/read accessed",
                                                       "code conforming",
                                                       "code conforming accessed",
                                                       "code conforming execute/read",
                                                       "code conforming execute/read accessed"};
constexpr std::array<std::string_view, 16> kSystem{"reserved 0",
                                                   "available 16-bit TSS",
                                                   "LDT",
                                                   "busy 16-bit TSS",
                                                   "16-bit call gate",
                                                   "task gate",
                                                   "16-bit interrupt gate",
                                                   "16-bit trap gate",
                                                   "reserved 8",
                                                   "available TSS",
                                                   "reserved 10",
                                                   "busy TSS",
                                                   "call gate",
                                                   "reserved 13",
                                                   "interrupt gate",
                                                   "trap gate"};

std::string list_bits(std::span<const Bit> names, uint64_t value, std::string_view separator) {
  std::string out;
  for (unsigned position = 0; position < 64; ++position) {
    if (!(value >> position & 1)) continue;
    if (!out.empty()) out += separator;
    const auto bit = std::ranges::find(names, position, &Bit::position);
    out += bit == names.end() ? fmt::format("bit {}", position) : std::string(bit->name);
  }
  return out;
}

// Control words have bits that must be 1 and mean nothing: only what is known.
std::string list_known_bits(std::span<const Bit> names, uint64_t value) {
  uint64_t known = 0;
  for (const Bit& bit : names) known |= uint64_t{1} << bit.position;
  return list_bits(names, value & known, ", ");
}

std::string decode_vector(uint32_t vector, uint32_t type) {
  const bool exception =
      type != MKVM_INTR_TYPE_EXTERNAL && type != MKVM_INTR_TYPE_SOFTWARE_INTERRUPT;
  if (exception && vector < kExceptions.size() && !kExceptions[vector].empty())
    return std::string(kExceptions[vector]);
  return fmt::format("vector {}", vector);
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

std::string decode_exception_bitmap(uint64_t bitmap) {
  std::string out;
  for (unsigned vector = 0; vector < kExceptions.size(); ++vector)
    if (bitmap >> vector & 1)
      out += (out.empty() ? "" : " ") + decode_vector(vector, MKVM_INTR_TYPE_HARDWARE_EXCEPTION);
  return out;
}

bool is_access_rights(uint32_t encoding) {
  return encoding >= VMCS_GUEST_ES_ACCESS_RIGHTS && encoding <= VMCS_GUEST_TR_ACCESS_RIGHTS;
}

}  // namespace

std::string decode_access_rights(uint32_t rights) {
  if (rights & MKVM_AR_UNUSABLE) return "unusable";
  const auto& types = rights & MKVM_AR_S ? kCodeOrData : kSystem;
  std::string out = fmt::format("{}, DPL {}", types[rights & MKVM_AR_TYPE], MKVM_AR_DPL(rights));
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
      return list_bits(kCr0, low, " ");
    case VMCS_GUEST_CR4:
    case VMCS_HOST_CR4:
    case VMCS_CR4_READ_SHADOW:
      return list_bits(kCr4, value, " ");
    case VMCS_GUEST_IA32_EFER:
    case VMCS_HOST_IA32_EFER:
      return list_bits(kEfer, value, " ");
    case VMCS_GUEST_RFLAGS:
      return list_bits(kRflags, value & ~2ull, " ");  // bit 1 is always 1
    case VMCS_GUEST_INTERRUPTIBILITY:
      return list_bits(kInterruptibility, value, ", ");
    case VMCS_GUEST_ACTIVITY_STATE:
      return decode_activity(value);
    case VMCS_GUEST_PENDING_DEBUG:
      return list_bits(kPendingDebug, value, ", ");
    case VMCS_EXCEPTION_BITMAP:
      return decode_exception_bitmap(value);
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
