//! Numbers to the words that `strace` uses, so that the two can be laid side by side.

use std::mem;

use libc::{c_int, key_t};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::User;

// <linux/shm.h>; the libc crate has none of these.
/// `shmctl`: the record in a slot of the kernel's table.
pub const SHM_STAT: c_int = 13;
/// `shmctl`: what all segments use together.
pub const SHM_INFO: c_int = 14;
/// `shmctl`: like [`SHM_STAT`], without asking for read permission.
pub const SHM_STAT_ANY: c_int = 15;
/// In `shm_perm.mode`: removed, and gone with the last detach.
pub const SHM_DEST: u32 = 0o1000;
/// In `shm_perm.mode`: locked in memory.
pub const SHM_LOCKED: u32 = 0o2000;

/// A bit of the command that asks for today's structs; understood everywhere, needed on few.
const IPC_64: c_int = 0x100;

const GET: &[(c_int, &str)] = &[
    (libc::IPC_CREAT, "IPC_CREAT"),
    (libc::IPC_EXCL, "IPC_EXCL"),
    (libc::SHM_HUGETLB, "SHM_HUGETLB"),
    (libc::SHM_NORESERVE, "SHM_NORESERVE"),
];
const COMMANDS: &[(c_int, &str)] = &[
    (libc::IPC_RMID, "IPC_RMID"),
    (libc::IPC_SET, "IPC_SET"),
    (libc::IPC_STAT, "IPC_STAT"),
    (libc::IPC_INFO, "IPC_INFO"),
    (libc::SHM_LOCK, "SHM_LOCK"),
    (libc::SHM_UNLOCK, "SHM_UNLOCK"),
    (SHM_STAT, "SHM_STAT"),
    (SHM_INFO, "SHM_INFO"),
    (SHM_STAT_ANY, "SHM_STAT_ANY"),
];
/// The flags of `shmat`.
pub const ATTACH: &[(c_int, &str)] = &[
    (libc::SHM_RDONLY, "SHM_RDONLY"),
    (libc::SHM_RND, "SHM_RND"),
    (libc::SHM_REMAP, "SHM_REMAP"),
    (libc::SHM_EXEC, "SHM_EXEC"),
];
/// The flags of `msgsnd` and `msgrcv`.
pub const MESSAGE: &[(c_int, &str)] =
    &[(libc::MSG_NOERROR, "MSG_NOERROR"), (libc::IPC_NOWAIT, "IPC_NOWAIT")];
/// The flags of a semaphore operation.
pub const SEMAPHORE: &[(c_int, &str)] =
    &[(libc::IPC_NOWAIT, "IPC_NOWAIT"), (libc::SEM_UNDO, "SEM_UNDO")];

/// `SHM_RDONLY|SHM_RND`: the bits of `flags` by their names, the rest in hexadecimal.
pub fn join(flags: c_int, names: &[(c_int, &str)]) -> String {
    let known = names.iter().filter(|(bit, _)| flags & bit != 0);
    let rest = flags & !names.iter().fold(0, |all, (bit, _)| all | bit);
    let mut parts: Vec<String> = known.map(|(_, name)| name.to_string()).collect();
    if rest != 0 || parts.is_empty() {
        parts.push(if rest == 0 { "0".into() } else { format!("{rest:#x}") });
    }
    parts.join("|")
}

/// `IPC_CREAT|IPC_EXCL|0600`: the flags of `shmget`, `msgget` and `semget`, mode in octal.
pub fn get(flags: c_int) -> String {
    let pages = libc::MAP_HUGE_MASK << libc::MAP_HUGE_SHIFT;
    let mut text = String::new();
    if flags & !0o777 & !pages != 0 {
        text += &format!("{}|", join(flags & !0o777 & !pages, GET));
    }
    if flags & pages != 0 {
        // The highest of these bits is the sign.
        let shift = (flags & pages) as u32 >> libc::MAP_HUGE_SHIFT;
        text += &format!("{shift}<<SHM_HUGE_SHIFT|");
    }
    text + &format!("0{:02o}", flags & 0o777)
}

/// `IPC_STAT`: a command of `shmctl`.
pub fn command(command: c_int) -> String {
    if command & IPC_64 != 0 {
        return format!("IPC_64|{}", self::command(command & !IPC_64));
    }
    let known = COMMANDS.iter().find(|(number, _)| *number == command);
    known.map_or(format!("{command:#x} /* SHM_??? */"), |(_, name)| name.to_string())
}

/// `IPC_PRIVATE`, or the key in hexadecimal. `strace` prints decimal inside a `shmid_ds`; we do
/// not: one key, one spelling.
pub fn key(key: key_t) -> String {
    if key == libc::IPC_PRIVATE { "IPC_PRIVATE".into() } else { format!("{key:#x}") }
}

/// `NULL`, or the address. As an answer `strace` spells the first one `0`.
pub fn pointer(addr: *const libc::c_void) -> String {
    if addr.is_null() { "NULL".into() } else { format!("{addr:p}") }
}

/// `EEXIST (File exists)`.
pub fn errno(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    format!("{errno:?} ({})", text.split(" (os error").next().unwrap_or_default())
}

/// `SIGUSR1`.
pub fn signal(number: c_int) -> String {
    Signal::try_from(number).map_or(format!("signal {number}"), |signal| signal.to_string())
}

/// `"caf\303\251\n"`: bytes as a C string literal, at most 32 of them.
pub fn bytes(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(32)];
    let mut text = String::from("\"");
    for (i, &byte) in shown.iter().enumerate() {
        text += &match byte {
            b'"' | b'\\' => format!("\\{}", byte as char),
            b'\t' | b'\n' | b'\r' => byte.escape_ascii().to_string(),
            0x0b => "\\v".into(),
            0x0c => "\\f".into(),
            b' '..=b'~' => (byte as char).to_string(),
            // An octal digit behind it would be read as a part of it.
            _ if shown.get(i + 1).is_some_and(|next| (b'0'..=b'7').contains(next)) => {
                format!("\\{byte:03o}")
            }
            _ => format!("\\{byte:o}"),
        };
    }
    text + if bytes.len() > shown.len() { "\"..." } else { "\"" }
}

/// `shm_perm={uid=…}`: who owns an object, and what its mode allows.
pub fn perm(name: &str, p: &libc::ipc_perm) -> String {
    let (owner, mode, key) = (format!("uid={}, gid={}", p.uid, p.gid), p.mode, p.__key);
    let creator = format!("cuid={}, cgid={}", p.cuid, p.cgid);
    format!("{name}={{{owner}, mode=0{mode:02o}, key={key:#x}, {creator}}}")
}

/// A user's name as `ipcs` prints it: at most 10 letters, or the number.
pub fn user(uid: i64) -> String {
    // A signal that comes while the list of users is read makes a user unknown.
    let known = (0..3).find_map(|_| User::from_uid((uid as u32).into()).ok().flatten());
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

/// A field as `ipcs` spells it, by the name that `ipcs` has for it.
pub fn ipcs(name: &str, number: i64) -> String {
    match name {
        "key" => format!("{:#010x}", number as i32),
        "owner" => user(number),
        "perms" => format!("{:o}", number & 0o777),
        "mode" => format!("{}{number:o}", if number == 0 { "" } else { "0" }),
        // The bits SHM_DEST and SHM_LOCKED.
        "status" => ["", "dest", "locked", "dest locked"][number as usize >> 9 & 3].into(),
        _ if name.ends_with("_time") => time(number),
        _ => number.to_string(),
    }
}
