//! A call, spelled as `strace -v` spells it, with the names that the manual gives its arguments. One
//! difference: a key is hexadecimal everywhere (strace prints it in decimal inside a record).
//!
//! What a call takes is read at its entry, what it gives back at its exit.

use std::borrow::Cow;
use std::sync::LazyLock;

use libc::{c_int, pollfd, sembuf, siginfo_t, timespec};
use sysv::spell as flags;

use super::filter::Rules;
use super::memory::{record, records, string, strings};
use super::{Entry, Tid, memory, names, sender};
use crate::event::{Arg, Call};

/// How an argument is spelled. `Out` ones point at what the kernel fills.
#[derive(Clone, Copy, PartialEq, Eq)]
enum As {
    Int,
    Size,
    Hex,
    Pointer,
    Key,
    GetFlags,
    Command(&'static str),
    Attach,
    Message,
    Signal,
    Set,
    SetSize,
    How,
    Action,
    Time,
    IdType,
    WaitOptions,
    Clock,
    TimerFlags,
    CloneFlags,
    CloneArgs,
    FutexOp,
    FutexValue2,
    FutexPointer2,
    FutexValue3,
    Path,
    Strings,
    Text,
    Vectors,
    Polled,
    MessageIn,
    Operations,
    Info,
    Records(&'static str),
    OutMessage,
    OutSet,
    OutAction,
    OutInfo,
    OutStatus,
}

/// A call that is decoded.
struct Known {
    name: &'static str,
    args: &'static [(&'static str, As)],
}

use As::*;

macro_rules! calls {
    ($($(#[$on:meta])? $number:ident $name:ident ($($arg:ident $kind:expr),*);)*) => {
        /// Every call that is decoded, by number.
        static KNOWN: LazyLock<Vec<Option<Known>>> = LazyLock::new(|| {
            let mut table = vec![];
            $( $(#[$on])? {
                let number = libc::$number as usize;
                if table.len() <= number {
                    table.resize_with(number + 1, || None);
                }
                let args: &'static [(&'static str, As)] = &[$((stringify!($arg), $kind)),*];
                table[number] = Some(Known { name: stringify!($name), args });
            } )*
            table
        });
    };
}

