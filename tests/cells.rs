//! What a lab says and does when one of its calls fails, and when a signal comes at one of its calls: two
//! tables, a cell for each place, and one judge for all of them.
//!
//! The places are those of a run that nobody disturbs, recorded each time: every system call of every thread
//! of every story, of both sides of 4.9 and 4.10, and of `sweep`, at up to six of its turns (the first three,
//! the middle, the last two). `make test` takes a share of them, the same each time; `make soak` takes up to
//! 300 of each part, and with EXPERIMENTS=1 some of each experiment. A cell that was not reached is counted as
//! that, and is no success. How it is done: tests/common/inject.rs; what is left out: notes/faults.md.
//!
//! For who works on one: SECTION=4.7 takes that part alone, CELL='…' (as a failure prints it) that cell, and
//! CELLS_LOG names a file to which failures are written at once.
#![cfg(target_arch = "x86_64")]

mod common;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::inject::{Disturbance, Ended, Peer, Place, Scene};
use common::{bin, in_one_thread, inject, lab, run, scrub, sections, this_test};
use libc::{c_int, c_long};
use nix::errno::Errno::{self, *};
use nix::sys::signal::Signal;
use sysv::tables::{Kind, table};

/// How a line may call a call; errors that its manual page names, and which are likely. A call without a row
/// fails the test.
const CALLS: &[(c_long, &str, &[Errno])] = &[
    (libc::SYS_brk, "brk", &[ENOMEM]),
    (libc::SYS_mmap, "mmap|posix_spawn|pthread_create|thread", &[ENOMEM]),
    (libc::SYS_mprotect, "mprotect|posix_spawn|pthread_create|thread", &[ENOMEM]),
    (libc::SYS_munmap, "munmap", &[ENOMEM]),
    (libc::SYS_madvise, "madvise", &[EINVAL]),
    (libc::SYS_mremap, "mremap", &[ENOMEM]),
    (libc::SYS_mincore, "mincore", &[EAGAIN]),
    (libc::SYS_read, "read", &[EIO, EINTR]),
    (libc::SYS_pread64, "pread|read", &[EIO]),
    (libc::SYS_write, "write|standard output", &[EIO, EINTR]),
    (libc::SYS_writev, "write|standard output", &[EIO]),
    (libc::SYS_close, "close", &[EIO]),
    (libc::SYS_lseek, "lseek", &[ESPIPE]),
    (libc::SYS_openat, "open|posix_spawn|a file of the lab's", &[EMFILE, EACCES]),
    (libc::SYS_open, "open", &[EMFILE]),
    (libc::SYS_statx, "statx?", &[ENOMEM, EACCES]),
    (libc::SYS_newfstatat, "f?stat|ftok", &[ENOMEM, EACCES]),
    (libc::SYS_fstat, "f?stat", &[EOVERFLOW]),
    (libc::SYS_getdents64, "getdents|read", &[EIO]),
    (libc::SYS_readlink, "readlink", &[ENOMEM]),
    // EROFS is an answer: then the folder is another one, and for all.
    (libc::SYS_mkdir, "mkdir|a file of the lab's", &[ENOSPC, EIO]),
    (libc::SYS_rename, "rename|a file of the lab's", &[ENOSPC, EIO]),
    (libc::SYS_unlink, "unlink|a file of the lab's", &[EACCES, EIO]),
    (libc::SYS_ftruncate, "ftruncate", &[ENOSPC]),
    (libc::SYS_fchmod, "fchmod", &[EPERM]),
    (libc::SYS_fcntl, "fcntl|dup", &[EMFILE]),
    (libc::SYS_flock, "flock", &[ENOLCK, EINTR]),
    (libc::SYS_ioctl, "ioctl|isatty", &[ENOTTY]),
    (libc::SYS_pipe2, "pipe2?|posix_spawn", &[EMFILE, ENFILE]),
    (libc::SYS_dup, "dup", &[EMFILE]),
    (libc::SYS_dup2, "dup2?|posix_spawn", &[EBUSY]),
    (libc::SYS_socket, "socket|getpwuid", &[EMFILE, EACCES]),
    (libc::SYS_connect, "connect|getpwuid", &[EACCES]),
    // Files of an experiment's own: named by what they are for.
    (libc::SYS_symlink, "symlink|a file of the lab's", &[ENOSPC]),
    (libc::SYS_link, "link|a file of the lab's", &[ENOSPC]),
    (libc::SYS_rmdir, "rmdir", &[EBUSY]),
    (libc::SYS_unlinkat, "unlinkat", &[EACCES]),
    (libc::SYS_chmod, "chmod|a file of the lab's", &[EPERM]),
    (libc::SYS_timer_create, "timer_create", &[EAGAIN]),
    (libc::SYS_timer_settime, "timer_settime", &[EINVAL]),
    (libc::SYS_timer_delete, "timer_delete", &[]),
    (libc::SYS_linkat, "link|a file of the lab's", &[ENOSPC]),
    (libc::SYS_mount, "mount", &[EPERM]),
    (libc::SYS_setitimer, "setitimer", &[EINVAL]),
    (libc::SYS_alarm, "alarm", &[]),
    (libc::SYS_mlock, "mlock", &[ENOMEM]),
    (libc::SYS_remap_file_pages, "remap_file_pages", &[EINVAL]),
    (libc::SYS_umask, "umask", &[]),
    // EACCES is an answer: then the folder is another user's.
    (libc::SYS_access, "access", &[EIO]),
    (libc::SYS_socketpair, "socketpair", &[EMFILE]),
    (libc::SYS_sendto, "send", &[ENOBUFS]),
    (libc::SYS_recvfrom, "recv", &[ENOMEM]),
    (libc::SYS_eventfd2, "eventfd", &[EMFILE]),
    (libc::SYS_memfd_create, "memfd_create", &[EMFILE]),
    (libc::SYS_poll, "poll", &[ENOMEM, EINTR]),
    (libc::SYS_ppoll, "p?poll", &[ENOMEM, EINTR, ENOSYS]),
    (libc::SYS_futex, "futex", &[EAGAIN, EINTR]),
    (libc::SYS_nanosleep, "nanosleep", &[EINTR]),
    (libc::SYS_clock_nanosleep, "nanosleep", &[EINTR]),
    (libc::SYS_clone, "fork|clone", &[EAGAIN, ENOMEM]),
    (libc::SYS_clone3, "pthread_create|thread|posix_spawn|ipcs", &[EAGAIN, ENOMEM]),
    (libc::SYS_vfork, "posix_spawn|ipcs", &[EAGAIN]),
    (libc::SYS_wait4, "waitpid", &[EINTR, ECHILD]),
    (libc::SYS_waitid, "waitid", &[EINTR]),
    (libc::SYS_kill, "kill", &[EPERM, ESRCH]),
    (libc::SYS_tgkill, "tgkill|pthread_kill|raise", &[EAGAIN]),
    (libc::SYS_pidfd_open, "pidfd_open", &[EMFILE, ENOSYS, ENOMEM]),
    (libc::SYS_pidfd_send_signal, "pidfd_send_signal", &[EPERM, ENOSYS]),
    (libc::SYS_rt_sigtimedwait, "sig(timed)?wait", &[EINTR]),
    (libc::SYS_rt_sigaction, "sigaction", &[EINVAL]),
    (libc::SYS_rt_sigprocmask, "sigprocmask|pthread_sigmask|posix_spawn", &[EINVAL]),
    (libc::SYS_rt_sigpending, "sigpending", &[EFAULT]),
    (libc::SYS_sigaltstack, "sigaltstack", &[ENOMEM]),
    (libc::SYS_prctl, "prctl", &[EINVAL, EPERM]),
    (libc::SYS_prlimit64, "getrlimit|setrlimit|prlimit", &[EPERM]),
    (libc::SYS_sched_getaffinity, "sched_getaffinity", &[EINVAL]),
    (libc::SYS_sched_setaffinity, "sched_setaffinity", &[EINVAL]),
    (libc::SYS_getrandom, "getrandom", &[EAGAIN]),
    (libc::SYS_getrusage, "getrusage", &[EFAULT]),
    (libc::SYS_clock_gettime, "clock_gettime", &[EINVAL]),
    (libc::SYS_membarrier, "membarrier", &[ENOSYS]),
    (libc::SYS_unshare, "unshare|IPC namespace", &[ENOSPC, EPERM]),
    (libc::SYS_setgroups, "setgroups|second user", &[EPERM]),
    (libc::SYS_setresuid, "setresuid|second user", &[EAGAIN]),
    (libc::SYS_setresgid, "setresgid|second user", &[EPERM]),
    (libc::SYS_shmget, "shmget", &[ENOSPC, ENOMEM, ENFILE, EEXIST]),
    (libc::SYS_shmat, "shmat", &[ENOMEM, EACCES, EIDRM]),
    (libc::SYS_shmdt, "shmdt", &[EINVAL]),
    (libc::SYS_shmctl, "shmctl", &[EPERM, EIDRM, EINVAL]),
    (libc::SYS_msgget, "msgget", &[ENOSPC, ENOMEM]),
    (libc::SYS_msgsnd, "msgsnd", &[ENOMEM, EIDRM, EINTR]),
    (libc::SYS_msgrcv, "msgrcv", &[EIDRM, E2BIG, EINTR]),
    (libc::SYS_msgctl, "msgctl", &[EPERM, EIDRM]),
    (libc::SYS_semget, "semget", &[ENOSPC, ENOMEM]),
    (libc::SYS_semop, "semop", &[EIDRM, EFBIG]),
    (libc::SYS_semtimedop, "semop", &[EIDRM, EFBIG, EINTR]),
    (libc::SYS_semctl, "semctl", &[EPERM, EIDRM]),
    (libc::SYS_mq_open, "mq_open", &[EMFILE]),
    (libc::SYS_mq_unlink, "mq_unlink", &[EACCES]),
    (libc::SYS_mq_timedsend, "mq_", &[EINTR]),
    (libc::SYS_mq_timedreceive, "mq_", &[EINTR]),
    (libc::SYS_mq_getsetattr, "mq_", &[EBADF]),
];

