//! The tables of the room's IPC namespace: emptied after each run, as if the namespace were new.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use libc::c_int;
use nix::errno::Errno;

use super::verdict::Kind;
use crate::tracer::Tid;

/// The limits that a program may change in its IPC namespace, below /proc/sys.
const LIMITS: [&str; 13] = [
    "kernel/shmmax",
    "kernel/shmall",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "fs/mqueue/queues_max",
    "fs/mqueue/msg_max",
    "fs/mqueue/msgsize_max",
    "fs/mqueue/msg_default",
    "fs/mqueue/msgsize_default",
];

/// See the module.
#[derive(Default)]
pub struct Tables {
    next: [Next; 3],
    /// Each with what stood in it.
    limits: Vec<(File, Vec<u8>)>,
    /// The message queues, as a folder.
    queues: Option<File>,
}

/// Which id the next object gets.
#[derive(Default)]
struct Next {
    /// kernel.shm_next_id and the like: what stands in it is used once. proc_sys_kernel(5)
    file: Option<File>,
    id: c_int,
}

impl Tables {
    /// As they stand now, to be made so again. `queues` is the starter's descriptor of the message
    /// queues, as a folder.
    pub fn found(starter: Tid, queues: c_int) -> Tables {
        let next = ["shm", "msg", "sem"].map(|kind| {
            let path = format!("/proc/sys/kernel/{kind}_next_id");
            Next { file: File::options().write(true).open(path).ok(), id: 0 }
        });
        let limit = |name: &&str| {
            let file = File::options().read(true).write(true).open(format!("/proc/sys/{name}"));
            let file = file.ok()?;
            let text = read_at_once(&file);
            Some((file, text))
        };
        let limits = LIMITS.iter().filter_map(limit).collect();
        let queues = File::open(format!("/proc/{starter}/fd/{queues}")).ok();
        Tables { next, limits, queues }
    }

    /// Can we say which ids are given? Where not, they differ from run to run.
    pub fn counts_ids(&self) -> bool {
        self.next.iter().all(|one| one.file.is_some())
    }

    /// Nothing is left in them, and ids count from 0.
    pub fn empty(&mut self) {
        for kind in [Kind::Shm, Kind::Msg, Kind::Sem] {
            for id in ids(kind) {
                // One that goes with its last detach cannot be removed again.
                let _ = control(kind, id, libc::IPC_RMID);
            }
            self.next[kind as usize].id = 0;
        }
    }

    /// Limits are what they were, and there is no message queue of POSIX: both are files.
    pub fn put_right(&mut self) {
        for (file, before) in &self.limits {
            if read_at_once(file) != *before {
                // One that cannot be written could not be changed either.
                let _ = file.write_all_at(before, 0);
            }
        }
        if let Some(folder) = &self.queues {
            empty(format!("/proc/self/fd/{}", folder.as_raw_fd()).as_ref());
        }
    }

    /// A program is about to ask for an object of this kind: if one is made, it gets the next id.
    pub fn before_get(&self, kind: Kind) {
        let next = &self.next[kind as usize];
        if let Some(file) = &next.file {
            // One that is refused was refused before: we have said so.
            let _ = file.write_all_at(next.id.to_string().as_bytes(), 0);
        }
    }

    /// It got this id.
    pub fn after_get(&mut self, kind: Kind, id: c_int) {
        let next = &mut self.next[kind as usize];
        next.id = next.id.max(id.saturating_add(1));
    }
}

fn read_at_once(file: &File) -> Vec<u8> {
    let mut text = [0; 128];
    let got = file.read_at(&mut text, 0).unwrap_or(0);
    text[..got].to_vec()
}

/// The ids of all objects of a kind in the namespace, which is our own.
pub fn ids(kind: Kind) -> impl Iterator<Item = c_int> {
    /// SHM_INFO and SHM_STAT_ANY, and so on: <linux/shm.h>, <linux/msg.h>, <linux/sem.h>
    const COMMANDS: [[c_int; 2]; 3] = [[14, 15], [12, 13], [19, 20]];
    let [info, stat_any] = COMMANDS[kind as usize];
    // The last index in use; 0 also for an empty table.
    let last = control(kind, 0, info).unwrap_or(-1);
    (0..=last).filter_map(move |index| control(kind, index, stat_any).ok())
}

/// shmctl, msgctl or semctl; what it fills in is not looked at.
fn control(kind: Kind, id: c_int, command: c_int) -> nix::Result<c_int> {
    let mut record = [0_u64; 32];
    let at = record.as_mut_ptr();
    // SAFETY: the largest record that the kernel fills has 128 bytes.
    let answer = unsafe {
        match kind {
            Kind::Shm => libc::syscall(libc::SYS_shmctl, id, command, at),
            Kind::Msg => libc::syscall(libc::SYS_msgctl, id, command, at),
            Kind::Sem => libc::syscall(libc::SYS_semctl, id, 0, command, at),
        }
    };
    Errno::result(answer).map(|answer| answer as c_int)
}

/// An empty folder is made of it.
pub fn empty(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
}
