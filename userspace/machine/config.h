// SPDX-License-Identifier: GPL-2.0-only
// What machine to build: parsed, validated, and from then on only read.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "boot/image.h"
#include "memory/gpa.h"

namespace minikvm {

struct SerialConfig {
  enum class Kind { stdio, file, null } kind = Kind::stdio;
  std::string path{};  // Kind::file
  bool operator==(const SerialConfig&) const = default;
};

struct MachineConfig {
  std::string device = "/dev/minikvm";
  boot::BootConfig boot{};
  uint64_t ram_bytes = 256 * MiB;
  SerialConfig serial{};
  std::optional<std::chrono::milliseconds> timeout{};
};

inline constexpr uint64_t kLeastRam = 2 * MiB, kMostRam = 1024 * GiB;

// "256M", "1G", "65536K"; a bare number is MiB.
Result<uint64_t> parse_size(std::string_view text);
// "stdio", "file:PATH" or "null".
Result<SerialConfig> parse_serial(std::string_view text);
// Seconds, with decimals.
Result<std::chrono::milliseconds> parse_timeout(std::string_view text);

Result<> validate(const MachineConfig& config);

}  // namespace minikvm
