// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "eventfds.h"

int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		die("eventfd: %m");
	return fd;
}

u64 signals(int fd)
{
	u64 n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

void signal_eventfd(int fd)
{
	u64 one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		die("write to an eventfd: %m");
}

int next_eventfd_id(void)
{
	int first = new_eventfd(), fd = new_eventfd(), info, id = -1;
	char path[64], text[256] = "";
	char *at;

	sprintf(path, "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (read(info, text, sizeof(text) - 1) > 0 && (at = strstr(text, "eventfd-id:")))
		id = atoi(at + strlen("eventfd-id:"));
	close(info);
	close(fd);
	close(first);
	return id;
}
