// C++: the segments stay until both processes have read all, and their destructor removes them: so the stops are blocked
// to the end. Semaphores in the segment are a class, whose wait returns false when the conversation is over.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr unsigned slots = 4;
constexpr std::size_t room = 120;

void check(bool good, const char *call)
{
    if (!good)
        throw std::system_error(errno, std::generic_category(), call);
}

class Semaphore {
public:
    explicit Semaphore(unsigned count) { check(sem_init(&semaphore, 1, count) == 0, "sem_init"); }
    void post() { sem_post(&semaphore); }
    void wait()
    {
        while (sem_wait(&semaphore) == -1)
            check(errno == EINTR, "sem_wait");
    }

private:
    sem_t semaphore{};
};

struct Direction {
    Semaphore full{0}, empty{slots};
    std::atomic<bool> over{false};
    char text[slots][room]{};

    bool put(unsigned number, const std::string &message)
    {
        empty.wait();
        if (over)
            return false;
        std::memcpy(text[number % slots], message.c_str(), message.size() + 1);
        full.post();
        return true;
    }
    bool take(unsigned number, std::string &message)
    {
        full.wait();
        if (over)
            return false;
        message = text[number % slots];
        empty.post();
        return true;
    }
    void end()
    {
        over = true;
        full.post();
        empty.post();
    }
};

// Made and removed by the parent; the child has the copy that fork made, and ends with _exit.
class Segment {
public:
    Segment() : id(shmget(IPC_PRIVATE, sizeof(Direction), IPC_CREAT | 0600))
    {
        check(id != -1, "shmget");
        at = shmat(id, nullptr, 0);
        if (at == reinterpret_cast<void *>(-1)) {
            const int error = errno;
            shmctl(id, IPC_RMID, nullptr);
            throw std::system_error(error, std::generic_category(), "shmat");
        }
        direction = new (at) Direction;
    }
    Segment(const Segment &) = delete;
    Segment &operator=(const Segment &) = delete;
    ~Segment()
    {
        if (at != nullptr)
            shmdt(at);
        if (id != -1 && shmctl(id, IPC_RMID, nullptr) == -1)
            std::perror("shmctl");
    }
    void close()
    {
        const void *was = at;
        at = nullptr;
        check(shmdt(was) == 0, "shmdt");
        const int gone = id;
        id = -1;
        check(shmctl(gone, IPC_RMID, nullptr) == 0, "shmctl");
    }
    Direction *operator->() const { return direction; }

private:
    int id;
    void *at = nullptr;
    Direction *direction = nullptr;
};

using Messages = std::vector<std::string>;

void read(const char *name, const Segment &in, std::size_t count)
{
    std::string message;
    for (unsigned i = 0; i < count; i++) {
        if (!in->take(i, message))
            throw std::runtime_error("the conversation has ended too early");
        check(std::printf("%s: %s\n", name, message.c_str()) > 0 && std::fflush(stdout) == 0, "standard output");
    }
}

bool talk(const char *name, const Segment &out, const Segment &in, const Messages &messages)
{
    std::thread writer;
    bool good = true;
    try {
        writer = std::thread([&] {
            for (unsigned i = 0; i < messages.size() && out->put(i, messages[i]); i++)
                ;
        });
        read(name, in, messages.size());
    } catch (const std::exception &why) {
        std::fprintf(stderr, "%s: %s\n", name, why.what());
        out->end();
        in->end();
        good = false;
    }
    if (writer.joinable())
        writer.join();
    return good;
}

int run(const Messages &messages)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    for (int signal : {SIGINT, SIGTERM, SIGPIPE})
        sigaddset(&blocked, signal);
    check(sigprocmask(SIG_BLOCK, &blocked, nullptr) == 0, "sigprocmask");
    Segment down, up;
    const pid_t parent = getpid(), child = fork();
    check(child != -1, "fork");
    if (child == 0) {
        bool good = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
        _exit(good && talk("child", up, down, messages) ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    const bool good = talk("parent", down, up, messages);
    int status = 0;
    check(waitpid(child, &status, 0) != -1, "waitpid");
    down.close();
    up.close();
    return good && status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace

int main(int argc, char **argv)
{
    const Messages messages(argv + (argc > 0), argv + argc);
    if (messages.empty()) {
        std::fputs("usage: exercise MESSAGE...\n", stderr);
        return 2;
    }
    for (const std::string &message : messages)
        if (message.size() >= room) {
            std::fprintf(stderr, "%zu bytes are too many\n", message.size());
            return 2;
        }
    try {
        return run(messages);
    } catch (const std::exception &why) {
        std::fprintf(stderr, "exercise: %s\n", why.what());
        return EXIT_FAILURE;
    }
}
