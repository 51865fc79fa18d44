/* Threads: a condition variable, a semaphore, a signal for one of them. */
#include "common.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static sem_t posted;
static int ready;

static void *reader(void *unused)
{
    sigset_t usr1;
    int signal;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_mutex_lock(&mutex);
    ready = 1;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
    sigwait(&usr1, &signal);
    sem_post(&posted);
    return unused;
}

int main(void)
{
    pthread_t thread;
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    sem_init(&posted, 0, 0);
    pthread_create(&thread, NULL, reader, NULL);
    pthread_mutex_lock(&mutex);
    while (!ready)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    pthread_kill(thread, SIGUSR1);
    sem_wait(&posted);
    pthread_join(thread, NULL);
    puts("joined");
    return 0;
}
