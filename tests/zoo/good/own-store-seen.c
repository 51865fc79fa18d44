/* zoo: 4.10 none tso
 * A process sees its own stores at once, whatever others see of them. */
#include "../zoo.h"

struct shared {
    volatile int word[2], sum;
};

int main(void)
{
    int id;
    struct shared *shared = segment(&id);
    pid_t child = make_child();
    int me = child == 0;
    shared->word[me] = 5;
    shared->word[me] = shared->word[me] + 2;
    assert(shared->word[me] == 7);
    int other = shared->word[!me];
    assert(other == 0 || other == 5 || other == 7);
    if (child == 0)
        _exit(0);
    wait(NULL);
    discard(id, shared);
    return 0;
}
