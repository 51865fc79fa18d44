/* zoo: 4.10 none
 * The same with a robust lock: the kernel marks it, and gives it to the next one, who repairs what it protects. */
#include "../zoo.h"

int main(void)
{
    int id, set = semaphores(1);
    struct account {
        pthread_mutex_t mutex;
        int sum, parts[2];
    } *account = segment(&id);
    pthread_mutexattr_t robust;
    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&account->mutex, &robust);
    pid_t child = make_child();
    if (child == 0) {
        pthread_mutex_lock(&account->mutex);
        account->parts[0] = 5;
        post(set, 0);
        for (;;)
            pause();
    }
    take(set, 0);
    if (make_child() == 0) {
        kill(child, SIGKILL);
        return 0;
    }
    /* It may sleep here until the owner is killed. */
    if (pthread_mutex_lock(&account->mutex) != EOWNERDEAD)
        return 1;
    account->sum = account->parts[0] + account->parts[1];
    pthread_mutex_consistent(&account->mutex);
    pthread_mutex_unlock(&account->mutex);
    wait(NULL);
    wait(NULL);
    printf("%d\n", account->sum);
    semctl(set, 0, IPC_RMID);
    discard(id, account);
    return 0;
}
