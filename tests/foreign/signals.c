/* Signals: sent in every way, blocked, taken, waited for. */
#include "common.h"

int main(void)
{
    sigset_t usr1, both, none;
    siginfo_t info;
    struct timespec little = {0, 1000000};
    struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART | SA_NODEFER};
    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    both = usr1;
    sigaddset(&both, SIGRTMIN + 1);
    signal(SIGUSR1, nothing);
    sigaction(SIGUSR2, &action, NULL);
    kill(getpid(), SIGUSR2);
    raise(SIGUSR2);
    sigprocmask(SIG_BLOCK, &both, NULL);
    kill(getpid(), SIGUSR1);
    sigtimedwait(&both, &info, &little);
    sigtimedwait(&both, &info, &little);                /* EAGAIN */
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 5});
    sigwaitinfo(&both, &info);
    kill(getpid(), SIGUSR1);
    sigsuspend(&none);
    int self = syscall(SYS_pidfd_open, getpid(), 0);
    syscall(SYS_pidfd_send_signal, self, SIGUSR2, NULL, 0);
    kill(getpid(), 0);
    kill(0x3fffffff, SIGTERM);                          /* ESRCH */
    signal(SIGUSR2, SIG_IGN);
    raise(SIGUSR2);
    return 0;
}
