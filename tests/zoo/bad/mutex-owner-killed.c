/* zoo: 4.10 deadlock
 * SIGKILL ends the owner of a lock in shared memory. Nobody gives it back. */
#include "../zoo.h"

int main(void)
{
    int id, set = semaphores(1);
    pthread_mutex_t *mutex = segment(&id);
    pthread_mutexattr_t shared;
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(mutex, &shared);
    pid_t child = make_child();
    if (child == 0) {
        pthread_mutex_lock(mutex);
        post(set, 0);
        for (;;)
            pause();
    }
    take(set, 0);
    kill(child, SIGKILL);
    wait(NULL);
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    semctl(set, 0, IPC_RMID);
    discard(id, mutex);
    return 0;
}
