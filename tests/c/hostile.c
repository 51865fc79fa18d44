/* Programs that do harm, or try to. KIND says which; SECRET is a file that they may not see, PORT a port that they may
 * not reach, CANARY a process that they may not end. All of it must stay in the cell of lab check. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Prints what a file has, or nothing. */
static void show(const char *path)
{
    char text[4000];
    int fd = open(path, O_RDONLY);
    ssize_t got = fd == -1 ? 0 : read(fd, text, sizeof text);
    if (got > 0 && write(1, text, (size_t)got) == -1)
        exit(1);
}

static void *sleeps(void *nothing)
{
    pause();
    return nothing;
}

static int deep(int n)
{
    volatile char much[100000];
    much[n % 100000] = (char)n;
    return deep(n + 1) + much[0];
}

int main(void)
{
    char line[300];
    snprintf(line, sizeof line, "hostile%d", PORT);
    prctl(PR_SET_NAME, line); /* by this it is found, wherever it is */
    switch (KIND) {
    case 0: /* a fork bomb */
        for (;;)
            fork();
    case 1: /* ends everybody */
        kill(-1, SIGKILL);
        return 0;
    case 2: /* ends each number it can think of */
        for (int pid = 1; pid < 70000; pid++)
            if (pid != getpid())
                kill(pid, SIGKILL);
        return 0;
    case 3: /* ends one outside, by its number */
        kill(CANARY, SIGKILL);
        return 0;
    case 4: /* traces who traces it */
        for (int pid = 1; pid < 300; pid++)
            if (ptrace(PTRACE_ATTACH, pid, 0, 0) == 0)
                puts("attached");
        return 0;
    case 5: /* endless output */
        for (;;)
            if (write(1, "all work and no play makes jack a dull boy\n", 43) == -1)
                return 1;
    case 6: /* 10 GiB of memory */
        for (long i = 0; i < 10240; i++) {
            char *more = malloc(1 << 20);
            if (more == NULL)
                return 1;
            memset(more, 1, 1 << 20);
        }
        return 0;
    case 7: /* a segment of 10 GiB, filled */
    {
        int id = shmget(IPC_PRIVATE, 10UL << 30, IPC_CREAT | 0600);
        char *at = id == -1 ? (char *)-1 : shmat(id, NULL, 0);
        if (at == (char *)-1)
            return 1;
        memset(at, 1, 10UL << 30);
        return 0;
    }
    case 8: /* thousands of segments */
        for (int i = 0; i < 10000; i++)
            shmget(0x1000 + i, 4096, IPC_CREAT | 0600);
        return 0;
    case 9: /* thousands of queues and sets */
        for (int i = 0; i < 3000; i++) {
            msgget(0x1000 + i, IPC_CREAT | 0600);
            semget(0x1000 + i, 10, IPC_CREAT | 0600);
        }
        return 0;
    case 10: /* writes into /proc */
        for (int pid = 1; pid < 200; pid++) {
            snprintf(line, sizeof line, "/proc/%d/mem", pid);
            int fd = pid == getpid() ? -1 : open(line, O_RDWR);
            if (fd != -1 && pwrite(fd, "x", 1, 0x555555554000) == 1)
                puts("written");
        }
        return open("/proc/sys/kernel/core_pattern", O_WRONLY) != -1;
    case 11: /* links out of its folder */
        if (symlink("/etc/passwd", "link") == -1 || symlink(SECRET, "secret") == -1)
            return 1;
        show("secret");
        return open("link", O_WRONLY) != -1;
    case 12: /* a daemon */
        if (fork() == 0) {
            setsid();
            if (fork() == 0)
                for (;;)
                    pause();
            _exit(0);
        }
        return 0;
    case 13: /* a secret of the user's */
        show(SECRET);
        show("/etc/shadow");
        show("/root/.profile");
        return 0;
    case 14: /* the rules, and the solution */
        show(WORKBOOK "/labs/4.8/rules.toml");
        show(WORKBOOK "/labs/4.8/exercise/solution/main.c");
        return 0;
    case 15: /* a report of its own, everywhere */
        for (int fd = 1; fd < 1000; fd++)
            dprintf(fd, "{\"did\":[],\"facts\":[],\"runs\":1,\"not_judged\":null,\"refused\":null,\"story\":[]}\n");
        return 0;
    case 16: /* computes for ever */
        for (volatile int n = 0;; n++)
            ;
    case 17: /* asks for ever */
        for (;;)
            getppid();
    case 18: /* an endless stack */
        return deep(0);
    case 19: /* sleeps for a year */
        sleep(31536000);
        return 0;
    case 20: /* stops itself */
        raise(SIGSTOP);
        return 0;
    case 21: /* the network */
    {
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
            puts("connected");
        return 0;
    }
    case 22: /* root again */
        if (setuid(0) == 0 && getuid() == 0 && open("/etc/shadow", O_RDONLY) != -1)
            puts("root");
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && mount("none", "/usr", "tmpfs", 0, NULL) == 0)
            puts("mounted");
        return execlp("su", "su", "-c", "id", (char *)NULL);
    case 23: /* fills the disk */
    {
        int fd = open("/tmp/full", O_WRONLY | O_CREAT, 0600);
        char *much = calloc(1, 1 << 20);
        for (int i = 0; i < 10240; i++)
            if (write(fd, much, 1 << 20) == -1)
                return 1;
        return 0;
    }
    case 24: /* threads without an end */
        for (;;) {
            pthread_t thread;
            if (pthread_create(&thread, NULL, sleeps, NULL) != 0)
                return 1;
        }
    case 25: /* what the user has in the environment */
        for (char **one = environ; *one != NULL; one++)
            puts(*one);
        return 0;
    case 26: /* another program in its place */
        return execl("/bin/sh", "sh", "-c", "sleep 1000 & cat " SECRET "; kill -9 -1", (char *)NULL);
    case 27: /* without a tracer */
        if (syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0) == 0)
            for (;;)
                pause();
        return 0;
    case 28: /* changes itself, and others */
        unlink("program");
        chmod("/usr/bin/env", 0777);
        return open("/usr/bin/env", O_WRONLY) != -1 || open("/bin/sh", O_RDWR) != -1;
    case 29: /* all descriptors */
        for (;;)
            if (dup(1) == -1)
                return 1;
    }
    return 0;
}
