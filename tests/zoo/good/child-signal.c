/* zoo: 4.8 none
 * SIGCHLD, waited for in the right way. */
#include "../zoo.h"

int main(void)
{
    sigset_t open = block(SIGCHLD);
    handle(SIGCHLD, woken);
    pid_t child = make_child();
    if (child == 0)
        return 0;
    while (!told)
        sigsuspend(&open);
    assert(waitpid(child, NULL, WNOHANG) == child);
    return 0;
}
