//! Nothing stays behind: what the workbook made and did not remove is found by the ledger, and removed.

use std::sync::atomic::Ordering::Relaxed;
use std::{fs::File, os::fd::AsRawFd, process};

use libc::{c_int, key_t};
use screen::out::complain;
use sysv::process::runs;
use sysv::tables::{self, Kind, Row};

use crate::backstage::failure::{Failure, Result, looked};
pub use crate::backstage::ledger::{Line, edit, lines, runtime_dir, start};
use crate::backstage::turn::out;
use crate::backstage::{ledger, stop};
use crate::{msg, print, sem, shm};

/// Removes the object of `row`, which [`Line::row`] has just answered. Prints the call.
pub fn remove(line: &Line, row: &Row) -> Result<()> {
    match line.kind {
        Kind::Shm => shm::ctl_rmid(row.id() as c_int),
        Kind::Msg => msg::ctl_rmid(row.id() as c_int),
        Kind::Sem => sem::ctl_rmid(row.id() as c_int),
    }
}

/// Removes what this run made and did not remove (a child: what it made itself, if it did). True if
/// something is left all the same. The last word of a run names it, or says that there is none.
pub(crate) fn net(last_word: bool) -> bool {
    let (me, run) = (process::id() as i32, ledger::RUN.load(Relaxed));
    if run <= 0 || (run != me && ledger::MAKER.load(Relaxed) != me) {
        return false;
    }
    let mine = |line: &Line| line.run == run && (run == me || line.cpid == me);
    stop::undisturbed(|| {
        // What was overlooked so far was told.
        let _ = looked();
        let left = match sweep(mine).and_then(|left| Ok((left.join(", "), orphans()?))) {
            Ok((left, orphans)) if left.is_empty() => {
                last_word.then(|| out(&format!("\n{}\n", say!("left behind: {orphans}"))));
                return false;
            }
            Ok((left, _)) => left,
            Err(why) => say!("cannot tell: {why}"),
        };
        if last_word {
            complain(&say!("left behind: {left}; try make sweep"));
        }
        true
    })
}

/// Removes what these lines name, and answers what is there all the same.
fn sweep(mine: impl Fn(&Line) -> bool) -> Result<Vec<String>> {
    let ours: Vec<Line> = lines()?.into_iter().filter(&mine).collect();
    let Some(_) = ours.first() else { return Ok(vec![]) };
    for line in &ours {
        let Some(row) = line.row() else { continue };
        print::note("safety net: this was made here and not removed");
        // A second time if need be; what stays all the same is told below.
        let _ = print::dim(|| remove(line, &row).or_else(|_| remove(line, &row)));
    }
    let there = |line: &Line| Some((line.clone(), line.row()?.id()));
    let left: Vec<(Line, i64)> = ours.iter().filter_map(there).collect();
    looked()?;
    edit(|all| all.retain(|line| !mine(line) || left.iter().any(|one| one.0 == *line)))?;
    Ok(left.iter().map(|(line, id)| format!("{} {id}", line.kind.id_name())).collect())
}

/// Segments that were attached here, whose maker is gone, and which nobody has attached; or "none".
fn orphans() -> Result<String> {
    let met = shm::met();
    let rows = if met.is_empty() { vec![] } else { tables::table(Kind::Shm) };
    let alone = |row: &&Row| {
        met.contains(&(row.id() as c_int))
            && row.get("nattch") == 0
            && !runs(row.get("cpid") as i32)
    };
    let name = |row: &Row| say!("shmid {}, of {}, which is gone", row.id(), row.get("cpid"));
    let names: Vec<String> = rows.iter().filter(alone).map(name).collect();
    let none = print::translated("none").to_string();
    looked().map(|()| if names.is_empty() { none } else { names.join(", ") })
}

/// Removes what a run that was killed left under `key`, and nobody uses: only what is provably
/// ours, as everywhere here. IPC_PRIVATE: every segment without a key, of any section.
pub fn inherit(key: key_t) -> Result<()> {
    let gone = |line: &&Line| !runs(line.cpid) && !runs(line.run);
    for line in lines()?.iter().filter(|line| line.key == key).filter(gone) {
        if let Some(row) = line.row().filter(|row| row.get("nattch") == 0) {
            let what = format!("{} {}", line.kind.id_name(), row.id());
            print::note(say!("{what} was left by {}, which is gone", line.cpid));
            print::dim(|| remove(line, &row))?;
        }
    }
    Ok(())
}

/// An empty file of this user, for `ftok`, which needs one that exists.
pub fn key_file(name: &str) -> Result<String> {
    let path = runtime_dir()?.join(name);
    let line = format!("open({path:?}, O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC, 0666)");
    let file = File::options().append(true).create(true).open(&path);
    let file = file.map_err(Failure::of(&line))?;
    print::dim(|| print::after(Ok(file.as_raw_fd()), |_| line))?;
    Ok(path.display().to_string())
}
