// SPDX-License-Identifier: GPL-2.0-only
// ELF kernels (vmlinux) by the PVH boot ABI: Xen's docs/misc/pvh.pandoc, "The
// x86/HVM direct boot ABI". The kernel names its 32-bit entry point in a note.
#pragma once

#include "boot/entry.h"
#include "boot/payload.h"

namespace minikvm::boot {

bool is_elf(Bytes image);
Result<Entry> load_pvh(Bytes image, const Payload& payload, const GuestMemory& ram);

}  // namespace minikvm::boot
