/* zoo: 4.4 none
 * The same with the signal blocked while the id is not true. */
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
    sigset_t open = block(SIGTERM);
    id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    sigprocmask(SIG_SETMASK, &open, NULL);
    while (wait(NULL) != -1 || errno == EINTR)
        ;
    block(SIGTERM);
    shmctl(id, IPC_RMID, NULL);
    return 0;
}
