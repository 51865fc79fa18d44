//! What helps: a sentence for each kind of cause, and where the workbook shows it.

use std::fmt;

use say::tell;
use screen::words::translated;

/// What helps against a finding, and which section of the workbook shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cure {
    pub what: &'static str,
    pub section: &'static str,
    /// A step of its lab and its note; 0: the section as a whole.
    pub step: u32,
}

impl fmt::Display for Cure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Cure { what, section, step } = self;
        let what = translated(what);
        f.write_str(&match step {
            0 => tell!("{what}: section {section}"),
            _ => tell!("{what}: section {section}, step {step}"),
        })
    }
}

const fn cure(what: &'static str, section: &'static str, step: u32) -> Cure {
    Cure { what, section, step }
}

pub const BLOCK: Cure = cure("block it before fork, wait in sigsuspend", "4.8", 9);
pub const BLOCK_IN_BOTH: Cure = cure(
    "block it before the other can know the pid, let it in only by ppoll or sigsuspend",
    "4.9",
    9,
);
pub const COUNT: Cure =
    cure("count in shared memory; a pending signal is one, however often it was sent", "4.8", 12);
pub const WAIT_FOR_ITS_END: Cure =
    cure("wait for the end of the other process, too: SIGCHLD, or its pidfd in ppoll", "4.9", 8);
pub const TRY_AGAIN: Cure =
    cure("a client that comes first tries again until the server is there", "4.9", 1);
pub const ANOTHER_THREAD: Cure =
    cure("wake a thread by a semaphore or a futex; a signal may go to any thread", "4.10", 7);
pub const POST_FIRST: Cure = cure("one of them must post before it waits", "4.10", 0);
pub const SAME_ORDER: Cure = cure("take the semaphores in the same order everywhere", "4.10", 0);
pub const POST_ALWAYS: Cure = cure(
    "post on every path to the end; with SEM_UNDO the kernel gives back what was taken",
    "4.10",
    0,
);
pub const TYPES: Cure = cure("give each receiver a message type of its own", "4.1", 3);
pub const CLOSE_ENDS: Cure =
    cure("close each end of a pipe that a process does not use, right after fork", "4.2", 3);
pub const PREDICATE: Cure = cure(
    "check and change the condition while holding the mutex, and check it before the wait",
    "4.10",
    0,
);
pub const NO_LOCK_IN_HANDLER: Cure =
    cure("take no lock in a handler: store to a flag, post a semaphore, or call write", "4.10", 0);
pub const TELL_FIRST: Cure = cure("one of them must wake the other before it waits", "4.8", 4);
pub const GO_ON: Cure =
    cure("a stopped process goes on with SIGCONT; wait with a limit, and say so", "4.9", 8);
pub const HANDLER_FIRST: Cure = cure("install the handler before fork", "4.8", 6);
pub const HANDLER_IN_BOTH: Cure =
    cure("install the handler before the other can know the pid", "4.9", 9);
pub const KEEP_HANDLER: Cure = cure(
    "keep the handler while a signal can come: SA_RESETHAND, or SIG_DFL, is for the last one only",
    "4.8",
    6,
);
pub const CHECK_SHMAT: Cure =
    cure("compare the result of shmat with (void *)-1 before it is used as an address", "4.5", 6);
pub const NOT_AFTER_SHMDT: Cure =
    cure("use no pointer into the segment after shmdt; attach the segment again", "4.6", 3);
pub const NOT_READ_ONLY: Cure = cure("attach without SHM_RDONLY in order to write", "4.5", 4);
pub const IN_THE_SEGMENT: Cure =
    cure("stay within the segment: nothing guards what follows its last page", "4.5", 2);
pub const MAPPED: Cure = cure("access only memory that is mapped, and for this access", "4.5", 2);
pub const ONE_STEP: Cure =
    cure("check and act in one call: IPC_CREAT|IPC_EXCL, or O_CREAT|O_EXCL", "4.4", 3);
pub const LET_IT_WAIT: Cure = cure(
    "let the one wait until the other has told it: block the signal, wait in sigsuspend",
    "4.8",
    9,
);
pub const CHECK_ANSWERS: Cure = cure("check the result of each call before it is used", "4.4", 2);
pub const ONE_REMOVES: Cure = cure("let one process remove it: the one that ends last", "4.7", 7);
pub const ATTACH_FIRST: Cure =
    cure("remove it when all have attached it: the memory stays until the last detach", "4.7", 4);
pub const REMOVE_QUEUE_LAST: Cure =
    cure("remove the queue when no process uses it any more", "4.1", 4);
pub const REMOVE_SET_LAST: Cure =
    cure("remove the semaphores when no process uses them any more", "4.2", 3);
pub const REMOVE: Cure =
    cure("remove it on every path; best as soon as all have attached it", "4.7", 4);
pub const CHECK_PID: Cure = cure(
    "check a pid before it gets a signal: above 0, alive, and a process that has the segment",
    "4.9",
    3,
);
pub const ORDER_ACCESSES: Cure =
    cure("let a semaphore, a lock or a message order the two", "4.2", 3);
pub const ONE_INSTRUCTION: Cure =
    cure("change it in one instruction (an atomic), or hold a semaphore meanwhile", "4.10", 0);
pub const FENCE: Cure = cure(
    "put a fence (mfence, or a locked instruction as xchg) between the store and the load after it",
    "4.10",
    0,
);
pub const SLEEP_FOR_A_TURN: Cure =
    cure("change a turn only when it is yours, and sleep while it is not", "4.10", 2);
