#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Debian's QEMU as a client of $MINIKVM_DEVICE, which it sees as /dev/kvm: a Linux guest boots through SeaBIOS, runs a
# command and powers off.
# qemu_guest.sh KERNEL CPUS:IRQCHIP...: IRQCHIP is on, split or off; beside this script are vmlinuz-KERNEL, initrd.gz and
# a directory qemu with the firmware.
. ./tap.sh

load_module
kernel=$1
shift

# A CPU of nothing that only the hypervisor can do. Without a local APIC in the kernel there are no page faults that are announced by one.
boot() {
	command="echo answer \$((6 * 7)) of \$(grep -c ^processor /proc/cpuinfo); dmesg | grep -E -A 12 \
'WARNING: CPU|BUG:|Oops|unchecked MSR|Call Trace' | sed 's/^/complaint: /'; poweroff -f"
	as_kvm "${GUEST_TIMEOUT:-300}" qemu-system-x86_64 -L qemu -nodefaults -no-user-config -no-reboot -display none -monitor none \
		-accel kvm -machine "pc,kernel-irqchip=$2" -cpu "max,kvm-asyncpf-int=off" -smp "$1" -m 256 \
		-kernel "vmlinuz-$kernel" -initrd initrd.gz -serial file:/tmp/console -append \
		"console=ttyS0 quiet panic=-1 no_timer_check cryptomgr.notests minikvm.run64=$(printf '%s' "$command" | base64 -w0)" \
		</dev/null >/tmp/qemu.log 2>&1 || { sed 's/^/#    /' /tmp/qemu.log; false; }
}

no_complaints() { ! grep -E 'complaint: |BUG:|Oops' /tmp/console; }
console_says() { grep -q -- "$1" /tmp/console || { tail -n 5 /tmp/console; false; }; }

for how; do
	split_guest "$how"
	: >/tmp/console
	check "QEMU, $cpus CPUs, irqchip $irqchip: a guest boots and powers off" boot "$cpus" "$irqchip"
	check "QEMU, $cpus CPUs, irqchip $irqchip: it ran the command, on all CPUs" console_says "^answer 42 of $cpus"
	check "QEMU, $cpus CPUs, irqchip $irqchip: it complains of nothing" no_complaints
done
done_testing