calls! {
    SYS_shmget shmget(key Key, size Size, shmflg GetFlags);
    SYS_shmat shmat(shmid Int, shmaddr Pointer, shmflg Attach);
    SYS_shmdt shmdt(shmaddr Pointer);
    SYS_shmctl shmctl(shmid Int, cmd Command("shm"), buf Records("shm"));
    SYS_msgget msgget(key Key, msgflg GetFlags);
    SYS_msgsnd msgsnd(msqid Int, msgp MessageIn, msgsz Size, msgflg Message);
    SYS_msgrcv msgrcv(msqid Int, msgp OutMessage, msgsz Size, msgtyp Int, msgflg Message);
    SYS_msgctl msgctl(msqid Int, cmd Command("msg"), buf Records("msg"));
    SYS_semget semget(key Key, nsems Int, semflg GetFlags);
    SYS_semop semop(semid Int, sops Operations, nsops Size);
    SYS_semtimedop semtimedop(semid Int, sops Operations, nsops Size, timeout Time);
    SYS_semctl semctl(semid Int, semnum Int, cmd Command("sem"), arg Records("sem"));
    SYS_kill kill(pid Int, sig Signal);
    SYS_tkill tkill(tid Int, sig Signal);
    SYS_tgkill tgkill(tgid Int, tid Int, sig Signal);
    SYS_pidfd_send_signal pidfd_send_signal(pidfd Int, sig Signal, info Info, flags Hex);
    SYS_rt_sigqueueinfo rt_sigqueueinfo(tgid Int, sig Signal, info Info);
    SYS_rt_tgsigqueueinfo rt_tgsigqueueinfo(tgid Int, tid Int, sig Signal, info Info);
    SYS_rt_sigaction rt_sigaction(signum Signal, act Action, oldact OutAction, sigsetsize Size);
    SYS_rt_sigprocmask rt_sigprocmask(how How, set Set, oldset OutSet, sigsetsize Size);
    SYS_rt_sigsuspend rt_sigsuspend(mask Set, sigsetsize Size);
    SYS_rt_sigtimedwait rt_sigtimedwait(set Set, info OutInfo, timeout Time, sigsetsize Size);
    #[cfg(target_arch = "x86_64")]
    SYS_pause pause();
    #[cfg(target_arch = "x86_64")]
    SYS_alarm alarm(seconds Size);
    #[cfg(target_arch = "x86_64")]
    SYS_fork fork();
    #[cfg(target_arch = "x86_64")]
    SYS_vfork vfork();
    #[cfg(target_arch = "x86_64")]
    SYS_poll poll(fds Polled, nfds Size, timeout Int);
    #[cfg(target_arch = "x86_64")]
    SYS_clone clone(flags CloneFlags, child_stack Pointer, parent_tid Pointer, child_tid Pointer, tls Pointer);
    #[cfg(not(target_arch = "x86_64"))]
    SYS_clone clone(flags CloneFlags, child_stack Pointer, parent_tid Pointer, tls Pointer, child_tid Pointer);
    SYS_clone3 clone3(cl_args CloneArgs, size Size);
    SYS_ppoll ppoll(fds Polled, nfds Size, timeout Time, sigmask Set, sigsetsize Size);
    SYS_futex futex(uaddr Pointer, futex_op FutexOp, val Size, timeout FutexValue2, uaddr2 FutexPointer2, val3 FutexValue3);
    SYS_wait4 wait4(pid Int, wstatus OutStatus, options WaitOptions, rusage Pointer);
    SYS_waitid waitid(idtype IdType, id Int, info OutInfo, options WaitOptions, rusage Pointer);
    SYS_nanosleep nanosleep(req Time, rem Pointer);
    SYS_clock_nanosleep clock_nanosleep(clockid Clock, flags TimerFlags, req Time, rem Pointer);
    SYS_execve execve(pathname Path, argv Strings, envp Pointer);
    SYS_execveat execveat(dirfd Int, pathname Path, argv Strings, envp Pointer, flags Hex);
    SYS_write write(fd Int, buf Text, count Size);
    SYS_writev writev(fd Int, iov Vectors, iovcnt Size);
    SYS_unshare unshare(flags CloneFlags);
    SYS_setns setns(fd Int, nstype CloneFlags);
    SYS_restart_syscall restart_syscall();
    SYS_exit_group exit_group(status Int);
    SYS_exit exit(status Int);
}

/// Signals by which programs wake, stop and end each other, and whose handlers are worth a line.
const WAKE_UPS: [c_int; 7] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGTERM,
    libc::SIGCHLD,
];

/// The calls that `lab trace` stops at. Those not decoded here are looked at, not shown.
pub fn shown() -> Rules {
    let mut rules: Rules = vec![];
    let known = KNOWN.iter().enumerate().filter_map(|(i, known)| Some((i as i64, known.as_ref()?)));
    for (number, Known { name, .. }) in known {
        let only = match *name {
            "write" | "writev" => Some((0, vec![1, 2])),
            "rt_sigaction" => {
                Some((0, WAKE_UPS.iter().map(|&s| s as u32).chain(34..=64).collect()))
            }
            "exit" | "exit_group" => continue,
            _ => None,
        };
        rules.push((number, only));
    }
    rules.extend(looked_up());
    rules
}

/// How ftok looks a file up: by path. (An open file is asked with another first argument.)
fn looked_up() -> Rules {
    let by_path = Some((0, vec![libc::AT_FDCWD as u32]));
    let mut rules: Rules = vec![(libc::SYS_newfstatat, by_path)];
    #[cfg(target_arch = "x86_64")]
    rules.push((libc::SYS_stat, None));
    rules.sort_unstable();
    rules
}

/// A file's device and inode, if this call has just looked a file up, and its path.
pub fn file_looked_up(tid: Tid, entry: &Entry) -> Option<(String, u64, u64)> {
    let (path, buffer) = match entry.number {
        libc::SYS_newfstatat => (entry.args[1], entry.args[2]),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_stat => (entry.args[0], entry.args[1]),
        _ => return None,
    };
    let stat: libc::stat = record(tid, buffer)?;
    let path = string(tid, path, 4096)?;
    Some((String::from_utf8_lossy(&path).into_owned(), stat.st_dev, stat.st_ino))
}

