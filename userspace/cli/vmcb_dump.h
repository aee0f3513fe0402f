// SPDX-License-Identifier: GPL-2.0-only
// A VMCB for the reader of a bug report: dump.h, for AMD-V.
#pragma once

#include <string>

#include "minikvm.h"
#include "vmcb.h"

namespace minikvm::cli {

// Guest state, controls and exit information, a field per line, and what is set
// where the layout names nothing.
std::string format_vmcb_dump(const mkvm_vmcb& vmcb);

// Which rules of VMRUN the VMCB breaks, with the fields concerned. Says so when
// the checker knows none.
std::string explain_vmrun_failure(const mkvm_svm_caps& caps, const mkvm_vmcb& vmcb);

}  // namespace minikvm::cli
