/* Four System V semaphores in one set wake the threads, and a lane is a type with two functions, in a file of its own. A
 * set cannot be marked early as a segment can: the stops stay blocked until the parent has removed it. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lane.h"

struct side {
    const char *name;
    const struct lane *out, *in;
    char **messages;
    int count, stuck;
};

static void end_both(const struct side *side)
{
    lane_end(side->out);
    lane_end(side->in);
}

static void *write_all(void *argument)
{
    struct side *side = argument;
    for (int i = 0; i < side->count && !side->stuck; i++)
        side->stuck = lane_put(side->out, i, side->messages[i]);
    if (side->stuck)
        end_both(side);
    return NULL;
}

static int read_all(const struct side *side)
{
    char line[LINE];
    for (int i = 0; i < side->count; i++) {
        if (lane_take(side->in, i, line) != 0)
            return 1;
        if (printf("%s: %s\n", side->name, line) < 0 || fflush(stdout) == EOF)
            return complain("standard output");
    }
    return 0;
}

static int talk(struct side *side)
{
    pthread_t writer;
    errno = pthread_create(&writer, NULL, write_all, side);
    if (errno != 0) {
        int failed = complain("pthread_create");
        end_both(side);
        return failed;
    }
    int failed = read_all(side);
    if (failed)
        end_both(side);
    errno = pthread_join(writer, NULL);
    return errno != 0 ? complain("pthread_join") : failed || side->stuck;
}

static int the_child(struct side *side, pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
        return complain("prctl");
    return getppid() != parent || talk(side) != 0;
}

static int the_two(int set, char **messages, int count)
{
    struct lane down, up;
    if (lane_make(&down, set, 0) != 0 || lane_make(&up, set, 2) != 0)
        return 1;
    struct side side = { "parent", &down, &up, messages, count, 0 };
    pid_t parent = getpid(), child = fork();
    if (child == -1)
        return complain("fork");
    if (child == 0) {
        side.name = "child";
        side.out = &up;
        side.in = &down;
        _exit(the_child(&side, parent));
    }
    int failed = talk(&side), status;
    if (waitpid(child, &status, 0) == -1)
        failed = complain("waitpid");
    else
        failed |= status != 0;
    if (shmdt(down.ring) == -1 || shmdt(up.ring) == -1)
        failed = complain("shmdt");
    return failed;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: exercise MESSAGE...\n", stderr);
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (strlen(argv[i]) >= LINE) {
            fprintf(stderr, "message %d does not fit into %d bytes\n", i, LINE);
            return 2;
        }
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return complain("signal");
    int set = semget(IPC_PRIVATE, 4, IPC_CREAT | 0600);
    if (set == -1)
        return complain("semget");
    int failed = the_two(set, argv + 1, argc - 1);
    if (semctl(set, 0, IPC_RMID) == -1)
        failed = complain("semctl");
    return failed;
}
