//! What a look into /proc touches.

use super::model::Model;
use crate::explore::footprint::{Footprint, Thing};

/// A file in /proc, by what it tells of.
pub enum Proc {
    /// The kernel's table of segments.
    Segments,
    /// What is pending for the process that looks, and for how many signals that is so of anybody's.
    Pending,
    /// What the process that looks has mapped, and its namespaces: nobody else changes that.
    Own,
    /// What another process does, by its number there.
    Other(i32),
    Anything,
}

/// By its path or by what a descriptor of it is a link to; `None`: it is none there. `pid`: the number of the
/// process that looks.
pub fn in_proc(path: &[u8], pid: i32) -> Option<Proc> {
    let file = std::str::from_utf8(path.strip_prefix(b"/proc/")?).unwrap_or_default();
    let Some((who, what)) = file.split_once('/') else { return Some(Proc::Anything) };
    let number = if who == "self" { Some(pid) } else { who.parse().ok() };
    Some(match (number, what) {
        _ if file == "sysvipc/shm" => Proc::Segments,
        (Some(number), "status") if number == pid => Proc::Pending,
        (Some(number), "maps" | "ns/ipc" | "ns/pid") if number == pid => Proc::Own,
        (Some(number), "status" | "stat" | "maps" | "syscall" | "ns/ipc" | "ns/pid") => {
            Proc::Other(number)
        }
        _ => Proc::Anything,
    })
}

impl Proc {
    /// The file is read.
    pub fn read(&self, model: &Model, i: usize, made: &mut Footprint) {
        let process = model.tasks[i].process;
        match self {
            Proc::Segments => {
                made.reads(Thing::Segments);
                // The order of two that look at this makes no difference.
                made.counts(Thing::Resident);
            }
            Proc::Pending => {
                made.reads(Thing::Queued);
                parent(model, process, made);
                made.writes(Thing::Pending(process as u32, 0));
            }
            // The files that it has mapped may be removed.
            Proc::Own => made.reads(Thing::Files),
            Proc::Other(pid) => match model.with_pid(*pid) {
                Some(other) => {
                    // As a signal would, this comes between two moves of the other one.
                    made.writes(Thing::Process(other as u32));
                    made.writes(Thing::Pending(other as u32, 0));
                    made.reads(Thing::Child(other as u32));
                    made.reads(Thing::Queued);
                    made.reads(Thing::Files);
                    parent(model, other, made);
                }
                None => made.add_everything(),
            },
            Proc::Anything => made.add_everything(),
        }
    }
}

/// Who a process's parent is makes a difference.
pub fn parent(model: &Model, process: usize, made: &mut Footprint) {
    if let Some(parent) = model.processes[process].parent {
        made.reads(Thing::Process(parent as u32));
    }
}
