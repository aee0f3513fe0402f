#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The module goes, after whatever was done with it: kmemleak finds nothing that it has left. Kernels without kmemleak
# skip this: scripts/debug-kernel builds one that has it.
. ./tap.sh

leaks=/sys/kernel/debug/kmemleak
[ -e "$leaks" ] || skip_all "this kernel is without kmemleak"

# What is younger than five seconds is not told.
no_leaks() {
	echo scan >"$leaks"
	sleep 6
	echo scan >"$leaks"
	! grep . "$leaks"
}

check "rmmod" rmmod minikvm
check "kmemleak finds nothing" no_leaks
done_testing
