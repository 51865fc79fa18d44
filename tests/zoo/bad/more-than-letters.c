/* zoo: 4.8 deadlock
 * As bare-pause; but the processes of an alphabet have lived and ended before. */
#include "../zoo.h"

static void lives_and_ends(void)
{
    pid_t early = vfork();
    if (early == 0)
        _exit(0);
    waitpid(early, NULL, 0);
}

int main(void)
{
    for (int i = 0; i < 30; i++)
        lives_and_ends();
    handle(SIGUSR1, woken);
    if (make_child() == 0) {
        kill(getppid(), SIGUSR1);
        return 0;
    }
    pause();
    wait(NULL);
    return 0;
}
