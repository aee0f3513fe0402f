// SPDX-License-Identifier: GPL-2.0-only
#include "cli/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "vmx_bits.h"
#include "vmx_controls.h"

namespace minikvm::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A machine on which everything is as it should be.
Facts good() {
  Facts f;
  f.cpu_vendor = "GenuineIntel";
  f.cpus = 8;
  f.vmx = true;
  f.kernel_vmx = true;
  f.msrs = VmxMsrs{.feature_control = 0x5, .caps = {}};
  mkvm_vmx_caps& caps = f.msrs->caps;
  caps.basic = 0x12ull | 1024ull << 32 | MKVM_EPTP_WB << 50;
  caps.pinbased = caps.procbased = caps.procbased2 = caps.exit = caps.entry = ~0ull << 32;
  caps.ept_vpid = ~0ull;
  f.architecture = "x86_64";
  f.kernel = "6.1.0-56-amd64";
  f.module_loaded = true;
  f.device_exists = true;
  f.device_mode = 0600;
  return f;
}

Check find(const Facts& facts, std::string_view name) {
  for (const Check& c : evaluate(facts))
    if (c.name.starts_with(name)) return c;
  ADD_FAILURE() << "no check " << name;
  return {};
}

void take_away(Facts& f, uint32_t proc2_bit) {
  f.msrs->caps.procbased2 &= ~(static_cast<uint64_t>(proc2_bit) << 32);
}

TEST(Check, AGoodMachineIsUsable) {
  const auto checks = evaluate(good());
  EXPECT_TRUE(usable(checks));
  for (const Check& c : checks) {
    EXPECT_EQ(c.verdict, Verdict::ok) << c.name;
    EXPECT_EQ(c.advice, "") << c.name;
    EXPECT_NE(c.value, "") << c.name;
  }
}

TEST(Check, EveryProblemComesWithAdvice) {
  const auto checks = evaluate(Facts{});
  EXPECT_FALSE(usable(checks));
  for (const Check& c : checks) EXPECT_EQ(c.advice.empty(), c.verdict == Verdict::ok) << c.name;
}

TEST(Check, AWarningAloneIsUsable) {
  Facts f = good();
  f.kernel = "6.9.3";
  EXPECT_EQ(find(f, "kernel").verdict, Verdict::warn);
  EXPECT_TRUE(usable(evaluate(f)));
}

TEST(Check, WithoutVtxSaysWhyAndAsksNothingMore) {
  Facts f = good();
  f.vmx = false;
  EXPECT_EQ(find(f, "VT-x (CPUID").verdict, Verdict::missing);
  EXPECT_THAT(find(f, "VT-x (CPUID").advice, HasSubstr("firmware"));
  f.hypervisor = "KVMKVMKVM";
  EXPECT_THAT(find(f, "VT-x (CPUID").advice, HasSubstr("nested"));
  for (const Check& c : evaluate(f)) EXPECT_NE(c.name, "EPT");
}

Facts good_amd() {
  Facts f = good();
  f.cpu_vendor = "AuthenticAMD";
  f.vmx = f.kernel_vmx = false;
  f.msrs.reset();
  f.svm = f.kernel_svm = true;
  f.svm_features = 0x29;  // nested paging, next RIP, clean bits
  f.svm_asids = 32768;
  return f;
}

TEST(Check, AGoodAmdMachineIsUsable) {
  const auto checks = evaluate(good_amd());
  EXPECT_TRUE(usable(checks));
  for (const Check& c : checks) EXPECT_EQ(c.verdict, Verdict::ok) << c.name;
  for (const Check& c : checks) EXPECT_THAT(c.name, Not(HasSubstr("VT-x")));
}

TEST(Check, AmdNeedsItsKernelNestedPagingAndAsids) {
  Facts f = good_amd();
  f.kernel_svm = false;
  EXPECT_EQ(find(f, "AMD-V used").verdict, Verdict::missing);
  f = good_amd();
  f.svm_features = 0x28;
  EXPECT_EQ(find(f, "nested paging").verdict, Verdict::missing);
  f = good_amd();
  f.svm_asids = 1;
  EXPECT_EQ(find(f, "address space").verdict, Verdict::missing);
  f = good_amd();
  f.svm_features = 0x1;
  EXPECT_EQ(find(f, "optional AMD-V").verdict, Verdict::warn);
  EXPECT_THAT(find(f, "optional AMD-V").advice, HasSubstr("next RIP"));
  EXPECT_TRUE(usable(evaluate(f)));
}

TEST(Check, OnAmdItIsKvmAmdThatCounts) {
  Facts f = good_amd();
  f.module_loaded = false;
  f.kvm_amd = {true, 1};
  EXPECT_EQ(find(f, "other hypervisor").verdict, Verdict::missing);
  EXPECT_THAT(find(f, "other hypervisor").advice, HasSubstr("kvm_amd"));
}

