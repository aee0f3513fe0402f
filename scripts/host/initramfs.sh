# SPDX-License-Identifier: GPL-2.0-only
# The test host's file system: busybox, the given files, kernel modules. Part of scripts/testhost.
# shellcheck shell=bash disable=SC2154  # the variables are those of scripts/testhost

# Shared libraries of a dynamically linked program go where its loader looks for them.
add_libraries() {
	local root=$1 lib
	{ ldd "$2" 2>/dev/null || true; } | { grep -oE '/[^ ]+' || true; } | while read -r lib; do
		[ -e "$root$lib" ] || install -D "$lib" "$root$lib"
	done
}

# SRC[:DEST]: DEST is relative to the script's working directory, or absolute; a trailing slash keeps SRC's name.
add_file() {
	local root=$1 home=$2 src=${3%%:*} dest="" path program
	[ "$src" = "$3" ] || dest=${3#*:}
	[ -e "$src" ] || die "--file $src: no such file"
	case $dest in
	"") dest=$(basename "$src") ;;
	*/) dest=$dest$(basename "$src") ;;
	esac
	case $dest in
	/*) path=$root$dest ;;
	*) path=$home/$dest ;;
	esac
	mkdir -p "$(dirname "$path")"
	cp -rL "$src" "$path"
	[ -n "$root" ] || return 0
	find "$path" -type f '(' -perm -u+x -o -name '*.ko' ')' | while read -r program; do
		add_libraries "$root" "$program"
		strip --strip-debug "$program" 2>/dev/null || true	# up to 90 % of what the host would have to unpack
	done
}

# Put a module, and what it depends on, where modprobe finds it. Unpacked: busybox need not know the compression.
add_modules() {
	local root=$1 release=$2 tree=$3 module path name
	mkdir -p "$root/lib/modules/$release"
	cp "$tree/lib/modules/$release"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$release/" 2>/dev/null || true
	for module in "${modules[@]}"; do
		modprobe -d "$tree" -S "$release" --show-depends "$module" >"$tmp/depends" ||
			die "--module $module: not found in the $release kernel"
		while read -r _ path; do
			[ -e "$path" ] || continue		# built in
			name=$(basename "$path")
			case $name in
			*.xz) xz -dc "$path" >"$root/lib/modules/$release/${name%.xz}" ;;
			*) cp "$path" "$root/lib/modules/$release/$name" ;;
			esac
		done <"$tmp/depends"
	done
	depmod -b "$root" "$release" 2>&1 | grep -v '^depmod: WARNING: could not open' || true
}

# What /testhost/run does: the script file with its arguments, or the words as a shell command.
write_run() {
	local home=$1 run=$2
	{
		echo '#!/bin/sh'
		if [ -f "${command[0]}" ]; then
			cp "${command[0]}" "$home/.script"
			chmod +x "$home/.script"
			printf 'exec ./.script'
			[ ${#command[@]} -eq 1 ] || printf ' %q' "${command[@]:1}"
		elif [ ${#command[@]} -eq 1 ]; then
			printf '%s' "${command[0]}"
		else
			printf '%q ' "${command[@]}"
		fi
		echo
	} >"$run"
	chmod +x "$run"
}

make_initramfs() {
	local root=$tmp/root file
	mkdir -p "$root"/{bin,sbin,dev,proc,sys,tmp,root,testhost,usr/bin}
	install "$(command -v busybox)" "$root/bin/busybox"
	install "$here/host/init" "$root/init"
	install -m 644 "$here/host/splats.awk" "$root/testhost/splats.awk"
	for file in "${files[@]}"; do
		add_file "$root" "$root/root" "$file"
	done
	[ ${#modules[@]} -eq 0 ] || add_modules "$root" "$release" "$module_tree"
	write_run "$root/root" "$root/testhost/run"
	[ -z "$interactive" ] || terminal_size >"$root/testhost/tty"
	(cd "$root" && find . -print0 | cpio --quiet -0 -o -H newc -R 0:0) | gzip -1 >"$tmp/initrd.gz"
}

terminal_size() {
	local size
	size=$(stty size)
	echo "rows ${size% *} cols ${size#* }"
}