fn name(call: c_long) -> (&'static str, &'static [Errno]) {
    let row = CALLS.iter().find(|row| row.0 == call);
    row.map(|row| (row.1, row.2)).unwrap_or_else(|| panic!("call {call} needs a row in CALLS"))
}

/// Signals whose default, or what a lab does, is to go on.
const HARMLESS: [Signal; 3] = [Signal::SIGCHLD, Signal::SIGWINCH, Signal::SIGPIPE];
const STOPS: [Signal; 1] = [Signal::SIGSTOP];
const ENDS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
/// Those that end a program at once where it has no handler: it cannot clean up, and `sweep` can.
const HARD: [Signal; 2] = [Signal::SIGQUIT, Signal::SIGVTALRM];

/// What is run: a lab's story, one of its experiments, a side of two, sweep.
#[derive(Clone)]
struct Part {
    name: String,
    words: Vec<String>,
    input: String,
    peer: Option<Peer>,
    sweep: bool,
}

fn parts(experiments: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    for section in sections() {
        let program = lab(&section).display().to_string();
        let part = |name: &str, words: &[&str], input: &str, peer| Part {
            name: format!("{section}{name}"),
            words: [&[program.as_str()], words].concat().into_iter().map(String::from).collect(),
            input: input.into(),
            peer,
            sweep: false,
        };
        let few: &[&str] = if section == "4.8" { &["--rounds", "20"] } else { &[] };
        parts.push(part("", few, "", None));
        // A heading, or a note.
        let ready = match section.as_str() {
            "4.9" => " 4  ",
            "4.10" => "it waits for a client",
            _ => "",
        };
        let sides = [("server", "one\ntwo\n/quit\n"), ("client", "")];
        let variants: &[&[&str]] = match section.as_str() {
            "4.9" => &[&[], &["--part", "a"]],
            "4.10" => &[&[]],
            _ => &[],
        };
        for variant in variants {
            for (me, other) in [(sides[0], sides[1]), (sides[1], sides[0])] {
                let words = |side: &'static str| [&[side], *variant].concat();
                let peer = Peer {
                    words: part("", &words(other.0), "", None).words,
                    input: other.1.into(),
                    first: other.0 == "server",
                    ready,
                };
                let name = format!(" {}", words(me.0).join(" "));
                parts.push(part(&name, &words(me.0), me.1, Some(peer)));
            }
        }
        if experiments {
            for one in common::experiments(&section) {
                let words = ["--experiment", &one.name];
                parts.push(part(&format!(" {}", one.name), &words, "", None));
            }
        }
    }
    if std::env::var_os("SECTION").is_none_or(|only| only == "sweep") {
        let words = vec![bin("sweep").display().to_string()];
        let name = String::from("sweep");
        parts.push(Part { name, words, input: "y\n".into(), peer: None, sweep: true });
    }
    parts
}

