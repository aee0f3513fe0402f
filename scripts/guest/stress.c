// SPDX-License-Identifier: GPL-2.0-only
/*
 * stress SECONDS: what makes the CPUs of a guest talk to one another. Threads send messages through pipes in rings
 * (wake-ups on other CPUs), move between CPUs, map and unmap memory that all of them share (remote TLB flushes) and
 * sleep for short times (timers). Each checks what it gets; the last line is "stress: N messages, ..., all well".
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define RING 4			/* threads that pass a message round */
#define PER_CPU 2		/* rings, and threads of the other kinds, per CPU */
#define MAX_CPUS 64

static atomic_bool over;
static atomic_ulong messages, flushes, sleeps, wrong;
static long cpus;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void move_to(unsigned long cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % cpus, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void complain(const char *what)
{
	fprintf(stderr, "stress: %s\n", what);
	wrong++;
}

struct link { int from, to; unsigned long id; };

/* The first of a ring counts the message up; the others pass it on. A 0 ends each one that it comes by. */
static void *pass_on(void *arg)
{
	struct link *l = arg;
	uint64_t sent = 1, got;

	if (l->id % RING == 0 && write(l->to, &sent, sizeof(sent)) != sizeof(sent))
		complain("a pipe is broken");
	for (got = 1; got && read(l->from, &got, sizeof(got)) == sizeof(got);) {
		if (l->id % RING == 0) {
			if (got != sent)
				complain("a message has changed");
			sent = over ? 0 : sent + 1;
			got = sent;
			messages++;
			if (got % 64 == 0)
				move_to(got / 64 + l->id);
		}
		if (write(l->to, &got, sizeof(got)) != sizeof(got))
			complain("a pipe is broken");
	}
	return NULL;
}

static void *map_and_unmap(void *arg)
{
	unsigned long round = (unsigned long)arg;
	size_t size = 16 * 4096;

	for (; !over; round++) {
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED) {
			complain("no memory");
			break;
		}
		for (size_t i = 0; i < size; i += 4096) {
			if (p[i])
				complain("new memory is not zero");
			p[i] = (char)round;
		}
		mprotect(p, size, PROT_READ);
		munmap(p, size);
		flushes++;
		if (round % 16 == 0)
			move_to(round / 16);
	}
	return NULL;
}

static void *sleep_shortly(void *arg)
{
	struct timespec t = { 0, 500000 + 100000 * (long)arg };

	for (double before = now(); !over; sleeps++) {
		nanosleep(&t, NULL);
		if (now() < before + t.tv_nsec / 1e9)
			complain("a sleep was too short");
		before = now();
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static pthread_t threads[MAX_CPUS * PER_CPU * (RING + 2)];
	static struct link links[MAX_CPUS * PER_CPU * RING];
	double end = now() + (argc > 1 ? atof(argv[1]) : 10), next = now();
	unsigned long n = 0, i;

	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus > MAX_CPUS)
		cpus = MAX_CPUS;
	for (i = 0; i < PER_CPU * RING * (unsigned long)cpus; i++) {
		int ends[2];

		if (pipe(ends)) {
			perror("pipe");
			return 1;
		}
		links[i].id = i;
		links[i].to = ends[1];
		links[i % RING == RING - 1 ? i + 1 - RING : i + 1].from = ends[0];
	}
	for (i = 0; i < PER_CPU * RING * (unsigned long)cpus; i++)
		pthread_create(&threads[n++], NULL, pass_on, &links[i]);
	for (i = 0; i < PER_CPU * (unsigned long)cpus; i++) {
		pthread_create(&threads[n++], NULL, map_and_unmap, (void *)i);
		pthread_create(&threads[n++], NULL, sleep_shortly, (void *)i);
	}
	while (now() < end && !wrong) {
		usleep(100000);
		if (now() < next)
			continue;
		printf("stress: %ld CPUs, %lu messages\n", cpus, messages);
		fflush(stdout);
		next += 10;
	}
	over = 1;
	while (n)
		pthread_join(threads[--n], NULL);
	printf("stress: %lu messages, %lu flushes, %lu sleeps, %s\n", messages, flushes, sleeps, wrong ? "WRONG" : "all well");
	return wrong != 0;
}
