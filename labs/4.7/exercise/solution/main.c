/* 4.7  shmctl: one solution. */
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

/* What the kernel says of the segment: 0 if it says it. */
static int look(int id, struct shmid_ds *record)
{
    return shmctl(id, IPC_STAT, record) == -1 ? fail("shmctl, IPC_STAT") : 0;
}

static int work(int id)
{
    struct shmid_ds record;
    if (look(id, &record) != 0)
        return 1;
    printf("size %zu\n", (size_t)record.shm_segsz);
    record.shm_perm.mode = 0640;
    if (shmctl(id, IPC_SET, &record) == -1)
        return fail("shmctl, IPC_SET");
    if (look(id, &record) != 0)
        return 1;
    printf("mode %o\n", record.shm_perm.mode & 0777u);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: exercise SIZE\n");
        return 2;
    }
    char *end;
    size_t size = strtoul(argv[1], &end, 10);
    if (*argv[1] == 0 || *end != 0) {
        fprintf(stderr, "exercise: %s is no size\n", argv[1]);
        return 2;
    }
    block_stops();
    int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
    if (id == -1)
        return fail("shmget");
    void *at = shmat(id, NULL, 0);
    int failed = at == (void *)-1 ? fail("shmat") : work(id);
    struct shmid_ds record;
    if (shmctl(id, IPC_RMID, NULL) == -1)
        failed = fail("shmctl, IPC_RMID");
    if (at == (void *)-1)
        return 1;
    if (look(id, &record) != 0)
        failed = 1;
    else if (!failed && record.shm_perm.mode & SHM_DEST)
        printf("dest\n");
    if (shmdt(at) == -1)
        failed = fail("shmdt");
    return failed;
}
