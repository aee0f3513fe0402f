// SPDX-License-Identifier: GPL-2.0-only
// `minikvm check`: can this machine run minikvm, and if not, what to do. Needs
// neither the module nor VT-x nor root, but sees more with root.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/facts.h"

namespace minikvm::cli {

enum class Verdict {
  ok,
  warn,     // works without, or cannot be seen from here
  missing,  // does not work without
};

struct Check {
  std::string name;   // the requirement
  std::string value;  // what this machine has
  Verdict verdict;
  std::string advice;  // what to do about it; empty when ok
};

std::vector<Check> evaluate(const Facts& facts);

// Nothing is missing.
bool usable(std::span<const Check> checks);

std::string format_text(std::span<const Check> checks, bool color);
std::string format_json(std::span<const Check> checks);

// Prints to stdout; returns the exit code: 0 usable, 1 not.
int check(bool json);

}  // namespace minikvm::cli
