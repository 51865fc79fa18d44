/*
 * Counts, from outside, what a program asks the kernel to make: seccomp filters and IPC namespaces.
 * Preloaded; appends a line a piece to the file that COUNT names: "filter" or "ipc".
 */
#include "preload.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void count(const char *line)
{
	const char *name = getenv("COUNT");

	if (!name || !*name)
		return;
	/* One write, to the end of the file: lines of several processes do not mix. */
	int fd = open(name, O_WRONLY | O_APPEND | O_CLOEXEC);

	if (fd < 0)
		return;
	ssize_t written = write(fd, line, strlen(line));

	/* Nobody is left to be told when this fails: the count is short then. */
	(void)written;
	close(fd);
}

static void count_call(long number, const unsigned long *a)
{
	if (number == SYS_seccomp && a[0] == 1 /* SECCOMP_SET_MODE_FILTER */)
		count("filter\n");
	if (number == SYS_prctl && a[0] == PR_SET_SECCOMP)
		count("filter\n");
	if ((number == SYS_unshare || number == SYS_clone) && a[0] & CLONE_NEWIPC)
		count("ipc\n");
}

long syscall(long number, ...)
{
	unsigned long a[6];

	ARGUMENTS(number, a, 6);
	count_call(number, a);
	long result = NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	/* Only now is it known that the flags can be read; and the child counts nothing. */
	if (number == SYS_clone3 && result > 0 && *(const unsigned long long *)a[0] & CLONE_NEWIPC)
		count("ipc\n");
	return result;
}

int prctl(int option, ...)
{
	unsigned long a[4];

	ARGUMENTS(option, a, 4);
	if (option == PR_SET_SECCOMP)
		count("filter\n");
	return NEXT(prctl)(option, a[0], a[1], a[2], a[3]);
}

int unshare(int flags)
{
	if (flags & CLONE_NEWIPC)
		count("ipc\n");
	return NEXT(unshare)(flags);
}
