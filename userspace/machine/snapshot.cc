// SPDX-License-Identifier: GPL-2.0-only
#include "machine/snapshot.h"

#include <algorithm>

#include "machine/archive.h"

namespace minikvm {

namespace abi {

template <class Archive>
void fields(Archive& a, VcpuState& s) {
  a(s.cpuid, s.msrs, s.regs, s.sregs, s.events, s.debugregs, s.mp_state, s.xsave, s.xcrs, s.fpu,
    s.lapic);
}
template <class Archive>
void fields(Archive& a, VmState& s) {
  a(s.irqchip, s.pit, s.clock);
}

}  // namespace abi

template <class Archive>
void fields(Archive& a, Serial::Received& s) {
  a(s.data, s.errors);
}
template <class Archive>
void fields(Archive& a, Serial::State& s) {
  a(s.ier, s.lcr, s.mcr, s.scratch, s.fcr, s.errors, s.deltas, s.divisor, s.thr_empty_pending,
    s.mcr_written, s.polled, s.fifo, s.fifo_count);
}
template <class Archive>
void fields(Archive& a, Rtc::State& s) {
  a(s.ram, s.index, s.seconds, s.phase_ns, s.seen_ticks);
}
template <class Archive>
void fields(Archive& a, I8042::State& s) {
  a(s.configuration, s.output_port, s.awaiting, s.output, s.full, s.timeout, s.last_was_command);
}
template <class Archive>
void fields(Archive& a, ResetControl::State& s) {
  a(s.value);
}
template <class Archive>
void fields(Archive& a, SystemControlA::State& s) {
  a(s.value);
}
template <class Archive>
void fields(Archive& a, PowerManagement::State& s) {
  a(s.enable, s.control);
}
template <class Archive>
void fields(Archive& a, PicPair::State& s) {
  a(s.pic);
}
template <class Archive>
void fields(Archive& a, IntervalTimer::State& s) {
  a(s.pit, s.elapsed_ns);
}
template <class Archive>
void fields(Archive& a, IoApic::State& s) {
  for (auto& entry : s.io.entry) a(entry);
  a(s.io.high, s.io.delivered, s.io.select, s.io.id);
}
template <class Archive>
void fields(Archive& a, Board::State& s) {
  a(s.serial, s.rtc, s.i8042, s.reset_control, s.system_control, s.power_management, s.pic, s.pit,
    s.ioapic);
}
template <class Archive>
void fields(Archive& a, Snapshot::Capability& s) {
  a(s.number, s.value);
}
template <class Archive>
void fields(Archive& a, Snapshot::Cpu& s) {
  a(s.state, s.halted);
}
template <class Archive>
void fields(Archive& a, Snapshot& s) {
  a(s.ram_bytes, s.irqchip, s.capabilities, s.cpus, s.tscs, s.vm, s.board);
}

namespace {

bool valid(const Snapshot::Cpu& cpu, Irqchip irqchip) {
  const abi::VcpuState& s = cpu.state;
  const bool fpu = s.xsave ? s.xcrs && !s.fpu : s.fpu && !s.xcrs;
  const bool apic = irqchip != Irqchip::off;
  return fpu && s.lapic.has_value() == apic && !(apic && cpu.halted) && s.cpuid.size() <= 256;
}

bool valid(const Snapshot& s) {
  const bool kernel = s.irqchip == Irqchip::kernel, off = s.irqchip == Irqchip::off;
  if (!kernel && !off && s.irqchip != Irqchip::split) return false;
  return s.ram_bytes >= kLeastRam && s.ram_bytes <= kMostRam && s.ram_bytes % kPageSize == 0 &&
         !s.cpus.empty() && s.cpus.size() <= (off ? 1 : kMostCpus) &&
         s.tscs.size() == s.cpus.size() && s.vm.irqchip.has_value() == kernel &&
         s.vm.pit.has_value() == kernel && s.board.pic.has_value() == !kernel &&
         s.board.pit.has_value() == !kernel &&
         s.board.ioapic.has_value() == (s.irqchip == Irqchip::split) &&
         std::ranges::all_of(s.cpus, [&](const auto& cpu) { return valid(cpu, s.irqchip); });
}

}  // namespace

std::vector<std::byte> encode(const Snapshot& snapshot) {
  Writer writer;
  writer(const_cast<Snapshot&>(snapshot));  // fields() serves readers, too; a Writer only reads
  return writer.take();
}

Result<Snapshot> decode(std::span<const std::byte> bytes) {
  Reader reader{bytes};
  Snapshot snapshot;
  reader(snapshot);
  if (reader.complete() && valid(snapshot)) return snapshot;
  return fail({0, "snapshot", {}, "corrupt: this is no state of a machine", Error::Blame::image});
}

}  // namespace minikvm
