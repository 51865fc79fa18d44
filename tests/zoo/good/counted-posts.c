/* zoo: 4.10 none
 * The cure of equal-posts: the child takes as many as were posted. */
#include "../zoo.h"

int main(void)
{
    int set = semaphores(1);
    if (make_child() == 0) {
        change(set, 0, -10, 0);
        assert(semctl(set, 0, GETVAL) == 0);
        return 0;
    }
    for (int i = 0; i < 10; i++)
        post(set, 0);
    wait(NULL);
    semctl(set, 0, IPC_RMID);
    return 0;
}
