// SPDX-License-Identifier: GPL-2.0-only
/* vCPUs as objects: their numbers, their lifetime, and who may use them. */
#include "kselftest_harness.h"
#include "guest.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

GUEST(halts, 64, "1: hlt; jmp 1b");

/* Class 4. The guard is the bound in mkvm_vcpu_create(). */
TEST(impossible_ids_are_einval)
{
	struct vm vm;
	int max;

	vm_create_bare(&vm);
	max = cap(vm.fd, KVM_CAP_MAX_VCPU_ID);
	EXPECT_EQ(-EINVAL, kvm_val(vm.fd, KVM_CREATE_VCPU, max));
	EXPECT_EQ(-EINVAL, kvm_val(vm.fd, KVM_CREATE_VCPU, max + 1));
	EXPECT_EQ(-EINVAL, kvm_val(vm.fd, KVM_CREATE_VCPU, 1ul << 31));
	EXPECT_EQ(-EINVAL, kvm_val(vm.fd, KVM_CREATE_VCPU, 0xffffffff));
	EXPECT_EQ(-EINVAL, kvm_val(vm.fd, KVM_CREATE_VCPU, -1));
}

/* Class 4. The guard is check_new_id(). */
TEST(duplicate_id_is_eexist)
{
	struct vm vm;
	struct vcpu v;

	vm_create_bare(&vm);
	vcpu_create_bare(&v, &vm, 0);
	EXPECT_EQ(-EEXIST, kvm_val(vm.fd, KVM_CREATE_VCPU, 0));
	/* The vCPU belongs to the VM: its number stays taken. */
	vcpu_close(&v);
	EXPECT_EQ(-EEXIST, kvm_val(vm.fd, KVM_CREATE_VCPU, 0));
}

TEST(the_last_id_works)
{
	struct vm vm;
	struct vcpu v;
	int max;

	vm_create_bare(&vm);
	max = cap(vm.fd, KVM_CAP_MAX_VCPU_ID);
	vcpu_create_bare(&v, &vm, max - 1);
}

TEST(not_more_than_max_vcpus)
{
	struct vm vm;
	int max;

	vm_create_bare(&vm);
	max = cap(vm.fd, KVM_CAP_MAX_VCPUS);
	if (max > 300)
		SKIP(return, "%d vCPUs take too long under emulation", max);
	for (int i = 0; i < max; i++)
		ASSERT_LE(0, kvm_val(vm.fd, KVM_CREATE_VCPU, i));
	EXPECT_EQ(-EINVAL, kvm_val(vm.fd, KVM_CREATE_VCPU, max));
}

struct creator {
	pthread_t thread;
	int vm_fd;
	pthread_barrier_t *start;
	int won;
};

static void *create_16(void *arg)
{
	struct creator *c = arg;

	pthread_barrier_wait(c->start);
	for (int id = 0; id < 16; id++)
		c->won += kvm_val(c->vm_fd, KVM_CREATE_VCPU, id) >= 0;
	return NULL;
}

TEST(threads_racing_for_ids_share_them)
{
	struct creator c[4];
	pthread_barrier_t start;
	struct vm vm;
	int won = 0;

	vm_create_bare(&vm);
	if (cap(vm.fd, KVM_CAP_MAX_VCPUS) < 16)
		SKIP(return, "fewer than 16 vCPUs");
	pthread_barrier_init(&start, NULL, ARRAY_SIZE(c));
	for (int i = 0; i < ARRAY_SIZE(c); i++) {
		c[i] = (struct creator){ .vm_fd = vm.fd, .start = &start };
		pthread_create(&c[i].thread, NULL, create_16, &c[i]);
	}
	for (int i = 0; i < ARRAY_SIZE(c); i++) {
		pthread_join(c[i].thread, NULL);
		won += c[i].won;
	}
	EXPECT_EQ(16, won);
}

static int guessed_fd;
static volatile bool stop;

/* Use and close the fd that CREATE_VCPU is about to return. */
static void *fd_guesser(void *arg)
{
	struct kvm_regs regs;

	(void)arg;
	while (!stop) {
		kvm(guessed_fd, KVM_GET_REGS, &regs);
		kvm_val(guessed_fd, KVM_RUN, 0);
		close(guessed_fd);
	}
	return NULL;
}

