/* zoo: 4.9 outsider pair
 * The client signals the pid that it finds; a fresh segment is full of zeros. */
#include "../zoo.h"

int main(int argc, char **argv)
{
    int server = argc > 1 && !strcmp(argv[1], "server");
    sigset_t open = block(SIGUSR2);
    handle(SIGUSR2, woken);
    int id = shmget(KEY, 128, server ? IPC_CREAT | 0600 : 0);
    if (id == -1)
        return 1;
    volatile pid_t *pid = shmat(id, NULL, 0);
    if (pid == (void *)-1)
        return 1;
    if (server) {
        struct timespec patience = { 1, 0 };
        sigset_t awaited;
        sigemptyset(&awaited);
        sigaddset(&awaited, SIGUSR2);
        *pid = getpid();
        sigtimedwait(&awaited, NULL, &patience);
        shmctl(id, IPC_RMID, NULL);
    } else {
        kill(*pid, SIGUSR2);
    }
    sigprocmask(SIG_SETMASK, &open, NULL);
    return 0;
}
