//! The calls at which a process can be overtaken, and what is to be known of each.

use libc::{c_int, timespec};

use super::verdict::Kind;
use crate::tracer::filter::Rules;
use crate::tracer::memory::record;
use crate::tracer::{Entry, Tid, decode};

/// Calls that `decode` does not spell, by name, and whether the first argument is a descriptor.
const MORE: &[(i64, &str, bool)] = &[
    (libc::SYS_read, "read", true),
    (libc::SYS_readv, "readv", true),
    (libc::SYS_pread64, "pread64", true),
    (libc::SYS_pwrite64, "pwrite64", true),
    (libc::SYS_close, "close", true),
    (libc::SYS_close_range, "close_range", false),
    (libc::SYS_open, "open", false),
    (libc::SYS_openat, "openat", false),
    (libc::SYS_creat, "creat", false),
    (libc::SYS_pipe, "pipe", false),
    (libc::SYS_pipe2, "pipe2", false),
    (libc::SYS_flock, "flock", true),
    (libc::SYS_fcntl, "fcntl", true),
    (libc::SYS_sendto, "sendto", true),
    (libc::SYS_recvfrom, "recvfrom", true),
    (libc::SYS_sendmsg, "sendmsg", true),
    (libc::SYS_recvmsg, "recvmsg", true),
    (libc::SYS_connect, "connect", true),
    (libc::SYS_accept, "accept", true),
    (libc::SYS_accept4, "accept4", true),
    (libc::SYS_bind, "bind", true),
    (libc::SYS_listen, "listen", true),
    (libc::SYS_shutdown, "shutdown", true),
    (libc::SYS_select, "select", false),
    (libc::SYS_pselect6, "pselect6", false),
    (libc::SYS_epoll_wait, "epoll_wait", true),
    (libc::SYS_epoll_pwait, "epoll_pwait", true),
    (libc::SYS_epoll_pwait2, "epoll_pwait2", true),
    (libc::SYS_unlink, "unlink", false),
    (libc::SYS_unlinkat, "unlinkat", false),
    (libc::SYS_rename, "rename", false),
    (libc::SYS_renameat, "renameat", false),
    (libc::SYS_renameat2, "renameat2", false),
    (libc::SYS_mkdir, "mkdir", false),
    (libc::SYS_rmdir, "rmdir", false),
    (libc::SYS_link, "link", false),
    (libc::SYS_truncate, "truncate", false),
    (libc::SYS_ftruncate, "ftruncate", true),
    (libc::SYS_mq_open, "mq_open", false),
    (libc::SYS_mq_unlink, "mq_unlink", false),
    (libc::SYS_mq_timedsend, "mq_timedsend", true),
    (libc::SYS_mq_timedreceive, "mq_timedreceive", true),
    (libc::SYS_sched_yield, "sched_yield", false),
    (libc::SYS_setitimer, "setitimer", false),
    (libc::SYS_prctl, "prctl", false),
    (libc::SYS_setsid, "setsid", false),
    (libc::SYS_setpgid, "setpgid", false),
    (libc::SYS_pidfd_open, "pidfd_open", false),
    (libc::SYS_clock_gettime, "clock_gettime", false),
    (libc::SYS_gettimeofday, "gettimeofday", false),
    (libc::SYS_time, "time", false),
    (libc::SYS_rt_sigpending, "rt_sigpending", false),
    (libc::SYS_execveat, "execveat", false),
    (libc::SYS_mmap, "mmap", false),
];

/// Mappings that other processes may share: the flags of mmap.
const SHARED: [u32; 6] = [0x1, 0x3, 0x21, 0x8001, 0x8003, 0x8021];

/// The calls to stop at.
pub fn watched() -> Rules {
    let mut rules: Rules = decode::shown().into_iter().map(|(number, _)| (number, None)).collect();
    // How a file is looked up is nobody else's business.
    rules.retain(|(number, _)| ![libc::SYS_newfstatat, libc::SYS_stat].contains(number));
    rules.extend([libc::SYS_exit, libc::SYS_exit_group].map(|number| (number, None)));
    for &(number, ..) in MORE {
        let only = (number == libc::SYS_mmap).then(|| (3, SHARED.to_vec()));
        rules.push((number, only));
    }
    rules.sort_by_key(|rule| rule.0);
    rules.dedup_by_key(|rule| rule.0);
    rules
}

/// A call's name.
pub fn name(number: i64) -> &'static str {
    let more = || MORE.iter().find(|one| one.0 == number).map(|one| one.1);
    decode::name(number).or_else(more).unwrap_or("a call")
}

/// Is the first argument a descriptor that is read, written or closed?
pub fn on_descriptor(number: i64) -> bool {
    [libc::SYS_write, libc::SYS_writev].contains(&number)
        || MORE.iter().any(|one| one.0 == number && one.2)
}

