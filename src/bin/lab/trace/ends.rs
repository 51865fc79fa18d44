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

/// A program that we started.
pub struct Root {
    pub pid: Tid,
    pub end: Option<End>,
}
