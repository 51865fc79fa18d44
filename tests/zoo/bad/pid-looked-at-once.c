/* zoo: 4.9 outsider
 * The parent takes the pid that stands in the segment, before the child has stored it. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile pid_t *partner = segment(&id);
    signal(SIGUSR1, SIG_IGN);
    if (make_child() == 0) {
        *partner = getpid();
        _exit(0);
    }
    pid_t pid = *partner;
    kill(pid, SIGUSR1);
    wait(NULL);
    discard(id, (void *)partner);
    return 0;
}
