/* 4.8  Parent and child: one solution. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 128 };

static volatile sig_atomic_t told, ended;

static void hear(int signal)
{
    if (signal == SIGUSR1)
        told = 1;
    else
        ended = 1;                          /* SIGCHLD: nobody will tell us any more */
}

static int fail(const char *call)
{
    perror(call);
    return 1;
}

/* No window between the check and the sleep: the signal is blocked everywhere else. */
static int wait_until_told(const sigset_t *open)
{
    while (!told && !ended)
        sigsuspend(open);
    int failed = !told;
    told = 0;
    return failed;
}

static int the_child(const char *shm, int messages, pid_t parent, const sigset_t *open)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
        return fail("child: prctl");
    if (getppid() != parent)                /* it died before we asked */
        return 1;
    while (messages-- > 0) {
        if (wait_until_told(open) != 0)
            return 1;
        printf("child: %s\n", shm);
        if (fflush(stdout) == EOF)
            return fail("child: write");
        if (kill(parent, SIGUSR1) == -1)
            return fail("child: kill");
    }
    return 0;
}

static int the_parent(char *shm, char **messages, pid_t child, const sigset_t *open)
{
    for (; *messages; messages++) {
        strcpy(shm, *messages);             /* it fits: main has checked */
        if (kill(child, SIGUSR1) == -1)
            return fail("parent: kill");
        if (wait_until_told(open) != 0) {
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
    struct sigaction action = { .sa_handler = hear };
    sigset_t ours, stops, open;
    sigemptyset(&ours);
    sigaddset(&ours, SIGUSR1);
    sigaddset(&ours, SIGCHLD);
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    if (sigaction(SIGUSR1, &action, NULL) == -1 || sigaction(SIGCHLD, &action, NULL) == -1)
        return fail("sigaction");
    sigprocmask(SIG_BLOCK, &ours, NULL);
    sigprocmask(SIG_BLOCK, &stops, NULL);   /* until the segment is marked for removal */
    sigemptyset(&open);

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
        _exit(the_child(shm, argc - 1, parent, &open));
    if (shmctl(id, IPC_RMID, NULL) == -1)   /* both have it: it goes with them */
        failed = fail("shmctl");
    sigprocmask(SIG_UNBLOCK, &stops, NULL);
    if (child > 0) {
        if (failed || the_parent(shm, argv + 1, child, &open) != 0) {
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
