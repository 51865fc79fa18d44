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
    if (is(argv, "group")) {
        kill(-30000, SIGUSR1);
        return 0;
    }
    if (is(argv, "merged")) {
        sigset_t blocked, open;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGUSR1);
        sigprocmask(SIG_BLOCK, &blocked, &open);
        signal(SIGUSR1, nothing);
        pid_t parent = getpid();
        if (fork() == 0) {
            kill(parent, SIGUSR1);
            kill(parent, SIGUSR1);
            return 0;
        }
        sigsuspend(&open);
        sigsuspend(&open);
        return 0;
    }
    if (is(argv, "reset"))
        signal(SIGUSR1, forgets);
    if (is(argv, "once")) {
        struct sigaction once = {.sa_handler = nothing, .sa_flags = (int)SA_RESETHAND};
        sigaction(SIGUSR1, &once, NULL);
        raise(SIGUSR1);
        raise(SIGUSR1);
    }
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
