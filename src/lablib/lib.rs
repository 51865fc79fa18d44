//! What the labs stand on: the calls of System V IPC, and one printed line for each.
//!
//! | module | what it holds |
//! |---|---|
//! | [`shm`] | `ftok`, `shmget`, `shmat`, `shmdt`, `shmctl`, and memory that is attached |
//! | [`msg`], [`sem`] | the message queue and semaphore calls |
//! | [`signals`] | handlers that only set a flag, and the waits that signals can end |
//! | [`child`] | child processes: made, waited for, crashed on purpose |
//! | [`print`] | title, step, note, and [`print::traced`], which prints a call |
//! | [`compare`] | the real `ipcs` beside the kernel's record |
//! | [`leftovers`] | what was made and not removed, so that nothing stays behind |
//! | [`run`] | `main`: arguments, the story or experiments, the end |
//!
//! A lab calls, the call prints its line, `?` ends the lab when something fails that should not,
//! and [`expect_errno`] asserts a failure that should. What lies in `backstage/` need not be read.

// For say!, which says `lablib` here, too.
extern crate self as lablib;
#[macro_use]
extern crate say;

mod backstage;
pub mod child;
pub mod compare;
pub mod leftovers;
pub mod msg;
pub mod print;
pub mod run;
pub mod sem;
pub mod shm;
pub mod signals;

pub use backstage::failure::{Failure, Result, exit, looked};
pub use print::expect_errno;
pub use run::{Experiment, arguments, command, lab, run, section, value};
pub use say::say;
pub use screen::pages::{Patience, patience};
