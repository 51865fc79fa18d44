/* zoo: 4.10 none
 * The same, one at a time: a mutex in the segment. */
#include "../zoo.h"

struct shared {
    pthread_mutex_t mutex;
    volatile int counter;
};

int main(void)
{
    int id;
    struct shared *shared = segment(&id);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->mutex, &attributes);
    pid_t child = make_child();
    pthread_mutex_lock(&shared->mutex);
    shared->counter = shared->counter + 1;
    pthread_mutex_unlock(&shared->mutex);
    if (child == 0)
        _exit(0);
    wait(NULL);
    printf("%d\n", shared->counter);
    discard(id, shared);
    return 0;
}
