# SPDX-License-Identifier: GPL-2.0-only
# Print what a kernel log says about the kernel being in trouble; exit status 0 if there is anything, else 1.
# Only lines with the kernel's time stamp count, so a program may print such words. Runs under any awk.

function is_kernel_line() { return $0 ~ /\[ *[0-9]+\.[0-9][0-9][0-9][0-9][0-9][0-9]\]/ }

# Harmless: Bochs' skylake_x reports an XSAVE area size that the kernel does not expect, once, at boot.
function allowed(text) { return text ~ /WARNING: .* fpu__init_system_xstate/ }

function flush_block() {
	if (block != "" && !allowed(block)) { printf "%s", block; found = 1 }
	block = ""; in_block = 0
}

!is_kernel_line() { next }
/cut here \]/ { flush_block(); in_block = 1 }
in_block { block = block $0 "\n"; if (/---\[ end (trace|Kernel panic)/) flush_block(); next }
/WARNING: |BUG: |Oops|Kernel panic|Call Trace|KASAN|UBSAN|INFO: (rcu|task|possible|suspicious|trying)|RIP: 0010/ ||
/general protection fault|unable to handle|unchecked MSR access|Bad page|self-detected stall|double fault/ ||
/suspected memory leaks|refcount_t:|list_(add|del) corruption|sleeping function called/ {
	print; found = 1
}
END { flush_block(); exit !found }
