/* A mutex and a condition variable in each segment, shared by the two processes, and two counters under the mutex. A wait
 * looks at its counter and at the end of the conversation under the mutex, so no wake-up is lost. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 2, LINE = 128 };

/* One direction: it has one writer and one reader. */
struct direction {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int news, room;
    atomic_int over;                        /* somebody has failed: wait for nothing any more */
    char line[SLOTS][LINE];
};

struct side {
    const char *name;
    struct direction *out, *in;
    char **messages;
    int count;
};

static int fail(const char *call, int error)
{
    fprintf(stderr, "exercise: %s: %s\n", call, strerror(error));
    return 1;
}

static void post(struct direction *d, int *what)
{
    pthread_mutex_lock(&d->lock);
    ++*what;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

static void stop(struct side *side)
{
    struct direction *const both[] = { side->out, side->in };
    for (int i = 0; i < 2; i++) {
        pthread_mutex_lock(&both[i]->lock);
        atomic_store(&both[i]->over, 1);
        pthread_cond_broadcast(&both[i]->changed);
        pthread_mutex_unlock(&both[i]->lock);
    }
}

static int wait_for(struct direction *d, int *what)
{
    pthread_mutex_lock(&d->lock);
    while (*what == 0 && !atomic_load(&d->over))
        pthread_cond_wait(&d->changed, &d->lock);
    int over = *what == 0;
    if (!over)
        --*what;
    pthread_mutex_unlock(&d->lock);
    return over;
}

static void *writer(void *argument)
{
    struct side *side = argument;
    struct direction *out = side->out;
    for (int i = 0; i < side->count; i++) {
        if (wait_for(out, &out->room) != 0)
            break;
        strcpy(out->line[i % SLOTS], side->messages[i]);    /* it fits: main has checked */
        post(out, &out->news);
    }
    return NULL;
}

static int reader(struct side *side)
{
    struct direction *in = side->in;
    for (int i = 0; i < side->count; i++) {
        if (wait_for(in, &in->news) != 0)
            return 1;
        char line[LINE];
        memcpy(line, in->line[i % SLOTS], LINE);
        line[LINE - 1] = 0;
        post(in, &in->room);
        printf("%s: %s\n", side->name, line);
        if (fflush(stdout) == EOF)
            return fail("write", errno);
    }
    return 0;
}

/* Reads in this thread, and writes in another one. */
static int talk(struct side *side)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, writer, side);
    if (error) {
        stop(side);
        return fail("pthread_create", error);
    }
    int failed = reader(side);
    if (failed)
        stop(side);
    if ((error = pthread_join(thread, NULL)) != 0)
        failed = fail("pthread_join", error);
    return failed;
}

static struct direction *make(void)
{
    int id = shmget(IPC_PRIVATE, sizeof(struct direction), IPC_CREAT | 0600);
    if (id == -1) {
        fail("shmget", errno);
        return NULL;
    }
    struct direction *one = shmat(id, NULL, 0);
    int failed = one == (void *)-1 ? fail("shmat", errno) : 0;
    if (shmctl(id, IPC_RMID, NULL) == -1)   /* early: it goes with the last detach */
        failed = fail("shmctl", errno);
    if (!failed) {
        pthread_mutexattr_t lock;
        pthread_condattr_t changed;
        pthread_mutexattr_init(&lock);
        pthread_mutexattr_setpshared(&lock, PTHREAD_PROCESS_SHARED);
        pthread_condattr_init(&changed);
        pthread_condattr_setpshared(&changed, PTHREAD_PROCESS_SHARED);
        int error = pthread_mutex_init(&one->lock, &lock);
        if (error == 0)
            error = pthread_cond_init(&one->changed, &changed);
        if (error != 0)
            failed = fail("pthread", error);
        one->room = SLOTS;
    }
    return failed ? NULL : one;
}

static int the_child(struct side *side, pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
        return fail("prctl", errno);
    if (getppid() != parent)                /* it died before we asked */
        return 1;
    return talk(side);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: exercise MESSAGE...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        if (strlen(argv[i]) >= LINE) {
            fprintf(stderr, "exercise: message %d is longer than %d bytes\n", i, LINE - 1);
            return 1;
        }
    }
    signal(SIGPIPE, SIG_IGN);               /* a failed write is noticed, and told to the other side */
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, NULL);   /* until both segments are marked for removal */
    struct direction *there = make(), *back = there ? make() : NULL;
    sigprocmask(SIG_UNBLOCK, &stops, NULL);
    if (back == NULL)
        return 1;
    pid_t parent = getpid(), child = fork();    /* before there is a second thread */
    if (child == -1)
        return fail("fork", errno);
    struct side ours = { child ? "parent" : "child", child ? there : back, child ? back : there, argv + 1, argc - 1 };
    if (child == 0)
        _exit(the_child(&ours, parent));
    int failed = talk(&ours), status = 0;
    if (waitpid(child, &status, 0) == -1)
        failed = fail("waitpid", errno);
    if (shmdt(there) == -1 || shmdt(back) == -1)
        failed = fail("shmdt", errno);
    return failed || status != 0;
}
