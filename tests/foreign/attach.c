/* A segment between parent and child: made, attached, inherited, removed while attached. */
#include "common.h"

int main(void)
{
    int id = shmget(IPC_PRIVATE, 100, IPC_CREAT | 0600);
    char *here = shmat(id, NULL, 0);
    char *only = shmat(id, NULL, SHM_RDONLY);
    if (fork() == 0) {
        strcpy(here, "from the child");
        shmdt(here);
        _exit(7);
    }
    int status;
    wait(&status);
    printf("%s, %d\n", only, WEXITSTATUS(status));
    shmctl(id, IPC_RMID, NULL);
    shmat(id, here, 0);             /* EINVAL: that place is taken */
    shmdt(here);
    shmdt(here);                    /* EINVAL: not any more */
    shmdt(only);
    shmat(id, NULL, 0);             /* EINVAL: gone */
    return 0;
}
