/* Flags, commands, counts and addresses that nobody would write: each is spelled as strace does. */
#include "common.h"
#include <linux/futex.h>
#include <sched.h>

#ifndef SHM_HUGETLB
#define SHM_HUGETLB 04000
#endif

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    return syscall(number, a, b, c, d, e, f);
}

static void segments(void)
{
    struct shmid_ds ds;
    shmget(0x77, 4096, ~0);
    shmget(-1, 4096, 0x7fffffff);
    shmget(1, (size_t)-1, 0);
    shmget(1, 1L << 40, IPC_EXCL | 07);
    shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600 | SHM_HUGETLB | (int)(63u << 26));
    shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600 | SHM_HUGETLB | 7 << 26);
    shmget(IPC_PRIVATE, 0, 1);
    shmat(-1, (void *)-1, ~0);
    shmat(0x7fffffff, (void *)8, SHM_RDONLY | 1);
    shmat(-1, NULL, 1);
    shmdt((void *)-1);
    shmdt(NULL);
    int commands[] = {5, 77, 0x100, 0x10d, 0x1ff, -1, 0x7fffffff, 16, 0x102, 0x10b};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        call(SYS_shmctl, -1, commands[i], 8, 0, 0, 0);
    shmctl(-1, IPC_SET, NULL);
    shmctl(-1, IPC_SET, (void *)16);
    memset(&ds, 0xff, sizeof ds);
    shmctl(-1, IPC_SET, &ds);
    shmctl(-1, IPC_STAT, (void *)-1);
}

static void queues(void)
{
    char room[64] = {0};
    struct msqid_ds ds;
    struct msginfo info;
    long types[] = {0, -1, 1L << 40, 7};
    int q = msgget(IPC_PRIVATE, ~0 & 0777);
    msgget(0x77, 0x7fffffff & ~IPC_CREAT);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        memcpy(room, &types[i], sizeof types[i]);
        msgsnd(q, room, 3, IPC_NOWAIT | 0x10000);
    }
    msgsnd(q, NULL, 3, 0x10000);
    msgsnd(q, (void *)8, 3, MSG_NOERROR);
    msgsnd(q, room, -1, 0);
    msgsnd(q, room, 100000, 0);
    msgrcv(q, room, 8, 9, MSG_COPY | IPC_NOWAIT);
    msgrcv(q, room, 8, 0, MSG_COPY);
    msgrcv(q, room, 8, -9, MSG_EXCEPT | MSG_NOERROR | IPC_NOWAIT | 0x400000);
    msgrcv(q, room, -8, 1L << 40, ~0);
    msgrcv(q, NULL, 8, -(1L << 40), IPC_NOWAIT);
    int commands[] = {0xff, 0x100, 0x1ff, -1, 4, 10, 14, 0x10b, 0x103};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        call(SYS_msgctl, -1, commands[i], 8, 0, 0, 0);
    msgctl(q, IPC_STAT, &ds);
    ds.msg_perm.uid = -1;
    msgctl(q, IPC_SET, &ds);
    msgctl(0, IPC_INFO, (void *)&info);
    msgctl(-1, MSG_STAT, &ds);
    msgctl(q, IPC_RMID, (void *)5);
}