impl Part {
    /// Runs it in a folder that it finds empty, and takes away what it left.
    fn go(&self, limit: Duration, at: Option<(Place, Disturbance)>) -> (Ended, Vec<String>) {
        let dir = std::env::current_dir().expect("a folder").join("cell");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).expect("a folder");
        // SAFETY: no other thread runs here.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", &dir) };
        let (words, input, peer) = (self.words.clone(), &self.input, self.peer.clone());
        let scene = Scene { words, dir: &dir, input, peer, limit };
        if self.sweep {
            let words = vec![lab("4.7").display().to_string()];
            let killed = Scene { words, dir: &dir, input: "", peer: None, limit };
            let place = Place { thread: 0, call: libc::SYS_shmat, turn: 1 };
            inject::run(&killed, Some((place, Disturbance::Signal(libc::SIGKILL))));
            assert_eq!(rows().len(), 1, "something to sweep");
        }
        let ended = inject::run(&scene, at);
        let left = rows();
        (ended, left.iter().map(|(kind, id)| format!("{} {id}", kind.id_name())).collect())
    }
}

/// What there is in this namespace.
fn rows() -> Vec<(Kind, c_int)> {
    let of = |kind| table(kind).into_iter().map(move |row| (kind, row.id() as c_int));
    Kind::ALL.into_iter().flat_map(of).collect()
}

