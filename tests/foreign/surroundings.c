/*
 * Prints what it finds around it: numbers of processes, ids, the time, its folder, what is left there. Two
 * children make calls of their own meanwhile.
 */
#include "common.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void child(int set, int number)
{
	struct sembuf one = { .sem_num = number, .sem_op = 1 };

	for (int i = 0; i < 3; i++)
		semop(set, &one, 1);
	printf("child %d: %d of %d\n", number, getpid(), getppid());
	fflush(stdout);
	_exit(0);
}

int main(void)
{
	int set = semget(IPC_PRIVATE, 2, 0600);
	int segment = shmget(IPC_PRIVATE, 4096, 0600);
	int queue = msgget(IPC_PRIVATE, 0600);
	const char *folder = getenv("XDG_RUNTIME_DIR");
	cpu_set_t cpus;

	sched_getaffinity(0, sizeof cpus, &cpus);
	printf("%d %d %d, %d of %d, group %d, on %d\n", set, segment, queue, getpid(), getppid(),
	       getpgrp(), CPU_COUNT(&cpus));
	printf("%ld %s\n", (long)time(NULL), folder ? folder : "no folder");
	fflush(stdout);
	for (int number = 0; number < 2; number++)
		if (fork() == 0)
			child(set, number);
	while (wait(NULL) > 0)
		;
	struct shmid_ds is;

	shmctl(segment, IPC_STAT, &is);
	printf("made by %d, attached %lu times\n", is.shm_cpid, (unsigned long)is.shm_nattch);
	semctl(set, 0, IPC_RMID);
	shmctl(segment, IPC_RMID, NULL);
	msgctl(queue, IPC_RMID, NULL);
	return 0;
}
