/* The program chooses where the second attachment is: it reserves a page with mmap, and shmat puts the segment there
 * with SHM_REMAP. The segment is marked for removal before the first message, and memory is compared, not printed. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

static const void *const NOWHERE = (void *)-1;

struct view {
    char *write;
    const char *read;
    size_t size;
};

static int complain(const char *call)
{
    perror(call);
    return -1;
}

static int open_view(int id, struct view *view)
{
    view->write = shmat(id, NULL, 0);
    if (view->write == NOWHERE)
        return complain("shmat");
    void *place = mmap(NULL, view->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED)
        return complain("mmap");
    view->read = shmat(id, place, SHM_RDONLY | SHM_REMAP);
    return view->read == NOWHERE ? complain("shmat, where mmap was") : 0;
}

static int close_view(struct view *view)
{
    int good = 0;
    if (view->read != NOWHERE && shmdt(view->read) == -1)
        good = complain("shmdt");
    if (view->write != NOWHERE && shmdt(view->write) == -1)
        good = complain("shmdt");
    return good;
}

static int show(const struct view *view, const char *message)
{
    size_t length = strlen(message) + 1;
    if (length > view->size) {
        fprintf(stderr, "%zu bytes do not fit into %zu\n", length, view->size);
        return -1;
    }
    memcpy(view->write, message, length);
    if (fputs(view->read, stdout) == EOF || putchar('\n') == EOF || fflush(stdout) == EOF)
        return complain("standard output");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        fprintf(stderr, "%s MESSAGE...\n", argv[0]);
        return 2;
    }
    struct view view = { (char *)NOWHERE, NOWHERE, (size_t)sysconf(_SC_PAGESIZE) };
    sigset_t stops, old;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, &old);
    int id = shmget(IPC_PRIVATE, view.size, 0600);
    if (id == -1)
        return complain("shmget") != 0;
    int good = open_view(id, &view);
    if (shmctl(id, IPC_RMID, NULL) == -1)
        good = complain("shmctl");
    sigprocmask(SIG_SETMASK, &old, NULL);
    for (int i = 1; i < argc && good == 0; i++)
        good = show(&view, argv[i]);
    if (close_view(&view) == -1)
        good = -1;
    return good != 0;
}
