// C++: what must be undone is undone by destructors, and errors are exceptions.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace {

volatile std::sig_atomic_t told = 0;
volatile std::sig_atomic_t ended = 0;

extern "C" void hear(int signal)
{
    if (signal == SIGUSR1)
        told = 1;
    else
        ended = 1;
}

[[noreturn]] void fail(const char *call)
{
    throw std::system_error(errno, std::generic_category(), call);
}

class Segment {
public:
    explicit Segment(std::size_t size) : id_(shmget(IPC_PRIVATE, size, IPC_CREAT | 0600))
    {
        if (id_ == -1)
            fail("shmget");
    }
    Segment(const Segment &) = delete;
    ~Segment() { remove(); }
    bool remove()
    {
        int id = id_;
        id_ = -1;
        return id == -1 || shmctl(id, IPC_RMID, nullptr) == 0;
    }
    int id() const { return id_; }

private:
    int id_;
};

class Attached {
public:
    explicit Attached(const Segment &segment) : at_(static_cast<char *>(shmat(segment.id(), nullptr, 0)))
    {
        if (at_ == reinterpret_cast<char *>(-1))
            fail("shmat");
    }
    Attached(const Attached &) = delete;
    ~Attached()
    {
        if (at_ != nullptr)
            shmdt(at_);
    }
    void detach()
    {
        char *at = at_;
        at_ = nullptr;
        if (shmdt(at) == -1)
            fail("shmdt");
    }
    char *text() const { return at_; }

private:
    char *at_;
};

bool wait_until_told(const sigset_t &open)
{
    while (!told && !ended)
        sigsuspend(&open);
    bool was = told;
    told = 0;
    return was;
}

int child(const char *text, std::size_t count, pid_t parent, const sigset_t &open)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent)
        return 1;
    for (std::size_t i = 0; i < count; i++) {
        if (!wait_until_told(open))
            return 1;
        std::string line = "child: " + std::string(text) + "\n";
        if (write(1, line.data(), line.size()) == -1 || kill(parent, SIGUSR1) == -1)
            return 1;
    }
    return 0;
}

int talk(const std::vector<std::string> &messages)
{
    struct sigaction action {};
    action.sa_handler = hear;
    if (sigaction(SIGUSR1, &action, nullptr) == -1 || sigaction(SIGCHLD, &action, nullptr) == -1)
        fail("sigaction");
    sigset_t ours, stops, open;
    sigemptyset(&ours);
    sigaddset(&ours, SIGUSR1);
    sigaddset(&ours, SIGCHLD);
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &ours, nullptr);
    sigprocmask(SIG_BLOCK, &stops, nullptr);
    sigemptyset(&open);
    Segment segment(256);
    Attached attached(segment);
    pid_t parent = getpid(), pid = fork();
    if (pid == -1)
        fail("fork");
    if (pid == 0)
        _exit(child(attached.text(), messages.size(), parent, open));
    if (!segment.remove()) {
        int error = errno;
        kill(pid, SIGKILL);
        waitpid(pid, nullptr, 0);
        errno = error;
        fail("shmctl");
    }
    sigprocmask(SIG_UNBLOCK, &stops, nullptr);
    bool good = true;
    for (const auto &message : messages) {
        std::strcpy(attached.text(), message.c_str());
        good = good && kill(pid, SIGUSR1) == 0 && wait_until_told(open);
    }
    if (!good)
        kill(pid, SIGKILL);
    int status = 0;
    waitpid(pid, &status, 0);
    attached.detach();
    if (!good || status != 0) {
        std::fputs("the child has not read all messages\n", stderr);
        return 1;
    }
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    const std::vector<std::string> messages(argv + 1, argv + argc);
    if (messages.empty()) {
        std::fputs("usage: exercise MESSAGE...\n", stderr);
        return 2;
    }
    for (const auto &message : messages)
        if (message.size() >= 256) {
            std::fputs("a message is too long\n", stderr);
            return 2;
        }
    try {
        return talk(messages);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
