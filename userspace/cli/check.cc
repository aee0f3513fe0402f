// SPDX-License-Identifier: GPL-2.0-only
#include "cli/check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "vmx_bits.h"
#include "vmx_controls.h"

namespace minikvm::cli {
namespace {

using Checks = std::vector<Check>;

constexpr uint64_t kLocked = 1 << 0;  // IA32_FEATURE_CONTROL
constexpr uint64_t kVmxInSmx = 1 << 1;
constexpr uint64_t kVmxOutsideSmx = 1 << 2;

constexpr std::string_view kTestHost = "'make run' uses an emulated machine instead";

Check ok(std::string name, std::string value) {
  return {std::move(name), std::move(value), Verdict::ok, {}};
}
Check warn(std::string name, std::string value, std::string advice) {
  return {std::move(name), std::move(value), Verdict::warn, std::move(advice)};
}
Check missing(std::string name, std::string value, std::string advice) {
  return {std::move(name), std::move(value), Verdict::missing, std::move(advice)};
}

// ---- the CPU ----

// VT-x, or AMD-V in its place.
Check check_vmx(const Facts& f) {
  if (f.svm) return ok("AMD-V (CPUID 8000_0001:ECX.SVM[2])", "yes");
  const std::string name = "VT-x (CPUID.1:ECX.VMX[5])";
  if (f.vmx) return ok(name, "yes");
  if (!f.hypervisor.empty())
    return missing(name, "no, in a virtual machine",
                   fmt::format("turn on nested virtualization in the hypervisor; {}", kTestHost));
  return missing(name, "no",
                 fmt::format("turn it on in the firmware setup, if it is there; {}", kTestHost));
}

Check check_hypervisor(const Facts& f) {
  if (f.hypervisor.empty()) return ok("hypervisor", "none, bare metal");
  if (!f.vmx && !f.svm) return ok("hypervisor", f.hypervisor);
  return warn("hypervisor", f.hypervisor,
              fmt::format("{} is nested: expect slow exits", f.svm ? "AMD-V" : "VT-x"));
}

Check check_kernel_vmx(const Facts& f) {
  const std::string name = "VT-x used by the kernel";
  if (f.kernel_vmx) return ok(name, "yes (vmx in /proc/cpuinfo)");
  return missing(name, "no vmx in /proc/cpuinfo",
                 "the firmware turned it off, or the kernel was told or built to ignore it");
}

Check check_feature_control(uint64_t value) {
  const std::string name = "IA32_FEATURE_CONTROL";
  const std::string shown =
      fmt::format("{:#x}: {}, VMXON {} SMX", value, value & kLocked ? "locked" : "not locked",
                  value & kVmxOutsideSmx ? "outside"
                  : value & kVmxInSmx    ? "only inside"
                                         : "neither inside nor outside");
  if (!(value & kLocked))
    return warn(name, shown,
                "the firmware should lock it; Linux does with CONFIG_X86_FEATURE_CONTROL");
  if (!(value & kVmxOutsideSmx))
    return missing(name, shown, "turn VT-x on in the firmware setup, then power-cycle");
  return ok(name, shown);
}

// The required rows of the module's table.
Check check_controls(const mkvm_vmx_caps& caps) {
  const std::string name = "VMX controls and capabilities";
  uint32_t words[MKVM_NR_CTLS];
  const uint64_t gone = mkvm_vmx_negotiate(&caps, words);
  std::string names;
  unsigned required = 0;
  for (unsigned row = 0; row < mkvm_vmx_nr_controls; ++row) {
    const mkvm_vmx_control& control = mkvm_vmx_controls[row];
    required += control.policy == MKVM_REQUIRED || control.policy == MKVM_SWITCHED;
    if (gone >> row & 1) names += fmt::format("{}{}", names.empty() ? "" : ", ", control.name);
  }
  if (gone == 0) return ok(name, fmt::format("all {} required", required));
  const auto had = required - static_cast<unsigned>(std::popcount(gone));
  return missing(name, fmt::format("{} of {} required", had, required),
                 fmt::format("this CPU lacks: {}", names));
}

// The three that old CPUs are without, each in a line of its own.
Check check_secondary(const mkvm_vmx_caps& caps, const char* name, uint32_t bit) {
  if (mkvm_vmx_has(&caps, MKVM_CTL_PROC2, bit)) return ok(name, "yes");
  return missing(name, "no", fmt::format("this CPU is too old; {}", kTestHost));
}

Check check_vmcs_region(const mkvm_vmx_caps& caps) {
  const uint32_t size = MKVM_VMXBASIC_REGION_SIZE(caps.basic);
  const uint32_t type = MKVM_VMXBASIC_MEMORY_TYPE(caps.basic);
  std::string value =
      fmt::format("revision {:#x}, {} bytes, {}", MKVM_VMXBASIC_REVISION(caps.basic), size,
                  type == MKVM_EPTP_WB ? "write-back" : "not write-back");
  if (size > 4096 || type != MKVM_EPTP_WB)
    return missing("VMCS region", std::move(value),
                   "this CPU needs another kind than minikvm uses");
  return ok("VMCS region", std::move(value));
}

// Not required, but a guest sees or feels it.
Check check_wanted(const mkvm_vmx_caps& caps) {
  std::string names;
  for (const auto& row : std::span(mkvm_vmx_controls, mkvm_vmx_nr_controls))
    if (row.policy == MKVM_WANTED && !mkvm_vmx_has(&caps, row.word, row.bit))
      names += fmt::format("{}{}", names.empty() ? "" : ", ", row.name);
  if (names.empty()) return ok("optional VT-x features", "all");
  return warn("optional VT-x features", "some are missing", "minikvm does without: " + names);
}

void add_msr_checks(const Facts& f, Checks& out) {
  if (!f.msrs) {
    out.push_back(warn("VT-x capability MSRs", f.msr_problem,
                       "'modprobe msr' and run this as root; the module checks them as well"));
    return;
  }
  const mkvm_vmx_caps& caps = f.msrs->caps;
  out.push_back(check_feature_control(f.msrs->feature_control));
  out.push_back(check_vmcs_region(caps));
  out.push_back(check_secondary(caps, "EPT", VMX_PROCBASED2_EPT));
  out.push_back(check_secondary(caps, "unrestricted guest", VMX_PROCBASED2_UNRESTRICTED_GUEST));
  out.push_back(check_secondary(caps, "VPID", VMX_PROCBASED2_VPID));
  out.push_back(check_controls(caps));
  out.push_back(check_wanted(caps));
}

// ---- AMD-V. APM vol. 3, "CPUID Fn8000_000A" ----

constexpr uint32_t kNestedPaging = 1 << 0, kNextRip = 1 << 3, kCleanBits = 1 << 5;

void add_svm_checks(const Facts& f, Checks& out) {
  out.push_back(f.kernel_svm
                    ? ok("AMD-V used by the kernel", "yes (svm in /proc/cpuinfo)")
                    : missing("AMD-V used by the kernel", "no svm in /proc/cpuinfo",
                              "the firmware turned it off, or the kernel was told to ignore it"));
  out.push_back(
      f.svm_features & kNestedPaging
          ? ok("nested paging", "yes")
          : missing("nested paging", "no", fmt::format("this CPU is too old; {}", kTestHost)));
  const std::string asids = fmt::format("{}", f.svm_asids);
  out.push_back(f.svm_asids > 1 ? ok("address space identifiers", asids)
                                : missing("address space identifiers", asids, "two are needed"));
  if ((f.svm_features & (kNextRip | kCleanBits)) == (kNextRip | kCleanBits))
    out.push_back(ok("optional AMD-V features", "next RIP, clean bits"));
  else
    out.push_back(warn(
        "optional AMD-V features", "some are missing",
        fmt::format("minikvm does without: {}",
                    f.svm_features & kNextRip ? "clean bits" : "next RIP, so exits are slower")));
}

// ---- the kernel ----

Check check_kernel(const Facts& f) {
  unsigned major = 0, minor = 0;
  const std::string value = fmt::format("Linux {} {}", f.kernel, f.architecture);
  if (f.architecture != "x86_64")
    return missing("kernel", value, "minikvm is for 64-bit x86 kernels");
  if (std::sscanf(f.kernel.c_str(), "%u.%u", &major, &minor) != 2)
    return warn("kernel", value, "cannot tell its version");
  if (major < 6 || (major == 6 && minor < 1))
    return missing("kernel", value, "minikvm is written for Linux 6.1 and later");
  if (major == 6 && (minor == 1 || minor == 12)) return ok("kernel", value);
  return warn("kernel", value, "minikvm is tested on 6.1 and 6.12");
}

Check check_signing(const Facts& f) {
  const bool locked = !f.lockdown.empty() && f.lockdown != "none";
  const std::string value =
      fmt::format("Secure Boot {}, lockdown {}, {}",
                  !f.secure_boot   ? "absent"
                  : *f.secure_boot ? "on"
                                   : "off",
                  f.lockdown.empty() ? "absent" : f.lockdown,
                  f.signed_modules_only ? "signed modules only" : "any module");
  if (f.module_loaded || (!locked && !f.signed_modules_only)) return ok("module loading", value);
  return warn("module loading", value,
              "sign minikvm.ko with a key that the kernel trusts, or turn Secure Boot off");
}

// The hardware belongs to one owner. KVM takes it with its first VM, newer kernels as
// soon as its module is loaded.
Check check_kvm(const Facts& f) {
  const KvmModule& kvm = f.svm ? f.kvm_amd : f.kvm_intel;
  const std::string_view name = f.svm ? "kvm_amd" : "kvm_intel";
  if (!kvm.loaded) return ok("other hypervisor", fmt::format("{} is not loaded", name));
  const std::string value = fmt::format("{} is loaded, {} users", name, kvm.users);
  if (f.module_loaded) return ok("other hypervisor", value);
  if (kvm.users > 0)
    return missing("other hypervisor", value,
                   fmt::format("end its virtual machines, then 'rmmod {}'", name));
  return warn("other hypervisor", value,
              fmt::format("'rmmod {}' if loading minikvm says EBUSY", name));
}

Check check_module(const Facts& f) {
  if (f.module_loaded) return ok("minikvm module", "loaded");
  return missing("minikvm module", "not loaded", "'make modules' and 'insmod minikvm.ko'");
}

Check check_device(const Facts& f) {
  const std::string name = MKVM_DEVICE_PATH;
  if (!f.device_exists) return missing(name, "does not exist", "it comes with the module");
  const std::string value = fmt::format("mode {:04o}", f.device_mode);
  if (f.device_error == 0) return ok(name, value + ", opens");
  return missing(name, fmt::format("{}, {}", value, std::strerror(f.device_error)),
                 f.device_error == EACCES ? "run as root, or give yourself access to it"
                                          : "see the kernel's log");
}

// ---- output ----

std::string_view word(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warn:
      return "warn";
    case Verdict::missing:
      return "missing";
  }
  return "";
}

std::string_view color_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "\033[32m";
    case Verdict::warn:
      return "\033[33m";
    case Verdict::missing:
      return "\033[31m";
  }
  return "";
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", c);
    else
      out += c;
  }
  return out + "\"";
}

}  // namespace

