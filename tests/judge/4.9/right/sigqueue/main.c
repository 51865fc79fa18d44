/* Four files and a Makefile. SIGUSR1 and SIGUSR2 are sent by sigqueue with the number of the message, so that a signal
 * that belongs to another message, or comes from another process, is told from the answer. */
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>

#include "talk.h"

static int usage(void)
{
    fputs("usage: exercise server FILE MESSAGE... | exercise client FILE\n", stderr);
    return USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return usage();
    int serves = strcmp(argv[1], "server") == 0 && argc > 3;
    if (!serves && (strcmp(argv[1], "client") != 0 || argc > 3))
        return usage();
    for (int i = 3; i < argc; i++)
        if (*argv[i] == '\0' || strlen(argv[i]) >= sizeof((struct st_shmbuf *)0)->buf) {
            fprintf(stderr, "message %d is empty or too long\n", i - 2);
            return USAGE;
        }
    key_t key = ftok(argv[2], 'q');
    if (key == -1)
        return complain(argv[2]);
    return serves ? server(key, argv + 3) : client(key);
}
