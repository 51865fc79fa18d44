/* A message queue between two processes, with every byte that a string literal must escape. */
#include "common.h"

struct letter {
    long type;
    char text[64];
};

int main(void)
{
    struct letter letter = {7, "quote \" back \\ tab \t \1" "2 \0 \377"};
    struct msqid_ds ds;
    int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    msgsnd(id, &letter, 30, 0);
    letter.type = 3;
    msgsnd(id, &letter, sizeof letter.text, IPC_NOWAIT);
    msgctl(id, IPC_STAT, &ds);
    if (fork() == 0) {
        msgrcv(id, &letter, sizeof letter.text, 3, 0);
        msgrcv(id, &letter, 4, 0, MSG_NOERROR);
        msgrcv(id, &letter, 4, -2, IPC_NOWAIT);         /* ENOMSG */
        msgrcv(id, &letter, 4, 2, MSG_EXCEPT | IPC_NOWAIT);
        _exit(0);
    }
    wait(NULL);
    ds.msg_qbytes = 200;
    msgctl(id, IPC_SET, &ds);
    msgctl(id, IPC_RMID, NULL);
    return msgget(0x99, 0) == -1 ? 0 : 1;               /* ENOENT */
}
