#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# CPUs leave and come back under the module and under a running guest.
. ./tap.sh

cpu1=/sys/devices/system/cpu/cpu1/online
[ -e $cpu1 ] || skip_all "one CPU"

set_cpu1() { echo "$1" >$cpu1; }
# Masks: 1 is CPU 0, 2 is CPU 1.
move_to() { taskset -p "$1" "$holder" >/dev/null; }

insmod "$module" || skip_all "the module does not load"
for round in 1 2; do
	check "CPU 1 off, $round" set_cpu1 0
	check "CPU 1 on, $round" set_cpu1 1
done
rmmod minikvm

set_cpu1 0
check "load with CPU 1 offline" insmod "$module"
check "CPU 1 comes online later" set_cpu1 1

check "start a guest" hold_start /dev/minikvm run
move_to 2
check "it runs on the CPU that came later" guest_runs
for round in 1 2; do
	move_to 1
	check "it runs on CPU 0, $round" guest_runs
	move_to 2
	check "it runs on CPU 1, $round" guest_runs
	set_cpu1 0
	check "its CPU goes offline and it runs on, $round" guest_runs
	set_cpu1 1
	move_to 2
	check "its CPU is back and it runs there, $round" guest_runs
done
move_to 1
set_cpu1 0
check "it runs on while the CPU where it was is away" guest_runs
hold_stop
check "rmmod with CPU 1 offline" rmmod minikvm
set_cpu1 1
done_testing
