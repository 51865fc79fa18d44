#include <signal.h>
#include <sys/types.h>

struct st_shmbuf {
    pid_t pid;
    char buf[124];
};

enum { OK, FAILED, USAGE };

int server(key_t key, char **messages);
int client(key_t key);

/* Says which call has failed, and why. */
int complain(const char *call);
void wait_a_little(void);

/* Blocks this signal, SIGINT and SIGTERM, and takes it from then on. */
int talk_begin(int signal);
/* Sends the signal, with a number. */
int talk_send(pid_t peer, int signal, int number);
/* Takes the next signal from `peer`, or from anybody: 0. It must have this number. */
int talk_take(pid_t *peer, int number);
