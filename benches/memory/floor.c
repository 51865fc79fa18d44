/* What one access to closed memory costs at least: the bare loop of a tracer that lets each store raise SIGSEGV, reads
 * the registers, makes the store in memory of its own, and goes on behind it. ptrace(2) */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "batches.h"

int main(void)
{
    volatile int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        mprotect((void *)shared, 4096, PROT_NONE);
        print_fastest(shared);
        return 0;
    }
    int status;
    waitpid(child, &status, WUNTRACED);
    if (ptrace(PTRACE_SEIZE, child, NULL, NULL) == -1) {
        perror("ptrace");
        return 1;
    }
    kill(child, SIGCONT);
    while (waitpid(child, &status, __WALL) == child && WIFSTOPPED(status)) {
        if (WSTOPSIG(status) == SIGSEGV) {
            struct user_regs_struct registers;
            siginfo_t info;
            ptrace(PTRACE_GETSIGINFO, child, NULL, &info);
            ptrace(PTRACE_GETREGS, child, NULL, &registers);
            *shared = (int)registers.rax;
            /* mov %eax,(%rdi) has two bytes. */
            registers.rip += 2;
            ptrace(PTRACE_SETREGS, child, NULL, &registers);
        }
        ptrace(PTRACE_CONT, child, NULL, NULL);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
