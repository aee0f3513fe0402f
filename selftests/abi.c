// SPDX-License-Identifier: GPL-2.0-only
/*
 * The three file descriptors and what they answer before any guest runs:
 * numbers, sizes, capabilities, mappings, and who may ask.
 */
#include "kselftest_harness.h"
#include "guest.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* KVM says EINVAL on the system and vCPU fds where design and api.rst say ENOTTY. */
static bool refused(int ret)
{
	return ret == -ENOTTY || ret == -EINVAL;
}

TEST(api_version)
{
	int dev = open_device();

	EXPECT_EQ(12, kvm_val(dev, KVM_GET_API_VERSION, 0));
	EXPECT_EQ(-EINVAL, kvm_val(dev, KVM_GET_API_VERSION, 1));
}

TEST(vcpu_mmap_size_is_run_pio_and_ring)
{
	int dev = open_device();

	EXPECT_EQ(3 * PAGE, kvm_val(dev, KVM_GET_VCPU_MMAP_SIZE, 0));
	EXPECT_EQ(-EINVAL, kvm_val(dev, KVM_GET_VCPU_MMAP_SIZE, 1));
}

TEST(read_only_open_answers_queries)
{
	int dev = open(device_path(), O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, dev);
	EXPECT_EQ(12, kvm_val(dev, KVM_GET_API_VERSION, 0));
	EXPECT_LT(0, cap(dev, KVM_CAP_USER_MEMORY));
}

TEST(capabilities_that_clients_need)
{
	static const u32 needed[] = {
		KVM_CAP_USER_MEMORY, KVM_CAP_SET_TSS_ADDR, KVM_CAP_EXT_CPUID,
		KVM_CAP_NR_VCPUS, KVM_CAP_NR_MEMSLOTS, KVM_CAP_MP_STATE, KVM_CAP_SYNC_MMU,
		KVM_CAP_DESTROY_MEMORY_REGION_WORKS, KVM_CAP_USER_NMI,
		KVM_CAP_SET_IDENTITY_MAP_ADDR, KVM_CAP_VCPU_EVENTS, KVM_CAP_DEBUGREGS,
		KVM_CAP_XSAVE, KVM_CAP_XCRS, KVM_CAP_MAX_VCPUS, KVM_CAP_MAX_VCPU_ID,
		KVM_CAP_IMMEDIATE_EXIT, KVM_CAP_CHECK_EXTENSION_VM, KVM_CAP_GET_MSR_FEATURES,
	};
	int dev = open_device();

	for (int i = 0; i < ARRAY_SIZE(needed); i++) {
		/* Not in minikvm's first subset */
		if (needed[i] == KVM_CAP_GET_MSR_FEATURES && !on_stock_kvm())
			continue;
		if (needed[i] == KVM_CAP_XCRS && !host_has_xsave())
			continue;
		EXPECT_LT(0, cap(dev, needed[i])) TH_LOG("capability %u", needed[i]);
	}
	EXPECT_EQ(1, cap(dev, KVM_CAP_IMMEDIATE_EXIT));
}

TEST(capabilities_of_limits_agree)
{
	int dev = open_device();

	EXPECT_LE(cap(dev, KVM_CAP_NR_VCPUS), cap(dev, KVM_CAP_MAX_VCPUS));
	EXPECT_LE(cap(dev, KVM_CAP_MAX_VCPUS), cap(dev, KVM_CAP_MAX_VCPU_ID));
	EXPECT_LE(32, cap(dev, KVM_CAP_NR_MEMSLOTS));
}

TEST(unknown_capability_is_zero)
{
	static const long unknown[] = { 9999, 0x7fffffff, -1, 0x100000000 + 3000 };
	int dev = open_device();

	for (int i = 0; i < ARRAY_SIZE(unknown); i++) {
		EXPECT_EQ(0, cap(dev, unknown[i])) TH_LOG("capability %ld", unknown[i]);
	}
}

TEST(capabilities_same_on_vm_fd)
{
	static const u32 some[] = {
		KVM_CAP_USER_MEMORY, KVM_CAP_EXT_CPUID, KVM_CAP_MP_STATE, KVM_CAP_VCPU_EVENTS,
		KVM_CAP_NR_MEMSLOTS, KVM_CAP_IMMEDIATE_EXIT, 9999,
	};
	int dev = open_device();
	struct vm vm;

	vm_create_bare(&vm);
	for (int i = 0; i < ARRAY_SIZE(some); i++) {
		EXPECT_EQ(cap(dev, some[i]), cap(vm.fd, some[i])) TH_LOG("capability %u", some[i]);
	}
}

