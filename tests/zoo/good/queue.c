/* zoo: 4.10 none
 * A message queue with a type for each direction. */
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
        msgrcv(queue, &message, sizeof message.text, 1, 0);
        message.type = 2;
        msgsnd(queue, &message, sizeof message.text, 0);
        return 0;
    }
    msgsnd(queue, &message, sizeof message.text, 0);
    msgrcv(queue, &message, sizeof message.text, 2, 0);
    wait(NULL);
    msgctl(queue, IPC_RMID, NULL);
    return 0;
}
