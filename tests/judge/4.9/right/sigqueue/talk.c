#define _GNU_SOURCE
#include "talk.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static sigset_t taken;

int complain(const char *call)
{
    perror(call);
    return FAILED;
}

void wait_a_little(void)
{
    const struct timespec time = { .tv_nsec = 10 * 1000 * 1000 };
    nanosleep(&time, NULL);
}

int talk_begin(int signal)
{
    sigemptyset(&taken);
    sigaddset(&taken, signal);
    sigaddset(&taken, SIGINT);
    sigaddset(&taken, SIGTERM);
    return sigprocmask(SIG_BLOCK, &taken, NULL) == -1 ? complain("sigprocmask") : OK;
}

int talk_send(pid_t peer, int signal, int number)
{
    const union sigval value = { .sival_int = number };
    if (peer <= 1 || peer == getpid()) {
        fprintf(stderr, "%d cannot be the peer\n", (int)peer);
        return FAILED;
    }
    return sigqueue(peer, signal, value) == -1 ? complain("sigqueue") : OK;
}

int talk_take(pid_t *peer, int number)
{
    const struct timespec limit = { .tv_sec = 3 };
    for (;;) {
        siginfo_t info;
        int signal = *peer == 0 ? sigwaitinfo(&taken, &info) : sigtimedwait(&taken, &info, &limit);
        if (signal == -1 && errno == EINTR)
            continue;
        if (signal == -1) {
            fputs("the peer does not answer\n", stderr);
            return FAILED;
        }
        if (signal == SIGINT || signal == SIGTERM) {
            fputs("stopped\n", stderr);
            return FAILED;
        }
        /* A plain kill has no number: it is not of this protocol. */
        if (info.si_code != SI_QUEUE || (*peer != 0 && info.si_pid != *peer))
            continue;
        if (info.si_value.sival_int != number) {
            fprintf(stderr, "signal %d came, not %d\n", info.si_value.sival_int, number);
            return FAILED;
        }
        *peer = info.si_pid;
        return OK;
    }
}
