//! Processes and threads: their births, what they become, how they are waited for, their ends.

use super::args::As::*;
use super::cells::*;
use super::notes::{self, Sentence, say};

const BORN: &[Touch] = &[Touch::Pids, Touch::Attached];
const WAIT: Sentence = say("sleeps until a child has ended", "4.8");

rows! {
    #[cfg(target_arch = "x86_64")]
    SYS_fork fork() {
        shown: Shown::Always,
        sleep: Sleep::Child,
        wakes: Wakes::Child(CloneFlags::None),
        touches: BORN,
    }
    #[cfg(target_arch = "x86_64")]
    SYS_vfork vfork() {
        shown: Shown::Always,
        sleep: Sleep::Child,
        wakes: Wakes::Child(CloneFlags::Vfork),
        touches: BORN,
    }
    #[cfg(target_arch = "x86_64")]
    SYS_clone clone(flags CloneBits, child_stack Pointer, parent_tid Pointer, child_tid Pointer, tls Pointer) {
        shown: Shown::Always,
        sleep: Sleep::Child,
        wakes: Wakes::Child(CloneFlags::First),
        touches: BORN,
    }
    #[cfg(not(target_arch = "x86_64"))]
    SYS_clone clone(flags CloneBits, child_stack Pointer, parent_tid Pointer, tls Pointer, child_tid Pointer) {
        shown: Shown::Always,
        sleep: Sleep::Child,
        wakes: Wakes::Child(CloneFlags::First),
        touches: BORN,
    }
    SYS_clone3 clone3(cl_args CloneArgs, size Size) {
        shown: Shown::Always,
        sleep: Sleep::Child,
        wakes: Wakes::Child(CloneFlags::Record),
        touches: BORN,
    }

    SYS_execve execve(pathname Path, argv Strings, envp Pointer) {
        shown: Shown::Always,
        changes: Changes::Program,
        touches: &[Touch::Descriptors, Touch::Attached],
    }
    SYS_execveat execveat(dirfd Folder, pathname Path, argv Strings, envp Pointer, flags AtFlags) {
        shown: Shown::Always,
        changes: Changes::Program,
        touches: &[Touch::Descriptors, Touch::Attached],
    }

    SYS_wait4 wait4(pid Int, wstatus OutStatus, options WaitOptions, rusage Pointer) {
        shown: Shown::Always,
        sleep: Sleep::Yes,
        touches: &[Touch::Children],
        explain: notes::waited,
        asleep: Some(WAIT),
    }
    SYS_waitid waitid(idtype IdType, id Int, info OutInfo, options WaitOptions, rusage Pointer) {
        shown: Shown::Always,
        sleep: Sleep::Yes,
        touches: &[Touch::Children],
        explain: notes::waited,
        asleep: Some(WAIT),
    }

    SYS_exit exit(status Int) {
        touches: &[],
        changes: Changes::Thread,
    }
    SYS_exit_group exit_group(status Int) {
        touches: &[],
        changes: Changes::Process,
    }

    SYS_unshare unshare(flags Namespaces) {
        shown: Shown::Always,
        point: Point::Passes,
        changes: Changes::Namespace,
        explain: notes::unshare,
    }
    SYS_setns setns(fd Int, nstype Namespaces) {
        shown: Shown::Always,
        point: Point::Passes,
        changes: Changes::Namespace,
    }
    SYS_prctl prctl(op Int, arg Hex) {
        point: Point::Passes,
        changes: Changes::ParentDeath,
    }
    SYS_setsid setsid() {
        point: Point::Passes,
        changes: Changes::Group,
    }
    SYS_setpgid setpgid(pid Int, pgid Int) {
        point: Point::Passes,
        changes: Changes::GroupOf,
    }
    SYS_pidfd_open pidfd_open(pid Int, flags Hex) { point: Point::Passes }
    SYS_getpid getpid() { point: Point::Passes }
    SYS_set_tid_address set_tid_address(tidptr Hex) {
        point: Point::Passes,
        changes: Changes::KeepsNumber,
    }
    SYS_gettid gettid() { point: Point::Passes }
    SYS_getppid getppid() { touches: &[Touch::Parent] }
    SYS_sched_yield sched_yield() { touches: &[] }
    // Made by the kernel, in place of a sleep that a stop signal interrupted.
    SYS_restart_syscall restart_syscall() {
        shown: Shown::Always,
        sleep: Sleep::Yes,
    }
}
