# SPDX-License-Identifier: GPL-2.0-only
#
# The rows of the tables in docs/abi.md as lists for the C preprocessor:
#	ABI_IOCTLS(X)	X(name, fd, number, size of the struct)
#	ABI_CAPS(X)	X(name, number, value)
#	ABI_EXITS(X)	X(name, number)
BEGIN { FS = "[ \t]*\\|[ \t]*" }

/^\| `M?KVM_/ && NF > 4 {
	gsub(/`/, "", $2)
	if ($2 ~ /^KVM_INTERNAL_/)
		next
	if ($2 ~ /^KVM_CAP_/)
		caps = caps " \\\n\tX(" $2 ", " $3 ", " $4 ")"
	else if ($2 ~ /^KVM_EXIT_/)
		exits = exits " \\\n\tX(" $2 ", " $3 ")"
	else
		ioctls = ioctls " \\\n\tX(" $2 ", " $3 ", " $4 ", " ($5 == "-" ? 0 : "sizeof(" $5 ")") ")"
}

END {
	print "#define ABI_IOCTLS(X)" ioctls
	print "#define ABI_CAPS(X)" caps
	print "#define ABI_EXITS(X)" exits
}
