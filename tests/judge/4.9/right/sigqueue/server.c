#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#include "talk.h"

static int serve(volatile struct st_shmbuf *shm, char **messages)
{
    pid_t client = 0;
    shm->pid = getpid();
    if (talk_take(&client, 0) != OK)
        return FAILED;
    if (shm->pid != client) {
        fputs("the pid in the segment is not the client's\n", stderr);
        return FAILED;
    }
    for (int number = 1;; number++, messages++) {
        const char *text = *messages != NULL ? *messages : "";
        strcpy((char *)shm->buf, text);
        if (talk_send(client, SIGUSR1, number) != OK || talk_take(&client, number) != OK)
            return FAILED;
        if (*messages == NULL)
            return OK;
    }
}

int server(key_t key, char **messages)
{
    if (talk_begin(SIGUSR2) != OK)
        return FAILED;
    int id = shmget(key, sizeof(struct st_shmbuf), IPC_CREAT | IPC_EXCL | 0600);
    if (id == -1)
        return complain("server: shmget");
    int code;
    void *shm = shmat(id, NULL, 0);
    if (shm == (void *)-1) {
        code = complain("server: shmat");
    } else {
        code = serve(shm, messages);
        if (shmdt(shm) == -1)
            code = complain("server: shmdt");
    }
    return shmctl(id, IPC_RMID, NULL) == -1 ? complain("server: shmctl") : code;
}
