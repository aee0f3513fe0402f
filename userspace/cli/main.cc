// SPDX-License-Identifier: GPL-2.0-only
#include <CLI/CLI.hpp>

#include "cli/check.h"
#include "cli/exit_code.h"
#include "cli/run.h"

namespace minikvm::cli {
namespace {

CLI::App* add_run(CLI::App& app, RunOptions& options) {
  CLI::App* run = app.add_subcommand("run", "Run a virtual machine until its guest ends it");
  run->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  run->add_option("-k,--kernel", options.kernel,
                  "Kernel: a Linux bzImage, an ELF vmlinux with a PVH entry, or a flat binary "
                  "(*.bin: 16-bit, entered at 0000:7c00)")
      ->type_name("FILE");
  run->add_option("-i,--initrd", options.initrd, "Initial RAM disk for Linux")->type_name("FILE");
  run->add_option("-p,--params", options.parameters,
                  std::string("Kernel parameters, added to '") + kDefaultCommandLine + "'")
      ->type_name("TEXT");
  run->add_flag("--bare-params", options.bare_command_line,
                "Pass the parameters of -p alone, without the default ones");
  run->add_option("--flat", options.flat,
                  "The kernel is a flat binary: 16 = real mode at 0000:7c00, "
                  "64 = long mode at 1 MiB, RDI = bytes of memory")
      ->type_name("16|64");
  run->add_option("-c,--cpus", options.cpus, "Virtual CPUs, 1 to 255")
      ->type_name("N")
      ->default_str(kDefaultCpus);
  run->add_option("-m,--memory", options.memory, "Guest memory; K, M or G, a bare number is MiB")
      ->type_name("SIZE")
      ->default_str(kDefaultMemory);
  run->add_option("--irqchip", options.irqchip,
                  "Interrupt controllers: kernel (the default where the device has them); split: "
                  "only the local APICs in the kernel; off: an 8259 pair and an 8254 in minikvm, "
                  "no APIC, one CPU")
      ->type_name("kernel|split|off");
  run->add_option("--device", options.device, "KVM device; /dev/kvm works as well")
      ->type_name("PATH")
      ->capture_default_str();
  run->add_option("--serial", options.serial, "Where the first serial port goes")
      ->type_name("stdio|file:PATH|null")
      ->capture_default_str();
  run->add_option("--timeout", options.timeout, "End the machine after so many seconds")
      ->type_name("SEC");
  run->add_option("--snapshot", options.snapshot,
                  "Where Ctrl-A s, SIGUSR1 or --snapshot-after save the machine, which ends it")
      ->type_name("FILE");
  run->add_option("--snapshot-after", options.snapshot_after, "Save it after so many seconds")
      ->type_name("SEC");
  run->add_option("--restore", options.restore,
                  "Go on with a saved machine, instead of -k, on a device and CPU like those "
                  "that it was saved on")
      ->type_name("FILE");
  run->footer(kExitCodeHelp);
  return run;
}

CLI::App* add_check(CLI::App& app, bool& json) {
  CLI::App* check = app.add_subcommand("check", "Tell whether this machine can run minikvm");
  check->add_flag("--json", json, "Print for a program to read");
  check->footer("Exit codes of check: 0 usable, 1 not usable, 2 wrong usage");
  return check;
}

int run_command(const RunOptions& options) {
  const auto config = to_config(options);
  if (config) return run(*config);
  std::cerr << "minikvm run: " << config.error().text() << "\nTry 'minikvm run --help'.\n";
  return kUsage;
}

int main(int argc, char** argv) {
  CLI::App app{"minikvm: runs virtual machines on /dev/minikvm", "minikvm"};
  app.set_version_flag("--version", "minikvm " MINIKVM_VERSION);
  app.require_subcommand(1);
  RunOptions options;
  bool json = false;
  const CLI::App* run = add_run(app, options);
  const CLI::App* check_app = add_check(app, json);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  if (run->parsed()) return run_command(options);
  if (check_app->parsed()) return check(json);
  return kUsage;
}

}  // namespace
}  // namespace minikvm::cli

int main(int argc, char** argv) { return minikvm::cli::main(argc, argv); }
