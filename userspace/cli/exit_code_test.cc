// SPDX-License-Identifier: GPL-2.0-only
#include "cli/exit_code.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <set>

#include "cli/run.h"

namespace minikvm::cli {
namespace {

using ::testing::HasSubstr;

constexpr Ending kEndings[] = {
    Ending::power_off,    Ending::reset,      Ending::triple_fault, Ending::halted,
    Ending::entry_failed, Ending::vcpu_error, Ending::device_error, Ending::host_error,
    Ending::timeout,      Ending::quit,       Ending::saved,        Ending::signal,
};

TEST(ExitCode, EveryEndingHasItsOwn) {
  std::set<int> codes;
  for (const Ending ending : kEndings) codes.insert(exit_code(Outcome{ending}));
  EXPECT_EQ(codes.size(), std::size(kEndings));
}

TEST(ExitCode, PowerOffIsSuccessAndSilent) {
  EXPECT_EQ(exit_code(Outcome{Ending::power_off}), 0);
  EXPECT_EQ(describe(Outcome{Ending::power_off}), "");
}

TEST(ExitCode, SignalsCountFrom128) {
  EXPECT_EQ(exit_code(Outcome{Ending::signal, {}, SIGTERM}), 143);
  EXPECT_THAT(describe(Outcome{Ending::signal, {}, SIGTERM}), HasSubstr("Terminated"));
}

TEST(ExitCode, ErrorsAreToldApartByWhoIsToBlame) {
  EXPECT_EQ(exit_code(Error{0, "", "", "", Error::Blame::host}), 1);
  EXPECT_EQ(exit_code(Error{0, "", "", "", Error::Blame::device}), 3);
  EXPECT_EQ(exit_code(Error{0, "", "", "", Error::Blame::image}), 4);
}

TEST(ExitCode, HelpListsEveryCode) {
  for (const Ending ending : kEndings) {
    if (ending == Ending::signal) continue;
    EXPECT_THAT(kExitCodeHelp,
                HasSubstr("\n  " + std::to_string(exit_code(Outcome{ending})) + " "));
  }
}

RunOptions options() { return {.kernel = "vmlinuz", .initrd = "", .parameters = ""}; }

TEST(RunOptions, ParametersExtendTheDefaultOnes) {
  EXPECT_EQ(to_config(options())->boot.command_line, kDefaultCommandLine);
  RunOptions quiet = options();
  quiet.parameters = "quiet";
  EXPECT_EQ(to_config(quiet)->boot.command_line, std::string(kDefaultCommandLine) + " quiet");
  quiet.bare_command_line = true;
  EXPECT_EQ(to_config(quiet)->boot.command_line, "quiet");
}

TEST(RunOptions, TheDefaultsAreTheDocumentedOnes) {
  const MachineConfig config = to_config(options()).value();
  EXPECT_EQ(config.device, "/dev/minikvm");
  EXPECT_EQ(config.ram_bytes, 256 * MiB);
  EXPECT_EQ(config.serial.kind, SerialConfig::Kind::stdio);
  EXPECT_FALSE(config.timeout);
  EXPECT_EQ(config.boot.format, boot::Format::detect);
}

TEST(RunOptions, FlatImagesAreNamedByTheirWidth) {
  RunOptions flat = options();
  flat.flat = "16";
  EXPECT_EQ(to_config(flat)->boot.format, boot::Format::flat16);
  flat.flat = "64";
  EXPECT_EQ(to_config(flat)->boot.format, boot::Format::flat64);
  flat.flat = "32";
  EXPECT_FALSE(to_config(flat));
}

TEST(RunOptions, MistakesAreErrors) {
  RunOptions bad = options();
  bad.memory = "lots";
  EXPECT_FALSE(to_config(bad));
  bad = options();
  bad.memory = "1M";
  EXPECT_FALSE(to_config(bad));
  bad = options();
  bad.serial = "printer";
  EXPECT_FALSE(to_config(bad));
  bad = options();
  bad.timeout = "soon";
  EXPECT_FALSE(to_config(bad));
}

TEST(RunOptions, ARestoredMachineIsWhatItWas) {
  RunOptions restored{.restore = "saved"};
  EXPECT_EQ(to_config(restored)->restore, "saved");
  restored.cpus = "2";
  const auto config = to_config(restored);
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().text(), HasSubstr("-c"));
}

TEST(RunOptions, AKernelOrASnapshot) {
  const auto config = to_config(RunOptions{});
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().text(), HasSubstr("--restore"));
}

TEST(Run, AMissingDeviceIsADeviceError) {
  MachineConfig config = to_config(options()).value();
  config.device = "/nonexistent/minikvm";
  EXPECT_EQ(run(config), kDeviceError);
}

}  // namespace
}  // namespace minikvm::cli
