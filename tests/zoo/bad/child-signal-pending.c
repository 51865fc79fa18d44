/* zoo: 4.8 crash
 * SIGCHLD is blocked: whether it is pending already depends on when the child ends. */
#include "../zoo.h"

int main(void)
{
    sigset_t set;
    struct timespec none = { 0, 0 };
    block(SIGCHLD);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    if (make_child() == 0)
        return 0;
    assert(sigtimedwait(&set, NULL, &none) == SIGCHLD);
    wait(NULL);
    return 0;
}