Checks evaluate(const Facts& f) {
  Checks out;
  out.push_back(f.cpu_vendor == "GenuineIntel" || f.vmx || f.svm
                    ? ok("CPU", fmt::format("{}, {} online", f.cpu_vendor, f.cpus))
                    : warn("CPU", fmt::format("{}, {} online", f.cpu_vendor, f.cpus),
                           "not one of Intel's or AMD's"));
  out.push_back(check_vmx(f));
  out.push_back(check_hypervisor(f));
  if (f.vmx) {
    out.push_back(check_kernel_vmx(f));
    add_msr_checks(f, out);
  }
  if (f.svm) add_svm_checks(f, out);
  out.push_back(check_kernel(f));
  out.push_back(check_signing(f));
  out.push_back(check_kvm(f));
  out.push_back(check_module(f));
  out.push_back(check_device(f));
  return out;
}

bool usable(std::span<const Check> checks) {
  return std::ranges::none_of(checks, [](const Check& c) { return c.verdict == Verdict::missing; });
}

std::string format_text(std::span<const Check> checks, bool color) {
  size_t width = 0;
  for (const Check& c : checks) width = std::max(width, c.name.size());
  std::string out;
  for (const Check& c : checks) {
    out += fmt::format("{}{:<8}{} {:<{}}  {}\n", color ? color_of(c.verdict) : "", word(c.verdict),
                       color ? "\033[0m" : "", c.name, width, c.value);
    if (!c.advice.empty()) out += fmt::format("{:{}}-> {}\n", "", width + 11, c.advice);
  }
  return out + (usable(checks) ? "\nThis machine can run minikvm.\n"
                               : "\nThis machine cannot run minikvm as it is.\n");
}

std::string format_json(std::span<const Check> checks) {
  std::string out = fmt::format("{{\"usable\": {}, \"checks\": [", usable(checks));
  for (const Check& c : checks)
    out += fmt::format("{}\n  {{\"name\": {}, \"value\": {}, \"verdict\": \"{}\", \"advice\": {}}}",
                       &c == checks.data() ? "" : ",", json_string(c.name), json_string(c.value),
                       word(c.verdict), json_string(c.advice));
  return out + "\n]}\n";
}

int check(bool json) {
  const Checks checks = evaluate(probe(MKVM_DEVICE_PATH));
  const bool color = ::isatty(STDOUT_FILENO);
  fmt::print("{}", json ? format_json(checks) : format_text(checks, color));
  return usable(checks) ? 0 : 1;
}

}  // namespace minikvm::cli
