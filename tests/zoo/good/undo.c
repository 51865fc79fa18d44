/* zoo: 4.10 none
 * Who holds the lock ends without giving it back; with SEM_UNDO the kernel does. */
#include "../zoo.h"

int main(void)
{
    int set = semaphores(1);
    post(set, 0);
    if (make_child() == 0) {
        change(set, 0, -1, SEM_UNDO);
        return 0;
    }
    change(set, 0, -1, SEM_UNDO);
    change(set, 0, 1, SEM_UNDO);
    wait(NULL);
    change(set, 0, -1, SEM_UNDO);
    semctl(set, 0, IPC_RMID);
    return 0;
}
