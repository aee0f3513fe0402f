// SPDX-License-Identifier: GPL-2.0-only
#include "boot/elf.h"

#include <cstring>

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/layout.h"

namespace minikvm::boot {
namespace {

using ::testing::HasSubstr;

// An ELF kernel of one segment, with its PVH note behind another one.
class ElfTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kNotesAt = 0x200, kCodeAt = 0x1000, kCodeSize = 16;

  ElfTest() {
    std::memcpy(ehdr().e_ident, ELFMAG, SELFMAG);
    ehdr().e_ident[EI_CLASS] = ELFCLASS64;
    ehdr().e_machine = EM_X86_64;
    ehdr().e_type = ET_EXEC;
    ehdr().e_phoff = sizeof(Elf64_Ehdr);
    ehdr().e_phentsize = sizeof(Elf64_Phdr);
    ehdr().e_phnum = 2;
    code() = {PT_LOAD, PF_R, kCodeAt, 0, 16 * MiB, kCodeSize, 2 * MiB, 4096};
    notes() = {PT_NOTE, PF_R, kNotesAt, 0, 0, 0, 0, 4};
    add_note("GNU", 3, std::string(20, 'b'));
    add_note("Xen", 18, std::string("\x00\x02\x00\x01", 4));
    std::memcpy(file_.data() + kCodeAt, "code", 4);
  }

  Elf64_Ehdr& ehdr() { return *reinterpret_cast<Elf64_Ehdr*>(file_.data()); }
  Elf64_Phdr& code() { return *reinterpret_cast<Elf64_Phdr*>(&ehdr() + 1); }
  Elf64_Phdr& notes() { return *(&code() + 1); }
  Elf64_Nhdr& note() { return *reinterpret_cast<Elf64_Nhdr*>(file_.data() + kNotesAt); }

  void put(const void* from, size_t size) {
    std::memcpy(file_.data() + kNotesAt + notes().p_filesz, from, size);
    notes().p_filesz += align_up(size, 4);
  }
  void add_note(const std::string& owner, uint32_t type, const std::string& value) {
    const Elf64_Nhdr header{static_cast<Elf64_Word>(owner.size() + 1),
                            static_cast<Elf64_Word>(value.size()), type};
    put(&header, sizeof(header));
    put(owner.c_str(), owner.size() + 1);
    put(value.data(), value.size());
  }

  Result<Entry> load(const Payload& payload = {"console=ttyS0", {}}) {
    return load_pvh(file_, payload, ram_);
  }
  std::string error() { return load().error().text(); }
  template <class T>
  T start_info(uint64_t offset) {
    return ram_.read<T>(layout::kBootParams + offset).value();
  }

