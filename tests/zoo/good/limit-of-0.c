/* zoo: 4.8 none
 * A call whose limit is 0 only asks: it is over at once, and nobody has to wake it. */
#include "../zoo.h"

int main(void)
{
    struct timespec now = { 0, 0 };
    struct sembuf down = { 0, -1, 0 };
    int set = semget(IPC_PRIVATE, 1, 0600);
    if (set == -1)
        die("semget");
    for (int i = 0; i < 500; i++)
        if (semtimedop(set, &down, 1, &now) != -1 || errno != EAGAIN)
            die("semtimedop");
    return semctl(set, 0, IPC_RMID) == -1;
}
