/* One function for both, a larger segment, and messages copied byte by byte. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

static int with(int id, char *to, const char *from)
{
    char *at = shmat(id, 0, 0);
    if (at == (void *)-1) {
        perror("attach");
        return -1;
    }
    if (from)
        for (size_t i = 0; i <= strlen(from); i++)
            at[i] = from[i];
    if (to)
        for (size_t i = 0; (to[i] = at[i]) != 0; i++)
            ;
    if (shmdt(at) != 0) {
        perror("detach");
        return -1;
    }
    return 0;
}

int main(int argc, char *argv[])
{
    static char text[5000];
    struct shmid_ds ds;
    sigset_t all;
    int code = 0;
    if (argc == 1) {
        fputs("a message, please\n", stderr);
        return 2;
    }
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, 0);
    int id = shmget(IPC_PRIVATE, 5000, 0600);
    if (id == -1) {
        perror("make");
        return 3;
    }
    for (char **one = argv + 1; *one && code == 0; one++) {
        if (strlen(*one) >= 5000) {
            fputs("it does not fit\n", stderr);
            code = 4;
        } else if (with(id, 0, *one) != 0 || shmctl(id, IPC_STAT, &ds) == -1) {
            perror("stat");
            code = 5;
        } else {
            printf("nattch %d\n", (int)ds.shm_nattch);
            if (with(id, text, 0) != 0)
                code = 6;
            else
                puts(text);
        }
    }
    if (shmctl(id, IPC_RMID, 0) == -1) {
        perror("remove");
        code = 7;
    }
    return code;
}
