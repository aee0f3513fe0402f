# SPDX-License-Identifier: GPL-2.0-only
# For the scripts in this directory, which run in a test host beside minikvm.ko and hold, as root.
# shellcheck shell=sh

module=${MINIKVM_MODULE:-./minikvm.ko}
device=${MINIKVM_DEVICE:-/dev/minikvm}
count=0
failures=0
trap 'not_ok "${0##*/} ended early"' EXIT

ok() {
	count=$((count + 1))
	echo "ok $count - $*"
}

not_ok() {
	count=$((count + 1))
	failures=$((failures + 1))
	echo "not ok $count - $*"
}

# check NAME COMMAND...: one test, passed if the command succeeds.
check() {
	name=$1
	shift
	if "$@"; then ok "$name"; else not_ok "$name"; fi
}

# refused NAME COMMAND...: one test, passed if the command fails.
refused() {
	name=$1
	shift
	if "$@" 2>/tmp/refused; then not_ok "$name"; else ok "$name"; fi
}

done_testing() {
	[ "$count" -gt 0 ] || not_ok "${0##*/} tests something"
	trap - EXIT
	echo "1..$count"
	[ "$failures" -eq 0 ]
	exit
}

skip_all() {
	trap - EXIT
	echo "1..0 # SKIP $*"
	exit 0
}

is_loaded() { grep -q "^$1 " /proc/modules; }

# Needed by all that follows, unless the device under test is another one.
load_module() {
	[ "$device" = /dev/minikvm ] || return 0
	is_loaded minikvm || insmod "$module" && return
	not_ok "the module loads"
	done_testing
}

# The CPUs that this process may run on, one number per line: QEMU's SMP hosts keep CPU 0 from it.
usable_cpus() {
	sed -n 's/^Cpus_allowed_list:[^0-9]*//p' /proc/self/status | tr , '\n' | while IFS=- read -r first last; do
		seq "$first" "${last:-$first}"
	done
}

# The kernel log since the last call of forget_log has a line with this pattern.
forget_log() { dmesg -c >/dev/null; }
log_says() { dmesg | grep -q -- "$1"; }

# hold_start DEVICE LEVEL: ./hold in the background, as $holder, ready when this returns.
hold_start() {
	: >/tmp/held
	./hold "$@" >/tmp/held &
	holder=$!
	waited=0
	until grep -q held /tmp/held; do
		kill -0 "$holder" 2>/dev/null && [ $waited -lt 500 ] || return 1
		waited=$((waited + 1))
		usleep 5000
	done
}

hold_stop() {
	kill -9 "$holder" 2>/dev/null
	wait "$holder" 2>/dev/null
	true
}

guest_count() { hexdump -s 256 -n 4 -e '1/4 "%u"' /tmp/hold.mem; }

# The guest of `hold ... run` executes instructions.
guest_runs() {
	before=$(guest_count)
	tries=100
	while [ "$(guest_count)" = "$before" ] && [ $tries -gt 0 ]; do
		tries=$((tries - 1))
		usleep 2000
	done
	[ $tries -gt 0 ]
}

# split_guest CPUS[:IRQCHIP]: into $cpus and $irqchip, as `minikvm run` takes them.
split_guest() {
	cpus=${1%:*}
	irqchip=${1#"$cpus"}
	irqchip=${irqchip#:}
	irqchip=${irqchip:-kernel}
}

# as_kvm SECONDS COMMAND...: run it where /dev/kvm is $device, in namespaces of its own. With it ends whatever it started;
# past its time it is killed, status 137.
as_kvm() {
	[ -e /dev/kvm ] || mknod /dev/kvm c 10 232
	# shellcheck disable=SC2016  # for the inner shell
	unshare -m -p -f sh -c 'mount -t proc proc /proc && mount --bind "$0" /dev/kvm && timeout -s KILL "$@"; exit $?' \
		"$device" "$@"
}
