// SPDX-License-Identifier: GPL-2.0-only
// `minikvm run`.
#pragma once

#include <string>

#include "machine/config.h"

namespace minikvm::cli {

// The options as they were typed.
struct RunOptions {
  std::string kernel{}, initrd{}, parameters{};
  bool bare_command_line = false;
  std::string flat{};  // "16", "64" or nothing
  std::string cpus{};  // empty, as the others: the default
  std::string irqchip{};
  std::string memory{};
  std::string device = "/dev/minikvm";
  std::string serial = "stdio";
  std::string timeout{};
  std::string snapshot{}, snapshot_after{}, restore{};
};

// What a Linux guest needs to be told about this machine: where its console is,
// and that a panic shall end it (as a reset) rather than hang it.
inline constexpr char kDefaultCommandLine[] = "console=ttyS0 panic=-1";

inline constexpr char kDefaultMemory[] = "256M", kDefaultCpus[] = "1";

// Errors here are usage errors.
Result<MachineConfig> to_config(const RunOptions& options);

// Runs the guest to its end; returns the exit code.
int run(const MachineConfig& config);

}  // namespace minikvm::cli
