/* Every way in which a child ends: exit, a signal without a handler, a crash, kill -9, an alarm. */
#include "common.h"

int main(void)
{
    siginfo_t info;
    int status;
    int id = shmget(IPC_PRIVATE, 128, 0600);
    char *only = shmat(id, NULL, SHM_RDONLY);
    for (int way = 0; way < 5; way++) {
        pid_t child = fork();
        if (child == 0) {
            if (way == 0)
                exit(3);
            if (way == 1)
                raise(SIGUSR1);
            if (way == 2)
                *only = 1;
            if (way == 4)
                alarm(1);
            for (;;)
                pause();
        }
        if (way == 3)
            kill(child, SIGKILL);
        waitid(P_PID, child, &info, WEXITED | WNOWAIT);
        wait4(child, &status, WUNTRACED, NULL);
    }
    waitpid(-1, &status, WNOHANG);                      /* ECHILD */
    shmdt(only);
    shmctl(id, IPC_RMID, NULL);
    return 0;
}
