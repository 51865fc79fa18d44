/* Addresses at which nothing is attached, and accesses to them. */
#include "../common.h"

static volatile char *attach(int id, int flags) { return shmat(id, NULL, flags); }

int main(int argc, char **argv)
{
    (void)argc;
    int id = shmget(IPC_PRIVATE, 4096, 0600), one = shmget(IPC_PRIVATE, 4096, 0600);
    char *at = shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    if (is(argv, "inside")) {
        shmdt(at + 16);
    } else if (is(argv, "behind")) {
        shmdt(at + 4096);
    } else if (is(argv, "twice")) {
        shmdt(at);
        shmdt(at);
    } else if (is(argv, "moved")) {
        char *there = mremap(at, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, at - (1 << 24));
        shmdt(at);
        shmdt(there);
    } else if (is(argv, "half")) {
        int two = shmget(IPC_PRIVATE, 8192, 0600);
        char *both = shmat(two, NULL, 0);
        shmctl(two, IPC_RMID, NULL);
        munmap(both, 4096);
        shmdt(both + 4096);
        shmdt(both);
    } else if (is(argv, "unmapped")) {
        munmap(at, 4096);
        shmdt(at);
    } else if (is(argv, "null")) {
        shmdt(NULL);
        shmdt((void *)-1);
    } else if (is(argv, "failed")) {
        shmdt(shmat(one, at, 0));
    } else if (is(argv, "odd")) {
        shmat(one, at + 8, 0);
        shmat(one, NULL, SHM_REMAP);
        shmat(one, (void *)(1UL << 48), 0);
    } else if (is(argv, "rounded")) {
        shmdt(at);
        shmdt(shmat(one, at + 8, SHM_RND));
    }
    shmctl(one, IPC_RMID, NULL);
    one = shmget(IPC_PRIVATE, 4096, 0600);
    volatile char *second = attach(one, SHM_RDONLY);
    shmctl(one, IPC_RMID, NULL);
    if (is(argv, "store")) {
        second[5] = 1;
    } else if (is(argv, "after shmdt")) {
        shmdt(at);
        at[7] = 1;
    } else if (is(argv, "past the end")) {
        mmap(at + 4096, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        at[4096 + 9] = 1;
    } else if (is(argv, "minus one")) {
        volatile char *none = attach(-1, 0);
        none[0] = 1;
    } else if (is(argv, "minus one and more")) {
        volatile char *none = attach(-1, 0);
        none[13] = 1;
    } else if (is(argv, "pointer null")) {
        volatile char *volatile null = NULL;
        null[12] = 1;
    }
    return 0;
}