/// The name of a call that is decoded; `None` for any other.
pub fn name(number: i64) -> Option<&'static str> {
    Some(KNOWN.get(number as usize)?.as_ref()?.name)
}

/// Spells a call at its entry: what it takes is read, what it will give back is a pointer yet.
pub fn enter(tid: Tid, entry: &Entry) -> Call {
    let known = KNOWN.get(entry.number as usize).and_then(Option::as_ref);
    let Some(known) = known.filter(|_| !entry.foreign) else {
        let name = format!("syscall_{:#x}", entry.number);
        return Call {
            name: name.into(),
            args: vec![],
            result: None,
            answer: "?".into(),
            errno: None,
        };
    };
    let mut args = Vec::with_capacity(known.args.len());
    for (i, &(name, kind)) in known.args.iter().enumerate() {
        let value = entry.args[i];
        if let Some(text) = spell(tid, entry, kind, value) {
            let value = match kind {
                Int | Key | Signal => i64::from(value as c_int),
                _ => value as i64,
            };
            args.push(Arg { name: name.into(), text, value });
        }
    }
    if known.name == "clone" {
        args = clone_as_strace(args, entry.args[0]);
    }
    Call { name: known.name.into(), args, result: None, answer: "?".into(), errno: None }
}

/// Completes a call with its result, and with what it gave back.
pub fn leave(tid: Tid, entry: &Entry, call: &mut Call, result: i64) {
    let error = names::error(result);
    match &error {
        Some((errno, spelled)) => {
            call.result = errno.as_ref().map(|_| -1);
            call.errno = errno.map(Cow::Borrowed);
            call.answer = Cow::Borrowed(spelled);
        }
        None => {
            call.result = Some(result);
            call.answer = answer(tid, call, entry, result).into();
        }
    }
    if error.is_some() {
        return;
    }
    let Some(Some(known)) = KNOWN.get(entry.number as usize) else { return };
    for (i, &(name, kind)) in known.args.iter().enumerate() {
        if let Some(text) = given_back(tid, entry, kind, entry.args[i], result)
            && let Some(arg) = call.args.iter_mut().find(|arg| arg.name == name)
        {
            arg.text = text.into();
        }
    }
}

/// `3`, `0x7f0012340000`, `10 (SIGUSR1)`, `0 (Timeout)`
fn answer(tid: Tid, call: &Call, entry: &Entry, result: i64) -> String {
    match &*call.name {
        "shmat" if result != 0 => format!("{result:#x}"),
        "rt_sigtimedwait" => format!("{result} ({})", names::signal(result as c_int)),
        "poll" | "ppoll" if result == 0 => "0 (Timeout)".into(),
        "poll" | "ppoll" => {
            let ready = records::<pollfd>(tid, entry.args[0], entry.args[1].min(32) as usize);
            let ready = ready.iter().filter(|one| one.revents != 0);
            let ready = ready.map(|one| {
                let events = flags::join(one.revents.into(), names::POLL);
                format!("{{fd={}, revents={events}}}", one.fd)
            });
            format!("{result} ([{}])", ready.collect::<Vec<_>>().join(", "))
        }
        _ => result.to_string(),
    }
}

fn pointer(value: u64) -> String {
    if value == 0 { "NULL".into() } else { format!("{value:#x}") }
}

