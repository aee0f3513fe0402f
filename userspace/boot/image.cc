// SPDX-License-Identifier: GPL-2.0-only
#include "boot/image.h"

#include <fmt/format.h>

#include "base/fd.h"
#include "boot/acpi.h"
#include "boot/bzimage.h"
#include "boot/elf.h"
#include "memory/layout.h"

namespace minikvm::boot {
namespace {

// A vmlinux with its debugging information is larger than what it loads.
constexpr size_t kLargestKernelFile = 2 * GiB;

Result<> check_flat(Bytes image, uint64_t room) {
  if (image.empty()) return fail({0, "flat image", {}, "the file is empty"});
  if (image.size() > room)
    return fail(
        {0, "flat image", {}, fmt::format("it has {} bytes, but only {} fit", image.size(), room)});
  return {};
}

Format detect(const BootConfig& config, Bytes kernel) {
  if (config.format != Format::detect) return config.format;
  if (is_bzimage(kernel)) return Format::bzimage;
  if (is_elf(kernel)) return Format::elf;
  return config.kernel.ends_with(".bin") ? Format::flat16 : Format::detect;
}

Result<Entry> load_any(const BootConfig& config, Bytes kernel, const Payload& payload,
                       const GuestMemory& ram) {
  const Format format = detect(config, kernel);
  const bool flat = format == Format::flat16 || format == Format::flat64;
  if (flat && !payload.initrd.empty())
    return fail({0, "initrd", {}, "a flat image has no use for one"});
  switch (format) {
    case Format::bzimage:
      return load_bzimage(kernel, payload, ram);
    case Format::elf:
      return load_pvh(kernel, payload, ram);
    case Format::flat16:
      return load_flat16(kernel, ram);
    case Format::flat64:
      return load_flat64(kernel, ram);
    case Format::detect:
      break;
  }
  return fail({0,
               "kernel image",
               {},
               kernel.empty() ? "the file is empty"
                              : "neither a bzImage nor an ELF file, or corrupt at its start; for a "
                                "flat binary say --flat 16 or --flat 64"});
}

// Where the RSDP is; 0 without tables.
Result<Gpa> write_acpi(unsigned cpus, const GuestMemory& ram) {
  if (cpus == 0) return Gpa{};
  TRY(ram.copy_in(layout::kAcpi, acpi_tables(layout::kAcpi, cpus)));
  return layout::kAcpi;
}

Result<Entry> load_files(const BootConfig& config, const GuestMemory& ram) {
  const auto kernel = TRY(read_file(config.kernel, kLargestKernelFile));
  std::vector<std::byte> initrd;
  if (!config.initrd.empty()) {
    initrd = TRY(read_file(config.initrd, ram.size()));
    if (initrd.empty()) return fail({0, "initrd", config.initrd, "the file is empty"});
  }
  const Gpa rsdp = TRY(write_acpi(config.acpi_cpus, ram));
  const Entry entry = TRY(load_any(config, kernel, {config.command_line, initrd, rsdp}, ram));
  TRY(write_tables(entry.mode, ram));
  return entry;
}

// The loaders know bytes only; the message should have the file's name.
Error blamed(Error error, const BootConfig& config) {
  error.blame = Error::Blame::image;
  if (error.on.empty()) error.on = error.what == "initrd" ? config.initrd : config.kernel;
  return error;
}

}  // namespace

Result<Entry> load(const BootConfig& config, const GuestMemory& ram) {
  auto entry = load_files(config, ram);
  if (!entry) return fail(blamed(std::move(entry).error(), config));
  return entry;
}

Result<Entry> load_flat16(Bytes image, const GuestMemory& ram) {
  TRY(check_flat(image, raw(layout::kConventionalEnd) - raw(layout::kBootSector)));
  TRY(ram.copy_in(layout::kBootSector, image));
  // The stack grows down from the image, as boot sectors expect.
  return Entry{
      .mode = Mode::real, .rip = raw(layout::kBootSector), .rsp = raw(layout::kBootSector)};
}

Result<Entry> load_flat64(Bytes image, const GuestMemory& ram) {
  TRY(check_flat(image, raw(ram.low_end()) - raw(layout::kHighMemory)));
  TRY(ram.copy_in(layout::kHighMemory, image));
  return Entry{.mode = Mode::long64,
               .rip = raw(layout::kHighMemory),
               .rsp = raw(layout::kStackTop),
               .rdi = ram.size()};
}

}  // namespace minikvm::boot
