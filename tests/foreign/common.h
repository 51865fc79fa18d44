/* What the foreign programs share: they are written as students write, and know nothing of lablib. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Newer machines make these by others. */
#ifndef SYS_pause
#define SYS_pause SYS_ppoll
#endif
#ifndef SYS_epoll_wait
#define SYS_epoll_wait SYS_epoll_pwait
#endif

static void __attribute__((unused)) nothing(int signal) { (void)signal; }

static volatile sig_atomic_t told;
static void __attribute__((unused)) tell(int signal) { (void)signal; told = 1; }

/* The first line of a file of /proc/PID; 0 if it may not be read. */
static int __attribute__((unused)) look_at(pid_t pid, const char *name, char *line, int len)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    FILE *file = fopen(path, "r");
    int readable = file && fgets(line, len, file);
    if (file)
        fclose(file);
    return readable;
}

/* Waits until a process sleeps in the call of this number; where that may not be read, until it sleeps.
   One that a tracer holds at the call's entry is in it, too, and does not sleep yet. */
static void __attribute__((unused)) until_in(pid_t pid, long number)
{
    char call[256], stat[256];
    for (;; syscall(SYS_sched_yield)) {
        int in_it = !look_at(pid, "syscall", call, sizeof call) || (call[0] != 'r' && atol(call) == number);
        if (in_it && look_at(pid, "stat", stat, sizeof stat) && strstr(stat, ") S "))
            return;
    }
}

/* What root may do beyond others, it may not do any more. */
static void __attribute__((unused)) no_rights(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    syscall(SYS_capset, &header, none);
}

/* The case that the program is to show: its first argument. */
static int __attribute__((unused)) is(char **argv, const char *name) { return strcmp(argv[1], name) == 0; }
