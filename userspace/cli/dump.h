// SPDX-License-Identifier: GPL-2.0-only
// A VMCS for the reader of a bug report: all of it by area, and what is wrong
// with it.
#pragma once

#include <linux/types.h>

#include <span>
#include <string>

#include "abi/kvm.h"
#include "minikvm.h"

namespace minikvm::cli {

// Guest state, host state, controls and exit information, a field per line,
// with the bits of those that are made of bits.
std::string format_vmcs_dump(std::span<const mkvm_vmcs_field> fields);

// Which rules of the SDM's chapter "VM Entries" the VMCS breaks, with the
// fields concerned. Says so when the checker knows none.
std::string explain_entry_failure(const mkvm_vmx_caps& caps,
                                  std::span<const mkvm_vmcs_field> fields);

}  // namespace minikvm::cli
