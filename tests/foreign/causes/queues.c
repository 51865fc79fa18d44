/* Messages and semaphores that the kernel refuses, though queue and set are there. */
#include "../common.h"

int main(int argc, char **argv)
{
    static char message[70000] = {1};
    struct msqid_ds ds;
    struct semid_ds semaphores;
    static struct sembuf many[1000] = {{0, 1, 0}};
    struct sembuf take = {0, -1, IPC_NOWAIT}, wait = {0, -1, 0}, far = {7, 1, 0}, high = {0, 32767, 0};
    struct timespec bad = {0, -1}, little = {0, 1000};
    int q = msgget(IPC_PRIVATE, 0600), s = semget(IPC_PRIVATE, 2, 0600);
    (void)argc;
    if (is(argv, "send")) {
        message[0] = 0;
        msgsnd(q, message, 1, 0);
        message[0] = 1;
        msgsnd(q, message, 65536, 0);
        msgsnd(q, message, -1, 0);
        while (msgsnd(q, message, 4000, IPC_NOWAIT) == 0)
            ;
    } else if (is(argv, "receive")) {
        msgrcv(q, message, 8, 5, IPC_NOWAIT);
        msgrcv(q, message, 8, -5, IPC_NOWAIT);
        msgrcv(q, message, -1, 0, 0);
        msgrcv(q, message, 8, 0, 040000);
        msgsnd(q, message, 8, 0);
        msgrcv(q, message, 4, 0, 0);
        msgrcv(q, (void *)8, 8, 0, 0);
    } else if (is(argv, "control")) {
        msgctl(q, 0xff, NULL);
        msgctl(q, IPC_STAT, &ds);
        ds.msg_perm.uid = -1;
        msgctl(q, IPC_SET, &ds);
        syscall(SYS_semctl, s, 0, 0xff, 0);
        semctl(s, 0, IPC_STAT, &semaphores);
        semaphores.sem_perm.gid = -1;
        semctl(s, 0, IPC_SET, &semaphores);
        semctl(s, 5, GETVAL);
        semctl(s, 0, SETVAL, 40000);
    } else if (is(argv, "operate")) {
        semop(s, many, 0);
        semop(s, many, 1000);
        semop(s, &take, 1);
        semop(s, &far, 1);
        semop(s, &high, 1);
        semop(s, &high, 1);
        semctl(s, 0, SETVAL, 0);
        semtimedop(s, &wait, 1, &bad);
        semtimedop(s, &wait, 1, &little);
    }
    msgctl(q, IPC_RMID, NULL);
    semctl(s, 0, IPC_RMID);
    return 0;
}
