#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The machine sleeps (S3) and hibernates with a guest running, which runs on afterwards. Bochs wakes up by itself; a
# real machine has to be woken. Hibernation goes as far as the image in memory: there is no swap to write it to, so the
# kernel thaws everything again. ("freeze" needs a wake-up and does not turn VMX off.)
. ./tap.sh

has_state() { grep -qw "$1" /sys/power/state; }
sleeps() { echo mem >/sys/power/state; }

hibernates() {
	! echo disk >/sys/power/state || return 1	# it is not to succeed without swap
	log_says 'hibernation: Image created' || { dmesg | grep PM: | sed 's/^/# /'; return 1; }
} 2>/dev/null

grep -q / /proc/swaps && skip_all "this would hibernate: there is swap"
load_module
check "start a guest" hold_start /dev/minikvm run
check "it runs" guest_runs
if has_state mem; then
	for round in 1 2; do
		check "sleep and wake up, $round" sleeps
		check "it runs afterwards, $round" guest_runs
	done
else
	ok "sleep # SKIP no mem in /sys/power/state"
fi
if has_state disk; then
	forget_log
	check "create a hibernation image" hibernates
	check "it runs after that" guest_runs
else
	ok "hibernation # SKIP no disk in /sys/power/state"
fi
hold_stop
check "a second guest starts" hold_start /dev/minikvm run
check "and runs" guest_runs
hold_stop
check "rmmod" rmmod minikvm
done_testing
