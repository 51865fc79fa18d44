/* zoo: 4.10 crash
 * Ten equal calls in a row, each of which changes something: the child may look after any of them. */
#include "../zoo.h"

int main(void)
{
    int set = semaphores(1);
    if (make_child() == 0) {
        assert(semctl(set, 0, GETVAL) != 8);
        return 0;
    }
    for (int i = 0; i < 10; i++)
        post(set, 0);
    wait(NULL);
    semctl(set, 0, IPC_RMID);
    return 0;
}
