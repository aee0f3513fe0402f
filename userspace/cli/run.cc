// SPDX-License-Identifier: GPL-2.0-only
#include "cli/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "base/terminal.h"
#include "cli/dump.h"
#include "cli/exit_code.h"
#include "cli/vmcb_dump.h"
#include "machine/machine.h"

namespace minikvm::cli {
namespace {

void say(const std::string& text) { fmt::print(stderr, "minikvm: {}\n", text); }

Result<boot::Format> parse_flat(const std::string& text) {
  if (text.empty()) return boot::Format::detect;
  if (text == "16") return boot::Format::flat16;
  if (text == "64") return boot::Format::flat64;
  return fail({0, "flat image", {}, fmt::format("'{}' bits: 16 or 64", text)});
}

std::string command_line(const RunOptions& options) {
  if (options.bare_command_line) return options.parameters;
  std::string line = kDefaultCommandLine;
  if (!options.parameters.empty()) line += " " + options.parameters;
  return line;
}

std::string or_default(const std::string& text, const char* otherwise) {
  return text.empty() ? otherwise : text;
}

// What a snapshot says cannot be said on the command line as well.
Result<> check_restore(const RunOptions& options) {
  if (options.restore.empty()) return {};
  const std::pair<const std::string&, const char*> fixed[] = {
      {options.kernel, "-k"},   {options.initrd, "-i"},         {options.parameters, "-p"},
      {options.cpus, "-c"},     {options.irqchip, "--irqchip"}, {options.memory, "-m"},
      {options.flat, "--flat"},
  };
  for (const auto& [text, name] : fixed)
    if (!text.empty())
      return fail({0, "restore", {}, fmt::format("{} is what the snapshot says already", name)});
  return {};
}

// A device that is not minikvm has nothing to add, nor has an old module.
void say_unless_unknown(const Error& error) {
  if (error.code != ENOTTY && error.code != EOPNOTSUPP) say(error.text());
}

// The state that the CPU refused: a VMCS on VT-x, a VMCB on AMD-V.
void explain_entry(const abi::Vcpu& vcpu) {
  if (const auto vmcs = vcpu.vmcs())
    fmt::print(stderr, "{}\n{}", format_vmcs_dump(vmcs->fields),
               explain_entry_failure(vmcs->caps, vmcs->fields));
  else if (vmcs.error().code != EOPNOTSUPP)
    say_unless_unknown(vmcs.error());
  else if (const auto vmcb = vcpu.vmcb())
    fmt::print(stderr, "{}\n{}", format_vmcb_dump(vmcb->vmcb),
               explain_vmrun_failure(vmcb->caps, vmcb->vmcb));
  else
    say_unless_unknown(vmcb.error());
}

// The terminal is raw for exactly as long as the guest runs.
Result<Outcome> run_on_terminal(Machine& machine, const SerialConfig& serial) {
  std::unique_ptr<RawTerminal> raw;
  if (serial.kind == SerialConfig::Kind::stdio && ::isatty(STDIN_FILENO)) {
    say("Ctrl-A x quits, Ctrl-A h helps");
    raw = TRY(RawTerminal::enter(STDIN_FILENO));
  }
  return machine.run();
}

}  // namespace

Result<MachineConfig> to_config(const RunOptions& options) {
  MachineConfig config;
  TRY(check_restore(options));
  config.device = options.device;
  const boot::Format format = TRY(parse_flat(options.flat));
  config.boot = {options.kernel, options.initrd, command_line(options), format};
  config.ram_bytes = TRY(parse_size(or_default(options.memory, kDefaultMemory)));
  config.cpus = TRY(parse_cpus(or_default(options.cpus, kDefaultCpus)));
  if (!options.irqchip.empty()) config.irqchip = TRY(parse_irqchip(options.irqchip));
  config.serial = TRY(parse_serial(options.serial));
  if (!options.timeout.empty()) config.timeout = TRY(parse_seconds(options.timeout, "timeout"));
  config.snapshot = options.snapshot;
  config.restore = options.restore;
  if (!options.snapshot_after.empty())
    config.snapshot_after = TRY(parse_seconds(options.snapshot_after, "snapshot time"));
  TRY(validate(config));
  return config;
}

int run(const MachineConfig& config) {
  // A reader of our output that goes away is an error of a write, not a death
  // with a raw terminal left behind.
  std::signal(SIGPIPE, SIG_IGN);
  const auto machine = build(config);
  if (!machine) {
    say(machine.error().text());
    return exit_code(machine.error());
  }
  const auto outcome = run_on_terminal(**machine, config.serial);
  if (!outcome) {
    say(outcome.error().text());
    return exit_code(outcome.error());
  }
  if (const std::string text = describe(*outcome); !text.empty()) say(text);
  if (outcome->ending == Ending::entry_failed) explain_entry((*machine)->vcpu());
  return exit_code(*outcome);
}

}  // namespace minikvm::cli
