/* zoo: 4.5 crash
 * The child answers in the segment that it has attached for reading alone. */
#include "../zoo.h"

int main(void)
{
    int id;
    volatile int *shared = segment(&id);
    if (make_child() == 0) {
        volatile int *mine = shmat(id, NULL, SHM_RDONLY);
        if (mine == (void *)-1)
            die("shmat");
        mine[0] = 1;
        _exit(0);
    }
    wait(NULL);
    discard(id, (void *)shared);
    return 0;
}
