/*
 * A kernel that does not answer, for the one program that this is preloaded into (LD_PRELOAD) and
 * what it forks. STUCK says what: "filter": prctl(PR_SET_SECCOMP) never returns; "unshare": unshare
 * never returns; "kill": SIGKILL ends nobody. With HURRY=N, time passes N times as fast.
 */
#include "preload.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int stuck(const char *what)
{
	const char *set = getenv("STUCK");

	return set && strcmp(set, what) == 0;
}

/* Sleeps, whatever signal comes but SIGKILL. */
static void for_ever(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (;;)
		syscall(SYS_pause);
}

int prctl(int option, ...)
{
	unsigned long a[4];

	ARGUMENTS(option, a, 4);
	if (option == PR_SET_SECCOMP && stuck("filter"))
		for_ever();
	return NEXT(prctl)(option, a[0], a[1], a[2], a[3]);
}

int unshare(int flags)
{
	if (stuck("unshare"))
		for_ever();
	return NEXT(unshare)(flags);
}

int kill(pid_t pid, int sig)
{
	if (sig == SIGKILL && stuck("kill"))
		return 0;
	return (int)syscall(SYS_kill, pid, sig);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
	const char *hurry = getenv("HURRY");
	long answer = syscall(SYS_clock_gettime, clock, time);

	if (answer == 0 && hurry && clock == CLOCK_MONOTONIC) {
		long times = atol(hurry);

		time->tv_sec *= times;
		time->tv_nsec *= times;
		time->tv_sec += time->tv_nsec / 1000000000;
		time->tv_nsec %= 1000000000;
	}
	return (int)answer;
}
