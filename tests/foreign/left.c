/* Leaves one of each kind behind. */
#include "common.h"

int main(void)
{
    struct {
        long type;
        char text[5];
    } letter = {1, "left"};
    int queue = msgget(0x5001, IPC_CREAT | 0600);
    msgsnd(queue, &letter, 5, 0);
    semget(0x5002, 3, IPC_CREAT | 0600);
    shmget(0x5003, 128, IPC_CREAT | 0600);
    return 5;
}
