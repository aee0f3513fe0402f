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

# Remind the user every ten seconds of what is going on. Ends with the shell that started it.
heartbeat() {
	local what=$1 waited=0
	while sleep 1; do
		kill -0 $$ 2>/dev/null || exit
		waited=$((waited + 1))
		[ $((waited % 10)) -ne 0 ] || say "$what ... $waited s"
	done
}

# with_progress WHAT COMMAND...: run a command, saying what and for how long; its output is shown only if it fails.
with_progress() {
	local what=$1 log status=0 beat start=$SECONDS
	shift
	say "$what"
	log=$(mktemp)
	heartbeat "$what" &
	beat=$!
	"$@" >"$log" 2>&1 || status=$?
	kill "$beat" 2>/dev/null
	wait "$beat" 2>/dev/null || true
	[ "$status" = 0 ] || cat "$log" >&2
	rm -f "$log"
	[ $((SECONDS - start)) -le 2 ] || say "$what: $((SECONDS - start)) s"
	return "$status"
}
