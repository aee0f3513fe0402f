// SPDX-License-Identifier: GPL-2.0-only
#include "boot/elf.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "boot/memory_map.h"
#include "memory/layout.h"

namespace minikvm::boot {
namespace {

constexpr uint32_t kNotePhysEntry32 = 18;  // XEN_ELFNOTE_PHYS32_ENTRY
constexpr std::string_view kNoteOwner{"Xen\0", 4};
constexpr uint32_t kStartMagic = 0x336ec578;  // "xEn3", the high bit of the E set

// xen/include/public/arch-x86/hvm/start_info.h, "Start of day structure passed
// to PVH guests", version 1.
struct StartInfo {
  uint32_t magic, version, flags, nr_modules;
  uint64_t modules, command_line, rsdp, memory_map;
  uint32_t memory_map_entries, reserved;
};
struct StartModule {
  uint64_t address, size, command_line, reserved;
};
struct StartMemory {
  uint64_t address, size;
  uint32_t type, reserved;
};
static_assert(sizeof(StartInfo) == 56 && sizeof(StartModule) == 32 && sizeof(StartMemory) == 24);

constexpr Gpa kStartModules = layout::kBootParams + sizeof(StartInfo);
constexpr Gpa kStartMemory = kStartModules + sizeof(StartModule);

Error unusable(std::string why) { return {0, "ELF kernel", {}, std::move(why)}; }

Result<std::vector<Elf64_Phdr>> program_headers(Bytes image) {
  TRY(slice(image, 0, sizeof(Elf64_Ehdr), "ELF kernel"));
  const auto header = load<Elf64_Ehdr>(image, 0);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64)
    return fail(unusable("not for 64-bit x86"));
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
    return fail(unusable("an object file or core dump, not an executable"));
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0)
    return fail(unusable("corrupt: it has no program headers"));
  const uint64_t size = uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
  const Bytes table = TRY(slice(image, header.e_phoff, size, "ELF kernel"));
  std::vector<Elf64_Phdr> headers(header.e_phnum);
  std::memcpy(headers.data(), table.data(), size);
  return headers;
}

// The entry point if `notes` has it: a sequence of Elf64_Nhdr, owner's name and
// value, the last two padded to 4 bytes.
std::optional<uint64_t> find_entry(Bytes notes) {
  for (uint64_t at = 0; notes.size() - at >= sizeof(Elf64_Nhdr);) {
    const auto note = load<Elf64_Nhdr>(notes, at);
    const uint64_t name = at + sizeof(note), value = name + align_up(note.n_namesz, 4);
    if (value > notes.size() || note.n_descsz > notes.size() - value) return std::nullopt;
    const std::string_view owner{reinterpret_cast<const char*>(notes.data() + name), note.n_namesz};
    if (owner == kNoteOwner && note.n_type == kNotePhysEntry32) {
      if (note.n_descsz == 4) return load<uint32_t>(notes, value);
      if (note.n_descsz == 8) return load<uint64_t>(notes, value);
    }
    at = std::min<uint64_t>(value + align_up(note.n_descsz, 4), notes.size());
  }
  return std::nullopt;
}

Result<uint64_t> entry_point(Bytes image, std::span<const Elf64_Phdr> headers) {
  for (const Elf64_Phdr& header : headers) {
    if (header.p_type != PT_NOTE) continue;
    const Bytes notes = TRY(slice(image, header.p_offset, header.p_filesz, "ELF kernel"));
    const auto entry = find_entry(notes);
    if (entry && *entry < raw(layout::kHoleEnd)) return *entry;
    if (entry) return fail(unusable("corrupt: its PVH entry point is above 4 GiB"));
  }
  return fail(unusable("no PVH entry point (Linux: built without CONFIG_PVH); use the bzImage"));
}

// Guest memory is zero already, so only the bytes in the file are copied.
Result<> load_segment(Bytes image, const Elf64_Phdr& header, const GuestMemory& ram) {
  const Bytes bytes = TRY(slice(image, header.p_offset, header.p_filesz, "ELF kernel"));
  if (header.p_memsz < header.p_filesz)
    return fail(unusable("corrupt: a segment is larger in the file than in memory"));
  if (header.p_paddr < raw(layout::kHighMemory))
    return fail(unusable(
        fmt::format("a segment wants address {:#x}; below 1 MiB is taken", header.p_paddr)));
  if (!ram.at(Gpa{header.p_paddr}, header.p_memsz))
    return fail(
        unusable(fmt::format("too little guest memory: a segment of {} MiB wants address "
                             "{:#x}; try a larger -m",
                             align_up(header.p_memsz, MiB) / MiB, header.p_paddr)));
  return ram.copy_in(Gpa{header.p_paddr}, bytes);
}

// Returns the end of what was loaded.
Result<Gpa> load_segments(Bytes image, std::span<const Elf64_Phdr> headers,
                          const GuestMemory& ram) {
  uint64_t end = 0;
  for (const Elf64_Phdr& header : headers) {
    if (header.p_type != PT_LOAD || header.p_memsz == 0) continue;
    TRY(load_segment(image, header, ram));
    end = std::max(end, header.p_paddr + header.p_memsz);
  }
  if (end == 0) return fail(unusable("corrupt: it has nothing to load"));
  return Gpa{end};
}

Result<> write_start_info(const Placed& initrd, Gpa rsdp, const GuestMemory& ram) {
  const auto map = memory_map(ram);
  for (size_t i = 0; i < map.size(); ++i)
    TRY(ram.write(
        kStartMemory + i * sizeof(StartMemory),
        StartMemory{raw(map[i].base), map[i].size, static_cast<uint32_t>(map[i].type), 0}));
  TRY(ram.write(kStartModules, StartModule{raw(initrd.at), initrd.size, 0, 0}));
  StartInfo info{};
  info.magic = kStartMagic;
  info.version = 1;
  info.nr_modules = initrd.size != 0;
  info.modules = raw(kStartModules);
  info.command_line = raw(layout::kCommandLine);
  info.rsdp = raw(rsdp);
  info.memory_map = raw(kStartMemory);
  info.memory_map_entries = static_cast<uint32_t>(map.size());
  return ram.write(layout::kBootParams, info);
}

}  // namespace

bool is_elf(Bytes image) {
  return image.size() >= SELFMAG && std::memcmp(image.data(), ELFMAG, SELFMAG) == 0;
}

Result<Entry> load_pvh(Bytes image, const Payload& payload, const GuestMemory& ram) {
  const std::vector<Elf64_Phdr> headers = TRY(program_headers(image));
  const uint64_t entry = TRY(entry_point(image, headers));
  const Gpa end = TRY(load_segments(image, headers, ram));
  TRY(place_command_line(ram, payload.command_line, layout::kCommandLineRoom - 1));
  const uint64_t last = raw(ram.low_end()) - 1;
  const Placed initrd = TRY(place_initrd(ram, payload.initrd, end, last));
  TRY(write_start_info(initrd, payload.rsdp, ram));
  return Entry{.mode = Mode::protected32, .rip = entry, .rbx = raw(layout::kBootParams)};
}

}  // namespace minikvm::boot
