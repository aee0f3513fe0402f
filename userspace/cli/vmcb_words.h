// SPDX-License-Identifier: GPL-2.0-only
// The fields of a VMCB, by name, and their values in words. Segments, which have
// a table of their own, are not among them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "vmcb.h"

namespace minikvm::cli {

enum class VmcbArea { guest, control, exit_information };

struct VmcbField {
  uint16_t offset;
  uint8_t size;  // in bytes
  VmcbArea area;
  std::string_view name;
  // The bits that are set, or whatever else makes the value readable; null: a plain number.
  std::string (*words)(uint64_t value);
};

std::span<const VmcbField> vmcb_fields();

// Null where the VMCB's layout names none.
const VmcbField* find_vmcb_field(uint16_t offset);

// "CPUID", "read CR0", "VMEXIT_INVALID"
std::string svm_exit_name(uint64_t exit_code);

// "code execute/read accessed, DPL 0, present, 64-bit, 4-KiB units"
std::string decode_svm_attributes(uint16_t attributes);

}  // namespace minikvm::cli
