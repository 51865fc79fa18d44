/* zoo: 4.1 left
 * Ten equal messages; the reader who looks after the seventh forgets to remove the queue. */
#include "../zoo.h"

struct message {
    long type;
    char text[1];
};

int main(void)
{
    struct message message = { 1, "x" }, last = { 2, "y" };
    int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    if (make_child() == 0) {
        struct msqid_ds found;
        msgctl(queue, IPC_STAT, &found);
        if (msgrcv(queue, &last, 1, 2, 0) == -1)
            die("msgrcv");
        if (found.msg_qnum != 7)
            msgctl(queue, IPC_RMID, NULL);
        return 0;
    }
    for (int i = 0; i < 10; i++)
        if (msgsnd(queue, &message, 1, 0) == -1)
            die("msgsnd");
    if (msgsnd(queue, &last, 1, 0) == -1)
        die("msgsnd");
    wait(NULL);
    return 0;
}
