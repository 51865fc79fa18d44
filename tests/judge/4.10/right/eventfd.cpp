// C++: eventfds that count (EFD_SEMAPHORE) are the wake-ups, std::jthread is the second thread, and objects own the
// segments and the descriptors. A direction is over when its flag in the segment is set, and both its eventfds are fed.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <sys/eventfd.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr std::size_t slots = 3, room = 256;

[[noreturn]] void fail(const char *call, int error = errno)
{
    throw std::system_error(error, std::generic_category(), call);
}

class Bell {
public:
    explicit Bell(unsigned count) : fd(eventfd(count, EFD_SEMAPHORE))
    {
        if (fd == -1)
            fail("eventfd");
    }
    Bell(const Bell &) = delete;
    ~Bell() { close(fd); }
    void ring() const { eventfd_write(fd, 1); }
    void wait() const
    {
        eventfd_t one;
        while (eventfd_read(fd, &one) == -1)
            if (errno != EINTR)
                fail("read");
    }

private:
    int fd;
};

struct Shared {
    std::atomic<bool> over;
    char text[slots][room];
};

// A segment that is marked for removal as soon as it is attached.
class Direction {
public:
    Direction()
    {
        const int id = shmget(IPC_PRIVATE, sizeof(Shared), IPC_CREAT | 0600);
        if (id == -1)
            fail("shmget");
        shared = static_cast<Shared *>(shmat(id, nullptr, 0));
        const int attached = shared == reinterpret_cast<void *>(-1) ? errno : 0;
        const int removed = shmctl(id, IPC_RMID, nullptr) == -1 ? errno : 0;
        if (attached != 0)
            fail("shmat", attached);
        if (removed != 0)
            fail("shmctl", removed);
    }
    Direction(const Direction &) = delete;
    void detach() const
    {
        if (shmdt(shared) == -1)
            fail("shmdt");
    }
    // Both are false when it is over.
    bool put(std::size_t number, std::string_view message) const
    {
        free.wait();
        if (shared->over)
            return false;
        char *slot = shared->text[number % slots];
        slot[message.copy(slot, room - 1)] = '\0';
        full.ring();
        return true;
    }
    bool take(std::size_t number, std::string &message) const
    {
        full.wait();
        if (shared->over)
            return false;
        message = shared->text[number % slots];
        free.ring();
        return true;
    }
    void end() const
    {
        shared->over = true;
        full.ring();
        free.ring();
    }

private:
    Shared *shared;
    Bell full{0}, free{slots};
};

bool talk(const char *name, const Direction &out, const Direction &in, std::span<char *> messages)
{
    bool good = true;
    try {
        std::jthread writer([&] {
            for (std::size_t i = 0; i < messages.size() && out.put(i, messages[i]); i++)
                ;
        });
        std::string message;
        for (std::size_t i = 0; i < messages.size() && good; i++)
            good = in.take(i, message) && std::cout << name << ": " << message << std::endl;
        if (!good) {
            out.end();
            in.end();
        }
    } catch (const std::system_error &why) {
        std::cerr << name << ": " << why.what() << '\n';
        out.end();
        in.end();
        return false;
    }
    if (!good)
        std::cerr << name << ": the conversation has ended too early\n";
    return good;
}

int run(std::span<char *> messages)
{
    std::signal(SIGPIPE, SIG_IGN);
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, nullptr);
    Direction down, up;
    sigprocmask(SIG_UNBLOCK, &stops, nullptr);
    const pid_t parent = getpid(), child = fork();
    if (child == -1)
        fail("fork");
    if (child == 0) {
        const bool watched = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
        _exit(watched && talk("child", up, down, messages) ? 0 : 1);
    }
    const bool good = talk("parent", down, up, messages);
    int status = 0;
    if (waitpid(child, &status, 0) == -1)
        fail("waitpid");
    down.detach();
    up.detach();
    return good && status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace

int main(int argc, char **argv)
try {
    const std::span<char *> messages(argv + 1, argc > 1 ? static_cast<std::size_t>(argc - 1) : 0);
    if (messages.empty()) {
        std::cerr << "usage: exercise MESSAGE...\n";
        return 2;
    }
    for (std::string_view message : messages)
        if (message.size() >= room) {
            std::cerr << "a message of " << message.size() << " bytes does not fit\n";
            return 2;
        }
    return run(messages);
} catch (const std::exception &why) {
    std::cerr << "exercise: " << why.what() << '\n';
    return EXIT_FAILURE;
}
