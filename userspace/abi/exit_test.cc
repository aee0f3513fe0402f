// SPDX-License-Identifier: GPL-2.0-only
#include "abi/exit.h"

#include <gtest/gtest.h>

#include <vector>

namespace minikvm::abi {
namespace {

// A vCPU mapping as KVM lays it out: kvm_run, then the page with port data.
class ExitTest : public ::testing::Test {
 protected:
  kvm_run& run() { return *reinterpret_cast<kvm_run*>(bytes_.data()); }
  Exit decoded(uint32_t reason) {
    run().exit_reason = reason;
    return decode(bytes_);
  }
  Exit decoded_io(uint8_t size, uint32_t count, uint64_t offset) {
    run().io = {KVM_EXIT_IO_IN, size, 0x3f8, count, offset};
    return decoded(KVM_EXIT_IO);
  }

  alignas(4096) std::array<std::byte, 2 * 4096> bytes_{};
};

TEST_F(ExitTest, IoPointsIntoTheMapping) {
  run().io = {KVM_EXIT_IO_OUT, 2, 0x604, 1, 4096};
  const auto exit = std::get<IoExit>(decoded(KVM_EXIT_IO));
  EXPECT_EQ(exit.port, 0x604);
  EXPECT_FALSE(exit.in);
  EXPECT_EQ(exit.size, 2);
  EXPECT_EQ(exit.count, 1u);
  EXPECT_EQ(exit.data.data(), bytes_.data() + 4096);
  EXPECT_EQ(exit.data.size(), 2u);
}

TEST_F(ExitTest, StringIoCarriesAllItsElements) {
  const auto exit = std::get<IoExit>(decoded_io(4, 1024, 4096));
  EXPECT_TRUE(exit.in);
  EXPECT_EQ(exit.data.size(), 4096u);
}

TEST_F(ExitTest, IoOutsideTheMappingIsRefused) {
  EXPECT_TRUE(std::holds_alternative<Unexpected>(decoded_io(4, 1025, 4096)));
  EXPECT_TRUE(std::holds_alternative<Unexpected>(decoded_io(1, 1, 8193)));
  EXPECT_TRUE(std::holds_alternative<Unexpected>(decoded_io(1, 1, ~0ull)));
  EXPECT_TRUE(std::holds_alternative<Unexpected>(decoded_io(4, ~0u, 4096)));
  EXPECT_TRUE(std::holds_alternative<Unexpected>(decoded_io(0, 1, 4096)));
}

TEST_F(ExitTest, MmioHasTheLengthOfTheAccess) {
  run().mmio.phys_addr = 0xfee00030;
  run().mmio.len = 4;
  run().mmio.is_write = 1;
  const auto exit = std::get<MmioExit>(decoded(KVM_EXIT_MMIO));
  EXPECT_EQ(exit.address, 0xfee00030u);
  EXPECT_TRUE(exit.write);
  EXPECT_EQ(exit.data.size(), 4u);
}

TEST_F(ExitTest, MmioLongerThanItsBufferIsRefused) {
  run().mmio.len = 9;
  EXPECT_TRUE(std::holds_alternative<Unexpected>(decoded(KVM_EXIT_MMIO)));
  run().mmio.len = 0;
  EXPECT_TRUE(std::holds_alternative<Unexpected>(decoded(KVM_EXIT_MMIO)));
}

TEST_F(ExitTest, ReasonsWithoutDataHaveTheirOwnTypes) {
  EXPECT_TRUE(std::holds_alternative<Halted>(decoded(KVM_EXIT_HLT)));
  EXPECT_TRUE(std::holds_alternative<WindowOpen>(decoded(KVM_EXIT_IRQ_WINDOW_OPEN)));
  EXPECT_TRUE(std::holds_alternative<Interrupted>(decoded(KVM_EXIT_INTR)));
  EXPECT_TRUE(std::holds_alternative<Shutdown>(decoded(KVM_EXIT_SHUTDOWN)));
}

TEST_F(ExitTest, EntryFailureCarriesTheReason) {
  run().fail_entry.hardware_entry_failure_reason = 0x80000021;
  run().fail_entry.cpu = 1;
  const auto exit = std::get<EntryFailed>(decoded(KVM_EXIT_FAIL_ENTRY));
  EXPECT_EQ(exit.reason, 0x80000021u);
  EXPECT_EQ(exit.cpu, 1u);
}

TEST_F(ExitTest, InternalErrorTakesNoMoreWordsThanThereAre) {
  run().internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
  run().internal.ndata = 1000;
  run().internal.data[15] = 42;
  const auto exit = std::get<InternalError>(decoded(KVM_EXIT_INTERNAL_ERROR));
  EXPECT_EQ(exit.suberror, static_cast<uint32_t>(KVM_INTERNAL_ERROR_EMULATION));
  ASSERT_EQ(exit.data.size(), 16u);
  EXPECT_EQ(exit.data[15], 42u);
}

TEST_F(ExitTest, UnknownReasonsAreKept) {
  EXPECT_EQ(std::get<Unexpected>(decoded(9999)).reason, 9999u);
  EXPECT_EQ(exit_name(9999), "KVM exit reason 9999");
  EXPECT_EQ(exit_name(KVM_EXIT_HYPERV), "KVM_EXIT_HYPERV");
}

}  // namespace
}  // namespace minikvm::abi
