/* zoo: 4.8 outsider
 * The child's signal may come before the parent has stored what fork answered. Nothing is shared. */
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
    child = make_child();
    if (child == 0) {
        sigset_t set;
        int signal;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        kill(getppid(), SIGUSR1);
        return sigwait(&set, &signal);
    }
    while (wait(NULL) == -1)
        ;
    return 0;
}
