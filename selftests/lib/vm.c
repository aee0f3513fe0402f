// SPDX-License-Identifier: GPL-2.0-only
#include "vm.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/time.h>
#include <unistd.h>

#define KSFT_SKIP_CODE 4

void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	fprintf(stderr, "# ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (errno %d, %s)\n", err, strerror(err));
	fflush(NULL);
	_exit(1);
}

const char *device_path(void)
{
	const char *path = getenv("MINIKVM_DEVICE");

	return path && *path ? path : MKVM_DEVICE_PATH;
}

bool on_stock_kvm(void)
{
	return !strcmp(device_path(), "/dev/kvm");
}

static cpu_set_t started_on;

static const cpu_set_t *usable(void)
{
	if (!CPU_COUNT(&started_on) && sched_getaffinity(0, sizeof(started_on), &started_on))
		die("sched_getaffinity: %m");
	return &started_on;
}

int usable_cpus(void)
{
	return CPU_COUNT(usable());
}

int pin(pthread_t thread, int n)
{
	cpu_set_t set;
	int cpu = 0;

	for (; n || !CPU_ISSET(cpu, usable()); cpu++) {
		if (cpu == CPU_SETSIZE)
			die("%d usable CPUs are too few", usable_cpus());
		n -= CPU_ISSET(cpu, usable());
	}
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (pthread_setaffinity_np(thread, sizeof(set), &set))
		die("affinity to CPU %d", cpu);
	return cpu;
}

bool cpu_is_amd(void)
{
	unsigned int a, b = 0, c, d;

	__get_cpuid(0, &a, &b, &c, &d);
	return b == signature_AMD_ebx;
}

bool on_tcg(void)
{
	unsigned int a, b, c, d;

	__cpuid(0x40000000, a, b, c, d);	/* "TCGTCGTCGTCG" */
	return !memcmp(&b, "TCGT", 4);
}

/* Without the device there is nothing to test: the whole program skips. */
__attribute__((constructor)) static void require_device(void)
{
	int fd = open(device_path(), O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		printf("TAP version 13\n1..0 # SKIP cannot open %s: %s\n",
		       device_path(), strerror(errno));
		exit(KSFT_SKIP_CODE);
	}
	close(fd);
}

static void watchdog_fired(int sig)
{
	static const char text[] = "# watchdog: the test takes too long\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)n;
	(void)sig;
	kill(0, SIGKILL);	/* the harness gave the test a process group of its own */
}

void watchdog(void)
{
	const char *seconds = getenv("MINIKVM_TEST_SECONDS");

	signal(SIGALRM, watchdog_fired);
	alarm(seconds ? strtoul(seconds, NULL, 10) : 20);
}

static void ignore_signal(int sig)
{
	(void)sig;
}

void interrupt_run_after(unsigned int usec)
{
	struct sigaction sa = { .sa_handler = ignore_signal };	/* no SA_RESTART */
	struct itimerval in = { .it_value = { .tv_usec = usec } };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &in, NULL);
}

