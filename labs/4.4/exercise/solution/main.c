/* 4.4  shmget and ftok: one solution. */
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

enum { SIZE = 4096 };

static int look(key_t key, int id)
{
    if (shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0600) != -1 || errno != EEXIST)
        return fail("shmget, a second time");
    printf("EEXIST\n");
    int found = shmget(key, 0, 0);
    if (found == -1)
        return fail("shmget, by its key");
    if (found == id)
        printf("same\n");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: exercise FILE\n");
        return 2;
    }
    key_t key = ftok(argv[1], 'A');
    if (key == -1)
        return fail(argv[1]);
    block_stops();
    int id = shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0600);
    if (id == -1)
        return fail("shmget");
    int failed = look(key, id);
    if (shmctl(id, IPC_RMID, NULL) == -1)
        return fail("shmctl, IPC_RMID");
    if (failed)
        return failed;
    if (shmget(key, 0, 0) != -1 || errno != ENOENT)
        return fail("shmget, after the removal");
    printf("ENOENT\n");
    return 0;
}
