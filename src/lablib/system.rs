//! The kernel's own tables, and the real `ipcs` beside ours.

use std::process::Command;
use std::{fs, mem};

use libc::{c_int, shmid_ds};
use nix::errno::Errno;
use nix::unistd::{User, geteuid};

use crate::cleanup::Kind;
use crate::{Failure, Result, flags, shm, trace};

/// A row of /proc/sysvipc/{shm,msg,sem}: numbers by the names of its columns.
#[derive(Clone, Debug)]
pub struct Row(Vec<(String, i64)>);

impl Row {
    /// IPC_STAT's record of a segment, with the columns that /proc/sysvipc/shm has.
    pub fn of(shmid: c_int, ds: &shmid_ds) -> Row {
        let p = &ds.shm_perm;
        let of_perm = [p.__key as i64, shmid.into(), p.mode.into(), ds.shm_segsz as i64];
        let pids = [ds.shm_cpid.into(), ds.shm_lpid.into(), ds.shm_nattch as i64];
        let owners = [p.uid.into(), p.gid.into(), p.cuid.into(), p.cgid.into()];
        let times = [ds.shm_atime, ds.shm_dtime, ds.shm_ctime];
        let names = "key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime";
        let values = of_perm.into_iter().chain(pids).chain(owners).chain(times);
        Row(names.split(' ').map(String::from).zip(values).collect())
    }

    /// The number in a column; 0 for a column that this table does not have.
    pub fn get(&self, column: &str) -> i64 {
        self.0.iter().find(|(name, _)| name == column).map_or(0, |(_, value)| *value)
    }

    /// shmid, msqid or semid.
    pub fn id(&self) -> i64 {
        self.0.get(1).map_or(-1, |(_, id)| *id)
    }

    /// The key; 0 for IPC_PRIVATE, and for a segment that goes with its last detach.
    pub fn key(&self) -> i32 {
        self.get("key") as i32
    }
}

/// The kernel's table of one kind, whole. Open to everybody, unlike IPC_STAT; 20 us a read.
pub fn table(kind: Kind) -> Vec<Row> {
    let text = fs::read_to_string(format!("/proc/sysvipc/{}", kind.name())).unwrap_or_default();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let pair = |(name, word): (&&str, &str)| {
        let radix = if *name == "perms" { 8 } else { 10 };
        (name.to_string(), i64::from_str_radix(word, radix).unwrap_or(i64::MAX))
    };
    lines.map(|line| Row(names.iter().zip(line.split_whitespace()).map(pair).collect())).collect()
}

/// The row of one object.
pub fn row(kind: Kind, id: c_int) -> Option<Row> {
    table(kind).into_iter().find(|row| row.id() == i64::from(id))
}

/// The row of one segment.
pub fn segment(shmid: c_int) -> Option<Row> {
    row(Kind::Shm, shmid)
}

/// A number of /proc/sys/kernel: `shmmni`, `shmmax`, `shmall`, …
pub fn limit(name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// What /proc/PID/status says of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// `R` running, `S` asleep, `D` in a disk, `T` stopped, `t` traced, `Z` dead and not reaped.
    pub state: char,
    /// The signals that it blocks now, bit n - 1 for signal n. In sigsuspend: those of its mask.
    pub blocked: u64,
    /// The signals that wait for it.
    pub pending: u64,
    /// How often it has gone to sleep: equal twice, it has slept from one look to the next.
    pub sleeps: u64,
    /// Its user.
    pub uid: u32,
}

/// Looks at a process; `None` if there is none.
pub fn status(pid: i32) -> Option<Status> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()).unwrap_or_default()
    };
    let mask = |name: &str| u64::from_str_radix(field(name), 16).unwrap_or(0);
    Some(Status {
        state: field("State:").chars().next()?,
        blocked: mask("SigBlk:"),
        pending: mask("SigPnd:") | mask("ShdPnd:"),
        sleeps: field("voluntary_ctxt_switches:").parse().unwrap_or(0),
        uid: field("Uid:").parse().ok()?,
    })
}

/// Does this process run? One that is dead and not reaped does not.
pub fn runs(pid: i32) -> bool {
    status(pid).is_some_and(|status| !"ZX".contains(status.state))
}