TEST(Check, NestedIsAWarning) {
  Facts f = good();
  f.hypervisor = "KVMKVMKVM";
  EXPECT_EQ(find(f, "hypervisor").verdict, Verdict::warn);
}

TEST(Check, FeatureControlIsDecoded) {
  Facts f = good();
  EXPECT_EQ(find(f, "IA32_FEATURE_CONTROL").value, "0x5: locked, VMXON outside SMX");
  f.msrs->feature_control = 0x1;
  EXPECT_EQ(find(f, "IA32_FEATURE_CONTROL").verdict, Verdict::missing);
  EXPECT_THAT(find(f, "IA32_FEATURE_CONTROL").advice, HasSubstr("firmware"));
  f.msrs->feature_control = 0x3;
  EXPECT_EQ(find(f, "IA32_FEATURE_CONTROL").verdict, Verdict::missing);
  EXPECT_THAT(find(f, "IA32_FEATURE_CONTROL").value, HasSubstr("only inside"));
  f.msrs->feature_control = 0x4;
  EXPECT_EQ(find(f, "IA32_FEATURE_CONTROL").verdict, Verdict::warn);
}

TEST(Check, TheKernelHasToHaveFoundVtx) {
  Facts f = good();
  f.kernel_vmx = false;
  EXPECT_EQ(find(f, "VT-x used").verdict, Verdict::missing);
}

TEST(Check, EachOfTheThreeHasALine) {
  for (const auto& [name, bit] : {std::pair{"EPT", VMX_PROCBASED2_EPT},
                                  {"unrestricted guest", VMX_PROCBASED2_UNRESTRICTED_GUEST},
                                  {"VPID", VMX_PROCBASED2_VPID}}) {
    Facts f = good();
    take_away(f, bit);
    EXPECT_EQ(find(f, name).verdict, Verdict::missing) << name;
    EXPECT_EQ(find(f, "VMX controls").verdict, Verdict::missing) << name;
  }
}

TEST(Check, AMissingControlIsNamed) {
  Facts f = good();
  f.msrs->caps.procbased &= ~(static_cast<uint64_t>(VMX_PROCBASED_MSR_BITMAPS) << 32);
  f.msrs->caps.pinbased &= ~(static_cast<uint64_t>(VMX_PINBASED_NMI_EXITING) << 32);
  EXPECT_THAT(find(f, "VMX controls").advice, HasSubstr("NMI exiting, use MSR bitmaps"));
}

TEST(Check, AMissingEptCapabilityIsNamed) {
  Facts f = good();
  f.msrs->caps.ept_vpid &= ~MKVM_EPTCAP_INVEPT_SINGLE;
  EXPECT_EQ(find(f, "VMX controls").verdict, Verdict::missing);
  EXPECT_THAT(find(f, "VMX controls").advice, HasSubstr("single-context INVEPT"));
}

TEST(Check, AMissingWantedFeatureIsAWarning) {
  Facts f = good();
  f.msrs->caps.ept_vpid &= ~MKVM_EPTCAP_1G;
  take_away(f, VMX_PROCBASED2_INVPCID);
  EXPECT_EQ(find(f, "optional").verdict, Verdict::warn);
  EXPECT_THAT(find(f, "optional").advice, HasSubstr("enable INVPCID, 1-GiB EPT pages"));
  EXPECT_TRUE(usable(evaluate(f)));
}

TEST(Check, AStrangeVmcsRegionIsRefused) {
  Facts f = good();
  f.msrs->caps.basic = 0x12ull | 0x1001ull << 32 | MKVM_EPTP_WB << 50;
  EXPECT_EQ(find(f, "VMCS region").verdict, Verdict::missing);
  f.msrs->caps.basic = 0x12ull | 1024ull << 32;
  EXPECT_EQ(find(f, "VMCS region").verdict, Verdict::missing);
}

TEST(Check, UnreadableMsrsAreAWarning) {
  Facts f = good();
  f.msrs.reset();
  f.msr_problem = "open on /dev/cpu/0/msr: No such file or directory";
  EXPECT_EQ(find(f, "VT-x capability MSRs").verdict, Verdict::warn);
  EXPECT_THAT(find(f, "VT-x capability MSRs").advice, HasSubstr("modprobe msr"));
  EXPECT_TRUE(usable(evaluate(f)));
}

