/* zoo: 4.8 deadlock
 * The limit is set at the end that sends, and the receiver sleeps without one. */
#include "../zoo.h"
#include <sys/socket.h>

int main(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == -1)
        die("socketpair");
    struct timeval limit = { 1, 0 };
    if (setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == -1)
        die("setsockopt");
    char letter;
    return recv(ends[0], &letter, 1, 0) != 1;
}
