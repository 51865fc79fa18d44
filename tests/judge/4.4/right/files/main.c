/* Two files and a Makefile: an answer of the kernel is a value of an enum, and all three are printed by one write, when
 * the segment is gone. So no output can end the program while there is a segment. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <unistd.h>

#include "keyed.h"

static void expect(char *report, enum answer is, enum answer wanted, const char *word, int *failed)
{
    if (is == wanted) {
        strcat(strcat(report, word), "\n");
        return;
    }
    fprintf(stderr, "%s was expected, and did not come\n", word);
    *failed = 1;
}

static int experiment(key_t key, char *report)
{
    int id, other = -1, failed = 0;
    enum answer first = make_keyed(key, &id);
    if (first != MADE) {
        fprintf(stderr, first == EXISTS ? "another has a segment with this key\n" : "no segment\n");
        return 1;
    }
    expect(report, make_keyed(key, &other), EXISTS, "EEXIST", &failed);
    enum answer found = find_keyed(key, &other);
    expect(report, found == FOUND && other != id ? FAILED : found, FOUND, "same", &failed);
    if (remove_keyed(id) != 0)
        return 1;
    expect(report, find_keyed(key, &other), MISSING, "ENOENT", &failed);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FILE\n", argc ? argv[0] : "exercise");
        return 2;
    }
    key_t key = ftok(argv[1], 's');
    if (key == (key_t)-1) {
        perror(argv[1]);
        return 1;
    }
    sigset_t stops, before;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigprocmask(SIG_BLOCK, &stops, &before);
    char report[64] = "";
    int failed = experiment(key, report);
    sigprocmask(SIG_SETMASK, &before, NULL);
    size_t length = strlen(report);
    if (write(STDOUT_FILENO, report, length) != (ssize_t)length) {
        perror("write");
        return 1;
    }
    return failed;
}
