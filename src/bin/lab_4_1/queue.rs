//! The compare points of this section: the kernel's record of a queue, and the real `ipcs -q`.

use lablib::compare::{Fields, Table, ipcs};
use lablib::print::claim;
use lablib::{Result, msg};
use libc::{c_int, key_t, msqid_ds};
use sysv::spell;
use sysv::tables::{self, Kind};

/// Asks IPC_STAT, prints its row over that of the real `ipcs -q`, and answers the record. `Err` if
/// a field differs, of the row or of what `ipcs -q -i` says.
pub fn compare(msqid: c_int) -> Result<msqid_ds> {
    let ds = msg::ctl_stat(msqid)?;
    let table = Table { kind: Kind::Msg, id: msqid, columns: 6 };
    table.compare("IPC_STAT", &of_record(msqid, &ds), || of_proc(msqid))?;
    Ok(ds)
}

/// Asserts that no row of `ipcs -q` has this key.
pub fn absent(key: key_t) -> Result<()> {
    let word = format!("{key:#010x}");
    match ipcs(&["-q"]) {
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

fn of_record(msqid: c_int, ds: &msqid_ds) -> Fields {
    let p = &ds.msg_perm;
    fields(&[
        p.__key as i64,
        msqid.into(),
        p.uid.into(),
        p.mode.into(),
        ds.__msg_cbytes as i64,
        ds.msg_qnum as i64,
        p.uid.into(),
        p.gid.into(),
        p.cuid.into(),
        p.cgid.into(),
        p.mode.into(),
        ds.__msg_cbytes as i64,
        ds.msg_qnum as i64,
        ds.msg_lspid.into(),
        ds.msg_lrpid.into(),
        ds.msg_stime,
        ds.msg_rtime,
        ds.msg_ctime,
        ds.msg_qbytes as i64,
    ])
}

/// The row of /proc/sysvipc/msg: all but the queue's limit, which it does not have.
fn of_proc(msqid: c_int) -> Fields {
    let columns = "key msqid uid perms cbytes qnum uid gid cuid cgid perms cbytes qnum lspid lrpid \
                   stime rtime ctime";
    tables::row(Kind::Msg, msqid).map_or(vec![], |row| {
        fields(&columns.split(' ').map(|column| row.get(column)).collect::<Vec<_>>())
    })
}

/// Spells numbers as `ipcs` does, in the order of its row and of its details.
fn fields(numbers: &[i64]) -> Fields {
    let names = [
        "key",
        "msqid",
        "owner",
        "perms",
        "used-bytes",
        "messages",
        "uid",
        "gid",
        "cuid",
        "cgid",
        "mode",
        "cbytes",
        "qnum",
        "lspid",
        "lrpid",
        "send_time",
        "rcv_time",
        "change_time",
        "qbytes",
    ];
    let spell = |(name, &number): (&'static str, &i64)| {
        let word = match name {
            "key" => format!("{:#010x}", number as key_t),
            "owner" => spell::user(number),
            "perms" => format!("{number:o}"),
            "mode" => format!("0{number:o}"),
            _ if name.ends_with("_time") => spell::time(number),
            _ => number.to_string(),
        };
        (name, word)
    };
    names.into_iter().zip(numbers).map(spell).collect()
}
