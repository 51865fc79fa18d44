/* No handler: the signal stays blocked, and is taken with sigwaitinfo. The segment is removed at the end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static sigset_t set;

static int die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

/* 0: SIGUSR1; else what ended the wait */
static int take(void)
{
    int got;
    do
        got = sigwaitinfo(&set, NULL);
    while (got == -1 && errno == EINTR);
    return got == SIGUSR1 ? 0 : got;
}

static int child(const char *text, int count, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        return 1;
    for (int i = 0; i < count; i++) {
        if (take() != 0)
            return 1;
        char line[200];
        int n = snprintf(line, sizeof line, "child: %s\n", text);
        if (write(1, line, (size_t)n) != n)
            return 1;
        if (kill(parent, SIGUSR1) == -1)
            return die("kill");
    }
    return 0;
}

int main(int argc, char *argv[])
{
    if (argc == 1) {
        fputs("what message?\n", stderr);
        return 2;
    }
    size_t most = 0;
    for (int i = 1; i < argc; i++)
        if (strlen(argv[i]) > most)
            most = strlen(argv[i]);
    if (most > 128) {
        fputs("too long\n", stderr);
        return 2;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int id = shmget(IPC_PRIVATE, most + 1, 0600 | IPC_CREAT);
    if (id < 0)
        return die("shmget");
    int code = 0;
    char *text = shmat(id, NULL, 0);
    if (text == (char *)-1) {
        code = die("shmat");
    } else {
        pid_t me = getpid(), pid = fork();
        if (pid == 0)
            _exit(child(text, argc - 1, me));
        if (pid < 0)
            code = die("fork");
        for (int i = 1; pid > 0 && i < argc && code == 0; i++) {
            strcpy(text, argv[i]);
            if (kill(pid, SIGUSR1) < 0 || take() != 0)
                code = 1;
        }
        if (pid > 0) {
            int status;
            if (code != 0)
                kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            if (status != 0)
                code = 1;
            if (code != 0)
                fputs("the child has not read it\n", stderr);
        }
        if (shmdt(text) < 0)
            code = die("shmdt");
    }
    if (shmctl(id, IPC_RMID, NULL) < 0)
        code = die("shmctl");
    return code;
}
