//! The start of a program, paid once: it is run as far as its first call of which others can notice
//! anything, and held there. Each run is a copy of it, forked from it, that stands at the same place.
//!
//! A copy has all that fork leaves as it is. What fork changes is made good: its parent is the one
//! that the held one has (CLONE_PARENT), the kernel finds its robust list, and it has a process group of
//! its own. The C library keeps the number of its thread, and compares it with the owners of locks: the
//! held one is told from the beginning which number its copies will have. It is held before it asks for
//! its pid. A program for which that is not enough (it has descriptors that all copies would share,
//! threads, shared or locked memory or timers by then) is started anew for each run.
//! clone(2), set_robust_list(2), set_tid_address(2)

use std::fs;

use libc::c_int;

use super::room::Room;
use super::{Result, Trouble};
use crate::syscalls::pointers::robust_list;
use crate::tracer::memory::record;
use crate::tracer::registers::{self, Registers};
use crate::tracer::{Entry, How, Stop, Stopped, Tid, Told, starter};

/// See the module.
pub struct Held {
    thread: Option<Stopped>,
    tid: Tid,
    /// It stands before its call, in user mode.
    before: Registers,
    /// Where the C library keeps the thread's number.
    number_at: u64,
    /// Its robust list: where its head is, and of what size.
    robust: [u64; 2],
}

impl Held {
    /// Holds a program that stands at the entry of this call. `keeps`: where its C library keeps the
    /// number of its first thread, and which. `None`: a copy of it would not be the same; it has been ended.
    pub fn hold(
        room: &Room,
        thread: Stopped,
        entry: &Entry,
        keeps: (u64, c_int),
    ) -> Result<Option<Held>> {
        let tid = thread.tid();
        let (number_at, number) = keeps;
        // Another C library keeps something else there.
        if !is_alone(tid, room.starter.pid()) || record(tid, number_at) != Some(number) {
            starter::end(tid);
            return Ok(None);
        }
        registers::skip(&thread).map_err(Trouble::of("ptrace"))?;
        let (thread, _) = until_exit(room, thread, How::Syscall)?;
        registers::rewind(&thread, entry.number, entry.args[0]).map_err(Trouble::of("ptrace"))?;
        let before = registers::all(&thread).map_err(Trouble::of("ptrace"))?;
        let robust = robust_list(tid).unwrap_or_default();
        Ok(Some(Held { thread: Some(thread), tid, before, number_at, robust }))
    }

    /// A copy, which stands at the entry of the same call.
    pub fn copy(&mut self, room: &mut Room, number: c_int) -> Result<(Stopped, Entry)> {
        room.next_number(number)?;
        let flags = libc::CLONE_PARENT
            | libc::CLONE_CHILD_SETTID
            | libc::CLONE_CHILD_CLEARTID
            | libc::SIGCHLD;
        let clone = [flags as u64, 0, 0, self.number_at, 0];
        let held = self.thread.take().ok_or_else(gone)?;
        // The filter stops it at this call, and not at the next one.
        let (held, child) = self.call(room, held, libc::SYS_clone, clone, How::Cont)?;
        self.thread = Some(held);
        let tid = child.ok_or_else(gone)?;
        if record(tid, self.number_at) != Some(number) {
            // The one that had this number last is not gone yet.
            starter::end(tid);
            return Err(Trouble::Taken);
        }
        // SAFETY: a child of ours that has not called exec: numbers.
        unsafe { libc::setpgid(tid, tid) };
        let mut thread = match room.next_of(tid)? {
            Told::Stopped(thread, _) => thread,
            _ => return Err(gone()),
        };
        if self.robust[0] != 0 {
            let [head, len] = self.robust;
            let list = [head, len, 0, 0, 0];
            (thread, _) = self.call(room, thread, libc::SYS_set_robust_list, list, How::Step)?;
        }
        registers::set_all(&thread, &self.before).map_err(Trouble::of("ptrace"))?;
        loop {
            let _going = thread.resume(How::Cont, 0).map_err(Trouble::of("ptrace"))?;
            thread = match room.next_of(tid)? {
                Told::Stopped(thread, Stop::Entry(entry)) => return Ok((thread, entry)),
                Told::Stopped(thread, _) => thread,
                _ => return Err(gone()),
            };
        }
    }

    /// Lets the held one, or a copy that stands there, make another call than the one before which it is held.
    /// `how`: with as few stops as its end can be seen.
    fn call(
        &self,
        room: &Room,
        thread: Stopped,
        number: i64,
        args: [u64; 5],
        how: How,
    ) -> Result<(Stopped, Option<Tid>)> {
        let registers = self.before.for_call(number, args);
        registers::set_all(&thread, &registers).map_err(Trouble::of("ptrace"))?;
        until_exit(room, thread, how)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        starter::end(self.tid);
    }
}

fn gone() -> Trouble {
    Trouble::because("a program that was held is gone")
}

/// Lets one go on to the end of the call that it makes next. Answers also the child that it has made there.
fn until_exit(room: &Room, mut thread: Stopped, mut how: How) -> Result<(Stopped, Option<Tid>)> {
    let tid = thread.tid();
    let mut child = None;
    loop {
        let _going = thread.resume(how, 0).map_err(Trouble::of("ptrace"))?;
        thread = match room.next_of(tid)? {
            Told::Stopped(thread, Stop::Exit(_)) => return Ok((thread, child)),
            Told::Stopped(thread, stop) if stop.is_step() => return Ok((thread, child)),
            Told::Stopped(thread, Stop::Entry(_)) => {
                how = How::Syscall;
                thread
            }
            Told::Stopped(thread, Stop::Born(born)) => {
                child = Some(born);
                thread
            }
            Told::Stopped(thread, _) => thread,
            _ => return Err(gone()),
        };
    }
}

/// Would a copy of it share nothing with another copy, but what all programs share here, and have all
/// that it has? fork(2)
fn is_alone(tid: Tid, given_by: Tid) -> bool {
    let read = |name: &str| fs::read_to_string(format!("/proc/{tid}/{name}")).unwrap_or_default();
    let entries = |dir: &str| -> Vec<c_int> {
        let dir = fs::read_dir(format!("/proc/{tid}/{dir}")).into_iter().flatten().flatten();
        dir.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    };
    let link = |of: Tid, fd: &c_int| fs::read_link(format!("/proc/{of}/fd/{fd}")).ok();
    let is_given = |fd: &c_int| link(tid, fd) == link(given_by, fd);
    let locked = |line: &str| line.starts_with("VmLck:") && !line.ends_with(" 0 kB");
    entries("task").len() == 1
        && entries("fd").iter().all(is_given)
        && read("timers").is_empty()
        && !read("status").lines().any(locked)
}
