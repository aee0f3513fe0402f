# SPDX-License-Identifier: GPL-2.0-only
# QEMU without hardware help emulates AMD-V with nested paging. Part of scripts/testhost.
# shellcheck shell=bash disable=SC2034,SC2154  # the variables are those of scripts/testhost

emulator_tools="qemu-system-x86_64"

prepare_emulator() {
	emulator_command=(
		qemu-system-x86_64 -nodefaults -no-user-config -accel tcg -cpu "EPYC,+svm,+npt"
		-smp "$cpus" -m "$memory" -kernel "$kernel/vmlinuz" -initrd "$tmp/initrd.gz" -append "$cmdline"
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
