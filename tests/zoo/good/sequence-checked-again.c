/* zoo: 4.10 none
 * A sequence number that is looked at before the copy and after it. */
#include "../zoo.h"

struct shared {
    volatile unsigned sequence;
    volatile int left, right;
};

int main(void)
{
    int id, left, right;
    unsigned before;
    struct shared *shared = segment(&id);
    if (make_child() == 0) {
        __atomic_store_n(&shared->sequence, 1, __ATOMIC_SEQ_CST);
        shared->left = 1;
        shared->right = 1;
        __atomic_store_n(&shared->sequence, 2, __ATOMIC_SEQ_CST);
        _exit(0);
    }
    do {
        while ((before = __atomic_load_n(&shared->sequence, __ATOMIC_ACQUIRE)) & 1)
            ;
        left = shared->left;
        right = shared->right;
    } while (shared->sequence != before);
    assert(left == right);
    wait(NULL);
    discard(id, shared);
    return 0;
}
