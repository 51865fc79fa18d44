/* zoo: 4.4 left
 * The handler removes the segment, if it knows one: the signal may come before the id is stored. */
#include "../zoo.h"

static volatile int id = -1;

static void clear(int signal)
{
    (void)signal;
    if (id != -1)
        shmctl(id, IPC_RMID, NULL);
    _exit(0);
}

int main(void)
{
    handle(SIGTERM, clear);
    if (make_child() == 0) {
        kill(getppid(), SIGTERM);
        return 0;
    }
    id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    while (wait(NULL) != -1 || errno == EINTR)
        ;
    shmctl(id, IPC_RMID, NULL);
    id = -1;
    return 0;
}