fn remove_all() {
    for (kind, id) in rows() {
        // SAFETY: the namespace is ours, and nobody else is in it.
        unsafe {
            match kind {
                Kind::Shm => libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()),
                Kind::Msg => libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut()),
                Kind::Sem => libc::semctl(id, 0, libc::IPC_RMID),
            };
        }
    }
}

/// A run that nobody disturbs: how long it takes, where its calls are, what it prints.
struct Clean {
    took: Duration,
    places: Vec<Place>,
    lines: BTreeSet<String>,
}

fn lines(text: &str) -> impl Iterator<Item = String> {
    let text = scrub(text);
    text.lines().map(|line| line.trim().to_string()).collect::<Vec<_>>().into_iter()
}

impl Clean {
    fn of(part: &Part) -> Clean {
        let mut clean = Clean { took: Duration::ZERO, places: vec![], lines: BTreeSet::new() };
        for look in 0..2 {
            let start = Instant::now();
            let (ended, left) = part.go(Duration::from_secs(60), None);
            let well = ended.code == 0 && ended.peer.is_none_or(|code| code == 0);
            assert!(well && left.is_empty() && !ended.hung, "{}: {left:?} {ended:#?}", part.name);
            clean.took = clean.took.max(start.elapsed());
            clean.lines.extend(lines(&ended.stdout));
            if look == 1 {
                continue;
            }
            // The first turn of every call of every thread comes before anybody's second.
            let mut seen = BTreeSet::new();
            for which in 0..6 {
                for (&(thread, call), &count) in &ended.calls {
                    let turn = [1, count, 2, count / 2, count.saturating_sub(1), 3][which];
                    let place = Place { thread, call, turn };
                    if (1..=count).contains(&turn) && seen.insert(place) {
                        clean.places.push(place);
                    }
                }
            }
        }
        clean
    }
}

/// So many cells of one part are enough: the calls of 4.8 alone would be thousands. Of an experiment, fewer.
const SOAK: usize = 300;
const OF_EXPERIMENT: usize = 40;

#[derive(Default)]
struct Sum {
    cells: usize,
    reached: usize,
    failed: usize,
}

