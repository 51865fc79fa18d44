/* Two processes that print: what they print, and in which order, is what the first argument says. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *memory;

static void say(const char *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) == -1)
        exit(3);
}

/* The child may read before anything is there. */
static int early(void)
{
    if (fork() == 0) {
        getppid();
        printf("child: %s\n", memory);
        return 0;
    }
    getppid();
    strcpy(memory, "a letter");
    wait(NULL);
    puts("parent");
    return 0;
}

/* It is there before the child is. */
static int late(void)
{
    strcpy(memory, "a letter");
    if (fork() == 0) {
        printf("child: %s\n", memory);
        return 0;
    }
    wait(NULL);
    puts("parent");
    return 0;
}

/* Each prints a line of its own; `equal`: the same line. */
static int both(int equal)
{
    if (fork() == 0) {
        say(equal ? "one\n" : "child\n");
        return 0;
    }
    say(equal ? "one\n" : "parent\n");
    wait(NULL);
    return 0;
}

/* To standard error: another stream. */
static int complains(void)
{
    if (fork() == 0) {
        fprintf(stderr, "%s|\n", memory);
        return 0;
    }
    getppid();
    strcpy(memory, "late");
    wait(NULL);
    return 0;
}

/* What is printed before fork, and not flushed, is printed twice. */
static int twice(void)
{
    printf("before\n");
    if (fork() == 0)
        return 0;
    wait(NULL);
    return 0;
}

/* Not the same in two runs: a chance. */
static int chance(void)
{
    int id = open("/proc/sys/kernel/random/uuid", O_RDONLY);
    char text[37] = "";
    if (read(id, text, 36) != 36)
        return 3;
    say(text);
    if (fork() == 0) {
        memory[0]++;
        return 0;
    }
    getppid();
    memory[0]++;
    wait(NULL);
    return 0;
}

/* When the segment was made: in seconds of the day, which are others in each run. */
static int when(int id)
{
    struct shmid_ds row;
    shmctl(id, IPC_STAT, &row);
    printf("%ld %d\n", (long)row.shm_ctime, getpid());
    return 0;
}

/* More than anybody wants to read. */
static int much(void)
{
    static char page[1 << 20];
    memset(page, 'x', sizeof page);
    for (int i = 0; i < 20; i++)
        if (write(STDOUT_FILENO, page, sizeof page) == -1)
            return 3;
    return 0;
}

int main(int count, char **words)
{
    int id = shmget(IPC_PRIVATE, 64, 0600);
    memory = shmat(id, NULL, 0);
    const char *what = count > 1 ? words[1] : "";
    if (strcmp(what, "when") == 0)
        when(id);
    shmctl(id, IPC_RMID, NULL);
    if (strcmp(what, "early") == 0)
        return early();
    if (strcmp(what, "late") == 0)
        return late();
    if (strcmp(what, "both") == 0)
        return both(0);
    if (strcmp(what, "equal") == 0)
        return both(1);
    if (strcmp(what, "complains") == 0)
        return complains();
    if (strcmp(what, "twice") == 0)
        return twice();
    if (strcmp(what, "chance") == 0)
        return chance();
    if (strcmp(what, "much") == 0)
        return much();
    return 0;
}
