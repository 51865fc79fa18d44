/* zoo: 4.10 none tso
 * Between the store and the load the kernel was entered and left. */
#include "../zoo.h"

struct shared {
    volatile int stored[2], seen[2];
};

int main(void)
{
    int id;
    struct shared *shared = segment(&id);
    pid_t child = make_child();
    int me = child == 0;
    shared->stored[me] = 1;
    getppid();
    shared->seen[me] = shared->stored[!me];
    if (child == 0)
        _exit(0);
    wait(NULL);
    assert(shared->seen[0] || shared->seen[1]);
    discard(id, shared);
    return 0;
}
