/* What lab explore finds, and must name by its cause. */
#include "../common.h"

static void forgets(int number) { signal(number, SIG_DFL); }

int main(int argc, char **argv)
{
    struct sembuf take = {0, -1, 0};
    (void)argc;
    if (is(argv, "parent")) {
        kill(getppid(), SIGUSR1);
        return 0;
    }
    if (is(argv, "semop")) {
        int id = semget(IPC_PRIVATE, 1, 0600);
        semop(id, &take, 1);
        return 0;
    }
    if (is(argv, "reset"))
        signal(SIGUSR1, forgets);
    pid_t child = fork();
    if (child == 0) {
        if (is(argv, "late"))
            signal(SIGUSR1, nothing);
        for (;;)
            pause();
    }
    kill(child, SIGUSR1);
    if (is(argv, "reset"))
        kill(child, SIGUSR1);
    waitpid(child, NULL, 0);
    return 0;
}