/// The system call that pause(3) makes.
#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
pub const SYS_PAUSE: libc::c_long = libc::SYS_pause;
/// The system call that pause(3) makes: newer machines have no pause(2).
#[cfg(not(any(target_arch = "x86_64", target_arch = "x86")))]
pub const SYS_PAUSE: libc::c_long = libc::SYS_ppoll;

/// The number of the system call in which a process sleeps, if it does and we may know.
pub fn asleep_in(pid: i32) -> Option<libc::c_long> {
    let line = fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
    line.split(' ').next()?.parse().ok()
}

/// Runs the real `ipcs`; `None` if this machine has none. By posix_spawn: a fork would attach a
/// copy of what we have attached, and change what is being compared.
pub fn ipcs(arguments: &[&str]) -> Option<String> {
    let output = Command::new("ipcs").args(arguments).env("LC_ALL", "C").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A compare point: what IPC_STAT says of a segment, and under it what the real `ipcs -m` prints
/// for it, and `ipcs -m -i`. `Err` if a field differs, unless somebody attached or detached
/// meanwhile: then both are asked again.
pub fn compare(shmid: c_int) -> Result<()> {
    let (source, ours) = match shm::ctl_stat(shmid) {
        Err(Failure::Call(_, Errno::EACCES)) => {
            trace::note("IPC_STAT is refused: our row is the one of /proc, open to everybody");
            ("/proc", segment(shmid))
        }
        stat => ("IPC_STAT", Some(Row::of(shmid, &stat?))),
    };
    let ours = ours.ok_or_else(|| Failure::because(format!("/proc has no segment {shmid}")))?;
    let fields = fields(&ours);
    let (reader, theirs) = match ipcs_fields(shmid, &fields) {
        Some(theirs) => ("ipcs -m", theirs),
        None => {
            trace::note("this machine has no ipcs; /proc/sysvipc/shm is what it reads");
            let row = segment(shmid).map_or(vec![], |row| self::fields(&row));
            ("/proc", row.into_iter().map(|(_, value)| value).collect())
        }
    };
    let name = |i: usize| fields[i].0;
    let rows: [(&str, Vec<&str>); 3] = [
        ("", (0..7).map(name).collect()),
        (source, fields.iter().map(|(_, value)| value.as_str()).collect()),
        (reader, theirs.iter().map(String::as_str).collect()),
    ];
    for (label, cells) in &rows {
        let width = |i: usize| rows.iter().filter_map(|row| row.1.get(i)).map(|c| c.len()).max();
        let cells = (0..7).map(|i| format!(" {:<1$}", cells[i], width(i).unwrap_or(0)));
        trace::text(format!("{label:<8} {}", cells.collect::<String>()).trim_end());
    }
    for ((name, ours), theirs) in fields.iter().zip(&theirs) {
        if ours != theirs && segment(shmid).is_some_and(|now| self::fields(&now) != fields) {
            trace::note("somebody attached or detached meanwhile: once more");
            return compare(shmid);
        }
        if ours != theirs {
            let text =
                format!("segment {shmid}: {name} is {theirs} for {reader}, {ours} for {source}");
            return Err(Failure::because(text));
        }
    }
    let more = format!(", and those of ipcs -m -i {shmid}");
    trace::note(&format!("✓ all fields are equal{}", if reader == "/proc" { "" } else { &more }));
    Ok(())
}

/// What `ipcs -m` and `ipcs -m -i` print for these fields; `None` if this machine has no `ipcs`.
fn ipcs_fields(shmid: c_int, fields: &[(&str, String)]) -> Option<Vec<String>> {
    let (screen, id) = (ipcs(&["-m"])?, shmid.to_string());
    let mut rows = screen.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.get(1) == Some(&id.as_str())).unwrap_or_default();
    let detail = ipcs(&["-m", "-i", &id])?;
    let pairs = || detail.split(['\t', '\n']).filter_map(|pair| pair.split_once('='));
    let field = |(i, (name, _)): (usize, &(&str, String))| match i {
        0..6 => row.get(i).map_or("nothing".into(), |word| word.to_string()),
        // The last column holds no word, one (dest, locked), or both.
        6 => row.get(6..).unwrap_or_default().join(" "),
        _ => {
            let found = pairs().find(|pair| pair.0.trim() == *name);
            found.map_or("nothing".into(), |pair| pair.1.trim().to_string())
        }
    };
    Some(fields.iter().enumerate().map(field).collect())
}

