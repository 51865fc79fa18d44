/* Two counters for each direction, and futexes instead of semaphores: a thread sleeps on the other side's counter until
 * it has changed. A ring of four slots lies between them; a third word says that the conversation is over. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 4, LINE = 200 };

static const unsigned OVER = 1u << 31;

/* The highest bit of a counter says that nobody waits for it any more. */
struct lane {
    atomic_uint written, taken;
    char slot[SLOTS][LINE];
};

struct end {
    const char *name;
    struct lane *to, *from;
    char **message;
    unsigned count;
};

static int complain(const char *call, int error)
{
    fprintf(stderr, "%s: %s\n", call, strerror(error));
    return EXIT_FAILURE;
}

static void wake(atomic_uint *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Sleeps while the word is `old`. Whether it is over. */
static int changed_from(atomic_uint *word, unsigned old)
{
    unsigned now;
    while ((now = atomic_load(word)) == old)
        syscall(SYS_futex, word, FUTEX_WAIT, old, NULL, NULL, 0);
    return (now & OVER) != 0;
}

static void step(atomic_uint *word)
{
    atomic_fetch_add(word, 1);
    wake(word);
}

static void end_all(const struct end *end)
{
    atomic_uint *const words[] = { &end->to->written, &end->to->taken, &end->from->written, &end->from->taken };
    for (int i = 0; i < 4; i++) {
        atomic_fetch_or(words[i], OVER);
        wake(words[i]);
    }
}

static void *speak(void *argument)
{
    const struct end *end = argument;
    for (unsigned i = 0; i < end->count; i++) {
        /* The ring is full as long as the reader has taken i - SLOTS. */
        if (i >= SLOTS && changed_from(&end->to->taken, i - SLOTS))
            break;
        strcpy(end->to->slot[i % SLOTS], end->message[i]);
        step(&end->to->written);
    }
    return NULL;
}

static int listen_to(const struct end *end)
{
    for (unsigned i = 0; i < end->count; i++) {
        char line[LINE];
        if (changed_from(&end->from->written, i))
            return EXIT_FAILURE;
        memcpy(line, end->from->slot[i % SLOTS], LINE);
        step(&end->from->taken);
        if (printf("%s: %s\n", end->name, line) < 0 || fflush(stdout) == EOF)
            return complain("standard output", errno);
    }
    return EXIT_SUCCESS;
}

static int both_ways(struct end *end)
{
    pthread_t speaker;
    int error = pthread_create(&speaker, NULL, speak, end);
    if (error != 0) {
        end_all(end);
        return complain("pthread_create", error);
    }
    int code = listen_to(end);
    if (code != EXIT_SUCCESS)
        end_all(end);
    pthread_join(speaker, NULL);
    return code;
}

static struct lane *new_lane(void)
{
    int id = shmget(IPC_PRIVATE, sizeof(struct lane), IPC_CREAT | 0600);
    if (id == -1) {
        complain("shmget", errno);
        return NULL;
    }
    void *at = shmat(id, NULL, 0);
    if (at == (void *)-1)
        complain("shmat", errno);
    if (shmctl(id, IPC_RMID, NULL) == -1) {
        complain("shmctl", errno);
        return NULL;
    }
    return at == (void *)-1 ? NULL : at;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s MESSAGE...\n", argv[0]);
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (strlen(argv[i]) >= LINE) {
            fprintf(stderr, "%s: \"%.20s...\" does not fit\n", argv[0], argv[i]);
            return EXIT_FAILURE;
        }
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return complain("signal", errno);
    sigset_t stops, before;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, &before);
    struct lane *down = new_lane(), *up = down != NULL ? new_lane() : NULL;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (up == NULL)
        return EXIT_FAILURE;
    pid_t parent = getpid(), child = fork();
    if (child == -1)
        return complain("fork", errno);
    if (child == 0) {
        struct end end = { "child", up, down, argv + 1, (unsigned)argc - 1 };
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
            _exit(complain("prctl", errno));
        _exit(getppid() == parent ? both_ways(&end) : EXIT_FAILURE);
    }
    struct end end = { "parent", down, up, argv + 1, (unsigned)argc - 1 };
    int status, code = both_ways(&end);
    if (waitpid(child, &status, 0) == -1)
        code = complain("waitpid", errno);
    else if (status != 0)
        code = EXIT_FAILURE;
    if (shmdt(down) == -1)
        code = complain("shmdt", errno);
    if (shmdt(up) == -1)
        code = complain("shmdt", errno);
    return code;
}
