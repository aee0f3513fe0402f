# SPDX-License-Identifier: GPL-2.0-only
# Print what a kernel log says about the kernel being in trouble; exit status 0 if there is anything, else 1.
# Only lines with the kernel's time stamp count, so a program may print such words. Runs under any awk, and
# without regular expressions where possible: they are slow in an emulated host.

BEGIN {
	split("WARNING: |BUG: |Oops|Kernel panic|Call Trace|KASAN|UBSAN|general protection fault|unable to handle|" \
	      "double fault|unchecked MSR access|Bad page|self-detected stall|INFO: rcu|INFO: task|INFO: possible|" \
	      "INFO: suspicious|INFO: trying|suspected memory leaks|refcount_t:|list_add corruption|" \
	      "list_del corruption|sleeping function called|Bad rss-counter|Objects remaining", words, "|")
}

function has_stamp(line) { return line ~ /\[ *[0-9]+\.[0-9][0-9][0-9][0-9][0-9][0-9]\]/ }

# Since 6.9 Linux warns of CPUs like Bochs' with one CPU: leaf 4 tells of more cores than leaf 1 of logical processors.
function known(text) { return index(text, "parse_legacy+") }

function flush_block() {
	if (block != "" && !known(block)) { printf "%s", block; found = 1 }
	block = ""; in_block = 0
}

# Advice on mitigations of this CPU's bugs, under that word.
function advice(line) { return index(line, "/hw-vuln/") }

function suspicious(line,    i) {
	if (advice(line))
		return 0
	for (i in words)
		if (index(line, words[i]))
			return has_stamp(line)
	return 0
}

index($0, "[ cut here ]") && has_stamp($0) { flush_block(); in_block = 1 }
in_block { block = block $0 "\n"; if (index($0, "---[ end ")) flush_block(); next }
suspicious($0) { print; found = 1 }
END { flush_block(); exit !found }
