#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Two hypervisors on one machine: the second is refused, and told why. Needs the vendor's KVM for modprobe.
. ./tap.sh

kvm=kvm_intel
grep -qw vmx /proc/cpuinfo || kvm=kvm_amd
modprobe $kvm || skip_all "no $kvm in this host"

check "KVM holds a VM" hold_start /dev/kvm vm
forget_log
refused "insmod while a KVM VM exists" insmod "$module"
check "insmod says busy" grep -qi busy /tmp/refused
check "the log says who has it and what to do" log_says "minikvm: .*in use by KVM.*modprobe -r"
hold_stop

# Loaded and idle: KVM on 6.1 has its place among the hotplug states, on 6.12 the hardware itself.
refused "insmod while $kvm is loaded" insmod "$module"
check "unload KVM" modprobe -r $kvm
check "insmod without KVM" insmod "$module"
check "a VM of ours" hold_start /dev/minikvm vcpu
# Not tried: KVM while we have the hardware. It is refused with EBUSY and we are not disturbed, but before that it meets our
# crash callback in the only place there is for one, at which the kernel warns.
hold_stop
check "rmmod" rmmod minikvm
check "then KVM loads" modprobe $kvm
check "and runs a guest" hold_start /dev/kvm run
check "which counts" guest_runs
hold_stop
modprobe -r $kvm
done_testing