/// Runs a share of the cells of every part, and says what came of them.
fn table_of(what: fn(&Place) -> Vec<Disturbance>, most: usize) {
    inject::tick();
    // The test's own line ends here.
    println!();
    let me: usize = std::env::var("CELLS").expect("CELLS").parse().expect("a number");
    let soak = std::env::var_os("SOAK").is_some();
    let only: Option<String> = std::env::var("CELL").ok();
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for part in parts(soak && std::env::var_os("EXPERIMENTS").is_some()) {
        let clean = Clean::of(&part);
        let cells: Vec<(Place, Disturbance)> = clean
            .places
            .iter()
            .flat_map(|place| what(place).into_iter().map(|what| (*place, what)))
            .collect();
        let experiment = part.words.iter().any(|word| word == "--experiment");
        let of_part = if experiment { OF_EXPERIMENT } else { SOAK };
        // For `make test` a few, far apart: a step that shares no factor with the length visits all of them.
        let (count, far) =
            if soak { (of_part.min(cells.len()), 1) } else { (most.min(cells.len()), 7919) };
        let chosen = (0..count).map(|i| cells[i * far % cells.len()]);
        for (at, (place, what)) in chosen.enumerate() {
            let key = format!("{} {place:?} {what:?}", part.name);
            if at % 2 != me || only.as_ref().is_some_and(|only| !key.contains(only)) {
                continue;
            }
            let limit = Duration::from_secs(6) + clean.took * 10;
            let (ended, left) = part.go(limit, Some((place, what)));
            let sum = sums.entry(part.name.clone()).or_default();
            sum.cells += 1;
            if !ended.reached {
                println!("NOT REACHED {key}");
            } else {
                sum.reached += 1;
                if let Err(why) = judge(&part, &clean, &place, what, &ended, &left) {
                    sum.failed += 1;
                    let text = format!(
                        "FAILED {} thread {} {} {} {what:?}: {why}; code {}\n  | {}\n  | peer {:?} {}  (CELL='{key}')",
                        part.name,
                        place.thread,
                        name(place.call).0,
                        place.turn,
                        ended.code,
                        ended.stderr.trim().replace('\n', "\n  | "),
                        ended.peer,
                        ended.peer_stderr.trim()
                    );
                    println!("{text}");
                    if let Ok(log) = std::env::var("CELLS_LOG") {
                        use std::io::Write;
                        let log = fs::File::options().append(true).create(true).open(log);
                        let _ = writeln!(log.expect("a log"), "{text}");
                    }
                    if only.is_some() {
                        println!("{ended:#?}");
                    }
                }
            }
            remove_all();
        }
    }
    for (name, Sum { cells, reached, failed }) in &sums {
        println!("SUM {name}: {cells} {reached} {failed}");
    }
}

