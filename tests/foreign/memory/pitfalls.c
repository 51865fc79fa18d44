/* What a program may do with shared memory and must not notice: it is kept closed while it is explored. Each
 * case prints what it has found, alone and there. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIZE (4 * 4096)

static int id;
static char *memory;
static char *self;

static void make(void)
{
    id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
    memory = shmat(id, NULL, 0);
    if (id == -1 || memory == (void *)-1) {
        perror("shmget, shmat");
        exit(1);
    }
}

static void discard(void)
{
    shmctl(id, IPC_RMID, NULL);
}

static const char *blocks(int signal)
{
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    return sigismember(&now, signal) ? "blocked" : "open";
}

static void blocked(void)
{
    sigset_t all, before;
    make();
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    strcpy(memory, "blocked");
    printf("%s %s %d\n", memory, blocks(SIGSEGV), sigismember(&before, SIGSEGV));
    sigprocmask(SIG_SETMASK, &before, &all);
    printf("%s %d\n", blocks(SIGSEGV), sigismember(&all, SIGSEGV));
    discard();
}

static void ignored(void)
{
    struct sigaction now;
    make();
    signal(SIGSEGV, SIG_IGN);
    strcpy(memory, "ignored");
    sigaction(SIGSEGV, NULL, &now);
    printf("%s %d\n", memory, now.sa_handler == SIG_IGN);
    kill(getpid(), SIGSEGV);
    printf("lives %c\n", memory[0]);
    discard();
}

static volatile sig_atomic_t handled;

static void handler(int signal)
{
    (void)signal;
    memory[1]++;
    handled = memory[1];
}

static void in_mask(void)
{
    struct sigaction action = { .sa_handler = handler };
    make();
    sigfillset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    memory[0] = 1;
    raise(SIGUSR1);
    printf("%d %d %s\n", handled, memory[0], blocks(SIGSEGV));
    discard();
}

static void inherited(void)
{
    sigset_t all;
    make();
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    signal(SIGSEGV, SIG_IGN);
    memory[0] = 1;
    discard();
    execl(self, self, "after-exec", (char *)NULL);
    perror("execl");
}

static void after_exec(void)
{
    struct sigaction now;
    sigaction(SIGSEGV, NULL, &now);
    make();
    strcpy(memory, "after exec");
    printf("%s %s %d\n", memory, blocks(SIGSEGV), now.sa_handler == SIG_IGN);
    sigaction(SIGSEGV, NULL, &now);
    printf("%d\n", now.sa_handler == SIG_IGN);
    discard();
}

/* Where nothing is. */
static char *volatile nowhere = (char *)16;
static sigjmp_buf back;
static void *volatile where;

static void caught(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    where = info->si_addr;
    siglongjmp(back, info->si_code);
}

static void own_handler(void)
{
    struct sigaction action = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO };
    make();
    char *readable = shmat(id, NULL, SHM_RDONLY);
    sigaction(SIGSEGV, &action, NULL);
    strcpy(memory, "handler");
    int code = sigsetjmp(back, 1);
    if (code == 0)
        *(volatile char *)nowhere = 1;
    printf("%s: code %d at %p\n", memory, code, where);
    code = sigsetjmp(back, 1);
    if (code == 0)
        *(volatile char *)(readable + 5) = 1;
    printf("%s: code %d at +%td\n", readable, code, (char *)where - readable);
    discard();
}

static long table(int column)
{
    FILE *file = fopen("/proc/sysvipc/shm", "r");
    char line[400];
    long found = -1;
    while (file && fgets(line, sizeof line, file)) {
        long cells[7];
        int got = sscanf(line, "%ld %ld %ld %ld %ld %ld %ld", &cells[0], &cells[1], &cells[2], &cells[3],
                         &cells[4], &cells[5], &cells[6]);
        if (got == 7 && cells[1] == id)
            found = cells[column];
    }
    if (file)
        fclose(file);
    return found;
}

static void told(const char *what)
{
    struct shmid_ds record;
    memory[0]++;
    memory[2 * 4096]++;
    shmctl(id, IPC_STAT, &record);
    printf("%s: %lu %ld, by us %d %d\n", what, (unsigned long)record.shm_nattch, table(6),
           record.shm_lpid == getpid(), table(5) == getpid());
}