/// A segment in the words of `ipcs`: its row, 7 fields, and what `ipcs -i` adds.
fn fields(row: &Row) -> Vec<(&'static str, String)> {
    let mode = row.get("perms");
    let words = [(flags::SHM_DEST, "dest"), (flags::SHM_LOCKED, "locked")].into_iter();
    let status: Vec<_> =
        words.filter(|(bit, _)| mode as u32 & bit != 0).map(|(_, word)| word).collect();
    let number = |name: &'static str, column| (name, row.get(column).to_string());
    let time = |name, column| (name, time(row.get(column)));
    vec![
        ("key", format!("{:#010x}", row.key())),
        ("shmid", row.id().to_string()),
        ("owner", user(row.get("uid"))),
        ("perms", format!("{:o}", mode & 0o777)),
        number("bytes", "size"),
        number("nattch", "nattch"),
        ("status", status.join(" ")),
        ("mode", format!("{}{mode:o}", if mode == 0 { "" } else { "0" })),
        number("uid", "uid"),
        number("gid", "gid"),
        number("cuid", "cuid"),
        number("cgid", "cgid"),
        number("lpid", "lpid"),
        number("cpid", "cpid"),
        time("att_time", "atime"),
        time("det_time", "dtime"),
        time("change_time", "ctime"),
    ]
}

/// A user's name as `ipcs` prints it: at most 10 letters, or the number.
pub fn user(uid: i64) -> String {
    let known = User::from_uid((uid as u32).into()).ok().flatten();
    known.map_or(uid.to_string(), |user| user.name.chars().take(10).collect())
}

/// A time as `ipcs -i` prints it: local, or `Not set`.
pub fn time(seconds: i64) -> String {
    if seconds == 0 {
        return "Not set".into();
    }
    let mut text = [0_u8; 64];
    // SAFETY: localtime_r fills the tm; strftime writes at most 64 bytes and answers how many.
    let n = unsafe {
        let mut tm = mem::zeroed();
        libc::localtime_r(&seconds, &mut tm);
        libc::strftime(text.as_mut_ptr().cast(), text.len(), c"%a %b %e %H:%M:%S %Y".as_ptr(), &tm)
    };
    String::from_utf8_lossy(&text[..n]).into_owned()
}

/// What a refused call means beyond its errno: which limit is reached, or who is in the way.
pub(crate) fn hint(call: &str, errno: Errno) -> String {
    match (call.split('(').next().unwrap_or_default(), errno) {
        (_, Errno::ENOSYS) => "; this kernel or sandbox has no System V IPC".into(),
        ("shmget", Errno::ENOSPC) => {
            let (used, most) = (table(Kind::Shm).len(), limit("shmmni"));
            let what = format!("{used} of at most {most} segments are in use, or shmall pages");
            format!("; this is not about disk space: {what}; see ipcs -mu and ipcs -ml")
        }
        ("shmget" | "shmat", Errno::EACCES) | ("shmctl", Errno::EPERM) => {
            let first = call.split(['(', ',']).nth(1).unwrap_or_default();
            let named = |row: &Row| match first.strip_prefix("0x") {
                Some(key) => format!("{:x}", row.key()) == key,
                None => row.id().to_string() == first,
            };
            table(Kind::Shm).into_iter().find(named).map_or(String::new(), |row| {
                let (id, mode, owner) = (row.id(), row.get("perms") & 0o777, row.get("uid"));
                let (whose, who) = match owner == geteuid().as_raw().into() {
                    true => ("yours".into(), "you"),
                    false => (format!("{}'s", user(owner)), "they"),
                };
                format!("; segment {id} is {whose}, mode {mode:04o}; {who} may type ipcrm -m {id}")
            })
        }
        _ => String::new(),
    }
}
