// SPDX-License-Identifier: GPL-2.0-only
// What `minikvm run` tells a script: one number for each way to end.
#pragma once

#include <string>

#include "base/result.h"
#include "machine/outcome.h"

namespace minikvm::cli {

enum ExitCode : int {
  kPoweredOff = 0,
  kHostError = 1,
  kUsage = 2,
  kDeviceError = 3,
  kImageError = 4,
  kReset = 10,
  kTripleFault = 11,
  kEntryFailed = 12,
  kVcpuError = 13,
  kHalted = 14,
  kQuit = 15,
  kSaved = 16,
  kTimeout = 124,    // as timeout(1)
  kSignalBase = 128  // as a shell says that a signal ended a program
};

int exit_code(const Error& error);
int exit_code(const Outcome& outcome);

// One line for the user; empty where there is nothing to say.
std::string describe(const Outcome& outcome);

// The table for --help.
extern const char kExitCodeHelp[];

}  // namespace minikvm::cli
