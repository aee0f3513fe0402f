#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The same guest on minikvm and on the host's KVM, one after the other: its console says the same.
# differential.sh KERNEL [OPTION]...: vmlinuz-KERNEL and initrd.gz beside this script, options for `minikvm run`. Needs
# the vendor's KVM for modprobe.
. ./tap.sh

kernel=$1
shift
kvm=kvm_intel
grep -qw vmx /proc/cpuinfo || kvm=kvm_amd

# Without what differs from boot to boot: times before each line, random addresses, the initial file system unpacked
# beside everything else, and a watchdog of the clock that complains when the host is busy. Without XSAVE: in QEMU a guest
# on KVM warns of it. Without mitigations: KVM offers SSBD.
parameters="printk.time=0 nokaslr initramfs_async=0 tsc=reliable cryptomgr.notests noxsave mitigations=off"

# What a guest sees of its machine, and that it computes. Of the CPU not what KVM offers otherwise (flags, and with them
# bugs; no name; a revision of the microcode), nor what is measured.
# shellcheck disable=SC2016  # for the guest's shell
look='cat /proc/iomem /proc/ioports /proc/devices /sys/devices/system/clocksource/clocksource0/*_clocksource
grep -vE "^(flags|bugs|model name|microcode|cpu MHz|bogomips)" /proc/cpuinfo; awk "{ print \$1, \$3, \$4, \$5 }" /proc/interrupts
seq 20000 | sha256sum; sh -c "exit 7"; echo exit status $?'

# boot DEVICE CONSOLE OPTION...
boot() {
	hypervisor=$1 console=$2
	shift 2
	./minikvm run --device "$hypervisor" -k "vmlinuz-$kernel" -i initrd.gz --timeout "${GUEST_TIMEOUT:-600}" \
		--serial "file:$console" -p "$parameters minikvm.run64=$(printf '%s' "$look" | base64 -w0)" "$@" </dev/null
}

# What is another at each boot, on one hypervisor, too:
#   sched offset: the time stamp counter as it was when the clock was first read
#   audit(...), setting system clock: the time of day
#   Marking stable: the time since the boot
# What KVM does otherwise on purpose:
#   Last level ?TLB: KVM does not pass the leaf with the sizes for big pages
#   HYP: KVM offers asynchronous page faults
#   smpboot: KVM passes no name of the CPU
#   VT-x: KVM has fast strings off in IA32_MISC_ENABLE, emulates UMIP, and offers VMX (in cpuinfo: vmx flags)
# and what depends on when a thread of the guest's kernel had its turn: the line of audit, the clock sources of before
comparable() {
	sed -E 's/(using sched offset of )[0-9]+/\1N/; s/audit\([0-9.]+:/audit(T:/; s/(setting system clock to ).*/\1T/
		s/(sched_clock: Marking stable).*/\1/; /^Last level [id]TLB/d
		s/^(smpboot: CPU0: ).*\(family/\1(family/; /^Disabled fast string/d; /User Mode Instruction Prev/d; /^vmx flags/d
		/^audit: type=2000/d; /^HYP:/d; s/ refined-jiffies jiffies//' "$1"
}

alike() {
	comparable /tmp/console.minikvm >/tmp/ours
	comparable /tmp/console.kvm >/tmp/theirs
	diff /tmp/ours /tmp/theirs
}

long_enough() { [ "$(wc -l </tmp/ours)" -gt 200 ] && grep -q '^exit status 7' /tmp/ours; }

is_loaded minikvm || check "insmod" insmod "$module"
check "a $kernel guest on minikvm" boot /dev/minikvm /tmp/console.minikvm "$@"
check "rmmod" rmmod minikvm
check "KVM loads" modprobe $kvm
check "a $kernel guest on KVM" boot /dev/kvm /tmp/console.kvm "$@"
check "their consoles say the same" alike
check "and say much" long_enough
modprobe -r $kvm
done_testing
