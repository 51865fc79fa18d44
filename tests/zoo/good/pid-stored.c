/* zoo: 4.8 none
 * The same with the signal blocked until the pid is stored. */
#include "../zoo.h"

static volatile pid_t child;

static void answer(int signal)
{
    (void)signal;
    kill(child, SIGUSR2);
}

int main(void)
{
    handle(SIGUSR1, answer);
    block(SIGUSR2);
    sigset_t open = block(SIGUSR1);
    child = make_child();
    if (child == 0) {
        sigset_t set;
        int signal;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        kill(getppid(), SIGUSR1);
        return sigwait(&set, &signal);
    }
    sigprocmask(SIG_SETMASK, &open, NULL);
    while (wait(NULL) == -1)
        ;
    return 0;
}
