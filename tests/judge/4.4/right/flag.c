/* SIGINT and SIGTERM are not blocked: their handler sets a flag, and the program goes on to the removal, which ends it
 * with 128 and the signal. Its standard output has no buffer, and SIGPIPE is ignored. */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/shm.h>

static volatile sig_atomic_t stopped_by;

static void remember(int signal)
{
    stopped_by = signal;
}

/* errno after shmget, or 0: the answer is compared with what must come. */
static int answer(key_t key, int flags, int *id)
{
    *id = shmget(key, 64, flags);
    return *id == -1 ? errno : 0;
}

static int ask(key_t key, int id)
{
    int other;
    int error = answer(key, IPC_CREAT | IPC_EXCL | 0600, &other);
    if (error != EEXIST) {
        warnx("made twice: errno %d", error);
        return 1;
    }
    if (puts("EEXIST") == EOF)
        return 1;
    error = answer(key, 0, &other);
    if (error != 0 || other != id) {
        warnx("not found: errno %d", error);
        return 1;
    }
    return puts("same") == EOF;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        errx(2, "one FILE is needed");
    key_t key = ftok(argv[1], 1);
    if (key == -1)
        err(1, "%s", argv[1]);
    struct sigaction action = { .sa_handler = remember, .sa_flags = SA_RESTART };
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGINT, &action, NULL) == -1 || sigaction(SIGTERM, &action, NULL) == -1)
        err(1, "sigaction");
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        err(1, "signal");
    setvbuf(stdout, NULL, _IONBF, 0);

    int id, other;
    errno = answer(key, IPC_CREAT | IPC_EXCL | 0600, &id);
    if (errno != 0)
        err(1, "shmget");
    int failed = !stopped_by && ask(key, id);
    if (shmctl(id, IPC_RMID, NULL) == -1)
        err(1, "shmctl");
    if (stopped_by)
        return 128 + stopped_by;
    if (failed)
        return EXIT_FAILURE;
    int error = answer(key, 0, &other);
    if (error != ENOENT)
        errx(1, "found after its removal: errno %d", error);
    return puts("ENOENT") == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
}
