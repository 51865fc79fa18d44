// A class for the segment: its destructor removes it on the ways out that main does not know, and the record is read by
// one function that returns a value or throws. The size is parsed by from_chars, which takes no sign and no blank.
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>
#include <sys/ipc.h>
#include <sys/shm.h>

class Segment {
public:
    explicit Segment(std::size_t size) : id(checked(shmget(IPC_PRIVATE, size, IPC_CREAT | 0600), "shmget"))
    {
        at = shmat(id, nullptr, SHM_RDONLY);
        if (at == reinterpret_cast<void *>(-1)) {
            int error = errno;
            shmctl(id, IPC_RMID, nullptr);
            throw std::system_error(error, std::generic_category(), "shmat");
        }
    }
    Segment(const Segment &) = delete;
    Segment &operator=(const Segment &) = delete;
    ~Segment()
    {
        if (!removed)
            shmctl(id, IPC_RMID, nullptr);
        if (at != nullptr)
            shmdt(at);
    }
    shmid_ds record() const
    {
        shmid_ds record{};
        checked(shmctl(id, IPC_STAT, &record), "shmctl(IPC_STAT)");
        return record;
    }
    void mode(unsigned short mode) const
    {
        shmid_ds changed = record();
        changed.shm_perm.mode = mode;
        checked(shmctl(id, IPC_SET, &changed), "shmctl(IPC_SET)");
    }
    void remove()
    {
        removed = true;
        checked(shmctl(id, IPC_RMID, nullptr), "shmctl(IPC_RMID)");
    }
    void detach()
    {
        const void *was = at;
        at = nullptr;
        checked(shmdt(was), "shmdt");
    }

private:
    static int checked(int result, const char *call)
    {
        if (result == -1)
            throw std::system_error(errno, std::generic_category(), call);
        return result;
    }

    int id;
    void *at = nullptr;
    bool removed = false;
};

static std::size_t size_of(const char *word)
{
    std::size_t size = 0;
    auto [end, error] = std::from_chars(word, word + std::strlen(word), size);
    if (error != std::errc{} || *end != '\0' || size == 0)
        throw std::invalid_argument(std::string("no size: ") + word);
    return size;
}

int main(int argc, char **argv)
try {
    if (argc != 2)
        throw std::invalid_argument("usage: exercise SIZE");
    const std::size_t size = size_of(argv[1]);
    sigset_t stops;
    sigfillset(&stops);
    sigprocmask(SIG_BLOCK, &stops, nullptr);
    Segment segment(size);
    std::printf("size %zu\n", static_cast<std::size_t>(segment.record().shm_segsz));
    segment.mode(0640);
    std::printf("mode %o\n", segment.record().shm_perm.mode & 0777U);
    segment.remove();
    if ((segment.record().shm_perm.mode & SHM_DEST) == 0)
        throw std::runtime_error("it is not marked for removal");
    std::puts("dest");
    segment.detach();
    return std::fflush(stdout) == 0 ? 0 : 1;
} catch (const std::invalid_argument &why) {
    std::fprintf(stderr, "%s\n", why.what());
    return 2;
} catch (const std::exception &why) {
    std::fprintf(stderr, "exercise: %s\n", why.what());
    return 1;
}
