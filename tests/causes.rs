//! The sentences of `lab trace` are the cause in this case, and not in another one: for each kind a
//! program that shows it, and one that looks alike and gets another sentence.

mod common;
use std::path::Path;

use common::foreign::{events, foreign, kind, text, trace_of, traced};
use common::{bin, can_explore, run};
use regex::Regex;

/// A program of tests/foreign/causes, its case, and per call or event that has a sentence: the call's
/// name (or the event) and what must be said there, in this order. Between them others may stand.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const OBJECTS: &[Case] = &[
    (
        "objects",
        "larger",
        &[
            ("shmget", r"^segment # has # bytes, # were asked for; child \d+ made it$"),
            ("shmget", r"^segment # has this key already, made by child \d+; IPC_EXCL asks"),
        ],
    ),
    (
        "objects",
        "no size",
        &[
            ("shmget", "^the size is 0: a new segment"),
            ("shmget", "bytes are more than shmmax"),
            ("semget", "^nsems is 0: a new set"),
            ("semget", "^a set cannot have -1 semaphores"),
        ],
    ),
    (
        "objects",
        "more semaphores",
        &[("semget", r"^set # has 2 semaphores, 3 were asked for; child \d+ made it$")],
    ),
    (
        "objects",
        "removed",
        &[
            (
                "shmget",
                r"^no segment has this key any more: child \d+ removed segment #, which had",
            ),
            ("shmat", r"^segment # does not exist any more: child \d+ removed it$"),
            ("shmctl", r"^segment # does not exist any more: child \d+ removed it$"),
            ("msgget", r"^no queue has this key any more: child \d+ removed queue #, which had"),
            ("msgrcv", r"^queue # does not exist any more: child \d+ removed it$"),
            ("semtimedop", r"^set # does not exist any more: child \d+ removed it$"),
        ],
    ),
    (
        "objects",
        "never",
        &[
            ("shmget", "^no segment has this key, and IPC_CREAT was not given$"),
            ("shmat", "^no segment has the id 77$"),
            ("msgctl", "^no queue has the id 78$"),
            ("semtimedop", "^no set has the id 79$"),
        ],
    ),
    (
        "objects",
        "meanwhile",
        &[("semtimedop", r"^causes-objects \d+ removed set # while the call w")],
    ),
    (
        "objects",
        "key as id",
        &[("shmctl", "^61455 is the key 0xf00f, not an id; the segment with")],
    ),
    (
        "objects",
        "id as key",
        &[
            ("shmget", "^no segment has the key 0x2; 2 is the id of one, and shmget takes a key$"),
            ("shmctl", "^3 is the id of a queue, not of a segment$"),
        ],
    ),
    (
        "objects",
        "passed on",
        &[
            ("shmat", r"^-1 is the answer of the shmget that failed \(ENOENT\)$"),
            ("msgctl", r"^-1 is the answer of the msgget that failed \(ENOENT\)$"),
            ("semtimedop", r"^-1 is the answer of the semget that failed \(ENOENT\)$"),
        ],
    ),
    (
        "objects",
        "no id",
        &[("shmat", "^-1 is no id: shmget answers 0 or more$"), ("shmat", "^-5 is no id")],
    ),
];

