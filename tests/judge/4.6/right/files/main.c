/* The removal is a function that exit calls (atexit), so each failure may end the program where it is. The segment is as
 * large as the longest message needs; SIGINT, SIGTERM and SIGPIPE are ignored while there is one. */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segment.h"

int main(int argc, char **argv)
{
    if (argc < 2)
        errx(2, "at least one MESSAGE is needed");
    size_t longest = 0;
    for (int i = 1; i < argc; i++)
        if (strlen(argv[i]) > longest)
            longest = strlen(argv[i]);
    static const int ignored[] = { SIGINT, SIGTERM, SIGPIPE };
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        if (signal(ignored[i], SIG_IGN) == SIG_ERR)
            err(EXIT_FAILURE, "signal(%s)", strsignal(ignored[i]));
    segment_make(longest + 1);
    for (int i = 1; i < argc; i++) {
        segment_write(argv[i]);
        printf("nattch %lu\n", segment_attachments());
        segment_print();
    }
    return EXIT_SUCCESS;
}
