#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# rmmod with fds open: refused at every level, possible right after, also after kill -9.
. ./tap.sh

for level in system vm vcpu run; do
	insmod "$module" || not_ok "insmod"
	check "hold the $level" hold_start /dev/minikvm $level
	refused "rmmod while the $level is held" rmmod minikvm
	check "the module is still there" is_loaded minikvm
	hold_stop
	check "rmmod after kill -9 of the holder of the $level" rmmod minikvm
done
done_testing