/// An argument at entry; `None` for one that this call does not have.
fn spell(tid: Tid, entry: &Entry, kind: As, value: u64) -> Option<Cow<'static, str>> {
    let args = &entry.args;
    let int = value as c_int;
    let text: String = match kind {
        Int => int.to_string(),
        Size => value.to_string(),
        Hex if value == 0 => return Some("0".into()),
        Hex => format!("{value:#x}"),
        Key => flags::key(int),
        GetFlags => flags::get(int),
        Command(kind) => names::command(kind, int),
        Attach if value == 0 => return Some("0".into()),
        Attach => flags::join(int, flags::ATTACH),
        Message if value == 0 => return Some("0".into()),
        Message => flags::join(int, names::MESSAGE),
        Signal => names::signal(int),
        SetSize => value.to_string(),
        How => names::one(int.into(), names::MASK_HOW, "SIG_"),
        IdType => names::one(int.into(), names::ID_TYPE, "P_"),
        Clock => names::one(int.into(), names::CLOCKS, "CLOCK_"),
        TimerFlags => flags::join(int, names::TIMER),
        WaitOptions => flags::join(int, names::WAIT),
        CloneFlags => names::clone(value),
        CloneArgs => clone_args(tid, value),
        Set => memory::record(tid, value).map_or_else(|| pointer(value), names::set),
        Action => action(tid, value),
        Time => record::<timespec>(tid, value).map_or_else(
            || pointer(value),
            |time| format!("{{tv_sec={}, tv_nsec={}}}", time.tv_sec, time.tv_nsec),
        ),
        FutexOp => names::futex(int),
        FutexValue2 | FutexPointer2 | FutexValue3 => return futex_rest(tid, entry, kind, value),
        Path => {
            string(tid, value, 4096).map_or_else(|| pointer(value), |path| literal(&path, 4096))
        }
        Strings => {
            let list = strings(tid, value, 64);
            let list: Vec<String> = list.iter().map(|word| literal(word, 32)).collect();
            format!("[{}]", list.join(", "))
        }
        Text => literal(&memory::bytes(tid, value, args[2].min(33) as usize), 32),
        Vectors => {
            let parts = records::<libc::iovec>(tid, value, args[2].min(16) as usize);
            let parts = parts.iter().map(|part| {
                let text = memory::bytes(tid, part.iov_base as u64, part.iov_len.min(33));
                format!("{{iov_base={}, iov_len={}}}", literal(&text, 32), part.iov_len)
            });
            format!("[{}]", parts.collect::<Vec<_>>().join(", "))
        }
        Polled if value == 0 => return Some("NULL".into()),
        Polled => {
            let list = records::<pollfd>(tid, value, args[1].min(32) as usize);
            let list = list.iter().map(|one| {
                if one.fd < 0 {
                    return format!("{{fd={}}}", one.fd);
                }
                let events = flags::join(one.events.into(), names::POLL);
                format!("{{fd={}, events={events}}}", one.fd)
            });
            format!("[{}]", list.collect::<Vec<_>>().join(", "))
        }
        MessageIn => message(tid, value, args[2]).unwrap_or_else(|| pointer(value)),
        Operations => {
            let list = records::<sembuf>(tid, value, args[2].min(16) as usize);
            let list = list.iter().map(|one| {
                let flags = flags::join(one.sem_flg.into(), flags::SEMAPHORE);
                format!("{{sem_num={}, sem_op={}, sem_flg={flags}}}", one.sem_num, one.sem_op)
            });
            format!("[{}]", list.collect::<Vec<_>>().join(", "))
        }
        Info => record(tid, value).map_or_else(|| pointer(value), |one| info(&one)),
        Records(kind) => set_record(tid, kind, entry, value).unwrap_or_else(|| match kind {
            // A value in a union: strace prints it as a number.
            "sem" if args[2] as c_int & !0x100 == libc::SETVAL => format!("{value:#x}"),
            _ => pointer(value),
        }),
        Pointer | OutMessage | OutSet | OutAction | OutInfo | OutStatus => {
            if value == 0 {
                return Some("NULL".into());
            }
            pointer(value)
        }
    };
    Some(text.into())
}

/// What a call that succeeded wrote where an argument points; `None`: nothing.
fn given_back(tid: Tid, entry: &Entry, kind: As, at: u64, result: i64) -> Option<String> {
    match kind {
        _ if at == 0 => None,
        OutMessage => message(tid, at, result as u64),
        OutSet => record(tid, at).map(names::set),
        OutAction => Some(action(tid, at)),
        OutInfo => record(tid, at).map(|one| info(&one)),
        OutStatus if result > 0 => record(tid, at).map(names::status),
        Records(kind) => got_record(tid, kind, entry, at),
        CloneArgs => {
            let parent = record::<[u64; 4]>(tid, at)?;
            (parent[0] & libc::CLONE_PARENT_SETTID as u64 != 0)
                .then(|| format!("{} => {{parent_tid=[{result}]}}", clone_args(tid, at)))
        }
        _ => None,
    }
}

