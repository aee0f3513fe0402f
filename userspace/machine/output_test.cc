// SPDX-License-Identifier: GPL-2.0-only
#include "machine/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <optional>
#include <thread>

#include "testing/device_fakes.h"

namespace minikvm {
namespace {

class OutputTest : public ::testing::Test {
 protected:
  OutputTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    reader_ = Fd{ends[0]};
    writer_ = Fd{ends[1]};
    ::fcntl(reader_.get(), F_SETFL, O_NONBLOCK);
    output_.emplace(writer_.get(), clock_, [this](Error error) { error_ = std::move(error); });
  }
  std::string written() {
    std::array<char, 4096> buffer;
    const ssize_t n = ::read(reader_.get(), buffer.data(), buffer.size());
    return {buffer.data(), static_cast<size_t>(std::max<ssize_t>(n, 0))};
  }
  void put(const std::string& text) {
    for (const char c : text) output_->put(static_cast<uint8_t>(c));
  }

  Fd reader_, writer_;
  FakeClock clock_{1000};
  std::optional<Error> error_;
  std::optional<BufferedOutput> output_;
};

TEST_F(OutputTest, ALineGoesOutWhenItEnds) {
  put("login");
  EXPECT_EQ(written(), "");
  put(":\n");
  EXPECT_EQ(written(), "login:\n");
  EXPECT_EQ(output_->next_event(), kNever);
}

TEST_F(OutputTest, APromptGoesOutSoonAfter) {
  put("# ");
  const uint64_t due = output_->next_event();
  EXPECT_GT(due, clock_.now);
  EXPECT_LT(due, clock_.now + 100'000'000);
  output_->advance();
  EXPECT_EQ(written(), "");
  clock_.now = due;
  output_->advance();
  EXPECT_EQ(written(), "# ");
}

TEST_F(OutputTest, WhatIsMoreThanALineIsNotKeptForever) {
  put(std::string(5000, 'x'));
  EXPECT_GE(written().size(), 4000u);
}

TEST_F(OutputTest, AnErrorIsReportedOnce) {
  reader_ = Fd{};
  std::signal(SIGPIPE, SIG_IGN);
  put("a\n");
  ASSERT_TRUE(error_);
  EXPECT_EQ(error_->code, EPIPE);
  error_.reset();
  put("b\n");
  EXPECT_FALSE(error_);
}

TEST_F(OutputTest, AFullNonBlockingPipeLosesNothing) {
  ::fcntl(writer_.get(), F_SETFL, O_NONBLOCK);
  const size_t total = 300'000;
  std::thread writer{[&] { put(std::string(total, 'x')), output_->flush(); }};
  size_t got = 0;
  while (got < total) got += written().size();
  writer.join();
  EXPECT_EQ(got, total);
  EXPECT_FALSE(error_);
}

TEST(Output, WithoutADescriptorItIsDiscarded) {
  FakeClock clock;
  BufferedOutput output{-1, clock, [](const Error&) { FAIL(); }};
  output.put('\n');
  EXPECT_EQ(output.next_event(), kNever);
}

}  // namespace
}  // namespace minikvm
