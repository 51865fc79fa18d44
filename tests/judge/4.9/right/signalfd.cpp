// C++: a signalfd and poll with a limit; the segment, the attachment and the descriptor are objects, and an error is an
// exception with its exit code. The messages are std::string_view until they are copied into the segment.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>
#include <poll.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <unistd.h>

using namespace std::chrono_literals;

namespace {

struct st_shmbuf {
    pid_t pid;
    char buf[124];
};

struct Quit {
    int code;
    const char *why;
};

int must(int result, const char *call)
{
    if (result == -1)
        throw std::system_error(errno, std::generic_category(), call);
    return result;
}

class Ears {
public:
    explicit Ears(int peer)
    {
        sigset_t set;
        sigemptyset(&set);
        for (int signal : {peer, SIGINT, SIGTERM})
            sigaddset(&set, signal);
        must(sigprocmask(SIG_BLOCK, &set, nullptr), "sigprocmask");
        fd = must(signalfd(-1, &set, 0), "signalfd");
    }
    Ears(const Ears &) = delete;
    ~Ears() { close(fd); }

    // The pid of the process that has signalled.
    pid_t hear(int milliseconds) const
    {
        pollfd one{fd, POLLIN, 0};
        if (must(poll(&one, 1, milliseconds), "poll") == 0)
            throw Quit{1, "the other process does not answer"};
        signalfd_siginfo info{};
        must(read(fd, &info, sizeof info) == sizeof info ? 0 : -1, "read");
        if (info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM)
            throw Quit{static_cast<int>(128 + info.ssi_signo), "stopped"};
        return static_cast<pid_t>(info.ssi_pid);
    }

private:
    int fd;
};

// The one who makes it removes it.
class Segment {
public:
    Segment(key_t key, bool make) : mine(make)
    {
        const int flags = make ? IPC_CREAT | IPC_EXCL | 0600 : 0;
        for (int left = 120; (id = shmget(key, sizeof(st_shmbuf), flags)) == -1; left--) {
            if (make || errno != ENOENT || left == 0)
                must(-1, "shmget");
            std::this_thread::sleep_for(20ms);
        }
        at = static_cast<st_shmbuf *>(shmat(id, nullptr, 0));
        if (at == reinterpret_cast<void *>(-1)) {
            int error = errno;
            if (mine)
                shmctl(id, IPC_RMID, nullptr);
            throw std::system_error(error, std::generic_category(), "shmat");
        }
    }
    Segment(const Segment &) = delete;
    ~Segment()
    {
        if (at != nullptr)
            shmdt(at);
        if (mine)
            shmctl(id, IPC_RMID, nullptr);
    }
    void close()
    {
        st_shmbuf *was = at;
        at = nullptr;
        must(shmdt(was), "shmdt");
        bool remove = mine;
        mine = false;
        if (remove)
            must(shmctl(id, IPC_RMID, nullptr), "shmctl");
    }
    volatile st_shmbuf *operator->() const { return at; }

private:
    bool mine;
    int id = -1;
    st_shmbuf *at = nullptr;
};

void serve(key_t key, const std::vector<std::string_view> &messages)
{
    Ears ears(SIGUSR2);
    Segment shm(key, true);
    shm->pid = getpid();
    const pid_t client = ears.hear(-1);
    if (client <= 1 || client != shm->pid)
        throw Quit{1, "the client's pid is not in the segment"};
    const auto tell = [&](std::string_view text) {
        char *end = std::copy(text.begin(), text.end(), const_cast<char *>(shm->buf));
        *end = '\0';
        must(kill(client, SIGUSR1), "kill");
        while (ears.hear(3000) != client)
            ;
    };
    std::for_each(messages.begin(), messages.end(), tell);
    tell("");
    shm.close();
}

void follow(key_t key)
{
    Ears ears(SIGUSR1);
    Segment shm(key, false);
    pid_t server = 0;
    for (int left = 120; (server = shm->pid) == 0 && left > 0; left--)
        std::this_thread::sleep_for(20ms);
    if (server <= 1)
        throw Quit{1, "there is no server's pid in the segment"};
    shm->pid = getpid();
    std::string_view text;
    char copy[sizeof(st_shmbuf::buf)];
    do {
        must(kill(server, SIGUSR2), "kill");
        while (ears.hear(3000) != server)
            ;
        std::memcpy(copy, const_cast<const char *>(shm->buf), sizeof copy);
        text = {copy, strnlen(copy, sizeof copy)};
        if (!text.empty() && !(std::cout << "client: " << text << std::endl))
            throw Quit{1, "standard output cannot be written"};
    } while (!text.empty());
    must(kill(server, SIGUSR2), "kill");
    shm.close();
}

int run(const std::vector<std::string_view> &words)
{
    const bool server = words.size() > 2 && words[0] == "server";
    if (!server && !(words.size() == 2 && words[0] == "client"))
        throw Quit{2, "usage: exercise server FILE MESSAGE... | exercise client FILE"};
    const std::vector<std::string_view> messages(words.begin() + 2, words.end());
    for (std::string_view one : messages)
        if (one.empty() || one.size() >= sizeof(st_shmbuf::buf))
            throw Quit{2, "a message has 1 to 123 bytes"};
    const key_t key = must(ftok(words[1].data(), 'c'), words[1].data());
    server ? serve(key, messages) : follow(key);
    return EXIT_SUCCESS;
}

} // namespace

int main(int argc, char **argv)
try {
    return run({argv + 1, argv + argc});
} catch (const Quit &quit) {
    std::cerr << quit.why << '\n';
    return quit.code;
} catch (const std::exception &why) {
    std::cerr << why.what() << '\n';
    return EXIT_FAILURE;
}
