#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# KVM's own selftests as clients of $MINIKVM_DEVICE, which they see as /dev/kvm: the programs in ../kvm.
# kvm_selftests.sh [all|NAME...]: default are those below, all is every program, whatever comes of it.
. ./tap.sh

load_module

# Those that pass; docs/testing.md has a table of all.
passing="cpuid_test cr4_cpuid_sync_test demand_paging_test dirty_log_perf_test fix_hypercall_test get_msr_index_features
kvm_binary_stats_test kvm_clock_test kvm_page_table_test kvm_pv_test max_vcpuid_cap_test memslot_modification_stress_test
monitor_mwait_test platform_info_test set_boot_cpu_id set_memory_region_test set_sregs_test smm_test state_test sync_regs_test system_counter_offset_test tsc_msrs_test
userspace_io_test userspace_msr_exit_test xapic_ipi_test xapic_state_test"

# Less work than by default where that is too much for an emulator.
arguments() {
	case $1 in
	demand_paging_test | access_tracking_perf_test) echo "-b 16M" ;;
	dirty_log_perf_test) echo "-b 16M -i 2" ;;
	dirty_log_test) echo "-i 4" ;;
	kvm_page_table_test) echo "-b 32M" ;;
	max_guest_memory_test) echo "-m 1 -c 2" ;;
	memslot_modification_stress_test) echo "-b 16M -i 20" ;;
	memslot_perf_test) echo "-l 1 -s 64" ;;
	xapic_ipi_test) echo "-s 1" ;;
	nx_huge_pages_test) echo "-t 887563923 -p 100 -r" ;;
	esac
}

# xapic_ipi_test in QEMU, whose VMRUN ignores the interrupt shadow (docs/testing.md): an IPI was handled between STI and
# HLT, and the HLT waited for ever. An IPI that was lost is not counted as received.
ipi_before_hlt() {
	[ "$status" -ne 0 ] && grep -qs QEMU /sys/class/dmi/id/sys_vendor || return
	counts=$(sed -n 's/.*halted \([0-9]*\) times, woke [0-9]* times, received \([0-9]*\) IPIs.*/\1 \2/p' /tmp/output)
	[ -n "$counts" ] && [ "${counts% *}" = "${counts#* }" ]
}

# tsc_msrs_test writes TSCs and reads them back, rounded: on a busy machine too late, on KVM as well.
too_late() { [ "$status" -ne 0 ] && [ "$1" = tsc_msrs_test ]; }

# run NAME [ARGUMENT]...
run() {
	for try in 1 2 3 4 5 6 7 8 9 10; do
		# shellcheck disable=SC2145  # the first of them is in ../kvm
		as_kvm "${LIMIT:-120}" "../kvm/$@" >/tmp/output 2>&1 </dev/null
		status=$?
		ipi_before_hlt || too_late "$1" || break
		echo "# $1, try $try: $(too_late "$1" && echo too late || echo an IPI before HLT)"
	done
	case $status in
	0) ok "KVM's $*" ;;
	4) ok "KVM's $* # SKIP $(grep -i skip /tmp/output | head -n 1 | sed 's/.*# SKIP -* *//; s/, skipping.*//')" ;;
	137) not_ok "KVM's $*: more than ${LIMIT:-120} s" ;;
	*) not_ok "KVM's $*: exit status $status" ;;
	esac
	[ "$status" -eq 0 ] || [ "$status" -eq 4 ] || tail -n 12 /tmp/output | cut -c 1-160 | sed 's/^/#    /'
}

tests=${*:-$passing}
[ "$tests" != all ] || tests=$(ls ../kvm)
for test in $tests; do
	# shellcheck disable=SC2046  # words
	run "$test" $(arguments "$test")
done
done_testing
