// SPDX-License-Identifier: GPL-2.0-only
// What there is to know about this machine before the module is loaded. Plain
// data, so that the verdicts on it can be tested with machines we do not have.
#pragma once

#include <linux/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "abi/kvm.h"
#include "minikvm.h"

namespace minikvm::cli {

struct VmxMsrs {
  uint64_t feature_control = 0;
  mkvm_vmx_caps caps{};  // zero when the CPU is without VMX
};

struct KvmModule {
  bool loaded = false;
  unsigned users = 0;  // its reference count: running VMs
};

struct Facts {
  std::string cpu_vendor;  // CPUID leaf 0: "GenuineIntel"
  unsigned cpus = 0;
  bool vmx = false;
  bool svm = false;
  std::string hypervisor;   // its signature in CPUID; "?" if it has none; empty on bare metal
  bool kernel_vmx = false;  // "vmx" in /proc/cpuinfo: the kernel found it turned on
  bool kernel_svm = false;  // "svm" there
  uint32_t svm_features = 0, svm_asids = 0;  // CPUID 8000_000A EDX and EBX
  std::optional<VmxMsrs> msrs;
  std::string msr_problem;  // why msrs is empty

  std::string architecture;         // uname -m
  std::string kernel;               // uname -r
  std::optional<bool> secure_boot;  // empty: no UEFI, or it does not say
  std::string lockdown;             // the mode in force; empty: not built in
  bool signed_modules_only = false;

  bool module_loaded = false;
  KvmModule kvm_intel, kvm_amd;
  bool device_exists = false;
  int device_error = 0;  // errno of opening it
  unsigned device_mode = 0;
};

Facts probe(const std::string& device);

}  // namespace minikvm::cli