  std::vector<std::byte> file_ = std::vector<std::byte>(kCodeAt + kCodeSize);
  GuestMemory ram_ = GuestMemory::create(32 * MiB).value();
};

TEST_F(ElfTest, EntersAtTheAddressOfTheNote) {
  const Entry entry = load().value();
  EXPECT_EQ(entry.mode, Mode::protected32);
  EXPECT_EQ(entry.rip, 0x1000200u);
  EXPECT_EQ(entry.rbx, raw(layout::kBootParams));
  EXPECT_EQ(std::memcmp(ram_.at(Gpa{16 * MiB}, 4).value().data(), "code", 4), 0);
}

TEST_F(ElfTest, AnEightByteEntryIsTakenToo) {
  notes().p_filesz = 0;
  add_note("Xen", 18, std::string("\x00\x03\x00\x01\x00\x00\x00\x00", 8));
  EXPECT_EQ(load().value().rip, 0x1000300u);
  file_[kNotesAt + 12 + 4 + 7] = std::byte{1};
  EXPECT_THAT(error(), HasSubstr("above 4 GiB"));
}

TEST_F(ElfTest, StartInfoDescribesTheMachine) {
  const std::string initrd = "\x1f\x8b" + std::string(5000, 'x');
  ASSERT_TRUE(load({"quiet", std::as_bytes(std::span{initrd})}));
  EXPECT_EQ(start_info<uint32_t>(0), 0x336ec578u);
  EXPECT_EQ(start_info<uint32_t>(4), 1u);
  EXPECT_EQ(start_info<uint32_t>(12), 1u);  // one module
  const Gpa module{start_info<uint64_t>(16)};
  EXPECT_EQ(ram_.read<uint64_t>(module + 8).value(), initrd.size());
  EXPECT_EQ(ram_.read<uint8_t>(Gpa{ram_.read<uint64_t>(module).value()}).value(), 0x1f);
  EXPECT_EQ(start_info<uint64_t>(24), raw(layout::kCommandLine));
  EXPECT_EQ(start_info<uint32_t>(48), 3u);  // entries of the memory map
  const Gpa map{start_info<uint64_t>(40)};
  EXPECT_EQ(ram_.read<uint64_t>(map + 2 * 24).value(), 1 * MiB);
  EXPECT_EQ(ram_.read<uint64_t>(map + 2 * 24 + 8).value(), 31 * MiB);
}

TEST_F(ElfTest, WithoutInitrdThereIsNoModule) {
  ASSERT_TRUE(load());
  EXPECT_EQ(start_info<uint32_t>(12), 0u);
}

TEST_F(ElfTest, WithoutTheNoteTheUserIsToldWhatToDo) {
  note().n_type = 1;
  ehdr().e_phnum = 1;
  EXPECT_THAT(error(), HasSubstr("no PVH entry point"));
}

TEST_F(ElfTest, ANoteOfAnotherOwnerIsNotOurs) {
  notes().p_filesz = 0;
  add_note("Lin", 18, std::string(4, '\1'));
  EXPECT_THAT(error(), HasSubstr("no PVH entry point"));
}

TEST_F(ElfTest, NotesThatRunOverTheirEndAreIgnored) {
  for (const Elf64_Nhdr bad : {Elf64_Nhdr{~0u, 4, 18}, Elf64_Nhdr{4, ~0u, 18}}) {
    note() = bad;
    EXPECT_FALSE(load());
  }
  notes().p_filesz = 11;
  EXPECT_FALSE(load());
}

TEST_F(ElfTest, ANoteThatEndsInItsOwnersNameIsIgnored) {
  notes().p_filesz = 0;
  add_note("Xen", 18, std::string("\x00\x02\x00\x01", 4));
  notes().p_filesz = sizeof(Elf64_Nhdr) + 2;
  EXPECT_THAT(error(), HasSubstr("no PVH entry point"));
}

TEST_F(ElfTest, TruncatedFilesAreRefused) {
  for (const size_t size :
       {size_t{4}, size_t{63}, size_t{100}, size_t{kNotesAt + 8}, size_t{kCodeAt + 1}}) {
    const auto entry = load_pvh(Bytes{file_}.first(size), {}, ram_);
    ASSERT_FALSE(entry) << size;
    EXPECT_THAT(entry.error().text(), HasSubstr("truncated")) << size;
  }
}

TEST_F(ElfTest, OffsetsThatWrapAreRefused) {
  ehdr().e_phoff = ~0ull - 8;
  EXPECT_FALSE(load());
  ehdr().e_phoff = sizeof(Elf64_Ehdr);
  code().p_offset = ~0ull;
  EXPECT_FALSE(load());
}

TEST_F(ElfTest, SegmentsMustFitInRam) {
  code().p_memsz = 17 * MiB;
  EXPECT_THAT(error(), HasSubstr("too little guest memory"));
  code().p_memsz = ~0ull;
  EXPECT_FALSE(load());
  code().p_memsz = 2 * MiB;
  code().p_paddr = ~0ull - 1000;
  EXPECT_FALSE(load());
}

TEST_F(ElfTest, SegmentsMayNotOverwriteOurTables) {
  code().p_paddr = 0x7000;
  EXPECT_THAT(error(), HasSubstr("below 1 MiB"));
}

TEST_F(ElfTest, ASegmentLargerInTheFileThanInMemoryIsCorrupt) {
  code().p_memsz = kCodeSize - 1;
  EXPECT_THAT(error(), HasSubstr("corrupt"));
}

TEST_F(ElfTest, OtherKindsOfElfAreRefused) {
  ehdr().e_machine = EM_AARCH64;
  EXPECT_THAT(error(), HasSubstr("64-bit x86"));
  ehdr().e_machine = EM_X86_64;
  ehdr().e_type = ET_REL;
  EXPECT_THAT(error(), HasSubstr("object file"));
  ehdr().e_type = ET_EXEC;
  ehdr().e_phnum = 0;
  EXPECT_THAT(error(), HasSubstr("program headers"));
}

TEST_F(ElfTest, AnElfWithNothingToLoadIsCorrupt) {
  code().p_type = PT_NULL;
  EXPECT_THAT(error(), HasSubstr("nothing to load"));
}

}  // namespace
}  // namespace minikvm::boot
