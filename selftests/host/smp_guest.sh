#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Linux guests with several CPUs through `minikvm run`, on $MINIKVM_DEVICE, with a load of messages, timers and remote TLB
# flushes (scripts/guest/stress.c), which move between their CPUs; they power off through ACPI and complain of nothing.
# smp_guest.sh KERNEL [SECONDS [CPUS[:IRQCHIP]...]]: SECONDS of guest time, default 20; CPUS, default 2 and 4; IRQCHIP as
# `minikvm run --irqchip` takes it, default kernel.
. ./tap.sh

load_module

kernel=$1
seconds=${2:-20}
[ $# -lt 2 ] || shift
shift

# As in linux_guest.sh; and what goes wrong when CPUs do not hear of one another or disagree about the time.
look="dmesg | grep -E -A 12 'WARNING: CPU|BUG:|Oops|unchecked MSR|Call Trace|rcu.*(stall|detected)|soft lockup|clocksource.*(unstable|skew)|cycles TSC warp|APIC.*(error|mismatch)|IO-APIC.*(bug|fail)|smpboot: do_boot_cpu failed|ACPI (BIOS )?(Error|Warning)|\[Firmware' | sed 's/^/complaint: /'"
# A guest on a busy emulator may not run for 20 seconds: watchdog_thresh. QEMU does not intercept XSETBV: one on KVM warns of "XSAVE consistency".
workaround=
[ "$device" = /dev/minikvm ] || ! grep -qs QEMU /sys/class/dmi/id/sys_vendor || workaround=noxsave

# boot CPUS IRQCHIP COMMAND: the guest's console into /tmp/console, the exit status of minikvm as ours.
boot() {
	./minikvm run --device "$device" -k "vmlinuz-$kernel" -i initrd.gz -c "$1" --irqchip "$2" -p "quiet cryptomgr.notests watchdog_thresh=60 $workaround minikvm.run64=$(printf '%s' "$3" | base64 -w0)" \
		--timeout "${GUEST_TIMEOUT:-900}" --serial file:/tmp/console </dev/null
}

no_complaints() { ! grep -E 'complaint: |BUG:|Oops' /tmp/console; }
console_says() { grep -q -- "$1" /tmp/console || { sed 's/^/# /' /tmp/console; return 1; }; }

./minikvm run --device "$device" -k tap.sh --flat 16 -m 2M -c 2 --serial null --timeout 1 </dev/null >/tmp/run.log 2>&1
[ $? -ne 3 ] || skip_all "no guests with two CPUs: $(cat /tmp/run.log)"
[ $# -gt 0 ] || set -- 2 4
for how; do
	split_guest "$how"
	what="guest $kernel, CPUs: $cpus, irqchip $irqchip"
	check "$what: it powers off by ACPI, after $seconds seconds of load" boot "$cpus" "$irqchip" \
		"grep -c ^processor /proc/cpuinfo | sed 's/^/cpus /'; stress $seconds; $look; busybox poweroff -f"
	check "$what: it has them" console_says "^cpus $cpus"
	check "$what: the load is content" console_says "^stress: .* messages, .*, all well"
	check "$what: it complains of nothing" no_complaints
	grep '^stress: ' /tmp/console | tail -n 1 | sed "s/^/# $how: /"
done
done_testing