static void nattch(void)
{
    make();
    told("once");
    void *second = shmat(id, NULL, 0);
    told("twice");
    fflush(stdout);
    if (fork() == 0) {
        told("child");
        exit(0);
    }
    wait(NULL);
    shmdt(second);
    told("again once");
    shmctl(id, IPC_RMID, NULL);
    told("removed");
    shmdt(memory);
    printf("gone: %d %ld\n", shmctl(id, IPC_STAT, &(struct shmid_ds){ 0 }), table(6));
}

/* What `ipcs` says of the segment, which another program has attached, too. */
static void ipcs(void)
{
    int ends[2];
    static char number[12], text[4096];
    static size_t length;
    ssize_t got;
    make();
    memory[0] = 1;
    snprintf(number, sizeof number, "%d", id);
    if (pipe(ends) == -1)
        perror("pipe");
    pid_t child = vfork();
    if (child == 0) {
        dup2(ends[1], 1);
        execlp("ipcs", "ipcs", "-m", "-i", number, (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    while (length < sizeof text - 1 && (got = read(ends[0], text + length, sizeof text - 1 - length)) > 0)
        length += got;
    text[length] = 0;
    waitpid(child, NULL, 0);
    char *found = strstr(text, "nattch="), *last = strstr(text, "lpid=");
    printf("nattch %d, by us %d\n", found ? atoi(found + 7) : -1, last ? atoi(last + 5) == getpid() : -1);
    discard();
}

static void kernel(void)
{
    int ends[2], queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    make();
    if (pipe(ends) == -1)
        perror("pipe");
    ssize_t wrote = write(ends[1], strcpy(memory, "0123456789"), 10);
    struct iovec parts[2] = { { memory + 100, 4 }, { memory + 4096 - 2, 6 } };
    ssize_t read = readv(ends[0], parts, 2);
    printf("%zd %zd %.4s %.6s\n", wrote, read, memory + 100, memory + 4094);
    int found = stat("/", (struct stat *)(memory + 200));
    printf("stat %d %d\n", found, S_ISDIR(((struct stat *)(memory + 200))->st_mode) != 0);
    struct message {
        long type;
        char text[16];
    } *message = (void *)(memory + 400);
    message->type = 3;
    strcpy(message->text, "message");
    int sent = msgsnd(queue, message, sizeof message->text, 0);
    memset(message, 0, sizeof *message);
    ssize_t received = msgrcv(queue, message, sizeof message->text, 0, 0);
    printf("%d %zd %s\n", sent, received, message->text);
    msgctl(queue, IPC_RMID, NULL);
    int named = uname((struct utsname *)(memory + 1000));
    printf("uname %d %d\n", named, memory[1000] != 0);
    printf("time %d\n", clock_gettime(CLOCK_MONOTONIC, (struct timespec *)(memory + 600)));
    printf("random %zd\n", getrandom(memory + 700, 8, 0));
    printf("futex %ld %d\n", syscall(SYS_futex, memory + 800, FUTEX_WAIT, 1, NULL), errno == EAGAIN);
    printf("bad %zd %d\n", write(ends[1], nowhere, 4), errno == EFAULT);
    printf("lock %d %d\n", mlock(memory, 4096), munlock(memory, 4096));
    discard();
}

static void pending(void)
{
    sigset_t set, before;
    make();
    signal(SIGUSR1, handler);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &before);
    raise(SIGUSR1);
    memory[1] = 10;
    sigprocmask(SIG_SETMASK, &before, NULL);
    memory[2] = memory[1];
    printf("%d %d\n", memory[1], memory[2]);
    fflush(stdout);
    pid_t parent = getpid();
    if (fork() == 0) {
        kill(parent, SIGUSR1);
        _exit(0);
    }
    while (handled != 12)
        memory[3] = 1;
    wait(NULL);
    printf("%d\n", memory[1]);
    discard();
}

static void strings(void)
{
    char text[300], copy[300];
    for (int i = 0; i < 300; i++)
        text[i] = 'a' + i % 26;
    make();
    void *to = memory, *from = text;
    size_t count = 300;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    printf("%td %td %zu\n", (char *)to - memory, (char *)from - text, count);
    to = memory + 4090, count = 4;
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(0x4142434445464748) : "memory");
    printf("%td %zu %.6s\n", (char *)to - memory, count, memory + 4090);
    to = copy, from = memory, count = 300;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    printf("%d\n", memcmp(copy, text, 300));
    to = memory + 8, from = memory, count = 16;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    printf("%.24s\n", memory);
    to = memory + 50, from = copy + 20, count = 10;
    __asm__ volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    printf("%.20s\n", memory + 40);
    to = memory + 60, from = copy + 60, count = 40;
    unsigned char equal;
    __asm__ volatile("repe cmpsb; sete %3" : "+D"(to), "+S"(from), "+c"(count), "=r"(equal) : : "cc", "memory");
    printf("%zu %d %zu\n", count, equal, strlen(memory));
    discard();
}

struct wide {
    char bytes[64];
};

static void instructions(void)
{
    make();
    *(struct wide *)(memory + 4096 - 30) = (struct wide){ "across the border of two pages" };
    struct wide copy = *(struct wide *)(memory + 4096 - 30);
    printf("%s\n", copy.bytes);
    volatile double *number = (void *)(memory + 64);
    *number = 1.5;
    *number *= 3;
    printf("%g\n", *number);
    volatile int8_t *byte = (void *)(memory + 128);
    *byte = -3;
    int sign = *byte;
    unsigned zero = *(volatile uint8_t *)byte;
    volatile uint16_t *word = (void *)(memory + 130);
    *word = 0xfedc;
    uint64_t large = *(volatile int16_t *)word;
    printf("%d %u %llx\n", sign, zero, (unsigned long long)large);
    volatile uint32_t *atomic = (void *)(memory + 200);
    __atomic_store_n(atomic, 7, __ATOMIC_SEQ_CST);
    uint32_t expected = 7;
    int swapped = __atomic_compare_exchange_n(atomic, &expected, 9, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    printf("%d %u %u\n", swapped, __atomic_fetch_add(atomic, 5, __ATOMIC_SEQ_CST), __atomic_exchange_n(atomic, 1, __ATOMIC_SEQ_CST));
    *(volatile uint64_t *)(memory + 208) += 40;
    *(volatile uint64_t *)(memory + 208) <<= 1;
    __asm__ volatile("pushq %0; popq %1" : : "m"(*(uint64_t *)(memory + 208)), "m"(*(uint64_t *)(memory + 216)) : "memory");
    printf("%llu\n", *(unsigned long long *)(memory + 216));
    __asm__ volatile("btsl $3, %0" : "+m"(*(uint32_t *)(memory + 224)));
    printf("%u %s\n", *(uint32_t *)(memory + 224), strcat(strcpy(memory + 300, "two "), "parts"));
    discard();
}

/* A program that changes its code: the same place is another store then. */
static void own_code(void)
{
    make();
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    /* From here on each access to this page is looked at. */
    __atomic_fetch_add((int *)(memory + 64), 1, __ATOMIC_SEQ_CST);
    unsigned char store[] = { 0xc6, 0x47, 0x01, 'a', 0xc3 }; /* movb $'a', 1(%rdi); ret */
    for (int i = 0; i < 3; i++) {
        store[2] = i + 1;
        store[3] = 'a' + i;
        memcpy(code, store, sizeof store);
        memory[0] = '-';
        ((void (*)(char *))(void *)code)(memory);
        printf("%s\n", memory);
    }
    discard();
}

struct lock {
    pthread_mutex_t mutex;
};

/* A robust lock in the segment. */
static struct lock *make_lock(void)
{
    pthread_mutexattr_t attributes;
    make();
    struct lock *lock = (void *)(memory + 64);
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&lock->mutex, &attributes);
    return lock;
}

static void takes_over(struct lock *lock, const char *from)
{
    int taken = pthread_mutex_lock(&lock->mutex);
    printf("%s: %d", from, taken == EOWNERDEAD);
    pthread_mutex_consistent(&lock->mutex);
    printf(" %d\n", pthread_mutex_unlock(&lock->mutex));
    fflush(stdout);
}

static void robust(void)
{
    struct lock *lock = make_lock();
    if (fork() == 0) {
        pthread_mutex_lock(&lock->mutex);
        _exit(0);
    }
    wait(NULL);
    takes_over(lock, "exit");
    discard();
}

static void *ends_the_process(void *unused)
{
    (void)unused;
    _exit(0);
}

/* The owner of a lock ends, and not by a call of its own. */
static void robust_killed(void)
{
    static const char *const ends[] = { "SIGKILL", "SIGTERM", "exec", "another thread" };
    for (int way = 0; way < 4; way++) {
        struct lock *lock = make_lock();
        int taken[2];
        char byte;
        if (pipe(taken) == -1)
            perror("pipe");
        pid_t owner = fork();
        if (owner == 0) {
            pthread_t thread;
            pthread_mutex_lock(&lock->mutex);
            if (way == 2)
                execl("/bin/true", "true", (char *)NULL);
            if (way == 3)
                pthread_create(&thread, NULL, ends_the_process, NULL);
            if (write(taken[1], "", 1) == -1)
                _exit(1);
            for (;;)
                pause();
        }
        if (way < 2) {
            if (read(taken[0], &byte, 1) == -1)
                perror("read");
            kill(owner, way == 0 ? SIGKILL : SIGTERM);
        }
        waitpid(owner, NULL, 0);
        takes_over(lock, ends[way]);
        close(taken[0]);
        close(taken[1]);
        shmdt(memory);
        discard();
    }
}

/* One sleeps already until the lock is free; two are locked, and the list leads through the segment. */
static void robust_awaited(void)
{
    struct lock *first = make_lock(), *second = first + 1;
    memcpy(second, first, sizeof *second);
    int taken[2];
    char byte;
    if (pipe(taken) == -1)
        perror("pipe");
    pid_t owner = fork();
    if (owner == 0) {
        pthread_mutex_lock(&first->mutex);
        pthread_mutex_lock(&second->mutex);
        if (write(taken[1], "", 1) == -1)
            _exit(1);
        for (;;)
            pause();
    }
    if (read(taken[0], &byte, 1) == -1)
        perror("read");
    pid_t waiter = fork();
    if (waiter == 0) {
        takes_over(first, "first");
        _exit(0);
    }
    kill(owner, SIGKILL);
    waitpid(owner, NULL, 0);
    waitpid(waiter, NULL, 0);
    takes_over(second, "second");
    discard();
}

static void *takes_and_returns(void *lock)
{
    pthread_mutex_lock(lock);
    return NULL;
}

static pthread_t first;

static void *takes_as_the_last(void *lock)
{
    pthread_join(first, NULL);
    return takes_and_returns(lock);
}

static int taken[2];

static void *takes_and_waits(void *lock)
{
    pthread_mutex_lock(lock);
    if (write(taken[1], "", 1) == 1)
        pause();
    return NULL;
}

/* The owner of a lock in memory without an id, in a file or not, ends in many ways. */
static void robust_ends(void)
{
    static const char *const ends[] = { "abort", "crash", "thread", "last", "other's exec", "SIGKILL", "file" };
    for (int way = 0; way < 7; way++) {
        FILE *file = way == 6 ? tmpfile() : NULL;
        int flags = file != NULL ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS;
        if (file != NULL && ftruncate(fileno(file), SIZE) == -1)
            perror("ftruncate");
        pthread_mutex_t *mutex =
            mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, file != NULL ? fileno(file) : -1, 0);
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(mutex, &attributes);
        pid_t owner = fork();
        if (owner == 0) {
            static void *(*const threads[])(void *) = { takes_and_returns, takes_as_the_last, takes_and_waits };
            pthread_t thread;
            char byte;
            first = pthread_self();
            if (way >= 2 && way <= 4)
                pthread_create(&thread, NULL, threads[way - 2], mutex);
            if (way == 2) {
                pthread_join(thread, NULL);
                takes_over((struct lock *)mutex, "joined");
                _exit(0);
            }
            if (way == 3)
                pthread_exit(NULL);
            if (way == 4 && pipe(taken) == 0 && read(taken[0], &byte, 1) == 1)
                execl("/bin/true", "true", (char *)NULL);
            pthread_mutex_lock(mutex);
            if (way == 0)
                abort();
            if (way == 1)
                raise(SIGFPE);
            raise(SIGKILL);
        }
        waitpid(owner, NULL, 0);
        takes_over((struct lock *)mutex, ends[way]);
        munmap(mutex, SIZE);
    }
}

