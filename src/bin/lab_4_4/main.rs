//! 4.4  shmget and ftok: making and finding a segment
//!
//! Note:    notes/4.4-shmget-ftok.md
//! Run:     make lab-4.4            (ARGS=--list for the experiments)
//! Compare: strace -e trace=shmget,shmctl target/debug/lab_4_4
//!
//! A segment is found by a key, as a file is found by a path. `ftok` makes a key from a file, so
//! that programs which agree on a file agree on a key; no process can find a segment by the key
//! IPC_PRIVATE. The flags say whether to find a segment, to create one, or to fail if it exists.
//! The id that shmget returns is valid in the whole system, not only in this process.

use std::process::ExitCode;

use lablib::print::{after, cell, claim, note, step, text, translated};
use lablib::{Failure, Result, compare, expect_errno, leftovers, shm};
use libc::{IPC_CREAT, IPC_EXCL, IPC_PRIVATE, key_t};
use nix::errno::Errno;
use nix::sys::stat::stat;
use sysv::spell;

mod ftok;
mod identifiers;
mod making;
mod shmget;

/// One page: what the kernel would use anyway.
const SIZE: usize = 4096;
/// Any letter does, as long as both sides use the same.
const PROJECT: i32 = 'A' as i32;
/// The ways of asking that the section teaches.
const WAYS: [i32; 4] = [0, IPC_CREAT, IPC_CREAT | IPC_EXCL, IPC_CREAT | IPC_EXCL | 0o666];

fn main() -> ExitCode {
    let experiments = [ftok::ALL, shmget::ALL, identifiers::ALL, making::ALL].concat();
    lablib::lab("4.4  shmget and ftok", story, &experiments)
}

/// What `ftok` takes from a file: the numbers of its device and of its inode, of each the low 32 bits.
fn files_own(file: &str) -> Result<(u32, u32)> {
    let seen = stat(file);
    let numbers = seen.map(|seen| (seen.st_dev as u32, seen.st_ino as u32));
    let (device, inode) = numbers.unwrap_or_default();
    let spelled = format!("stat(\"{file}\", {{st_dev={device:#x}, st_ino={inode}}})");
    after(seen.map(|_| 0), |_| spelled)?;
    Ok((device, inode))
}

fn story() -> Result<()> {
    step(1, "A key from a file: ftok")?;
    let file = leftovers::key_file("lab-4.4.key")?;
    let key = shm::ftok(&file, PROJECT)?;
    leftovers::inherit(key)?;
    let (device, inode) = files_own(&file)?;
    let parts = (PROJECT << 24) as u32 | (device & 0xff) << 16 | inode & 0xffff;
    claim(key as u32 == parts, "8 bits of the letter, 8 of the device, 16 of the inode")?;

    step(2, "Four ways to ask, while nothing has this key")?;
    let absent = answers(key, None)?;
    note("only the first does not make one; IPC_EXCL changes nothing when there is nothing");

    step(3, "The same four, while a segment has it")?;
    let id = shm::get(key, SIZE, IPC_CREAT | IPC_EXCL | 0o600)?;
    let present = answers(key, Some(id))?;
    expect_errno(shm::get(key, SIZE, WAYS[2]), Errno::EEXIST)?;
    note("IPC_EXCL is how a program knows that it is the one who made it");

    step(4, "The eight answers")?;
    let row = |way: &str, absent: &str, present: &str| {
        text(format!("{} {} {present}", cell(way, 28), cell(absent, 22)));
    };
    row(translated("flags"), translated("no such segment"), translated("it exists"));
    for ((way, absent), present) in WAYS.iter().zip(&absent).zip(&present) {
        row(&spell::get(*way), translated(absent), translated(present));
    }
    let made = "makes one";
    claim(absent == ["ENOENT", made, made, made], "an absent segment: ENOENT without IPC_CREAT")?;
    claim(
        present == ["opens it", "opens it", "EEXIST", "EEXIST"],
        "a present one: EEXIST if EXCL",
    )?;

    step(5, "What came back: an identifier")?;
    compare::segment(id)?;
    let found = shm::get(key, 0, 0)?;
    claim(found == id, "who asks with this key gets this id")?;
    note("who has the id needs no key");

    step(6, "IPC_PRIVATE: a segment that no key finds")?;
    let one = shm::get(IPC_PRIVATE, SIZE, 0o600)?;
    let two = shm::get(IPC_PRIVATE, SIZE, 0o600)?;
    claim(one != two, "asked twice with IPC_PRIVATE: two segments")?;

    step(7, "Remove them")?;
    for id in [one, two, id] {
        shm::ctl_rmid(id)?;
    }
    expect_errno(shm::get(key, SIZE, 0), Errno::ENOENT)?;
    note("the key is free again");
    Ok(())
}

/// A column of the table: what was answered while `there` had the key. What was made is removed again.
fn answers(key: key_t, there: Option<i32>) -> Result<[&'static str; 4]> {
    let mut answers = [""; 4];
    for (way, answer) in WAYS.into_iter().zip(&mut answers) {
        *answer = match shm::get(key, SIZE, way) {
            Ok(id) if there == Some(id) => "opens it",
            Ok(id) => shm::ctl_rmid(id).map(|()| "makes one")?,
            Err(Failure::Call(_, Errno::ENOENT)) if there.is_none() => "ENOENT",
            Err(Failure::Call(_, Errno::EEXIST)) if there.is_some() && way & IPC_EXCL != 0 => {
                "EEXIST"
            }
            Err(failure) => return Err(failure),
        };
    }
    Ok(answers)
}
