/* SPDX-License-Identifier: GPL-2.0-only */
/* Eventfds of a test's, not blocking. */
#ifndef SELFTESTS_EVENTFDS_H
#define SELFTESTS_EVENTFDS_H

#include "vm.h"

int new_eventfd(void);
u64 signals(int fd);		/* how often it was signalled since */
void signal_eventfd(int fd);

/*
 * The number of the second eventfd from now on; -1: they have none. Each has the lowest one
 * that is free: those that nobody let go of are not.
 */
int next_eventfd_id(void);

#endif
