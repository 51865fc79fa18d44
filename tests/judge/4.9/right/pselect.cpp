// C++: handlers that store the signal in an array of flags, and pselect as the wait, which has a mask and a limit. A role
// is a class with a virtual function, and what every peer must do (attach, wait, tell, detach) is in their base.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/shm.h>
#include <unistd.h>

namespace {

struct st_shmbuf {
    pid_t pid;
    char buf[124];
};

std::array<volatile std::sig_atomic_t, 65> came;

extern "C" void note(int signal)
{
    came[static_cast<std::size_t>(signal)] = 1;
}

int must(int result, const std::string &call)
{
    if (result == -1)
        throw std::system_error(errno, std::generic_category(), call);
    return result;
}

void doze()
{
    const timespec time{0, 20'000'000};
    nanosleep(&time, nullptr);
}

class Role {
public:
    Role(int hears, int tells) : hears(hears), tells(tells)
    {
        sigset_t all;
        sigfillset(&all);
        must(sigprocmask(SIG_BLOCK, &all, &before), "sigprocmask");
        struct sigaction action{};
        action.sa_handler = note;
        for (int signal : {hears, SIGINT, SIGTERM}) {
            must(sigaction(signal, &action, nullptr), "sigaction");
            sigdelset(&before, signal);
        }
    }
    Role(const Role &) = delete;
    virtual ~Role() = default;
    virtual void run() = 0;

protected:
    // Sleeps until the peer has signalled, or throws.
    void wait(time_t seconds)
    {
        const timespec limit{seconds, 0};
        while (!came[hears]) {
            if (came[SIGINT] || came[SIGTERM])
                throw std::runtime_error("stopped");
            const int ready = pselect(0, nullptr, nullptr, nullptr, seconds > 0 ? &limit : nullptr, &before);
            if (ready == 0 && !came[hears])
                throw std::runtime_error("the other side does not answer");
        }
        came[hears] = 0;
    }
    void tell(pid_t peer) const
    {
        if (peer <= 1 || peer == getpid())
            throw std::runtime_error("no pid of a peer: " + std::to_string(peer));
        must(kill(peer, tells), "kill");
    }
    void attach(int id)
    {
        shm = static_cast<st_shmbuf *>(shmat(id, nullptr, 0));
        if (shm == reinterpret_cast<void *>(-1)) {
            shm = nullptr;
            must(-1, "shmat");
        }
    }
    void detach()
    {
        const volatile void *was = shm;
        shm = nullptr;
        if (was != nullptr)
            must(shmdt(const_cast<const void *>(was)), "shmdt");
    }

    volatile st_shmbuf *shm = nullptr;

private:
    std::size_t hears;
    int tells;
    sigset_t before{};
};

class Server : public Role {
public:
    Server(key_t key, std::vector<std::string> messages)
        : Role(SIGUSR2, SIGUSR1), messages(std::move(messages)),
          id(must(shmget(key, sizeof(st_shmbuf), IPC_CREAT | IPC_EXCL | 0600), "shmget"))
    {
    }
    // What run has not come to.
    ~Server() override
    {
        if (id != -1)
            shmctl(id, IPC_RMID, nullptr);
    }
    void run() override
    {
        attach(id);
        shm->pid = getpid();
        wait(0);
        const pid_t client = shm->pid;
        messages.emplace_back();
        for (const std::string &text : messages) {
            std::memcpy(const_cast<char *>(shm->buf), text.c_str(), text.size() + 1);
            tell(client);
            wait(3);
        }
        detach();
        const int was = id;
        id = -1;
        must(shmctl(was, IPC_RMID, nullptr), "shmctl");
    }

private:
    std::vector<std::string> messages;
    int id;
};

class Client : public Role {
public:
    explicit Client(key_t key) : Role(SIGUSR1, SIGUSR2), key(key) {}
    void run() override
    {
        int id = -1;
        for (int left = 100; (id = shmget(key, sizeof(st_shmbuf), 0)) == -1 && errno == ENOENT && left > 0; left--)
            doze();
        attach(must(id, "shmget"));
        for (int left = 100; shm->pid == 0 && left > 0; left--)
            doze();
        const pid_t server = shm->pid;
        shm->pid = getpid();
        std::string text;
        do {
            tell(server);
            wait(3);
            const char *buf = const_cast<const char *>(shm->buf);
            text.assign(buf, strnlen(buf, sizeof(st_shmbuf::buf)));
            if (!text.empty() && !(std::cout << "client: " << text << std::endl))
                throw std::runtime_error("standard output cannot be written");
        } while (!text.empty());
        tell(server);
        detach();
    }

private:
    key_t key;
};

std::unique_ptr<Role> role(const std::vector<std::string> &words)
{
    const bool serves = words.size() >= 3 && words[0] == "server";
    if (!serves && (words.size() != 2 || words[0] != "client"))
        throw std::invalid_argument("usage: exercise server FILE MESSAGE... | exercise client FILE");
    std::vector<std::string> messages(words.begin() + 2, words.end());
    for (const std::string &text : messages)
        if (text.empty() || text.size() >= sizeof(st_shmbuf::buf))
            throw std::invalid_argument("a message has 1 to 123 bytes");
    const key_t key = must(ftok(words[1].c_str(), 'v'), words[1]);
    if (serves)
        return std::make_unique<Server>(key, std::move(messages));
    return std::make_unique<Client>(key);
}

} // namespace

int main(int argc, char **argv)
try {
    role({argv + 1, argv + argc})->run();
    return EXIT_SUCCESS;
} catch (const std::invalid_argument &why) {
    std::cerr << why.what() << '\n';
    return 2;
} catch (const std::exception &why) {
    std::cerr << why.what() << '\n';
    return EXIT_FAILURE;
}