/* CVE-2019-6974, CVE-2016-10150: an fd that is visible before its object is whole. */
TEST(fd_closed_while_it_is_created)
{
	pthread_t thread;
	struct vm vm;

	vm_create_bare(&vm);
	guessed_fd = dup(vm.fd);
	close(guessed_fd);
	pthread_create(&thread, NULL, fd_guesser, NULL);
	for (int i = 0; i < 300; i++)
		kvm_val(vm.fd, KVM_CREATE_VCPU, i);
	stop = true;
	pthread_join(thread, NULL);
	EXPECT_GT(0, kvm_val(vm.fd, KVM_CREATE_VCPU, 0));
}

TEST(vcpu_fd_outlives_vm_fd)
{
	struct guest g;

	guest_long(&g, halts);
	close(g.vm.fd);
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	vcpu_close(&g.cpu);
}

TEST(duplicated_fd_is_the_same_vcpu)
{
	struct kvm_regs regs, seen;
	struct guest g;
	int copy;

	guest_long(&g, halts);
	regs = get_regs(&g.cpu);
	copy = dup(g.cpu.fd);
	close(g.cpu.fd);
	EXPECT_EQ(0, kvm(copy, KVM_GET_REGS, &seen));
	EXPECT_EQ(0, memcmp(&regs, &seen, sizeof(regs)));
	EXPECT_EQ(0, kvm_val(copy, KVM_RUN, 0));
	EXPECT_EQ(KVM_EXIT_HLT, g.cpu.run->exit_reason);
}

/* Returns the number of calls that were not refused with EIO. */
static int calls_from_child(struct guest *g)
{
	struct kvm_regs regs;
	int wrong = 0;

	wrong += vcpu_run(&g->cpu) != -EIO;
	wrong += kvm(g->cpu.fd, KVM_GET_REGS, &regs) != -EIO;
	wrong += kvm(g->cpu.fd, KVM_SET_REGS, &regs) != -EIO;
	wrong += kvm_val(g->vm.fd, KVM_CREATE_VCPU, 1) != -EIO;
	wrong += vm_slot(&g->vm, 1, 0, 64 * MIB, PAGE, g->vm.ram) != -EIO;
	wrong += kvm_val(g->vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) != -EIO;
	return wrong;
}

static int in_child(int (*work)(struct guest *), struct guest *g)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(work(g));
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(forked_child_gets_eio)
{
	struct guest g;

	guest_long(&g, halts);
	EXPECT_EQ(0, in_child(calls_from_child, &g));
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

static int close_all(struct guest *g)
{
	g->cpu.run->request_interrupt_window = 0;	/* the mapping is inherited */
	guest_close(g);
	return 0;
}

TEST(child_closing_its_copies_harms_nobody)
{
	struct guest g;

	guest_long(&g, halts);
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(0, in_child(close_all, &g));
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
}

static int outlive_parent(struct guest *g)
{
	return vcpu_run(&g->cpu) == -EIO ? 0 : 1;
}

TEST(child_holds_the_fds_after_the_parent_closed)
{
	struct guest g;
	int go[2], status;
	char c;

	guest_long(&g, halts);
	ASSERT_EQ(0, pipe(go));
	pid_t child = fork();

	if (child == 0) {
		if (read(go[0], &c, 1) != 1)
			_exit(1);
		_exit(outlive_parent(&g));
	}
	guest_close(&g);
	ASSERT_EQ(1, write(go[1], "x", 1));
	waitpid(child, &status, 0);
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(two_vms_at_once)
{
	struct guest a, b;

	guest_long(&a, halts);
	guest_long(&b, halts);
	for (int i = 0; i < 20; i++) {
		struct kvm_regs regs = get_regs(&a.cpu);

		regs.rax = i;
		set_regs(&a.cpu, &regs);
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&a.cpu));
		ASSERT_EQ(KVM_EXIT_HLT, guest_run(&b.cpu));
		ASSERT_EQ(i, get_regs(&a.cpu).rax);
		ASSERT_EQ(0, get_regs(&b.cpu).rax);
	}
}

TEST(several_vcpus_share_memory)
{
	struct guest g;
	struct vcpu second;

	guest_long(&g, halts);
	if (cap(g.vm.fd, KVM_CAP_MAX_VCPUS) < 2)
		SKIP(return, "one vCPU only");
	vcpu_create(&second, &g.vm, 1);
	set_long_mode(&second);
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&second));
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&second));
}

TEST_HARNESS_MAIN