static void sets(void)
{
    static struct sembuf odd[1000] = {{0, 0, (short)0xe25f}, {0xffff, -32768, SEM_UNDO | IPC_NOWAIT}, {1, 32767, 1}};
    struct semid_ds ds;
    struct seminfo info;
    unsigned short values[3] = {1, 2, 3};
    struct timespec bad = {-1, -1}, worse = {1L << 40, 1000000000}, none = {0, 0};
    int s = semget(IPC_PRIVATE, 3, ~0 & 0777);
    semget(0x77, -1, IPC_EXCL | 0x7000);
    semget(0x77, 0x7fffffff, 0);
    call(SYS_semop, s, (long)odd, 20, 0, 0, 0);
    call(SYS_semop, s, (long)odd, 1, 0, 0, 0);
    call(SYS_semop, s, 0, 0, 0, 0, 0);
    call(SYS_semop, s, 0, 3, 0, 0, 0);
    call(SYS_semop, s, 8, 3, 0, 0, 0);
    call(SYS_semop, s, (long)odd, 0, 0, 0, 0);
    call(SYS_semop, s, (long)odd, 1000, 0, 0, 0);
    call(SYS_semtimedop, s, (long)(odd + 5), 30, (long)&none, 0, 0);
    semtimedop(s, odd + 3, 1, &bad);
    semtimedop(s, odd + 3, 1, &worse);
    call(SYS_semtimedop, s, (long)odd, 1, 8, 0, 0);
    int commands[] = {0xff, 0x100, 0x1ff, -1, 5, 10, 21, 0x110, 0x102, 0x10c};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        call(SYS_semctl, -1, 7, commands[i], 8, 0, 0);
    int all[] = {SETVAL, GETVAL, GETPID, GETNCNT, GETZCNT};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        call(SYS_semctl, s, 1, all[i], -1, 0, 0);
    call(SYS_semctl, s, 0, SETALL, (long)values, 0, 0);
    call(SYS_semctl, s, 0, GETALL, (long)values, 0, 0);
    call(SYS_semctl, s, 0, SETVAL, 1L << 33 | 5, 0, 0);
    call(SYS_semctl, s, 0, IPC_STAT, (long)&ds, 0, 0);
    ds.sem_perm.gid = -1;
    call(SYS_semctl, s, 0, IPC_SET, (long)&ds, 0, 0);
    call(SYS_semctl, 0, 0, IPC_INFO, (long)&info, 0, 0);
    call(SYS_semctl, 0, 0, SEM_INFO, (long)&info, 0, 0);
    call(SYS_semctl, s, 0, IPC_RMID, 5, 0, 0);
}

static void signals(void)
{
    struct sigaction action;
    siginfo_t info;
    unsigned long sets[] = {0, 1, 1UL << 63, 0x7fffffff, ~0UL, ~0UL >> 30, 1UL << 31 | 1UL << 40, ~(1UL << 33)};
    struct timespec none = {0, 0};
    int numbers[] = {0, 31, 33, 63, 65, 100, -1};
    memset(&info, 0, sizeof info);
    memset(&action, 0, sizeof action);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        kill(0x7ffffff0, numbers[i]);
        call(SYS_tkill, 0x7ffffff0, numbers[i], 0, 0, 0, 0);
        call(SYS_tgkill, 0x7ffffff0, -1, numbers[i], 0, 0, 0);
    }
    int codes[] = {0, -1, -2, -3, -4, -5, -6, -7, -60, -100, 1, 6, 0x80};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        info.si_signo = SIGUSR1;
        info.si_code = codes[i];
        call(SYS_rt_sigqueueinfo, 0x7ffffff0, SIGUSR1, (long)&info, 0, 0, 0);
    }
    call(SYS_rt_sigqueueinfo, 0x7ffffff0, SIGUSR1, 0, 0, 0, 0);
    call(SYS_rt_tgsigqueueinfo, 0x7ffffff0, 1, SIGUSR1, 8, 0, 0);
    call(SYS_pidfd_send_signal, -1, SIGUSR2, 0, 7, 0, 0);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        call(SYS_rt_sigtimedwait, (long)&sets[i], 0, (long)&none, i == 3 ? 4 : 8, 0, 0);
    call(SYS_rt_sigprocmask, 77, (long)&sets[1], 0, 8, 0, 0);
    call(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&sets[1], (long)&sets[0], 8, 0, 0);
    call(SYS_rt_sigprocmask, SIG_BLOCK, 8, 0, 8, 0, 0);
    call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&sets[1], 0, 4, 0, 0);
    call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&sets[3], 0, 4, 0, 0);
    call(SYS_rt_sigaction, SIGUSR1, 8, 0, 8, 0, 0);
    unsigned long own[4] = {1, ~0UL & ~0x04000000UL, 0, 0};
    call(SYS_rt_sigaction, SIGUSR2, (long)own, 0, 8, 0, 0);
    call(SYS_rt_sigaction, SIGUSR2, (long)own, 0, 4, 0, 0);
    alarm(0);
}

