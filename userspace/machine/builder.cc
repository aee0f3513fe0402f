// SPDX-License-Identifier: GPL-2.0-only
// From a configuration to a machine. Read build() first.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "machine/cpuid.h"
#include "machine/machine.h"
#include "machine/snapshot_file.h"
#include "memory/layout.h"

namespace minikvm {
namespace {

constexpr uint64_t kApicBaseEnable = 1 << 11;  // SDM vol. 3, "Local APIC Status and Location"

bool has_irqchip(const abi::System& system) {
  return system.check_extension(KVM_CAP_IRQCHIP) != 0 && system.check_extension(KVM_CAP_PIT2) != 0;
}

Error cannot(const abi::System& system, std::string why) {
  return {0, "build the machine", system.device(), std::move(why), Error::Blame::device};
}

bool has_split_irqchip(const abi::System& system) {
  return system.check_extension(KVM_CAP_SPLIT_IRQCHIP) != 0 &&
         system.check_extension(KVM_CAP_SIGNAL_MSI) != 0 &&
         system.check_extension(KVM_CAP_IRQ_ROUTING) != 0;
}

Irqchip default_irqchip(const abi::System& system) {
  return has_irqchip(system) ? Irqchip::kernel : Irqchip::off;
}

Result<> check_irqchip(const abi::System& system, Irqchip irqchip, size_t cpus) {
  if (irqchip == Irqchip::kernel && !has_irqchip(system))
    return fail(cannot(system, "it has no interrupt controllers; use --irqchip off"));
  if (irqchip == Irqchip::split && !has_split_irqchip(system))
    return fail(cannot(system, "it has no split irqchip; use --irqchip kernel or off"));
  if (cpus > 1 && irqchip == Irqchip::off)
    return fail(cannot(system, "it has no local APICs, so there can be one CPU only"));
  const int most = std::max(system.check_extension(KVM_CAP_MAX_VCPUS), 1);
  if (cpus > static_cast<size_t>(most))
    return fail(cannot(system, fmt::format("it takes {} CPUs at most", most)));
  return {};
}

Result<> create_irqchip(const abi::Vm& vm, Irqchip irqchip) {
  if (irqchip == Irqchip::split) return vm.create_split_irqchip(IoApic::kPins);
  if (irqchip == Irqchip::off) return {};
  TRY(vm.create_irqchip());
  return vm.create_pit();
}

Result<abi::Vm> create_vm(const abi::System& system, const GuestMemory& ram, Irqchip irqchip) {
  abi::Vm vm = TRY(system.create_vm());
  // Without unrestricted guest, VT-x needs room for these; others ignore it.
  if (system.check_extension(KVM_CAP_SET_TSS_ADDR)) TRY(vm.set_tss_address(layout::kTss));
  if (system.check_extension(KVM_CAP_SET_IDENTITY_MAP_ADDR))
    TRY(vm.set_identity_map_address(layout::kIdentityMap));
  uint32_t slot = 0;
  for (const auto& region : ram.regions())
    TRY(vm.set_memory(slot++, raw(region.base), region.bytes));
  TRY(create_irqchip(vm, irqchip));
  return vm;
}

uint32_t tsc_khz(const abi::System& system, const abi::Vcpu& vcpu) {
  if (system.check_extension(KVM_CAP_GET_TSC_KHZ))
    if (const auto khz = vcpu.tsc_khz(); khz && *khz != 0) return *khz;
  return measure_tsc_khz();
}

Result<std::vector<abi::Vcpu>> create_vcpus(const abi::System& system, const abi::Vm& vm,
                                            unsigned count, bool apic) {
  const auto supported = TRY(system.supported_cpuid());
  const bool tsc_deadline = apic && system.check_extension(KVM_CAP_TSC_DEADLINE_TIMER) != 0;
  std::vector<abi::Vcpu> vcpus;
  uint32_t khz = 0;
  for (unsigned id = 0; id < count; ++id) {
    vcpus.push_back(TRY(vm.create_vcpu(id)));
    if (id == 0) khz = tsc_khz(system, vcpus[0]);
    const GuestCpu cpu{
        .tsc_khz = khz, .apic = apic, .tsc_deadline = tsc_deadline, .id = id, .count = count};
    TRY(vcpus[id].set_cpuid(guest_cpuid(supported, cpu)));
  }
  return vcpus;
}

// The first CPU starts here; the others wait until it starts them.
Result<> set_entry(const abi::Vcpu& vcpu, const boot::Entry& entry, bool apic) {
  kvm_regs regs = TRY(vcpu.regs());
  kvm_sregs sregs = TRY(vcpu.sregs());
  boot::apply(entry, regs, sregs);
  // KVM shows the APIC in CPUID as long as this says that it is enabled.
  if (!apic) sregs.apic_base &= ~kApicBaseEnable;
  TRY(vcpu.set_sregs(sregs));
  return vcpu.set_regs(regs);
}

Result<Fd> open_serial(const SerialConfig& serial) {
  if (serial.kind != SerialConfig::Kind::file) return Fd{};
  return Fd::open(serial.path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
}

BoardConfig board_config(const SerialConfig& serial, const Fd& file, const GuestMemory& ram,
                         Irqchip irqchip) {
  using std::chrono::nanoseconds, std::chrono::system_clock;
  const auto now = nanoseconds{system_clock::now().time_since_epoch()};
  const bool stdio = serial.kind == SerialConfig::Kind::stdio;
  return {.irqchip = irqchip,
          .serial_fd = stdio ? STDOUT_FILENO : file.get(),
          .unix_ns = static_cast<uint64_t>(now.count()),
          .cmos = {.below_4g = raw(ram.low_end()), .above_4g = ram.size() - raw(ram.low_end())}};
}

// Without APICs there is nothing that the tables would have to tell.
boot::BootConfig boot_config(const MachineConfig& config, bool apic) {
  boot::BootConfig boot = config.boot;
  boot.acpi_cpus = apic ? config.cpus : 0;
  return boot;
}

void start_alarm(std::optional<std::chrono::milliseconds> after, const Clock& clock,
                 const Alarm& alarm) {
  if (!after) return;
  const std::chrono::nanoseconds ns{*after};
  alarm.set(clock.now_ns() + static_cast<uint64_t>(ns.count()));
}

Result<Parts> parts_for_boot(const abi::System& system, const MachineConfig& config) {
  const Irqchip irqchip = config.irqchip.value_or(default_irqchip(system));
  TRY(check_irqchip(system, irqchip, config.cpus));
  const bool apic = irqchip != Irqchip::off;
  GuestMemory ram = TRY(GuestMemory::create(config.ram_bytes));
  const boot::Entry entry = TRY(boot::load(boot_config(config, apic), ram));
  abi::Vm vm = TRY(create_vm(system, ram, irqchip));
  std::vector<abi::Vcpu> vcpus = TRY(create_vcpus(system, vm, config.cpus, apic));
  TRY(set_entry(vcpus[0], entry, apic));
  return Parts{std::move(ram), std::move(vm), std::move(vcpus), irqchip};
}

Result<Parts> parts_for_restore(const abi::System& system, const SnapshotFile& file) {
  const Snapshot& snapshot = file.snapshot();
  TRY(check_irqchip(system, snapshot.irqchip, snapshot.cpus.size()));
  TRY(check_snapshot(system, snapshot));
  GuestMemory ram = TRY(GuestMemory::create(snapshot.ram_bytes));
  TRY(file.load_memory(ram));
  abi::Vm vm = TRY(create_vm(system, ram, snapshot.irqchip));
  std::vector<abi::Vcpu> vcpus;
  for (unsigned id = 0; id < snapshot.cpus.size(); ++id) vcpus.push_back(TRY(vm.create_vcpu(id)));
  return Parts{std::move(ram), std::move(vm), std::move(vcpus), snapshot.irqchip};
}

}  // namespace

Result<std::unique_ptr<Machine>> build(const MachineConfig& config) {
  TRY(validate(config));
  abi::System system = TRY(abi::System::open(config.device));
  Wakeups wakeups = TRY(Wakeups::create());
  std::optional<SnapshotFile> saved;
  if (!config.restore.empty()) saved.emplace(TRY(SnapshotFile::open(config.restore)));
  Parts parts = TRY(saved ? parts_for_restore(system, *saved) : parts_for_boot(system, config));

  auto m = std::make_unique<Machine>(std::move(system), std::move(parts), std::move(wakeups));
  m->snapshot_path_ = config.snapshot;
  m->serial_file_ = TRY(open_serial(config.serial));
  m->board_ = TRY(Board::create(board_config(config.serial, m->serial_file_, m->ram_, m->irqchip_),
                                m->clock_, m->board_events()));
  m->start_threads();
  if (saved) TRY(m->restore(saved->snapshot()));
  TRY(m->watch(config));
  start_alarm(config.timeout, m->clock_, m->wakeups_.timeout);
  start_alarm(config.snapshot_after, m->clock_, m->wakeups_.snapshot);
  return m;
}

}  // namespace minikvm
