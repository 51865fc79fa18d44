/* Parent and child take turns by signals, without a lost one: block, then sigsuspend. */
#include "common.h"

int main(void)
{
    sigset_t usr1, before;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    signal(SIGUSR1, tell);
    sigprocmask(SIG_BLOCK, &usr1, &before);
    int id = shmget(IPC_PRIVATE, sizeof(int), 0600);
    volatile int *turns = shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    pid_t other = fork(), peer = other ? other : getppid();
    for (int i = 0; i < 20; i++) {
        if (other == 0 || i > 0) {
            while (!told)
                sigsuspend(&before);
            told = 0;
        }
        ++*turns;
        kill(peer, SIGUSR1);
    }
    if (other == 0)
        _exit(0);
    wait(NULL);
    printf("%d turns\n", *turns);
    return *turns == 40 ? 0 : 1;
}
