/*
 * A kernel that lies once. Preloaded into a lab; LIE="CALL N" says whose N-th answer is not what the kernel
 * said, counted over all processes of the lab. The file LIE_TOLD is made when the lie has been told. Whatever a
 * lab claims of that answer is then false.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* The call, how often it has been made, and its last answers; shared by all processes of the lab. */
static struct shared {
	atomic_int made;
	atomic_int last[3];
} *shared;
static char call[32];
static int number;

__attribute__((constructor)) static void start(void)
{
	const char *lie = getenv("LIE");

	if (!lie || strncmp(program_invocation_short_name, "lab_", 4) ||
	    sscanf(lie, "%31s %d", call, &number) != 2)
		return;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 3; i++)
		shared->last[i] = -1;
}

/* Is this the answer to lie about? */
static int lies(const char *name)
{
	if (!shared || strcmp(name, call) || atomic_fetch_add(&shared->made, 1) + 1 != number)
		return 0;
	const char *told = getenv("LIE_TOLD");

	if (told)
		close(syscall(SYS_openat, AT_FDCWD, told, O_CREAT | O_WRONLY, 0600));
	return 1;
}

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

/* Every digit is the next one; or who is dead sleeps, and nothing can be written. */
static void other_text(char *text, ssize_t size, int digits)
{
	for (char *byte = text; byte < text + size; byte++) {
		if (digits && *byte >= '0' && *byte <= '9')
			*byte = '0' + (*byte - '0' + 1) % 10;
		if (!digits && *byte == 'Z')
			*byte = 'S';
		if (!digits && *byte == 'w')
			*byte = '-';
	}
}

/* Fields of one kind are others. */
static int other_record(struct shmid_ds *ds)
{
	int lied = 1;

	if (lies("stat-nattch"))
		ds->shm_nattch += 5;
	else if (lies("stat-cpid"))
		ds->shm_cpid += 1;
	else if (lies("stat-lpid"))
		ds->shm_lpid += 1;
	else if (lies("stat-size"))
		ds->shm_segsz += 7;
	else if (lies("stat-mode"))
		ds->shm_perm.mode ^= 07777;
	else if (lies("stat-key"))
		ds->shm_perm.__key ^= 0x55;
	else if (lies("stat-owner"))
		ds->shm_perm.uid += 1, ds->shm_perm.gid += 1;
	else if (lies("stat-creator"))
		ds->shm_perm.cuid += 1, ds->shm_perm.cgid += 1;
	else if (lies("stat-atime"))
		ds->shm_atime = ds->shm_atime ? 0 : 1;
	else if (lies("stat-dtime"))
		ds->shm_dtime = ds->shm_dtime ? 0 : 1;
	else if (lies("stat-ctime"))
		ds->shm_ctime = 1;
	else
		lied = 0;
	return lied;
}

/* A call that failed has failed for another reason. */
static int other_errno(const char *name)
{
	int why = errno;

	errno = lies(name) ? EIO : why;
	return -1;
}

int shmctl(int id, int cmd, struct shmid_ds *ds)
{
	static const char *infos[] = { "info-0", "info-1", "info-2", "info-3", "info-4" };

	if (cmd == IPC_RMID && lies("rmid")) {
		/* What still has it attached finds other bytes there. */
		struct shmid_ds now;
		char *at = REAL(shmctl)(id, IPC_STAT, &now) ? (char *)-1 : REAL(shmat)(id, NULL, 0);

		if (at != (char *)-1) {
			memset(at, 0x5a, now.shm_segsz);
			REAL(shmdt)(at);
		}
	}
	int answer = REAL(shmctl)(id, cmd, ds);

	if (answer < 0)
		return other_errno("shmctl-errno");
	if (cmd == IPC_STAT || cmd == SHM_STAT || cmd == 15 /* SHM_STAT_ANY */)
		other_record(ds);
	if ((cmd == SHM_STAT || cmd == 15) && lies("stat-id"))
		return answer + 1;
	if (cmd == IPC_INFO || cmd == SHM_INFO) {
		for (int i = 0; i < (cmd == IPC_INFO ? 5 : 4); i++)
			((unsigned long *)ds)[i] += lies(infos[i]) != 0;
		return answer + lies("info-answer");
	}
	return answer;
}

/* Where the last segment is attached. */
static void *before;

