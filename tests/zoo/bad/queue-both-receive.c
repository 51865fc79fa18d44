/* zoo: 4.10 deadlock
 * Two take from one queue, and each would answer first. */
#include "../zoo.h"

struct message {
    long type;
    char text[8];
};

int main(void)
{
    int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    struct message message = { 1, "hello" };
    if (make_child() == 0) {
        msgrcv(queue, &message, sizeof message.text, 0, 0);
        msgsnd(queue, &message, sizeof message.text, 0);
        return 0;
    }
    msgsnd(queue, &message, sizeof message.text, 0);
    msgrcv(queue, &message, sizeof message.text, 0, 0);
    wait(NULL);
    msgctl(queue, IPC_RMID, NULL);
    return 0;
}
