// SPDX-License-Identifier: GPL-2.0-only
#include "cli/vmcb_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/words.h"
#include "vmcb_check.h"

namespace minikvm::cli {
namespace {

// APM vol. 2, appendix "SVM Intercept Exit Codes": from 0x60 on. Up to 0xbf an exit code is also a
// bit of the intercept words.
constexpr std::array<std::string_view, 0x30> kExits{
    "INTR",        "NMI",       "SMI",         "INIT",    "VINTR",      "selective CR0 write",
    "read IDTR",   "read GDTR", "read LDTR",   "read TR", "write IDTR", "write GDTR",
    "write LDTR",  "write TR",  "RDTSC",       "RDPMC",   "PUSHF",      "POPF",
    "CPUID",       "RSM",       "IRET",        "INT n",   "INVD",       "PAUSE",
    "HLT",         "INVLPG",    "INVLPGA",     "I/O",     "MSR",        "task switch",
    "FERR freeze", "shutdown",  "VMRUN",       "VMMCALL", "VMLOAD",     "VMSAVE",
    "STGI",        "CLGI",      "SKINIT",      "RDTSCP",  "ICEBP",      "WBINVD",
    "MONITOR",     "MWAIT",     "armed MWAIT", "XSETBV",  "RDPRU",      "EFER write trap"};
constexpr std::array<std::string_view, 7> kLateExits{
    "INVLPGB", "illegal INVLPGB", "INVPCID", "MCOMMIT", "TLBSYNC", "bus lock", "idle HLT"};

constexpr Bit kInterruptState[] = {{0, "interrupt shadow"}, {1, "guest interrupt mask"}};
constexpr Bit kNested[] = {{0, "nested paging"}, {1, "SEV"}, {2, "SEV-ES"}, {3, "GMET"}};
constexpr Bit kLbr[] = {{0, "LBR virtualization"}, {1, "virtual VMLOAD and VMSAVE"}};
constexpr Bit kClean[] = {{0, "intercepts"},
                          {1, "permission maps"},
                          {2, "ASID"},
                          {3, "virtual interrupt"},
                          {4, "nested paging"},
                          {5, "control registers"},
                          {6, "debug registers"},
                          {7, "GDTR and IDTR"},
                          {8, "segments"},
                          {9, "CR2"},
                          {10, "LBR"},
                          {11, "AVIC"},
                          {12, "CET"}};
// Beside V_TPR in 7:0 and the priority in 19:16.
constexpr Bit kInterruptControl[] = {
    {8, "V_IRQ"},        {9, "virtual GIF value"}, {20, "V_IGN_TPR"}, {24, "V_INTR_MASKING"},
    {25, "virtual GIF"}, {26, "virtual NMI"},      {30, "x2AVIC"},    {31, "AVIC"}};

std::string join(const std::string& first, const std::string& second) {
  return first.empty() || second.empty() ? first + second : first + ", " + second;
}

// Reads in the low half, writes in the high one.
std::string accesses(std::string_view kind, uint64_t value) {
  std::string out;
  for (unsigned bit = 0; bit < 32; ++bit)
    if (value >> bit & 1)
      out = join(out, fmt::format("{} {}{}", bit < 16 ? "read" : "write", kind, bit % 16));
  return out;
}

std::string cr_accesses(uint64_t value) { return accesses("CR", value); }
std::string dr_accesses(uint64_t value) { return accesses("DR", value); }

std::string exceptions(uint64_t value) { return decode_exceptions(static_cast<uint32_t>(value)); }

template <unsigned kWord>
std::string intercepts(uint64_t value) {
  std::string out;
  for (unsigned bit = 0; bit < 32; ++bit)
    if (value >> bit & 1) out = join(out, svm_exit_name(0x60 + 32 * kWord + bit));
  return out;
}

std::string tlb_control(uint64_t value) {
  switch (value) {
    case 0:
      return "flush nothing";
    case 1:
      return "flush all ASIDs";
    case 3:
      return "flush this ASID";
    case 7:
      return "flush this ASID's non-global entries";
    default:
      return "reserved";
  }
}

std::string interrupt_control(uint64_t value) {
  const uint64_t flags = value & ~0xf00ffull;
  return join(fmt::format("V_TPR {}, priority {}", value & 0xff, value >> 16 & 15),
              list_bits(kInterruptControl, flags, ", "));
}

std::string interrupt_state(uint64_t value) { return list_bits(kInterruptState, value, ", "); }
std::string nested_control(uint64_t value) { return list_bits(kNested, value, ", "); }
std::string lbr_control(uint64_t value) { return list_bits(kLbr, value, ", "); }
std::string clean(uint64_t value) { return list_bits(kClean, value, ", "); }

std::string event(uint64_t value) {
  constexpr std::array<std::string_view, 8> kTypes{
      "external interrupt", "reserved type 1",    "NMI",
      "exception",          "software interrupt", "reserved type 5",
      "reserved type 6",    "reserved type 7"};
  if (!(value & MKVM_SVM_EVENT_VALID)) return "not valid";
  const uint32_t type = value & MKVM_SVM_EVENT_TYPE;
  const uint32_t vector = value & 0xff;
  const bool exception = type == MKVM_SVM_EVENT_EXCEPTION;
  std::string out =
      fmt::format("{}, {}", kTypes[type >> 8],
                  exception ? exception_name(vector) : fmt::format("vector {}", vector));
  if (value & MKVM_SVM_EVENT_ERROR_CODE) out += fmt::format(", error code {:#x}", value >> 32);
  return out;
}

#define FIELD(area, member, name, words) \
  { offsetof(mkvm_vmcb, member), sizeof(mkvm_vmcb::member), VmcbArea::area, name, words }
#define INTERCEPTS(n)                                                                 \
  {                                                                                   \
    offsetof(mkvm_vmcb, intercept) + 4 * (n), 4, VmcbArea::control, "intercepts " #n, \
        intercepts<n>                                                                 \
  }

constexpr VmcbField kFields[] = {
    FIELD(control, intercept_cr, "CR intercepts", cr_accesses),
    FIELD(control, intercept_dr, "DR intercepts", dr_accesses),
    FIELD(control, intercept_exceptions, "exception intercepts", exceptions),
    INTERCEPTS(0),
    INTERCEPTS(1),
    INTERCEPTS(2),
    FIELD(control, pause_threshold, "PAUSE filter threshold", nullptr),
    FIELD(control, pause_count, "PAUSE filter count", nullptr),
    FIELD(control, iopm_pa, "I/O permissions map", nullptr),
    FIELD(control, msrpm_pa, "MSR permissions map", nullptr),
    FIELD(control, tsc_offset, "TSC offset", nullptr),
    FIELD(control, asid, "ASID", nullptr),
    FIELD(control, tlb_control, "TLB control", tlb_control),
    FIELD(control, interrupt_control, "virtual interrupt control", interrupt_control),
    FIELD(control, interrupt_vector, "virtual interrupt vector", nullptr),
    FIELD(control, interrupt_state, "interrupt state", interrupt_state),
    FIELD(control, nested_control, "nested control", nested_control),
    FIELD(control, event_inj, "event injection", event),
    FIELD(control, nested_cr3, "nested CR3", nullptr),
    FIELD(control, lbr_control, "LBR control", lbr_control),
    FIELD(control, clean, "clean bits", clean),
    FIELD(exit_information, exit_code, "exit code", svm_exit_name),
    FIELD(exit_information, exit_info_1, "exit information 1", nullptr),
    FIELD(exit_information, exit_info_2, "exit information 2", nullptr),
    FIELD(exit_information, exit_int_info, "interrupted event", event),
    FIELD(exit_information, next_rip, "next RIP", nullptr),
    FIELD(exit_information, insn_len, "instruction bytes", nullptr),
    FIELD(guest, cpl, "CPL", nullptr),
    FIELD(guest, efer, "EFER", decode_efer),
    FIELD(guest, cr4, "CR4", decode_cr4),
    FIELD(guest, cr3, "CR3", nullptr),
    FIELD(guest, cr0, "CR0", decode_cr0),
    FIELD(guest, dr7, "DR7", nullptr),
    FIELD(guest, dr6, "DR6", nullptr),
    FIELD(guest, rflags, "RFLAGS", decode_rflags),
    FIELD(guest, rip, "RIP", nullptr),
    FIELD(guest, rsp, "RSP", nullptr),
    FIELD(guest, rax, "RAX", nullptr),
    FIELD(guest, star, "STAR", nullptr),
    FIELD(guest, lstar, "LSTAR", nullptr),
    FIELD(guest, cstar, "CSTAR", nullptr),
    FIELD(guest, sfmask, "SFMASK", nullptr),
    FIELD(guest, kernel_gs_base, "KERNEL_GS_BASE", nullptr),
    FIELD(guest, sysenter_cs, "SYSENTER_CS", nullptr),
    FIELD(guest, sysenter_esp, "SYSENTER_ESP", nullptr),
    FIELD(guest, sysenter_eip, "SYSENTER_EIP", nullptr),
    FIELD(guest, cr2, "CR2", nullptr),
    FIELD(guest, g_pat, "PAT", nullptr),
    FIELD(guest, debugctl, "DEBUGCTL", nullptr),
};
#undef INTERCEPTS
#undef FIELD

// The registers of this range, or an empty string.
std::string register_exit(uint64_t code) {
  if (code < 0x10) return fmt::format("read CR{}", code);
  if (code < 0x20) return fmt::format("write CR{}", code - 0x10);
  if (code < 0x30) return fmt::format("read DR{}", code - 0x20);
  if (code < 0x40) return fmt::format("write DR{}", code - 0x30);
  if (code < 0x60) return "exception " + exception_name(static_cast<uint32_t>(code - 0x40));
  return code >= 0x90 && code < 0xa0 ? fmt::format("CR{} write trap", code - 0x90) : std::string();
}

}  // namespace

std::span<const VmcbField> vmcb_fields() { return kFields; }

const VmcbField* find_vmcb_field(uint16_t offset) {
  const auto field = std::ranges::find(kFields, offset, &VmcbField::offset);
  return field == std::end(kFields) ? nullptr : field;
}

std::string svm_exit_name(uint64_t code) {
  if (std::string name = register_exit(code); !name.empty()) return name;
  if (code - 0x60 < kExits.size()) return std::string(kExits[code - 0x60]);
  if (code - 0xa0 < kLateExits.size()) return std::string(kLateExits[code - 0xa0]);
  switch (code) {
    case SVM_EXIT_NPF:
      return "nested page fault";
    case MKVM_SVM_EXIT_INVALID:
      return "VMEXIT_INVALID";
    default:
      return fmt::format("exit code {:#x}", code);
  }
}

std::string decode_svm_attributes(uint16_t attr) {
  if (!(attr & MKVM_SVM_ATTR_P)) return "not present";
  const std::string_view type = segment_type(attr & MKVM_SVM_ATTR_S, attr & MKVM_SVM_ATTR_TYPE);
  std::string out = fmt::format("{}, DPL {}", type, MKVM_SVM_ATTR_DPL(attr));
  out += attr & MKVM_SVM_ATTR_L ? ", 64-bit" : attr & MKVM_SVM_ATTR_DB ? ", 32-bit" : ", 16-bit";
  if (attr & MKVM_SVM_ATTR_G) out += ", 4-KiB units";
  return out;
}

}  // namespace minikvm::cli
