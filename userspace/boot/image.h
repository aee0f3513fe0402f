// SPDX-License-Identifier: GPL-2.0-only
// From files to a guest that is ready to run its first instruction.
#pragma once

#include <string>

#include "boot/entry.h"
#include "boot/payload.h"

namespace minikvm::boot {

enum class Format {
  detect,  // bzImage or ELF by content; flat16 if the name ends in ".bin"
  bzimage,
  elf,
  flat16,  // a real-mode image at 0000:7C00, where a BIOS puts a boot sector
  flat64,  // a 64-bit image at 1 MiB, entered there with RDI = bytes of RAM
};

struct BootConfig {
  std::string kernel{};
  std::string initrd{};  // empty: none
  std::string command_line{};
  Format format = Format::detect;
  unsigned acpi_cpus = 0;  // as many in the ACPI tables; 0: no tables
};

Result<Entry> load(const BootConfig& config, const GuestMemory& ram);

Result<Entry> load_flat16(Bytes image, const GuestMemory& ram);
Result<Entry> load_flat64(Bytes image, const GuestMemory& ram);

}  // namespace minikvm::boot
