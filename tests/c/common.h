/* What the programs of this folder share: the layout and the key of section 4.9. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

struct st_shmbuf {
    pid_t pid;
    char buf[124];
};

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Arguments: KEY-FILE PROJ-ID. */
static inline key_t the_key(char **argv)
{
    key_t key = ftok(argv[1], atoi(argv[2]));
    if (key == -1)
        die("ftok");
    return key;
}
