// SPDX-License-Identifier: GPL-2.0-only
// A snapshot as a file:
//   0          header, with checksums of itself and of what follows
//   4096       the state, as encode() makes it
//   from the next page on: the guest's memory, page by page; pages of zeros are
//   holes
// The header is written last and the file is renamed to its name after that, so
// one that has the name is whole.
#pragma once

#include <string>

#include "base/fd.h"
#include "machine/snapshot.h"
#include "memory/guest_memory.h"

namespace minikvm {

Result<> write_snapshot(const std::string& path, const Snapshot& snapshot, const GuestMemory& ram);

class SnapshotFile {
 public:
  // Everything but the memory is checked and read.
  static Result<SnapshotFile> open(const std::string& path);

  const Snapshot& snapshot() const { return snapshot_; }
  // Into `ram` of the snapshot's size, which is all zeros.
  Result<> load_memory(const GuestMemory& ram) const;

 private:
  SnapshotFile(Fd fd, std::string path, Snapshot snapshot, uint64_t memory_at, uint64_t hash)
      : fd_(std::move(fd)),
        path_(std::move(path)),
        snapshot_(std::move(snapshot)),
        memory_at_(memory_at),
        memory_hash_(hash) {}

  Fd fd_;
  std::string path_;
  Snapshot snapshot_;
  uint64_t memory_at_;
  uint64_t memory_hash_;
};

}  // namespace minikvm