static void maps(void)
{
    make();
    int other = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
    strcpy(memory, "first");
    char *second = shmat(id, NULL, 0);
    second[0] = 'F';
    printf("%s\n", memory);
    printf("%d\n", shmat(other, second, SHM_REMAP) == second);
    strcpy(second, "other");
    printf("%s %s\n", memory, second);
    munmap(second + 4096, 4096);
    second[2 * 4096] = 'x';
    char far = second[2 * 4096];
    printf("%c %d\n", far, shmdt(second));
    char *readable = shmat(id, NULL, SHM_RDONLY);
    memory[1] = 'I';
    printf("%s\n", readable);
    shmdt(memory);
    char *plain = mmap(memory, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    strcpy(plain, "private");
    printf("%s %s %d\n", plain, readable, plain == memory);
    char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    strcpy(shared, "moved");
    shared = mremap(shared, 8192, 16384, MREMAP_MAYMOVE);
    printf("%s\n", shared);
    mprotect(shared, 4096, PROT_READ);
    printf("%s\n", shared);
    struct sigaction action = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &action, NULL);
    int code = sigsetjmp(back, 1);
    if (code == 0)
        *(volatile char *)shared = 'M';
    printf("code %d\n", code);
    mprotect(shared, 4096, PROT_READ | PROT_WRITE);
    shared[0] = 'M';
    printf("%s\n", shared);
    /* Without a key. */
    printf("%ld\n", syscall(SYS_pkey_mprotect, shared, 4096, PROT_READ, -1));
    code = sigsetjmp(back, 1);
    if (code == 0)
        *(volatile char *)shared = 'm';
    printf("code %d %s\n", code, shared);
    shmctl(other, IPC_RMID, NULL);
    discard();
}

