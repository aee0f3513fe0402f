# SPDX-License-Identifier: GPL-2.0-only
# QEMU without hardware help emulates AMD-V with nested paging. Part of scripts/testhost.
# shellcheck shell=bash disable=SC2034,SC2154  # the variables are those of scripts/testhost

emulator_tools="qemu-system-x86_64"

# Without CMPXCHG16B: an interrupt after it finds RFLAGS wrong in QEMU 7.2, and Linux 6.12 uses it for each allocation.
# With several CPUs there is one more, CPU 0, which is kept from all processes: FXRSTOR or XRSTOR on any CPU writes CPU 0's
# flag for "nested paging is on" without a lock (docs/testing.md, What QEMU's TCG does wrong), so no guest may run there.
prepare_emulator() {
	local smp=$cpus
	if [ "$cpus" -gt 1 ]; then
		smp=$((cpus + 1))
		cmdline+=" isolcpus=0"
	fi
	emulator_command=(
		qemu-system-x86_64 -nodefaults -no-user-config -accel tcg -cpu "EPYC,+svm,+npt,-cx16"
		-smp "$smp" -m "$memory" -kernel "$kernel/vmlinuz" -initrd "$tmp/initrd.gz" -append "$cmdline"
		-display none -monitor none
	)
	[ -n "$lives" ] || emulator_command+=(-no-reboot)
	[ -z "$icount" ] || emulator_command+=(-icount "shift=0,sleep=off")
	if [ -n "$interactive" ]; then
		emulator_command+=(-chardev "stdio,id=console,signal=off,logfile=$tmp/console.log" -serial chardev:console)
		exec 5>&1
	else
		emulator_command+=(-serial "file:$tmp/console")
	fi
	emulator_command+=(-serial "file:$tmp/status")
}
