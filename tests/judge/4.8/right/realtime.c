/* A signal of real time is sent by sigqueue with the number of the message as its value, and sigwaitinfo takes it: such
 * signals queue, so none is merged with another. SIGCHLD is in the same set, and says that the child has ended. */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 2000 };

static sigset_t set(int one, int other)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, one);
    sigaddset(&set, other);
    return set;
}

static int tell(pid_t whom, int number)
{
    union sigval value = { .sival_int = number };
    if (sigqueue(whom, SIGRTMIN, value) == 0)
        return 0;
    warn("sigqueue");
    return -1;
}

/* The number that the other process has sent; -1: it has ended. SIGCHLD has the lower number and is taken first, also
 * where the last answer was sent before it: so what is pending is looked for once more. */
static int heard(const sigset_t *ours)
{
    static int ended;
    static const struct timespec now;
    sigset_t answer = *ours;
    siginfo_t info;
    int signal = -1;
    sigdelset(&answer, SIGCHLD);
    while (!ended && (signal = sigwaitinfo(ours, &info)) != SIGRTMIN)
        ended = signal == SIGCHLD;
    if (ended)
        signal = sigtimedwait(&answer, &info, &now);
    return signal == SIGRTMIN ? info.si_value.sival_int : -1;
}

static int the_child(const char *text, int count, pid_t parent, const sigset_t *ours)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1) {
        warn("prctl");
        return 1;
    }
    if (getppid() != parent)
        return 1;
    for (int i = 1; i <= count; i++) {
        if (heard(ours) != i) {
            warnx("child: message %d was expected", i);
            return 1;
        }
        if (printf("child: %s\n", text) < 0 || fflush(stdout) == EOF) {
            warn("child: standard output");
            return 1;
        }
        if (tell(parent, i) == -1)
            return 1;
    }
    return 0;
}

static int the_parent(char *text, char **argv, pid_t child, const sigset_t *ours)
{
    for (int i = 1; argv[i]; i++) {
        memcpy(text, argv[i], strlen(argv[i]) + 1);
        if (tell(child, i) == -1)
            return 1;
        if (heard(ours) != i) {
            warnx("the child has not read message %d", i);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        errx(2, "usage: exercise MESSAGE...");
    for (int i = 1; i < argc; i++)
        if (strlen(argv[i]) >= SIZE)
            errx(1, "message %d has %zu bytes: too many", i, strlen(argv[i]));
    sigset_t ours = set(SIGRTMIN, SIGCHLD), stops = set(SIGINT, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &ours, NULL) == -1 || sigprocmask(SIG_BLOCK, &stops, NULL) == -1)
        err(1, "sigprocmask");
    int id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
    if (id == -1)
        err(1, "shmget");
    char *text = shmat(id, NULL, 0);
    if (text == (char *)-1) {
        warn("shmat");
        if (shmctl(id, IPC_RMID, NULL) == -1)
            warn("shmctl");
        return 1;
    }
    pid_t parent = getpid(), child = fork();
    if (child == 0)
        _exit(the_child(text, argc - 1, parent, &ours));
    int failed = 0, status = 0;
    if (child == -1) {
        warn("fork");
        failed = 1;
    }
    if (shmctl(id, IPC_RMID, NULL) == -1) {
        warn("shmctl");
        failed = 1;
    }
    sigprocmask(SIG_UNBLOCK, &stops, NULL);
    if (child != -1) {
        if (failed || the_parent(text, argv, child, &ours) != 0) {
            failed = 1;
            kill(child, SIGKILL);
        }
        if (waitpid(child, &status, 0) == -1) {
            warn("waitpid");
            failed = 1;
        }
    }
    if (shmdt(text) == -1) {
        warn("shmdt");
        failed = 1;
    }
    return failed || status != 0;
}
