#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Ticks on minikvm and on KVM, one after the other in one host: lines "bench DEVICE OPERATION TICKS" for scripts/bench.
# bench.sh KERNEL: the Linux guest to boot on both. Needs the kvm module of the vendor for modprobe.
. ./tap.sh
trap - EXIT			# it measures and tests nothing

kernel=$1
kvm=kvm_intel
grep -qw vmx /proc/cpuinfo || kvm=kvm_amd

# The host's clock follows its TSC: in an emulator both count instructions.
khz=$(dmesg | sed -n 's/.*tsc: Detected \([0-9]*\)\.\([0-9]*\) MHz TSC.*/\1\2/p' | tail -n 1)
[ -n "$khz" ] || khz=$(dmesg | sed -n 's/.*tsc: Detected \([0-9]*\)\.\([0-9]*\) MHz processor.*/\1\2/p' | tail -n 1)
uptime_ms() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }

# Without "rep movsb" (REP_GOOD, ERMS), which KVM's guest has not as long as userspace leaves IA32_MISC_ENABLE alone: in
# Bochs each byte of it is an instruction.
boot_guest() {
	start=$(uptime_ms)
	./minikvm run --device "$1" -k "vmlinuz-$kernel" -i initrd.gz -p "quiet clearcpuid=297,112 minikvm.run=true" --serial null \
		--timeout 900 </dev/null || echo "bench: the guest on $1 failed" >&2
	echo "bench ${1#/dev/} guest_boot $((($(uptime_ms) - start) * khz))"
}

measure() {
	MINIKVM_DEVICE=$1 ../bench | sed -n "s#^bench #bench ${1#/dev/} #p"
	boot_guest "$1"
}

insmod "$module" && measure /dev/minikvm && rmmod minikvm || exit 1
modprobe $kvm && measure /dev/kvm && modprobe -r $kvm
