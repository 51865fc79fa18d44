#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#include "talk.h"

enum { TRIES = 200 };

static int follow(volatile struct st_shmbuf *shm)
{
    for (int i = 0; i < TRIES && shm->pid == 0; i++)
        wait_a_little();
    pid_t server = shm->pid;
    if (server == 0) {
        fputs("the server has not written its pid\n", stderr);
        return FAILED;
    }
    shm->pid = getpid();
    if (talk_send(server, SIGUSR2, 0) != OK)
        return FAILED;
    for (int number = 1;; number++) {
        char text[sizeof shm->buf];
        if (talk_take(&server, number) != OK)
            return FAILED;
        memcpy(text, (const char *)shm->buf, sizeof text);
        text[sizeof text - 1] = '\0';
        if (*text != '\0' && (printf("client: %s\n", text) < 0 || fflush(stdout) == EOF))
            return complain("client: standard output");
        if (talk_send(server, SIGUSR2, number) != OK)
            return FAILED;
        if (*text == '\0')
            return OK;
    }
}

int client(key_t key)
{
    if (talk_begin(SIGUSR1) != OK)
        return FAILED;
    int id;
    for (int i = 0; (id = shmget(key, sizeof(struct st_shmbuf), 0)) == -1 && errno == ENOENT && i < TRIES; i++)
        wait_a_little();
    if (id == -1)
        return complain("client: shmget");
    void *shm = shmat(id, NULL, 0);
    if (shm == (void *)-1)
        return complain("client: shmat");
    int code = follow(shm);
    return shmdt(shm) == -1 ? complain("client: shmdt") : code;
}
