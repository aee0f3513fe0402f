#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The exit codes of `minikvm run`, by guests of a few bytes. Not 12, a refused VM entry: no guest can bring
# that about by itself (badstate does, through the device).
. ./tap.sh

# ends_with CODE BYTES [OPTION...]: the guest made of these bytes (as for printf) ends minikvm with that code.
ends_with() {
	# shellcheck disable=SC2059  # it is a format: octal numbers
	printf "$2" >/tmp/guest.bin
	wanted=$1
	shift 2
	./minikvm run -k /tmp/guest.bin --flat 16 -m 16M --serial null --timeout 60 "$@" </dev/null >/tmp/run.log 2>&1
	code=$?
	[ "$code" -eq "$wanted" ] || { echo "# exit code $code:"; sed 's/^/# /' /tmp/run.log; return 1; }
}

load_module
# mov $0x2000, %ax; mov $0x604, %dx; out %ax, %dx; hlt
check "power-off: 0" ends_with 0 '\270\000\040\272\004\006\357\364'
# mov $0xfe, %al; out %al, $0x64; hlt
check "reset by the keyboard controller: 10" ends_with 10 '\260\376\346\144\364'
# lidt 0, where all is zero; int3
check "triple fault: 11" ends_with 11 '\017\001\036\000\000\314'
# flds (%rdi), where memory ends: no access of floating-point units to devices
check "an instruction on MMIO that nobody decodes: 13" ends_with 13 '\331\007' --flat 64
# cli; hlt: with local APICs in the kernel an NMI could end it, so it waits
check "halt with interrupts off: 14" ends_with 14 '\372\364' --irqchip off
check "two CPUs without an APIC: 2" ends_with 2 '\364' --irqchip off --cpus 2
# jmp .
check "time limit: 124" ends_with 124 '\353\376' --timeout 2
done_testing