/// What a cell must satisfy.
fn judge(
    part: &Part,
    clean: &Clean,
    place: &Place,
    what: Disturbance,
    ended: &Ended,
    left: &[String],
) -> Result<(), String> {
    let says = |holds: bool, why: &str| if holds { Ok(()) } else { Err(why.to_string()) };
    let Ended { code, stdout, stderr, .. } = ended;
    says(!ended.hung, "it hangs")?;
    says(ended.survivors == 0, "a process survives")?;
    for text in [stderr, stdout, &ended.peer_stderr, &ended.peer_stdout] {
        let panics = ["panicked", "a defect", "IO Safety", "fatal runtime error", "futex facility"];
        says(!panics.iter().any(|word| text.contains(word)), "it panics")?;
    }
    let none = stdout.contains("left behind: none");
    if let Disturbance::Signal(signal) = what {
        let signal = Signal::try_from(signal).expect("a signal");
        // Before the lab's first words the signal does what it does by default.
        if *code == 128 + signal as i32 && stdout.is_empty() && stderr.is_empty() {
            return swept(left);
        }
        if HARD.contains(&signal) && *code == 128 + signal as i32 && stderr.is_empty() {
            says(!none || left.is_empty(), "it said that nothing is left")?;
            return swept(left);
        }
    }
    let (leftover, mut errors): (Vec<&str>, Vec<&str>) =
        stderr.lines().partition(|line| line.contains(": left behind: "));
    // Where the clean-up is what failed, its last word is the one line.
    if errors.is_empty() {
        errors.extend(leftover.iter().filter(|line| line.contains("cannot tell: ")));
    }
    // Somebody else's or not: what the kernel has is what was said.
    says(left.is_empty() || !none, "left behind: none, it said")?;
    let told = |one: &String| {
        let last = stdout.lines().rev().take(2).filter(|line| line.starts_with("left behind: "));
        leftover.iter().copied().chain(last).any(|line| line.contains(one.as_str()))
    };
    let cannot_tell = leftover.iter().any(|line| line.contains("cannot tell: "));
    if part.sweep {
        says(!stdout.contains("nothing of the workbook's") || left.is_empty(), "nothing, it said")?;
    } else {
        says(left.iter().all(told) || cannot_tell, "nobody names what is left")?;
    }
    says(left.is_empty() || *code != 0, "exit 0, and something is left")?;
    let peer_none = ended.peer_stdout.contains("left behind: none");
    says(left.is_empty() || !peer_none, "left behind: none, the peer said")?;
    let documented = |code: i32| (0..=9).contains(&code) || [129, 130, 143].contains(&code);
    if let Some(code) = ended.peer {
        says(documented(code), "the peer's exit code")?;
        let several = ended.peer_stderr.lines().filter(|line| !line.contains(": left behind: "));
        says(several.count() <= 1, "the peer says more than one line")?;
    }
    match what {
        Disturbance::Errno(errno) => {
            let errno = format!("{:?}", Errno::from_raw(errno));
            says(documented(*code) && *code < 128, "exit code")?;
            if *code == 0 {
                says(
                    stderr.is_empty() || errors.iter().all(|line| line.contains(&errno)),
                    "exit 0 and an error",
                )?;
                // What is not there, or gone, may come again.
                let gone = ["EIDRM", "EINVAL", "ENOENT", "ESRCH"].contains(&errno.as_str());
                let strange = lines(stdout).find(|line| {
                    !clean.lines.contains(line)
                        && !line.contains(&errno)
                        && !may_vary(part, line)
                        && !(gone && (line.contains("looking again") || line.contains(" x ")))
                        // In which call it sleeps could not be seen; that it does, could.
                        && !line.ends_with("is asleep")
                        && !not_shown(place, &errno, line)
                });
                return strange.map_or(Ok(()), |line| Err(format!("it says «{line}»")));
            }
            says(errors.len() == 1, "not one line")?;
            let call = regex::Regex::new(&format!("(?i){}", name(place.call).0)).expect("a name");
            // pthread_create has one errno for all that it needs.
            let made = errors[0].contains("pthread_create") && errors[0].contains("EAGAIN");
            says(made || errors[0].contains(&errno), "the errno is not named")?;
            let refused = *code == 5 && errors[0].contains("refused: shm");
            says(*code == 1 || refused, "a call failed, and the exit code is not 1")?;
            says(call.is_match(errors[0]), "the call is not named")
        }
        Disturbance::Signal(signal) => {
            let signal = Signal::try_from(signal).expect("a signal");
            // ipcs, or a child before it is itself, may die of it.
            let other = *code == 128 + signal as i32 && errors.len() == 1;
            let died = [1, 7].contains(code) && errors.len() == 1;
            let why = errors.first().copied().unwrap_or_default();
            if (other || died) && why.contains(&format!("killed by {signal}"))
                || *code == 7 && died && why.contains("the child died")
                // What a peer says of one that a signal has killed.
                || *code == 3 && errors.len() == 1 && why.contains(" is dead")
                || *code == 6 && errors.len() == 1 && why.contains(" has not attached ")
            {
                return Ok(());
            }
            if HARMLESS.contains(&signal) || STOPS.contains(&signal) || *code == 0 {
                says(*code == 0 && stderr.is_empty(), "exit code")?;
                let strange =
                    lines(stdout).find(|line| !clean.lines.contains(line) && !may_vary(part, line));
                return strange.map_or(Ok(()), |line| Err(format!("it says «{line}»")));
            }
            says(*code == 128 + signal as i32, "exit code")?;
            says(errors.len() == 1, "not one line")?;
            says(errors[0].contains(signal.as_str()), "the signal is not named")
        }
    }
}