/// Can it sleep until somebody else does something?
pub fn may_sleep(entry: &Entry) -> bool {
    let wait_only = |op: u64| matches!(op as c_int & 0x7f, 0 | 6 | 9 | 11 | 13);
    match entry.number {
        libc::SYS_futex => wait_only(entry.args[1]),
        libc::SYS_fcntl => [libc::F_SETLKW, libc::F_OFD_SETLKW].contains(&(entry.args[1] as c_int)),
        libc::SYS_pause
        | libc::SYS_rt_sigsuspend
        | libc::SYS_rt_sigtimedwait
        | libc::SYS_wait4
        | libc::SYS_waitid
        | libc::SYS_semop
        | libc::SYS_semtimedop
        | libc::SYS_msgsnd
        | libc::SYS_msgrcv
        | libc::SYS_read
        | libc::SYS_readv
        | libc::SYS_write
        | libc::SYS_writev
        | libc::SYS_sendto
        | libc::SYS_recvfrom
        | libc::SYS_sendmsg
        | libc::SYS_recvmsg
        | libc::SYS_connect
        | libc::SYS_accept
        | libc::SYS_accept4
        | libc::SYS_poll
        | libc::SYS_ppoll
        | libc::SYS_select
        | libc::SYS_pselect6
        | libc::SYS_epoll_wait
        | libc::SYS_epoll_pwait
        | libc::SYS_epoll_pwait2
        | libc::SYS_open
        | libc::SYS_openat
        | libc::SYS_flock
        | libc::SYS_mq_timedsend
        | libc::SYS_mq_timedreceive
        | libc::SYS_nanosleep
        | libc::SYS_clock_nanosleep
        | libc::SYS_restart_syscall => true,
        number => makes_process(number),
    }
}

/// The kind of object that a call finds or makes.
pub fn gets(number: i64) -> Option<Kind> {
    match number {
        libc::SYS_shmget => Some(Kind::Shm),
        libc::SYS_msgget => Some(Kind::Msg),
        libc::SYS_semget => Some(Kind::Sem),
        _ => None,
    }
}

/// fork and its relatives. A vfork sleeps until the child has become another program or ended.
pub fn makes_process(number: i64) -> bool {
    [libc::SYS_fork, libc::SYS_vfork, libc::SYS_clone, libc::SYS_clone3].contains(&number)
}

/// kill and its relatives.
pub fn sends_signal(number: i64) -> bool {
    let senders = [
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_tgkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
        libc::SYS_pidfd_send_signal,
    ];
    senders.contains(&number)
}

/// The flags of a call that makes a process or thread.
pub fn clone_flags(tid: Tid, entry: &Entry) -> u64 {
    match entry.number {
        libc::SYS_clone => entry.args[0],
        libc::SYS_clone3 => record(tid, entry.args[0]).unwrap_or(0),
        libc::SYS_vfork => (libc::CLONE_VM | libc::CLONE_VFORK) as u64,
        _ => 0,
    }
}

/// Where a call keeps the limit of its wait.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Which argument, and what it held.
    pub argument: usize,
    pub value: u64,
    /// The call does nothing but sleep.
    pub sleep: bool,
    /// In nanoseconds from now, or until a moment on a clock (the clock's number).
    pub length: u64,
    pub until: Option<c_int>,
    /// What the call answers when the limit is reached.
    pub answer: i64,
}

/// The limit of a call's wait, if it has one that is not 0.
pub fn limit(tid: Tid, entry: &Entry) -> Option<Limit> {
    let args = entry.args;
    let op = args[1] as c_int;
    let (timed_out, again) = (-i64::from(libc::ETIMEDOUT), -i64::from(libc::EAGAIN));
    // Which argument it is, whether it counts milliseconds, until when, and the answer.
    let (argument, millis, until, answer) = match entry.number {
        libc::SYS_poll | libc::SYS_ppoll => (2, entry.number == libc::SYS_poll, None, 0),
        libc::SYS_epoll_wait | libc::SYS_epoll_pwait => (3, true, None, 0),
        libc::SYS_epoll_pwait2 => (3, false, None, 0),
        libc::SYS_select | libc::SYS_pselect6 => (4, false, None, 0),
        libc::SYS_futex => match op & 0x7f {
            0 => (3, false, None, timed_out),
            9 | 11 | 13 if op & 256 == 0 => (3, false, Some(libc::CLOCK_MONOTONIC), timed_out),
            6 | 9 | 11 | 13 => (3, false, Some(libc::CLOCK_REALTIME), timed_out),
            _ => return None,
        },
        libc::SYS_semtimedop => (3, false, None, again),
        libc::SYS_rt_sigtimedwait => (2, false, None, again),
        libc::SYS_mq_timedsend | libc::SYS_mq_timedreceive => {
            (4, false, Some(libc::CLOCK_REALTIME), timed_out)
        }
        libc::SYS_nanosleep => (0, false, None, 0),
        libc::SYS_clock_nanosleep if op & libc::TIMER_ABSTIME != 0 => {
            (2, false, Some(args[0] as c_int), 0)
        }
        libc::SYS_clock_nanosleep => (2, false, None, 0),
        _ => return None,
    };
    let value = args[argument];
    let length = if millis {
        u64::try_from(value as c_int).ok()? * 1_000_000
    } else if entry.number == libc::SYS_select {
        let [seconds, micros]: [i64; 2] = record(tid, value)?;
        nanoseconds(&timespec { tv_sec: seconds, tv_nsec: micros * 1000 })
    } else {
        nanoseconds(&record(tid, value)?)
    };
    let sleep = [libc::SYS_nanosleep, libc::SYS_clock_nanosleep].contains(&entry.number);
    (length > 0).then_some(Limit { argument, value, sleep, length, until, answer })
}

fn nanoseconds(time: &timespec) -> u64 {
    (time.tv_sec.max(0) as u64).saturating_mul(1_000_000_000) + time.tv_nsec.max(0) as u64
}

/// The first expiry of an interval timer, in nanoseconds.
pub fn timer(tid: Tid, at: u64) -> Option<u64> {
    let [_, _, seconds, micros]: [i64; 4] = record(tid, at)?;
    Some(nanoseconds(&timespec { tv_sec: seconds, tv_nsec: micros * 1000 }))
}
