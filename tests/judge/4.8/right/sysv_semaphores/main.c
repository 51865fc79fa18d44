/* System V semaphores say whose turn it is, and no signal is sent. The parent's waits are
 * short, and between them it looks whether its child has ended; the stops are blocked until all is gone. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "turns.h"

static int complain(const char *call)
{
    perror(call);
    return EXIT_FAILURE;
}

static int follow(const char *text, int count, int turns)
{
    for (int i = 0; i < count; i++) {
        if (turns_wait(turns, THE_CHILD, 0) == -1)
            return complain("child: semop");
        printf("child: %s\n", text);
        if (fflush(stdout) == EOF)
            return complain("child: standard output");
        if (turns_give(turns, THE_PARENT) == -1)
            return complain("child: semop");
    }
    return EXIT_SUCCESS;
}

static void the_child(const char *text, int count, int turns, pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
        _exit(complain("prctl"));
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    _exit(follow(text, count, turns));
}

static int lead(char *text, char **messages, int turns, pid_t child)
{
    for (; *messages != NULL; messages++) {
        strcpy(text, *messages);
        if (turns_give(turns, THE_CHILD) == -1 || turns_wait(turns, THE_PARENT, child) == -1)
            return complain("parent: semop");
    }
    return EXIT_SUCCESS;
}

/* The two make all; `id` and `turns` are removed by the caller. */
static int talk(int id, int turns, int count, char **messages)
{
    char *text = shmat(id, NULL, 0);
    if (text == (char *)-1)
        return complain("shmat");
    int code, status = 0;
    fflush(NULL);
    pid_t parent = getpid(), child = fork();
    if (child == 0)
        the_child(text, count, turns, parent);
    if (child == -1) {
        code = complain("fork");
    } else {
        code = lead(text, messages, turns, child);
        if (code != EXIT_SUCCESS)
            kill(child, SIGKILL);
        if (waitpid(child, &status, 0) == -1)
            code = complain("waitpid");
        else if (status != 0)
            code = EXIT_FAILURE;
    }
    if (shmdt(text) == -1)
        code = complain("shmdt");
    return code;
}

int main(int argc, char **argv)
{
    size_t size = 1;
    if (argc < 2) {
        fputs("usage: exercise MESSAGE...\n", stderr);
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (strlen(argv[i]) + 1 > size)
            size = strlen(argv[i]) + 1;
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
    if (id == -1)
        return complain("shmget");
    int turns = turns_make();
    int code = turns == -1 ? complain("semget") : talk(id, turns, argc - 1, argv + 1);
    if (turns != -1 && turns_remove(turns) == -1)
        code = complain("semctl");
    if (shmctl(id, IPC_RMID, NULL) == -1)
        code = complain("shmctl");
    return code;
}
