#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# CPUs leave and come back under the module and under a running guest.
. ./tap.sh

here=$(usable_cpus | head -n 1)
other=$(usable_cpus | tail -n 1)
[ "$here" != "$other" ] || skip_all "one CPU"

set_other() { echo "$1" >"/sys/devices/system/cpu/cpu$other/online"; }
move_to() { taskset -pc "$1" "$holder" >/dev/null; }

load_module
for round in 1 2; do
	check "CPU $other off, $round" set_other 0
	check "CPU $other on, $round" set_other 1
done
rmmod minikvm

set_other 0
check "load with CPU $other offline" insmod "$module"
check "CPU $other comes online later" set_other 1

check "start a guest" hold_start /dev/minikvm run
move_to "$other"
check "it runs on the CPU that came later" guest_runs
for round in 1 2; do
	move_to "$here"
	check "it runs on CPU $here, $round" guest_runs
	move_to "$other"
	check "it runs on CPU $other, $round" guest_runs
	set_other 0
	check "its CPU goes offline and it runs on, $round" guest_runs
	set_other 1
	move_to "$other"
	check "its CPU is back and it runs there, $round" guest_runs
done
move_to "$here"
set_other 0
check "it runs on while the CPU where it was is away" guest_runs
hold_stop
check "rmmod with CPU $other offline" rmmod minikvm
set_other 1
done_testing
