//! System V IPC as Linux shows it. Nothing here prints, and nothing changes an object.
//!
//! | module | what it holds |
//! |---|---|
//! | [`spell`] | numbers to the words that `strace` and `ipcs` use |
//! | [`apart`] | another IPC namespace, another user |
//! | [`attached`] | what a process has attached, and where |
//! | [`folder`] | a folder of this user's own |
//! | [`program`] | other programs of this machine, such as the real `ipcs` |
//! | [`ledger`] | the file in which the workbook keeps what it has made |
//! | [`line`] | an object as it was when it was made |
//! | [`hint`] | what a refused call means beyond its errno |
//! | [`look`] | files of /proc, and which could not be read |
//! | [`records`] | what the kernel fills for IPC_STAT and its relatives |
//! | [`tables`] | /proc/sysvipc and the limits |
//! | [`process`] | /proc/PID: does it run, where does it sleep, what has it attached |

#[cfg(not(target_os = "linux"))]
compile_error!("the workbook needs Linux: it looks through /proc, pidfds and namespaces");

pub mod apart;
pub mod attached;
pub mod folder;
pub mod hint;
pub mod ledger;
pub mod line;
pub mod look;
pub mod process;
pub mod program;
pub mod records;
pub mod spell;
pub mod tables;
