#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# life.sh off|reboot|kexec|kdump: end this host's life in that way while the module is loaded and a guest runs. After
# kexec and kdump the next kernel (vmlinuz-KERNEL, KERNEL=6.1 unless set) runs this script again: VT-x must be free
# there, so it starts a guest, too, and powers off (kexec) or reboots (kdump). scripts/testhost --lives sees whether
# all of that happens.
. ./tap.sh

end=$1
life=$(sed -n 's/.*testhost\.life=\([a-z]*\).*/\1/p' /proc/cmdline)

# The next life's file system is this one, without what fills it.
make_initrd() {
	(cd / && { echo bin; find init bin/busybox testhost root; } |
		grep -v 'vmlinuz\|\.gz$\|^root/tests/[^h]' | cpio -o -H newc 2>/dev/null) >/tmp/initrd
}

load_kernel() {
	make_initrd
	words=$(sed 's/\(BOOT_IMAGE\|initrd\|crashkernel\)=[^ ]* *//g' /proc/cmdline)
	./kexec "$1" "vmlinuz-${KERNEL:-6.1}" /tmp/initrd "$words testhost.life=$end"
}

# What does not come back is no failure only if the next life is seen.
die_by() {
	echo "# $end"
	"$@"
	sleep 5
	not_ok "the host lives on after: $*"
	done_testing
}

crash() { echo c >/proc/sysrq-trigger; }

check "insmod" insmod "$module"
check "start a guest" hold_start /dev/minikvm run
check "it runs" guest_runs
[ $failures -eq 0 ] || done_testing

case $life$end in
off | kexeckexec) die_by poweroff -f ;;
reboot | kdumpkdump) die_by reboot -f ;;
kexec) check "load a kernel" load_kernel load && die_by ./kexec start ;;
kdump) check "load a crash kernel" load_kernel crash && die_by crash ;;
esac
done_testing
