// The segment is removed at the end, both attachments can be written, and write(2) prints from the segment.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

static bool ok(bool good, const char *call)
{
    if (!good)
        std::fprintf(stderr, "%s: %s\n", call, std::strerror(errno));
    return good;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return std::fputs("which message?\n", stderr), 2;
    for (int i = 1; i < argc; i++)
        if (std::strlen(argv[i]) > 4000)
            return std::fputs("too long\n", stderr), 2;
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGPIPE);
    sigprocmask(SIG_BLOCK, &stops, nullptr);
    int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    if (!ok(id != -1, "shmget"))
        return 1;
    void *const none = reinterpret_cast<void *>(-1);
    bool good = true;
    void *first = shmat(id, nullptr, 0);
    void *second = shmat(id, nullptr, 0);
    good = ok(first != none && second != none, "shmat");
    for (int i = 1; good && i < argc; i++) {
        std::size_t n = std::strlen(argv[i]);
        std::memcpy(first, argv[i], n);
        static_cast<char *>(first)[n] = '\n';
        good = ok(write(1, second, n + 1) == static_cast<ssize_t>(n + 1), "write");
    }
    if (first != none)
        good = ok(shmdt(first) == 0, "shmdt") && good;
    if (second != none)
        good = ok(shmdt(second) == 0, "shmdt") && good;
    good = ok(shmctl(id, IPC_RMID, nullptr) == 0, "shmctl") && good;
    return good ? 0 : 1;
}
