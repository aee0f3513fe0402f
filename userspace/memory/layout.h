// SPDX-License-Identifier: GPL-2.0-only
// Where things are in the guest's physical address space.
//
//   0x0_0000_0000  interrupt vectors and BIOS data of real mode
//   0x0_0000_0500  GDT for the boot entry
//   0x0_0000_7000  boot_params (Linux) or hvm_start_info (PVH)
//   0x0_0000_7c00  flat real-mode image, as a BIOS loads a boot sector
//   0x0_0000_9000  identity page tables: PML4, PDPT, four page directories
//   0x0_0002_0000  kernel command line, at most 64 KiB
//   0x0_0008_0000  top of the boot stack, grows down
//   0x0_0009_fc00  end of conventional memory: where a BIOS keeps the EBDA
//   0x0_000a_0000  VGA and ROMs on a PC; nothing answers here
//   0x0_000e_0000  ACPI tables, where a BIOS has them, the RSDP first
//   0x0_0010_0000  kernel and flat 64-bit images; the initrd goes as high as
//                  it may below the hole
//   0x0_c000_0000  end of low RAM (earlier if there is less): MMIO hole
//   0x0_fffb_c000  identity map and TSS pages that VT-x without unrestricted
//                  guest needs
//   0x1_0000_0000  the RAM that did not fit below the hole
#pragma once

#include "memory/gpa.h"

namespace minikvm::layout {

inline constexpr Gpa kGdt{0x500};
inline constexpr Gpa kBootParams{0x7000};
inline constexpr Gpa kBootSector{0x7c00};
inline constexpr Gpa kPageTables{0x9000};
inline constexpr Gpa kCommandLine{0x20000};
inline constexpr uint64_t kCommandLineRoom = 64 * KiB;
inline constexpr Gpa kStackTop{0x80000};
inline constexpr Gpa kConventionalEnd{0x9fc00};
inline constexpr Gpa kAcpi{0xe0000};
inline constexpr Gpa kHighMemory{1 * MiB};
inline constexpr Gpa kHoleStart{3 * GiB};
inline constexpr uint32_t kIdentityMap = 0xfffbc000;
inline constexpr uint32_t kTss = 0xfffbd000;
inline constexpr Gpa kHoleEnd{4 * GiB};

// Interrupt controllers in the hole.
inline constexpr uint32_t kIoApic = 0xfec00000;
inline constexpr uint32_t kLocalApic = 0xfee00000;

// I/O ports and the interrupt that the ACPI tables tell of.
inline constexpr uint16_t kPm1Event = 0x600, kPm1Control = 0x604, kResetControl = 0xcf9;
inline constexpr uint8_t kSciIrq = 9;

}  // namespace minikvm::layout
