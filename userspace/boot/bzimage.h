// SPDX-License-Identifier: GPL-2.0-only
// Linux kernels as distributions ship them, by the 64-bit boot protocol: Linux
// Documentation/arch/x86/boot.rst, "64-bit BOOT PROTOCOL".
#pragma once

#include "boot/entry.h"
#include "boot/payload.h"

namespace minikvm::boot {

bool is_bzimage(Bytes image);
Result<Entry> load_bzimage(Bytes image, const Payload& payload, const GuestMemory& ram);

}  // namespace minikvm::boot
