#include "segment.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

static int id = -1;

static void remove_it(void)
{
    /* exit is running: only _exit can still change the code. */
    if (shmctl(id, IPC_RMID, NULL) == -1) {
        warn("shmctl(IPC_RMID)");
        fflush(NULL);
        _exit(EXIT_FAILURE);
    }
}

void segment_make(size_t size)
{
    id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
    if (id == -1)
        err(EXIT_FAILURE, "shmget");
    if (atexit(remove_it) != 0) {
        remove_it();
        errx(EXIT_FAILURE, "atexit");
    }
}

static char *attach(int flags)
{
    void *at = shmat(id, NULL, flags);
    if (at == (void *)-1)
        err(EXIT_FAILURE, "shmat");
    return at;
}

static void detach(const void *at)
{
    if (shmdt(at) == -1)
        err(EXIT_FAILURE, "shmdt");
}

void segment_write(const char *text)
{
    char *at = attach(0);
    stpcpy(at, text);
    detach(at);
}

unsigned long segment_attachments(void)
{
    struct shmid_ds record;
    if (shmctl(id, IPC_STAT, &record) == -1)
        err(EXIT_FAILURE, "shmctl(IPC_STAT)");
    return record.shm_nattch;
}

void segment_print(void)
{
    const char *at = attach(SHM_RDONLY);
    int printed = puts(at);
    detach(at);
    if (printed == EOF)
        err(EXIT_FAILURE, "standard output");
}
