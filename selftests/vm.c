// SPDX-License-Identifier: GPL-2.0-only
/* VM ioctls: what a memory slot may be, and the addresses that VT-x guests need. */
#include "kselftest_harness.h"
#include "guest.h"

#include <sys/mman.h>

FIXTURE(slots) {
	struct vm vm;
	u8 *mem;		/* 64 pages */
};

FIXTURE_SETUP(slots)
{
	vm_create_bare(&self->vm);
	self->mem = map_anon(64 * PAGE);
}

FIXTURE_TEARDOWN(slots)
{
	vm_close(&self->vm);
}

/* Classes 6 and 7. The guard is region_valid() in pure/slots.c, here and in those below. */
TEST_F(slots, unaligned_is_einval)
{
	struct vm *vm = &self->vm;

	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, 0, 1, PAGE, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, 0, 0x800, PAGE, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, 0, 0, PAGE + 1, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, 0, 0, 512, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, 0, 0, PAGE, self->mem + 8));
	EXPECT_EQ(0, vm_slot(vm, 0, 0, 0, PAGE, self->mem));
}

/* Class 7. The guards are region_valid() and the limit in mkvm_slots_plan(), pure/slots.c. */
TEST_F(slots, wrapping_is_einval)
{
	struct vm *vm = &self->vm;

	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, 0, -PAGE, 2 * PAGE, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, 0, PAGE, -PAGE, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, 0, 1ull << 63, 1ull << 63, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, 0, 0, PAGE, (void *)-PAGE));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, 0, 0, 2 * PAGE, (void *)-PAGE));
}

/* Class 6, CVE-2013-1943. The guard is user_range() in memslot.c. */
TEST_F(slots, kernel_addresses_are_einval)
{
	static const u64 kernel[] = {
		0xffff888000000000, 0xffffffff81000000, 0x8000000000000000, 0xffff800000000000,
	};

	for (int i = 0; i < ARRAY_SIZE(kernel); i++) {
		EXPECT_EQ(-EINVAL, vm_slot(&self->vm, 0, 0, 0, PAGE, (void *)kernel[i]))
			TH_LOG("0x%lx", kernel[i]);
	}
	/* Starts in the user half, ends in the kernel half */
	EXPECT_EQ(-EINVAL, vm_slot(&self->vm, 0, 0, 0, 1ull << 40, (void *)0x7fff00000000));
}

TEST_F(slots, beyond_the_address_width_is_einval)
{
	EXPECT_EQ(-EINVAL, vm_slot(&self->vm, 0, 0, 1ull << 52, PAGE, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(&self->vm, 0, 0, (1ull << 52) - PAGE, 2 * PAGE, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(&self->vm, 0, 0, 1ull << 62, PAGE, self->mem));
}

TEST_F(slots, too_many_pages_is_einval)
{
	EXPECT_EQ(-EINVAL, vm_slot(&self->vm, 0, 0, 0, PAGE << 31, (void *)PAGE));
	EXPECT_EQ(-EINVAL, vm_slot(&self->vm, 0, 0, 0, PAGE << 34, (void *)PAGE));
}

TEST_F(slots, number_beyond_the_last_is_einval)
{
	int nr = cap(self->vm.fd, KVM_CAP_NR_MEMSLOTS);

	ASSERT_LT(0, nr);
	EXPECT_EQ(0, vm_slot(&self->vm, nr - 1, 0, 0, PAGE, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(&self->vm, 0xffff, 0, PAGE, PAGE, self->mem));
	/* The upper half is the address space: KVM has at most two (SMM). */
	EXPECT_EQ(-EINVAL, vm_slot(&self->vm, 2 << 16, 0, PAGE, PAGE, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(&self->vm, ~0u, 0, PAGE, PAGE, self->mem));
}

TEST_F(slots, unknown_flags_are_einval)
{
	for (u32 flag = 4; flag; flag <<= 1) {
		EXPECT_EQ(-EINVAL, vm_slot(&self->vm, 0, flag, 0, PAGE, self->mem))
			TH_LOG("flag 0x%x", flag);
	}
}

TEST_F(slots, read_only_follows_the_capability)
{
	int expected = cap(self->vm.fd, KVM_CAP_READONLY_MEM) ? 0 : -EINVAL;

	EXPECT_EQ(expected, vm_slot(&self->vm, 0, KVM_MEM_READONLY, 0, PAGE, self->mem));
}

TEST_F(slots, overlap_is_eexist)
{
	struct vm *vm = &self->vm;

	ASSERT_EQ(0, vm_slot(vm, 0, 0, 8 * PAGE, 8 * PAGE, self->mem));
	EXPECT_EQ(-EEXIST, vm_slot(vm, 1, 0, 8 * PAGE, 8 * PAGE, self->mem));
	EXPECT_EQ(-EEXIST, vm_slot(vm, 1, 0, 7 * PAGE, 2 * PAGE, self->mem));
	EXPECT_EQ(-EEXIST, vm_slot(vm, 1, 0, 15 * PAGE, 2 * PAGE, self->mem));
	EXPECT_EQ(-EEXIST, vm_slot(vm, 1, 0, 10 * PAGE, PAGE, self->mem));
	EXPECT_EQ(-EEXIST, vm_slot(vm, 1, 0, 0, 64 * PAGE, self->mem));
	EXPECT_EQ(0, vm_slot(vm, 1, 0, 7 * PAGE, PAGE, self->mem));
	EXPECT_EQ(0, vm_slot(vm, 2, 0, 16 * PAGE, PAGE, self->mem));
}

TEST_F(slots, size_zero_deletes)
{
	struct vm *vm = &self->vm;

	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, 0, 0, 0, self->mem));
	ASSERT_EQ(0, vm_slot(vm, 0, 0, 0, PAGE, self->mem));
	EXPECT_EQ(0, vm_slot(vm, 0, 0, 0, 0, NULL));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, 0, 0, 0, NULL));
	EXPECT_EQ(0, vm_slot(vm, 1, 0, 0, PAGE, self->mem));
}

