/* zoo: 4.10 none tso
 * The message is stored, then the flag: they leave the store buffer in this order. */
#include "../zoo.h"

struct shared {
    volatile int message, flag;
};

int main(void)
{
    int id;
    struct shared *shared = segment(&id);
    if (make_child() == 0) {
        shared->message = 42;
        shared->flag = 1;
        _exit(0);
    }
    if (shared->flag)
        assert(shared->message == 42);
    wait(NULL);
    discard(id, shared);
    return 0;
}
