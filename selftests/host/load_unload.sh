#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# load_unload.sh [CYCLES]: load, run a guest and unload, over and over: the node comes and goes, and no memory stays
# behind. The first fifth of the cycles is for the kernel's own habits; over the rest of 100, one page or one object for
# each cycle is noticed.
. ./tap.sh

cycles=${1:-100}
warm=$((cycles / 5))
measured=$((cycles - warm))

# A guest of eight bytes that powers itself off: mov $0x2000, %ax; mov $0x604, %dx; out %ax, %dx; hlt
printf '\270\000\040\272\004\006\357\364' >/tmp/off.bin
small_guest() { ./minikvm run -k /tmp/off.bin --flat 16 -m 16M --serial null --timeout 60 </dev/null >/dev/null; }

cycle() { insmod "$module" && small_guest && rmmod minikvm; }

# Give back what is only cached, so that what is left is held by somebody.
settle() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	for shrink in /sys/kernel/slab/*/shrink; do
		echo 1 >"$shrink"
	done 2>/dev/null
}

# Pages that are neither free (or about to be, in a CPU's list) nor a process's or a file's: slab, vmalloc, page tables,
# per-CPU memory, stacks, and what drivers took from the page allocator.
kernel_pages() {
	awk '$1 == "managed" { n += $2 } $1 == "nr_free_pages" || $1 == "count:" { n -= $2 }
		/nr_zone_(in)?active_|nr_zone_unevictable/ { n -= $2 } END { print n }' /proc/zoneinfo
}

slab_objects() { awk 'NR > 2 { print $1, $2 }' /proc/slabinfo; }

# Caches that have grown by an object per cycle, in the first half and in the second: what only settles grows once. Not
# the nodes of XArrays and IDRs: the kernel's tables of process and other numbers grow in the beginning, and we have none.
grown_caches() {
	awk -v cycles=$((measured / 2)) 'FNR == 1 { file++ } { count[file, $1] = $2 } $1 == "radix_tree_node" { next }
		file == 3 && $2 - count[2, $1] >= cycles && count[2, $1] - count[1, $1] >= cycles {
			print "# " $1 ": " count[1, $1] ", " count[2, $1] ", " $2 " objects"; grown = 1
		}
		END { exit !grown }' /tmp/slabs.1 /tmp/slabs.2 /tmp/slabs.3
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
	case $done_cycles in
	"$warm")
		settle
		before=$(kernel_pages)
		slab_objects >/tmp/slabs.1
		;;
	$((warm + measured / 2)))
		settle
		slab_objects >/tmp/slabs.2
		;;
	esac
done
check "$cycles cycles of load, a guest from reset to power-off, unload" test $done_cycles -eq "$cycles"
settle
after=$(kernel_pages)
slab_objects >/tmp/slabs.3
echo "# kernel memory: $before pages after $warm cycles, $after after $cycles"
check "they leave no pages behind" test $((after - before)) -lt $((measured * 3 / 4 + 16))
if [ "$measured" -ge 40 ]; then
	refused "they leave no slab objects behind" grown_caches
else
	ok "they leave no slab objects behind # SKIP too few cycles to tell a leak from noise"
fi
done_testing
