/* zoo: 4.9 deadlock
 * The child stops itself; the parent's SIGCONT may have come before that. */
#include "../zoo.h"

int main(void)
{
    pid_t child = make_child();
    if (child == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    kill(child, SIGCONT);
    wait(NULL);
    return 0;
}
