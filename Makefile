# SPDX-License-Identifier: GPL-2.0-only
# make run [HOST=vmx|svm]		a Linux guest's shell on minikvm, in a test host where this machine has no VT-x
# make check [STEPS="unit ..."]		every test, see scripts/check
# make check-full			and those that take long
# make bench [HOST=vmx|svm]		ticks per exit beside KVM, in one host
# make modules [KDIR=DIR] [MKVM_DEBUG=1]	minikvm.ko, for the kernel whose headers are in DIR
# make vmm				build/minikvm, the command line program
# make guest-image			build/guest/initrd.gz, a small root file system for Linux guests
# make install | clean

KDIR ?= /lib/modules/$(shell uname -r)/build
# 1: count VMREADs and VMWRITEs, see MKVM_GET_STATS
MKVM_DEBUG ?=

kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR) MKVM_DEBUG=$(if $(filter 1 y,$(MKVM_DEBUG)),y)

# -j of this make holds for cmake, too; without it all CPUs are used.
jobs = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j $(shell nproc))

.PHONY: run check check-full bench modules modules-clean vmm guest-image install clean

run:
	@HOST=$(HOST) scripts/run

check:
	@scripts/check $(STEPS)

check-full:
	@scripts/check full

bench:
	@HOST=$(HOST) scripts/bench

modules:
	+$(kbuild) modules

modules-clean:
	+$(kbuild) clean

vmm:
	cmake -S userspace -B build/vmm
	+cmake --build build/vmm --target minikvm $(jobs)

guest-image:
	@scripts/guest-image

install: modules
	+$(kbuild) modules_install
	depmod -a

clean: modules-clean
	rm -rf build/vmm build/minikvm