int open_device(void)
{
	int fd = open(device_path(), O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("open %s", device_path());
	watchdog();
	return fd;
}

int kvm_val(int fd, unsigned long request, unsigned long arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

int kvm(int fd, unsigned long request, const void *arg)
{
	return kvm_val(fd, request, (unsigned long)arg);
}

int cap(int fd, long which)
{
	return kvm_val(fd, KVM_CHECK_EXTENSION, which);
}

/* The kernel may have turned it off although the CPU has it: CPUID's OSXSAVE tells. */
bool host_has_xsave(void)
{
	unsigned int a, b, c = 0, d;

	__get_cpuid(1, &a, &b, &c, &d);
	return c & bit_OSXSAVE;
}

void dirty_heap(void)
{
	struct { long type; u8 text[2048]; } message = { .type = 1 };
	int queue = msgget(IPC_PRIVATE, 0600);
	size_t size, i;

	memset(message.text, 0xa5, sizeof(message.text));
	/* A message is one object: a header of 48 bytes and its text. */
	for (size = 64; size <= 1024; size *= 2)
		for (i = 0; i < 4; i++)
			msgsnd(queue, &message, size - 48, IPC_NOWAIT);
	msgctl(queue, IPC_RMID, NULL);
}

void *map_anon(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap %zu bytes", size);
	return p;
}

void *map_anon_aligned(size_t size, size_t align)
{
	u8 *p = map_anon(size + align);
	size_t skip = -(uintptr_t)p & (align - 1);

	if (skip)
		munmap(p, skip);
	munmap(p + skip + size, align - skip);
	return p + skip;
}

void vm_create_bare(struct vm *vm)
{
	int dev = open_device();

	memset(vm, 0, sizeof(*vm));
	vm->fd = kvm_val(dev, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		die("KVM_CREATE_VM: %d", vm->fd);
	close(dev);
	/* KVM on VT-x without unrestricted guest wants both; harmless elsewhere. */
	kvm_val(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000);
}

int vm_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, const void *hva)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return kvm(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

void vm_create(struct vm *vm, size_t ram_size)
{
	int ret;

	vm_create_bare(vm);
	vm->ram = map_anon(ram_size);
	vm->ram_size = ram_size;
	ret = vm_slot(vm, 0, 0, 0, ram_size, vm->ram);
	if (ret)
		die("KVM_SET_USER_MEMORY_REGION: %d", ret);
}

void irqchip_split(struct vm *vm)
{
	struct kvm_enable_cap enable = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };

	if (kvm(vm->fd, KVM_ENABLE_CAP, &enable))
		die("KVM_CAP_SPLIT_IRQCHIP");
}

void vm_close(struct vm *vm)
{
	close(vm->fd);
	if (vm->ram)
		munmap(vm->ram, vm->ram_size);
}

static size_t vcpu_map_size(void)
{
	int dev = open_device();
	int size = kvm_val(dev, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (size < (int)sizeof(struct kvm_run))
		die("KVM_GET_VCPU_MMAP_SIZE: %d", size);
	close(dev);
	return size;
}

void vcpu_create_bare(struct vcpu *v, struct vm *vm, unsigned long id)
{
	v->fd = kvm_val(vm->fd, KVM_CREATE_VCPU, id);
	if (v->fd < 0)
		die("KVM_CREATE_VCPU(%lu): %d", id, v->fd);
	v->run_size = vcpu_map_size();
	v->run = mmap(NULL, v->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED)
		die("mmap of the vCPU");
}

void vcpu_create(struct vcpu *v, struct vm *vm, unsigned long id)
{
	struct cpuid_table table;
	int ret;

	vcpu_create_bare(v, vm, id);
	supported_cpuid(&table);
	ret = kvm(v->fd, KVM_SET_CPUID2, &table);
	if (ret)
		die("KVM_SET_CPUID2: %d", ret);
}

void vcpu_close(struct vcpu *v)
{
	munmap(v->run, v->run_size);
	close(v->fd);
}

int vcpu_run(struct vcpu *v)
{
	return kvm_val(v->fd, KVM_RUN, 0);
}

void supported_cpuid(struct cpuid_table *table)
{
	int dev = open_device();
	int ret;

	memset(table, 0, sizeof(*table));
	table->nent = 256;
	ret = kvm(dev, KVM_GET_SUPPORTED_CPUID, table);
	if (ret)
		die("KVM_GET_SUPPORTED_CPUID: %d", ret);
	close(dev);
}

struct kvm_cpuid_entry2 *find_cpuid(struct cpuid_table *t, u32 function, u32 index)
{
	for (u32 i = 0; i < t->nent; i++)
		if (t->entries[i].function == function && t->entries[i].index == index)
			return &t->entries[i];
	return NULL;
}

int set_msr(struct vcpu *v, u32 index, u64 value)
{
	struct msr_table t = { .nmsrs = 1, .entries = { { .index = index, .data = value } } };

	return kvm(v->fd, KVM_SET_MSRS, &t);
}

int get_msr(struct vcpu *v, u32 index, u64 *value)
{
	struct msr_table t = { .nmsrs = 1, .entries = { { .index = index } } };
	int ret = kvm(v->fd, KVM_GET_MSRS, &t);

	*value = t.entries[0].data;
	return ret;
}
