/*
 * A machine that is in nobody's favour, for the program that this is preloaded into (LD_PRELOAD) and
 * what it forks.
 *   PAUSE=MS   pause sleeps so many milliseconds first, whatever signal comes
 *   AFTER=1    but only in a process that has sent a signal
 *   DROP=N     the Nth SIGUSR1 or SIGUSR2 that a process sends is lost, and its kill answers 0
 *   SUSPEND=pause  sigsuspend is pause, under the mask that there is
 *   HANDLER=none   there is no handler for SIGUSR1
 *   BLIND=1    nobody may know in which call a process sleeps
 *   REFUSE=…   one call fails that never fails: "thread" (EAGAIN, the NTHth), "fork" (EAGAIN, the NTHth),
 *              "mask" (EPERM), "prctl" (EPERM), "pause", "sigsuspend" (ENOSYS)
 */
#include "preload.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long number(const char *name)
{
	const char *set = getenv(name);

	return set ? atol(set) : 0;
}

/* Is this the call that fails? Where several are made, NTH says which of them, and those after it. */
static int refused(const char *what)
{
	static long calls;
	const char *set = getenv("REFUSE");

	return set && strcmp(set, what) == 0 && ++calls >= number("NTH");
}

/* How many this process has sent. */
static long sent;

int pause(void)
{
	long ms = number("AFTER") && !sent ? 0 : number("PAUSE");
	struct timespec rest = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&rest, &rest) == -1 && errno == EINTR)
		;
	if (refused("pause")) {
		errno = ENOSYS;
		return -1;
	}
	return NEXT(pause)();
}

int sigsuspend(const sigset_t *mask)
{
	if (getenv("SUSPEND"))
		return pause();
	if (refused("sigsuspend")) {
		errno = ENOSYS;
		return -1;
	}
	return NEXT(sigsuspend)(mask);
}

int kill(pid_t pid, int sig)
{
	if ((sig == SIGUSR1 || sig == SIGUSR2) && ++sent == number("DROP"))
		return 0;
	return NEXT(kill)(pid, sig);
}

int open64(const char *path, int flags, ...)
{
	unsigned long mode[1];

	ARGUMENTS(flags, mode, 1);
	if (number("BLIND") && strncmp(path, "/proc/", 6) == 0 && strstr(path, "/syscall")) {
		errno = EACCES;
		return -1;
	}
	return NEXT(open64)(path, flags, mode[0]);
}

int sigaction(int sig, const struct sigaction *new, struct sigaction *old)
{
	struct sigaction none = { .sa_handler = SIG_DFL };

	return NEXT(sigaction)(sig, getenv("HANDLER") && sig == SIGUSR1 && new ? &none : new, old);
}

pid_t fork(void)
{
	if (refused("fork")) {
		errno = EAGAIN;
		return -1;
	}
	return NEXT(fork)();
}

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *with)
{
	return refused("thread") ? EAGAIN : NEXT(pthread_create)(thread, how, body, with);
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	if (refused("mask")) {
		errno = EPERM;
		return -1;
	}
	return NEXT(sigprocmask)(how, set, old);
}

int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	return refused("mask") ? EPERM : NEXT(pthread_sigmask)(how, set, old);
}

int prctl(int option, ...)
{
	unsigned long a[4];

	ARGUMENTS(option, a, 4);
	if (option == PR_SET_PDEATHSIG && refused("prctl")) {
		errno = EPERM;
		return -1;
	}
	return NEXT(prctl)(option, a[0], a[1], a[2], a[3]);
}
