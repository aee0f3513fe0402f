/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device node from a test's side: VMs, vCPUs and memory slots. Calls that
 * may fail as part of a test return 0 (or the result) or -errno; what a test
 * takes for granted ends the test through die().
 */
#ifndef SELFTESTS_VM_H
#define SELFTESTS_VM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "minikvm.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE	4096ul
#define MIB	(1024ul * 1024)

struct vm {
	int fd;
	u8 *ram;		/* slot 0, at guest-physical 0 */
	size_t ram_size;
};

struct vcpu {
	int fd;
	struct kvm_run *run;
	size_t run_size;
};

/* Variable-length requests, with room for what any KVM returns. */
struct cpuid_table {
	u32 nent;
	u32 pad;
	struct kvm_cpuid_entry2 entries[256];
};

struct msr_list {
	u32 nmsrs;
	u32 indices[512];
};

struct msr_table {
	u32 nmsrs;
	u32 pad;
	struct kvm_msr_entry entries[256];
};

__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...);

const char *device_path(void);		/* $MINIKVM_DEVICE, or /dev/minikvm */
bool on_stock_kvm(void);		/* the device under test is KVM itself */
bool cpu_is_amd(void);
bool on_tcg(void);			/* the host's CPU is QEMU's TCG */
int open_device(void);
bool host_has_xsave(void);		/* and so a vCPU has XCR0 */
int cap(int fd, long which);		/* KVM_CHECK_EXTENSION */

/*
 * To the n-th of the CPUs that this process was started on, whose number is
 * returned: QEMU's SMP hosts keep CPU 0 from it (scripts/host/qemu.sh).
 */
int pin(pthread_t thread, int n);
int usable_cpus(void);

/* ioctl() that returns -errno. */
int kvm(int fd, unsigned long request, const void *arg);
int kvm_val(int fd, unsigned long request, unsigned long arg);

void vm_create_bare(struct vm *vm);			/* no memory */
void vm_create(struct vm *vm, size_t ram_size);		/* slot 0: anonymous memory */
int vm_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, const void *hva);
void irqchip_split(struct vm *vm);			/* with 24 pins in userspace */
void vm_close(struct vm *vm);
/*
 * Leaves 0xa5 in freed objects of the kernel's heap, where it does not clear what it hands out
 * (init_on_alloc=0): what an ioctl then leaves out of its answer is seen.
 */
void dirty_heap(void);
void *map_anon(size_t size);				/* private, zeroed, page aligned */
void *map_anon_aligned(size_t size, size_t align);

void vcpu_create_bare(struct vcpu *v, struct vm *vm, unsigned long id);	/* no CPUID */
void vcpu_create(struct vcpu *v, struct vm *vm, unsigned long id);	/* supported CPUID */
void vcpu_close(struct vcpu *v);
int vcpu_run(struct vcpu *v);				/* one KVM_RUN: 0 or -errno */

void supported_cpuid(struct cpuid_table *table);
struct kvm_cpuid_entry2 *find_cpuid(struct cpuid_table *t, u32 function, u32 index);
int set_msr(struct vcpu *v, u32 index, u64 value);	/* 1 if taken, 0 if refused */
int get_msr(struct vcpu *v, u32 index, u64 *value);

/*
 * Bound on the host's time for one test, in seconds: $MINIKVM_TEST_SECONDS, or
 * 20. Emulated hosts count in their own time, which may be slow.
 */
void watchdog(void);

/* A signal that makes KVM_RUN return EINTR, once, from now. Replaces the watchdog. */
void interrupt_run_after(unsigned int usec);

#endif
