/* zoo: 4.6 crash
 * The handler reads the segment, also when main has detached it already. */
#include "../zoo.h"

static volatile int *shared;
static volatile int seen;

static void look(int signal)
{
    (void)signal;
    seen = shared[0];
}

int main(void)
{
    int id;
    shared = segment(&id);
    handle(SIGUSR1, look);
    if (make_child() == 0) {
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    shmdt((void *)shared);
    while (wait(NULL) == -1 && errno == EINTR) {
    }
    shmctl(id, IPC_RMID, NULL);
    return 0;
}
