// Each process reads its signals from a signalfd, and no handler runs. The parent's has SIGUSR1 and SIGCHLD, so one read
// waits for both; objects own the segment, the attachment and the descriptor.
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <system_error>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr std::size_t size = 512;

int must(int result, const char *call)
{
    if (result == -1)
        throw std::system_error(errno, std::generic_category(), call);
    return result;
}

sigset_t set_of(std::initializer_list<int> signals)
{
    sigset_t set;
    sigemptyset(&set);
    for (int signal : signals)
        sigaddset(&set, signal);
    return set;
}

class Ears {
public:
    explicit Ears(const sigset_t &set) : fd(must(signalfd(-1, &set, SFD_CLOEXEC), "signalfd")) {}
    Ears(const Ears &) = delete;
    ~Ears() { close(fd); }
    // The child's last answer is pending before its SIGCHLD, and SIGUSR1 has the lower number: it is read first.
    void hear() const
    {
        signalfd_siginfo info{};
        ssize_t got;
        while ((got = read(fd, &info, sizeof info)) == -1 && errno == EINTR)
            ;
        must(got == sizeof info ? 0 : -1, "read");
        if (info.ssi_signo != SIGUSR1)
            throw std::runtime_error("the child has ended");
    }

private:
    int fd;
};

class Segment {
public:
    Segment() : id(must(shmget(IPC_PRIVATE, size, IPC_CREAT | 0600), "shmget"))
    {
        at = shmat(id, nullptr, 0);
        if (at == reinterpret_cast<void *>(-1)) {
            int error = errno;
            shmctl(id, IPC_RMID, nullptr);
            throw std::system_error(error, std::generic_category(), "shmat");
        }
    }
    Segment(const Segment &) = delete;
    ~Segment()
    {
        if (id != -1)
            shmctl(id, IPC_RMID, nullptr);
        if (at != nullptr)
            shmdt(at);
    }
    void remove()
    {
        int was = id;
        id = -1;
        must(shmctl(was, IPC_RMID, nullptr), "shmctl");
    }
    void detach()
    {
        void *was = at;
        at = nullptr;
        must(shmdt(was), "shmdt");
    }
    char *text() const { return static_cast<char *>(at); }

private:
    int id;
    void *at = nullptr;
};

// Kills what it has not waited for.
struct Child {
    pid_t pid;
    ~Child()
    {
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, nullptr, 0);
        }
    }
    int wait()
    {
        int status = 0;
        must(waitpid(pid, &status, 0), "waitpid");
        pid = 0;
        return status;
    }
};

void follow(const Segment &segment, const Ears &ears, int count, pid_t parent)
{
    must(prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
    if (getppid() != parent)
        throw std::runtime_error("the parent has ended");
    for (; count > 0; count--) {
        ears.hear();
        if (!(std::cout << "child: " << segment.text() << std::endl))
            throw std::runtime_error("standard output");
        must(kill(parent, SIGUSR1), "kill");
    }
}

int run(int count, char **messages)
{
    const sigset_t stops = set_of({SIGINT, SIGTERM});
    const sigset_t ours = set_of({SIGUSR1, SIGCHLD});
    sigprocmask(SIG_BLOCK, &stops, nullptr);
    sigprocmask(SIG_BLOCK, &ours, nullptr);
    Segment segment;
    Ears ears(ours);
    pid_t parent = getpid();
    Child child{must(fork(), "fork")};
    if (child.pid == 0) {
        int code = EXIT_SUCCESS;
        try {
            follow(segment, ears, count, parent);
        } catch (const std::exception &why) {
            std::cerr << "child: " << why.what() << std::endl;
            code = EXIT_FAILURE;
        }
        _exit(code);
    }
    segment.remove();
    sigprocmask(SIG_UNBLOCK, &stops, nullptr);
    for (; *messages != nullptr; messages++) {
        std::strcpy(segment.text(), *messages);
        must(kill(child.pid, SIGUSR1), "kill");
        ears.hear();
    }
    int status = child.wait();
    segment.detach();
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 2) {
        std::cerr << "usage: exercise MESSAGE...\n";
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (std::strlen(argv[i]) >= size) {
            std::cerr << "message " << i << " does not fit\n";
            return EXIT_FAILURE;
        }
    try {
        return run(argc - 1, argv + 1);
    } catch (const std::exception &why) {
        std::cerr << "exercise: " << why.what() << '\n';
        return EXIT_FAILURE;
    }
}
