// An attachment is an object, and its end a detach; errors are exceptions with the name of the call, and main alone
// prints them. What is printed is collected in a string, and written when the segment is gone.
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <sys/ipc.h>
#include <sys/shm.h>

namespace {

constexpr std::size_t size = 1024;

[[noreturn]] void fail(const char *call)
{
    throw std::system_error(errno, std::generic_category(), call);
}

class Attached {
public:
    explicit Attached(int id) : at(static_cast<char *>(shmat(id, nullptr, 0)))
    {
        if (at == reinterpret_cast<char *>(-1))
            fail("shmat");
    }
    Attached(const Attached &) = delete;
    Attached &operator=(const Attached &) = delete;
    // A destructor must not throw: the good way calls detach, this is for the others.
    ~Attached()
    {
        if (at != nullptr)
            shmdt(at);
    }
    void detach()
    {
        char *was = at;
        at = nullptr;
        if (shmdt(was) == -1)
            fail("shmdt");
    }
    char *data() const { return at; }

private:
    char *at;
};

class Segment {
public:
    Segment() : id(shmget(IPC_PRIVATE, size, IPC_CREAT | IPC_EXCL | 0600))
    {
        if (id == -1)
            fail("shmget");
    }
    Segment(const Segment &) = delete;
    Segment &operator=(const Segment &) = delete;
    ~Segment()
    {
        if (id != -1)
            shmctl(id, IPC_RMID, nullptr);
    }
    void remove()
    {
        int was = id;
        id = -1;
        if (shmctl(was, IPC_RMID, nullptr) == -1)
            fail("shmctl");
    }
    void write(std::string_view message) const
    {
        Attached here(id);
        message.copy(here.data(), message.size());
        here.data()[message.size()] = '\0';
        here.detach();
    }
    std::string read() const
    {
        Attached here(id);
        std::string copy(here.data(), strnlen(here.data(), size));
        here.detach();
        return copy;
    }
    auto attachments() const
    {
        shmid_ds record{};
        if (shmctl(id, IPC_STAT, &record) == -1)
            fail("shmctl");
        return record.shm_nattch;
    }

private:
    int id;
};

std::string conversation(std::span<char *> messages)
{
    std::string lines;
    Segment segment;
    for (std::string_view message : messages) {
        if (message.size() >= size)
            throw std::length_error("a message does not fit");
        segment.write(message);
        lines += "nattch " + std::to_string(segment.attachments()) + '\n';
        lines += segment.read() + '\n';
    }
    segment.remove();
    return lines;
}

} // namespace

int main(int argc, char **argv)
try {
    if (argc < 2) {
        std::cerr << "usage: exercise MESSAGE...\n";
        return 2;
    }
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, nullptr);
    std::string lines = conversation({argv + 1, static_cast<std::size_t>(argc - 1)});
    sigprocmask(SIG_UNBLOCK, &stops, nullptr);
    return std::cout << lines << std::flush ? 0 : 1;
} catch (const std::exception &why) {
    std::cerr << "exercise: " << why.what() << '\n';
    return 1;
}
