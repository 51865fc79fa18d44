//! The compare points of this section: the kernel's record of a queue, and the real `ipcs -q`.

use lablib::cleanup::Kind;
use lablib::system::{self, ipcs};
use lablib::trace::{claim, note, text};
use lablib::{Failure, Result, msg};
use libc::{c_int, key_t, msqid_ds};

/// Fields by the names that `ipcs` has for them, each spelled as `ipcs` spells it.
type Fields = Vec<(&'static str, String)>;

/// How many of the fields are the columns of `ipcs -q`; the rest are those of `ipcs -q -i`.
const COLUMNS: usize = 6;

/// Asks IPC_STAT, prints its row over that of the real `ipcs -q`, and answers the record. `Err` if
/// a field differs, of the row or of what `ipcs -q -i` says.
pub fn compare(msqid: c_int) -> Result<msqid_ds> {
    let ds = msg::ctl_stat(msqid)?;
    let ours = of_record(msqid, &ds);
    let (reader, theirs) = match of_ipcs(msqid, &ours) {
        Some(theirs) => ("ipcs -q", theirs),
        None => {
            note("this machine has no ipcs; /proc/sysvipc/msg is what it reads");
            ("/proc", of_proc(msqid)?)
        }
    };
    let width = |i: usize| ours[i].0.len().max(ours[i].1.len()).max(theirs[i].1.len());
    let row = |label: &str, cell: &dyn Fn(usize) -> String| {
        let cells: String = (0..COLUMNS).map(|i| format!(" {:<1$}", cell(i), width(i))).collect();
        text(format!("{label:<8} {cells}").trim_end());
    };
    row("", &|i| ours[i].0.into());
    row("IPC_STAT", &|i| ours[i].1.clone());
    row(reader, &|i| theirs[i].1.clone());
    for (name, said) in &theirs {
        let ours = ours.iter().find(|(ours, _)| ours == name).map_or("nothing", |(_, ours)| ours);
        if said != ours {
            let why = format!("queue {msqid}: {name} is {said} for {reader}, {ours} for IPC_STAT");
            return Err(Failure::because(why));
        }
    }
    let more = if reader == "/proc" { "" } else { &format!(", and those of ipcs -q -i {msqid}") };
    note(&format!("✓ all fields are equal{more}"));
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
            let found = system::table(Kind::Msg).iter().any(|row| row.key() == key);
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
fn of_proc(msqid: c_int) -> Result<Fields> {
    let row = system::row(Kind::Msg, msqid);
    let row = row.ok_or_else(|| Failure::because(format!("/proc has no queue {msqid}")))?;
    let columns = "key msqid uid perms cbytes qnum uid gid cuid cgid perms cbytes qnum lspid lrpid \
                   stime rtime ctime";
    Ok(fields(&columns.split(' ').map(|column| row.get(column)).collect::<Vec<_>>()))
}

/// What `ipcs -q` and `ipcs -q -i` print for these fields; `None` if this machine has no `ipcs`.
fn of_ipcs(msqid: c_int, ours: &Fields) -> Option<Fields> {
    let (screen, id) = (ipcs(&["-q"])?, msqid.to_string());
    let mut rows = screen.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.get(1) == Some(&id.as_str())).unwrap_or_default();
    let detail = ipcs(&["-q", "-i", &id])?;
    let pairs: Vec<_> =
        detail.split(['\t', '\n']).filter_map(|pair| pair.split_once('=')).collect();
    let said = |(i, (name, _)): (usize, &(&'static str, String))| {
        let word = if i < COLUMNS {
            row.get(i).copied()
        } else {
            pairs.iter().find(|(known, _)| known.trim() == *name).map(|(_, value)| value.trim())
        };
        (*name, word.unwrap_or("nothing").to_string())
    };
    Some(ours.iter().enumerate().map(said).collect())
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
            "owner" => system::user(number),
            "perms" => format!("{number:o}"),
            "mode" => format!("0{number:o}"),
            _ if name.ends_with("_time") => system::time(number),
            _ => number.to_string(),
        };
        (name, word)
    };
    names.into_iter().zip(numbers).map(spell).collect()
}
