/* zoo: 4.10 crash tso
 * To load its own store first is no fence: that comes out of the store buffer. */
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
    assert(shared->stored[me] == 1);
    shared->seen[me] = shared->stored[!me];
    if (child == 0)
        _exit(0);
    wait(NULL);
    assert(shared->seen[0] || shared->seen[1]);
    discard(id, shared);
    return 0;
}
