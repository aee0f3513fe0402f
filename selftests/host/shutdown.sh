#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shutdown.sh [reboot]: the machine goes down with the module loaded and a guest running. Here it only begins: passed
# if the host ends by itself afterwards, or with "reboot" if it boots again.
. ./tap.sh

check "insmod" insmod "$module"
check "start a guest" hold_start /dev/minikvm run
check "it runs" guest_runs
[ "$1" != reboot ] || reboot -f
done_testing
