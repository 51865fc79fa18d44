//! The calls of System V message queues: msgget(2), msgop(2), msgctl(2).

use std::{mem, ptr};

use libc::{c_int, c_long, key_t, msqid_ds};
use nix::errno::Errno;
use sysv::tables::Kind;
use sysv::{records, spell};

use crate::backstage::failure::Result;
use crate::backstage::ledger;
use crate::print::{after, before, begin, traced};

/// The longest message these functions carry, in bytes: the kernel's default limit (msgmax).
pub const MAX: usize = 8192;

/// `struct msgbuf`: a type above 0, and the bytes.
#[repr(C)]
struct Buffer {
    mtype: c_long,
    mtext: [u8; MAX],
}

/// Creates or opens a queue: msgget(2). ENOENT, EEXIST, EACCES, ENOSPC (msgmni).
pub fn get(key: key_t, msgflg: c_int) -> Result<c_int> {
    ledger::making(Kind::Msg, key, 0, msgflg, || {
        // SAFETY: msgget takes two numbers.
        traced(format!("msgget({}, {})", spell::key(key), spell::get(msgflg)), || unsafe {
            libc::msgget(key, msgflg)
        })
    })
}

/// Copies a message of at most [`MAX`] bytes into the queue: msgop(2). Blocks while the queue is
/// full, unless IPC_NOWAIT: EAGAIN. EINVAL (id, type), EIDRM (removed meanwhile), EINTR.
pub fn snd(msqid: c_int, mtype: c_long, mtext: &[u8], msgflg: c_int) -> Result<()> {
    let mut buffer = Buffer { mtype, mtext: [0; MAX] };
    let len = mtext.len().min(MAX);
    buffer.mtext[..len].copy_from_slice(&mtext[..len]);
    let (text, how) = (spell::bytes(mtext), spell::join(msgflg, spell::MESSAGE));
    let line = format!("msgsnd({msqid}, {{mtype={mtype}, mtext={text}}}, {len}, {how})");
    // Under the lock even though it may block: its line must stand before the receiver's.
    // SAFETY: the kernel reads a type and `len` bytes, all inside the buffer.
    traced(line, || unsafe { libc::msgsnd(msqid, (&raw const buffer).cast(), len, msgflg) })?;
    Ok(())
}

/// Copies a message out of the queue, of type `msgtyp` (0: the first), and answers its type and
/// its bytes: msgop(2). Blocks while there is none, unless IPC_NOWAIT: ENOMSG. E2BIG (longer than
/// `size`), EIDRM (removed meanwhile), EINVAL, EINTR.
pub fn rcv(msqid: c_int, size: usize, msgtyp: c_long, msgflg: c_int) -> Result<(c_long, Vec<u8>)> {
    let mut buffer = Buffer { mtype: 0, mtext: [0; MAX] };
    let (to, room) = ((&raw mut buffer).cast(), size.min(MAX));
    let how = spell::join(msgflg, spell::MESSAGE);
    let line = format!("msgrcv({msqid}, &buffer, {room}, {msgtyp}, {how})");
    let sleeps = msgflg & libc::IPC_NOWAIT == 0;
    let _turn = if sleeps { begin(&line).map(|()| None)? } else { Some(before(&line)?) };
    // SAFETY: the kernel writes a type and at most `room` bytes, all inside the buffer.
    let taken = Errno::result(unsafe { libc::msgrcv(msqid, to, room, msgtyp, msgflg) });
    let text = buffer.mtext[..taken.unwrap_or(0) as usize].to_vec();
    after(taken.map(|n| n as c_int), |ok| {
        let message = format!("{{mtype={}, mtext={}}}", buffer.mtype, spell::bytes(&text));
        if ok { line.replace("&buffer", &message) } else { line }
    })?;
    Ok((buffer.mtype, text))
}

/// `msgctl(IPC_STAT)`: the kernel's record of a queue. EINVAL, EACCES.
pub fn ctl_stat(msqid: c_int) -> Result<msqid_ds> {
    let _turn = before(&format!("msgctl({msqid}, IPC_STAT, &ds)"))?;
    // SAFETY: msqid_ds is plain numbers, and the kernel writes one whole record or nothing.
    let mut ds: msqid_ds = unsafe { mem::zeroed() };
    // SAFETY: see above.
    let result = Errno::result(unsafe { libc::msgctl(msqid, libc::IPC_STAT, &mut ds) });
    let spell = |record: &str| format!("msgctl({msqid}, IPC_STAT, {record})");
    after(result, |ok| spell(&if ok { records::msg(&ds) } else { "&ds".into() }))?;
    Ok(ds)
}

/// `msgctl(IPC_RMID)`: removes the queue at once; calls that are blocked on it fail with EIDRM.
pub fn ctl_rmid(msqid: c_int) -> Result<()> {
    // SAFETY: IPC_RMID touches no buffer.
    traced(format!("msgctl({msqid}, IPC_RMID, NULL)"), || unsafe {
        libc::msgctl(msqid, libc::IPC_RMID, ptr::null_mut())
    })?;
    ledger::removed(Kind::Msg, msqid)
}
