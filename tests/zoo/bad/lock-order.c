/* zoo: 4.10 deadlock
 * Two locks, taken in one order by the parent and in the other by the child. */
#include "../zoo.h"

int main(void)
{
    int set = semaphores(2);
    post(set, 0);
    post(set, 1);
    int first = make_child() == 0;
    take(set, first);
    take(set, !first);
    post(set, !first);
    post(set, first);
    if (first == 0) {
        wait(NULL);
        semctl(set, 0, IPC_RMID);
    }
    return 0;
}
