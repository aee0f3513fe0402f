#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# An idle Linux guest costs its host next to no CPU time: who waits in HLT sleeps. On $MINIKVM_DEVICE.
# idle_guest.sh KERNEL [SECONDS [CPUS[:IRQCHIP]...]]: watched for SECONDS, default 20; CPUS, default 1; IRQCHIP as in smp_guest.sh.
. ./tap.sh

load_module

kernel=$1
seconds=${2:-20}
[ $# -lt 2 ] || shift
shift

ready() {
	for _ in $(seq 1500); do
		! grep -q '^idle now' /tmp/console || return 0
		kill -0 "$guest" 2>/dev/null || return 1
		usleep 200000
	done
	return 1
}

# utime and stime of all its threads, in hundredths of a second
ticks_of() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
uptime_ticks() { awk '{ print int($1 * 100) }' /proc/uptime; }

# watch: the guest's and the host's ticks while it sleeps, in $cost and $time.
watch() {
	sleep 2
	cost=$(ticks_of "$guest")
	time=$(uptime_ticks)
	sleep "$seconds"
	cost=$(($(ticks_of "$guest") - cost))
	time=$(($(uptime_ticks) - time))
}

[ $# -gt 0 ] || set -- 1
for how; do
	split_guest "$how"
	what="guest $kernel, CPUs: $cpus, irqchip $irqchip"
	: >/tmp/console
	./minikvm run --device "$device" -k "vmlinuz-$kernel" -i initrd.gz -c "$cpus" --irqchip "$irqchip" --serial file:/tmp/console \
		-p "quiet cryptomgr.notests minikvm.run64=$(printf 'echo idle now; sleep 100000' | base64 -w0)" </dev/null &
	guest=$!
	check "$what: it boots" ready
	watch
	# One that spins takes all the time of a CPU.
	check "$what: idle, it takes less than a fifth of a CPU" test $((5 * cost)) -lt "$time"
	echo "# $how: $cost hundredths of a second in $time"
	kill "$guest"
	wait "$guest" 2>/dev/null
done
done_testing
