/* zoo: 4.10 none
 * The parent removes the set when it wants the child to end: it may sleep there, or come later. Only
 * one that sleeps is told EIDRM. */
#include "../zoo.h"

int main(void)
{
    int set = semaphores(2);
    pid_t child = make_child();
    if (child == 0) {
        struct sembuf wait_for_it = { 1, -1, 0 };
        post(set, 0);
        return semop(set, &wait_for_it, 1) == -1 && errno == EIDRM ? 7 : 0;
    }
    take(set, 0);
    int gone = semctl(set, 1, GETNCNT) == 1;
    if (gone)
        semctl(set, 0, IPC_RMID);
    else
        post(set, 1);
    waitpid(child, NULL, 0);
    if (!gone)
        semctl(set, 0, IPC_RMID);
    return 0;
}