TEST(unknown_ioctls_are_refused)
{
	static const unsigned long odd[] = {
		_IO(KVMIO, 0xfe), _IOW(KVMIO, 0xfe, long), _IOWR(KVMIO, 0xff, char[256]), 0, ~0u,
		_IO(0x12, 1), _IO(0xbe, 0x7f),
	};
	int dev = open_device();
	struct vm vm;
	struct vcpu v;

	vm_create_bare(&vm);
	vcpu_create_bare(&v, &vm, 0);
	for (int i = 0; i < ARRAY_SIZE(odd); i++) {
		EXPECT_TRUE(refused(kvm_val(dev, odd[i], 0))) TH_LOG("system 0x%lx", odd[i]);
		EXPECT_EQ(-ENOTTY, kvm_val(vm.fd, odd[i], 0)) TH_LOG("VM 0x%lx", odd[i]);
		EXPECT_TRUE(refused(kvm_val(v.fd, odd[i], 0))) TH_LOG("vCPU 0x%lx", odd[i]);
	}
}

/* The size is part of an ioctl's number: another size is another, unknown request. */
TEST(wrong_struct_size_is_refused)
{
	u8 buf[4096] = { 0 };
	struct vm vm;
	struct vcpu v;

	vm_create_bare(&vm);
	vcpu_create_bare(&v, &vm, 0);
	EXPECT_EQ(-ENOTTY, kvm(vm.fd, _IOW(KVMIO, 0x46, u64[3]), buf));
	EXPECT_TRUE(refused(kvm(v.fd, _IOR(KVMIO, 0x81, u64[19]), buf)));
	EXPECT_TRUE(refused(kvm(v.fd, _IOW(KVMIO, 0x82, u64[17]), buf)));
	EXPECT_TRUE(refused(kvm(v.fd, _IOW(KVMIO, 0x84, u8[sizeof(struct kvm_sregs) + 8]), buf)));
	EXPECT_TRUE(refused(kvm(v.fd, _IOWR(KVMIO, 0x81, struct kvm_regs), buf)));
}

TEST(ioctls_on_the_wrong_fd_are_refused)
{
	int dev = open_device();
	struct kvm_regs regs;
	struct vm vm;
	struct vcpu v;

	vm_create_bare(&vm);
	vcpu_create_bare(&v, &vm, 0);
	EXPECT_TRUE(refused(kvm(dev, KVM_GET_REGS, &regs)));
	EXPECT_TRUE(refused(kvm_val(dev, KVM_RUN, 0)));
	EXPECT_TRUE(refused(kvm_val(dev, KVM_CREATE_VCPU, 0)));
	EXPECT_EQ(-ENOTTY, kvm_val(vm.fd, KVM_RUN, 0));
	EXPECT_EQ(-ENOTTY, kvm_val(vm.fd, KVM_GET_API_VERSION, 0));
	EXPECT_EQ(-ENOTTY, kvm_val(vm.fd, KVM_CREATE_VM, 0));
	EXPECT_TRUE(refused(kvm_val(v.fd, KVM_CREATE_VCPU, 0)));
	EXPECT_TRUE(refused(kvm_val(v.fd, KVM_CREATE_VM, 0)));
	EXPECT_TRUE(refused(kvm_val(v.fd, KVM_GET_API_VERSION, 0)));
}

TEST(create_vm_of_unknown_type_is_einval)
{
	static const unsigned long types[] = { 1, 2, 0xff, 1ul << 31, ~0ul };
	int dev = open_device();

	for (int i = 0; i < ARRAY_SIZE(types); i++) {
		EXPECT_EQ(-EINVAL, kvm_val(dev, KVM_CREATE_VM, types[i]))
			TH_LOG("type 0x%lx", types[i]);
	}
}

TEST(fds_are_close_on_exec)
{
	struct vm vm;
	struct vcpu v;

	vm_create_bare(&vm);
	vcpu_create_bare(&v, &vm, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(vm.fd, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(v.fd, F_GETFD));
}

TEST(read_and_write_of_the_fds_fail)
{
	int dev = open_device();
	struct vm vm;
	struct vcpu v;
	char c = 0;

	vm_create_bare(&vm);
	vcpu_create_bare(&v, &vm, 0);
	const int fds[] = { dev, vm.fd, v.fd };

	for (int i = 0; i < ARRAY_SIZE(fds); i++) {
		EXPECT_EQ(-1, read(fds[i], &c, 1));
		EXPECT_EQ(-1, write(fds[i], &c, 1));
	}
}

TEST(system_and_vm_fds_cannot_be_mapped)
{
	int dev = open_device();
	struct vm vm;

	vm_create_bare(&vm);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, dev, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, vm.fd, 0));
}