/// A string literal of at most `limit` bytes; `sysv`'s has at most 32.
pub fn literal(bytes: &[u8], limit: usize) -> String {
    if limit <= 32 {
        return flags::bytes(bytes);
    }
    let mut text = String::from("\"");
    let shown = &bytes[..bytes.len().min(limit)];
    for (i, part) in shown.chunks(32).enumerate() {
        // An octal escape at a seam would read differently before a digit of the next part.
        let seam = shown.get((i + 1) * 32).is_some_and(u8::is_ascii_digit);
        let part = flags::bytes(part);
        let part = part.trim_start_matches('"').strip_suffix('"').unwrap_or(&part).to_string();
        text += if seam && part.ends_with("\\0") { &part[..part.len() - 1] } else { &part };
        if seam && part.ends_with("\\0") {
            text += "000";
        }
    }
    text + if bytes.len() > limit { "\"..." } else { "\"" }
}

/// `{mtype=1, mtext="hello"}`
fn message(tid: Tid, at: u64, size: u64) -> Option<String> {
    let kind: i64 = record(tid, at)?;
    let shown = size.min(33) as usize;
    let text = memory::bytes(tid, at + 8, shown);
    Some(format!("{{mtype={kind}, mtext={}}}", flags::bytes(&text)))
}

/// `{sa_handler=SIG_IGN, sa_mask=[], sa_flags=SA_RESTORER, sa_restorer=0x7f…}`
fn action(tid: Tid, at: u64) -> String {
    // The kernel's order: handler, flags, restorer (not everywhere), mask.
    const RESTORER: bool = cfg!(target_arch = "x86_64");
    let Some([handler, flags, third, fourth]) = record::<[u64; 4]>(tid, at) else {
        return pointer(at);
    };
    let (restorer, mask) = if RESTORER { (third, fourth) } else { (0, third) };
    let handler = match handler {
        0 => "SIG_DFL".into(),
        1 => "SIG_IGN".into(),
        _ => format!("{handler:#x}"),
    };
    let restorer = if RESTORER && flags & 0x0400_0000 != 0 {
        format!(", sa_restorer={restorer:#x}")
    } else {
        String::new()
    };
    let (mask, flags) = (names::set(mask), names::action(flags));
    format!("{{sa_handler={handler}, sa_mask={mask}, sa_flags={flags}{restorer}}}")
}

/// `{si_signo=SIGUSR1, si_code=SI_USER, si_pid=4242, si_uid=0}`
pub fn info(info: &siginfo_t) -> String {
    let (code, pid, uid) = sender(info);
    let signo = info.si_signo;
    let mut text =
        format!("{{si_signo={}, si_code={}", names::signal(signo), names::code(signo, code));
    // SAFETY: the fields are plain numbers in a union that the kernel filled.
    let (status, value) = unsafe { (info.si_status(), info.si_value().sival_ptr as u64) };
    if code == 0x80 {
    } else if signo == libc::SIGCHLD && code > 0 {
        let status =
            if code == libc::CLD_EXITED { status.to_string() } else { names::signal(status) };
        // SAFETY: as above.
        let (user, system) = unsafe { (info.si_utime(), info.si_stime()) };
        text += &format!(", si_pid={pid}, si_uid={uid}, si_status={status}");
        text += &format!(", si_utime={user}, si_stime={system}");
    } else if matches!(signo, libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE | libc::SIGILL)
        && code > 0
    {
        // SAFETY: as above.
        text += &format!(", si_addr={}", pointer(unsafe { info.si_addr() } as u64));
    } else {
        text += &format!(", si_pid={pid}, si_uid={uid}");
        if code == libc::SI_QUEUE {
            text += &format!(", si_int={}, si_ptr={}", value as c_int, pointer(value));
        }
    }
    text + "}"
}

/// What IPC_SET takes.
fn set_record(tid: Tid, kind: &str, entry: &Entry, at: u64) -> Option<String> {
    let command = entry.args[if kind == "sem" { 2 } else { 1 }] as c_int & !0x100;
    if command != libc::IPC_SET {
        return None;
    }
    let who = |p: &libc::ipc_perm| {
        let id = |id: u32| if id == u32::MAX { -1 } else { i64::from(id) };
        format!("uid={}, gid={}, mode=0{:02o}", id(p.uid), id(p.gid), p.mode)
    };
    match kind {
        "shm" => {
            let ds: libc::shmid_ds = record(tid, at)?;
            Some(format!("{{shm_perm={{{}}}}}", who(&ds.shm_perm)))
        }
        "msg" => {
            let ds: libc::msqid_ds = record(tid, at)?;
            Some(format!("{{msg_perm={{{}}}, msg_qbytes={}}}", who(&ds.msg_perm), ds.msg_qbytes))
        }
        _ => {
            let ds: libc::semid_ds = record(tid, at)?;
            Some(format!("{{sem_perm={{{}}}}}", who(&ds.sem_perm)))
        }
    }
}

