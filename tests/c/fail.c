/* Lets one call of a listing fail. Linked with it: -Wl,--wrap=NAME, for each call in this file.
 *   CALLS  a file: a line for each call, "DEPTH NAME", and "FAILED" where one was made to fail
 *   FAIL   "DEPTH NAME TURN ERRNO": the TURN-th call of NAME in the process that is DEPTH forks deep
 * IPC_RMID is a name of its own. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int depth;
static int turns;                           /* of the name in FAIL, in this process */

ssize_t __real_write(int, const void *, size_t);
int __real_open(const char *, int, ...);
int __real_close(int);
pid_t __real_fork(void);
int __real_pthread_mutex_lock(pthread_mutex_t *);
int __real_pthread_mutex_unlock(pthread_mutex_t *);

static void line(const char *text)
{
    const char *name = getenv("CALLS");
    int fd = name ? __real_open(name, O_WRONLY | O_APPEND | O_CREAT, 0600) : -1;
    if (fd != -1) {
        if (__real_write(fd, text, strlen(text)) == -1)
            abort();
        __real_close(fd);
    }
}

/* The errno with which this call fails; 0: it is made. */
static int fails(const char *name)
{
    char text[64], wanted[32] = "";
    int at = -1, turn = 0, error = 0, before = errno;
    __real_pthread_mutex_lock(&lock);
    if (getenv("FAIL") && sscanf(getenv("FAIL"), "%d %31s %d %d", &at, wanted, &turn, &error) != 4)
        abort();
    if (at != depth || strcmp(wanted, name) || ++turns != turn)
        error = 0;
    snprintf(text, sizeof text, "%d %s\n%s", depth, name, error ? "FAILED\n" : "");
    line(text);
    __real_pthread_mutex_unlock(&lock);
    errno = before;
    return error;
}

/* A call that answers NO and sets errno. */
#define CALL(type, name, parameters, arguments, no)                                  \
    type __real_##name parameters;                                                   \
    type __wrap_##name parameters;                                                   \
    type __wrap_##name parameters                                                    \
    {                                                                                \
        int error = fails(WORD(name, #name));                                        \
        if (!error)                                                                  \
            return __real_##name arguments;                                          \
        errno = error;                                                               \
        return no;                                                                   \
    }
#define WORD(name, text) text
CALL(key_t, ftok, (const char *p, int n), (p, n), -1)
CALL(int, shmget, (key_t k, size_t n, int f), (k, n, f), -1)
CALL(void *, shmat, (int i, const void *a, int f), (i, a, f), (void *)-1)
CALL(int, shmdt, (const void *a), (a), -1)
CALL(int, msgget, (key_t k, int f), (k, f), -1)
CALL(int, msgsnd, (int i, const void *m, size_t n, int f), (i, m, n, f), -1)
CALL(ssize_t, msgrcv, (int i, void *m, size_t n, long t, int f), (i, m, n, t, f), -1)
CALL(int, semget, (key_t k, int n, int f), (k, n, f), -1)
CALL(int, semop, (int i, struct sembuf *o, size_t n), (i, o, n), -1)
CALL(int, pipe, (int *p), (p), -1)
CALL(ssize_t, read, (int fd, void *b, size_t n), (fd, b, n), -1)
CALL(ssize_t, write, (int fd, const void *b, size_t n), (fd, b, n), -1)
CALL(int, close, (int fd), (fd), -1)
CALL(int, unlink, (const char *p), (p), -1)
CALL(int, shm_open, (const char *p, int f, mode_t m), (p, f, m), -1)
CALL(int, shm_unlink, (const char *p), (p), (__real_shm_unlink(p), -1))     /* nobody else would */
CALL(int, ftruncate, (int fd, off_t n), (fd, n), -1)
CALL(void *, mmap, (void *a, size_t n, int p, int f, int fd, off_t o), (a, n, p, f, fd, o), MAP_FAILED)
CALL(int, munmap, (void *a, size_t n), (a, n), -1)
CALL(pid_t, waitpid, (pid_t p, int *s, int o), (p, s, o), -1)
CALL(int, kill, (pid_t p, int s), (p, s), -1)
CALL(int, sigaction, (int s, const struct sigaction *n, struct sigaction *o), (s, n, o), -1)
CALL(int, sigprocmask, (int h, const sigset_t *n, sigset_t *o), (h, n, o), -1)
CALL(int, ppoll, (struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *m), (p, n, t, m), -1)
CALL(int, sem_init, (sem_t *s, int p, unsigned v), (s, p, v), -1)
CALL(int, sem_wait, (sem_t *s), (s), -1)
CALL(int, sem_post, (sem_t *s), (s), -1)
#undef WORD
#define WORD(name, text) (c == IPC_RMID ? "IPC_RMID" : text)
CALL(int, shmctl, (int i, int c, struct shmid_ds *d), (i, c, d), -1)
CALL(int, msgctl, (int i, int c, struct msqid_ds *d), (i, c, d), -1)
CALL(int, semctl, (int i, int n, int c, void *d), (i, n, c, d), -1)
#undef WORD
#define WORD(name, text) text
/* These answer the error. */
CALL(int, pthread_mutexattr_init, (pthread_mutexattr_t *a), (a), error)
CALL(int, pthread_mutexattr_setpshared, (pthread_mutexattr_t *a, int s), (a, s), error)
CALL(int, pthread_mutexattr_setrobust, (pthread_mutexattr_t *a, int r), (a, r), error)
CALL(int, pthread_mutex_init, (pthread_mutex_t *m, const pthread_mutexattr_t *a), (m, a), error)
CALL(int, pthread_mutex_lock, (pthread_mutex_t *m), (m), error)
CALL(int, pthread_mutex_unlock, (pthread_mutex_t *m), (m), error)
CALL(int, pthread_mutex_consistent, (pthread_mutex_t *m), (m), error)
CALL(int, pthread_join, (pthread_t t, void **r), (t, r), error)
CALL(int, pthread_create, (pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *x), (t, a, f, x), error)

int __wrap_open(const char *, int, mode_t);
int __wrap_open(const char *path, int flags, mode_t mode)
{
    int error = fails("open");
    if (!error)
        return __real_open(path, flags, mode);
    errno = error;
    return -1;
}

pid_t __wrap_fork(void);
pid_t __wrap_fork(void)
{
    int error = fails("fork");
    if (error) {
        errno = error;
        return -1;
    }
    pid_t pid = __real_fork();
    if (pid == 0) {
        depth++;
        turns = 0;
    }
    return pid;
}
