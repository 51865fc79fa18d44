/* Mutexes in shared memory: their owners live, have ended, or are the one that waits. */
#include "../common.h"

struct box {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    volatile int full;
};

static struct box *box;
static int shared = PTHREAD_PROCESS_SHARED, robust = PTHREAD_MUTEX_STALLED;

static void set_up(int mapped)
{
    pthread_mutexattr_t attr;
    pthread_condattr_t cond;
    if (mapped) {
        box = mmap(NULL, sizeof *box, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    } else {
        int id = shmget(IPC_PRIVATE, sizeof *box, 0600);
        box = shmat(id, NULL, 0);
        shmctl(id, IPC_RMID, NULL);
    }
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, shared);
    pthread_mutexattr_setrobust(&attr, robust);
    pthread_mutex_init(&box->mutex, &attr);
    pthread_condattr_init(&cond);
    pthread_condattr_setpshared(&cond, shared);
    pthread_cond_init(&box->cond, &cond);
}

static void wait_for_mutex(void)
{
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 200000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    pthread_mutex_timedlock(&box->mutex, &soon);
}

int main(int argc, char **argv)
{
    (void)argc;
    if (is(argv, "robust"))
        robust = PTHREAD_MUTEX_ROBUST;
    if (is(argv, "private") || is(argv, "mapped"))
        shared = PTHREAD_PROCESS_PRIVATE;
    set_up(is(argv, "mapped"));
    if (is(argv, "own")) {
        pthread_mutex_lock(&box->mutex);
        wait_for_mutex();
        return 0;
    }
    pid_t child = fork();
    if (is(argv, "ended") || is(argv, "robust")) {
        if (child == 0) {
            pthread_mutex_lock(&box->mutex);
            _exit(0);
        }
        waitpid(child, NULL, 0);
        wait_for_mutex();
    } else if (is(argv, "lives") || is(argv, "ends")) {
        if (child == 0) {
            while (!box->full)
                ;
            wait_for_mutex();
            _exit(0);
        }
        signal(SIGALRM, nothing);
        pthread_mutex_lock(&box->mutex);
        box->full = 1;
        ualarm(100000, 0);
        pause();
        if (is(argv, "ends"))
            _exit(0);
        pthread_mutex_unlock(&box->mutex);
        waitpid(child, NULL, 0);
    } else {
        if (child == 0) {
            pthread_mutex_lock(&box->mutex);
            while (!box->full)
                pthread_cond_wait(&box->cond, &box->mutex);
            _exit(0);
        }
        until_in(child, SYS_futex);
        pthread_mutex_lock(&box->mutex);
        box->full = 1;
        pthread_cond_signal(&box->cond);
        pthread_mutex_unlock(&box->mutex);
        kill(child, SIGTERM);
        waitpid(child, NULL, 0);
    }
    return 0;
}