/// What IPC_STAT and its relatives give back.
fn got_record(tid: Tid, kind: &str, entry: &Entry, at: u64) -> Option<String> {
    let command = entry.args[if kind == "sem" { 2 } else { 1 }] as c_int & !0x100;
    match (kind, command) {
        ("shm", libc::IPC_STAT | flags::SHM_STAT | flags::SHM_STAT_ANY) => {
            let ds: libc::shmid_ds = record(tid, at)?;
            let perm = flags::perm("shm_perm", &ds.shm_perm);
            let pids = format!("shm_cpid={}, shm_lpid={}", ds.shm_cpid, ds.shm_lpid);
            let times = format!(
                "shm_atime={}, shm_dtime={}, shm_ctime={}",
                ds.shm_atime, ds.shm_dtime, ds.shm_ctime
            );
            let sizes = format!("shm_segsz={}, {pids}, shm_nattch={}", ds.shm_segsz, ds.shm_nattch);
            Some(format!("{{{perm}, {sizes}, {times}}}"))
        }
        ("shm", libc::IPC_INFO) => {
            let [max, min, mni, seg, all] = record::<[u64; 5]>(tid, at)?;
            Some(format!(
                "{{shmmax={max}, shmmin={min}, shmmni={mni}, shmseg={seg}, shmall={all}}}"
            ))
        }
        ("shm", flags::SHM_INFO) => {
            let [used, total, rss, swp, attempts, successes] = record::<[u64; 6]>(tid, at)?;
            let pages = format!("shm_tot={total}, shm_rss={rss}, shm_swp={swp}");
            let swaps = format!("swap_attempts={attempts}, swap_successes={successes}");
            Some(format!("{{used_ids={}, {pages}, {swaps}}}", used as u32))
        }
        ("msg", libc::IPC_STAT | 11 | 13) => {
            let ds: libc::msqid_ds = record(tid, at)?;
            let perm = flags::perm("msg_perm", &ds.msg_perm);
            let times = format!(
                "msg_stime={}, msg_rtime={}, msg_ctime={}",
                ds.msg_stime, ds.msg_rtime, ds.msg_ctime
            );
            let sizes = format!("msg_qnum={}, msg_qbytes={}", ds.msg_qnum, ds.msg_qbytes);
            let pids = format!("msg_lspid={}, msg_lrpid={}", ds.msg_lspid, ds.msg_lrpid);
            Some(format!("{{{perm}, {times}, {sizes}, {pids}}}"))
        }
        ("msg", libc::IPC_INFO | 12) => {
            let [pool, map, max, mnb, mni, ssz, tql, seg] = record::<[i32; 8]>(tid, at)?;
            let sizes = format!("msgmax={max}, msgmnb={mnb}, msgmni={mni}, msgssz={ssz}");
            let seg = seg as u16;
            Some(format!("{{msgpool={pool}, msgmap={map}, {sizes}, msgtql={tql}, msgseg={seg}}}"))
        }
        ("sem", libc::IPC_STAT | 18 | 20) => {
            let ds: libc::semid_ds = record(tid, at)?;
            let perm = flags::perm("sem_perm", &ds.sem_perm);
            let times = format!("sem_otime={}, sem_ctime={}", ds.sem_otime, ds.sem_ctime);
            Some(format!("{{{perm}, {times}, sem_nsems={}}}", ds.sem_nsems))
        }
        _ => None,
    }
}