/* Another segment, full of something else, in the place of this one. */
void *shmat(int id, const void *at, int flags)
{
	void *answer = REAL(shmat)(id, at, flags);

	if (answer == (void *)-1)
		return other_errno("shmat-errno"), answer;
	void *last = before;

	before = answer;
	if (lies("shmat-address"))
		return (char *)answer + 8;
	if (last && lies("shmat-same"))
		return last;
	if (!lies("shmat"))
		return answer;
	struct shmid_ds ds;

	if (REAL(shmctl)(id, IPC_STAT, &ds) < 0)
		return answer;
	int other = REAL(shmget)(IPC_PRIVATE, ds.shm_segsz, 0700);
	char *filled = REAL(shmat)(other, NULL, 0);

	memset(filled, 0xa5, ds.shm_segsz);
	/* The right one stays attached, where it can: the kernel's count is as it should be. */
	if (at)
		REAL(shmdt)(answer);
	answer = REAL(shmat)(other, at, flags);
	REAL(shmdt)(filled);
	REAL(shmctl)(other, IPC_RMID, NULL);
	return answer;
}

/* The id that was answered last, or one of something new. */
static int other_id(int kind, const char *same, const char *other, int answer, int (*make)(void))
{
	if (answer < 0)
		return other_errno("get-errno");
	if (!shared)
		return answer;
	if (lies(same) && shared->last[kind] >= 0)
		return shared->last[kind];
	if (lies(other))
		return make();
	shared->last[kind] = answer;
	return answer;
}

static int new_segment(void)
{
	return REAL(shmget)(IPC_PRIVATE, 4096, 0600);
}

static int new_queue(void)
{
	return REAL(msgget)(IPC_PRIVATE, 0600);
}

int shmget(key_t key, size_t size, int flags)
{
	int answer = REAL(shmget)(key, size, flags);

	return other_id(0, "shmget-same", "shmget-other", answer, new_segment);
}

int shmdt(const void *at)
{
	return lies("shmdt") ? 0 : REAL(shmdt)(at);
}

int msgsnd(int id, const void *message, size_t size, int flags)
{
	int answer = REAL(msgsnd)(id, message, size, flags);

	return answer < 0 ? other_errno("msgsnd-errno") : answer;
}

int msgget(key_t key, int flags)
{
	return other_id(1, "msgget-same", "msgget-other", REAL(msgget)(key, flags), new_queue);
}

int msgctl(int id, int cmd, struct msqid_ds *ds)
{
	int answer = REAL(msgctl)(id, cmd, ds);

	if (answer >= 0 && cmd == IPC_STAT && lies("msgstat")) {
		ds->msg_qnum += 1, ds->msg_lspid += 1, ds->msg_lrpid += 1, ds->msg_qbytes *= 2;
		ds->msg_perm.mode ^= 07;
	}
	return answer;
}

ssize_t msgrcv(int id, void *message, size_t size, long type, int flags)
{
	ssize_t answer = REAL(msgrcv)(id, message, size, type, flags);

	if (answer > 0 && lies("msgrcv"))
		((char *)message)[sizeof(long)] ^= 1;
	return answer;
}

int semctl(int id, int index, int cmd, ...)
{
	va_list rest;

	va_start(rest, cmd);
	long value = va_arg(rest, long);

	va_end(rest);
	int answer = REAL(semctl)(id, index, cmd, value);

	if (answer >= 0 && cmd == IPC_STAT && lies("semstat")) {
		struct semid_ds *ds = (struct semid_ds *)value;

		ds->sem_otime = ds->sem_otime ? 0 : 1;
	}
	return answer >= 0 && cmd == GETVAL && lies("getval") ? !answer : answer;
}

/* The answer of a lock in a segment, which is an error or 0. */
static int other_answer(const void *object, int answer)
{
	int there = (const char *)object >= (char *)before && (const char *)object < (char *)before + 4096;

	if (!before || !there || !lies("lock"))
		return answer;
	return answer ? 0 : EIO;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	return other_answer(mutex, REAL(pthread_mutex_lock)(mutex));
}

int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	return other_answer(mutex, REAL(pthread_mutex_trylock)(mutex));
}

int pthread_mutex_consistent(pthread_mutex_t *mutex)
{
	return other_answer(mutex, REAL(pthread_mutex_consistent)(mutex));
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	return other_answer(condition, REAL(pthread_cond_wait)(condition, mutex));
}

