// SPDX-License-Identifier: GPL-2.0-only
// From a configuration to a machine. Read build() first.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>

#include "machine/cpuid.h"
#include "machine/machine.h"
#include "memory/layout.h"

namespace minikvm {
namespace {

constexpr uint64_t kApicBaseEnable = 1 << 11;  // SDM vol. 3, "Local APIC Status and Location"

Result<abi::Vm> create_vm(const abi::System& system, const GuestMemory& ram) {
  abi::Vm vm = TRY(system.create_vm());
  // Without unrestricted guest, VT-x needs room for these; others ignore it.
  if (system.check_extension(KVM_CAP_SET_TSS_ADDR)) TRY(vm.set_tss_address(layout::kTss));
  if (system.check_extension(KVM_CAP_SET_IDENTITY_MAP_ADDR))
    TRY(vm.set_identity_map_address(layout::kIdentityMap));
  uint32_t slot = 0;
  for (const auto& region : ram.regions())
    TRY(vm.set_memory(slot++, raw(region.base), region.bytes));
  return vm;
}

uint32_t tsc_khz(const abi::System& system, const abi::Vcpu& vcpu) {
  if (system.check_extension(KVM_CAP_GET_TSC_KHZ))
    if (const auto khz = vcpu.tsc_khz(); khz && *khz != 0) return *khz;
  return measure_tsc_khz();
}

Result<abi::Vcpu> create_vcpu(const abi::System& system, const abi::Vm& vm,
                              const boot::Entry& entry) {
  abi::Vcpu vcpu = TRY(vm.create_vcpu(0));
  TRY(vcpu.set_cpuid(guest_cpuid(TRY(system.supported_cpuid()), tsc_khz(system, vcpu))));
  kvm_regs regs = TRY(vcpu.regs());
  kvm_sregs sregs = TRY(vcpu.sregs());
  boot::apply(entry, regs, sregs);
  // KVM shows the APIC in CPUID as long as this says that it is enabled.
  sregs.apic_base &= ~kApicBaseEnable;
  TRY(vcpu.set_sregs(sregs));
  TRY(vcpu.set_regs(regs));
  return vcpu;
}

Result<Fd> open_serial(const SerialConfig& serial) {
  if (serial.kind != SerialConfig::Kind::file) return Fd{};
  return Fd::open(serial.path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
}

BoardConfig board_config(const SerialConfig& serial, const Fd& file, const GuestMemory& ram) {
  using std::chrono::nanoseconds, std::chrono::system_clock;
  const auto now = nanoseconds{system_clock::now().time_since_epoch()};
  const bool stdio = serial.kind == SerialConfig::Kind::stdio;
  return {.serial_fd = stdio ? STDOUT_FILENO : file.get(),
          .unix_ns = static_cast<uint64_t>(now.count()),
          .cmos = {.below_4g = raw(ram.low_end()), .above_4g = ram.size() - raw(ram.low_end())}};
}

void start_timeout(const MachineConfig& config, const Clock& clock, const Alarm& alarm) {
  if (!config.timeout) return;
  const std::chrono::nanoseconds timeout{*config.timeout};
  alarm.set(clock.now_ns() + static_cast<uint64_t>(timeout.count()));
}

}  // namespace

Result<std::unique_ptr<Machine>> build(const MachineConfig& config) {
  TRY(validate(config));
  const abi::System system = TRY(abi::System::open(config.device));
  Wakeups wakeups = TRY(Wakeups::create());
  GuestMemory ram = TRY(GuestMemory::create(config.ram_bytes));
  const boot::Entry entry = TRY(boot::load(config.boot, ram));
  abi::Vm vm = TRY(create_vm(system, ram));
  abi::Vcpu vcpu = TRY(create_vcpu(system, vm, entry));

  auto m =
      std::make_unique<Machine>(std::move(ram), std::move(wakeups), std::move(vm), std::move(vcpu));
  m->serial_file_ = TRY(open_serial(config.serial));
  m->board_ = TRY(Board::create(board_config(config.serial, m->serial_file_, m->ram_), m->clock_,
                                m->board_events()));
  m->thread_ = std::make_unique<VcpuThread>(m->vcpu_, *m->board_,
                                            [machine = m.get()](const Outcome& outcome) {
                                              machine->board_->flush_output();
                                              machine->notes_.end(outcome);
                                            });
  TRY(m->watch(config));
  start_timeout(config, m->clock_, m->wakeups_.timeout);
  return m;
}

}  // namespace minikvm