static void waits(void)
{
    struct timespec bad = {-1, 0}, none = {0, 0};
    siginfo_t info;
    struct pollfd polled[40] = {{0, 0x7fff, 0}, {-1, 1, 0}, {-1, POLLIN, 0}};
    int word = 5, status;
    wait4(0x7ffffff0, NULL, ~0, NULL);
    wait4(-1, &status, WNOHANG | WUNTRACED | WCONTINUED | __WALL, NULL);
    wait4(-7, (void *)8, 0x10000000, NULL);
    waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | WSTOPPED | 0x800);
    waitid((idtype_t)77, 7, NULL, 0);
    waitid(P_PGID, -7, &info, WEXITED);
    for (int op = 0; op < 20; op++) {
        /* These take the lock; at an odd address they cannot. */
        int lock = op == FUTEX_LOCK_PI || op == FUTEX_LOCK_PI2 || op == FUTEX_TRYLOCK_PI;
        int counts = op == FUTEX_REQUEUE || op == FUTEX_CMP_REQUEUE || op == FUTEX_WAKE_OP || op == FUTEX_CMP_REQUEUE_PI;
        call(SYS_futex, (long)&word + lock, op, 7, counts ? 3 : (long)&none, 9, 11);
        call(SYS_futex, (long)&word + lock, op | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, 7, 0, (long)&word, -1);
    }
    call(SYS_futex, (long)&word, FUTEX_WAIT, -1, (long)&bad, 0, 0);
    call(SYS_futex, (long)&word, FUTEX_WAIT, -1, 8, 0, 0);
    call(SYS_futex, 1, FUTEX_WAKE | 0x1000, -1, 0, 0, 0);
    call(SYS_futex, 0, 0x7f, 1, 2, 3, 4);
    nanosleep(&bad, NULL);
    call(SYS_nanosleep, 0, 0, 0, 0, 0, 0);
    call(SYS_nanosleep, 8, 0, 0, 0, 0, 0);
    for (int clock = -2; clock < 13; clock++)
        call(SYS_clock_nanosleep, clock, 0, (long)&bad, 0, 0, 0);
    call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 77, (long)&bad, 0, 0, 0);
    call(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, (long)&bad, 8, 0, 0);
    int pipe_[2];
    if (pipe(pipe_) == 0) {
        polled[0].fd = pipe_[0];
        polled[0].events = 0x7fff;
        poll(polled, 2, 5);
    }
}

static void births(void)
{
    unsigned long args[11] = {0};
    call(SYS_clone, CLONE_THREAD, 0, 0, 0, 0, 0);
    call(SYS_clone, CLONE_THREAD | CLONE_SIGHAND | 0x1000 | SIGUSR1, 0, 8, 8, 8, 0);
    call(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD | CLONE_NEWUSER | CLONE_DETACHED, 0, 0, 0, 0, 0);
    call(SYS_clone, CLONE_SIGHAND | 200, 0, 0, 0, 0, 0);
    call(SYS_clone3, (long)args, 8, 0, 0, 0, 0);
    call(SYS_clone3, 8, 88, 0, 0, 0, 0);
    call(SYS_clone3, 0, 88, 0, 0, 0, 0);
    args[0] = CLONE_THREAD | 1UL << 32 | 1UL << 33 | 1UL << 40;
    args[4] = 77;
    call(SYS_clone3, (long)args, 64, 0, 0, 0, 0);
    call(SYS_clone3, (long)args, 80, 0, 0, 0, 0);
    call(SYS_clone3, (long)args, 88, 0, 0, 0, 0);
    call(SYS_unshare, CLONE_VM | 0x40, 0, 0, 0, 0, 0);
    call(SYS_unshare, 0x4, 0, 0, 0, 0, 0);
    call(SYS_setns, -1, CLONE_NEWIPC | 4, 0, 0, 0, 0);
    call(SYS_setns, -1, 0, 0, 0, 0, 0);
    call(SYS_execve, 0, 0, 0, 0, 0, 0);
    call(SYS_execve, (long)"", 8, 0, 0, 0, 0);
    char *words[40] = {"a\n\"b\"", "a word of more than thirty-two letters, cut", "\377\1\0019"};
    for (int i = 3; i < 39; i++)
        words[i] = "x";
    call(SYS_execve, (long)"no/such/file of a long name, \t1234567890123456789012345678901234567890", (long)words, 0, 0, 0, 0);
    call(SYS_execveat, -100, (long)"no/such", (long)words, 0, 0x1100, 0);
}

/* All that wait4 can answer. */
static void ends(void)
{
    struct sigaction ends_only = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP};
    int status;
    sigaction(SIGCHLD, &ends_only, NULL);
    pid_t child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        raise(SIGRTMIN + 3);
    }
    waitpid(child, &status, WUNTRACED);
    kill(child, SIGCONT);
    waitpid(child, &status, __WALL);
}

int main(void)
{
    segments();
    queues();
    sets();
    signals();
    waits();
    births();
    ends();
    return 0;
}
