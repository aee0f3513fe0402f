// SPDX-License-Identifier: GPL-2.0-only
#include "vmx_bits.h"

#include <gtest/gtest.h>

#include "minikvm.h"

namespace {

TEST(ExitReasons, NamesAndGaps) {
  EXPECT_STREQ(mkvm_exit_reason_name(MKVM_EXIT_CPUID), "CPUID");
  EXPECT_STREQ(mkvm_exit_reason_name(48), "EPT violation");
  EXPECT_STREQ(mkvm_exit_reason_name(33), "VM-entry failure due to invalid guest state");
  for (uint32_t gap : {35u, 38u, 42u, 71u, 80u, 0xffffu})
    EXPECT_STREQ(mkvm_exit_reason_name(gap), "unknown") << gap;
}

TEST(ExitReasons, StatisticsHaveRoomForAll) {
  EXPECT_LE(static_cast<int>(MKVM_EXIT_NR_REASONS), MKVM_STATS_REASONS);
}

}  // namespace