static void vforked(void)
{
    make();
    strcpy(memory, "vfork");
    fflush(stdout);
    pid_t child = vfork();
    if (child == 0) {
        memory[0] = 'V';
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
    printf("%s %d\n", memory, status);
    discard();
}

static void short_file(void)
{
    struct sigaction action = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO };
    FILE *file = tmpfile();
    if (ftruncate(fileno(file), 100) == -1)
        perror("ftruncate");
    char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    sigaction(SIGBUS, &action, NULL);
    strcpy(shared, "short");
    printf("%s\n", shared);
    int code = sigsetjmp(back, 1);
    if (code == 0)
        *(volatile char *)(shared + 4096) = 1;
    printf("code %d at +%td\n", code, (char *)where - shared);
}

/* mseal(2), of Linux 6.10: nobody may close the segment any more, or open it. */
static void sealed(void)
{
    make();
    memory[0] = 'a';
    if (syscall(462, memory, SIZE, 0) == -1)
        printf("no mseal\n");
    memory[1] = 'b';
    printf("%s\n", memory);
    shmctl(id, IPC_RMID, NULL);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        { "blocked", blocked }, { "ignored", ignored }, { "in-mask", in_mask }, { "inherited", inherited },
        { "after-exec", after_exec }, { "own-handler", own_handler }, { "nattch", nattch },
        { "ipcs", ipcs },
        { "kernel", kernel }, { "pending", pending }, { "strings", strings },
        { "instructions", instructions }, { "robust", robust }, { "robust-killed", robust_killed },
        { "robust-awaited", robust_awaited }, { "robust-ends", robust_ends }, { "maps", maps }, { "vfork", vforked },
        { "short-file", short_file }, { "own-code", own_code }, { "sealed", sealed },
    };
    self = argv[0];
    for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++)
        if (strcmp(cases[i].name, argv[1]) == 0) {
            cases[i].run();
            return 0;
        }
    return 2;
}
