/* What a program has done before its first call that others notice: fork would change some of it. The first
   argument says what; then two processes change one segment, in several orders. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *what;
static pid_t me;
static pthread_mutex_t mutex;
static timer_t timer;

static int is(const char *word) { return strcmp(what, word) == 0; }

static void fail(const char *why)
{
    fprintf(stderr, "starts: %s: %s\n", what, why);
    _exit(3);
}

static void make_mutex(int type, int shared)
{
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, type);
    if (shared)
        pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&mutex, &kind);
}

/* Nobody else can notice any of this. */
static void before(void)
{
    if (is("recursive") || is("checked")) {
        make_mutex(is("checked") ? PTHREAD_MUTEX_ERRORCHECK : PTHREAD_MUTEX_RECURSIVE, 0);
        pthread_mutex_lock(&mutex);
    } else if (is("pid")) {
        me = getpid();
    } else if (is("tid")) {
        me = (pid_t)syscall(SYS_gettid);
    } else if (is("death-signal")) {
        prctl(PR_SET_PDEATHSIG, SIGUSR2);
    } else if (is("descriptor")) {
        if (open("/etc/passwd", O_RDONLY) != 3)
            fail("open");
    } else if (is("standard-input")) {
        close(0);
        if (open("/etc/passwd", O_RDONLY) != 0)
            fail("open");
    } else if (is("locked")) {
        if (mlock(&mutex, sizeof mutex) == -1)
            fail("mlock");
    } else if (is("timer")) {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
        timer_create(CLOCK_MONOTONIC, &event, &timer);
    } else if (is("buffered")) {
        printf("not flushed yet; ");
    } else if (is("alternative-stack")) {
        stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
        sigaltstack(&stack, NULL);
    }
}

/* Is all as it was? */
static void after(void)
{
    char byte;
    int signal = 0;
    if (is("recursive") && pthread_mutex_lock(&mutex) != 0)
        fail("it is not the owner");
    if (is("checked") && pthread_mutex_lock(&mutex) != EDEADLK)
        fail("it is not the owner");
    if ((is("recursive") || is("checked")) && pthread_mutex_unlock(&mutex) != 0)
        fail("not to be unlocked");
    if (is("pid") && me != getpid())
        fail("another process");
    if (is("tid") && me != syscall(SYS_gettid))
        fail("another thread");
    if (is("death-signal") && (prctl(PR_GET_PDEATHSIG, &signal) == -1 || signal != SIGUSR2))
        fail("no signal is set");
    if (is("descriptor") && (lseek(3, 0, SEEK_CUR) != 0 || read(3, &byte, 1) != 1))
        fail("somebody has read there");
    if (is("standard-input") && (lseek(0, 0, SEEK_CUR) != 0 || read(0, &byte, 1) != 1))
        fail("somebody has read there");
    if (is("timer") && timer_delete(timer) == -1)
        fail("there is no timer");
    if (is("alternative-stack")) {
        stack_t stack;
        if (sigaltstack(NULL, &stack) == -1 || stack.ss_size != 1 << 16)
            fail("there is no stack");
    }
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    what = argv[1];
    before();
    int id = shmget(IPC_PRIVATE, 4096, 0600);
    if (id == -1)
        fail("shmget");
    after();
    pthread_mutex_t *shared = shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    if (is("robust")) {
        make_mutex(PTHREAD_MUTEX_NORMAL, 1);
        memcpy(shared, &mutex, sizeof mutex);
        pthread_mutex_lock(shared);
    }
    pid_t child = fork();
    struct shmid_ds data;
    if (child == 0) {
        if (is("robust"))
            _exit(pthread_mutex_lock(shared) == EOWNERDEAD ? 0 : 3);
        shmctl(id, IPC_STAT, &data);
        data.shm_perm.mode = 0640;
        shmctl(id, IPC_SET, &data);
        _exit(0);
    }
    if (is("robust"))
        return 0;
    shmctl(id, IPC_STAT, &data);
    shmdt(shared);
    int status;
    waitpid(child, &status, 0);
    puts("done");
    return status == 0 ? 0 : 3;
}
