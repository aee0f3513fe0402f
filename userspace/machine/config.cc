// SPDX-License-Identifier: GPL-2.0-only
#include "machine/config.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace minikvm {
namespace {

Result<uint64_t> unit(std::string_view suffix) {
  if (suffix == "K" || suffix == "k") return KiB;
  if (suffix == "M" || suffix == "m" || suffix.empty()) return MiB;
  if (suffix == "G" || suffix == "g") return GiB;
  return fail({0, "memory size", {}, fmt::format("unknown unit '{}': K, M or G", suffix)});
}

}  // namespace

Result<uint64_t> parse_size(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), value);
  if (error != std::errc{})
    return fail({0, "memory size", {}, fmt::format("'{}' is not a size such as 256M", text)});
  const uint64_t scale = TRY(unit(text.substr(static_cast<size_t>(end - text.begin()))));
  if (value > kMostRam / scale)
    return fail(
        {0, "memory size", {}, fmt::format("{} is more than {} GiB", text, kMostRam / GiB)});
  return value * scale;
}

Result<unsigned> parse_cpus(std::string_view text) {
  unsigned cpus = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), cpus);
  if (error != std::errc{} || end != text.end() || cpus < 1 || cpus > kMostCpus)
    return fail({0, "CPUs", {}, fmt::format("'{}' is not a number from 1 to {}", text, kMostCpus)});
  return cpus;
}

Result<Irqchip> parse_irqchip(std::string_view text) {
  if (text == "kernel") return Irqchip::kernel;
  if (text == "split") return Irqchip::split;
  if (text == "off") return Irqchip::off;
  return fail({0, "irqchip", {}, fmt::format("'{}' is not kernel, split or off", text)});
}

Result<SerialConfig> parse_serial(std::string_view text) {
  if (text == "stdio") return SerialConfig{SerialConfig::Kind::stdio};
  if (text == "null") return SerialConfig{SerialConfig::Kind::null};
  constexpr std::string_view kFile = "file:";
  if (text.starts_with(kFile) && text.size() > kFile.size())
    return SerialConfig{SerialConfig::Kind::file, std::string(text.substr(kFile.size()))};
  return fail({0, "serial port", {}, fmt::format("'{}' is not stdio, file:PATH or null", text)});
}

Result<std::chrono::milliseconds> parse_seconds(std::string_view text, const std::string& what) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), seconds);
  constexpr double kMost = 1e9;
  if (error != std::errc{} || end != text.end() || !(seconds > 0 && seconds <= kMost))
    return fail({0, what, {}, fmt::format("'{}' is not a number of seconds above 0", text)});
  return std::chrono::milliseconds{std::llround(std::ceil(seconds * 1000))};
}

Result<> validate(const MachineConfig& config) {
  if (config.snapshot_after && config.snapshot.empty())
    return fail({0, "snapshot", {}, "--snapshot-after needs --snapshot FILE"});
  if (!config.restore.empty()) return {};
  if (config.boot.kernel.empty())
    return fail({0, "kernel", {}, "none was given: -k FILE, or --restore FILE"});
  if (config.cpus > 1 && config.irqchip == Irqchip::off)
    return fail({0, "CPUs", {}, "more than one needs the kernel's local APICs: not --irqchip off"});
  if (config.ram_bytes < kLeastRam)
    return fail({0, "memory size", {}, fmt::format("at least {} MiB", kLeastRam / MiB)});
  if (config.ram_bytes > kMostRam)
    return fail({0, "memory size", {}, fmt::format("at most {} GiB", kMostRam / GiB)});
  if (config.ram_bytes % kPageSize != 0)
    return fail({0, "memory size", {}, "it must be a multiple of 4 KiB"});
  return {};
}

}  // namespace minikvm
