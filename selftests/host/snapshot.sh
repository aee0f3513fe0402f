#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A guest that counts is saved in mid-run and goes on in another process of minikvm, over and over: what it prints is one
# sequence without a gap or a repetition. On $MINIKVM_DEVICE.
# snapshot.sh KERNEL [TIMES]: default 20.
. ./tap.sh

load_module

kernel=$1
times=${2:-20}
out=/tmp/out
saved=/tmp/saved
# A guest on a busy emulator may not run for 20 seconds: watchdog_thresh. QEMU does not intercept XSETBV: one on KVM warns of "XSAVE consistency".
workaround=
[ "$device" = /dev/minikvm ] || ! grep -qs QEMU /sys/class/dmi/id/sys_vendor || workaround=noxsave

# Counts, with the other CPUs busy, until a line comes; then says what the kernel has to complain of.
counting="stty -echo -F /dev/ttyS0; head -n 1 /dev/ttyS0 >/tmp/stop & while :; do :; done &
	i=0; while ! [ -s /tmp/stop ]; do
		echo count \$i; i=\$((i + 1)); j=0; while [ \$j -lt 300 ]; do j=\$((j + 1)); done
	done
	dmesg | grep -E 'WARNING: CPU|BUG:|Oops|rcu.*(stall|detected)|soft lockup|clocksource.*(unstable|skew)' | sed 's/^/complaint: /'
	echo the end; busybox"

counted() { grep -c '^count ' $out; }
not_one_sequence() {
	tr -d '\r' <"$out" | awk '/count/ { if ($0 != "count " n++) { print "# line " NR ": " $0 " instead of " n - 1; bad = 1 } } END { exit !bad }'
}

# wait_for COMMAND...: until it succeeds; false if minikvm ended before.
wait_for() {
	until "$@"; do
		kill -0 "$guest" 2>/dev/null || return 1
		usleep 200000
	done
}
has_counted() { [ "$(counted)" -ge "$1" ]; }

# Let it count some more, then save it.
count_and_save() {
	wait_for has_counted $(($(counted) + 5)) || return
	kill -USR1 "$guest"
	wait "$guest"
	status=$?
	[ $status -eq 16 ] || { echo "# exit status $status"; sed 's/^/# /' /tmp/err; return 1; }
}

start() {
	./minikvm run --device "$device" --timeout 900 "$@" </dev/null >>$out 2>/tmp/err &
	guest=$!
}

# life NAME STATUS END OPTION...: a guest with these options is saved and restored, many times; it ends itself by
# "busybox END", and minikvm with this status. (Not by /bin/poweroff: for QEMU the restored TSS, which is busy as it has
# to be, is none that allows I/O at CPL 3.)
life() {
	life=$1
	wanted=$2
	command="$counting $3"
	shift 3
	: >$out
	start -k "vmlinuz-$kernel" -i initrd.gz -m 192M --snapshot $saved -p "quiet cryptomgr.notests watchdog_thresh=60 $workaround minikvm.run64=$(printf '%s' "$command" | base64 -w0)" "$@"
	check "$life: a counting guest is saved" count_and_save || return
	done_times=0
	while [ $done_times -lt "$times" ]; do
		start --restore $saved --snapshot $saved
		count_and_save || break
		done_times=$((done_times + 1))
	done
	check "$life: it is restored, counts and is saved again $times times" test $done_times -eq "$times"
	echo stop | ./minikvm run --device "$device" --timeout 900 --restore $saved >>$out 2>/tmp/err
	status=$?
	[ $status -eq "$wanted" ] || { echo "# exit status $status"; sed 's/^/# /' /tmp/err; tail -n 5 $out | sed 's/^/# /'; }
	check "$life: restored once more it ends itself" test $status -eq "$wanted"
	refused "$life: it has counted without a gap or a repetition" not_one_sequence
	check "$life: it came to its end" grep -q '^the end' $out
	refused "$life: its kernel complains of nothing" grep '^complaint' $out
	echo "# $life: counted to $(counted), the snapshot has $(du -k $saved | cut -f1) KiB"
}

# refuses CODE WORDS OPTION...: minikvm ends with this code and says these words.
refuses() {
	wanted=$1
	words=$2
	shift 2
	./minikvm run --device "$device" --serial null --timeout 60 "$@" </dev/null >/tmp/run.log 2>&1
	code=$?
	if [ "$code" -ne "$wanted" ] || ! grep -q -- "$words" /tmp/run.log; then
		echo "# exit code $code:"
		sed 's/^/# /' /tmp/run.log
		return 1
	fi
}

./minikvm run --device "$device" -k tap.sh --flat 16 -m 2M -c 2 --serial null --timeout 1 </dev/null >/tmp/run.log 2>&1
if [ $? -ne 3 ]; then
	life "2 CPUs" 0 "poweroff -f" -c 2
else
	ok "2 CPUs # SKIP $(cat /tmp/run.log)"
	life "no irqchip" 10 "reboot -f" --irqchip off
fi

head -c 1000000 $saved >/tmp/broken
check "a truncated snapshot: 4" refuses 4 truncated --restore /tmp/broken
tr '\000' '\001' <$saved | head -c 20000 >/tmp/broken
check "a changed one: 4" refuses 4 "corrupt\|version" --restore /tmp/broken
check "a file that is none: 4" refuses 4 "no snapshot" --restore tap.sh
check "none at all: 4" refuses 4 "No such file" --restore /tmp/nothing
check "options that the snapshot has: 2" refuses 2 "the snapshot says" --restore $saved -m 64M
# jmp .
printf '\353\376' >/tmp/guest.bin
check "a place that cannot be written: the guest goes on" refuses 124 "not saved" -k /tmp/guest.bin --flat 16 -m 16M --timeout 3 \
	--snapshot /nowhere/saved --snapshot-after 1
check "saved after a time: 16" refuses 16 "saved to" -k /tmp/guest.bin --flat 16 -m 16M --snapshot /tmp/small --snapshot-after 1
rm -f $saved /tmp/broken /tmp/small
done_testing
