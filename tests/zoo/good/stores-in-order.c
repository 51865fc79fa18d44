/* zoo: 4.10 none tso
 * Each stores to both words, in opposite order: one of them is last somewhere. */
#include "../zoo.h"

struct shared {
    volatile int word[2];
};

int main(void)
{
    int id;
    struct shared *shared = segment(&id);
    pid_t child = make_child();
    int me = child == 0;
    shared->word[me] = 1;
    shared->word[!me] = 2;
    if (child == 0)
        _exit(0);
    wait(NULL);
    assert(shared->word[0] == 2 || shared->word[1] == 2);
    discard(id, shared);
    return 0;
}
