/* zoo: 4.10 crash
 * SEM_UNDO changes the semaphore when the child ends, which may be between two looks. */
#include "../zoo.h"

int main(void)
{
    int set = semaphores(1), gate[2];
    char byte;
    if (pipe(gate) == -1)
        die("pipe");
    if (make_child() == 0) {
        change(set, 0, 1, SEM_UNDO);
        return write(gate[1], "x", 1) != 1;
    }
    if (read(gate[0], &byte, 1) != 1)
        die("read");
    int first = semctl(set, 0, GETVAL), second = semctl(set, 0, GETVAL);
    wait(NULL);
    semctl(set, 0, IPC_RMID);
    assert(first == second);
    return 0;
}
