/* 4.6  shmdt: one solution. */
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

static int put(int id, const char *message)
{
    char *shm = shmat(id, NULL, 0);
    if (shm == (char *)-1)
        return fail("shmat");
    strcpy(shm, message);                   /* it fits: main has checked */
    return shmdt(shm) == -1 ? fail("shmdt") : 0;
}

static int take(int id)
{
    char *shm = shmat(id, NULL, SHM_RDONLY);
    if (shm == (char *)-1)
        return fail("shmat");
    printf("%s\n", shm);
    return shmdt(shm) == -1 ? fail("shmdt") : 0;
}

static int users(int id)
{
    struct shmid_ds record;
    if (shmctl(id, IPC_STAT, &record) == -1)
        return fail("shmctl, IPC_STAT");
    printf("nattch %lu\n", (unsigned long)record.shm_nattch);
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
    for (int i = 1; i < argc && !failed; i++)
        failed = put(id, argv[i]) || users(id) || take(id);
    if (shmctl(id, IPC_RMID, NULL) == -1)
        failed = fail("shmctl, IPC_RMID");
    return failed;
}
