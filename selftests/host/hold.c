// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold DEVICE system|vm|vcpu|run [MEMORY-FILE]: hold that much of a hypervisor
 * until killed, for the scripts in this directory. "run" runs a guest that
 * counts in the word at 0x100 of MEMORY-FILE. Says "held" when it is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_SIZE 0x10000

/* again: inc dword [0x100]; jmp again */
static const unsigned char guest[] = { 0x66, 0xff, 0x06, 0x00, 0x01, 0xeb, 0xf9 };

static int must(int result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "hold: %s: %s\n", what, strerror(errno));
		exit(1);
	}
	return result;
}

static void held(void)
{
	puts("held");
	fflush(stdout);
}

static void hold(void)
{
	held();
	for (;;)
		pause();
}

static void add_memory(int vm, const char *path)
{
	int fd = must(open(path, O_RDWR | O_CREAT, 0600), path);
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY_SIZE };
	void *memory;

	must(ftruncate(fd, MEMORY_SIZE), "ftruncate");
	memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		must(-1, "mmap");
	memcpy(memory, guest, sizeof(guest));
	region.userspace_addr = (unsigned long)memory;
	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
}

/* Real mode at 0:0, interrupts enabled. */
static void set_start(int vcpu)
{
	struct kvm_regs regs = { .rflags = 0x202 };
	struct kvm_sregs sregs;

	must(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	must(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void run(int vcpu)
{
	held();
	for (;;)
		if (ioctl(vcpu, KVM_RUN, 0) == 0 || (errno != EINTR && errno != EAGAIN))
			break;
	must(-1, "KVM_RUN");
}

int main(int argc, char **argv)
{
	const char *level = argc > 2 ? argv[2] : "system";
	int system = must(open(argc > 1 ? argv[1] : "/dev/minikvm", O_RDWR | O_CLOEXEC), "open");
	int vm, vcpu;

	if (!strcmp(level, "system"))
		hold();
	vm = must(ioctl(system, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	close(system);
	if (!strcmp(level, "vm"))
		hold();
	vcpu = must(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	add_memory(vm, argc > 3 ? argv[3] : "/tmp/hold.mem");
	close(vm);
	if (!strcmp(level, "vcpu"))
		hold();
	set_start(vcpu);
	run(vcpu);
	return 1;
}