TEST_F(slots, same_again_is_fine)
{
	ASSERT_EQ(0, vm_slot(&self->vm, 0, 0, 0, PAGE, self->mem));
	EXPECT_EQ(0, vm_slot(&self->vm, 0, 0, 0, PAGE, self->mem));
}

TEST_F(slots, live_slot_keeps_size_and_address)
{
	struct vm *vm = &self->vm;

	ASSERT_EQ(0, vm_slot(vm, 0, 0, 0, 4 * PAGE, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, 0, 0, 8 * PAGE, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, 0, 0, PAGE, self->mem));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, 0, 0, 4 * PAGE, self->mem + PAGE));
	EXPECT_EQ(-EINVAL, vm_slot(vm, 0, KVM_MEM_READONLY, 0, 4 * PAGE, self->mem));
}

TEST_F(slots, live_slot_moves)
{
	struct vm *vm = &self->vm;

	ASSERT_EQ(0, vm_slot(vm, 0, 0, 0, 4 * PAGE, self->mem));
	ASSERT_EQ(0, vm_slot(vm, 1, 0, 16 * PAGE, 4 * PAGE, self->mem));
	EXPECT_EQ(-EEXIST, vm_slot(vm, 0, 0, 14 * PAGE, 4 * PAGE, self->mem));
	EXPECT_EQ(0, vm_slot(vm, 0, 0, 2 * PAGE, 4 * PAGE, self->mem));	/* overlaps itself */
	EXPECT_EQ(0, vm_slot(vm, 2, 0, 0, 2 * PAGE, self->mem));
}

TEST_F(slots, host_address_need_not_be_mapped)
{
	ASSERT_EQ(0, munmap(self->mem, 64 * PAGE));
	EXPECT_EQ(0, vm_slot(&self->vm, 0, 0, 0, 64 * PAGE, self->mem));
	EXPECT_EQ(0, vm_slot(&self->vm, 0, 0, 0, 0, self->mem));
}

TEST_F(slots, many_slots)
{
	u32 nr = cap(self->vm.fd, KVM_CAP_NR_MEMSLOTS);

	nr = nr > 200 ? 200 : nr;
	/* Backwards and with gaps, so that a lookup has something to order */
	for (u32 i = nr; i-- > 0;)
		ASSERT_EQ(0, vm_slot(&self->vm, i, 0, 2ull * i * PAGE, PAGE, self->mem));
	EXPECT_EQ(-EEXIST, vm_slot(&self->vm, nr / 2, 0, 2 * PAGE, PAGE, self->mem));
	for (u32 i = 0; i < nr; i++)
		ASSERT_EQ(0, vm_slot(&self->vm, i, 0, 0, 0, NULL));
	EXPECT_EQ(0, vm_slot(&self->vm, 0, 0, 0, 64 * PAGE, self->mem));
}

TEST(tss_address)
{
	struct vm vm;

	vm_create_bare(&vm);
	EXPECT_EQ(0, kvm_val(vm.fd, KVM_SET_TSS_ADDR, 0xfffbd000));
	EXPECT_EQ(-EINVAL, kvm_val(vm.fd, KVM_SET_TSS_ADDR, 0xfffff000));
	EXPECT_EQ(-EINVAL, kvm_val(vm.fd, KVM_SET_TSS_ADDR, 1ul << 32));
}

TEST(shadow_page_tables_are_64_pages_at_least)
{
	struct vm vm;

	vm_create_bare(&vm);
	EXPECT_EQ(0, kvm_val(vm.fd, KVM_SET_NR_MMU_PAGES, 64));
	EXPECT_EQ(-EINVAL, kvm_val(vm.fd, KVM_SET_NR_MMU_PAGES, 63));
}

TEST(identity_map_address_only_before_vcpus)
{
	u64 addr = 0xfeffc000;
	struct vm vm;
	struct vcpu v;

	vm_create_bare(&vm);
	EXPECT_EQ(0, kvm(vm.fd, KVM_SET_IDENTITY_MAP_ADDR, &addr));
	vcpu_create_bare(&v, &vm, 0);
	EXPECT_EQ(-EINVAL, kvm(vm.fd, KVM_SET_IDENTITY_MAP_ADDR, &addr));
}

TEST(largest_vcpu_id_can_be_lowered_once)
{
	struct kvm_enable_cap max = { .cap = KVM_CAP_MAX_VCPU_ID };
	struct vm vm;

	vm_create_bare(&vm);
	max.args[0] = cap(vm.fd, KVM_CAP_MAX_VCPU_ID) + 1;
	EXPECT_GT(0, kvm(vm.fd, KVM_ENABLE_CAP, &max));
	max.args[0] = 2;
	EXPECT_EQ(0, kvm(vm.fd, KVM_ENABLE_CAP, &max));
	EXPECT_EQ(0, kvm(vm.fd, KVM_ENABLE_CAP, &max));
	max.args[0] = 3;
	EXPECT_GT(0, kvm(vm.fd, KVM_ENABLE_CAP, &max));
	EXPECT_EQ(-EINVAL, kvm_val(vm.fd, KVM_CREATE_VCPU, 2));
	EXPECT_LE(0, kvm_val(vm.fd, KVM_CREATE_VCPU, 1));
}

TEST_HARNESS_MAIN
