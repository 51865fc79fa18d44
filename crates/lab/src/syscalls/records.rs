//! Records and strings that arguments point at, spelled.

use libc::{c_int, siginfo_t};
use sysv::spell;
use sysv::tables::Kind;

use crate::event::{Action, Command};
use crate::tracer::memory::{self, record};
use crate::tracer::names::{self, IPC_64};
use crate::tracer::{Tid, sender};

/// `NULL`, or the address.
pub fn pointer(value: u64) -> String {
    if value == 0 { "NULL".into() } else { format!("{value:#x}") }
}

/// A string literal of at most `limit` bytes; `sysv`'s has at most 32.
pub fn literal(bytes: &[u8], limit: usize) -> String {
    if limit <= 32 {
        return spell::bytes(bytes);
    }
    let mut text = String::from("\"");
    let shown = &bytes[..bytes.len().min(limit)];
    for (i, part) in shown.chunks(32).enumerate() {
        // An octal escape at a seam would read differently before a digit of the next part.
        let seam = shown.get((i + 1) * 32).is_some_and(u8::is_ascii_digit);
        let part = spell::bytes(part);
        let part = part.trim_start_matches('"').strip_suffix('"').unwrap_or(&part).to_string();
        text += if seam && part.ends_with("\\0") { &part[..part.len() - 1] } else { &part };
        if seam && part.ends_with("\\0") {
            text += "000";
        }
    }
    text + if bytes.len() > limit { "\"..." } else { "\"" }
}

/// `{mtype=1, mtext="hello"}`
pub fn message(tid: Tid, at: u64, size: u64) -> Option<String> {
    let kind: i64 = record(tid, at)?;
    let shown = size.min(33) as usize;
    let text = memory::bytes(tid, at + 8, shown);
    Some(format!("{{mtype={kind}, mtext={}}}", spell::bytes(&text)))
}

/// `{sa_handler=SIG_IGN, sa_mask=[], sa_flags=SA_RESTORER, sa_restorer=0x7f…}`
pub fn action(tid: Tid, at: u64) -> Option<(String, Action)> {
    // The kernel's order: handler, flags, restorer (not everywhere), mask.
    const RESTORER: bool = cfg!(target_arch = "x86_64");
    let [handler, flags, third, fourth] = record::<[u64; 4]>(tid, at)?;
    let (restorer, mask) = if RESTORER { (third, fourth) } else { (0, third) };
    let (handler, action) = match handler {
        0 => ("SIG_DFL".into(), Action::Default),
        1 => ("SIG_IGN".into(), Action::Ignore),
        _ => (format!("{handler:#x}"), Action::Handler),
    };
    let restorer = if RESTORER && flags & 0x0400_0000 != 0 {
        format!(", sa_restorer={restorer:#x}")
    } else {
        String::new()
    };
    let (mask, flags) = (names::set(mask), names::action(flags));
    let text = format!("{{sa_handler={handler}, sa_mask={mask}, sa_flags={flags}{restorer}}}");
    Some((text, action))
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
pub fn set(tid: Tid, kind: Kind, command: Command, at: u64) -> Option<String> {
    if command != Command::Set {
        return None;
    }
    let who = |p: &libc::ipc_perm| {
        let id = |id: u32| if id == u32::MAX { -1 } else { i64::from(id) };
        format!("uid={}, gid={}, mode=0{:02o}", id(p.uid), id(p.gid), p.mode)
    };
    match kind {
        Kind::Shm => {
            let ds: libc::shmid_ds = record(tid, at)?;
            Some(format!("{{shm_perm={{{}}}}}", who(&ds.shm_perm)))
        }
        Kind::Msg => {
            let ds: libc::msqid_ds = record(tid, at)?;
            Some(format!("{{msg_perm={{{}}}, msg_qbytes={}}}", who(&ds.msg_perm), ds.msg_qbytes))
        }
        Kind::Sem => {
            let ds: libc::semid_ds = record(tid, at)?;
            Some(format!("{{sem_perm={{{}}}}}", who(&ds.sem_perm)))
        }
    }
}

/// What IPC_STAT and its relatives give back.
pub fn got(tid: Tid, kind: Kind, command: c_int, at: u64) -> Option<String> {
    match (kind, command & !IPC_64) {
        (Kind::Shm, libc::IPC_STAT | spell::SHM_STAT | spell::SHM_STAT_ANY) => {
            let ds: libc::shmid_ds = record(tid, at)?;
            let perm = spell::perm("shm_perm", &ds.shm_perm);
            let pids = format!("shm_cpid={}, shm_lpid={}", ds.shm_cpid, ds.shm_lpid);
            let times = format!(
                "shm_atime={}, shm_dtime={}, shm_ctime={}",
                ds.shm_atime, ds.shm_dtime, ds.shm_ctime
            );
            let sizes = format!("shm_segsz={}, {pids}, shm_nattch={}", ds.shm_segsz, ds.shm_nattch);
            Some(format!("{{{perm}, {sizes}, {times}}}"))
        }
        (Kind::Shm, libc::IPC_INFO) => {
            let [max, min, mni, seg, all] = record::<[u64; 5]>(tid, at)?;
            Some(format!(
                "{{shmmax={max}, shmmin={min}, shmmni={mni}, shmseg={seg}, shmall={all}}}"
            ))
        }
        (Kind::Shm, spell::SHM_INFO) => {
            let [used, total, rss, swp, attempts, successes] = record::<[u64; 6]>(tid, at)?;
            let pages = format!("shm_tot={total}, shm_rss={rss}, shm_swp={swp}");
            let swaps = format!("swap_attempts={attempts}, swap_successes={successes}");
            Some(format!("{{used_ids={}, {pages}, {swaps}}}", used as u32))
        }
        (Kind::Msg, libc::IPC_STAT | 11 | 13) => {
            let ds: libc::msqid_ds = record(tid, at)?;
            let perm = spell::perm("msg_perm", &ds.msg_perm);
            let times = format!(
                "msg_stime={}, msg_rtime={}, msg_ctime={}",
                ds.msg_stime, ds.msg_rtime, ds.msg_ctime
            );
            let sizes = format!("msg_qnum={}, msg_qbytes={}", ds.msg_qnum, ds.msg_qbytes);
            let pids = format!("msg_lspid={}, msg_lrpid={}", ds.msg_lspid, ds.msg_lrpid);
            Some(format!("{{{perm}, {times}, {sizes}, {pids}}}"))
        }
        (Kind::Msg, libc::IPC_INFO | 12) => {
            let [pool, map, max, mnb, mni, ssz, tql, seg] = record::<[i32; 8]>(tid, at)?;
            let sizes = format!("msgmax={max}, msgmnb={mnb}, msgmni={mni}, msgssz={ssz}");
            let seg = seg as u16;
            Some(format!("{{msgpool={pool}, msgmap={map}, {sizes}, msgtql={tql}, msgseg={seg}}}"))
        }
        (Kind::Sem, libc::IPC_STAT | 18 | 20) => {
            let ds: libc::semid_ds = record(tid, at)?;
            let perm = spell::perm("sem_perm", &ds.sem_perm);
            let times = format!("sem_otime={}, sem_ctime={}", ds.sem_otime, ds.sem_ctime);
            Some(format!("{{{perm}, {times}, sem_nsems={}}}", ds.sem_nsems))
        }
        _ => None,
    }
}

/// `{flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD, stack=0x…, stack_size=0x9000}`
pub fn clone_args(tid: Tid, at: u64) -> String {
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