/// strace puts the stack first, and only what the flags make clone look at.
fn clone_as_strace(args: Vec<Arg>, flags: u64) -> Vec<Arg> {
    let needs = |name: &str| match name {
        "parent_tid" => flags & (libc::CLONE_PARENT_SETTID | libc::CLONE_PIDFD) as u64 != 0,
        "child_tid" => flags & (libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID) as u64 != 0,
        "tls" => flags & libc::CLONE_SETTLS as u64 != 0,
        _ => true,
    };
    let mut args: Vec<Arg> = args.into_iter().filter(|arg| needs(&arg.name)).collect();
    args.swap(0, 1);
    for arg in &mut args {
        let spelled = match &*arg.name {
            "flags" if flags & 0xff != 0 && flags & !0xff != 0 => {
                format!("flags={}|{}", arg.text, names::signal((flags & 0xff) as c_int))
            }
            "flags" if flags & 0xff != 0 => {
                format!("flags={}", names::signal((flags & 0xff) as c_int))
            }
            "child_tid" => format!("child_tidptr={}", arg.text),
            name => format!("{name}={}", arg.text),
        };
        arg.text = spelled.into();
    }
    args
}

/// `{flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD, stack=0x…, stack_size=0x9000}`
fn clone_args(tid: Tid, at: u64) -> String {
    let Some(args) = record::<[u64; 8]>(tid, at) else { return pointer(at) };
    let [flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls] = args;
    let has = |bits: c_int| flags & bits as u64 != 0;
    let mut text = format!("{{flags={}", names::clone(flags));
    if has(libc::CLONE_PIDFD) {
        text += &format!(", pidfd={}", pointer(pidfd));
    }
    if has(libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID) {
        text += &format!(", child_tid={}", pointer(child_tid));
    }
    if has(libc::CLONE_PARENT_SETTID) {
        text += &format!(", parent_tid={}", pointer(parent_tid));
    }
    text += &format!(", exit_signal={}", names::signal(exit_signal as c_int));
    text += &format!(", stack={}, stack_size={stack_size:#x}", pointer(stack));
    if has(libc::CLONE_SETTLS) {
        text += &format!(", tls={tls:#x}");
    }
    text + "}"
}

/// The arguments of futex from the fourth on, as far as its operation has them.
fn futex_rest(tid: Tid, entry: &Entry, kind: As, value: u64) -> Option<Cow<'static, str>> {
    let waits = |op| matches!(op, libc::FUTEX_WAIT | libc::FUTEX_LOCK_PI | 13);
    let op = entry.args[1] as c_int & 0x7f;
    let bitset = matches!(op, libc::FUTEX_WAIT_BITSET | libc::FUTEX_WAKE_BITSET);
    let requeue = matches!(op, 3..=5 | 11 | 12);
    match kind {
        FutexValue2 if waits(op) || op == libc::FUTEX_WAIT_BITSET || op == 11 => {
            spell(tid, entry, Time, value)
        }
        FutexValue2 if requeue => spell(tid, entry, Size, value),
        FutexPointer2 if requeue => spell(tid, entry, Pointer, value),
        FutexValue3 if bitset && value as u32 == u32::MAX => Some("FUTEX_BITSET_MATCH_ANY".into()),
        FutexValue3 if bitset => Some(format!("{:#x}", value as u32).into()),
        FutexValue3 if matches!(op, 4 | 12) => spell(tid, entry, Size, value),
        FutexValue3 if op == 5 => spell(tid, entry, Hex, value),
        _ => None,
    }
}

/// What to do about a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// It is shown.
    Show,
    /// It writes to standard output or standard error.
    Write,
    /// It looks a file up, as ftok does.
    File,
    /// Nothing.
    Nothing,
}

/// What `lab trace` does about a call. The filter stops only those that it does something about.
pub fn look(entry: &Entry) -> Look {
    let first = entry.args[0] as c_int;
    match entry.number {
        libc::SYS_write | libc::SYS_writev if first == 1 || first == 2 => Look::Write,
        libc::SYS_write | libc::SYS_writev | libc::SYS_exit | libc::SYS_exit_group => Look::Nothing,
        libc::SYS_rt_sigaction if !handler_is_seen(first) => Look::Nothing,
        libc::SYS_newfstatat if first == libc::AT_FDCWD => Look::File,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_stat => Look::File,
        number if name(number).is_some() => Look::Show,
        _ => Look::Nothing,
    }
}

/// Are calls looked at that set what this signal does?
pub fn handler_is_seen(signal: c_int) -> bool {
    WAKE_UPS.contains(&signal) || (34..=64).contains(&signal)
}