/* Every address a request may name: none of these may do more than EFAULT. */
TEST(bad_pointers_are_efault)
{
	static const unsigned long bad[] = {
		0, 8, 0x7ffffffff000, 0x800000000000, 0xffff888000000000, ~0ul - 7,
	};
	static const unsigned long requests[] = {
		KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_SREGS, KVM_GET_FPU, KVM_SET_FPU,
		KVM_GET_MSRS, KVM_SET_MSRS, KVM_SET_CPUID2, KVM_GET_CPUID2, KVM_GET_MP_STATE,
		KVM_SET_MP_STATE, KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, KVM_GET_DEBUGREGS,
		KVM_SET_DEBUGREGS, KVM_GET_XSAVE, KVM_SET_XSAVE, KVM_GET_XCRS, KVM_SET_XCRS,
		KVM_INTERRUPT,
	};
	struct vm vm;
	struct vcpu v;

	vm_create_bare(&vm);
	EXPECT_EQ(-EFAULT, kvm_val(vm.fd, KVM_SET_USER_MEMORY_REGION, bad[3]));
	EXPECT_EQ(-EFAULT, kvm_val(vm.fd, KVM_SET_IDENTITY_MAP_ADDR, bad[3]));
	vcpu_create(&v, &vm, 0);
	for (int r = 0; r < ARRAY_SIZE(requests); r++) {
		for (int i = 0; i < ARRAY_SIZE(bad); i++) {
			EXPECT_EQ(-EFAULT, kvm_val(v.fd, requests[r], bad[i]))
				TH_LOG("request 0x%lx of 0x%lx", requests[r], bad[i]);
		}
	}
}

static sigjmp_buf bus_error;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(bus_error, 1);
}

static bool page_readable(const volatile u8 *page)
{
	if (sigsetjmp(bus_error, 1))
		return false;
	(void)*page;
	return true;
}

TEST(vcpu_map_has_three_pages)
{
	struct vm vm;
	struct vcpu v;
	u8 *map;

	vm_create_bare(&vm);
	vcpu_create_bare(&v, &vm, 0);
	signal(SIGBUS, on_sigbus);
	map = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, v.fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	for (int i = 0; i < 8; i++) {
		EXPECT_EQ(i < 3, page_readable(map + i * PAGE)) TH_LOG("page %d", i);
	}
}

TEST(vcpu_map_at_an_offset)
{
	struct vm vm;
	struct vcpu v;
	u8 *pio, *far;

	vm_create_bare(&vm);
	vcpu_create_bare(&v, &vm, 0);
	signal(SIGBUS, on_sigbus);
	pio = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, v.fd, PAGE);
	ASSERT_NE(MAP_FAILED, pio);
	pio[7] = 0x5a;
	EXPECT_EQ(0x5a, *((u8 *)v.run + PAGE + 7));
	far = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, v.fd, 0x7ffffffff000);
	if (far != MAP_FAILED) {
		EXPECT_FALSE(page_readable(far));
	}
}

TEST(vcpu_map_outlives_the_fds)
{
	struct vm vm;
	struct vcpu v;

	vm_create_bare(&vm);
	vcpu_create_bare(&v, &vm, 0);
	close(vm.fd);
	close(v.fd);
	v.run->immediate_exit = 1;
	memset((u8 *)v.run + PAGE, 0x77, 2 * PAGE);
	EXPECT_EQ(1, v.run->immediate_exit);
	EXPECT_EQ(0, munmap(v.run, v.run_size));
}

/* Class 32. The guards are in get_supported_cpuid(), and that no more than max entries are made. */
TEST(supported_cpuid_nent_protocol)
{
	struct cpuid_table full, t;
	int dev = open_device();

	supported_cpuid(&full);
	ASSERT_LT(8, full.nent);
	ASSERT_GE(256, full.nent);
	t.nent = 0;
	EXPECT_EQ(-E2BIG, kvm(dev, KVM_GET_SUPPORTED_CPUID, &t));
	t.nent = full.nent - 1;
	EXPECT_EQ(-E2BIG, kvm(dev, KVM_GET_SUPPORTED_CPUID, &t));
	t.nent = full.nent;
	EXPECT_EQ(0, kvm(dev, KVM_GET_SUPPORTED_CPUID, &t));
	EXPECT_EQ(full.nent, t.nent);
}

/* Exactly the room that is needed, ending at a page that cannot be written. */
TEST(supported_cpuid_stays_inside_its_buffer)
{
	int dev = open_device();
	struct cpuid_table full;
	struct kvm_cpuid2 *t;
	size_t size;
	u8 *map;

	supported_cpuid(&full);
	size = sizeof(*t) + full.nent * sizeof(t->entries[0]);
	map = map_anon(8 * PAGE);
	ASSERT_EQ(0, mprotect(map + 7 * PAGE, PAGE, PROT_NONE));
	t = (void *)(map + 7 * PAGE - size);
	t->nent = full.nent;
	EXPECT_EQ(0, kvm(dev, KVM_GET_SUPPORTED_CPUID, t));
	EXPECT_EQ(0, memcmp(t->entries, full.entries, size - sizeof(*t)));
	/* A count too large for the mapping is an error or cut off, not more. */
	t->nent = ~0u;
	kvm(dev, KVM_GET_SUPPORTED_CPUID, t);
}

