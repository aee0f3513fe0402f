#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Load, run a guest and unload, over and over: the node comes and goes, and no memory stays behind.
. ./tap.sh

cycles=${1:-100}

# A guest of eight bytes that powers itself off: mov $0x2000, %ax; mov $0x604, %dx; out %ax, %dx; hlt
printf '\270\000\040\272\004\006\357\364' >/tmp/off.bin
small_guest() { ./minikvm run -k /tmp/off.bin --flat 16 -m 16M --serial null --timeout 60 </dev/null >/dev/null; }

cycle() { insmod "$module" && small_guest && rmmod minikvm; }

# In kB: what modules take and forget to give back.
kernel_memory() {
	awk '/^(SUnreclaim|VmallocUsed|Percpu|KernelStack):/ { sum += $2 } END { print sum }' /proc/meminfo
}

is_private() { [ "$(stat -c %a /dev/minikvm)" = 600 ]; }

check "insmod" insmod "$module"
check "/dev/minikvm is there" test -c /dev/minikvm
check "only its owner may open it" is_private
refused "a second insmod" insmod "$module"
check "rmmod" rmmod minikvm
refused "/dev/minikvm is gone" test -e /dev/minikvm

done_cycles=0
while [ $done_cycles -lt "$cycles" ] && cycle; do
	done_cycles=$((done_cycles + 1))
	[ $done_cycles -ne $((cycles / 5)) ] || first=$(kernel_memory)
done
check "$cycles cycles of load, a guest from reset to power-off, unload" test $done_cycles -eq "$cycles"
last=$(kernel_memory)
echo "# kernel memory: $first kB, then $last kB"
check "they leave no kernel memory behind" test $((last - first)) -lt 400
done_testing
