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

// Where the interrupt controllers are. `split`: local APICs in the kernel, the
// I/O APIC, the 8259 pair and the 8254 here. `off`: the 8259 pair and the 8254
// here, no APIC at all.
enum class Irqchip { kernel, split, off };

struct MachineConfig {
  std::string device = "/dev/minikvm";
  boot::BootConfig boot{};
  uint64_t ram_bytes = 256 * MiB;
  unsigned cpus = 1;
  std::optional<Irqchip> irqchip{};  // nullopt: in the kernel where it can, else off
  SerialConfig serial{};
  std::optional<std::chrono::milliseconds> timeout{};
  std::string snapshot{};  // where to save the machine, if asked to
  std::optional<std::chrono::milliseconds> snapshot_after{};
  // A snapshot to go on from: it says what `boot`, `ram_bytes`, `cpus` and
  // `irqchip` would say otherwise.
  std::string restore{};
};

inline constexpr unsigned kMostCpus = 255;
inline constexpr uint64_t kLeastRam = 2 * MiB, kMostRam = 1024 * GiB;

// "256M", "1G", "65536K"; a bare number is MiB.
Result<uint64_t> parse_size(std::string_view text);
// 1 to 255.
Result<unsigned> parse_cpus(std::string_view text);
// "kernel", "split" or "off".
Result<Irqchip> parse_irqchip(std::string_view text);
// "stdio", "file:PATH" or "null".
Result<SerialConfig> parse_serial(std::string_view text);
// Seconds, with decimals; `what` is for the message.
Result<std::chrono::milliseconds> parse_seconds(std::string_view text, const std::string& what);

Result<> validate(const MachineConfig& config);

}  // namespace minikvm
