/* 4.5  shmat: one solution. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

static int fail(const char *call)
{
    perror(call);
    return 1;
}

/* Ctrl-C and kill must not come while there is a segment that nobody would remove. */
static void block_stops(void)
{
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, NULL);
}

enum { SIZE = 128 };

static int work(char *one, const char *other, char **messages)
{
    if (one == other) {
        fprintf(stderr, "one address twice\n");
        return 1;
    }
    for (; *messages; messages++) {
        strcpy(one, *messages);             /* it fits: main has checked */
        printf("%s\n", other);
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
    block_stops();
    int id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
    if (id == -1)
        return fail("shmget");
    int failed = 0;
    char *one = shmat(id, NULL, 0), *other = (char *)-1;
    if (one == (char *)-1)
        failed = fail("shmat");
    else if ((other = shmat(id, NULL, SHM_RDONLY)) == (char *)-1)
        failed = fail("shmat, a second time");
    if (shmctl(id, IPC_RMID, NULL) == -1)
        failed = fail("shmctl");
    if (!failed)
        failed = work(one, other, argv + 1);
    if (one != (char *)-1 && shmdt(one) == -1)
        failed = fail("shmdt");
    if (other != (char *)-1 && shmdt(other) == -1)
        failed = fail("shmdt, of the second");
    return failed;
}
