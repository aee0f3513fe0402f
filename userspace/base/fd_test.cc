// SPDX-License-Identifier: GPL-2.0-only
#include "base/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

namespace minikvm {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(Fd, ClosesWhatItOwns) {
  int raw = -1;
  {
    const Fd fd = Fd::open("/dev/null", O_RDONLY).value();
    raw = fd.get();
    EXPECT_TRUE(is_open(raw));
  }
  EXPECT_FALSE(is_open(raw));
}

TEST(Fd, IsAlwaysCloseOnExec) {
  const Fd fd = Fd::open("/dev/null", O_RDONLY).value();
  EXPECT_EQ(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST(Fd, MovingLeavesOneOwner) {
  Fd a = Fd::open("/dev/null", O_RDONLY).value();
  const int raw = a.get();
  {
    const Fd b = std::move(a);
    EXPECT_EQ(b.get(), raw);
  }
  EXPECT_FALSE(a);
  EXPECT_FALSE(is_open(raw));
}

TEST(Fd, OpeningNamesTheFile) {
  const auto fd = Fd::open("/nonexistent/file", O_RDONLY);
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error().text(), "open on /nonexistent/file: No such file or directory");
}

TEST(ReadFile, ReadsToTheEndAndRefusesTooMuch) {
  char path[] = "/tmp/minikvm-fd-XXXXXX";
  const Fd fd{::mkstemp(path)};
  const std::vector<std::byte> bytes(5000, std::byte{0x5a});
  ASSERT_TRUE(write_all(fd, bytes));
  EXPECT_EQ(read_file(path, 5000).value(), bytes);
  EXPECT_EQ(read_file(path, 4999).error().code, EFBIG);
  std::remove(path);
}

TEST(ReadFile, RefusesADirectory) { EXPECT_EQ(read_file("/", 1).error().code, EISDIR); }

TEST(WriteAll, ReportsABrokenPipe) {
  const Fd full = Fd::open("/dev/full", O_WRONLY).value();
  const std::byte byte{1};
  EXPECT_EQ(write_all(full, {&byte, 1}).error().code, ENOSPC);
}

}  // namespace
}  // namespace minikvm
