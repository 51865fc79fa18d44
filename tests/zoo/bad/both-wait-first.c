/* zoo: 4.10 deadlock
 * Each waits for the other's post before it posts. */
#include "../zoo.h"

int main(void)
{
    int set = semaphores(2);
    int me = make_child() == 0;
    take(set, me);
    post(set, !me);
    if (me == 0) {
        wait(NULL);
        semctl(set, 0, IPC_RMID);
    }
    return 0;
}
