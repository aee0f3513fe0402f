// SPDX-License-Identifier: GPL-2.0-only
// The thread's states, with a vCPU whose KVM_RUN fails: a memfd has the shared
// mapping that KVM's descriptor has, and answers no request. Running guests are
// the test host's matter.
#include "machine/vcpu_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <future>

#include "testing/device_fakes.h"

namespace minikvm {
namespace {

abi::Vcpu fake_vcpu() {
  Fd fd{::memfd_create("vcpu", MFD_CLOEXEC)};
  EXPECT_EQ(::ftruncate(fd.get(), 3 * 4096), 0);
  return abi::Vcpu::map({std::move(fd), "/dev/fake"}, 3 * 4096).value();
}

class VcpuThreadTest : public ::testing::Test {
 protected:
  FakeClock clock_;
  std::unique_ptr<Board> board_ = Board::create({}, clock_,
                                                {.interrupt = [] {},
                                                 .deadline = [](uint64_t) {},
                                                 .serial_hungry = [] {},
                                                 .output_failed = [](const Error&) {}})
                                      .value();
  abi::Vcpu vcpu_ = fake_vcpu();
  std::promise<Outcome> finished_;
  VcpuThread thread_{vcpu_, *board_, true,
                     [this](Outcome outcome) { finished_.set_value(outcome); }};
};

TEST_F(VcpuThreadTest, StartsPausedAndCanBeFinishedUnused) {
  auto outcome = finished_.get_future();
  thread_.finish();
  EXPECT_EQ(outcome.wait_for(std::chrono::seconds{0}), std::future_status::timeout);
}

TEST_F(VcpuThreadTest, AFailingRunEndsItAndIsReported) {
  thread_.run();
  const Outcome outcome = finished_.get_future().get();
  EXPECT_EQ(outcome.ending, Ending::device_error);
  EXPECT_THAT(outcome.detail, ::testing::StartsWith("KVM_RUN on /dev/fake: "));
}

TEST_F(VcpuThreadTest, CommandsAfterTheEndDoNothing) {
  thread_.run();
  finished_.get_future().wait();
  thread_.pause();
  thread_.run();
  thread_.kick();
  thread_.finish();
  thread_.finish();
}

TEST_F(VcpuThreadTest, PausingAPausedThreadReturns) {
  thread_.pause();
  thread_.pause();
}

}  // namespace
}  // namespace minikvm
