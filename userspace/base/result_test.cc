// SPDX-License-Identifier: GPL-2.0-only
#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace minikvm {
namespace {

TEST(Error, NamesTheOperationTheObjectAndTheReason) {
  const Error error{EINVAL, "KVM_SET_SREGS", "/dev/minikvm", {}};
  EXPECT_EQ(error.text(), "KVM_SET_SREGS on /dev/minikvm: Invalid argument");
}

TEST(Error, PutsAdviceBehindTheReason) {
  const Error error{ENOENT, "open", "/dev/minikvm", "is it loaded?"};
  EXPECT_EQ(error.text(), "open on /dev/minikvm: No such file or directory (is it loaded?)");
}

TEST(Error, WithoutErrnoTheWhyIsTheReason) {
  EXPECT_EQ((Error{0, "load", "vmlinuz", "truncated"}.text()), "load on vmlinuz: truncated");
  EXPECT_EQ((Error{0, "", "", "truncated"}.text()), "truncated");
  EXPECT_EQ((Error{0, "load", "", "truncated"}.text()), "load: truncated");
}

Result<std::unique_ptr<int>> make(bool ok) {
  if (!ok) return fail({EIO, "make", {}, {}});
  return std::make_unique<int>(7);
}

Result<int> use(bool ok, bool& reached) {
  const std::unique_ptr<int> value = TRY(make(ok));
  reached = true;
  return *value;
}

TEST(Try, YieldsMoveOnlyValues) {
  bool reached = false;
  EXPECT_EQ(use(true, reached).value(), 7);
  EXPECT_TRUE(reached);
}

TEST(Try, ReturnsTheErrorOfTheCallee) {
  bool reached = false;
  const Result<int> result = use(false, reached);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, EIO);
  EXPECT_FALSE(reached);
}

Result<> check(bool ok) {
  if (!ok) return fail({EPERM, "check", {}, {}});
  return {};
}

Result<int> use_void(bool ok) {
  TRY(check(ok));
  return 1;
}

TEST(Try, WorksOnResultsWithoutAValue) {
  EXPECT_EQ(use_void(true).value(), 1);
  EXPECT_EQ(use_void(false).error().code, EPERM);
}

}  // namespace
}  // namespace minikvm
