//! The compare points of this section: the kernel's record of a queue, and the real `ipcs -q`.

use lablib::compare::{self, ipcs};
use lablib::print::claim;
use lablib::{Result, msg};
use libc::{c_int, key_t, msqid_ds};
use sysv::tables::{self, Kind, Row};

/// The fields by the names of `ipcs`; /proc/sysvipc/msg has all of them but the queue's limit.
const QUEUE: &str = "key=key msqid=msqid owner=uid perms=perms used-bytes=cbytes messages=qnum \
     | uid=uid gid=gid cuid=cuid cgid=cgid mode=perms cbytes=cbytes qnum=qnum lspid=lspid \
     lrpid=lrpid send_time=stime rcv_time=rtime change_time=ctime qbytes=qbytes";

/// Asks IPC_STAT, prints its row over that of the real `ipcs -q`, and answers the record. `Err` if
/// a field differs, of the row or of what `ipcs -q -i` says.
pub fn compare(msqid: c_int) -> Result<msqid_ds> {
    let ds = msg::ctl_stat(msqid)?;
    compare::object(Kind::Msg, QUEUE, "IPC_STAT", &Row::of_queue(msqid, &ds))?;
    Ok(ds)
}

/// Asserts that no row of `ipcs -q` has this key.
pub fn absent(key: key_t) -> Result<()> {
    let word = format!("{key:#010x}");
    match ipcs(&["-q"])? {
        Some(screen) => {
            let found = screen.lines().any(|row| row.split_whitespace().next() == Some(&word));
            claim(!found, "ipcs -q: no row has this key")
        }
        None => {
            let found = tables::table(Kind::Msg).iter().any(|row| row.key() == key);
            claim(!found, "no ipcs here; /proc/sysvipc/msg: no row has this key")
        }
    }
}
