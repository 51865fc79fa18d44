/* What the foreign programs share: they are written as students write, and know nothing of lablib. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void __attribute__((unused)) nothing(int signal) { (void)signal; }

static volatile sig_atomic_t told;
static void __attribute__((unused)) tell(int signal) { (void)signal; told = 1; }
