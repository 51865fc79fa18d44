/* Stores in batches so short that one of them is seldom interrupted. */
#include <stdint.h>
#include <stdio.h>
#include <x86intrin.h>

enum { BATCHES = 200, STORES = 25 };

static inline void store(volatile int *to, int value)
{
    __asm__ volatile("mov %%eax,(%%rdi)" : : "D"(to), "a"(value) : "memory");
}

/* Prints what a store takes, in cycles of the processor's counter, in the fastest batch. */
static void print_fastest(volatile int *to)
{
    uint64_t fastest = UINT64_MAX;
    for (int batch = 0; batch < BATCHES; batch++) {
        uint64_t before = __rdtsc();
        for (int i = 0; i < STORES; i++)
            store(to, batch + i);
        uint64_t took = __rdtsc() - before;
        if (took < fastest)
            fastest = took;
    }
    printf("%lu\n", (unsigned long)(fastest / STORES));
}
