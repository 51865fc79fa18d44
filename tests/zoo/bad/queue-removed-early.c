/* zoo: 4.1 dead_id
 * The parent removes the queue before the child has sent its message. */
#include "../zoo.h"

int main(void)
{
    int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    if (make_child() == 0) {
        struct { long type; char text[8]; } message = { 1, "hello" };
        msgsnd(id, &message, sizeof message.text, 0);
        _exit(0);
    }
    msgctl(id, IPC_RMID, NULL);
    wait(NULL);
    return 0;
}
