/* The server of section 4.9, as the source notes have it: kill and bare pause.
 * server KEY-FILE PROJ-ID < messages */
#include "common.h"

static void woken(int signal)
{
    (void)signal;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    signal(SIGUSR2, woken);                                         /* 9 */
    int id = shmget(the_key(argv), sizeof(struct st_shmbuf), IPC_CREAT | IPC_EXCL | 0666);   /* 1 */
    if (id == -1)
        die("shmget");
    struct st_shmbuf *shm = shmat(id, NULL, 0);                     /* 2 */
    if (shm == (void *)-1)
        die("shmat");
    shm->pid = getpid();                                            /* 3 */
    printf("ready\n");
    fflush(stdout);
    pause();                                                        /* 4 */
    pid_t client = shm->pid;                                        /* 5 */
    char line[sizeof shm->buf];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        strcpy(shm->buf, line);                                     /* 6 */
        kill(client, SIGUSR1);                                      /* 7 */
        pause();                                                    /* 8 */
    }
    shm->buf[0] = '\0';
    kill(client, SIGUSR1);
    if (shmdt(shm) == -1 || shmctl(id, IPC_RMID, NULL) == -1)
        die("cleaning up");
    return 0;
}
