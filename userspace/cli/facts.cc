// SPDX-License-Identifier: GPL-2.0-only
#include "cli/facts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "base/fd.h"
#include "vmx_bits.h"
#include "x86_bits.h"

namespace minikvm::cli {
namespace {

// SDM vol. 3, appendix "VMX Capability Reporting Facility".
enum VmxMsr : uint32_t {
  kBasic = 0x480,
  kPinBased = 0x481,
  kFeatureControl = 0x3a,
  kMisc = 0x485,
  kCr0Fixed0 = 0x486,
  kCr0Fixed1 = 0x487,
  kCr4Fixed0 = 0x488,
  kCr4Fixed1 = 0x489,
  kProcBased2 = 0x48b,
  kEptVpidCap = 0x48c,
  kTruePinBased = 0x48d,
};

struct Cpuid {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// Not <cpuid.h>: kmod/pure has a header of that name.
Cpuid cpuid(uint32_t leaf) {
  Cpuid r;
  asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(0));
  return r;
}

std::string characters(std::initializer_list<uint32_t> registers) {
  std::string text;
  for (const uint32_t value : registers)
    text.append(reinterpret_cast<const char*>(&value), sizeof(value));
  return text.c_str();  // up to the first NUL
}

void probe_cpuid(Facts& facts) {
  const Cpuid base = cpuid(0);
  facts.cpu_vendor = characters({base.ebx, base.edx, base.ecx});
  const Cpuid features = cpuid(1);
  facts.vmx = features.ecx >> 5 & 1;
  if (features.ecx >> 31 & 1) {
    const Cpuid signature = cpuid(0x40000000);
    facts.hypervisor = characters({signature.ebx, signature.ecx, signature.edx});
    if (facts.hypervisor.empty()) facts.hypervisor = "?";
  }
  if (cpuid(0x80000000).eax >= 0x80000001) facts.svm = cpuid(0x80000001).ecx >> 2 & 1;
  if (facts.svm) {
    const Cpuid svm = cpuid(0x8000000a);
    facts.svm_features = svm.edx;
    facts.svm_asids = svm.ebx;
  }
  facts.cpus = static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_ONLN));
}

// The whole of a small file; empty when it cannot be read.
std::string slurp(const std::string& path) {
  const auto bytes = read_file(path, 1 << 20);
  if (!bytes) return {};
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Result<uint64_t> read_msr(const Fd& file, uint32_t index) {
  uint64_t value = 0;
  if (::pread(file.get(), &value, sizeof(value), index) != sizeof(value))
    return fail_errno("read", "MSR");
  return value;
}

// In step with read_caps() of kmod/vmx/cpu.c, as far as a requirement needs it.
Result<mkvm_vmx_caps> read_caps(const Fd& file) {
  mkvm_vmx_caps caps{};
  caps.basic = TRY(read_msr(file, kBasic));
  // The TRUE forms follow each other in the order of the plain ones.
  const uint32_t words = caps.basic & MKVM_VMXBASIC_TRUE_CONTROLS ? kTruePinBased : kPinBased;
  caps.pinbased = TRY(read_msr(file, words));
  caps.procbased = TRY(read_msr(file, words + 1));
  caps.exit = TRY(read_msr(file, words + 2));
  caps.entry = TRY(read_msr(file, words + 3));
  caps.misc = TRY(read_msr(file, kMisc));
  caps.cr0_fixed0 = TRY(read_msr(file, kCr0Fixed0));
  caps.cr0_fixed1 = TRY(read_msr(file, kCr0Fixed1));
  caps.cr4_fixed0 = TRY(read_msr(file, kCr4Fixed0));
  caps.cr4_fixed1 = TRY(read_msr(file, kCr4Fixed1));
  // These two exist only where the controls do that lead to them.
  if (caps.procbased >> 32 & VMX_PROCBASED_SECONDARY_CONTROLS)
    caps.procbased2 = TRY(read_msr(file, kProcBased2));
  if (caps.procbased2 >> 32 & (VMX_PROCBASED2_EPT | VMX_PROCBASED2_VPID))
    caps.ept_vpid = TRY(read_msr(file, kEptVpidCap));
  return caps;
}

Result<VmxMsrs> read_msrs() {
  const Fd file = TRY(Fd::open("/dev/cpu/0/msr", O_RDONLY));
  VmxMsrs msrs;
  msrs.feature_control = TRY(read_msr(file, kFeatureControl));
  msrs.caps = TRY(read_caps(file));
  return msrs;
}

void probe_msrs(Facts& facts) {
  if (!facts.vmx) return;
  auto msrs = read_msrs();
  if (msrs)
    facts.msrs = *msrs;
  else
    facts.msr_problem = msrs.error().text();
}

// "none [integrity] confidentiality"
std::string chosen(const std::string& list) {
  const size_t open = list.find('['), close = list.find(']');
  if (open == std::string::npos || close == std::string::npos) return {};
  return list.substr(open + 1, close - open - 1);
}

bool has_word(const std::string& text, std::string_view word) {
  std::istringstream words(text);
  for (std::string each; words >> each;)
    if (each == word) return true;
  return false;
}

void probe_kernel(Facts& facts) {
  utsname name{};
  ::uname(&name);
  facts.architecture = name.machine;
  facts.kernel = name.release;
  facts.kernel_vmx = has_word(slurp("/proc/cpuinfo"), "vmx");
  facts.kernel_svm = has_word(slurp("/proc/cpuinfo"), "svm");
  facts.lockdown = chosen(slurp("/sys/kernel/security/lockdown"));
  facts.signed_modules_only = slurp("/sys/module/module/parameters/sig_enforce").starts_with("Y");
  // Four bytes of attributes, then the value.
  const std::string variable =
      slurp("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
  if (variable.size() == 5) facts.secure_boot = variable[4] != 0;
}

KvmModule probe_module(const std::string& name) {
  const std::string directory = "/sys/module/" + name;
  const std::string users = slurp(directory + "/refcnt");
  return {exists(directory), static_cast<unsigned>(std::strtoul(users.c_str(), nullptr, 10))};
}

void probe_device(Facts& facts, const std::string& path) {
  struct stat status {};
  facts.device_exists = ::stat(path.c_str(), &status) == 0;
  facts.device_mode = status.st_mode & 0777;
  const auto fd = Fd::open(path, O_RDWR);
  facts.device_error = fd ? 0 : fd.error().code;
}

}  // namespace

Facts probe(const std::string& device) {
  Facts facts;
  probe_cpuid(facts);
  probe_msrs(facts);
  probe_kernel(facts);
  facts.module_loaded = exists("/sys/module/minikvm");
  facts.kvm_intel = probe_module("kvm_intel");
  facts.kvm_amd = probe_module("kvm_amd");
  probe_device(facts, device);
  return facts;
}

}  // namespace minikvm::cli
