// Flags in variables, and strerrorname_np.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <sys/ipc.h>
#include <sys/shm.h>

namespace {

struct Keyed {
    key_t key;
    int id;
    ~Keyed()
    {
        if (id != -1 && shmctl(id, IPC_RMID, nullptr) == -1)
            std::perror("remove");
    }
};

int refused(key_t key, int flags, int wanted)
{
    int id = shmget(key, 100, flags);
    if (id != -1 || errno != wanted) {
        std::perror("shmget");
        return 1;
    }
    std::puts(strerrorname_np(wanted));
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 2)
        return std::fputs("one file\n", stderr), 64;
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, nullptr);
    Keyed segment{ftok(argv[1], 'x'), -1};
    if (segment.key == -1)
        return std::perror(argv[1]), 1;
    const int make = IPC_CREAT | IPC_EXCL | 0600;
    segment.id = shmget(segment.key, 100, make);
    if (segment.id == -1)
        return std::perror("shmget"), 1;
    if (refused(segment.key, make, EEXIST) != 0)
        return 1;
    int again = shmget(segment.key, 100, 0600);
    if (again == -1)
        return std::perror("shmget"), 1;
    if (again == segment.id)
        std::puts("same");
    int id = segment.id;
    segment.id = -1;
    if (shmctl(id, IPC_RMID, nullptr) == -1)
        return std::perror("shmctl"), 1;
    return refused(segment.key, 0600, ENOENT);
}
