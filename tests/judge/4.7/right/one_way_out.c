/* One way out, with goto, and what is printed comes from a table of the three records that were read. SIGINT and SIGTERM
 * are handled by a flag that is looked at between the calls. */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/shm.h>

enum { MADE, CHANGED, MARKED, RECORDS };

static volatile sig_atomic_t stop;

static void on_stop(int signal)
{
    stop = signal;
}

static int listen_to(int signal)
{
    struct sigaction action = { .sa_handler = on_stop };
    return sigaction(signal, &action, NULL);
}

int main(int argc, char **argv)
{
    const char *call = NULL;
    struct shmid_ds record[RECORDS];
    int id = -1;
    void *at = (void *)-1;
    char *end = NULL;

    errno = 0;
    unsigned long size = argc == 2 && isdigit((unsigned char)*argv[1]) ? strtoul(argv[1], &end, 10) : 0;
    if (errno != 0 || size == 0 || *end != '\0') {
        fputs("usage: exercise SIZE, with a SIZE of 1 or more\n", stderr);
        return 2;
    }
    if (listen_to(SIGINT) == -1 || listen_to(SIGTERM) == -1) {
        perror("sigaction");
        return 1;
    }
    if ((id = shmget(IPC_PRIVATE, size, IPC_CREAT | IPC_EXCL | 0600)) == -1) {
        call = "shmget";
        goto out;
    }
    if ((at = shmat(id, NULL, 0)) == (void *)-1) {
        call = "shmat";
        goto out;
    }
    if (stop || shmctl(id, IPC_STAT, &record[MADE]) == -1) {
        call = "IPC_STAT";
        goto out;
    }
    record[CHANGED] = record[MADE];
    record[CHANGED].shm_perm.mode = 0640;
    if (stop || shmctl(id, IPC_SET, &record[CHANGED]) == -1 || shmctl(id, IPC_STAT, &record[CHANGED]) == -1) {
        call = "IPC_SET";
        goto out;
    }
    int marked = id;
    id = -1;
    if (shmctl(marked, IPC_RMID, NULL) == -1)
        call = "IPC_RMID";
    else if (shmctl(marked, IPC_STAT, &record[MARKED]) == -1)
        call = "IPC_STAT of a marked segment";

out:
    if (call != NULL && !stop)
        perror(call);
    if (id != -1 && shmctl(id, IPC_RMID, NULL) == -1)
        perror("IPC_RMID");
    if (at != (void *)-1 && shmdt(at) == -1)
        perror(call = "shmdt");
    if (stop)
        return 128 + stop;
    if (call != NULL)
        return 1;
    printf("size %zu\nmode %03o\n", record[MADE].shm_segsz, record[CHANGED].shm_perm.mode & 0777);
    if (record[MARKED].shm_perm.mode & SHM_DEST)
        puts("dest");
    return fflush(stdout) == EOF;
}
