# SPDX-License-Identifier: GPL-2.0-only
# Bochs emulates VT-x, whatever the machine below it. Part of scripts/testhost.
# shellcheck shell=bash disable=SC2034,SC2154  # the variables are those of scripts/testhost

emulator_tools="bochs xorriso"

# The usual reset, by the keyboard controller, leaves IA32_FEATURE_CONTROL locked, and its BIOS dies of writing there.
kernel_parameters="$kernel_parameters reboot=pci"

# Bochs loads no kernel by itself: it gets a CD that boots one.
make_cd() {
	local cd=$tmp/cd
	mkdir -p "$cd/isolinux"
	cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$cd/isolinux/"
	cp -L "$kernel/vmlinuz" "$tmp/initrd.gz" "$cd/"
	cat >"$cd/isolinux/isolinux.cfg" <<-CFG
	DEFAULT host
	PROMPT 0
	LABEL host
	  LINUX /vmlinuz
	  INITRD /initrd.gz
	  APPEND $cmdline
	CFG
	xorriso -as mkisofs -quiet -o "$tmp/cd.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat \
		-no-emul-boot -boot-load-size 4 -boot-info-table "$cd" 2>"$tmp/xorriso.log" || die "xorriso: $(cat "$tmp/xorriso.log")"
	rm -rf "$cd"
}

console_port() {
	if [ -n "$interactive" ]; then
		echo "mode=term, dev=/dev/tty"
	else
		echo "mode=file, dev=$tmp/console"
	fi
}

prepare_emulator() {
	local emulator_log=/dev/null		# each VM exit of some hosts is a line: megabytes per minute
	[ -z "$keep_emulator_log" ] || emulator_log=$tmp/emulator.log
	make_cd
	# sound: with no sound card to open, 2.7 overflows a buffer and is stopped.
	cat >"$tmp/bochsrc" <<-CFG
	config_interface: textconfig
	display_library: rfb, options="timeout=0"
	cpu: model=corei7_haswell_4770, count=$cpus, quantum=32, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=1
	memory: guest=$memory, host=$memory
	clock: sync=none
	romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot
	vgaromimage: file=/usr/share/vgabios/vgabios.bin
	ata0-master: type=cdrom, path=$tmp/cd.iso, status=inserted
	boot: cdrom
	sound: driver=dummy
	com1: enabled=1, $(console_port)
	com2: enabled=1, mode=file, dev=$tmp/status
	log: $emulator_log
	CFG
	echo c >"$tmp/bochs.rc"		# Debian's Bochs starts in its debugger: continue
	emulator_command=(bochs -q -f "$tmp/bochsrc" -rc "$tmp/bochs.rc")
}
