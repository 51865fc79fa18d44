/* No handler: sigtimedwait in a loop. Built by a Makefile, of two files. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "size.h"


static int fail(const char *call)
{
    perror(call);
    return 1;
}

/* Both signals are blocked in both processes, and taken one by one; each tenth of a second it looks up in vain. */
static int wait_until_told(const sigset_t *ours)
{
    const struct timespec tenth = { .tv_nsec = 100 * 1000 * 1000 };
    int got;
    do
        got = sigtimedwait(ours, NULL, &tenth);
    while (got == -1 && (errno == EAGAIN || errno == EINTR));
    return got != SIGUSR1;
}

static int the_child(const char *shm, int messages, pid_t parent, const sigset_t *ours)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
        return fail("child: prctl");
    if (getppid() != parent)                /* it died before we asked */
        return 1;
    while (messages-- > 0) {
        if (wait_until_told(ours) != 0)
            return 1;
        printf("child: %s\n", shm);
        if (fflush(stdout) == EOF)
            return fail("child: write");
        if (kill(parent, SIGUSR1) == -1)
            return fail("child: kill");
    }
    return 0;
}

static int the_parent(char *shm, char **messages, pid_t child, const sigset_t *ours)
{
    for (; *messages; messages++) {
        strcpy(shm, *messages);             /* it fits: main has checked */
        if (kill(child, SIGUSR1) == -1)
            return fail("parent: kill");
        if (wait_until_told(ours) != 0) {
            fprintf(stderr, "parent: the child has ended, and has not told us\n");
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: exercise MESSAGE...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        if (strlen(argv[i]) >= SIZE) {
            fprintf(stderr, "exercise: message %d is longer than %d bytes\n", i, SIZE - 1);
            return 1;
        }
    }
    sigset_t ours, stops;
    sigemptyset(&ours);
    sigaddset(&ours, SIGUSR1);
    sigaddset(&ours, SIGCHLD);
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &ours, NULL);
    sigprocmask(SIG_BLOCK, &stops, NULL);   /* until the segment is marked for removal */

    int id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
    if (id == -1)
        return fail("shmget");
    int failed = 0, status = 0;
    pid_t parent = getpid(), child = -1;
    char *shm = shmat(id, NULL, 0);
    if (shm == (void *)-1)
        failed = fail("shmat");
    else if ((child = fork()) == -1)
        failed = fail("fork");
    if (child == 0)
        _exit(the_child(shm, argc - 1, parent, &ours));
    if (shmctl(id, IPC_RMID, NULL) == -1)   /* both have it: it goes with them */
        failed = fail("shmctl");
    sigprocmask(SIG_UNBLOCK, &stops, NULL);
    if (child > 0) {
        if (failed || the_parent(shm, argv + 1, child, &ours) != 0) {
            failed = 1;
            kill(child, SIGKILL);           /* it would wait for ever */
        }
        if (waitpid(child, &status, 0) == -1)
            failed = fail("waitpid");
    }
    if (shm != (void *)-1 && shmdt(shm) == -1)
        failed = fail("shmdt");
    return failed || status != 0;
}
