# SPDX-License-Identifier: GPL-2.0-only
# No emulator: the script runs as root on this very machine, for machines with VT-x. Part of scripts/testhost.
# shellcheck shell=bash disable=SC2154  # the variables are those of scripts/testhost

ask_first() {
	local answer
	say "the script will run as root on THIS machine ($(uname -n), Linux $(uname -r)), where it may load kernel modules"
	[ "${MINIKVM_YES:-}" != 1 ] || return 0
	[ -t 0 ] || die "no terminal to ask on; MINIKVM_YES=1 says yes"
	read -r -p "Go on? [y/N] " answer
	case $answer in
	y | Y | yes) ;;
	*) die "not started" ;;
	esac
}

# The working directory stands for the host's file system, so files cannot go anywhere else.
lay_files() {
	local file
	for file in "${files[@]}"; do
		case $file in
		*:/*) die "--file $file: an absolute destination is only for emulators" ;;
		esac
		add_file "" "$tmp/root" "$file"
	done
}

run_on_this_machine() {
	local status=0 mark
	ask_first
	[ "$(id -u)" = 0 ] || die "must be run as root for that"
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/testhost.XXXXXX")
	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	mkdir "$tmp/root"
	lay_files
	write_run "$tmp/root" "$tmp/run"
	mark="testhost $$ begins"
	echo "$mark" >/dev/kmsg
	(cd "$tmp/root" && timeout --foreground --kill-after=5 "$timeout" "$tmp/run") || status=$?
	if dmesg | sed "1,/$mark/d" | awk -f "$here/host/splats.awk" >&2; then
		say "the kernel complained; the script's status: $status"
		return 120
	fi
	[ "$status" != 124 ] || say "time limit of $timeout s reached"
	return "$status"
}
