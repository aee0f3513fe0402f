#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Linux guests through `minikvm run`, on $MINIKVM_DEVICE: they boot, run a command and power off. Meanwhile the
# threads of minikvm move between the CPUs, where there are two.
# linux_guest.sh KERNEL...: each a file vmlinuz-KERNEL beside this script, with initrd.gz.
. ./tap.sh

load_module

# Where there are several CPUs: all threads of process $1 from one to the next, as long as it lives.
keep_moving() {
	[ "$(usable_cpus | wc -l)" -gt 1 ] || return
	while kill -0 "$1" 2>/dev/null; do
		for cpu in $(usable_cpus); do
			for task in /proc/"$1"/task/*; do
				taskset -pc "$cpu" "${task##*/}" >/dev/null 2>&1
			done
			usleep 5000
		done
	done
}

# boot KERNEL COMMAND: the guest's console into /tmp/console, the exit status of minikvm as ours.
boot() {
	./minikvm run --device "$device" -k "vmlinuz-$1" -i initrd.gz -p "quiet minikvm.run64=$(printf '%s' "$2" | base64 -w0)" \
		--timeout "${GUEST_TIMEOUT:-600}" --serial file:/tmp/console </dev/null &
	guest=$!
	keep_moving "$guest" &
	wait "$guest"
}

# The console is quiet: the guest looks into its own log.
look="dmesg | grep -E -A 12 'WARNING: CPU|BUG:|Oops|unchecked MSR|Call Trace' | sed 's/^/complaint: /'"
no_complaints() { ! grep -E 'complaint: |BUG:|Oops' /tmp/console; }
console_says() { grep -q -- "$1" /tmp/console; }

for kernel; do
	check "guest $kernel boots, runs a command and powers off" boot "$kernel" "echo answer \$((6 * 7)); $look"
	release=$kernel
	[ "$kernel" != sid ] || release='[0-9]*'		# it moves
	check "guest $kernel says where it runs" console_says "minikvm guest: Linux $release\..* in \(VMX non-root operation\|SVM guest mode\)"
	check "guest $kernel ran the command" console_says "^answer 42"
	check "guest $kernel complains of nothing" no_complaints
done
done_testing
