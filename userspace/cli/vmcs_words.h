// SPDX-License-Identifier: GPL-2.0-only
// The value of a VMCS field in words.
#pragma once

#include <cstdint>
#include <string>

namespace minikvm::cli {

// The bits that are set, by the SDM's names, or whatever else makes the value
// readable. Empty for a plain number.
std::string decode_vmcs_field(uint32_t encoding, uint64_t value);

// "code execute/read accessed, DPL 0, present, 64-bit, 4-KiB units"
std::string decode_access_rights(uint32_t rights);

}  // namespace minikvm::cli
