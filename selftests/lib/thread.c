// SPDX-License-Identifier: GPL-2.0-only
#include "thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

GUEST(load, 64, "mov (%rbx), %rax; hlt");
GUEST(store, 64, "mov %rax, (%rbx); hlt");

static void kicked(int sig)
{
	(void)sig;
}

static void *run_guest(void *arg)
{
	struct guest_thread *t = arg;

	while (!t->stop) {
		t->ret = vcpu_run(t->cpu);
		t->exits++;
		if (t->ret && t->ret != -EINTR && t->ret != -EFAULT && t->ret != -EAGAIN)
			break;
		if (!t->ret && t->cpu->run->exit_reason != KVM_EXIT_MMIO)
			break;
	}
	t->done = true;
	return NULL;
}

void start_thread(struct guest_thread *t, struct vcpu *cpu)
{
	struct sigaction sa = { .sa_handler = kicked };

	sigaction(SIGUSR1, &sa, NULL);
	*t = (struct guest_thread){ .cpu = cpu };
	pthread_create(&t->thread, NULL, run_guest, t);
}

bool stop_thread(struct guest_thread *t)
{
	bool was_running = !t->done;

	t->stop = true;
	while (!t->done) {
		pthread_kill(t->thread, SIGUSR1);
		usleep(1000);
	}
	pthread_join(t->thread, NULL);
	return was_running;
}

void start_code(struct vcpu *v, const u8 *code, size_t len, struct guest *g, u64 gpa, u64 pages)
{
	struct kvm_regs regs = {
		.rip = GUEST_CODE, .rsp = GUEST_STACK, .rflags = RFLAGS_FIXED | RFLAGS_IF,
		.rbx = gpa, .r8 = gpa, .r9 = pages,
	};

	guest_code(g, code, len);
	set_regs(v, &regs);
}

static void prepare(struct guest *g, const u8 *code, size_t len, u64 gpa, u64 value)
{
	struct kvm_regs regs = {
		.rip = GUEST_CODE, .rsp = GUEST_STACK, .rflags = RFLAGS_FIXED,
		.rbx = gpa, .rax = value,
	};

	guest_code(g, code, len);
	set_regs(&g->cpu, &regs);
}

void prepare_load(struct guest *g, u64 gpa)
{
	prepare(g, load, load_end - load, gpa, 0);
}

void prepare_store(struct guest *g, u64 gpa, u64 value)
{
	prepare(g, store, store_end - store, gpa, value);
}

static void run_to_halt(struct guest *g, const char *what, u64 gpa)
{
	u32 exit;

	traps(g)->vector = NO_TRAP;
	exit = guest_run(&g->cpu);
	if (exit != KVM_EXIT_HLT || traps(g)->vector != NO_TRAP)
		die("%s 0x%lx: exit %s, vector %u", what, gpa, exit_name(exit), traps(g)->vector);
}

u64 guest_load(struct guest *g, u64 gpa)
{
	prepare_load(g, gpa);
	run_to_halt(g, "load from", gpa);
	return get_regs(&g->cpu).rax;
}

void guest_store(struct guest *g, u64 gpa, u64 value)
{
	prepare_store(g, gpa, value);
	run_to_halt(g, "store to", gpa);
}