key_t ftok(const char *path, int project)
{
	key_t answer = REAL(ftok)(path, project);

	if (answer == -1 || !shared)
		return answer;
	if (lies("ftok-other"))
		return answer ^ 0x40000001;
	if (lies("ftok-negative"))
		return answer ^ 0x80000000;
	key_t before = shared->last[2];

	shared->last[2] = answer;
	return before != -1 && lies("ftok-same") ? before : answer;
}

/* What goes through a pipe, or stands in a file: few bytes begin otherwise, many have other digits. */
ssize_t read(int fd, void *bytes, size_t size)
{
	ssize_t answer = syscall(SYS_read, fd, bytes, size);
	struct stat what;
	char link[64], path[256] = "";

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if (shared && syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1) > 0 && strstr(path, "ledger"))
		return answer;
	if (!shared || answer < 0 || fstat(fd, &what) || (major(what.st_dev) == 0 && what.st_size == 0 && !S_ISFIFO(what.st_mode) && !strstr(path, "eventfd")))
		return answer;
	if (answer <= 64 && size <= 64 && lies("read")) {
		if (answer == 0)
			return *(char *)bytes = 1;
		/* Of a report of three words, the second: the first is compared with how its writer ended. */
		((char *)bytes)[answer == 24 ? 8 : 0] ^= 1;
	}
	if (answer > 64 && S_ISFIFO(what.st_mode) && lies("output"))
		other_text(bytes, answer, 1);
	return answer;
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t at)
{
	ssize_t answer = syscall(SYS_pread64, fd, bytes, size, at);

	if (answer > 0 && lies("pread"))
		*(char *)bytes ^= 1;
	return answer;
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *limit, const sigset_t *mask)
{
	int answer = REAL(ppoll)(fds, count, limit, mask);

	if (answer > 0 && limit && lies("ppoll")) {
		for (nfds_t i = 0; i < count; i++)
			fds[i].revents = 0;
		return 0;
	}
	return answer;
}

int poll(struct pollfd *fds, nfds_t count, int limit)
{
	int answer = REAL(poll)(fds, count, limit);

	if (answer >= 0 && count == 1 && !limit && lies("poll")) {
		fds->revents ^= answer ? POLLPRI : POLLIN;
		return 1;
	}
	return answer;
}

pid_t waitpid(pid_t pid, int *status, int flags)
{
	pid_t answer = REAL(waitpid)(pid, status, flags);

	if (answer > 0 && status && lies("waitpid"))
		*status = WIFSIGNALED(*status) ? 0 : 9;
	return answer;
}

int fcntl(int fd, int cmd, ...)
{
	va_list rest;

	va_start(rest, cmd);
	long value = va_arg(rest, long);

	va_end(rest);
	int answer = syscall(SYS_fcntl, fd, cmd, value);

	if (answer < 0 && errno)
		return answer;
	if (cmd == F_GETPIPE_SZ && lies("pipe-size"))
		return answer + 4096;
	if (cmd == F_GET_SEALS && lies("seals"))
		return 0;
	return cmd == F_GETFD && lies("fcntl") ? answer ^ FD_CLOEXEC : answer;
}

int fcntl64(int, int, ...) __attribute__((alias("fcntl")));

ssize_t readlink(const char *path, char *to, size_t size)
{
	ssize_t answer = REAL(readlink)(path, to, size);

	if (answer > 1 && lies("readlink"))
		to[1] ^= 1;
	return answer;
}

/* What /proc says, with other digits. */
int open64(const char *path, int flags, ...)
{
	va_list rest;

	va_start(rest, flags);
	mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;

	va_end(rest);
	int fd = syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	int ours = !strncmp(path, "/proc/", 6) && !strstr(path, "pagemap") && !(flags & O_DIRECTORY);

	int rows = fd >= 0 && !strncmp(path, "/proc/sysvipc/", 14) && lies("rows");

	if (fd < 0 || !ours || flags & O_WRONLY)
		return fd;
	int letters = !rows && lies("letters");

	if (!rows && !letters && !lies("proc"))
		return fd;
	int other = memfd_create("other", MFD_CLOEXEC);
	char text[4096];
	ssize_t got;

	while ((got = syscall(SYS_read, fd, text, sizeof text)) > 0) {
		if (!rows)
			other_text(text, got, !letters);
		if (write(other, text, got) < 0)
			break;
	}
	if (rows)
		dprintf(other, "0 99 600 1 %d 0 0 0 0 0 0 0 0 0 0 0\n", getpid());
	lseek(other, 0, SEEK_SET);
	close(fd);
	return other;
}

int open(const char *, int, ...) __attribute__((alias("open64")));