const KEYS: &[Case] = &[
    (
        "keys",
        "ftok fails",
        &[
            ("shmget", r#"^key 0xffffffff is -1, .* \(the last file .*: "no/such/file", ENOENT\)"#),
            ("shmget", "^a new segment, .*; key 0xffffffff is -1"),
        ],
    ),
    (
        "keys",
        "ftok is refused",
        &[
            ("shmget", r#"what ftok answers .*: "keys/below/a/file/that/is/none", ENOENT\)"#),
            ("shmget", r#"what ftok answers when it fails .*: "/dev/null/below", ENOTDIR\)"#),
        ],
    ),
    ("keys", "minus one", &[("shmget", "^key 0xffffffff is -1, what ftok answers when it fails")]),
    ("keys", "ftok", &[("shmget", "^a new segment, because none had this key$")]),
    (
        "keys",
        "private",
        &[
            ("shmget", "key 0 is IPC_PRIVATE: each call makes a new one"),
            ("msgget", "key 0 is IPC_PRIVATE: each call makes a new one"),
        ],
    ),
    (
        "keys",
        "decimal",
        &[
            ("shmget", "; 0232 looks like a mode in decimal: 666 for 0666$"),
            (
                "shmat",
                r"^segment # has mode 0232: its owner may only write, uid \d+ asks to read and ",
            ),
        ],
    ),
    (
        "keys",
        "read only",
        &[
            ("shmget", "^a new segment, because none had this key$"),
            ("shmat", r"^segment # has mode 0444: .* only read, uid \d+ asks to read and write$"),
            ("shmget", r"^segment # has mode 0444: .* only read, uid \d+ asks to read and write$"),
        ],
    ),
    ("keys", "octal", &[("shmget", "^a new segment, because"), ("shmat", "^attached read-write")]),
];

const ADDRESSES: &[Case] = &[
    ("addresses", "inside", &[("shmdt", "^16 bytes into shmid #, which is attached at 0x")]),
    ("addresses", "behind", &[("shmdt", "^no segment is attached here: shmid #, .* ends here$")]),
    ("addresses", "twice", &[("shmdt", "shmdt has detached it already$")]),
    (
        "addresses",
        "moved",
        &[
            ("shmdt", "^shmid # was moved from here by mremap: it is at 0x"),
            ("shmdt", "^the last detach of a removed segment: now it is destroyed$"),
        ],
    ),
    (
        "addresses",
        "half",
        &[
            ("shmdt", "^4096 bytes into shmid #, which is attached at 0x"),
            ("shmdt", "^the last detach of a removed segment: now it is destroyed$"),
        ],
    ),
    ("addresses", "unmapped", &[("shmdt", "and munmap has taken it away$")]),
    ("addresses", "null", &[("shmdt", "^NULL is no address"), ("shmdt", "^-1 is no address: it")]),
    (
        "addresses",
        "failed",
        &[
            ("shmat", "^shmid # is mapped there; SHM_REMAP would replace it$"),
            ("shmdt", r"^-1 is the answer of the shmat that failed \(EINVAL\)$"),
        ],
    ),
    (
        "addresses",
        "odd",
        &[
            ("shmat", "is not the start of a page; SHM_RND"),
            ("shmat", "^SHM_REMAP needs an address$"),
            ("shmat", "is not in the part of the addresses that a process has$"),
        ],
    ),
    ("addresses", "rounded", &[("shmat", r"the address it asked for, rounded down \(SHM_RND\)")]),
    ("addresses", "store", &[("signal", "^shmid # is attached read-only at 0x")]),
    ("addresses", "after shmdt", &[("signal", "was in shmid #, which shmdt has detached$")]),
    ("addresses", "past the end", &[("signal", "is 9 bytes behind the last page of shmid #$")]),
    (
        "addresses",
        "minus one",
        &[("signal", "^0xf{16} is -1, the answer of the shmat that failed")],
    ),
    (
        "addresses",
        "minus one and more",
        &[(
            "signal",
            "^0xc is NULL and 12 bytes, or 13 bytes after -1, the answer of the shmat that fai",
        )],
    ),
    ("addresses", "pointer null", &[("signal", "^0xc is NULL and 12 bytes$")]),
];

const QUEUES: &[Case] = &[
    (
        "queues",
        "send",
        &[
            ("msgsnd", "^the type is 0: that of a message is 1 or more$"),
            ("msgsnd", "^65536 bytes are more than msgmax, "),
            ("msgsnd", "^msgsz is -1: a length is 0 or more$"),
            ("msgsnd", r"^the queue is full \(4 messages, 16000 bytes\); with IPC_NOWAIT"),
        ],
    ),
    (
        "queues",
        "receive",
        &[
            ("msgrcv", "^no message of type 5 is there; with IPC_NOWAIT"),
            ("msgrcv", "^no message of a type up to 5 is there"),
            ("msgrcv", "^msgsz is -1"),
            ("msgrcv", "^MSG_COPY needs IPC_NOWAIT, and no MSG_EXCEPT$"),
            ("msgrcv", "^the message is longer than 4 bytes"),
            ("msgrcv", "^an address that it was given is not in the memory"),
        ],
    ),
    (
        "queues",
        "control",
        &[
            ("msgctl", "^msgctl has no command 255$"),
            ("msgctl", "^uid -1 is no owner$"),
            ("semctl", "^semctl has no command 255$"),
            ("semctl", "^gid -1 is no owner$"),
            ("semctl", "^set # has no semaphore 5: it has 2, the last is 1$"),
            ("semctl", "^40000 is no value of a semaphore: 0 to 32767$"),
        ],
    ),
    (
        "queues",
        "operate",
        &[
            ("semtimedop", "^no operations were given: nsops is 0$"),
            ("semtimedop", "^1000 operations are more than semopm, "),
            ("semtimedop", "^the call would have to wait, and IPC_NOWAIT forbids it$"),
            ("semtimedop", "^one sem_num is too large: the set has 2 semaphores, the last is 1$"),
            ("semtimedop", "^a value would be above 32767"),
            ("semtimedop", "^the time limit is not a valid one$"),
            ("semtimedop", "^the call would have to wait longer than its limit"),
        ],
    ),
];

const MUTEXES: &[Case] = &[
    (
        "mutexes",
        "ended",
        &[(
            "futex",
            r"^sleeps for a mutex that child \d+ had locked, which has ended without unlocking it$",
        )],
    ),
    ("mutexes", "lives", &[("futex", r"^sleeps until causes-mutexes \d+ unlocks the mutex$")]),
    (
        "mutexes",
        "ends",
        &[
            ("futex", r"^sleeps until causes-mutexes \d+ unlocks the mutex$"),
            (
                "exit",
                r"^it had locked the mutex for which child \d+ sleeps, and has not unlocked it$",
            ),
        ],
    ),
    ("mutexes", "own", &[("futex", "^sleeps for a mutex that it has locked itself$")]),
    (
        "mutexes",
        "private",
        &[
            ("futex", "of this process wakes it; the word is in shmid #, but PRIVATE"),
            ("futex", "^wakes threads .*; there were none; the word is in shmid #, but PRIVATE"),
        ],
    ),
];

/// The same, in memory of mmap.
const MAPPED: &[Case] = &[(
    "mutexes",
    "mapped",
    &[("futex", "of this process wakes it; the word is in shared memory, but PRIVATE")],
)];

const TARGETS: &[Case] = &[
    (
        "targets",
        "epoll",
        &[("kill", "^its target was in epoll_p?wait: the signal interrupts that$")],
    ),
    ("targets", "runs", &[("kill", "^its target did not wait")]),
    (
        "targets",
        "waits",
        &[
            ("kill", "^its target was in pause: the signal interrupts that$"),
            ("pause", "^it slept until a signal with a handler came; the program gets EINTR$"),
            ("kill", "^it kills its target: no handler can catch it$"),
        ],
    ),
    ("targets", "blocks", &[("kill", "^its target blocks it: it stays pending")]),
    ("targets", "takes", &[("kill", "^its target was in sigtimedwait, which takes the signal$")]),
    (
        "targets",
        "ignores",
        &[
            ("kill", "^its target ignores it: nothing happens$"),
            ("pause", "^SIGUSR1 is ignored: pause goes on waiting$"),
        ],
    ),
    (
        "targets",
        "dies",
        &[
            ("kill", "^its target has no handler for it: the signal kills it$"),
            ("pause", "^SIGUSR1 has no handler and kills the process: pause does not return$"),
            ("signal", "^no handler was installed so far: it kills the process$"),
        ],
    ),
    ("targets", "stops", &[("kill", "^it stops its target, until SIGCONT$")]),
    ("targets", "ends", &[("kill", "^its target has ended, and was not waited for")]),
    ("targets", "group", &[("kill", r"^a negative pid: each process of the process group \d+$")]),
    (
        "targets",
        "resets",
        &[("signal", r"^its handler was replaced by the default action \(SIG_DFL")],
    ),
    ("targets", "once", &[("signal", r"^its handler was for one signal only \(SA_RESETHAND\)")]),
    ("targets", "exec", &[("signal", "^it had a handler; exec has set the default action again")]),
    ("targets", "itself", &[("tgkill", "^sent to itself"), ("kill", "^sent to itself")]),
    (
        "targets",
        "nobody",
        &[
            ("kill", r"^child \d+ has ended: no process has this pid any more$"),
            ("kill", "^no process has this pid$"),
            ("kill", "^no process is in the process group 2147483632$"),
            ("kill", "^there is no signal 77: 1 to 64$"),
            ("wait4", r"^child \d+ has ended: it is no child to wait for any more$"),
            ("wait4", "^this process has no child that was not waited for$"),
            ("wait4", "^no child is left: SIGCHLD is ignored"),
            ("kill", "^pid -1: each process that it may send signals to$"),
            ("kill", "^pid 0: each process of the sender's own process group$"),
        ],
    ),
    ("targets", "restart", &[("wait4", r"; then wait4 goes on waiting \(SA_RESTART\)$")]),
    ("targets", "no restart", &[("wait4", "; then wait4 answers -1, EINTR$")]),
];

/// What is said of one run: at which call or event, and the sentence.
fn said(program: &str, case: &str) -> Vec<(String, String)> {
    let program = foreign(&format!("causes/{program}"));
    let run = traced(run(&program).args(&[case]), &["--json"]).go();
    assert!(run.left.is_empty(), "{case}: {run:#?}");
    let place = |event: &serde_json::Value| match kind(event) {
        "call" | "enter" => text(&event["call"], "name").to_string(),
        other => other.to_string(),
    };
    let events = events(&trace_of(&run));
    let noted = events.iter().filter(|event| event["note"].is_object());
    noted.map(|event| (place(event), text(&event["note"], "text").to_string())).collect()
}

/// A pattern, in which # is any number.
fn pattern(text: &str) -> Regex {
    Regex::new(&text.replace('#', r"\d+")).expect("a pattern")
}

fn hold(cases: &[Case]) {
    for (program, case, expected) in cases {
        let said = said(program, case);
        let mut rest = said.iter();
        for (place, words) in *expected {
            let pattern = pattern(words);
            let found = rest.any(|(at, text)| at == place && pattern.is_match(text));
            assert!(found, "{program} {case}: {place} does not say {words}: {said:#?}");
        }
    }
}

#[test]
fn of_objects() {
    hold(OBJECTS);
}

/// Who made an object before the trace began is said by its pid, or by its user.
#[test]
fn of_objects_of_others() {
    let (program, lab) = (foreign("causes/objects").display().to_string(), bin("lab"));
    let script = format!(
        "{program} make; {} trace --json -o trace -- {program} use; {program} unmake",
        lab.display()
    );
    let run = run(Path::new("sh")).args(&["-c", &script]).go().clean();
    let trace = trace_of(&run);
    for words in [
        r"segment \d+ has 64 bytes, 128 were asked for; process \d+ \(not watched\) made it",
        r"set \d+ has 1 semaphore, 2 were asked for; another program \(uid \d+\) made it",
    ] {
        assert!(pattern(words).is_match(&trace), "{words}: {trace}");
    }
}

#[test]
fn of_keys_and_modes() {
    hold(KEYS);
}

#[test]
fn of_addresses() {
    hold(ADDRESSES);
}

#[test]
fn of_queues_and_sets() {
    hold(QUEUES);
}

#[test]
fn of_mutexes() {
    hold(MUTEXES);
    hold(MAPPED);
    // A lock that others share is not taken for a private one.
    for case in ["ended", "lives", "own"] {
        let said = said("mutexes", case);
        assert!(!said.iter().any(|(_, text)| text.contains("PRIVATE, ")), "{case}: {said:#?}");
        assert!(!said.iter().any(|(_, text)| text.contains("but PRIVATE")), "{case}: {said:#?}");
    }
    // The kernel wakes who sleeps for a robust one, and it is nobody's any more.
    let robust = said("mutexes", "robust");
    assert!(!robust.iter().any(|(_, text)| text.contains("mutex")), "{robust:#?}");
}

#[test]
fn of_signals() {
    hold(TARGETS);
}

/// Whoever dies of its own reset handler was not too early.
#[test]
fn a_handler_that_was_there_is_not_missed() {
    for case in ["resets", "once", "exec"] {
        let said = said("targets", case);
        let early = ["so far", "before its handler"];
        let said_early =
            said.iter().any(|(_, text)| early.iter().any(|words| text.contains(words)));
        assert!(!said_early, "{case}: {said:#?}");
    }
    for case in ["dies", "group"] {
        let said = said("targets", case);
        assert!(!said.iter().any(|(_, text)| text.contains("default action")), "{case}: {said:#?}");
    }
}

/// `lab explore` has the same causes: what it says, and what it must not.
#[cfg(target_arch = "x86_64")]
#[test]
fn explore_names_them_too() {
    if !can_explore("the words of lab explore") {
        return;
    }
    let program = foreign("causes/explored").display().to_string();
    for (case, is, is_not) in [
        ("reset", "killed by SIGUSR1, after its handler", "before its handler"),
        ("once", "SIGUSR1 from a: no handler: it ends", "before its handler"),
        ("merged", "they become one", "before sigsuspend"),
        ("group", "process group 30000, which is none of this program's", "pid -30000"),
        ("late", "killed by SIGUSR1, before its handler", "after its handler"),
        ("parent", "to pid 0, the answer of getppid", "its whole process group"),
        ("semop", "sleeps in semop", "sleeps in semtimedop"),
    ] {
        let explored = run(&bin("lab")).args(&["explore", "--", &program, case]).go();
        let text = explored.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(explored.code == 1 && text.contains(is), "{case}: {explored:#?}");
        assert!(!text.contains(is_not), "{case}: {explored:#?}");
    }
}
