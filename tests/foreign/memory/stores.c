/* Stores into shared memory, which no call shows: `lab trace` compares the bytes. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static int id;
static volatile char *memory;

static void make(size_t size)
{
    id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
    memory = shmat(id, NULL, 0);
    if (id == -1 || memory == (void *)-1)
        exit(1);
    shmctl(id, IPC_RMID, NULL);
}

/* A call that is shown. */
static void look(void)
{
    shmctl(id, IPC_STAT, &(struct shmid_ds){ 0 });
}

/* Alone; the child while its parent waits; and one that only reads. */
static void alone(void)
{
    make(4096);
    strcpy((char *)memory, "hello");
    look();
    ((volatile int *)memory)[4] = 1;
    ((volatile int *)memory)[4] = 41;
    look();
    for (int i = 40; i < 44; i++)
        memory[i] = (char)(i * 5);
    look();
    int set = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    pid_t child = fork();
    if (child == 0) {
        /* Until the parent sleeps. */
        while (semctl(set, 0, GETNCNT) == 0)
            ;
        strcpy((char *)memory + 100, "from the child");
        _exit(semop(set, &(struct sembuf){ 0, 1, 0 }, 1));
    }
    semop(set, &(struct sembuf){ 0, -1, 0 }, 1);
    wait(NULL);
    semctl(set, 0, IPC_RMID);
    shmdt((void *)memory);
    void *readable = shmat(id, NULL, SHM_RDONLY);
    shmdt(readable);
}

/* Two who take turns, without a call: when one of them makes a call, both may have written. */
static void both(void)
{
    make(4096);
    volatile int *turn = (void *)memory;
    look();
    pid_t child = fork();
    int me = child == 0;
    for (int i = 0; i < 20; i++) {
        while (*turn != 2 * i + me)
            ;
        strcpy((char *)memory + 100 + 20 * me, me ? "the child's" : "the parent's");
        *turn = 2 * i + me + 1;
    }
    look();
    if (child == 0)
        _exit(0);
    wait(NULL);
}

/* The kernel writes for a call. */
static void kernel(void)
{
    make(4096);
    look();
    shmctl(id, IPC_STAT, (void *)(memory + 1024));
}

/* What stands there is not the segment any more, and has other bytes. */
static void gone(void)
{
    make(4 * 4096);
    strcpy((char *)memory, "hello");
    look();
    char *private = mmap((void *)(memory + 4096), 4096, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    strcpy(private, "private");
    look();
    munmap((void *)memory, 4 * 4096);
    look();
}

/* Of a large one, the beginning. */
static void large(void)
{
    make(3 << 20);
    memory[1000000] = 'x', memory[1000001] = 'y';
    memory[2000000] = 'z', memory[2000001] = 'z';
    look();
    for (int i = 0; i < 4096; i += 8)
        memory[i] = (char)0x99;
    look();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = { { "alone", alone }, { "both", both }, { "kernel", kernel }, { "gone", gone }, { "large", large } };
    for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++)
        if (strcmp(cases[i].name, argv[1]) == 0) {
            cases[i].run();
            return 0;
        }
    return 2;
}
