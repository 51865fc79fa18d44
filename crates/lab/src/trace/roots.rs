//! The programs that were started, and how they ended.

use libc::c_int;

use crate::tracer::Tid;

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// With this exit code.
    Exited(c_int),
    /// By this signal.
    Killed(c_int),
    /// It could not be run: the exit code that a shell gives for that.
    NotRun(c_int),
    /// A signal to us, or our reader gone, ended the trace, and what it traced with it.
    Stopped(c_int),
}

/// A program that we started: its process.
struct Root {
    pid: Tid,
    end: Option<End>,
}

/// The programs that we started, in the order of the command line.
#[derive(Default)]
pub struct Roots(Vec<Root>);

impl Roots {
    /// It is being started.
    pub fn add(&mut self, pid: Tid) {
        self.0.push(Root { pid, end: None });
    }

    /// A process has ended so; it may be one of theirs.
    pub fn end(&mut self, pid: Tid, end: End) {
        if let Some(root) = self.0.iter_mut().find(|root| root.pid == pid) {
            root.end = Some(end);
        }
    }

    /// How the first one ended, if it has.
    pub fn first_end(&self) -> Option<End> {
        self.0.first()?.end
    }

    /// The processes of those that have not ended.
    pub fn living(&self) -> Vec<Tid> {
        self.0.iter().filter(|root| root.end.is_none()).map(|root| root.pid).collect()
    }
}
