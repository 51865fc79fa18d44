//! Records and strings that arguments point at, spelled.

use libc::{c_int, siginfo_t};
use sysv::spell;
use sysv::tables::Kind;

use crate::event::{Action, Command};
use crate::tracer::memory::{self, record};
use crate::tracer::names::{self, IPC_64};
use crate::tracer::{Tid, sender};

/// `si_code` of a descriptor that is ready. siginfo(2)
const SI_SIGIO: c_int = -5;

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
        let seam = shown.get((i + 1) * 32).is_some_and(|next| (b'0'..=b'7').contains(next));
        let part = spell::bytes(part);
        let part = part.trim_start_matches('"').strip_suffix('"').unwrap_or(&part).to_string();
        text += if seam && part.ends_with("\\0") { &part[..part.len() - 1] } else { &part };
        if seam && part.ends_with("\\0") {
            text += "000";
        }
    }
    text + if bytes.len() > limit { "\"..." } else { "\"" }
}

/// `{mtype=1, mtext="hello"}`, and its type.
pub fn message(tid: Tid, at: u64, size: u64) -> Option<(String, i64)> {
    let kind: i64 = record(tid, at)?;
    let shown = size.min(33) as usize;
    let text = memory::bytes(tid, at + 8, shown);
    Some((format!("{{mtype={kind}, mtext={}}}", spell::bytes(&text)), kind))
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
    } else if code == libc::SI_TIMER {
        let timer = names::hexadecimal(pid as u32);
        text += &format!(", si_timerid={timer}, si_overrun={uid}, si_int={}", value as c_int);
        text += &format!(", si_ptr={}", pointer(value));
    } else if code == SI_SIGIO {
        // SAFETY: the record is longer; a band and a descriptor stand behind three ints.
        let words = unsafe { (&raw const *info).cast::<[i64; 4]>().read() };
        text += &format!(", si_band={}, si_fd={}", words[2], words[3] as c_int);
    } else if code <= 0 {
        text += &format!(", si_pid={pid}, si_uid={uid}");
        if code == libc::SI_QUEUE && value != 0 {
            text += &format!(", si_int={}, si_ptr={}", value as c_int, pointer(value));
        }
    }
    text + "}"
}

/// What IPC_SET takes, and the user and the group in it.
pub fn set(tid: Tid, kind: Kind, command: Command, at: u64) -> Option<(String, [u32; 2])> {
    if command != Command::Set {
        return None;
    }
    // The kernel's mode has 32 bits; it stands behind a key and four ids.
    let mode: u32 = record(tid, at + 20)?;
    let who = |p: &libc::ipc_perm| {
        let id = |id: u32| if id == u32::MAX { -1 } else { i64::from(id) };
        format!("uid={}, gid={}, mode=0{mode:02o}", id(p.uid), id(p.gid))
    };
    match kind {
        Kind::Shm => {
            let ds: libc::shmid_ds = record(tid, at)?;
            let p = &ds.shm_perm;
            Some((format!("{{shm_perm={{{}}}}}", who(p)), [p.uid, p.gid]))
        }
        Kind::Msg => {
            let ds: libc::msqid_ds = record(tid, at)?;
            let p = &ds.msg_perm;
            let text = format!("{{msg_perm={{{}}}, msg_qbytes={}}}", who(p), ds.msg_qbytes);
            Some((text, [p.uid, p.gid]))
        }
        Kind::Sem => {
            let ds: libc::semid_ds = record(tid, at)?;
            let p = &ds.sem_perm;
            Some((format!("{{sem_perm={{{}}}}}", who(p)), [p.uid, p.gid]))
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
        (Kind::Sem, libc::IPC_STAT | 18 | 20) => Some(sysv::records::sem(&record(tid, at)?)),
        (Kind::Sem, libc::IPC_INFO | 19) => {
            let info: [i32; 10] = record(tid, at)?;
            let names = "semmap semmni semmns semmnu semmsl semopm semume semusz semvmx semaem";
            let fields = names.split(' ').zip(info).map(|(name, n)| format!("{name}={n}"));
            Some(format!("{{{}}}", fields.collect::<Vec<_>>().join(", ")))
        }
        _ => None,
    }
}

/// `{flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD, stack=0x…, stack_size=0x9000}`
pub fn clone_args(tid: Tid, at: u64, size: u64) -> String {
    let args = record::<[u64; 8]>(tid, at).filter(|_| size >= 64);
    let Some(args) = args else { return pointer(at) };
    let [flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls] = args;
    const INTO_CGROUP: u64 = 1 << 33;
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
    let stack_size = if stack_size == 0 { "0".into() } else { format!("{stack_size:#x}") };
    text += &format!(", stack={}, stack_size={stack_size}", pointer(stack));
    if has(libc::CLONE_SETTLS) {
        text += &format!(", tls={tls:#x}");
    }
    if flags & INTO_CGROUP != 0
        && size >= 88
        && let Some(cgroup) = record::<u64>(tid, at + 80)
    {
        text += &format!(", cgroup={cgroup}");
    }
    text + "}"
}
