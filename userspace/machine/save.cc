// SPDX-License-Identifier: GPL-2.0-only
// A running machine to a snapshot, and a snapshot to a machine.
#include <fmt/format.h>
#include <x86intrin.h>

#include <cstdio>

#include "machine/cpuid.h"
#include "machine/machine.h"
#include "machine/snapshot_file.h"

namespace minikvm {
namespace {

struct Needed {
  uint32_t capability;
  const char* name;
};
constexpr Needed kAlways[] = {
    {KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE"},
    {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"},
    {KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS"},
};
// As much of these as the device that saved had.
constexpr Needed kIfThere[] = {
    {KVM_CAP_XSAVE, "KVM_CAP_XSAVE"},
    {KVM_CAP_XCRS, "KVM_CAP_XCRS"},
    {KVM_CAP_ADJUST_CLOCK, "KVM_CAP_ADJUST_CLOCK"},
};
constexpr Needed kOfLocalApic[] = {
    {KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER"},
};
constexpr Needed kOfIrqchip[] = {
    {KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},
    {KVM_CAP_PIT2, "KVM_CAP_PIT2"},
    {KVM_CAP_PIT_STATE2, "KVM_CAP_PIT_STATE2"},
};

std::string name_of(uint32_t capability) {
  for (const auto list :
       {std::span<const Needed>{kAlways}, {kIfThere}, {kOfLocalApic}, {kOfIrqchip}})
    for (const Needed& needed : list)
      if (needed.capability == capability) return needed.name;
  return fmt::format("capability {}", capability);
}

Result<std::vector<Snapshot::Capability>> needed_capabilities(const abi::System& system,
                                                              Irqchip irqchip) {
  std::vector<Snapshot::Capability> needed;
  for (const Needed& n : kAlways) {
    if (system.check_extension(n.capability) == 0)
      return fail({0, "snapshot", system.device(), fmt::format("it has no {}", n.name),
                   Error::Blame::device});
    needed.push_back({n.capability, 1});
  }
  const auto add = [&](const Needed& n) {
    if (system.check_extension(n.capability) != 0) needed.push_back({n.capability, 1});
  };
  for (const Needed& n : kIfThere) add(n);
  if (irqchip != Irqchip::off)
    for (const Needed& n : kOfLocalApic) add(n);
  if (irqchip == Irqchip::kernel)
    for (const Needed& n : kOfIrqchip) add(n);
  return needed;
}

// All TSCs as they were at one moment, however long it took to read them.
Result<> save_tscs(std::span<const abi::Vcpu> vcpus, std::vector<uint64_t>& tscs) {
  const uint64_t moment = __rdtsc();
  for (const abi::Vcpu& vcpu : vcpus) {
    const uint64_t before = __rdtsc();
    tscs.push_back(TRY(vcpu.tsc()) - (before - moment));
  }
  return {};
}

Result<> restore_tscs(std::span<const abi::Vcpu> vcpus, std::span<const uint64_t> tscs) {
  const uint64_t moment = __rdtsc();
  for (size_t i = 0; i < vcpus.size(); ++i) TRY(vcpus[i].set_tsc(tscs[i] + (__rdtsc() - moment)));
  return {};
}

}  // namespace

Result<> check_snapshot(const abi::System& system, const Snapshot& snapshot) {
  const auto refuse = [&](std::string why) {
    return fail({0, "restore on", system.device(), std::move(why), Error::Blame::device});
  };
  for (const auto& [capability, value] : snapshot.capabilities)
    if (const int here = system.check_extension(capability); here < value)
      return refuse(
          fmt::format("the snapshot needs {}, which this device has not", name_of(capability)));
  const auto supported = TRY(system.supported_cpuid());
  if (!same_vendor(snapshot.cpus[0].state.cpuid, supported))
    return refuse("the snapshot is from another vendor's CPU");
  for (const Snapshot::Cpu& cpu : snapshot.cpus)
    if (const std::string missing = missing_features(cpu.state.cpuid, supported); !missing.empty())
      return refuse("the snapshot needs CPU features that are not there: CPUID " + missing);
  return {};
}

// Where nothing is said, the machine goes on.
void Machine::save() {
  const auto say = [](const std::string& text) { fmt::print(stderr, "minikvm: {}\n", text); };
  if (snapshot_path_.empty()) return say("there is no --snapshot FILE to save to");
  auto done = pause_all();
  if (notes_.outcome()) return;  // it ended before that
  if (done) {
    const auto snapshot = state();
    done = snapshot ? write_snapshot(snapshot_path_, *snapshot, ram_) : fail(snapshot.error());
  }
  if (done) return notes_.end({Ending::saved, snapshot_path_});
  say("not saved: " + done.error().text());
  for (const auto& thread : threads_) thread->run();
}

Result<> Machine::pause_all() {
  for (const auto& thread : threads_) thread->ask_to_pause();
  for (const auto& thread : threads_)
    if (!thread->pause())
      return fail({ETIMEDOUT, "pause the machine", {}, "a CPU is stuck, writing serial output"});
  return {};
}

Result<Snapshot> Machine::state() {
  board_->flush_output();
  Snapshot s{};
  s.ram_bytes = ram_.size();
  s.irqchip = irqchip_;
  s.capabilities = TRY(needed_capabilities(system_, irqchip_));
  const auto has = [&](uint32_t capability) { return system_.check_extension(capability) != 0; };
  const bool kernel = irqchip_ == Irqchip::kernel;
  s.vm = TRY(vm_.save(kernel, kernel, has(KVM_CAP_ADJUST_CLOCK)));
  TRY(save_tscs(vcpus_, s.tscs));
  const auto msrs = TRY(system_.msr_indices());
  for (size_t i = 0; i < vcpus_.size(); ++i)
    s.cpus.push_back({TRY(vcpus_[i].save(msrs, has(KVM_CAP_XSAVE), irqchip_ != Irqchip::off)),
                      threads_[i]->halted()});
  s.board = board_->save();
  return s;
}

// Of a new machine, whose memory is there already.
Result<> Machine::restore(const Snapshot& s) {
  for (size_t i = 0; i < vcpus_.size(); ++i) {
    TRY(vcpus_[i].restore(s.cpus[i].state));
    threads_[i]->set_halted(s.cpus[i].halted);
  }
  // After the local APICs: an interrupt that waits in the I/O APIC goes there now.
  TRY(vm_.restore(s.vm));
  TRY(board_->restore(s.board));
  TRY(restore_tscs(vcpus_, s.tscs));
  TRY(vm_.restore_clock(s.vm));
  for (size_t i = 0; i < vcpus_.size(); ++i) TRY(vcpus_[i].restore_deadline(s.cpus[i].state));
  return {};
}

}  // namespace minikvm
