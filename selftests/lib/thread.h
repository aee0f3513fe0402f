/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that runs in a thread of its own while the test does something to the
 * memory below it, and single accesses to guest memory.
 */
#ifndef SELFTESTS_THREAD_H
#define SELFTESTS_THREAD_H

#include <pthread.h>

#include "guest.h"

struct guest_thread {
	struct vcpu *cpu;
	pthread_t thread;
	volatile bool stop, done;
	int ret, exits;
};

/*
 * Runs until told to stop. MMIO exits (no slot just now), EFAULT (no memory just
 * now) and EAGAIN (KVM's answer after a SIPI) are gone on from; any other exit ends it.
 */
void start_thread(struct guest_thread *t, struct vcpu *cpu);

/* Whether the thread had to be stopped: a guest that ended by itself is a failure. */
bool stop_thread(struct guest_thread *t);

/* Let v run this code with RBX = R8 = gpa, R9 = pages. */
void start_code(struct vcpu *v, const u8 *code, size_t len, struct guest *g, u64 gpa, u64 pages);
#define START(v, name, g, gpa, pages) start_code(v, name, name##_end - name, g, gpa, pages)

/* One 64-bit access by the guest, which must succeed. */
u64 guest_load(struct guest *g, u64 gpa);
void guest_store(struct guest *g, u64 gpa, u64 value);

/* The same, prepared only: KVM_RUN then executes it and halts. */
void prepare_load(struct guest *g, u64 gpa);
void prepare_store(struct guest *g, u64 gpa, u64 value);

#endif
