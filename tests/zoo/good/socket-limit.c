/* zoo: 4.8 none
 * Nothing is ever sent: the receiver's limit ends its wait. */
#include "../zoo.h"
#include <sys/socket.h>

int main(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == -1)
        die("socketpair");
    struct timeval limit = { 2, 500000 }, is;
    socklen_t size = sizeof is;
    assert(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    assert(getsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &is, &size) == 0);
    assert(size == sizeof is && is.tv_sec == 2 && is.tv_usec == 500000);
    time_t before = time(NULL);
    char letter;
    assert(recv(ends[0], &letter, 1, 0) == -1 && errno == EAGAIN);
    assert(read(ends[0], &letter, 1) == -1 && errno == EAGAIN);
    assert(time(NULL) >= before + 5);
    return 0;
}
