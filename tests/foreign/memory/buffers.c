/* Two sides store and then load the other's word: what stands between the two, and how they store? In the end one of
 * them must have seen the other's store; with a store buffer that is only so where something empties it. */
#define _GNU_SOURCE
#include <emmintrin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

struct side {
    volatile int word[4];
};

static struct shared {
    struct side sides[2];
    volatile int seen[2];
} *shared;

static const char *way;
static int own;

static int is(const char *name)
{
    return strcmp(way, name) == 0;
}

/* As it is without optimisation: each variable is in memory. 300 instructions for 20 turns. */
__attribute__((noinline)) static int slow(int turns)
{
    volatile int sum = 0;
    for (volatile int turn = 0; turn < turns; turn++)
        sum += turn * 3;
    return sum;
}

static void meet(int me)
{
    volatile int *mine = shared->sides[me].word;
    /* Known before the store: what comes between it and the load is short. */
    int part = is("part"), far = is("far"), near = is("near"), calls = is("calls"), locked = is("locked"), cpuid = is("cpuid");
    if (is("increment"))
        __asm__ volatile("incl %0" : "+m"(*mine));
    else if (is("wide"))
        _mm_store_si128((__m128i *)(void *)mine, _mm_set1_epi32(1));
    else if (is("string"))
        __asm__ volatile("rep stosb" : : "D"(mine), "c"(4), "a"(1) : "memory");
    else
        *mine = 1;
    if (part)
        own += *(volatile long long *)(void *)mine != 0;
    for (int turn = 0; turn < (far ? 1000 : near ? 2 : 0); turn++)
        __asm__ volatile("");
    if (calls)
        own += slow(20);
    if (locked)
        __asm__ volatile("lock incl %0" : "+m"(own));
    if (cpuid)
        __asm__ volatile("cpuid" : : "a"(0), "c"(0) : "ebx", "edx", "memory");
    shared->seen[me] = shared->sides[!me].word[0];
}

static void *thread(void *none)
{
    meet(1);
    return none;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    way = argv[1];
    int id = shmget(IPC_PRIVATE, sizeof *shared, IPC_CREAT | 0600);
    shared = shmat(id, NULL, 0);
    if (shared == (void *)-1 || shmctl(id, IPC_RMID, NULL) == -1)
        return 3;
    if (is("threads")) {
        pthread_t other;
        pthread_create(&other, NULL, thread, NULL);
        meet(0);
        pthread_join(other, NULL);
    } else {
        if (fork() == 0) {
            meet(1);
            _exit(0);
        }
        meet(0);
        wait(NULL);
    }
    if (!shared->seen[0] && !shared->seen[1])
        abort();
    return 0;
}
