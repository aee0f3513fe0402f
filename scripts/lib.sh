# SPDX-License-Identifier: GPL-2.0-only
# Shared by the scripts in this directory: where things are, and how a user is told what takes time.
# shellcheck shell=bash

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034  # for the scripts that source this file
kernels=$top/build/kernels

# On a terminal in raw mode a line does not return to its start by itself.
newline=$'\n'
say() { printf '%s: %s%s' "${0##*/}" "$*" "$newline" >&2; }

die() {
	say "$*"
	exit 2
}

need() {
	local tool
	for tool in "$@"; do
		command -v "$tool" >/dev/null || die "'$tool' is missing: run scripts/deps"
	done
}

# Tell the user of what goes on: a running count on a terminal, elsewhere a line every ten seconds. Ends with the shell
# that started it.
heartbeat() {
	local what=$1 waited=0
	while sleep 1; do
		kill -0 $$ 2>/dev/null || exit
		waited=$((waited + 1))
		if [ -t 2 ]; then
			printf '\r%s: %s ... %s s' "${0##*/}" "$what" $waited >&2
		elif [ $((waited % 10)) -eq 0 ]; then
			say "$what ... $waited s"
		fi
	done
}

# with_progress WHAT COMMAND...: run a command, saying what and for how long; its output is shown only if it fails.
with_progress() {
	local what=$1 name log status=0 beat start=$SECONDS
	shift
	if [ -t 2 ]; then printf '%s: %s ...' "${0##*/}" "$what" >&2; else say "$what"; fi
	name=$(mktemp)
	exec {log}<>"$name"
	rm "$name"		# so that nothing stays behind, however this ends
	heartbeat "$what" {log}>&- &
	beat=$!
	"$@" >&"$log" 2>&1 || status=$?
	kill "$beat" 2>/dev/null
	wait "$beat" 2>/dev/null || true
	[ ! -t 2 ] || printf '\r\033[K' >&2
	if [ -t 2 ] || [ $((SECONDS - start)) -gt 2 ]; then say "$what: $((SECONDS - start)) s"; fi
	[ "$status" = 0 ] || cat "/dev/fd/$log" >&2
	exec {log}>&-
	return "$status"
}

# vmx or svm: what emulates it, and the host's own hypervisor for it.
emulator_of() {
	case $1 in
	vmx) echo bochs ;;
	svm) echo qemu ;;
	*) die "HOST=$1: vmx or svm" ;;
	esac
}

kvm_module() {
	case $1 in
	vmx) echo kvm-intel ;;
	svm) echo kvm-amd ;;
	esac
}