TEST(supported_cpuid_is_sane)
{
	struct cpuid_table t;
	struct kvm_cpuid_entry2 *e;

	supported_cpuid(&t);
	e = find_cpuid(&t, 0, 0);
	ASSERT_NE(NULL, e);
	EXPECT_LE(1, e->eax);
	e = find_cpuid(&t, 1, 0);
	ASSERT_NE(NULL, e);
	EXPECT_TRUE(e->edx & (1 << 0));		/* FPU */
	EXPECT_TRUE(e->edx & (1 << 5));		/* MSR */
	EXPECT_TRUE(e->edx & (1 << 6));		/* PAE */
	if (!on_stock_kvm()) {
		EXPECT_FALSE(e->ecx & (1 << 5)) TH_LOG("VMX is offered to guests");
	}
	e = find_cpuid(&t, 0x80000001, 0);
	ASSERT_NE(NULL, e);
	EXPECT_TRUE(e->edx & (1 << 29));	/* long mode */
	for (int i = 0; i < t.nent; i++)
		EXPECT_EQ(0, t.entries[i].padding[0] | t.entries[i].padding[1] |
			     t.entries[i].padding[2]);
}

TEST(msr_index_list_protocol)
{
	struct msr_list list = { 0 };
	int dev = open_device();
	u32 n;

	EXPECT_EQ(-E2BIG, kvm(dev, KVM_GET_MSR_INDEX_LIST, &list));
	n = list.nmsrs;
	ASSERT_LT(0, n);
	ASSERT_GE(ARRAY_SIZE(list.indices), n);
	list.nmsrs = n - 1;
	EXPECT_EQ(-E2BIG, kvm(dev, KVM_GET_MSR_INDEX_LIST, &list));
	EXPECT_EQ(n, list.nmsrs);
	EXPECT_EQ(0, kvm(dev, KVM_GET_MSR_INDEX_LIST, &list));
	EXPECT_EQ(n, list.nmsrs);
}

TEST(msr_index_list_stays_inside_its_buffer)
{
	struct msr_list list = { .nmsrs = 512 };
	int dev = open_device();
	u8 *map = map_anon(2 * PAGE);
	u32 *tight;

	ASSERT_EQ(0, kvm(dev, KVM_GET_MSR_INDEX_LIST, &list));
	ASSERT_EQ(0, mprotect(map + PAGE, PAGE, PROT_NONE));
	tight = (u32 *)(map + PAGE) - 1 - list.nmsrs;
	*tight = list.nmsrs;
	EXPECT_EQ(0, kvm(dev, KVM_GET_MSR_INDEX_LIST, tight));
	EXPECT_EQ(0, memcmp(tight, &list, 4 + 4 * list.nmsrs));
}

/* ioctl() through the i386 system-call gate: the right answer or a refusal. */
static int compat_ioctl(int fd, unsigned int request, u32 arg)
{
	int ret;

	asm volatile("int $0x80" : "=a"(ret) : "a"(54), "b"(fd), "c"(request), "d"(arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

TEST(compat_calls_are_right_or_refused)
{
	u32 *low = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct kvm_regs regs;
	struct vm vm;
	struct vcpu v;
	int dev = open_device(), ret;

	ASSERT_NE(MAP_FAILED, low);
	vm_create_bare(&vm);
	vcpu_create_bare(&v, &vm, 0);
	ret = compat_ioctl(dev, KVM_GET_API_VERSION, 0);
	EXPECT_TRUE(ret == 12 || ret < 0) TH_LOG("version %d", ret);
	ret = compat_ioctl(v.fd, KVM_GET_REGS, (uintptr_t)low);
	regs = get_regs(&v);
	EXPECT_TRUE(ret < 0 || !memcmp(low, &regs, sizeof(regs)));
}

TEST(vm_lives_until_its_last_fd_closes)
{
	struct vm vm;
	struct vcpu v;

	vm_create(&vm, GUEST_RAM);
	vcpu_create(&v, &vm, 0);
	close(vm.fd);
	guest_tables(&vm);
	vm.ram[GUEST_CODE] = 0xf4;
	set_long_mode(&v);
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&v));
}

TEST(many_vms_come_and_go)
{
	struct vm vm;
	struct vcpu v;

	for (int i = 0; i < 50; i++) {
		vm_create(&vm, 16 * PAGE);
		vcpu_create_bare(&v, &vm, 0);
		vcpu_close(&v);
		vm_close(&vm);
	}
}

TEST_HARNESS_MAIN
