#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# run_tests.sh [PROGRAM...]: run the test programs that lie beside this script
# (all by default) on $MINIKVM_DEVICE and count their TAP lines. Plain POSIX
# sh: the test hosts have nothing but busybox.
cd "$(dirname "$0")" || exit 1
[ $# -gt 0 ] || set -- abi abi_table vm vcpu state run exits msrs inject apic irqchip clock mem mmio dirty paging migrate fpu debug smm badstate client eventfd

log=$(mktemp) || exit 1
trap 'rm -f "$log" "$log.status"' EXIT
passed=0 failed=0 skipped=0

count() { grep -c "$1" "$log"; }

for program; do
	echo "# selftests: $program"
	# The harness names every test three times; the TAP line is enough.
	{ "./$program" 2>&1; echo $? >"$log.status"; } | tee "$log" |
		awk '!/^# ( RUN| *OK |Starting |Totals)/ { print; fflush() }'
	status=$(cat "$log.status")
	plan=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$log")
	skip=$(count '^ok .*# SKIP')
	bad=$(count '^not ok ')
	passed=$((passed + $(count '^ok ') - skip))
	if [ "$status" -eq 4 ]; then
		skip=$((skip + 1))
	elif [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] || [ "$plan" != "$(count '^\(not \)\?ok ')" ]; then
		echo "not ok - $program: exit status $status, plan: ${plan:-none}"
		bad=$((bad + 1))
	fi
	failed=$((failed + bad))
	skipped=$((skipped + skip))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
