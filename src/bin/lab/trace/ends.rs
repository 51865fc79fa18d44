//! The programs that were started, and how they ended.

use libc::c_int;

use crate::tracer::spawn::{Program, Spawned};

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
    pub spawned: Spawned,
    pub program: Program,
    /// Its process has become it.
    pub runs: bool,
    pub end: Option<End>,
}
