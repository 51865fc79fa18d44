/* The client of section 4.9, as the source notes have it: kill and bare pause.
 * client KEY-FILE PROJ-ID */
#include "common.h"

static void woken(int signal)
{
    (void)signal;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    signal(SIGUSR1, woken);                                         /* 9 */
    int id = shmget(the_key(argv), sizeof(struct st_shmbuf), 0);    /* 1 */
    if (id == -1)
        die("shmget");
    struct st_shmbuf *shm = shmat(id, NULL, 0);                     /* 2 */
    if (shm == (void *)-1)
        die("shmat");
    pid_t server = shm->pid;                                        /* 3 */
    shm->pid = getpid();                                            /* 4 */
    kill(server, SIGUSR2);                                          /* 5 */
    for (;;) {
        pause();                                                    /* 6 */
        if (shm->buf[0] == '\0')
            break;
        printf("message: %s\n", shm->buf);                          /* 7 */
        kill(server, SIGUSR2);                                      /* 8 */
    }
    shmdt(shm);
    return 0;
}
