/* Objects that are too small, were removed, or never were. */
#include "../common.h"

static struct sembuf take = {0, -1, 0};

static void children_work(void (*work)(int), int id)
{
    pid_t child = fork();
    if (child == 0) {
        work(id);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static void remove_segment(int id) { shmctl(id, IPC_RMID, NULL); }
static void remove_queue(int id) { msgctl(id, IPC_RMID, NULL); }
static void remove_set(int id) { semctl(id, 0, IPC_RMID); }
static void make_segment(int size) { shmget(0x51, size, IPC_CREAT | 0600); }
static void make_set(int count) { semget(0x53, count, IPC_CREAT | 0600); }

int main(int argc, char **argv)
{
    char text[64] = {1};
    struct msqid_ds ds;
    int all[7], id;
    (void)argc;
    if (is(argv, "make")) {
        make_segment(64);
        make_set(1);
    } else if (is(argv, "use")) {
        shmget(0x51, 128, 0600);
        semget(0x53, 2, 0600);
    } else if (is(argv, "unmake")) {
        remove_segment(shmget(0x51, 1, 0600));
        remove_set(semget(0x53, 1, 0600));
    } else if (is(argv, "larger")) {
        children_work(make_segment, 64);
        shmget(0x51, 128, 0600);
        shmget(0x51, 128, IPC_CREAT | IPC_EXCL | 0600);
        remove_segment(shmget(0x51, 1, 0600));
    } else if (is(argv, "no size")) {
        shmget(0x51, 0, IPC_CREAT | 0600);
        shmget(IPC_PRIVATE, -1, 0600);
        semget(0x53, 0, IPC_CREAT | 0600);
        semget(0x53, -1, IPC_CREAT | 0600);
    } else if (is(argv, "more semaphores")) {
        children_work(make_set, 2);
        semget(0x53, 3, 0600);
        remove_set(semget(0x53, 0, 0600));
    } else if (is(argv, "removed")) {
        id = shmget(0x51, 64, IPC_CREAT | 0600);
        children_work(remove_segment, id);
        shmget(0x51, 64, 0600);
        shmat(id, NULL, 0);
        shmctl(id, IPC_STAT, NULL);
        id = msgget(0x52, IPC_CREAT | 0600);
        children_work(remove_queue, id);
        msgget(0x52, 0600);
        msgrcv(id, text, 8, 0, 0);
        id = semget(0x53, 1, IPC_CREAT | 0600);
        children_work(remove_set, id);
        semop(id, &take, 1);
    } else if (is(argv, "never")) {
        shmget(0x51, 64, 0600);
        shmat(77, NULL, 0);
        msgctl(78, IPC_STAT, &ds);
        semop(79, &take, 1);
    } else if (is(argv, "meanwhile")) {
        id = semget(IPC_PRIVATE, 1, 0600);
        pid_t child = fork();
        if (child == 0) {
            semop(id, &take, 1);
            _exit(0);
        }
        until_in(child, SYS_semtimedop);
        remove_set(id);
        waitpid(child, NULL, 0);
    } else if (is(argv, "key as id")) {
        id = shmget(0xf00f, 64, IPC_CREAT | 0600);
        shmctl(0xf00f, IPC_RMID, NULL);
        remove_segment(id);
    } else if (is(argv, "id as key")) {
        for (int i = 0; i < 3; i++)
            all[i] = shmget(IPC_PRIVATE, 64, 0600);
        for (int i = 3; i < 7; i++)
            all[i] = msgget(IPC_PRIVATE, 0600);
        shmget(all[2], 64, 0600);
        remove_segment(all[2]);
        shmctl(all[6], IPC_RMID, NULL);
        for (int i = 0; i < 2; i++)
            remove_segment(all[i]);
        for (int i = 3; i < 7; i++)
            remove_queue(all[i]);
    } else if (is(argv, "passed on")) {
        id = shmget(0x51, 64, 0600);
        shmat(id, NULL, 0);
        msgctl(msgget(0x52, 0600), IPC_RMID, NULL);
        semop(semget(0x53, 1, 0600), &take, 1);
    } else if (is(argv, "no id")) {
        shmat(-1, NULL, 0);
        shmat(-5, NULL, 0);
    }
    return 0;
}
