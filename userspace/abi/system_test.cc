// SPDX-License-Identifier: GPL-2.0-only
#include "abi/system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "abi/flexible.h"

namespace minikvm::abi {
namespace {

using ::testing::HasSubstr;

std::string open_error(const std::string& device) {
  const auto system = System::open(device);
  return system ? "" : system.error().text();
}

TEST(System, AMissingMinikvmSaysHowToLoadIt) {
  EXPECT_EQ(open_error("/nonexistent/minikvm"),
            "open on /nonexistent/minikvm: No such file or directory "
            "(is minikvm.ko loaded? sudo insmod minikvm.ko)");
}

TEST(System, AMissingKvmNamesItsModules) {
  EXPECT_THAT(open_error("/nonexistent/kvm"), HasSubstr("sudo modprobe kvm_intel"));
}

TEST(System, NoPermissionSaysWhoCanGiveIt) {
  const std::string text = explain_open_failure(EACCES, "/dev/minikvm").text();
  EXPECT_THAT(text, HasSubstr("open on /dev/minikvm: Permission denied"));
  EXPECT_THAT(text, HasSubstr("sudo chgrp kvm /dev/minikvm"));
}

TEST(System, AnotherHypervisorIsNamedAsTheReason) {
  EXPECT_THAT(explain_open_failure(EBUSY, "/dev/minikvm").text(), HasSubstr("another hypervisor"));
}

TEST(System, AFileThatIsNoKvmDeviceIsRefused) {
  EXPECT_THAT(open_error("/dev/null"), HasSubstr("not a KVM device"));
  EXPECT_THAT(open_error("/tmp"), HasSubstr("open on /tmp: Is a directory"));
}

TEST(KvmCall, AnErrorNamesTheRequestAndTheDevice) {
  const Handle null{Fd::open("/dev/null", 2).value(), "/dev/minikvm"};
  kvm_sregs sregs{};
  const auto result = KVM_CALL(null, KVM_SET_SREGS, sregs);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().text(), "KVM_SET_SREGS on /dev/minikvm: Inappropriate ioctl for device");
}

TEST(Flexible, EntriesFollowTheHeader) {
  Flexible<kvm_cpuid2, kvm_cpuid_entry2> cpuid{3};
  ASSERT_EQ(cpuid.entries().size(), 3u);
  cpuid.entries()[2].edx = 0x12345678;
  EXPECT_EQ(cpuid.header().entries[2].edx, 0x12345678u);
}

}  // namespace
}  // namespace minikvm::abi
