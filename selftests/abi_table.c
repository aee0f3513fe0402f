// SPDX-License-Identifier: GPL-2.0-only
/*
 * docs/abi.md against a loaded module: the tables there are the ABI, no less
 * and no more. Their rows arrive as abi_rows.h, see abi_rows.awk.
 */
#include "kselftest_harness.h"
#include "guest.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "abi_rows.h"

enum fd_kind { FD_system, FD_VM, FD_vCPU, NR_FDS };	/* the words of the tables */

struct request {
	const char *name;
	enum fd_kind fd;
	unsigned int cmd;
};

#define REQUEST(name, fd, number, size) { #name, FD_##fd, name },
#define CHECK_REQUEST(name, fd, number, size)					\
	_Static_assert(name == number, "docs/abi.md: number of " #name);	\
	_Static_assert(_IOC_SIZE(name) == size, "docs/abi.md: struct of " #name);
#define CHECK_NUMBER(name, number, ...)						\
	_Static_assert(name == number, "docs/abi.md: number of " #name);

ABI_IOCTLS(CHECK_REQUEST)
ABI_CAPS(CHECK_NUMBER)
ABI_EXITS(CHECK_NUMBER)

static const struct request requests[] = { ABI_IOCTLS(REQUEST) };

/* What an unknown request is answered with. */
static const int unknown[NR_FDS] = {
	[FD_system] = -EINVAL, [FD_VM] = -ENOTTY, [FD_vCPU] = -EINVAL,
};

#define BAD_POINTER	8

FIXTURE(abi) {
	struct vm vm;
	struct vcpu cpu;
	int fd[NR_FDS];
};

FIXTURE_SETUP(abi)
{
	struct kvm_pit_config pit = { 0 };

	if (on_stock_kvm())
		SKIP(return, "docs/abi.md is about minikvm");
	vm_create_bare(&self->vm);
	/* Some requests exist only with an irqchip, KVM_GET_PIT2 with an 8254. */
	kvm_val(self->vm.fd, KVM_CREATE_IRQCHIP, 0);
	kvm(self->vm.fd, KVM_CREATE_PIT2, &pit);
	vcpu_create_bare(&self->cpu, &self->vm, 0);
	self->cpu.run->immediate_exit = 1;	/* for KVM_RUN */
	set_msr(&self->cpu, 0x4b564d01, 1);	/* for KVM_KVMCLOCK_CTRL */
	self->fd[FD_system] = open_device();
	self->fd[FD_VM] = self->vm.fd;
	self->fd[FD_vCPU] = self->cpu.fd;
}

FIXTURE_TEARDOWN(abi)
{
}

static bool documented(enum fd_kind fd, unsigned int cmd)
{
	for (int i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].fd == fd && requests[i].cmd == cmd)
			return true;
	return false;
}

/* The dumps of the hardware's own state: one of them is the other vendor's. */
static bool is_dump(unsigned int cmd)
{
	return cmd == MKVM_GET_VMCS || cmd == MKVM_GET_VMCB;
}

/* Who knows a request fails on its pointer; those without one get the argument 0. */
TEST_F(abi, documented_requests_are_known)
{
	int unsupported = 0;

	for (int i = 0; i < ARRAY_SIZE(requests); i++) {
		const struct request *r = &requests[i];

		if (_IOC_SIZE(r->cmd)) {
			int ret = kvm_val(self->fd[r->fd], r->cmd, BAD_POINTER);

			if (ret == -EOPNOTSUPP && is_dump(r->cmd))
				unsupported++;
			else
				EXPECT_EQ(-EFAULT, ret) TH_LOG("%s", r->name);
		} else {
			EXPECT_NE(unknown[r->fd], kvm_val(self->fd[r->fd], r->cmd, 0))
				TH_LOG("%s", r->name);
		}
	}
	EXPECT_EQ(1, unsupported);
}

/* Each number and direction, with the size of each request that there is. */
TEST_F(abi, other_requests_are_unknown)
{
	static const unsigned int types[] = { KVMIO, MKVMIO };
	u64 tried[NR_FDS] = { 0 }, wrong = 0;

	for (int t = 0; t < ARRAY_SIZE(types); t++) {
		for (int i = 0; i < ARRAY_SIZE(requests); i++) {
			unsigned int size = _IOC_SIZE(requests[i].cmd);

			for (unsigned int n = 0; n < 4 * 256; n++) {
				unsigned int cmd = _IOC(n & 3, types[t], n >> 2, size);

				for (enum fd_kind fd = FD_system; fd < NR_FDS; fd++) {
					if (documented(fd, cmd))
						continue;
					tried[fd]++;
					wrong += kvm_val(self->fd[fd], cmd, BAD_POINTER) !=
						 unknown[fd];
				}
			}
		}
	}
	EXPECT_EQ(0, wrong);
	for (enum fd_kind fd = FD_system; fd < NR_FDS; fd++)
		EXPECT_LT(1000, tried[fd]);
}

/* ---- capabilities ---- */

#define CAP_NUMBERS	301

static int host_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 255 ? n : 255;
}

#define HOST_CPUS	host_cpus()
#define HOST_XSAVE	host_has_xsave()
#define EXPECT_CAP(name, number, value)						\
	wanted[number] = value;

TEST_F(abi, capabilities_have_their_values)
{
	int wanted[CAP_NUMBERS] = { 0 };

	ABI_CAPS(EXPECT_CAP)
	for (int i = 0; i < CAP_NUMBERS; i++) {
		EXPECT_EQ(wanted[i], cap(self->fd[FD_system], i)) TH_LOG("capability %d", i);
		EXPECT_EQ(wanted[i], cap(self->fd[FD_VM], i)) TH_LOG("capability %d of the VM", i);
	}
	EXPECT_EQ(0, cap(self->fd[FD_system], -1));
	EXPECT_EQ(0, cap(self->fd[FD_VM], 0x7fffffff));
}

/* ---- kvm_run: what is written whenever KVM_RUN returns ---- */

#define SET_CR8	"mov $5, %eax; mov %rax, %cr8; sti; nop;"

GUEST(cr8_and_mmio, 64, SET_CR8 "mov $" ARG(GUEST_MMIO) ", %eax; mov (%rax), %ecx; cli; hlt");
GUEST(cr8_and_string, 64,
      SET_CR8 "mov $" ARG(GUEST_DATA) ", %esi; mov $0x80, %edx; outsb; cli; hlt");
GUEST(cr8_and_signal, 64, SET_CR8 "1: pause; jmp 1b");

#define EXPECT_FRESH(run) do {				\
	EXPECT_EQ(5, (run)->cr8);			\
	EXPECT_EQ(1, (run)->if_flag);			\
	EXPECT_EQ(1, (run)->ready_for_interrupt_injection);	\
} while (0)

TEST(mmio_exit_tells_the_state)
{
	struct guest g;

	guest_long(&g, cr8_and_mmio);
	ASSERT_EQ(KVM_EXIT_MMIO, guest_run(&g.cpu));
	EXPECT_FRESH(g.cpu.run);
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(5, get_sregs(&g.cpu).cr8);
	EXPECT_EQ(0, g.cpu.run->if_flag);
}

TEST(string_io_exit_tells_the_state)
{
	struct guest g;

	guest_long(&g, cr8_and_string);
	ASSERT_EQ(KVM_EXIT_IO, guest_run(&g.cpu));
	EXPECT_FRESH(g.cpu.run);
	EXPECT_EQ(KVM_EXIT_HLT, guest_run(&g.cpu));
	EXPECT_EQ(5, get_sregs(&g.cpu).cr8);
}

TEST(signal_exit_tells_the_state)
{
	struct guest g;

	guest_long(&g, cr8_and_signal);
	interrupt_run_after(20000);
	ASSERT_EQ(-EINTR, vcpu_run(&g.cpu));
	EXPECT_FRESH(g.cpu.run);
}

TEST_HARNESS_MAIN
