//! A call, spelled as `strace -v` spells it, with the names that the manual gives its arguments. One
//! difference: a key is hexadecimal everywhere (strace prints it in decimal inside a record).

use libc::{c_int, pollfd};

use super::args::{As, given_back, spell};
use super::cells::{CloneFlags, Shown, Spelling, Wakes};
use super::records::literal;
use super::{name, row};
use crate::event::{Arg, Call};
use crate::tracer::memory::{self, record, records, string};
use crate::tracer::{Entry, Tid, names};

/// Spells a call at its entry: what it takes is read, what it will give back is a pointer yet.
pub fn enter(tid: Tid, entry: &Entry) -> Call {
    let known = row(entry.number).filter(|_| !entry.foreign);
    let name = if entry.foreign {
        format!("syscall_{:#x}", entry.number).into()
    } else {
        name(entry.number)
    };
    let mut call = Call {
        name,
        number: entry.number,
        args: vec![],
        result: None,
        answer: "?".into(),
        errno: None,
        interrupted: false,
        at: None,
    };
    let Some(known) = known else { return call };
    for (param, &value) in known.params.iter().zip(&entry.args) {
        if let Some(spelled) = spell(tid, entry, param.is, value) {
            let value = match param.is {
                As::Int | As::Folder | As::Key | As::Signal => i64::from(value as c_int),
                _ => value as i64,
            };
            let (text, means) = (spelled.text, spelled.means);
            call.args.push(Arg { name: param.name, text, value, means });
        }
    }
    if known.wakes == Wakes::Child(CloneFlags::First) {
        call.args = clone_as_strace(call.args, entry.args[0]);
    }
    call
}

/// Completes a call with its result, and with what it gave back.
pub fn leave(tid: Tid, entry: &Entry, call: &mut Call, result: i64) {
    if let Some(refusal) = names::error(result) {
        call.result = refusal.errno.map(|_| -1);
        call.errno = refusal.errno;
        call.interrupted = refusal.errno.is_none();
        call.answer = refusal.spelled.into();
        return;
    }
    call.result = Some(result);
    let Some(known) = row(entry.number) else {
        call.answer = result.to_string().into();
        return;
    };
    call.answer = answer(tid, known.answer, entry, result).into();
    for (param, &at) in known.params.iter().zip(&entry.args) {
        if let Some(text) = given_back(tid, entry, param.is, at, result)
            && let Some(arg) = call.args.iter_mut().find(|arg| arg.name == param.name)
        {
            arg.text = text.into();
        }
    }
}

/// `3`, `0x7f0012340000`, `10 (SIGUSR1)`, `0 (Timeout)`
fn answer(tid: Tid, answer: Spelling, entry: &Entry, result: i64) -> String {
    match answer {
        Spelling::Address if result != 0 => format!("{result:#x}"),
        Spelling::Address | Spelling::Number => result.to_string(),
        Spelling::Signal => format!("{result} ({})", names::signal(result as c_int)),
        Spelling::Ready if result == 0 => "0 (Timeout)".into(),
        Spelling::Ready => {
            let ready = records::<pollfd>(tid, entry.args[0], entry.args[1].min(32) as usize);
            let ready = ready.iter().filter(|one| one.revents != 0);
            let ready = ready.map(|one| {
                let events = names::flags(one.revents as u16 as u64, &names::POLL);
                format!("{{fd={}, revents={events}}}", one.fd)
            });
            format!("{result} ([{}])", ready.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A file, as ftok sees it.
#[derive(Clone, Debug)]
pub struct KeyFile {
    /// As it was given.
    pub path: String,
    pub device: u64,
    pub inode: u64,
}

/// The file that a call of which that is known has just looked up.
pub fn file_looked_up(tid: Tid, entry: &Entry) -> Option<KeyFile> {
    let stat = if row(entry.number)?.shown == Shown::File { 1 } else { 2 };
    let found: libc::stat = record(tid, entry.args[stat])?;
    let path = path_looked_up(tid, entry)?;
    Some(KeyFile { path, device: found.st_dev, inode: found.st_ino })
}

/// The path that such a call looks up.
pub fn path_looked_up(tid: Tid, entry: &Entry) -> Option<String> {
    let at = match row(entry.number)?.shown {
        Shown::File => 0,
        Shown::FileAt => 1,
        _ => return None,
    };
    let path = string(tid, entry.args[at], 4096)?;
    Some(String::from_utf8_lossy(&path).into_owned())
}

/// The flags that rt_sigaction takes: the second word of its record.
pub fn action_flags(tid: Tid, entry: &Entry) -> u64 {
    record::<[u64; 2]>(tid, entry.args[1]).map_or(0, |[_, flags]| flags)
}

/// At most so many bytes of a write are shown.
const MOST: usize = 4096;

/// What a call wrote that has written that many bytes: the beginning of it.
pub fn written(tid: Tid, entry: &Entry, bytes: i64) -> String {
    let (at, len) = (entry.args[1], (bytes as usize).min(MOST));
    let is = row(entry.number).and_then(|row| row.params.get(1)).map(|param| param.is);
    let text = if is == Some(As::Vectors) {
        let parts = records::<libc::iovec>(tid, at, entry.args[2].min(64) as usize);
        let part =
            |part: &libc::iovec| memory::bytes(tid, part.iov_base as u64, part.iov_len.min(MOST));
        let mut text: Vec<u8> = parts.iter().flat_map(part).collect();
        text.truncate(len);
        text
    } else {
        memory::bytes(tid, at, len)
    };
    String::from_utf8_lossy(&text).into_owned()
}

/// What goes to standard output or standard error is spelled whole, and not its first 32 bytes alone.
pub fn spell_output(tid: Tid, entry: &Entry, call: &mut Call, bytes: i64) {
    let output = row(entry.number).is_some_and(|row| row.shown == Shown::Output);
    let text = call.args.get_mut(1).filter(|arg| arg.name == "buf");
    if let Some(text) = text.filter(|_| output && [1, 2].contains(&entry.args[0])) {
        text.text = literal(written(tid, entry, bytes).as_bytes(), MOST).into();
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
    let mut args: Vec<Arg> = args.into_iter().filter(|arg| needs(arg.name)).collect();
    args.swap(0, 1);
    for arg in &mut args {
        let spelled = match arg.name {
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
