// SPDX-License-Identifier: GPL-2.0-only
#include "boot/bzimage.h"

#include <asm/bootparam.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "boot/memory_map.h"
#include "memory/layout.h"

namespace minikvm::boot {
namespace {

constexpr uint64_t kSectorSize = 512;
constexpr uint64_t kHeaderAt = offsetof(boot_params, hdr);
constexpr uint64_t kMagicAt = kHeaderAt + offsetof(setup_header, header);
constexpr uint32_t kMagic = 0x53726448;   // "HdrS"
constexpr uint16_t kProtocol64 = 0x20c;   // 2.12: the first with xloadflags
constexpr uint8_t kUnknownLoader = 0xff;  // no loader type is assigned to us
constexpr uint16_t kNormalVideoMode = 0xffff;
constexpr uint64_t kEntry64 = 0x200;  // startup_64 in the loaded code

struct Kernel {
  setup_header header;
  Bytes code;  // the protected-mode part
};

Error unusable(std::string why) { return {0, "bzImage", {}, std::move(why)}; }

// The header's own length is in the jump at its start: boot.rst, "Details of
// Header Fields", "jump".
Result<setup_header> read_header(Bytes image) {
  TRY(slice(image, 0, kHeaderAt + sizeof(setup_header), "bzImage"));
  const uint64_t end = kMagicAt + load<uint8_t>(image, kMagicAt - 1);
  setup_header header{};
  const uint64_t size = std::min(end - kHeaderAt, sizeof(header));
  std::memcpy(&header, image.data() + kHeaderAt, size);
  return header;
}

Result<> check_header(const setup_header& header) {
  if (header.version < kProtocol64)
    return fail(unusable(fmt::format("boot protocol {}.{:02}: too old, 2.12 (Linux 3.8) is needed",
                                     header.version >> 8, header.version & 0xff)));
  if (!(header.xloadflags & XLF_KERNEL_64))
    return fail(unusable("a 32-bit kernel: it has no 64-bit entry point"));
  if (!(header.loadflags & LOADED_HIGH)) return fail(unusable("a zImage, which loads below 1 MiB"));
  if (header.pref_address < raw(layout::kHighMemory) || header.init_size == 0)
    return fail(unusable("corrupt: its header gives no place to load it to"));
  return {};
}

Result<Kernel> parse(Bytes image) {
  const setup_header header = TRY(read_header(image));
  TRY(check_header(header));
  // 0 stands for 4, from the time of the first boot sectors.
  const uint64_t setup_sectors = header.setup_sects ? header.setup_sects : 4;
  const uint64_t code_at = (setup_sectors + 1) * kSectorSize, code_size = header.syssize * 16ull;
  const Bytes code = TRY(slice(image, code_at, code_size, "bzImage"));
  if (code.size() <= kEntry64) return fail(unusable("corrupt: no code behind its header"));
  return Kernel{header, code};
}

// The decompressor runs where the kernel prefers to be, and may use init_size
// bytes from there.
Result<Gpa> place_kernel(const Kernel& kernel, const GuestMemory& ram) {
  const Gpa at{kernel.header.pref_address};
  const uint64_t needed = std::max<uint64_t>(kernel.header.init_size, kernel.code.size());
  if (!ram.at(at, needed))
    return fail(
        unusable(fmt::format("too little guest memory: this kernel needs {} MiB to "
                             "unpack itself; try a larger -m",
                             align_up(raw(at) + needed, MiB) / MiB)));
  TRY(ram.copy_in(at, kernel.code));
  return at;
}

void fill_memory_map(boot_params& params, const GuestMemory& ram) {
  for (const MemoryRange& range : memory_map(ram))
    params.e820_table[params.e820_entries++] = {raw(range.base), range.size,
                                                static_cast<uint32_t>(range.type)};
}

boot_params describe(const Kernel& kernel, Gpa loaded_at, const Placed& initrd, Gpa rsdp,
                     const GuestMemory& ram) {
  boot_params params{};
  params.hdr = kernel.header;
  params.hdr.vid_mode = kNormalVideoMode;
  params.hdr.type_of_loader = kUnknownLoader;
  params.hdr.code32_start = static_cast<uint32_t>(raw(loaded_at));
  params.hdr.cmd_line_ptr = static_cast<uint32_t>(raw(layout::kCommandLine));
  params.hdr.ramdisk_image = static_cast<uint32_t>(raw(initrd.at));
  params.hdr.ramdisk_size = static_cast<uint32_t>(initrd.size);
  params.acpi_rsdp_addr = raw(rsdp);
  fill_memory_map(params, ram);
  return params;
}

}  // namespace

bool is_bzimage(Bytes image) {
  return image.size() >= kMagicAt + sizeof(kMagic) && load<uint32_t>(image, kMagicAt) == kMagic;
}

Result<Entry> load_bzimage(Bytes image, const Payload& payload, const GuestMemory& ram) {
  const Kernel kernel = TRY(parse(image));
  const Gpa at = TRY(place_kernel(kernel, ram));
  TRY(place_command_line(ram, payload.command_line, kernel.header.cmdline_size));
  const Placed initrd = TRY(place_initrd(ram, payload.initrd, at + kernel.header.init_size,
                                         kernel.header.initrd_addr_max));
  TRY(ram.write(layout::kBootParams, describe(kernel, at, initrd, payload.rsdp, ram)));
  return Entry{.mode = Mode::long64,
               .rip = raw(at) + kEntry64,
               .rsp = raw(layout::kStackTop),
               .rsi = raw(layout::kBootParams)};
}

}  // namespace minikvm::boot