TEST(Check, KernelVersions) {
  const auto verdict = [](const char* release) {
    Facts f = good();
    f.kernel = release;
    return find(f, "kernel").verdict;
  };
  EXPECT_EQ(verdict("6.1.0"), Verdict::ok);
  EXPECT_EQ(verdict("6.12.9+bpo-amd64"), Verdict::ok);
  EXPECT_EQ(verdict("7.2.0-rc1"), Verdict::warn);
  EXPECT_EQ(verdict("6.0.19"), Verdict::missing);
  EXPECT_EQ(verdict("5.10.0"), Verdict::missing);
  EXPECT_EQ(verdict("strange"), Verdict::warn);
}

TEST(Check, Only64BitX86) {
  Facts f = good();
  f.architecture = "i686";
  EXPECT_EQ(find(f, "kernel").verdict, Verdict::missing);
}

TEST(Check, LockdownMattersBeforeTheModuleIsLoaded) {
  Facts f = good();
  f.secure_boot = true;
  f.lockdown = "integrity";
  EXPECT_EQ(find(f, "module loading").verdict, Verdict::ok);
  f.module_loaded = false;
  EXPECT_EQ(find(f, "module loading").verdict, Verdict::warn);
  EXPECT_EQ(find(f, "module loading").value, "Secure Boot on, lockdown integrity, any module");
  f.lockdown = "none";
  EXPECT_EQ(find(f, "module loading").verdict, Verdict::ok);
  f.signed_modules_only = true;
  EXPECT_EQ(find(f, "module loading").verdict, Verdict::warn);
}

TEST(Check, KvmInUseIsInTheWay) {
  Facts f = good();
  f.module_loaded = false;
  f.kvm_intel = {true, 0};
  EXPECT_EQ(find(f, "other hypervisor").verdict, Verdict::warn);
  f.kvm_intel.users = 2;
  EXPECT_EQ(find(f, "other hypervisor").verdict, Verdict::missing);
  EXPECT_THAT(find(f, "other hypervisor").advice, HasSubstr("rmmod kvm_intel"));
}

TEST(Check, ModuleAndDevice) {
  Facts f = good();
  f.module_loaded = f.device_exists = false;
  EXPECT_THAT(find(f, "minikvm module").advice, HasSubstr("insmod"));
  EXPECT_EQ(find(f, "/dev/minikvm").verdict, Verdict::missing);
  f = good();
  f.device_error = EACCES;
  EXPECT_EQ(find(f, "/dev/minikvm").value, "mode 0600, Permission denied");
  EXPECT_THAT(find(f, "/dev/minikvm").advice, HasSubstr("root"));
}

TEST(CheckText, IsAligned) {
  const std::vector<Check> checks{{"EPT", "yes", Verdict::ok, ""},
                                  {"VMX controls", "1 of 2", Verdict::missing, "buy another"}};
  EXPECT_EQ(format_text(checks, false),
            "ok       EPT           yes\n"
            "missing  VMX controls  1 of 2\n"
            "                       -> buy another\n"
            "\nThis machine cannot run minikvm as it is.\n");
}

TEST(CheckText, ColorsOnlyTheVerdict) {
  const std::vector<Check> checks{{"EPT", "yes", Verdict::ok, ""}};
  EXPECT_THAT(format_text(checks, true), HasSubstr("\033[32mok      \033[0m EPT  yes\n"));
  EXPECT_THAT(format_text(checks, false), Not(HasSubstr("\033")));
}

TEST(CheckJson, IsValidAndEscaped) {
  const std::vector<Check> checks{{"a\"b", "c\\d\n", Verdict::warn, "e"},
                                  {"f", "g", Verdict::ok, ""}};
  EXPECT_EQ(format_json(checks),
            "{\"usable\": true, \"checks\": [\n"
            "  {\"name\": \"a\\\"b\", \"value\": \"c\\\\d\\u000a\", \"verdict\": \"warn\", "
            "\"advice\": \"e\"},\n"
            "  {\"name\": \"f\", \"value\": \"g\", \"verdict\": \"ok\", \"advice\": \"\"}\n]}\n");
}

TEST(Facts, ThisMachineHasSome) {
  const Facts f = probe("/dev/null");
  EXPECT_EQ(f.cpu_vendor.size(), 12u);
  EXPECT_GE(f.cpus, 1u);
  EXPECT_EQ(f.architecture, "x86_64");
  EXPECT_NE(f.kernel, "");
  EXPECT_TRUE(f.device_exists);
  EXPECT_EQ(f.device_error, 0);
  EXPECT_EQ(f.msrs.has_value(), f.vmx && f.msr_problem.empty());
}

TEST(Facts, AMissingDeviceIsSeen) {
  const Facts f = probe("/dev/there-is-none");
  EXPECT_FALSE(f.device_exists);
  EXPECT_EQ(f.device_error, ENOENT);
}

}  // namespace
}  // namespace minikvm::cli
