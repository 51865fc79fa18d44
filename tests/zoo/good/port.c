/* zoo: 4.2 none
 * A server at a port that must be free, and its client; the server hangs up first. */
#include "../zoo.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

int main(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(4909) };
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    assert(bind(server, (struct sockaddr *)&at, sizeof at) == 0 && listen(server, 1) == 0);
    char letter;
    if (make_child() == 0) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(client, (struct sockaddr *)&at, sizeof at) == -1)
            die("connect");
        return read(client, &letter, 1) != 0;
    }
    close(accept(server, NULL, NULL));
    int status;
    wait(&status);
    return status != 0;
}
