#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Suspend to disk up to the point where the image would be written (pm_test "core"), and back.
. ./tap.sh

[ -e /sys/power/pm_test ] || skip_all "no /sys/power/pm_test in this kernel"
grep -q disk /sys/power/state || skip_all "no hibernation in this kernel"

go() { echo disk >/sys/power/state; }

insmod "$module" || skip_all "the module does not load"
check "start a guest" hold_start /dev/minikvm run
check "it runs" guest_runs
echo core >/sys/power/pm_test
check "suspend and resume" go
check "it runs afterwards" guest_runs
hold_stop
check "rmmod" rmmod minikvm
done_testing
