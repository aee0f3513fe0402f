// SPDX-License-Identifier: GPL-2.0-only
// The few ACPI tables that tell an operating system of its CPUs, its I/O APIC
// and how to turn the machine off: RSDP, XSDT, FADT, FACS, MADT, DSDT. The ACPI
// specification, chapter "ACPI Software Programming Model".
#pragma once

#include <cstddef>
#include <vector>

#include "memory/gpa.h"

namespace minikvm::boot {

// To be copied to `at`, a multiple of 64 below 4 GiB; the RSDP comes first. The
// local APIC IDs are 0 to `cpus` - 1, `cpus` at most 255.
std::vector<std::byte> acpi_tables(Gpa at, unsigned cpus);

}  // namespace minikvm::boot
