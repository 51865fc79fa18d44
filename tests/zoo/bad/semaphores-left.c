/* zoo: 4.10 left
 * Who finds the semaphore free does the work and removes it; who does not, thinks that the other one will. */
#include "../zoo.h"

int main(void)
{
    int id = semaphores(1);
    post(id, 0);
    pid_t child = make_child();
    struct sembuf take = { 0, -1, IPC_NOWAIT };
    int mine = semop(id, &take, 1) == 0;
    if (child == 0)
        _exit(0);
    wait(NULL);
    if (mine)
        semctl(id, 0, IPC_RMID);
    return 0;
}