/// Lines that differ from run to run.
fn may_vary(part: &Part, line: &str) -> bool {
    (part.sweep && line.starts_with("shmid "))
        || line.contains("safety net")
        // The server of 4.9 removes it when it says goodbye; whether its client looks just then is not fixed.
        || (line.starts_with("client") && line.contains("the segment was removed"))
        || line.ends_with(" (again)")
}

/// Is this what an experiment may conclude? ENOSPC of shmget means a limit. And unshare and its shell say no
/// more than that they have failed.
fn not_shown(place: &Place, errno: &str, line: &str) -> bool {
    let needs = |what: &str| line.contains(&format!("not shown here: needs {what}"));
    (place.call == libc::SYS_shmget && errno == "ENOSPC" && needs("more "))
        || (place.thread > 0 && (needs("a PID namespace") || needs("to write /proc/")))
}

/// What a program that could not clean up has left, sweep removes.
fn swept(left: &[String]) -> Result<(), String> {
    if left.is_empty() {
        return Ok(());
    }
    let swept = std::process::Command::new(bin("sweep")).arg("--yes").output();
    let text = swept.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    if rows().is_empty() { Ok(()) } else { Err(format!("sweep left {left:?}: {text:?}")) }
}

/// Runs a table in two processes, each in a namespace of its own, and shows the sum.
fn in_two(test: &str, what: fn(&Place) -> Vec<Disturbance>, most: usize) {
    if std::env::var_os("CELLS").is_some() {
        return in_one_thread(|| table_of(what, most));
    }
    let half = |which: usize| {
        let words = ["--exact", "--test-threads=1", "--nocapture", test];
        run(Path::new(&this_test())).args(&words).env("CELLS", &which.to_string()).go()
    };
    let halves = std::thread::scope(|scope| {
        [0, 1].map(|which| scope.spawn(move || half(which))).map(|one| one.join().expect("a half"))
    });
    let mut sums: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    for half in &halves {
        assert!(half.code == 0 && half.stdout.contains("1 passed"), "{half:#?}");
        for line in half.stdout.lines().filter_map(|line| line.strip_prefix("SUM ")) {
            let (name, numbers) = line.split_once(": ").expect("a sum");
            let sum = sums.entry(name.into()).or_default();
            for (to, number) in sum.iter_mut().zip(numbers.split(' ')) {
                *to += number.parse::<usize>().expect("a number");
            }
        }
        let told = half.stdout.lines().filter(|line| !line.starts_with("SUM "));
        told.for_each(|line| eprintln!("{line}"));
    }
    let mut total = [0; 3];
    eprintln!("{:<40} cells reached failed", test);
    for (name, sum) in &sums {
        eprintln!("{name:<40} {:5} {:7} {:6}", sum[0], sum[1], sum[2]);
        total.iter_mut().zip(sum).for_each(|(to, one)| *to += one);
    }
    eprintln!("{:<40} {:5} {:7} {:6}", "all", total[0], total[1], total[2]);
    assert_eq!(total[2], 0, "failed");
    assert!(total[1] * 10 >= total[0] * 9, "nine of ten are reached");
}

#[test]
fn a_call_that_fails() {
    let errors = |place: &Place| {
        let errors = name(place.call).1.iter();
        errors.map(|errno| Disturbance::Errno(*errno as c_int)).collect()
    };
    in_two("a_call_that_fails", errors, 4);
}

#[test]
fn a_signal_that_comes() {
    let signals = |place: &Place| {
        let all = ENDS.iter().chain(&HARMLESS).chain(&STOPS).chain(&HARD);
        let all: Vec<_> = all.map(|signal| Disturbance::Signal(*signal as c_int)).collect();
        // Three for each place, not the same ones.
        let first = place.call as usize + place.turn * 5 + place.thread;
        (0..3).map(|i| all[(first + i * 4) % all.len()]).collect()
    };
    in_two("a_signal_that_comes", signals, 4);
}
